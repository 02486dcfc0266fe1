# Chooses the stages, runs them, and adds up what their runners closed on.
#
# Not here: what the stages run (`stages.sh`), how they run side by side (`lanes.sh`).
# Rule: a stage that fails does not stop the others, unless it builds what they need. Numbers are
# read from the runners' own closing lines; a stage whose command fails without a failed test counts
# as one failure. Begin with `test_main`.

LOGS="$ROOT/.dev/logs"

# Rows of the closing table by the stage's name: "passed failed skipped seconds remark".
declare -A ROWS=()
# What the merge gate has for a whole run.
RUN_SECONDS_MAX=2100

test_main() {
    local chosen=() lanes
    lanes=$(lane_count)
    while [ $# -gt 0 ]; do
        case "$1" in
        --long)
            export MILLPOND_LONG=1
            # Before the claim about the whole run, which is last.
            STAGES=("${STAGES[@]::${#STAGES[@]}-1}" "fuzz plain stage_fuzz" "${STAGES[@]: -1}")
            ;;
        -*) fail "test takes --long and names of stages, not '$1'" ;;
        *) chosen+=("$1") ;;
        esac
        shift
    done
    exec </dev/null
    setup_all
    rm -rf "$LOGS"
    mkdir -p "$LOGS"
    ulimit -n 4096 2>/dev/null || true
    keep_watch

    local first=() middle=() last=() entry
    choose_stages "${chosen[@]}"
    for entry in "${first[@]}"; do
        run_stage "$entry"
        if [[ "$entry" = *" build "* ]] && [ "$STATUS" != 0 ]; then
            say "dev: nothing can be tested: ${entry%% *} failed"
            report
            return
        fi
    done
    # The stages find everything in its place, and what one of them reads no other writes anew.
    export MILLPOND_PLACED=$ROOT
    if [ "$lanes" = 2 ] && both_lanes "${middle[@]}"; then
        run_lanes "${middle[@]}"
    else
        for entry in "${middle[@]}"; do run_stage "$entry"; done
    fi
    for entry in "${last[@]}"; do run_stage "$entry"; done
    [ ${#chosen[@]} -gt 0 ] || [ "$SECONDS" -le "$RUN_SECONDS_MAX" ] ||
        say "dev: SLOW: the whole run took more than $RUN_SECONDS_MAX s"
    report
}

# choose_stages NAME…: sorts the entries of STAGES that were asked for into `first`, up to the last
# build, `last`, the claims about the run, and `middle`, everything else.
choose_stages() {
    local entry name kind command needs index=0 builds=0
    for entry in "${STAGES[@]}"; do
        index=$((index + 1))
        [[ "$entry" != *" build "* ]] || builds=$index
    done
    index=0
    for entry in "${STAGES[@]}"; do
        index=$((index + 1))
        read -r name kind command needs <<<"$entry"
        if [ $# -gt 0 ] && [ "$kind" != build ] && [ "$kind" != claim ]; then
            contains "$name" "$@" || continue
        fi
        if [ -n "$needs" ] && [ ! -e "$needs" ]; then
            printf '\n=== %s: ABSENT, there is no %s\n' "$name" "$needs"
            ROWS[$name]="0 0 0 0 ABSENT: there is no $needs"
        elif [ "$kind" = claim ]; then
            last+=("$entry")
        elif [ "$index" -le "$builds" ]; then
            first+=("$entry")
        else
            middle+=("$entry")
        fi
    done
}

# True when these entries are of both lanes.
both_lanes() {
    local entry of_a=0
    for entry in "$@"; do
        ! contains "${entry%% *}" $LANE_A || of_a=$((of_a + 1))
    done
    [ "$of_a" -gt 0 ] && [ "$of_a" -lt $# ]
}

contains() {
    local wanted=$1 item
    shift
    for item in "$@"; do
        [ "$item" != "$wanted" ] || return 0
    done
    return 1
}

# add_row NAME KIND STATUS SECONDS: what a stage that has ended came to.
add_row() {
    local name=$1 kind=$2 status=$3 seconds=$4 counts passed failed skipped empty remark=""
    counts=$(awk -v kind="$kind" -f tools/dev/count.awk "$LOGS/$name.log")
    read -r passed failed skipped empty <<<"$counts"
    if [ "$status" != 0 ] && [ "$failed" = 0 ]; then
        failed=1
        remark="ended with status $status"
    elif [ "$kind" != build ] && [ "$kind" != check ] && [ "$empty" != 0 ]; then
        failed=$((failed + 1))
        remark="a runner closed on no test"
    elif [ "$skipped" != 0 ] && nothing_may_be_skipped; then
        remark="tests were skipped, and here every test can run"
    fi
    ROWS[$name]="$passed $failed $skipped $seconds $remark"
}

# Where everything that the tests need can be had, a skipped test is a hole.
nothing_may_be_skipped() {
    [ "${CI:-}" = true ] && [ "$(uname -s)" = Linux ] && [ "$(id -u)" = 0 ]
}

report() {
    local entry name passed failed skipped seconds remark
    local passed_sum=0 failed_sum=0 skipped_sum=0
    printf '\n%-14s %7s %7s %7s %8s\n' stage passed failed skipped seconds
    for entry in "${STAGES[@]}"; do
        name=${entry%% *}
        [ -n "${ROWS[$name]:-}" ] || continue
        read -r passed failed skipped seconds remark <<<"${ROWS[$name]}"
        printf '%-14s %7d %7d %7d %8d  %s\n' \
            "$name" "$passed" "$failed" "$skipped" "$seconds" "$remark"
        passed_sum=$((passed_sum + passed)) failed_sum=$((failed_sum + failed))
        skipped_sum=$((skipped_sum + skipped))
    done
    # By the clock: stages ran side by side.
    printf '%-14s %7d %7d %7d %8d\n\n' \
        total "$passed_sum" "$failed_sum" "$skipped_sum" "$SECONDS"
    local line="$passed_sum passed, $failed_sum failed"
    [ "$skipped_sum" = 0 ] || line="$line, $skipped_sum skipped"
    printf '%s\n' "$line"
    [ "$failed_sum" = 0 ] || return 1
    [ "$skipped_sum" = 0 ] || ! nothing_may_be_skipped || return 1
    [ "$passed_sum" -gt 0 ]
}
