#!/bin/sh
# Builds libmillpond and installs it with its headers, pkg-config and CMake files.
#
#   ffi/c/install.sh PREFIX [PROFILE] [--built | cargo options …]
#
# --built: installs what a build of the workspace left, without building.
# PROFILE is `release` (the default) or `dev`. Nothing outside PREFIX and the build folder is
# written.
set -eu

if [ $# -lt 1 ]; then
    echo "usage: ffi/c/install.sh PREFIX [PROFILE] [cargo options]" >&2
    exit 2
fi
mkdir -p "$1"
prefix=$(cd "$1" && pwd)
shift
profile=release
case ${1:-} in
'' | -*) ;;
*)
    profile=$1
    shift
    ;;
esac
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$root"

# The libraries that a static libmillpond needs are told by the compiler, not guessed.
native=
if [ "${1:-}" != --built ]; then
    native=$(cargo rustc --quiet -p millpond-c --profile "$profile" --crate-type staticlib "$@" -- \
        --print native-static-libs 2>&1 | sed -n 's/^note: native-static-libs: //p' | tail -n 1)
    cargo build --quiet -p millpond-c --profile "$profile" "$@"
fi
if [ -z "$native" ]; then
    # No build, or one that was fresh, prints nothing; these are every Linux target's libraries.
    native="-lgcc_s -lutil -lrt -lpthread -lm -ldl -lc"
fi

folder=$profile
[ "$profile" = dev ] && folder=debug
built=${CARGO_TARGET_DIR:-$root/target}/$folder
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
major=${version%%.*}
minor=${version#*.}
minor=${minor%%.*}
shared=libmillpond.so.$major

install_file() { # FROM TO MODE
    mkdir -p "$(dirname "$2")"
    cp "$1" "$2.new"
    chmod "$3" "$2.new"
    mv "$2.new" "$2"
}
fill() { # FROM TO
    mkdir -p "$(dirname "$2")"
    sed -e "s|@VERSION@|$version|g" -e "s|@NATIVE_LIBS@|$native|g" \
        -e "s|@SHARED@|$shared|g" -e "s|@MAJOR_MINOR@|$major.$minor|g" -e "s|@MAJOR@|$major|g" \
        "$1" >"$2"
}

# Of an older version, what is no header any more.
for header in "$prefix"/include/millpond/*.hpp; do
    [ -e "include/millpond/$(basename "$header")" ] || rm -f "$header"
done
for header in include/millpond.h include/millpond.hpp include/millpond/*.hpp; do
    install_file "$header" "$prefix/$header" 644
done
install_file "$built/libmillpond.a" "$prefix/lib/libmillpond.a" 644
install_file "$built/libmillpond.so" "$prefix/lib/$shared" 755
ln -sf "$shared" "$prefix/lib/libmillpond.so"
fill "$here/package/millpond.pc.in" "$prefix/lib/pkgconfig/millpond.pc"
cmake=$prefix/lib/cmake/millpond
fill "$here/package/millpond-config.cmake.in" "$cmake/millpond-config.cmake"
fill "$here/package/millpond-config-version.cmake.in" "$cmake/millpond-config-version.cmake"
echo "millpond $version is installed in $prefix"
