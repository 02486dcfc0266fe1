//! The house's own script: it must not call a run good that is not.

use crate::support::{Scratch, repository};
use std::process::{Command, Output};

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

/// What a run of stages with these results ends with, and whether it counts as good.
fn closing(stages: &str, ci: bool) -> (bool, String) {
    let scratch = Scratch::new("stages");
    let script = format!(
        "set -euo pipefail\nROOT={0}\nsource tools/dev/common.sh\nsource tools/dev/test.sh\n\
         setup_all() {{ :; }}\nLOGS={0}/logs\n{stages}\ntest_main\n",
        scratch.path().display()
    );
    let output = Command::new("bash")
        .args(["-c", &script])
        .env("CI", if ci { "true" } else { "" })
        .current_dir(repository())
        .output()
        .expect("bash runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success(), said.lines().last().unwrap_or_default().to_owned())
}

#[test]
fn a_run_is_good_only_when_every_stage_is() {
    let good = "a() { echo '2 passed, 0 failed'; }\nb() { :; }\n";
    let run = |stages: &str| closing(&format!("{good}{stages}"), false);
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

fn dev(arguments: &[&str]) -> Output {
    let script = repository().join("dev");
    Command::new(script).args(arguments).output().expect("the script starts")
}
