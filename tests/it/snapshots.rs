//! Saved states and crashes: each is there whole or not at all, and never without its events.

use crate::compaction::states;
use crate::crash::CHILD;
use crate::support::{Scratch, repository, skip_without};
use millpond_tests::crash::mix;
use millpond_tests::snapshots;
use millpond_tests::trace::Trace;
use std::path::Path;
use std::process::Command;
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
    let text = store.to_str().expect("the scratch folder is UTF-8").to_owned();
    let arguments = [text, "7".into(), COMMITS.to_string(), "saving".into()];
    let trace = Trace::record(&store, CHILD.as_ref(), &arguments).expect("the run is recorded");
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
    let read = |what: &str| {
        let reader = repository().join("tests/reference").join(what);
        let read = Command::new("python3").arg(reader).arg(&path).output().unwrap();
        let complained = String::from_utf8_lossy(&read.stderr).into_owned();
        assert!(read.status.success(), "{complained}");
        String::from_utf8_lossy(&read.stdout).trim().to_owned()
    };
    assert!(!read("store.py").is_empty());
    assert_eq!(read("snapshots.py"), "3 snapshots");
}
