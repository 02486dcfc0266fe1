//! Crashes: SIGKILL at random moments, and power cuts at every step. At every system call:
//! `injection`.
//!
//! After each, every acknowledged event is there, nothing is missing in between, the chain
//! verifies, and the index equals a scan. A build with a planted bug must be caught by the same
//! harness.

use crate::support::{Scratch, planted_crash_child, skip_without};
use millpond_tests::crash::{self, mix};
use millpond_tests::trace::Trace;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub(crate) const CHILD: &str = env!("CARGO_BIN_EXE_crash_child");
const KILLS: u64 = 200;
const KILLS_PER_STORE: u64 = 20;
/// Several journal segments of them, so that every store has recycled and checkpointed.
const ACKNOWLEDGED_PER_STORE_MIN: u64 = 1_000;
const CRASH_STATES: u64 = 10_000;
/// Enough to come back to a recycled journal segment, which is asserted.
pub(crate) const COMMITS: u64 = 150;

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed_at_random() {
    let scratch = Scratch::new("kill");
    let (mut kills, mut acknowledged) = (0, 0);
    for round in 0..2 * KILLS {
        if kills == KILLS {
            break;
        }
        let store = scratch.path().join(format!("store-{}", kills / KILLS_PER_STORE));
        if !store.exists() {
            acknowledged = 0;
        }
        let mut child = spawn(CHILD, &store, 7, 100_000, "power");
        let lines = mix(1, round) % 60;
        let pause = Duration::from_micros(mix(2, round) % 4_000);
        let said = read_until(&mut child, lines);
        let deadline = Instant::now() + pause;
        while Instant::now() < deadline {
            std::hint::spin_loop();
        }
        child.kill().expect("the child can be killed");
        let (said, status) = drain(&mut child, said);
        assert!(said >= acknowledged, "round {round}: {said} after {acknowledged}");
        acknowledged = said;
        let held = check(&store, 7).unwrap_or_else(|error| panic!("round {round}: {error}"));
        assert!(held >= acknowledged, "round {round}: {held} held, {acknowledged} acknowledged");
        match status.signal() {
            Some(9) => kills += 1,
            _ => assert!(status.success(), "round {round}: the child ended with {status}"),
        }
        let last_of_store = kills % KILLS_PER_STORE == 0 && !status.success();
        assert!(
            !last_of_store || acknowledged >= ACKNOWLEDGED_PER_STORE_MIN,
            "round {round}: only {acknowledged} events were acknowledged"
        );
    }
    assert_eq!(kills, KILLS, "too many children ended by themselves");
}

#[test]
fn any_power_cut_leaves_a_store_that_opens_with_every_acknowledged_event() {
    if skip_without("strace") {
        return;
    }
    let scratch = Scratch::new("trace");
    let found = campaign(CHILD.as_ref(), &scratch, CRASH_STATES, "power");
    assert_eq!(found, None, "a crash state lost something");
}

#[test]
fn a_build_that_acknowledges_before_the_sync_is_caught() {
    if skip_without("strace") {
        return;
    }
    let scratch = Scratch::new("planted");
    let planted = planted_crash_child();
    let found = campaign(&planted, &scratch, CRASH_STATES, "power");
    println!("the planted bug was found: {found:?}");
    assert!(found.is_some(), "the harness is blind: the planted bug was not found");
}

#[test]
fn a_power_cut_with_process_durability_leaves_no_gap_and_no_wrong_event() {
    if skip_without("strace") {
        return;
    }
    let scratch = Scratch::new("process");
    let trace = record(CHILD.as_ref(), &scratch, "process");
    for seed in 0..CRASH_STATES / 10 {
        let cut = 1 + mix(seed, 77) as usize % trace.steps.len();
        let folder = scratch.path().join("state");
        trace.crash_state(cut, seed).write(&folder).expect("a crash state can be written");
        check(&folder, 7).unwrap_or_else(|error| panic!("cut {cut}, seed {seed}: {error}"));
    }
}

/// Tries `states` crash states of one recorded run on both cores; the first violation in words.
fn campaign(child: &Path, scratch: &Scratch, states: u64, durability: &str) -> Option<String> {
    let trace = record(child, scratch, durability);
    let next = AtomicU64::new(0);
    let worker = |worker: usize| {
        let folder = scratch.path().join(format!("state-{worker}"));
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= states {
                return None;
            }
            let cut = 1 + mix(seed, 77) as usize % trace.steps.len();
            let state = trace.crash_state(cut, seed);
            state.write(&folder).expect("a crash state can be written");
            let violation = match check(&folder, 7) {
                Ok(held) if held >= state.acknowledged => continue,
                Ok(held) => format!("{held} held, {} acknowledged", state.acknowledged),
                Err(error) => error,
            };
            next.store(states, Ordering::Relaxed);
            return Some(format!("cut {cut}, seed {seed}: {violation}"));
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2).map(|index| scope.spawn(move || worker(index))).collect();
        workers.into_iter().filter_map(|w| w.join().expect("a worker panicked")).next()
    })
}

/// What a run of so many commits does to `store`, call by call; `how` is the child's last word.
pub(crate) fn record_run(store: &Path, commits: u64, how: &str) -> Trace {
    record_of(CHILD.as_ref(), store, commits, how)
}

fn record_of(child: &Path, store: &Path, commits: u64, how: &str) -> Trace {
    let text = store.to_str().expect("the scratch folder is UTF-8").to_owned();
    let arguments = [text, "7".into(), commits.to_string(), how.into()];
    Trace::record(store, child, &arguments).expect("the run is recorded")
}

fn record(child: &Path, scratch: &Scratch, durability: &str) -> Trace {
    let trace = record_of(child, &scratch.path().join("recorded"), COMMITS, durability);
    println!("{} steps recorded", trace.steps.len());
    assert!(trace.recycles(), "no segment was recycled after a checkpoint in the background");
    trace
}

pub(crate) fn check(store: &Path, seed: u64) -> Result<u64, String> {
    let node = crash::open(store).map_err(|error| format!("open: {error}"))?;
    let held = crash::verify(&node, seed);
    node.close(Duration::from_secs(10)).map_err(|error| format!("close: {error}"))?;
    held
}

fn spawn(child: &str, store: &Path, seed: u64, commits: u64, durability: &str) -> Child {
    Command::new(child)
        .arg(store)
        .args([&seed.to_string(), &commits.to_string(), durability])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("the child starts")
}

/// What a child said so far: its output, and the largest count it reported.
struct Said {
    lines: BufReader<std::process::ChildStdout>,
    count: u64,
}

fn read_until(child: &mut Child, lines: u64) -> Said {
    let out = child.stdout.take().expect("standard output is piped");
    let mut said = Said { lines: BufReader::new(out), count: 0 };
    for _ in 0..=lines {
        said.count = said.count.max(next_count(&mut said.lines).unwrap_or(0));
    }
    said
}

fn drain(child: &mut Child, mut said: Said) -> (u64, ExitStatus) {
    while let Some(count) = next_count(&mut said.lines) {
        said.count = said.count.max(count);
    }
    (said.count, child.wait().expect("the child has ended"))
}

pub(crate) fn next_count(lines: &mut impl BufRead) -> Option<u64> {
    let mut line = String::new();
    let read = lines.read_line(&mut line).unwrap_or(0);
    if read == 0 || !line.ends_with('\n') {
        return None;
    }
    Some(line.split_once(' ').and_then(|(_, count)| count.trim().parse().ok()).unwrap_or(0))
}
