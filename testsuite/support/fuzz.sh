#!/bin/bash
# fuzz.sh SECONDS -- every program of testsuite/fuzz, one after the other, SECONDS each.
#
# What is found is kept as a file in build/fuzz/testsuite/fuzz/: give it to the program to repeat
# it. The corpus lies there as well, and grows from run to run.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:?usage: fuzz.sh SECONDS}

export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export ASAN_OPTIONS=detect_stack_use_after_return=0:strict_string_checks=1

mkdir -p build
cmake --preset fuzz >build/fuzz.log 2>&1 || { cat build/fuzz.log; exit 1; }
mapfile -t programs <build/fuzz/testsuite/fuzz.txt
cmake --build --preset fuzz --target "${programs[@]}"
for program in "${programs[@]}"; do
    at=build/fuzz/testsuite/fuzz/${program#fuzz_}
    echo "==== $at for $seconds s"
    "$at" -max_total_time="$seconds" -max_len=512 -len_control=0 -print_final_stats=1 \
        -artifact_prefix=build/fuzz/testsuite/fuzz/ "$at.corpus"
done
echo "==== fuzz: no finding"
