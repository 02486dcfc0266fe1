//! Streams with two histories: kept whole through power cuts, and as docs/format.md says.

use crate::compaction::states;
use crate::crash::record_run;
use crate::second_reader::read_with;
use crate::support::{Scratch, skip_without};
use millpond::EventView;
use millpond::event::codec::Reader;
use millpond::event::{SignedHead, StreamId};
use millpond::log::{CursorOptions, Log};
use millpond::query::{Order, Query};
use millpond_facade::{NodeHandle, OpenOptions, Wait};
use millpond_tests::crash::mix;
use millpond_tests::forks;
use millpond_tests::trace::Step;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(60);
/// With four forks among them.
const COMMITS: u64 = 12;

#[test]
fn any_power_cut_around_a_fork_leaves_every_acknowledged_event_once() {
    if skip_without("strace") {
        return;
    }
    let scratch = Scratch::new("fork-trace");
    let (store, folder) = (scratch.path().join("recorded"), scratch.path().join("state"));
    let trace = record_run(&store, COMMITS, "forking");
    // Between the acknowledgements around a fork lies all that it writes.
    let said: Vec<(usize, u64)> = trace.steps.iter().enumerate().filter_map(said).collect();
    let around = said.windows(2).filter(|pair| pair[1].1 - pair[0].1 != forks::BATCH);
    let within: Vec<usize> = around.flat_map(|pair| pair[0].0..=pair[1].0 + 1).collect();
    println!("{} steps recorded, {} around forks", trace.steps.len(), within.len());
    for seed in 0..states(300) {
        let any = match seed % 4 {
            0 => mix(seed, 77) as usize % trace.steps.len(),
            _ => within[mix(seed, 77) as usize % within.len()],
        };
        let state = trace.crash_state((any + 1).min(trace.steps.len()), seed);
        state.write(&folder).expect("a crash state can be written");
        let held = check(&folder).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert!(held >= state.acknowledged, "seed {seed}: {held} of {}", state.acknowledged);
    }
}

#[test]
fn a_store_with_forks_reads_the_same_for_a_second_reader() {
    if skip_without("python3") {
        return;
    }
    let scratch = Scratch::new("fork-reader");
    let path = scratch.path().join("store");
    let log = forks::open(&path).unwrap();
    forks::run(&log, 30, 20, |_| {}).unwrap();
    let own = forks::publish(&log, 0..2_100, 20).unwrap().stream;
    log.checkpoint_now().unwrap();
    // Its base is the end of a full block; what it hides is in tables and journal.
    forks::publish(&log, 2_100..2_150, 20).unwrap();
    let (branch, range) = forks::other_history(&log, own, 1_060, "late", 25).unwrap();
    assert!(branch.base.count > 0);
    log.fork(branch, range, 0).wait().unwrap();
    assert_eq!(read(&path), keys(&log), "a journal that seals what is in tables");
    log.checkpoint_now().unwrap();
    forks::run(&log, 5, 20, |_| {}).unwrap();
    let expected = keys(&log);
    assert_eq!(read(&path), expected, "tables and journal");
    log.close(DEADLINE).unwrap();
    assert_eq!(read(&path), expected, "tables alone");
    let log = forks::open(&path).unwrap();
    assert_eq!(keys(&log), expected);
    assert!(log.forks().len() >= 2);
    log.close(DEADLINE).unwrap();
}

#[test]
fn what_a_status_says_of_a_fork_to_shells_proves_it_to_anybody() {
    let scratch = Scratch::new("fork-status");
    let path = scratch.path().join("store");
    let log = forks::open(&path).unwrap();
    forks::run(&log, 6, 20, |_| {}).unwrap();
    let (held, swarm) = (log.forks(), log.swarm_id());
    log.close(DEADLINE).unwrap();
    let options = OpenOptions {
        path,
        app_id: "com.example.crash".into(),
        swarm: Some("33".repeat(32)),
        network: Some(false),
        ..OpenOptions::default()
    };
    let wait = Wait::timeout(DEADLINE);
    let node = NodeHandle::open(options, &wait).unwrap();
    let status: Value = serde_json::from_str(&node.status_json(&wait).unwrap()).unwrap();
    let shown = status["forks"].as_array().unwrap();
    assert_eq!((shown.len(), held.len() >= 2), (held.len(), true));
    for (shown, held) in shown.iter().zip(&held) {
        let proofs = shown["proofs"].as_array().unwrap();
        assert_eq!(proofs.len(), held.branches.len());
        for (proof, branch) in proofs.iter().zip(&held.branches) {
            let heads = [0, 1].map(|one| head(proof[one].as_str().unwrap()));
            assert_eq!(heads, branch.proof);
            for head in &heads {
                head.verify(&swarm).unwrap();
                assert!(head.count > held.at && head.stream.trunk() == held.of.trunk());
            }
        }
    }
    node.close(&wait).unwrap();
}

/// The signed head that these hex digits are.
fn head(digits: &str) -> SignedHead {
    let pairs = digits.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).unwrap());
    let bytes: Vec<u8> = pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
    assert_eq!(bytes.len(), SignedHead::BYTES);
    SignedHead::read(&mut Reader::new(&bytes)).unwrap()
}

fn said((at, step): (usize, &Step)) -> Option<(usize, u64)> {
    match step {
        Step::Acknowledged { count } => Some((at, *count)),
        _ => None,
    }
}

fn check(store: &Path) -> Result<u64, String> {
    let log = forks::open(store).map_err(|error| format!("open: {error}"))?;
    let held = forks::verify(&log)?;
    // What was cut short can be done again.
    let own: Vec<StreamId> = log.heads().iter().map(|head| head.stream).collect();
    for stream in own.into_iter().filter(|stream| !stream.is_branch()) {
        let count = log.durable_map().map_err(|error| error.to_string())?.count(&stream);
        let Some(at) = count.checked_sub(1) else { continue };
        let other = forks::other_history(&log, stream, at, "again", 25);
        let (branch, range) = other.map_err(|error| error.to_string())?;
        log.fork(branch, range, 0).wait().map_err(|error| format!("fork: {error}"))?;
        break;
    }
    log.check().map_err(|error| format!("check after it: {error}"))?;
    log.close(DEADLINE).map_err(|error| format!("close: {error}"))?;
    Ok(held)
}

fn keys(log: &Log) -> Vec<String> {
    let options = CursorOptions { order: Order::Ascending, ..CursorOptions::default() };
    let mut cursor = log.cursor(&Query::all(), options).unwrap();
    let mut keys = Vec::new();
    loop {
        let batch = cursor.next_batch(500).unwrap();
        if batch.is_empty() {
            return keys;
        }
        let key = |event: EventView<'_>| format!("{} {}", event.key(), event.offset());
        keys.extend(batch.iter().map(key));
    }
}

fn read(path: &Path) -> Vec<String> {
    let text = read_with("store.py", path);
    let shown = text.lines().filter(|line| !line.contains(" opening "));
    shown.map(|line| line.splitn(3, ' ').take(2).collect::<Vec<_>>().join(" ")).collect()
}
