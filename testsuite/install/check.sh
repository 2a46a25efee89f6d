#!/bin/bash
# check.sh tree BUILD | packages BUILD -- what is installed serves a stranger, each way.
#
#   tree       BUILD, installed into a folder (cmake --install)
#   packages   the Debian packages of BUILD (cpack --preset debian): for root into the system, if
#              there is no Capri yet, and out of it again; else unpacked into a folder
#
# Headers, SONAME and symbols are looked at; programs in C11 and C++17 are compiled by pkg-config
# and by find_package, with the shared library and with the static one, and run.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
warnings=(-Wall -Wextra -Werror)

complain() {
    echo "check.sh: $1" >&2
    exit 1
}

# quietly COMMAND... -- tells what it said only if it has failed.
quietly() {
    "$@" >"$folder/log" 2>&1 || { cat "$folder/log" >&2; complain "failed: $*"; }
}

# greets PROGRAM -- it runs, and all in it works.
greets() {
    local said
    said=$(timeout 60 "$1") || complain "$(basename "$1") has failed"
    [ "$said" = "hello from capri" ] || complain "$(basename "$1") says '$said'"
}

# needs_capri PROGRAM -- does it load the shared library?
needs_capri() {
    readelf -d "$1" | grep 'NEEDED.*\[libcapri\.so\.0\]' >/dev/null
}

# ---- what lies there: PREFIX, LIBRARIES (its folder of libraries) --------------------------------

look_at_library() {
    local library=$2/libcapri.so
    [ "$(readlink "$library")" = libcapri.so.0 ] || complain "libcapri.so leads nowhere"
    readelf -d "$library" | grep 'SONAME.*\[libcapri\.so\.0\]' >/dev/null || complain "no SONAME"
    quietly python3 "$root/testsuite/lint/symbols.py" "$library" --root "$1"
    for library in "$2/libcapri.a" "$2/libcapri_iomgr.a"; do
        [ -f "$library" ] || complain "no $library"
        nm -g --defined-only "$library" | awk 'NF == 3 { print $3 }' >"$folder/names"
        grep -q '^capri_' "$folder/names" || complain "$library has no names"
        ! grep -v '^capri_' "$folder/names" || complain "$library has names that may be its host's"
    done
}

look_at_headers() {
    local header
    diff <(cd "$root/include/capri" && ls -- *.h) <(cd "$1/include/capri" && ls) ||
        complain "these headers are not installed, or should not be"
    echo "extern int unit;" >"$folder/unit.c"
    for header in "$1"/include/capri/*.h; do
        quietly gcc -std=c11 -pedantic "${warnings[@]}" -fsyntax-only -I"$1/include" \
            -include "$header" "$folder/unit.c"
        quietly g++ -std=c++17 -pedantic "${warnings[@]}" -fsyntax-only -I"$1/include" \
            -include "$header" -x c++ "$folder/unit.c"
    done
}

# ---- who uses it ---------------------------------------------------------------------------------

use_pkg_config() {
    local shared static
    pkg-config --exists 'capri >= 0.1' || complain "pkg-config knows no capri"
    read -ra shared < <(pkg-config --cflags --libs capri)
    read -ra static < <(pkg-config --static --cflags --libs capri)
    quietly gcc -std=c11 "${warnings[@]}" "$here/Hello.c" -o "$folder/shared" "${shared[@]}"
    quietly g++ -std=c++17 "${warnings[@]}" "$here/Hello.cpp" -o "$folder/shared-c++" "${shared[@]}"
    quietly gcc -std=c11 "${warnings[@]}" -static "$here/Hello.c" -o "$folder/static" "${static[@]}"
    for program in shared shared-c++ static; do
        greets "$folder/$program"
    done
    needs_capri "$folder/shared" || complain "linked with what is not the shared library"
    if needs_capri "$folder/static"; then complain "linked with the shared library"; fi
}

use_find_package() {
    quietly cmake -G Ninja -S "$here" -B "$folder/consumer"
    quietly cmake --build "$folder/consumer"
    for program in shared static shared-c++ static-c++ callbacks both; do
        greets "$folder/consumer/$program"
    done
    if grep -q '^CAPRI_JEMALLOC_LIBRARY:.*=.*/' "$build/CMakeCache.txt"; then
        greets "$folder/consumer/static-jemalloc"
    fi
    needs_capri "$folder/consumer/shared" || complain "Capri::capri is not the shared library"
    if needs_capri "$folder/consumer/static"; then complain "Capri::static is not static"; fi
}

# consume PREFIX LIBRARIES -- all of it; below /usr nobody is told where anything lies.
consume() {
    if [ "$1" != /usr ]; then
        export PKG_CONFIG_PATH=$2/pkgconfig LD_LIBRARY_PATH=$2 CMAKE_PREFIX_PATH=$1
    fi
    look_at_library "$1" "$2"
    look_at_headers "$1"
    use_pkg_config
    use_find_package
}

# ---- the ways to install it ----------------------------------------------------------------------

try_tree() {
    quietly cmake --install "$1" --prefix "$folder/prefix"
    consume "$folder/prefix" "$(dirname "$(find "$folder/prefix" -name libcapri.so)")"
}

# What dpkg is told: who needs whom.
look_at_packages() {
    local version
    version=$(dpkg-deb -f "$1" Version)
    [[ $(dpkg-deb -f "$1" Depends) == *"libc6 (>= "* ]] || complain "libcapri0 needs no libc6"
    [[ $(dpkg-deb -f "$2" Depends) == *"libcapri0 (= $version)"* ]] ||
        complain "libcapri-dev needs no libcapri0"
    [[ $(dpkg-deb -I "$1" shlibs) == "libcapri 0 libcapri0 (>= "* ]] || complain "no shlibs"
    for package in "$1" "$2"; do
        [[ $(dpkg-deb -c "$package") == */copyright* ]] || complain "$package has no copyright"
    done
}

try_packages() {
    local libraries runtime development
    runtime=$(echo "$1"/packages/libcapri0_*.deb)
    development=$(echo "$1"/packages/libcapri-dev_*.deb)
    libraries=lib/$(gcc -print-multiarch)
    look_at_packages "$runtime" "$development"
    if [ "$(id -u)" != 0 ] || [ -e /usr/include/capri ] ||
        dpkg-query -s libcapri0 >/dev/null 2>&1 || dpkg-query -s libcapri-dev >/dev/null 2>&1; then
        dpkg-deb -x "$runtime" "$folder/root"
        dpkg-deb -x "$development" "$folder/root"
        consume "$folder/root/usr" "$folder/root/usr/$libraries"
        return
    fi
    trap 'dpkg --purge libcapri-dev libcapri0 >/dev/null 2>&1 || true; rm -rf "$folder"' EXIT
    quietly dpkg -i "$runtime" "$development"
    consume /usr "/usr/$libraries"
    quietly dpkg --purge libcapri-dev libcapri0
    [ ! -e /usr/include/capri ] || complain "something stays behind"
}

build=${2-}
case "${1-}" in
    tree) try_tree "$2" ;;
    packages) try_packages "$2" ;;
    *) complain "usage: check.sh tree BUILD | packages BUILD" ;;
esac
echo "all as it should be"
