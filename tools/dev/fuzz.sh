# The fuzz targets, which need a nightly compiler and cargo-fuzz, and the long random campaigns.
#
# Not here: the campaigns themselves (tests of the workspace that look at MILLPOND_LONG).
# Rule: without a nightly compiler the targets are skipped, loudly. Begin with `fuzz_main`.

CARGO_FUZZ_VERSION=0.13.2
FUZZ_MANIFEST=tests/fuzz/Cargo.toml

# Every target for SECONDS, then every property with many cases.
fuzz_main() {
    local seconds=${1:-60} status=0
    [[ "$seconds" =~ ^[1-9][0-9]*$ ]] || fail "fuzz takes a number of seconds, not '$seconds'"
    setup_system
    setup_rust
    setup_fuzz
    fuzz_targets "$seconds" || status=1
    export PROPTEST_CASES=20000 MILLPOND_LONG=1
    say "dev: every property with $PROPTEST_CASES cases, and the long campaigns"
    cargo test --workspace --no-fail-fast || status=1
    return "$status"
}

have_nightly() { cargo +nightly --version >/dev/null 2>&1; }

# Before the network is walled off: the tool, and the crates that the targets need.
setup_fuzz() {
    have_nightly || return 0
    into_path "$ROOT/.dev/cargo/bin"
    have cargo-fuzz || once cargo-fuzz "$CARGO_FUZZ_VERSION" cargo_fuzz_present \
        env CARGO_NET_OFFLINE=false cargo install --quiet --locked --root "$ROOT/.dev/cargo" \
        "cargo-fuzz@$CARGO_FUZZ_VERSION"
    once fuzz-crates "$(hash_of tests/fuzz/Cargo.lock)" fuzz_crates_present \
        env CARGO_NET_OFFLINE=false cargo fetch --quiet --manifest-path "$FUZZ_MANIFEST"
}

setup_fuzz_if_asked() {
    if contains --long "$@"; then
        setup_fuzz
    fi
}

cargo_fuzz_present() { [ -x "$ROOT/.dev/cargo/bin/cargo-fuzz" ]; }

fuzz_crates_present() { cargo fetch --quiet --offline --manifest-path "$FUZZ_MANIFEST"; }

# The names of the targets, one a line.
fuzz_names() { sed -n 's/^name = "\(.*\)"$/\1/p' "$FUZZ_MANIFEST" | tail -n +2; }

# Each target for this many seconds, from its seeds; what it learns stays in tests/fuzz/corpus.
fuzz_targets() {
    local seconds=$1 name passed=0 failed=0
    if ! have_nightly || ! have cargo-fuzz; then
        echo "SKIPPED: the fuzz targets need a nightly compiler: rustup toolchain install nightly"
        echo "0 passed, 0 failed, $(fuzz_names | wc -l) skipped"
        return 0
    fi
    for name in $(fuzz_names); do
        mkdir -p "tests/fuzz/corpus/$name"
        if cargo +nightly fuzz run --fuzz-dir tests/fuzz "$name" "tests/fuzz/corpus/$name" \
            "tests/fuzz/seeds/$name" -- -max_total_time="$seconds"; then
            echo "ok $name"
            passed=$((passed + 1))
        else
            echo "FAILED $name"
            failed=$((failed + 1))
        fi
    done
    echo "$passed passed, $failed failed"
    [ "$failed" = 0 ]
}
