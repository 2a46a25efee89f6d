#!/bin/bash
# check.sh PROGRAM -- tries the VM: its programs, on one capability and on two, shaken and not;
# exits with 0 if all is as it should be.
set -u
program=$1
programs=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d) || exit 1
running=""
trap '[ -z "$running" ] || kill -KILL $running 2>/dev/null; rm -rf "$folder"' EXIT

complain() {
    echo "check.sh: $1" >&2
    cat "$folder"/out "$folder"/err >&2 2>/dev/null
    exit 1
}

# ---- sleep sort

"$program" --capabilities 1 "$programs/sleepsort.vm" 300 100 200 >"$folder/out" 2>"$folder/err"
[ "$(tr '\n' ' ' <"$folder/out")" = "100 200 300 " ] || complain "sleepsort"

# ---- the echo server, and clients that are none of ours

"$program" --capabilities 2 --shake "$programs/echo.vm" 0 >"$folder/out" 2>"$folder/err" &
running=$!
port=""
while [ -z "$port" ]; do
    port=$(sed -n 's/listening on port //p' "$folder/out")
    kill -0 "$running" 2>/dev/null || complain "the echo server has ended at once"
    sleep 0.02
done
for client in 1 2 3; do
    exec {socket}<>"/dev/tcp/127.0.0.1/$port" || complain "nobody listens on port $port"
    for line in one two three; do
        echo "$client $line" >&"$socket"
        read -r answer <&"$socket"
        [ "$answer" = "$client $line" ] || complain "'$answer' came back for '$client $line'"
    done
    exec {socket}>&-
done
kill "$running"
wait "$running" 2>/dev/null
running=""

# ---- faults of programs

# fault STATUS TEXT PROGRAM -- exits so, and says that.
fault() {
    printf '%b' "$3" >"$folder/fault.vm"
    "$program" "$folder/fault.vm" >"$folder/out" 2>"$folder/err"
    local status=$?
    [ $status -eq "$1" ] || complain "exit $status instead of $1: $3"
    grep -q -- "$2" "$folder/err" || complain "did not say '$2'"
}
fault 2 "fault.vm:2: no such variable: x" 'fn main\nwrite 1 x\nend\n'
fault 2 "fault.vm:2: no such function: nobody" 'fn main\nnobody 1\nend\n'
fault 2 "an end is missing: main" 'fn main\nif 1\nend\n'
fault 2 "wrong number of operands: add" 'fn main\nx = add 1\nend\n'
fault 2 "no such function: main" 'fn other\nend\n'
fault 1 "line 3, in main: add: an operand of the wrong kind" 'fn main\nx = "a"\nx = add 1 x\nend\n'
inner='fn inner\nfail "on purpose"\nend\n'
fault 1 "line 2, in inner: fail: on purpose" "${inner}fn main\ninner\nend\n"
fault 0 "line 2, in inner: fail: on purpose" "${inner}fn main\nspawn inner\nend\n"
printf 'fn main\nx = "text"\nwhile 1\nx = join x x\nend\nend\n' >"$folder/grow.vm"
"$program" --heap 4 "$folder/grow.vm" >"$folder/out" 2>"$folder/err" &&
    complain "more than fits into the heap has fitted"
grep -q "join: out of memory" "$folder/err" || complain "did not say that it was out of memory"

# ---- numbers that are none of what is asked for

cat >"$folder/odd.vm" <<'VM'
fn expect what result
    if result
        what = join what " with an odd number\n"
        write 2 what
    end
end
fn nap long
    sleep long
    write 2 "slept\n"
end
fn main
    result = read 4294967296
    expect "read" result
    result = write 4294967298 "oops\n"
    expect "written" result
    result = close 4294967296
    expect "closed" result
    result = listen 65536
    expect "listening" result
    result = connect -65536
    expect "connected" result
    result = accept -1
    expect "accepted" result
    spawn nap 9223372036854776
    spawn nap 4000000000000000000
    nap -4000000000000000000
    write 1 "tried"
end
VM
"$program" "$folder/odd.vm" <<<"some input" >"$folder/out" 2>"$folder/err" &
running=$!
for _ in {1..200}; do
    grep -q tried "$folder/out" && break
    sleep 0.02
done
sleep 0.05 # more than one nap is over?
kill "$running"
wait "$running" 2>/dev/null
running=""
grep -q tried "$folder/out" && [ "$(cat "$folder/err")" = slept ] ||
    complain "odd numbers were taken for others"
echo "all as it should be"
