#!/bin/bash
# install.sh run|clients|lua|check|bench -- makes sure of the Debian packages of `make run`, of
# `make redis` and `make cares`, of `make lua`, of `make check` or `make bench`.
#
# Nothing is called when nothing is missing.  Root and sudo install; anybody else gets the list.
# For check, the arm64 headers of Concurrency Kit are unpacked below build/packages: they belong to
# another architecture and must never be found by a native build.
set -euo pipefail
cd "$(dirname "$0")/../.."

run_packages="build-essential cmake ninja-build libck-dev libjemalloc-dev liburing-dev"
client_packages="libhiredis-dev redis-server libc-ares-dev libglib2.0-dev"
lua_packages="liblua5.4-dev lua5.4"
check_packages="$run_packages gcc g++ clang clang-format libclang-rt-14-dev valgrind
    gdb strace wrk python3 binutils gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user pkg-config
    procps git file dpkg-dev $client_packages $lua_packages"
bench_packages="$run_packages gcc g++ git wrk strace linux-perf python3 gnuplot-nox golang-go ghc
    libghc-network-dev rustc cargo librust-tokio-dev librust-rayon-dev libuv1-dev libev-dev
    libevent-dev libst-dev libtbb-dev libboost-fiber-dev libglib2.0-dev pkg-config $lua_packages
    lua-luv lua-cqueues nodejs"

case "${1:-}" in
    run) packages=$run_packages ;;
    clients) packages="$run_packages $client_packages" ;;
    lua) packages="$run_packages $lua_packages" ;;
    check) packages=$check_packages ;;
    bench) packages=$bench_packages ;;
    *) echo "usage: $0 run|clients|lua|check|bench" >&2; exit 2 ;;
esac

missing=()
for package in $packages; do
    status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
    [ "$status" = "install ok installed" ] || missing+=("$package")
done

if [ ${#missing[@]} -gt 0 ]; then
    if [ "$(id -u)" = 0 ]; then
        as_root=()
    elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
        as_root=(sudo)
    else
        echo "These Debian packages are missing, and only root can install them:" >&2
        echo "    apt-get install ${missing[*]}" >&2
        exit 1
    fi
    echo "installing: ${missing[*]}"
    apt_get=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y)
    "${apt_get[@]}" update >/dev/null || echo "apt-get update failed; using the lists there are" >&2
    "${apt_get[@]}" install --no-install-recommends "${missing[@]}" >/dev/null
fi

# The lists and the cache are private, so no foreign architecture is added to this machine.
unpack_arm64() {
    local into=build/packages/arm64 apt=$PWD/build/packages/apt
    [ ! -e "$into/usr/include/ck_md.h" ] || return 0
    echo "unpacking libck-dev:arm64 into $into"
    rm -rf "$into" "$apt"
    mkdir -p "$into" "$apt/lists/partial" "$apt/archives/partial"
    local options=(-q -o APT::Architectures::=amd64 -o APT::Architectures::=arm64
        -o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt")
    apt-get "${options[@]}" update >/dev/null 2>"$apt/errors" || true # some lack arm64
    (cd "$apt" && apt-get "${options[@]}" download libck-dev:arm64) >/dev/null 2>>"$apt/errors" ||
        { cat "$apt/errors" >&2; exit 1; }
    dpkg -x "$apt"/libck-dev_*_arm64.deb "$into"
    grep -q 'define CK_MD_RMO' "$into/usr/include/ck_md.h" ||
        { echo "libck-dev:arm64 does not say CK_MD_RMO" >&2; rm -rf "$into"; exit 1; }
    rm -rf "$apt"
}
if [ "$1" = check ]; then
    unpack_arm64
fi
