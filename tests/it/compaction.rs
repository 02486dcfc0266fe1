//! Compaction and crashes: whatever is left, it is a store with everything acknowledged in it, and
//! the node knows it as its own.

use crate::crash::{CHILD, check, next_count, record_run};
use crate::support::{Scratch, skip_without};
use millpond_tests::crash::{self, mix};
use millpond_tests::trace::Step;
use std::io::BufReader;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const COMMITS: u64 = 60;
/// More occurrences of a call than this are a run that never ends.
const OCCURRENCES_MAX: u64 = 500;

/// How many crash states to try: `some` in an ordinary run.
pub(crate) fn states(some: u64) -> u64 {
    if std::env::var_os("MILLPOND_LONG").is_some() { some * 50 } else { some }
}

/// A store that a run begins with.
fn existing(store: &Path) {
    let status = child(store, "40", "power").stdout(Stdio::null()).status().expect("it starts");
    assert!(status.success(), "{status}");
}

fn child(store: &Path, commits: &str, how: &str) -> Command {
    let mut command = Command::new(CHILD);
    command.arg(store).args(["7", commits, how]).stdin(Stdio::null());
    command
}

#[test]
fn any_power_cut_beside_a_compaction_leaves_every_acknowledged_event() {
    if skip_without("strace") {
        return;
    }
    let scratch = Scratch::new("compaction-trace");
    let (store, folder) = (scratch.path().join("recorded"), scratch.path().join("state"));
    existing(&store);
    let trace = record_run(&store, COMMITS, "compacting");
    let renames: Vec<usize> = (0..trace.steps.len())
        .filter(|step| matches!(trace.steps[*step], Step::Renamed { .. }))
        .collect();
    println!("{} steps recorded, {} renames", trace.steps.len(), renames.len());
    assert!(renames.len() >= 2, "the store was not compacted");
    for seed in 0..states(100) {
        // Every other cut is near a rename.
        let cut = match seed % 2 {
            0 => 1 + mix(seed, 77) as usize % trace.steps.len(),
            _ => {
                let rename = renames[mix(seed, 78) as usize % renames.len()];
                (rename + mix(seed, 79) as usize % 20).saturating_sub(9)
            }
        };
        let cut = cut.clamp(1, trace.steps.len());
        let state = trace.crash_state(cut, seed);
        state.write(&folder).expect("a crash state can be written");
        let held = check(&folder, 7).unwrap_or_else(|why| panic!("cut {cut}, seed {seed}: {why}"));
        let told = format!("cut {cut}, seed {seed}: {held} held, {}", state.acknowledged);
        assert!(held >= state.acknowledged, "{told} acknowledged");
    }
}

#[test]
fn a_store_killed_in_any_call_of_a_compaction_is_still_its_own() {
    if skip_without("strace") {
        return;
    }
    let scratch = Scratch::new("compaction-kill");
    let base = scratch.path().join("base");
    existing(&base);
    // A directory is synced after each rename; LMDB writes pages by `writev`.
    for call in ["rename", "unlink", "fsync", "writev"] {
        let mut deaths = 0;
        for when in 1..OCCURRENCES_MAX {
            let store = scratch.path().join(format!("{call}-{when}"));
            // Moved and not copied: the file of tables stays the same one.
            std::fs::rename(&base, &store).expect("a folder can be moved");
            let survived = !killed(&store, call, when);
            let node = crash::open(&store).unwrap_or_else(|why| panic!("{call} {when}: {why}"));
            crash::verify(&node, 7).unwrap_or_else(|why| panic!("{call} {when}: {why}"));
            assert_eq!(node.own_stream().number, 0, "{call} {when}: the store is taken for a copy");
            node.close(Duration::from_secs(10)).expect("the node closes");
            std::fs::rename(&store, &base).expect("a folder can be moved");
            if survived {
                break;
            }
            deaths += 1;
        }
        println!("{call}: {deaths} kills");
        assert!(deaths > 0, "no compaction was killed in {call}");
    }
}

/// Lets a run die where it makes a call for the nth time in one thread; false when it did not.
fn killed(store: &Path, call: &str, when: u64) -> bool {
    let inject = format!("inject={call}:signal=SIGKILL:when={when}");
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &inject]);
    command.args(["--", CHILD]).arg(store).args(["7", &COMMITS.to_string(), "compacting"]);
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut run = command.spawn().expect("strace starts");
    let mut said = BufReader::new(run.stdout.take().expect("standard output is piped"));
    let acknowledged = std::iter::from_fn(|| next_count(&mut said)).max().unwrap_or(0);
    let status = run.wait().expect("the run has ended");
    assert!(status.success() || status.signal() == Some(9), "{inject}: {status}");
    let held = check(store, 7).unwrap_or_else(|why| panic!("{inject}: {why}"));
    assert!(held >= acknowledged, "{inject}: {held} held, {acknowledged} acknowledged");
    !status.success()
}
