#!/bin/sh
# Installs libmillpond into a fresh folder, and tests it as C++ programs see it.
#
#   tests/cpp/run.sh [--built | cargo options …]
#
# Ends with one line of totals. Compilers: CXX, and clang++ beside it. The options are those of
# ffi/c/install.sh.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cxx=${CXX:-c++}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# shellcheck source=../c/claims.sh
. "$root/tests/c/claims.sh"

prefix=$work/prefix
"$root/ffi/c/install.sh" "$prefix" dev "$@"
export LD_LIBRARY_PATH="$prefix/lib"
flags="-I$prefix/include"
strict="-Wall -Wextra -Wpedantic -Werror -Wconversion -Wshadow -g"
libs="-L$prefix/lib -lmillpond -lpthread"
plain="-fno-exceptions -fno-rtti"
compilers="$cxx clang++"
[ "$cxx" != clang++ ] || compilers=$cxx

# All of C is behind something, and each call has both faces and a test.
claim "nothing of the C interface is missing in C++" python3 "$here/surface.py"

# Each header alone, in every version of the language that it promises, with and without exceptions.
for header in "$prefix"/include/millpond/*.hpp; do
    echo "#include <millpond/$(basename "$header")>" >"$work/alone-$(basename "$header" .hpp).cpp"
done
printf '#include <millpond.hpp>\n#include <millpond.hpp>\n' >"$work/alone-all.cpp"
for compiler in $compilers; do
    claim "each header stands alone in C++17, $compiler" sh -c "for one in '$work'/alone-*.cpp; do
        $compiler -std=c++17 $strict $flags -fsyntax-only \"\$one\" || exit 1; done"
    for std in c++17 c++20 c++2b; do
        claim "the headers are $std, $compiler" \
            $compiler -std=$std $strict $flags -fsyntax-only "$work/alone-all.cpp"
        claim "the headers are $std without exceptions and run-time types, $compiler" \
            $compiler -std=$std $strict $plain $flags -fsyntax-only "$here/plain.cpp"
    done
done

# What the programs make of the templates; the other compiler builds and runs them below.
for program in basics pond scarce; do
    claim "$program is C++20 to clang++" \
        clang++ -std=c++20 $strict $flags -fsyntax-only "$here/$program.cpp"
done

# The programs: strict, each in a version of its own, and in another one under the sanitizers, which
# look at what the headers do and at every byte that crosses.
build() { # PREFIX FLAGS…
    to=$1
    shift
    for program in basics blobs pond scarce; do
        $cxx $strict $flags "$@" "$here/$program.cpp" $libs -o "$to-$program"
    done
    $cxx $strict $flags "$@" $plain $unlike -c "$here/plain.cpp" -o "$to-plain.o"
    $cxx $strict $flags "$@" $unlike "$here/faces.cpp" "$to-plain.o" $libs -o "$to-faces"
}
unlike=
build "$work/strict" -std=c++17
for program in basics blobs pond scarce faces; do
    run_program "$program, C++17" "$work/strict-$program"
done
cat >"$work/unawaited.cpp" <<'TEXT'
#include "modern.cpp"
void f(millpond::Subscription &s, Loop &l) { millpond::next_of(s, l); }
TEXT
claim "who does not await what is to be awaited is warned" sh -c \
    "! $cxx -std=c++20 $strict $flags -I'$here' -fsyntax-only '$work/unawaited.cpp' 2>'$work/why' &&
    grep -q 'nodiscard' '$work/why'"
$cxx $strict $flags -std=c++20 "$here/modern.cpp" $libs -o "$work/modern"
run_program "modern, C++20" "$work/modern"
if $cxx -fsanitize=address,undefined -xc++ -o "$work/probe" - <<'TEXT' 2>/dev/null && "$work/probe"
int main() {}
TEXT
then
    # Which type an object has is not known where half of the program has no run-time types.
    unlike=-fno-sanitize=vptr
    build "$work/checked" -std=c++2b -fsanitize=address,undefined -fno-sanitize-recover=all
    $cxx $strict $flags -std=c++2b -fsanitize=address,undefined -fno-sanitize-recover=all \
        "$here/modern.cpp" $libs -o "$work/checked-modern"
    for program in basics blobs pond scarce faces modern; do
        run_program "$program, C++23, under the sanitizers" "$work/checked-$program"
    done
else
    echo "-- no sanitizers in this compiler"
fi

# The example: what it says is the story of docs/escrow.md.
$cxx -std=c++17 $strict $flags "$root/ffi/c/examples/steel.cpp" $libs -o "$work/steel"
cat >"$work/story" <<'TEXT'
available: London takes 500: yes
available: New York takes 900: yes
available: the balance is -400
consistent: New York may take 10: no
escrow: New York is refused 900; it has 400
escrow: the balance is 100, and London may spend 100
TEXT
claim "the steel of London and New York, as the example in C++ tells it" sh -c \
    "mkdir '$work/steel-stores' && '$work/steel' '$work/steel-stores' | diff '$work/story' -"

# Programs of others: by pkg-config, and by CMake from a prefix and from a checkout.
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
$cxx -std=c++17 $strict "$here/consumer/consumer.cpp" $(pkg-config --cflags --libs millpond) \
    -o "$work/found"
claim "a C++ program finds the library by pkg-config" "$work/found" "$work/store-1"
cmake_claim() { # NAME FOLDER OPTIONS…
    name=$1 folder=$work/$2
    shift 2
    claim "$name" sh -c 'folder=$1 source=$2 store=$3; shift 3
        cmake -S "$source" -B "$folder" "$@" && cmake --build "$folder" &&
        "$folder/consumer" "$store"' sh "$folder" "$here/consumer" "$folder-store" "$@"
}
cmake_claim "a C++ program is built with find_package" cmake-1 "-DCMAKE_PREFIX_PATH=$prefix"
cmake_claim "a C++ program is built with add_subdirectory" cmake-2 -DFROM=checkout \
    "-DCHECKOUT=$root" "-DMILLPOND_LIBRARY=$prefix/lib/libmillpond.so.0"
cmake_claim "a C++ program is built with FetchContent, statically" cmake-3 -DFROM=fetch \
    "-DCHECKOUT=$root" "-DMILLPOND_LIBRARY=$prefix/lib/libmillpond.a" -DNEEDS_STATIC=ON

# Where it lies: in a folder with any name, which may be moved; and with one of its libraries only.
mkdir -p "$work/built"
ln -s "$prefix/lib/libmillpond.a" "$prefix/lib/libmillpond.so" "$work/built"
mkdir "$work/target"
ln -s ../built "$work/target/release"
mkdir -p "$work/a|b&c/include/millpond"
echo '#error' >"$work/a|b&c/include/millpond/of_an_older_version.hpp"
claim "a release is installed where no profile is said, in a folder of any name" \
    env "CARGO_TARGET_DIR=$work/target" "$root/ffi/c/install.sh" "$work/a|b&c" --built
claim "no header of an older version is left" \
    test ! -e "$work/a|b&c/include/millpond/of_an_older_version.hpp"
mv "$work/a|b&c" "$work/moved"
export PKG_CONFIG_PATH="$work/moved/lib/pkgconfig"
claim "pkg-config finds a folder that was moved" sh -c \
    "pkg-config --cflags --libs millpond | grep -q 'moved/lib/pkgconfig/../../include'"
cmake_claim "CMake finds a folder that was moved" cmake-4 "-DCMAKE_PREFIX_PATH=$work/moved"
rm "$work/moved/lib/libmillpond.so"*
cmake_claim "where only the static library is, that is millpond::millpond" cmake-5 \
    "-DCMAKE_PREFIX_PATH=$work/moved"
rm "$work/moved/lib/libmillpond.a"
claim "where no library is, CMake finds nothing" sh -c \
    "! cmake -S '$here/consumer' -B '$work/cmake-6' '-DCMAKE_PREFIX_PATH=$work/moved'"

echo "CPP: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
