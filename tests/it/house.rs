//! The house's own script: it must not call a run good that is not.

use crate::support::{Scratch, repository};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread::park_timeout;
use std::time::{Duration, Instant};

/// Set for a process in which a test is to skip itself.
const SKIP_ON_PURPOSE: &str = "MILLPOND_TEST_SKIP";

/// `passed failed skipped empty` of a log with these lines, as `./dev test` counts it.
fn count(kind: &str, log: &str) -> String {
    let scratch = Scratch::new("count");
    let path = scratch.path().join("log");
    std::fs::write(&path, log).expect("a log can be written");
    let output = Command::new("awk")
        .args(["-v", &format!("kind={kind}"), "-f", "tools/dev/count.awk"])
        .arg(&path)
        .current_dir(repository())
        .output()
        .expect("awk runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("numbers are ASCII").trim().to_owned()
}

#[test]
fn the_closing_lines_of_each_runner_are_added_up() {
    let cargo = "test a ... ok\n\
        test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 2 filtered out; in 0s\n\
        test result: FAILED. 1 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out\n";
    assert_eq!(count("cargo", cargo), "4 2 1 0");
    let skipping = "SKIPPED: strace is not installed\ntest a ... ok\nsays SKIPPED: nothing\n\
        test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; in 0s\n";
    assert_eq!(count("cargo", skipping), "2 0 2 0");
    let pytest = "tests/test_a.py ...\n4 passed, 1 skipped in 0.12s\n";
    assert_eq!(count("pytest", pytest), "4 0 1 0");
    let pytest = "==== 1 failed, 2 passed, 1 xfailed, 3 errors in 61.20s (0:01:01) ====\n";
    assert_eq!(count("pytest", pytest), "2 4 1 0");
    let node = "ok 1 - a\n# tests 5\n# suites 0\n# pass 3\n# fail 1\n# cancelled 0\n\
        # skipped 1\n# todo 0\n# duration_ms 52.1\n";
    assert_eq!(count("node", node), "3 1 1 0");
    assert_eq!(count("node", &node.replace("# ", "ℹ ")), "3 1 1 0");
    let junit = "[INFO] Tests run: 3, Failures: 0, Errors: 0, Skipped: 0, Time elapsed: 1 s\n\
        [ERROR] Tests run: 9, Failures: 1, Errors: 2, Skipped: 1\n";
    assert_eq!(count("junit", junit), "5 3 1 0");
    assert_eq!(
        count("plain", "ok a\n6 passed, 0 failed\n2 passed, 1 failed, 4 skipped\n"),
        "8 1 4 0"
    );
    assert_eq!(count("plain", "C: 6 passed, 0 failed\n"), "6 0 0 0");
    assert_eq!(count("claim", "1 passed, 0 failed\n"), "1 0 0 0");
}

/// As Swift 6.0 writes them: XCTest, once for each suite around its tests, then Swift Testing.
#[test]
fn both_frameworks_for_tests_in_swift_are_added_up() {
    let old = "Test Case 'OldTests.testBad' failed (0.001 seconds)\n\
        Test Case 'OldTests.testOld' passed (0.0 seconds)\n\
        Test Case 'OldTests.testSkip' skipped (0.0 seconds)\n\
        Test Suite 'OldTests' failed at 2026-11-24 00:02:29.862\n\
        \t Executed 3 tests, with 1 test skipped and 1 failure (0 unexpected) in 0 (0) seconds\n\
        Test Suite 'All tests' failed at 2026-11-24 00:02:29.862\n\
        \t Executed 3 tests, with 1 test skipped and 1 failure (0 unexpected) in 0 (0) seconds\n";
    let new = "◇ Test run started.\n✔ Test greets() passed after 0.001 seconds.\n\
        ✘ Test skipped() skipped: \"why not\"\n\
        ✘ Test bad() recorded an issue at HelloTests.swift:7:24: Expectation failed: 1 == 2\n\
        ✘ Test bad() failed after 0.001 seconds with 2 issues.\n\
        ✘ Suite More failed after 0.001 seconds with 3 issues.\n\
        ✘ Test run with 3 tests failed after 0.012 seconds with 3 issues.\n";
    assert_eq!(count("swift", old), "1 1 1 0");
    assert_eq!(count("swift", new), "1 1 1 0");
    assert_eq!(count("swift", &format!("{old}{new}")), "2 2 2 0");
    let good = "✔ Test run with 1 test passed after 0.001 seconds.\n";
    assert_eq!(count("swift", good), "1 0 0 0");
    assert_eq!(count("swift", "✔ Test run with 0 tests passed after 0.001 seconds.\n"), "0 0 0 1");
    assert_eq!(count("swift", "0 passed, 0 failed, 1 skipped\n"), "0 0 1 0");
}

/// The compiler for Swift is looked for in a folder where there is none.
#[test]
fn a_stage_whose_compiler_cannot_be_had_is_skipped_and_fails_the_gate() {
    let scratch = Scratch::new("no-swift");
    let stage = |ci: &str| {
        let script = "set -euo pipefail\nsource tools/dev/common.sh\nsource tools/dev/swift.sh\n\
            source tools/dev/stages.sh\nstage_swift\n";
        let mut command = Command::new("bash");
        command.args(["-c", script]).current_dir(repository()).env("CI", ci);
        let output = command.env("MILLPOND_CACHE", scratch.path()).output().expect("bash runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.starts_with("SKIPPED: the tests in Swift: "), "{said}");
        assert_eq!(count("swift", &said), "0 0 1 0");
        output.status.success()
    };
    assert!(stage(""));
    assert!(!stage("true"));
}

#[test]
fn a_runner_that_closes_on_no_test_is_noticed() {
    let cargo = "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n";
    assert_eq!(count("cargo", cargo), "0 0 0 1");
    assert_eq!(count("pytest", "no tests ran in 0.01s\n"), "0 0 0 1");
    assert_eq!(count("node", "# pass 0\n# fail 0\n# duration_ms 1\n"), "0 0 0 1");
    for kind in ["cargo", "pytest", "node", "junit", "plain"] {
        assert_eq!(count(kind, "it crashed before it said anything\n"), "0 0 0 1", "{kind}");
    }
    assert_eq!(count("check", "nothing to say\n"), "0 0 0 0");
}

#[test]
fn words_of_a_test_are_not_taken_for_a_closing_line() {
    let log = "test prints ... 5 passed, 0 failed\nsays test result: ok. 9 passed; 0 failed\n\
        test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n";
    assert_eq!(count("cargo", log), "1 0 0 0");
    assert_eq!(count("plain", "we had 5 passed, 0 failed once\n1 passed, 0 failed\n"), "1 0 0 0");
}

#[test]
fn a_command_that_does_not_exist_is_refused_with_help() {
    let refused = dev(&["dance"]);
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("no command 'dance'") && said.contains("./dev test"), "{said}");
    assert!(dev(&["help"]).status.success());
}

/// Its standard error as `cargo test` leaves it when the test passes.
#[test]
fn a_test_that_skips_itself_is_counted_as_skipped() {
    let name = "house::a_test_that_skips_itself_is_counted_as_skipped";
    if std::env::var_os(SKIP_ON_PURPOSE).is_some() {
        return crate::support::skip("on purpose");
    }
    let run = |ci: bool| {
        let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
        command.args(["--exact", name]).env(SKIP_ON_PURPOSE, "1").env_remove("CI");
        let output = command.envs(ci.then_some(("CI", "true"))).output().expect("it can be run");
        let said = [output.stderr, output.stdout].concat();
        count("cargo", &String::from_utf8_lossy(&said))
    };
    assert_eq!(run(false), "0 0 1 0");
    assert_eq!(run(true), "0 1 0 0", "under CI nothing may be skipped");
}

/// A run of these stages, which are beside each other where `LANE_A` names some of them. It writes
/// its logs below `folder`, where the stages begin.
fn run_of(stages: &str, folder: &Path) -> Command {
    let script = format!(
        "set -euo pipefail\nROOT={0}\nsource tools/dev/common.sh\nsource tools/dev/lanes.sh\n\
         source tools/dev/test.sh\nsetup_all() {{ :; }}\nLANE_A=\n{stages}\ntest_main\n",
        folder.display()
    );
    let mut command = Command::new("bash");
    command.args(["-c", &script]).current_dir(repository()).env("MILLPOND_LANES", "2");
    command.env("FOLDER", folder).env_remove("CI");
    command
}

/// What a run of stages with these results ends with, and whether it counts as good.
fn closing(stages: &str, ci: bool) -> (bool, String) {
    let scratch = Scratch::new("stages");
    let mut command = run_of(stages, scratch.path());
    let output = command.envs(ci.then_some(("CI", "true"))).output().expect("bash runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success(), said.lines().last().unwrap_or_default().to_owned())
}

#[test]
fn a_run_is_good_only_when_every_stage_is() {
    let good = "a() { echo '2 passed, 0 failed'; }\nb() { :; }\n";
    // In one lane, in two, and in two the other way round.
    let run = |stages: &str| {
        let in_lane = |names| closing(&format!("{good}{stages}\nLANE_A='{names}'"), false);
        let alone = in_lane("");
        assert_eq!(in_lane("a"), alone, "{stages}");
        assert_eq!(in_lane("again c"), alone, "{stages}");
        alone
    };
    let stages = "STAGES=('b build b' 'a plain a' 'again plain a')";
    assert_eq!(run(stages), (true, "4 passed, 0 failed".to_owned()));
    let failing = "c() { echo '1 passed, 1 failed'; exit 1; }\nSTAGES=('c plain c' 'a plain a')";
    assert_eq!(run(failing), (false, "3 passed, 1 failed".to_owned()));
    let crash = "c() { false; echo '9 passed, 0 failed'; }\nSTAGES=('c plain c' 'a plain a')";
    assert_eq!(run(crash), (false, "2 passed, 1 failed".to_owned()));
    let silent = "c() { echo hello; }\nSTAGES=('c plain c' 'a plain a')";
    assert_eq!(run(silent), (false, "2 passed, 1 failed".to_owned()));
    let check = "c() { exit 3; }\nSTAGES=('c check c' 'a plain a')";
    assert_eq!(run(check), (false, "2 passed, 1 failed".to_owned()));
    let unbuilt = "c() { exit 3; }\nSTAGES=('c build c' 'a plain a')";
    assert_eq!(run(unbuilt), (false, "0 passed, 1 failed".to_owned()));
    assert_eq!(run("STAGES=('b check b')"), (false, "0 passed, 0 failed".to_owned()));
}

#[test]
fn a_skip_is_a_hole_only_where_everything_can_run() {
    let stages = "a() { echo '2 passed, 0 failed, 1 skipped'; }\nSTAGES=('a plain a')\n";
    let gate = format!("{stages}id() {{ echo 0; }}\nuname() {{ echo Linux; }}\n");
    let line = "2 passed, 0 failed, 1 skipped".to_owned();
    assert_eq!(closing(&gate, true), (false, line.clone()));
    assert_eq!(closing(&gate, false), (true, line));
}

/// `meet OWN OTHER` ends well when both have been called at the same time.
const MEET: &str = "meet() {
    touch \"$FOLDER/$1\"
    for ((i = 0; i < 1200; i++)); do
        [ ! -e \"$FOLDER/$2\" ] || return 0
        sleep 0.05
    done
    return 1
}
";

#[test]
fn stages_of_two_lanes_run_side_by_side_and_each_is_shown_whole() {
    let stages =
        "a() { echo one; meet a1 b1; echo two >&2; meet a2 b2; echo '1 passed, 0 failed'; }
        b() { echo three; meet b1 a1; echo four; meet b2 a2; echo '1 passed, 0 failed'; }
        first() { [ ! -e \"$FOLDER/a1\" ]; }
        last() { [ -e \"$FOLDER/a2\" ] && echo '1 passed, 0 failed'; }
        STAGES=('first check first' 'built build first' 'b plain b' 'a plain a' 'last claim last')
        LANE_A=a";
    let scratch = Scratch::new("lanes");
    let output = run_of(&format!("{MEET}{stages}"), scratch.path()).output().expect("bash runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("\n=== a\none\ntwo\n1 passed, 0 failed\n"), "{said}");
    assert!(said.contains("\n=== b\nthree\nfour\n1 passed, 0 failed\n"), "{said}");
    let names = ["first", "built", "b", "a", "last", "total"];
    let (_, table) = said.split_once("\nstage ").expect("there is a table");
    let rows = table.lines().skip(1).filter_map(|row| row.split_once(' '));
    let rows: Vec<&str> = rows.map(|(name, _)| name).take(names.len()).collect();
    assert_eq!(rows, names, "the table is in the order of the stages: {table}");
    assert!(said.ends_with("\n3 passed, 0 failed\n"), "{said}");
}

#[test]
fn one_lane_is_one_stage_at_a_time() {
    let stages =
        "a() { [ ! -e \"$FOLDER/b\" ] && touch \"$FOLDER/a\" && echo '1 passed, 0 failed'; }
        b() { [ -e \"$FOLDER/a\" ] && touch \"$FOLDER/b\" && echo '1 passed, 0 failed'; }
        STAGES=('a plain a' 'b plain b')
        LANE_A=b";
    let scratch = Scratch::new("lane");
    let mut command = run_of(stages, scratch.path());
    let output = command.env("MILLPOND_LANES", "1").output().expect("bash runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.ends_with("\n2 passed, 0 failed\n"), "{said}");
    let output = command.env("MILLPOND_LANES", "3").output().expect("bash runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("MILLPOND_LANES is 1 or 2"), "{said}");
}

/// Or what depends on it would be built anew, beside stages that read it.
#[test]
fn what_is_put_into_the_path_is_in_it_once() {
    let script = "source tools/dev/common.sh\nPATH=/a:/b\ninto_path /c/d\ninto_path /c/d\n\
        into_path /b\necho \"$PATH\"\n";
    let mut command = Command::new("bash");
    let output = command.args(["-c", script]).current_dir(repository()).output();
    assert_eq!(output.expect("bash runs").stdout, b"/c/d:/a:/b\n");
}

/// Both while a stage runs by itself and while two run side by side.
#[test]
fn a_run_that_is_ended_leaves_nothing_behind() {
    let stages = "run() {
        sleep 600 &
        echo $! >\"$FOLDER/$1.new\"
        mv \"$FOLDER/$1.new\" \"$FOLDER/$1\"
        wait
    }
    a() { run a; }
    b() { run b; }
    PATIENCE=5
    ";
    let alone = "STAGES=('a plain a')";
    let beside = "STAGES=('a plain a' 'b plain b')\nLANE_A=a";
    for (lanes, running) in [(alone, &["a"][..]), (beside, &["a", "b"])] {
        for (signal, code) in [("TERM", Some(143)), ("KILL", None)] {
            let scratch = Scratch::new("ended");
            let mut run = run_of(&format!("{stages}{lanes}"), scratch.path())
                .stdout(Stdio::null())
                .spawn()
                .expect("bash runs");
            let pid = |name: &&str| std::fs::read_to_string(scratch.path().join(name)).ok();
            let mut pids: Vec<String> = Vec::new();
            until("the stages run", || {
                pids = running.iter().filter_map(pid).collect();
                pids.len() == running.len()
            });
            send(signal, &run.id().to_string());
            assert_eq!(run.wait().expect("it ends").code(), code, "{signal}, {lanes}");
            for pid in pids {
                until("nothing is left", || !runs(pid.trim()));
            }
        }
    }
}

fn send(signal: &str, pid: &str) {
    let sent = Command::new("kill").args(["-s", signal, pid]).status().expect("kill runs");
    assert!(sent.success(), "{signal} could not be sent");
}

/// False also for a process that has ended and is only waited for.
fn runs(pid: &str) -> bool {
    let status = std::fs::read_to_string(Path::new("/proc").join(pid).join("status"));
    status.is_ok_and(|status| !status.contains("\nState:\tZ"))
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        park_timeout(Duration::from_millis(20));
    }
}

fn dev(arguments: &[&str]) -> Output {
    let script = repository().join("dev");
    Command::new(script).args(arguments).output().expect("the script starts")
}
