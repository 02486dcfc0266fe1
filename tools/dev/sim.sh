# The simulator: its two builds, and what `./dev sim` runs.
#
# Not here: the simulator itself (tests/src/sim), and which bugs are planted (core/src/planted.rs).
# Invariant: both builds have one command line each; the planted one is also that of
# tests/it/support.rs. Begin with `sim_main`.

SIM_PROFILE=(--no-default-features --profile sim)
SIM_SEEDS=2000
SIM_TWICE=100

build_sim() {
    cargo build -p millpond-tests --bin sim "${SIM_PROFILE[@]}" --target-dir target/sim \
        "${LOCKED[@]}"
}

build_planted() {
    RUSTFLAGS="--cfg millpond_planted" cargo build -p millpond-tests --bin crash_child --bin sim \
        "${SIM_PROFILE[@]}" --target-dir target/planted "${LOCKED[@]}"
}

sim_ordinary() {
    target/sim/sim/sim --kept tests/sim/seeds.txt --seeds "0..$SIM_SEEDS" --twice "$SIM_TWICE" \
        --mesh --planted-by target/planted/sim/sim "$@"
}

sim_main() {
    setup_system
    setup_rust
    build_sim
    case "${1:-}" in
    --seed | --seeds | --twice | --help) exec target/sim/sim/sim "$@" ;;
    --hours) exec target/sim/sim/sim --kept tests/sim/seeds.txt --mesh-all "$@" ;;
    esac
    build_planted
    sim_ordinary "$@"
}
