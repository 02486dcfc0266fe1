# Builds, and puts the built libraries where Python and Node look for them.
#
# Each profile is built once, with one command line, into one target directory.
# Invariant: one choice of packages for each profile. Another one resolves other features for the
# shared dependencies, and then cargo builds iroh and its two hundred crates a second time.
# `dev` (optimised, without link-time optimisation, with debug assertions) is what tests and the
# demo use; `release` (fat link-time optimisation) ships, and only `./dev bench` waits for it.

# In the merge gate a lock file that is not up to date is an error; at a desk cargo mends it.
LOCKED=()
if [ "${CI:-}" = true ]; then
    LOCKED=(--locked)
fi

build_dev() {
    cargo build --workspace --all-targets "${LOCKED[@]}"
}

# What `./dev bench` runs: its programs, and the halves of the packages that it measures.
build_release() {
    cargo build --release -p millpond-tests -p millpond-python -p millpond-node -p millpond-c \
        --lib --bin bench --bin micro "${LOCKED[@]}"
}

# Everything that is looked for in a place of its own, once it is built.
place_all() {
    place_python
    place_node
    place_press
    place_conformance
}

# What `import millpond` needs: the native module beside its Python code, and that code on the path
# of the environment in .dev/venv.
place_python() {
    put target/debug/lib_native.so python/src/millpond/_native.abi3.so
    local packages
    packages=$("$VENV/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    printf '%s\n' "$ROOT/python/src" >"$packages/millpond.pth"
}

# What `import 'millpond'` needs, for its own tests and for programs in demo/.
place_node() {
    put target/debug/libmillpond_node.so node/millpond.node
    (cd node && npm run --silent build:ts)
    mkdir -p demo/node_modules
    ln -sfn ../../node demo/node_modules/millpond
}

# The press of the demo, linked as any C program would be.
place_press() { link_c demo/press.c .dev/bin/press; }

# The halves of tests/conformance in C and C++, linked in the same way.
place_conformance() {
    local source=tests/conformance/adapter.cpp
    link_c tests/conformance/adapter.c .dev/bin/conformance-c
    link_with "g++ -std=c++17" $source .dev/bin/conformance-cpp
    link_with "g++ -std=c++17 -fno-exceptions -fno-rtti" $source .dev/bin/conformance-cpp-noexcept
}

# link_c SOURCE PROGRAM: the library goes beside the program, under the name it is asked for by.
link_c() { link_with "gcc -std=c11" "$1" "$2"; }

# link_with COMPILER SOURCE PROGRAM
link_with() {
    mkdir -p .dev/bin
    put target/debug/libmillpond.so .dev/bin/libmillpond.so.0
    # shellcheck disable=SC2086  # Words of a command.
    $1 -O1 -g -Wall -Wextra -Werror -Iinclude "$2" -o "$3" \
        -Ltarget/debug -lmillpond -lpthread -Wl,-rpath,'$ORIGIN'
}

# put FROM TO: copies and renames, so that a process that has the old file mapped keeps it.
put() {
    cp "$1" "$2.new"
    mv "$2.new" "$2"
}
