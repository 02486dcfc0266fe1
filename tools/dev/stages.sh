# What `./dev test` runs, in order. Each stage is one function; its kind says how its runners close.

# "name kind function [needs]"; kinds: see count.awk. A `build` that fails ends the run; a `check`
# has no tests of its own, and its exit status is its result; a `claim` is about the whole run and
# is always checked. A stage whose needed path is not there is named as absent. After the last build
# the stages of LANE_A run beside the others.
STAGES=(
    "format check stage_format"
    "build build build_dev"
    "place build place_all"
    "clippy check stage_clippy"
    "no-net check stage_no_net"
    "rust cargo stage_rust"
    "sim plain stage_sim"
    "reference plain stage_reference"
    "python pytest stage_python python/src/millpond/__init__.py"
    "types check stage_types python/src/millpond/__init__.py"
    "node node stage_node node/package.json"
    "swift swift stage_swift bindings/swift/Package.swift"
    "kotlin junit stage_kotlin bindings/kotlin/pom.xml"
    "c plain stage_c"
    "cpp plain stage_cpp"
    "conformance plain stage_conformance tests/conformance/run.py"
    "readme plain stage_readme"
    "packages plain stage_packages"
    "demo plain stage_demo"
    "wall claim stage_wall"
)
# What compiles, so that no two stages wait for each other's compiler, and what is long beside it.
LANE_A="clippy no-net rust sim reference"

stage_format() { cargo fmt --all --check; }

stage_clippy() { cargo clippy --workspace --all-targets "${LOCKED[@]}" -- -D warnings; }

# The first wall: the core stands without the network, and without a warning.
stage_no_net() { cargo clippy -p millpond --no-default-features "${LOCKED[@]}" -- -D warnings; }

# The benches are tests in their small size, and measure the package for Node, too.
stage_rust() { cargo test --workspace --no-fail-fast "${LOCKED[@]}"; }

# Whole swarms in one thread: the kept seeds, two thousand others, and every planted bug.
stage_sim() {
    build_sim
    build_planted
    sim_ordinary
}

# The vectors, read by a second implementation written from the documents alone.
stage_reference() { python3 tests/reference/check.py; }

stage_python() { "$VENV/bin/python" -m pytest --color=no -p no:cacheprovider python/tests; }

# The stubs say what the native module has, and the package is typed throughout.
stage_types() { (cd python && "$VENV/bin/python" -m mypy --cache-dir "$ROOT/.dev/mypy"); }

stage_node() { (cd node && npm run --silent typecheck && npm test --silent); }

# The package for Swift, with both frameworks for tests that Swift has.
stage_swift() {
    if ! swift_present; then
        echo "SKIPPED: the tests in Swift: ./dev setup sets its compiler up as root, with a network"
        echo "0 passed, 0 failed, 1 skipped"
        [ "${CI:-}" != true ]
        return
    fi
    cd bindings/swift
    swift_in swift test --disable-sandbox --scratch-path "$ROOT/target/swift"
}

# The package for Kotlin, on the JVM.
stage_kotlin() {
    python3 bindings/kotlin/scripts/errors.py --check
    test_kotlin
}

# The library as C programs see it: installed, under the sanitizers and under valgrind.
stage_c() { tests/c/run.sh --built; }

# The headers as C++ programs see them: installed, in each version of C++ that they promise.
stage_cpp() { tests/cpp/run.sh --built; }

# The same scenarios in every language, answer for answer.
stage_conformance() { "$VENV/bin/python" tests/conformance/run.py; }

# The samples of README.md, run as they stand.
stage_readme() { "$VENV/bin/python" tests/readme/run.py; }

# What a user gets: the wheel and the npm packages, installed where nothing else is.
stage_packages() { "$VENV/bin/python" tests/packages/run.py; }

# The main job, run as a user runs it, and how it ends when it cannot be done.
stage_demo() { "$VENV/bin/python" tests/demo/run.py; }

# Only with --long: every fuzz target, from its seeds.
stage_fuzz() { fuzz_targets 60; }
