//! What tests share: scratch folders, the repository's root, and loud skips.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A folder of its own that is removed at the end.
pub(crate) struct Scratch {
    folder: tempfile::TempDir,
}

impl Scratch {
    /// A fresh folder; on a memory file system where there is one, for campaigns of thousands.
    pub(crate) fn new(name: &str) -> Scratch {
        let mut builder = tempfile::Builder::new();
        builder.prefix(name);
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { builder.tempdir_in(memory) } else { builder.tempdir() };
        Scratch { folder: folder.expect("a scratch folder can be made") }
    }

    /// A fresh folder on a disk, for what must not lie in memory.
    pub(crate) fn on_disk(name: &str) -> Scratch {
        let folder = tempfile::Builder::new().prefix(name).tempdir();
        Scratch { folder: folder.expect("a scratch folder can be made") }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// The root of the checkout.
pub(crate) fn repository() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("tests/ lies in the repository").to_owned()
}

/// True, and said loudly, when `program` is missing. Under CI that is a failure.
pub(crate) fn skip_without(program: &str) -> bool {
    let present = Command::new(program).arg("-V").output().is_ok();
    if !present {
        skip(&format!("{program} is not installed; ./dev setup installs it"));
    }
    !present
}

/// Says that a test is skipped and why; fails it under CI, where everything must run.
pub(crate) fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "under CI nothing may be skipped: {why}");
    say_skipped(why);
}

/// Past the test runner, which shows nothing that a passing test prints: `./dev test` counts these
/// lines as skipped tests. One write, so that no other line comes between.
fn say_skipped(why: &str) {
    let line = format!("\nSKIPPED: {}\n", why.replace('\n', " "));
    std::io::stderr().write_all(line.as_bytes()).expect("standard error takes a line");
}

/// Set for the process that runs one test apart; its value is that test's name.
const ALONE: &str = "MILLPOND_TEST_ALONE";

/// True in the process that is to do the work of the test `name`. Elsewhere runs that test again
/// in a network of its own, where its shell commands `setup` have been run, and passes on what it
/// says.
///
/// A machine that cannot do that skips the test loudly.
pub(crate) fn in_own_network(name: &str, setup: &str) -> bool {
    if std::env::var(ALONE).is_ok_and(|running| running == name) {
        return true;
    }
    let shell = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-ec", script, "sh"]);
        command
    };
    let tried = shell(setup).output();
    if !tried.as_ref().is_ok_and(|output| output.status.success()) {
        skip(&format!("{name}: no network of its own with {setup:?} can be had here: {tried:?}"));
        return false;
    }
    run_alone(name, shell(&format!("{setup}\nexec \"$@\"")).arg(this_program()));
    false
}

/// True in the process that is to do the work of the test `name`, and of no other. Elsewhere runs
/// that test again in such a process, and passes on what it says: what is measured of it there,
/// such as its memory, is not that of other tests.
pub(crate) fn in_own_process(name: &str) -> bool {
    if std::env::var(ALONE).is_ok_and(|running| running == name) {
        return true;
    }
    run_alone(name, &mut Command::new(this_program()));
    false
}

/// True in the process that is to do the work of the test `name`, of which the kernel keeps no more
/// than `bytes` in memory and swaps nothing. Elsewhere runs that test again in such a process, and
/// passes on what it says.
///
/// A machine that cannot do that skips the test loudly.
pub(crate) fn in_own_memory(name: &str, bytes: u64) -> bool {
    if std::env::var(ALONE).is_ok_and(|running| running == name) {
        return true;
    }
    let Some(group) = MemoryGroup::new(bytes) else {
        skip(&format!(
            "{name}: no control group of {bytes} bytes of memory can be made; run as root"
        ));
        return false;
    };
    let mut command = Command::new("sh");
    command.args(["-ec", "echo $$ > \"$0\"; exec \"$@\""]);
    run_alone(name, command.arg(group.folder.join("cgroup.procs")).arg(this_program()));
    false
}

/// A control group that limits memory, removed at the end.
struct MemoryGroup {
    folder: PathBuf,
}

impl MemoryGroup {
    fn new(bytes: u64) -> Option<MemoryGroup> {
        let root = Path::new("/sys/fs/cgroup");
        // Version 2 hands a controller down only when asked; where it does already, that is fine.
        let _ = std::fs::write(root.join("cgroup.subtree_control"), "+memory");
        let versions = [
            (root.to_owned(), "memory.max", "memory.swap.max", 0),
            (root.join("memory"), "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", bytes),
        ];
        versions.into_iter().find_map(|(parent, limit, swap_limit, swap)| {
            let folder = parent.join(format!("millpond-test-{}", std::process::id()));
            std::fs::create_dir(&folder).ok()?;
            let group = MemoryGroup { folder };
            // A folder that is no control group has no such file.
            let limit = group.folder.join(limit);
            if !limit.is_file() || std::fs::write(limit, bytes.to_string()).is_err() {
                return None;
            }
            // Not there where the kernel does not count swap.
            let _ = std::fs::write(group.folder.join(swap_limit), swap.to_string());
            Some(group)
        })
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.folder);
    }
}

fn this_program() -> PathBuf {
    std::env::current_exe().expect("this program has a path")
}

fn run_alone(name: &str, command: &mut Command) {
    let output = command
        .args(["--exact", name, "--nocapture"])
        .env(ALONE, name)
        .output()
        .expect("this program can be run");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {}\n{said}\n{complained}", output.status);
    assert!(said.contains("1 passed"), "{name} did not run:\n{said}");
    print!("{said}");
}

/// The crash child built with the planted bug: it acknowledges before the sync. The build is that
/// of tools/dev/sim.sh, so that it is made once.
pub(crate) fn planted_crash_child() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let target = repository().join("target/planted");
        let status = Command::new(env!("CARGO"))
            .current_dir(repository())
            .args([
                "build",
                "-p",
                "millpond-tests",
                "--bin",
                "crash_child",
                "--bin",
                "sim",
                "--no-default-features",
                "--profile",
                "sim",
            ])
            .env("CARGO_TARGET_DIR", &target)
            .env("RUSTFLAGS", "--cfg millpond_planted")
            .status()
            .expect("cargo starts");
        assert!(status.success(), "the build with the planted bug failed");
        target.join("sim/crash_child")
    };
    BUILT.get_or_init(build).clone()
}
