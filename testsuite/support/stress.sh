#!/bin/bash
# stress.sh SECONDS -- the stress programs, half of SECONDS under tsan and half under asan.
#
# The seeds are new on every run and printed: repeat a failure with the command line that is shown.
set -euo pipefail
cd "$(dirname "$0")/../.."
total_s=${1:?usage: stress.sh SECONDS}

export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export ASAN_OPTIONS=detect_stack_use_after_return=0:strict_string_checks=1

mkdir -p build
for preset in tsan asan; do
    cmake --preset $preset >build/$preset.log 2>&1 || { cat build/$preset.log; exit 1; }
    { IFS=';' read -r -a launcher; mapfile -t programs; } <build/$preset/testsuite/stress.txt
    if [ ${#programs[@]} = 0 ]; then
        echo "stress: there is no program under testsuite/stress/" >&2
        exit 1
    fi
    cmake --build --preset $preset --target "${programs[@]}"
    share_s=$((total_s / 2 / ${#programs[@]}))
    [ $share_s -ge 1 ] || share_s=1
    for program in "${programs[@]}"; do
        seed=$((RANDOM * 32768 + RANDOM + 1))
        command=("${launcher[@]}" "build/$preset/testsuite/stress/${program#stress_}"
            --seconds $share_s --seed $seed)
        echo "==== $preset: ${command[*]}"
        status=0
        # The limit is for a hang: a program that is merely slow has a minute to end.
        timeout --signal=ABRT --kill-after=30 $((share_s * 4 + 60)) "${command[@]}" || status=$?
        if [ $status != 0 ] && [ $status != 77 ]; then
            echo "==== stress: FAILED with status $status under $preset: ${command[*]}" >&2
            exit 1
        fi
    done
done
echo "==== stress: clean, $total_s s"
