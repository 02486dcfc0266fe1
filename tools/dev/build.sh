# Builds. Each profile is built once, with one command line, into one target directory.
#
# Invariant: always `--workspace --all-targets`. A narrower choice resolves other features for the
# shared dependencies, and then cargo builds iroh and its two hundred crates a second time.
# `dev` (optimised, without link-time optimisation, with debug assertions) is what tests and the
# demo use; `release` (fat link-time optimisation) ships, and only `./dev bench` waits for it.

build_dev() {
    cargo build --workspace --all-targets "${LOCKED[@]}"
}

# In the merge gate a lock file that is not up to date is an error; at a desk cargo mends it.
LOCKED=()
if [ "${CI:-}" = true ]; then
    LOCKED=(--locked)
fi
