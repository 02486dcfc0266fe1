//! Saved states and crashes: each is there whole or not at all, and never without its events.

use crate::compaction::states;
use crate::crash::record_run;
use crate::second_reader::read_with;
use crate::support::{Scratch, skip_without};
use millpond_tests::crash::mix;
use millpond_tests::snapshots;
use std::path::Path;
use std::time::Duration;

const COMMITS: u64 = 60;

/// Opens a store and checks it.
fn check(store: &Path) -> Result<u64, String> {
    let log = snapshots::open(store).map_err(|error| format!("open: {error}"))?;
    let held = snapshots::verify(&log)?;
    log.close(Duration::from_secs(60)).map_err(|error| format!("close: {error}"))?;
    Ok(held)
}

#[test]
fn any_power_cut_beside_snapshots_leaves_each_whole_or_not_at_all() {
    if skip_without("strace") {
        return;
    }
    let scratch = Scratch::new("snapshot-trace");
    let (store, folder) = (scratch.path().join("recorded"), scratch.path().join("state"));
    let trace = record_run(&store, COMMITS, "saving");
    println!("{} steps recorded", trace.steps.len());
    for seed in 0..states(200) {
        let cut = 1 + mix(seed, 77) as usize % trace.steps.len();
        let state = trace.crash_state(cut, seed);
        state.write(&folder).expect("a crash state can be written");
        let told = format!("cut {cut}, seed {seed}");
        let held = check(&folder).unwrap_or_else(|why| panic!("{told}: {why}"));
        assert!(held >= state.acknowledged, "{told}: {held} of {}", state.acknowledged);
    }
}

#[test]
fn a_second_reader_reads_a_store_with_snapshots() {
    if skip_without("python3") {
        return;
    }
    let scratch = Scratch::new("snapshot-reader");
    let path = scratch.path().join("store");
    let log = snapshots::open(&path).unwrap();
    snapshots::run(&log, 20, |_| {}).unwrap();
    log.close(Duration::from_secs(60)).unwrap();
    assert!(!read_with("store.py", &path).is_empty());
    assert_eq!(read_with("snapshots.py", &path), "3 snapshots");
}
