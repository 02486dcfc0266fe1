#!/bin/sh
# Builds libmillpond, installs it into a fresh folder, and tests it as C programs see it.
#
#   tests/c/run.sh [--built | cargo options …]
#
# Ends with one line of totals. Compilers by CC and CXX, and clang beside them for the header and
# the programs. What is not installed is skipped with a line that says so.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cc=${CC:-cc}
cxx=${CXX:-c++}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# shellcheck source=claims.sh
. "$here/claims.sh"
programs="basics arguments blobs lifecycle process pond groups panics exchange misuse"
strict="-Wall -Wextra -Wpedantic -Werror"
run_all() { # KIND PROGRAM-PREFIX COMMAND…
    kind=$1 build=$2
    shift 2
    for program in $programs; do
        run_program "$program, $kind" "$@" "$build-$program"
    done
}

prefix=$work/prefix
"$root/ffi/c/install.sh" "$prefix" dev "$@"
export LD_LIBRARY_PATH="$prefix/lib"
flags="-I$prefix/include"
libs="-L$prefix/lib -lmillpond -lpthread"

# The header alone, in every language version that it promises.
printf '#include <millpond.h>\nint main(void) { return 0; }\n' >"$work/header.c"
cat >"$work/header.cpp" <<'TEXT'
#include <millpond.h>
#include <millpond.h>
int main() {
    millpond_event_t e = MILLPOND_EVENT_INIT;
    return (int)e.reserved + (int)MILLPOND_NO_CANCEL.id;
}
TEXT
for compiler in $cc clang; do
    for std in c99 c11 c17 c2x; do
        claim "the header is $std, $compiler" \
            $compiler -std=$std $strict $flags -fsyntax-only "$work/header.c"
    done
done
for compiler in $cxx clang++; do
    for std in c++17 c++20 c++2b; do
        claim "the header is $std, $compiler" \
            $compiler -std=$std $strict $flags -fsyntax-only "$work/header.cpp"
        claim "the header is $std without exceptions and run-time types, $compiler" \
            $compiler -std=$std $strict -fno-exceptions -fno-rtti $flags -fsyntax-only \
            "$work/header.cpp"
    done
done
# What the macros become: the programs use all that there are.
for program in $programs; do
    claim "$program is C99 and C2x to clang" sh -c "for std in c99 c2x; do
        clang -std=\$std -D_DEFAULT_SOURCE $strict $flags -fsyntax-only '$here/$program.c' ||
            exit 1; done"
done

# Exported names: ours, all of them known. That the header has them and the tests call each of them
# is checked by ffi/c/tests/functions.rs.
if command -v nm >/dev/null; then
    nm -D --defined-only "$prefix/lib/libmillpond.so" | awk '{ print $3 }' |
        LC_ALL=C sort >"$work/exports"
    claim "the exported names are the known ones" diff "$here/exports.txt" "$work/exports"
    claim "the library is named libmillpond.so.0" sh -c \
        "readelf -d '$prefix/lib/libmillpond.so' | grep -q 'SONAME.*libmillpond.so.0'"
else
    skip "exported names: no nm"
fi
for program in $programs; do
    $cc -std=c99 -D_DEFAULT_SOURCE $strict -g $flags "$here/$program.c" $libs \
        -o "$work/plain-$program"
done
run_all plain "$work/plain"

# The sanitizers look at the C side and at every byte that crosses.
if $cc -fsanitize=address,undefined -o "$work/probe" "$work/header.c" $flags 2>/dev/null &&
    "$work/probe"; then
    for program in $programs; do
        $cc -std=c99 -D_DEFAULT_SOURCE $strict -g -fsanitize=address,undefined \
            -fno-sanitize-recover=all $flags "$here/$program.c" $libs -o "$work/asan-$program"
    done
    run_all "address and undefined-behaviour sanitizers" "$work/asan"
else
    skip "sanitizers: this compiler has none"
fi
if command -v valgrind >/dev/null; then
    check="valgrind --quiet --error-exitcode=97 --leak-check=full"
    check="$check --errors-for-leak-kinds=definite --child-silent-after-fork=yes"
    check="$check --fair-sched=try" # Who asks again and again must not starve who is asked.
    programs="basics arguments blobs lifecycle process pond groups panics"
    # shellcheck disable=SC2086  # Words of a command.
    run_all valgrind "$work/plain" $check
    # The assembly of the TLS cipher writes in ways that memcheck cannot follow, so everything that
    # was ever encrypted counts as uninitialised. Addresses and leaks are checked all the same.
    programs="exchange misuse"
    export MILLPOND_CALLS="${MILLPOND_CALLS:-1500}" # It is some fifty times slower.
    # shellcheck disable=SC2086
    run_all "valgrind without undefined values" "$work/plain" $check --undef-value-errors=no
else
    skip "valgrind is not installed"
fi

# The example: what it says is the story of docs/escrow.md.
$cc -std=c99 $strict -g $flags "$root/ffi/c/examples/steel.c" $libs -o "$work/steel"
cat >"$work/story" <<'TEXT'
available: London takes 500: yes
available: New York takes 900: yes
available: the balance is -400
consistent: New York may take 10: no
escrow: New York is refused 900; it has 400
escrow: the balance is 100, and London may spend 100
TEXT
claim "the steel of London and New York, as the example tells it" sh -c \
    "mkdir '$work/steel-stores' && '$work/steel' '$work/steel-stores' | diff '$work/story' -"

# Programs of others, by pkg-config and by CMake, shared and static.
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
if command -v pkg-config >/dev/null; then
    $cc -std=c99 $strict "$here/consumer/consumer.c" $(pkg-config --cflags --libs millpond) \
        -o "$work/shared"
    claim "a program finds the shared library by pkg-config" "$work/shared" "$work/store-1"
    $cc -std=c99 $strict "$here/consumer/consumer.c" $(pkg-config --cflags millpond) \
        -Wl,-Bstatic -lmillpond -L"$prefix/lib" -Wl,-Bdynamic \
        $(sed -n 's/^Libs.private: //p' "$PKG_CONFIG_PATH/millpond.pc") -o "$work/static"
    claim "a program finds the static library by pkg-config" \
        env LD_LIBRARY_PATH= "$work/static" "$work/store-2"
else
    skip "pkg-config is not installed"
fi
if command -v cmake >/dev/null; then
    claim "a program is built with the CMake package" sh -c \
        "cmake -S '$here/consumer' -B '$work/cmake' -DCMAKE_PREFIX_PATH='$prefix' &&
        cmake --build '$work/cmake'"
    claim "a program runs with millpond::millpond" "$work/cmake/consumer-shared" "$work/store-3"
    claim "a program runs with millpond::static" \
        env LD_LIBRARY_PATH= "$work/cmake/consumer-static" "$work/store-4"
    {
        echo 'cmake_minimum_required(VERSION 3.16)'
        echo 'project(x C)'
        echo 'find_package(millpond 9.0 REQUIRED CONFIG)'
    } >"$work/CMakeLists.txt"
    claim "CMake refuses another version" sh -c \
        "! cmake -S '$work' -B '$work/cmake2' -DCMAKE_PREFIX_PATH='$prefix'"
else
    skip "cmake is not installed"
fi

totals="$passed passed, $failed failed"
[ "$skipped" -eq 0 ] || totals="$totals, $skipped skipped"
echo "C: $totals"
[ "$failed" -eq 0 ]
