#!/bin/bash
# check.sh -- everything that must be green, stage by stage; stops at the first that is not.
#
# check.sh [STAGE...] runs only the named stages.  Without names migrate, and aarch64 with the
# Debian packages, come every fourth commit each (turn.sh), and clang (without a sanitizer: asan and
# tsan are clang's as well) is left out.
set -euo pipefail
cd "$(dirname "$0")/../.."

export CTEST_PARALLEL_LEVEL=${CTEST_PARALLEL_LEVEL:-2}
turn=$(testsuite/support/turn.sh)
turns=(migrate "" "aarch64 debian" "")
all_stages="lint dev valgrind release asan tsan fuzz ${turns[turn % 4]}"
stage=start
stage_start_s=0
summary=""

build() {
    cmake --preset "$1" >"build/$1.log" 2>&1 || { cat "build/$1.log"; return 1; }
    cmake --build --preset "$1" "${@:2}"
}

build_fuzzers() {
    cmake --preset fuzz >build/fuzz.log 2>&1 || { cat build/fuzz.log; return 1; }
    local programs
    mapfile -t programs <build/fuzz/testsuite/fuzz.txt
    cmake --build --preset fuzz --target "${programs[@]}"
}

run_tests() {
    ctest --preset "$1" --no-tests=error "${@:2}"
}

real="^(unit|path|conformance|regress|stress|examples|fault)$"
faultless="^(unit|path|conformance|regress|stress|examples)$"
quick="^(unit|path|conformance|regress)$"
measured="^(unit|path|conformance|regress|examples|install|lint|instructions)$"

# The Debian packages: built, installed, used.
try_packages() {
    build debian
    rm -rf build/debian/packages
    cpack --preset debian >build/debian.log 2>&1 || { cat build/debian.log; return 1; }
    testsuite/install/check.sh packages build/debian
}

# Every sixth test; the others at the next turns.
every_sixth() {
    echo "$((1 + turn % 6)),,6"
}

run_stage() {
    case $1 in
        lint) build dev --target capri capri_static && run_tests dev -L lint ;;
        dev) build dev && run_tests dev -LE "lint|valgrind" ;;
        valgrind) build dev && run_tests dev -L valgrind -I "$(every_sixth)" ;;
        clang) build clang && run_tests clang -L "$quick" ;;
        release) build release && run_tests release -L "$measured" ;;
        debian) try_packages ;;
        migrate) build migrate && run_tests migrate -L "$faultless" ;;
        asan) build asan && run_tests asan -L "$real" ;;
        tsan) build tsan && run_tests tsan -L "$faultless" ;;
        fuzz) build_fuzzers && run_tests fuzz -L fuzz ;;
        aarch64) build aarch64 && run_tests aarch64 -L "$quick" ;;
        *) echo "unknown stage $1; there are: $all_stages ${turns[*]} clang" >&2; return 2 ;;
    esac
}

mkdir -p build
SECONDS=0
echo "==== turn $turn"
for stage in ${*:-$all_stages}; do
    stage_start_s=$SECONDS
    echo "==== $stage"
    # A subshell with errexit of its own: `run_stage || ...` alone would switch it off inside.
    set +e
    (set -e; run_stage "$stage")
    status=$?
    set -e
    summary+="$(printf '%s %ds  ' "$stage" $((SECONDS - stage_start_s)))"
    if [ $status != 0 ]; then
        echo "==== make check: stage $stage FAILED (so far: $summary)"
        exit 1
    fi
    echo "==== $stage took $((SECONDS - stage_start_s)) s"
done
echo "==== make check: all stages passed in $SECONDS s: $summary"
