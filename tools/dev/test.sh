# Runs the stages, shows everything they print, and adds up what their runners closed on.
#
# Not here: what the stages run (`stages.sh`).
# Rule: a stage that fails does not stop the others, unless it builds what they need. Numbers are
# read from the runners' own closing lines; a stage whose command fails without a failed test counts
# as one failure. Begin with `test_main`.

LOGS="$ROOT/.dev/logs"

# Rows of the closing table: "stage passed failed skipped seconds remark".
ROWS=()

test_main() {
    local chosen=()
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

    local entry name kind command needs
    for entry in "${STAGES[@]}"; do
        read -r name kind command needs <<<"$entry"
        if [ ${#chosen[@]} -gt 0 ] && [ "$kind" != build ] && [ "$kind" != claim ]; then
            contains "$name" "${chosen[@]}" || continue
        fi
        if [ -n "$needs" ] && [ ! -e "$needs" ]; then
            printf '\n=== %s: ABSENT, there is no %s\n' "$name" "$needs"
            ROWS+=("$name 0 0 0 0 ABSENT: there is no $needs")
            continue
        fi
        run_stage "$name" "$kind" "$command"
        if [ "$kind" = build ] && [ "$STAGE_STATUS" != 0 ]; then
            say "dev: nothing can be tested: $name failed"
            break
        fi
    done
    report
}

contains() {
    local wanted=$1 item
    shift
    for item in "$@"; do
        [ "$item" != "$wanted" ] || return 0
    done
    return 1
}

# Sets STAGE_STATUS to the command's own exit status.
run_stage() {
    local name=$1 kind=$2 command=$3 started=$SECONDS
    printf '\n=== %s\n' "$name"
    set +e
    (
        set -e
        "$command"
    ) 2>&1 | tee "$LOGS/$name.log"
    STAGE_STATUS=${PIPESTATUS[0]}
    set -e
    local counts passed failed skipped empty remark=""
    counts=$(awk -v kind="$kind" -f tools/dev/count.awk "$LOGS/$name.log")
    read -r passed failed skipped empty <<<"$counts"
    if [ "$STAGE_STATUS" != 0 ] && [ "$failed" = 0 ]; then
        failed=1
        remark="ended with status $STAGE_STATUS"
    elif [ "$kind" != build ] && [ "$kind" != check ] && [ "$empty" != 0 ]; then
        failed=$((failed + 1))
        remark="a runner closed on no test"
    elif [ "$skipped" != 0 ] && nothing_may_be_skipped; then
        remark="tests were skipped, and here every test can run"
    fi
    ROWS+=("$name $passed $failed $skipped $((SECONDS - started)) $remark")
}

# Where everything that the tests need can be had, a skipped test is a hole.
nothing_may_be_skipped() {
    [ "${CI:-}" = true ] && [ "$(uname -s)" = Linux ] && [ "$(id -u)" = 0 ]
}

report() {
    local row name passed failed skipped seconds remark
    local passed_sum=0 failed_sum=0 skipped_sum=0 seconds_sum=0
    printf '\n%-14s %7s %7s %7s %8s\n' stage passed failed skipped seconds
    for row in "${ROWS[@]}"; do
        read -r name passed failed skipped seconds remark <<<"$row"
        printf '%-14s %7d %7d %7d %8d  %s\n' \
            "$name" "$passed" "$failed" "$skipped" "$seconds" "$remark"
        passed_sum=$((passed_sum + passed)) failed_sum=$((failed_sum + failed))
        skipped_sum=$((skipped_sum + skipped)) seconds_sum=$((seconds_sum + seconds))
    done
    printf '%-14s %7d %7d %7d %8d\n\n' \
        total "$passed_sum" "$failed_sum" "$skipped_sum" "$seconds_sum"
    local line="$passed_sum passed, $failed_sum failed"
    [ "$skipped_sum" = 0 ] || line="$line, $skipped_sum skipped"
    printf '%s\n' "$line"
    [ "$failed_sum" = 0 ] || return 1
    [ "$skipped_sum" = 0 ] || ! nothing_may_be_skipped || return 1
    [ "$passed_sum" -gt 0 ]
}
