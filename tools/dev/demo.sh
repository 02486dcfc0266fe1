# The commands that show, measure and check quickly: demo, bench, lint.

# Three processes in three languages; the story is in demo/run.py.
demo_main() {
    local csv=demo/telemetry.csv keep=()
    while [ $# -gt 0 ]; do
        case "$1" in
        --keep) keep=(--keep) ;;
        --csv)
            shift
            csv=${1:-}
            [ -r "$csv" ] || fail "demo --csv takes a CSV file with a header; cannot read '$csv'"
            ;;
        *) fail "demo takes --keep and --csv FILE, not '$1'" ;;
        esac
        shift
    done
    setup_all
    # In a run of tests all is there, and is being read by others.
    if [ "${MILLPOND_PLACED:-}" != "$ROOT" ]; then
        say "dev: building (the first time takes minutes)"
        build_dev >&2
        place_python
        place_node
        place_press
    fi
    "$VENV/bin/python" demo/run.py --csv "$csv" "${keep[@]}" \
        --folder "${MILLPOND_DEMO_FOLDER:-.dev/demo}" \
        --press "$ROOT/.dev/bin/press" \
        --orders "node $ROOT/demo/orders.mjs" \
        --quality "$VENV/bin/python $ROOT/demo/quality.py"
}

# The figures, with what ships: the release profile. `--quick` for a first look, `--huge` for ten
# million events, `--micro` for single steps without a disk.
bench_main() {
    case "$*" in
    "" | --quick | --huge | --micro) ;;
    *) fail "bench takes --quick, --huge or --micro, not '$*'" ;;
    esac
    setup_system
    setup_rust
    say "dev: building with fat link-time optimisation (takes minutes)"
    build_release >&2
    mkdir -p target/bench
    printf 'command: ./dev bench%s\n' "${1:+ $1}"
    if [ "$*" = --micro ]; then
        target/release/micro --bench
        return
    fi
    # What cannot be had here is skipped by the bench, which says so in its figures.
    (setup_python && setup_node && npm --prefix node run --silent build:ts >&2) ||
        say "dev: SKIPPED: the package for Node could not be built"
    PATH="$VENV/bin:$PATH" target/release/bench "$@"
}

# What to run before a commit: formatting, warnings, and the house rules.
lint_main() {
    setup_system
    setup_rust
    stage_format
    stage_clippy
    stage_no_net
    cargo test --workspace --test it "${LOCKED[@]}" -- tidy::
}
