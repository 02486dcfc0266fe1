# Adds up the closing lines of one stage's runners. Usage: awk -v kind=KIND -f count.awk LOG
#
# Prints "passed failed skipped empty"; `empty` counts the runners that closed on no test at all.
# Kinds: cargo, pytest, node, junit, swift (XCTest and Swift Testing), plain and claim ("[NAME: ]N
# passed, N failed[, N skipped]"; swift and junit have it, too, where there is no such toolchain);
# build and check count none.

BEGIN { passed = failed = skipped = closings = empty = 0 }

{ sub(/\r$/, "") }

# A Rust test that skips itself says so on a line of its own, and cargo counts it as passed.
kind == "cargo" && /^SKIPPED: / { passed--; skipped++ }

kind == "cargo" && /^test result: / {
    close_runner(number_before("passed"), number_before("failed"), number_before("ignored"))
}

kind == "pytest" && /^=* ?([0-9]+ [a-z]+,? ?)+in [0-9.]+s( \([0-9:]+\))? ?=*$/ {
    close_runner(number_before("passed") + number_before("xpassed"), \
        number_before("failed") + number_before("error") + number_before("errors"), \
        number_before("skipped") + number_before("xfailed"))
}

kind == "pytest" && /no tests ran/ { close_runner(0, 0, 0) }

# `# pass 3` (TAP) or `ℹ pass 3` (spec), one line for each number; `duration_ms` is the last.
kind == "node" && /^(#|ℹ) (pass|fail|cancelled|skipped|todo) [0-9]+$/ { node[$2] = $3 }
kind == "node" && /^(#|ℹ) duration_ms / {
    close_runner(node["pass"], node["fail"] + node["cancelled"], node["skipped"] + node["todo"])
    split("", node)
}

# Each test of XCTest has a line; then comes one for all of them, and what it executed.
kind == "swift" && /^Test Case '.*' (passed|failed|skipped) \([0-9.]+ seconds\)$/ {
    swift[$(NF - 2)]++
}
kind == "swift" && /^Test Suite '(All|Selected) tests' (passed|failed) at / { closing = 1 }
kind == "swift" && closing && /^[ \t]*Executed [0-9]+ tests?, with / { close_swift($2) }

# Swift Testing counts what it skipped among the tests that it has run.
kind == "swift" && /^(✔|✘) Test .* failed after [0-9.]+ seconds/ && !/^✘ Test run with / {
    swift["failed"]++
}
kind == "swift" && /^(✔|✘|➜) Test .* skipped(: ".*"|\.)?$/ { swift["skipped"]++ }
kind == "swift" && /^(✔|✘) Test run with [0-9]+ tests? (passed|failed) after / { close_swift($5) }

# The line of all classes together; those of each have a time.
kind == "junit" && \
    /^(\[[A-Z]+\] )?Tests run: [0-9]+, Failures: [0-9]+, Errors: [0-9]+, Skipped: [0-9]+$/ {
    split($0, parts, /[^0-9]+/)
    close_runner(parts[2] - parts[3] - parts[4] - parts[5], parts[3] + parts[4], parts[5])
}

(kind == "plain" || kind == "claim" || kind == "swift") && \
    /^([A-Za-z]+: )?[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$/ {
    close_runner(number_before("passed"), number_before("failed"), number_before("skipped"))
}

END {
    if (closings == 0 && kind != "build" && kind != "check") empty++
    print passed + 0, failed + 0, skipped + 0, empty
}

function close_runner(p, f, s) {
    closings++
    passed += p; failed += f; skipped += s
    if (p + f + s == 0) empty++
}

# `count` tests have run, of which those that failed or were skipped had lines of their own.
function close_swift(count) {
    close_runner(count - swift["failed"] - swift["skipped"], swift["failed"], swift["skipped"])
    split("", swift)
    closing = 0
}

# The number in front of this word in the current line; 0 where the word is absent.
function number_before(word,    words, count, i) {
    count = split($0, words, /[ ,;=]+/)
    for (i = 2; i <= count; i++)
        if (words[i] == word && words[i - 1] ~ /^[0-9]+$/) return words[i - 1]
    return 0
}
