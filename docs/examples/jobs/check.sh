#!/bin/sh
# check.sh PROGRAM -- order, how many at once, failures, bad files, SIGINT; exits with 0 if all is
# as it should be.
set -u
program=$1
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1

complain() {
    echo "check.sh: $1" >&2
    [ -f out ] && cat out >&2
    exit 1
}

# expect STATUS WHAT ARGUMENT... -- run it.
expect() {
    wanted=$1 what=$2
    shift 2
    "$program" "$@" >out 2>&1
    status=$?
    [ $status -eq "$wanted" ] || complain "$what: exit $status instead of $wanted"
}

# 30 jobs in layers of 5, each after all of the layer before; a slot is a folder that only one can
# make, so a third job at once finds none.
enter='for i in 1 2; do mkdir slot$i 2>/dev/null && got=$i && break; done; [ -n "${got-}" ]'
before=""
for layer in 1 2 3 4 5 6; do
    this=""
    for job in a b c d e; do
        needs=""
        for name in $before; do needs="$needs && [ -f $name.made ]"; done
        echo "$layer$job: $before ; $enter $needs && touch $layer$job.made && rmdir slot\$got"
        this="$this $layer$job"
    done
    before=$this
done >layers.jobs
for at_once in 1 2; do
    rm -f ./*.made
    expect 0 "layers, $at_once at once" --at-once $at_once layers.jobs
    [ "$(ls ./*.made | wc -l)" -eq 30 ] || complain "not all were run"
    grep -q "30 done, 0 failed, 0 skipped" out || complain "wrong sum"
done

printf 'good: ; true\nbad: good ; false\n' >fail.jobs
printf 'never: bad ; touch never.made\nother: good ; true\n' >>fail.jobs
expect 1 "a job that fails" --at-once 2 fail.jobs
grep -q "2 done, 1 failed, 1 skipped" out || complain "wrong sum after a failure"
[ ! -e never.made ] || complain "a job ran after one that failed"

printf 'a: b ; true\nb: a ; true\n' >ring.jobs
expect 2 "a ring" ring.jobs
printf 'a: c ; true\n' >nowhere.jobs
expect 2 "a name that is nowhere" nowhere.jobs
printf 'a: ; true\na: ; true\n' >twice.jobs
expect 2 "a name that stands twice" twice.jobs
expect 2 "no file" none.jobs
: >empty.jobs
expect 0 "no jobs" empty.jobs

printf 'long: ; touch begun; sleep 1000\nafter: long ; touch after.made\n' >long.jobs
"$program" --at-once 1 long.jobs >out 2>&1 &
runner=$!
while [ ! -e begun ]; do sleep 0.01; done
kill -TERM $runner
wait $runner
status=$?
[ $status -eq 1 ] || complain "ended by a signal: exit $status"
[ ! -e after.made ] || complain "a job ran after the end"
grep -q "0 done, 1 failed, 1 skipped" out || complain "wrong sum after a signal"
echo "all as it should be"
