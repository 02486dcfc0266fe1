//! Runs a test again in a process, and where it asks for it a network, of its own.

use std::io::Write;
use std::process::{Command, Stdio};

/// Set for the process that runs one test alone; its value is that test's name.
const ALONE: &str = "MILLPOND_TEST_ALONE";

/// True in the process that is to do the test's work. Elsewhere runs the test named `name` again,
/// by way of `wrapper` (a command and its arguments, such as `unshare --net`), and passes on what
/// it says.
///
/// A wrapper that this machine cannot run is said loudly, and is a failure for root under CI.
pub(super) fn alone(name: &str, wrapper: &[&str]) -> bool {
    if std::env::var(ALONE).is_ok_and(|running| running == name) {
        return true;
    }
    if let Some(why) = cannot_run(wrapper) {
        let must_run = std::env::var("CI").is_ok_and(|ci| ci == "true") && is_root();
        assert!(!must_run, "{name} must run under CI: {why}");
        // Past the test runner, which shows nothing that a passing test prints; it is counted.
        let line = format!("\nSKIPPED: {name}: {}\n", why.replace('\n', " "));
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        return false;
    }
    let output = again(name, wrapper, "").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} alone: {}\n{said}\n{complained}", output.status);
    assert!(said.contains("1 passed"), "{name} did not run:\n{said}");
    false
}

/// The command that runs `name` alone; it can tell by `role` which part it plays.
pub(super) fn again(name: &str, wrapper: &[&str], role: &str) -> Command {
    let program = std::env::current_exe().unwrap();
    let mut command = match wrapper {
        [] => Command::new(&program),
        [first, rest @ ..] => {
            let mut command = Command::new(first);
            command.args(rest).arg(&program);
            command
        }
    };
    let full_name = format!("net::tests::{name}");
    command.args(["--exact", &full_name, "--nocapture", "--test-threads=1"]);
    command.env(ALONE, name).env("MILLPOND_TEST_ROLE", role).stdin(Stdio::null());
    command
}

/// Which part this process plays; empty for the first.
pub(super) fn role() -> String {
    std::env::var("MILLPOND_TEST_ROLE").unwrap_or_default()
}

/// Runs a command of the shell in this process's network.
pub(super) fn shell(command: &str) {
    let status = Command::new("sh").args(["-e", "-c", command]).status().unwrap();
    assert!(status.success(), "{command}: {status}");
}

fn cannot_run(wrapper: &[&str]) -> Option<String> {
    let [first, rest @ ..] = wrapper else { return None };
    let tried = Command::new(first).args(rest).arg("true").output();
    match tried {
        Ok(output) if output.status.success() => None,
        Ok(output) => {
            let why = String::from_utf8_lossy(&output.stderr);
            Some(format!("`{}` fails: {}", wrapper.join(" "), why.trim()))
        }
        Err(error) => Some(format!("`{first}` cannot run: {error}")),
    }
}

fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| line.starts_with("Uid:\t0\t"))
}
