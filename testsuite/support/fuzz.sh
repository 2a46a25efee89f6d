#!/bin/bash
# fuzz.sh SECONDS [PROGRAM...] -- programs of testsuite/fuzz, one after the other, SECONDS each.
#
# Without PROGRAM it builds all of them.  What is found is kept as a file beside the program, as
# NAME.crash-..., and tried again first each time, with the seeds: when it is mended, move it to
# them.  The corpus lies beside the program as well, and grows from run to run.
set -euo pipefail
shopt -s nullglob
cd "$(dirname "$0")/../.."
seconds=${1:?usage: fuzz.sh SECONDS [PROGRAM...]}
programs=("${@:2}")

export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export ASAN_OPTIONS=detect_stack_use_after_return=0:strict_string_checks=1

if [ ${#programs[@]} = 0 ]; then
    mkdir -p build
    cmake --preset fuzz >build/fuzz.log 2>&1 || { cat build/fuzz.log; exit 1; }
    mapfile -t targets <build/fuzz/testsuite/fuzz.txt
    cmake --build --preset fuzz --target "${targets[@]}"
    programs=("${targets[@]/#fuzz_/build/fuzz/testsuite/fuzz/}")
fi
for program in "${programs[@]}"; do
    seeds=testsuite/fuzz/$(basename "$program").seeds
    again=("$program".{crash,leak,oom,timeout}-* "$seeds"/*)
    mkdir -p "$program.corpus"
    echo "==== $program: ${#again[@]} findings and seeds"
    [ ${#again[@]} = 0 ] || "$program" -timeout=60 "${again[@]}"
    echo "==== $program for $seconds s"
    "$program" -max_total_time="$seconds" -max_len=512 -len_control=0 -timeout=60 \
        -print_final_stats=1 -artifact_prefix="$program." "$program.corpus" "$seeds"
done
echo "==== fuzz: no finding"
