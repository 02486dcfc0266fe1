# Runs stages, one by itself or two lists side by side, and ends them when the run is ended.
#
# Not here: which stages there are (`stages.sh`), what they came to (`test.sh`).
# Rule: what runs is a process group of its own, so that all of it can be ended by one id, and
# nothing else is: on signals by this script, and by its guard when the script itself was killed.
# Begin with `run_stage` and `run_lanes`.

# The groups that run, and the stages of lanes that have begun.
RUNNING=()
declare -A BEGUN=()
# How long a group has to end by itself after each signal, in tenths of a second.
PATIENCE=50

# How many stages run at a time: with one processor, or MILLPOND_LANES=1, one.
lane_count() {
    local count=${MILLPOND_LANES:-}
    case "$count" in
    1 | 2) ;;
    "") [ "$(nproc)" -gt 1 ] && count=2 || count=1 ;;
    *) fail "MILLPOND_LANES is 1 or 2, not '$count'" ;;
    esac
    printf '%s\n' "$count"
}

# run_stage ENTRY: by itself, shown while it runs. Sets STATUS to the command's own exit status.
run_stage() {
    local name kind command needs started=$SECONDS
    read -r name kind command needs <<<"$1"
    printf '\n=== %s\n' "$name"
    start shown "$name" "$command"
    STATUS=0
    wait "$STARTED" || STATUS=$?
    end_rest "$STARTED"
    add_row "$name" "$kind" "$STATUS" "$((SECONDS - started))"
}

shown() {
    set +e
    (
        set -e
        "$2"
    ) 2>&1 | tee "$LOGS/$1.log"
    exit "${PIPESTATUS[0]}"
}

# run_lanes ENTRY…: each stage in its lane (`LANE_A`, or the other), the lanes side by side. What a
# stage says is shown whole when it ends.
run_lanes() {
    local entry name kind command needs a=() b=() lanes hold ended tell what status seconds
    for entry in "$@"; do
        read -r name kind command needs <<<"$entry"
        if contains "$name" $LANE_A; then a+=("$entry"); else b+=("$entry"); fi
    done
    mkfifo "$LOGS/ended"
    # The end of it is seen when nobody else holds the side that tells.
    exec {hold}<>"$LOGS/ended" {ended}<"$LOGS/ended" {tell}>"$LOGS/ended" {hold}>&-
    start lane "${a[@]}"
    lanes=("$STARTED")
    start lane "${b[@]}"
    lanes+=("$STARTED")
    exec {tell}>&-
    while read -r what name kind status seconds <&"$ended"; do
        if [ "$what" = begins ]; then
            printf '\n--- %s begins\n' "$name"
            BEGUN[$name]=yes
            continue
        fi
        unset "BEGUN[$name]"
        printf '\n=== %s\n' "$name"
        cat "$LOGS/$name.log"
        add_row "$name" "$kind" "$status" "$seconds"
    done
    exec {ended}<&-
    for what in "${lanes[@]}"; do end_rest "$what"; done
    for entry in "$@"; do
        read -r name kind command needs <<<"$entry"
        [ -n "${ROWS[$name]:-}" ] || ROWS[$name]="0 1 0 0 its lane ended before it did"
    done
}

# The stages of one lane; tells `run_lanes` of each.
lane() {
    local entry name kind command needs status started
    exec {ended}<&-
    for entry in "$@"; do
        read -r name kind command needs <<<"$entry"
        printf 'begins %s\n' "$name" >&"$tell"
        started=$SECONDS
        set +e
        (
            set -e
            "$command"
        ) >"$LOGS/$name.log" 2>&1 {tell}>&-
        status=$?
        set -e
        printf 'ended %s %s %s %s\n' "$name" "$kind" "$status" "$((SECONDS - started))" >&"$tell"
    done
}

# Runs a function of ours in the background; sets STARTED to the id of the process and its group.
start() {
    set -m
    "$@" &
    set +m
    STARTED=$!
    RUNNING+=("$STARTED")
    tell_guard
}

# Ends what a process that has ended left in its group.
end_rest() {
    local group rest=()
    kill -KILL -- "-$1" 2>/dev/null || true
    for group in "${RUNNING[@]}"; do
        [ "$group" = "$1" ] || rest+=("$group")
    done
    RUNNING=("${rest[@]}")
    tell_guard
}

# From here on a signal to this script ends all that runs, and then the script.
keep_watch() {
    set -m
    coproc GUARD {
        trap '' INT TERM HUP
        running=""
        while read -r line; do running=$line; done
        for group in $running; do kill -KILL -- "-$group" 2>/dev/null || true; done
    }
    set +m
    trap 'interrupted INT' INT
    trap 'interrupted TERM' TERM
    trap 'interrupted HUP' HUP
}

# The guard knows what runs, and that we are gone when nobody can tell it more.
tell_guard() { printf '%s\n' "${RUNNING[*]}" >&"${GUARD[1]}"; }

interrupted() {
    local signal group tries name
    trap '' INT TERM HUP
    say "dev: SIG$1: ending what runs"
    # First as Ctrl-C does, so that programs can put their things away.
    for signal in INT TERM KILL; do
        for group in "${RUNNING[@]}"; do
            kill -"$signal" -- "-$group" 2>/dev/null || true
        done
        for ((tries = 0; tries < PATIENCE; tries++)); do
            something_runs || break 2
            sleep 0.1
        done
    done
    for name in "${!BEGUN[@]}"; do
        printf '\n=== %s, which has not ended\n' "$name"
        cat "$LOGS/$name.log"
    done
    exit $((128 + $(kill -l "$1")))
}

something_runs() {
    local group
    for group in "${RUNNING[@]}"; do
        ! kill -0 -- "-$group" 2>/dev/null || return 0
    done
    return 1
}
