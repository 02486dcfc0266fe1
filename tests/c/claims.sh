# Sourced by the runners of C and C++: counts claims, and adds up what programs say of theirs.
#
# Not here: what is claimed. Needs a folder `work`; counts in `passed`, `failed` and `skipped`.
passed=0
failed=0
skipped=0
pass() { passed=$((passed + 1)); echo "ok $1"; }
skip() { skipped=$((skipped + 1)); echo "skipped: $1"; }
fail() { failed=$((failed + 1)); echo "FAILED $1"; }
claim() { # NAME COMMAND…: one claim that a command's success proves
    name=$1
    shift
    if "$@" >"$work/out" 2>&1; then pass "$name"; else fail "$name"; sed 's/^/  /' "$work/out"; fi
}
run_program() { # NAME COMMAND…: a program that says how each of its claims went
    name=$1
    shift
    echo "-- $name"
    mkdir -p "$work/stores"
    if MILLPOND_TEST_FOLDER="$work/stores" "$@" >"$work/out" 2>"$work/err"; then
        status=0
    else
        status=$?
    fi
    grep -E '^(ok|FAILED|skipped|  )' "$work/out" || true
    ok=$(grep -c '^ok ' "$work/out" || true)
    bad=$(grep -c '^FAILED ' "$work/out" || true)
    passed=$((passed + ok))
    failed=$((failed + bad))
    if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
        fail "$name: ends with status $status"
        tail -n 40 "$work/err" | sed 's/^/  /'
    fi
    rm -rf "$work/stores"
}
