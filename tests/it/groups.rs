//! Groups of posting segments: made in the background, whole or not at all.

use crate::compaction::states;
use crate::crash::{CHILD, record_run};
use crate::second_reader::read_with;
use crate::support::{Scratch, skip_without};
use millpond::event::{AppId, SwarmSecret};
use millpond::{Node, NodeOptions, StorageOptions};
use millpond_tests::crash::{self, Acknowledged, mix};
use millpond_tests::trace::Step;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A group is made when the ninth segment of 64 blocks begins.
const EVENTS: u64 = 8 * 64 * 1024;
const BATCH: u64 = 1024;
/// With the first of these, of 500 events each, it begins; with the rest the journal is full.
const COMMITS: u64 = 16;

/// A store that lacks one block for a group.
fn almost(store: &Path) {
    // Large segments of the journal, unlike those of the campaign, so that it takes a second.
    let node = Node::open(NodeOptions {
        path: store.to_owned(),
        app_id: AppId::parse("com.example.crash").unwrap(),
        swarm: SwarmSecret::from_bytes([0x33; 32]),
        former_secrets: Vec::new(),
        network: None,
        storage: StorageOptions::default(),
    });
    let node = node.unwrap();
    for first in (0..EVENTS - BATCH).step_by(BATCH as usize) {
        let events = crash::small_events(first..first + BATCH);
        assert!(matches!(crash::publish(&node, events, 1, true), Acknowledged::Yes));
    }
    node.close(Duration::from_secs(60)).unwrap();
}

/// Opens a store, waits for its group when `completes`, and checks it; returns the events.
fn check(store: &Path, completes: bool) -> Result<u64, String> {
    let node = crash::open(store).map_err(|error| format!("open: {error}"))?;
    if completes {
        crash::await_group(&node);
    }
    let held = crash::verify_small(&node);
    node.close(Duration::from_secs(60)).map_err(|error| format!("close: {error}"))?;
    held
}

fn is_table(file: &Path) -> bool {
    file.ends_with("data.mdb")
}

#[test]
fn any_power_cut_beside_the_making_of_a_group_leaves_every_event_and_every_answer() {
    if skip_without("strace") {
        return;
    }
    let scratch = Scratch::new("group-trace");
    let (store, folder) = (scratch.path().join("recorded"), scratch.path().join("state"));
    almost(&store);
    let trace = record_run(&store, COMMITS, "merging");
    // The run waits for the group, so its writes are among these.
    let in_tables = |step: &Step| matches!(step, Step::Wrote { file, .. } if is_table(file));
    let writes: Vec<usize> =
        (0..trace.steps.len()).filter(|step| in_tables(&trace.steps[*step])).collect();
    println!("{} steps recorded, {} write tables", trace.steps.len(), writes.len());
    for seed in 0..states(12) {
        let write = writes[mix(seed, 77) as usize % writes.len()];
        let cut = (write + mix(seed, 78) as usize % 3).clamp(1, trace.steps.len());
        let state = trace.crash_state(cut, seed);
        state.write(&folder).expect("a crash state can be written");
        let told = format!("cut {cut}, seed {seed}");
        let held = check(&folder, false).unwrap_or_else(|why| panic!("{told}: {why}"));
        assert!(held >= state.acknowledged, "{told}: {held} of {}", state.acknowledged);
        if held > EVENTS + BATCH {
            let again = check(&folder, true).unwrap_or_else(|why| panic!("{told}: {why}"));
            assert_eq!(again, held, "{told}");
        }
    }
}

#[test]
fn a_second_reader_makes_the_same_groups_of_the_same_segments() {
    if skip_without("python3") {
        return;
    }
    let scratch = Scratch::new("group-reader");
    let store = scratch.path().join("store");
    almost(&store);
    let run = Command::new(CHILD)
        .arg(&store)
        .args(["7", &COMMITS.to_string(), "merging"])
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    assert_eq!(read_with("groups.py", &store), "1 groups");
}
