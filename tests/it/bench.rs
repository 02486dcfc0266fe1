//! The benches in their small size: code that only runs for figures would rot.

use crate::support::Scratch;
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::process::Command;

#[test]
fn every_bench_runs_and_every_subject_gives_its_figures() {
    let scratch = Scratch::new("bench");
    let results = scratch.path().join("results");
    let output = Command::new(env!("CARGO_BIN_EXE_bench"))
        .arg("--small")
        .arg("--folder")
        .arg(scratch.path())
        .arg("--results")
        .arg(&results)
        .output()
        .expect("the bench starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let mut figures = BTreeSet::new();
    for line in std::fs::read_to_string(&results).expect("results are there").lines() {
        let figure: Json = serde_json::from_str(line).expect("a line is JSON");
        let value = figure["value"].as_f64().expect("a number");
        // A file system in memory writes nothing to a disk.
        let may_be_nothing =
            ["rss", "written_per_event"].contains(&figure["case"].as_str().unwrap());
        assert!(value > 0.0 || (may_be_nothing && value == 0.0), "{line}");
        assert!(figure["runs"].as_u64() == Some(1) && figure["events"].is_u64(), "{line}");
        let text = |name: &str| figure[name].as_str().expect("a text").to_owned();
        figures.insert((text("case"), text("subject")));
    }
    let publishes = ["publish_batch_1000", "publish_1", "publish_16"];
    let mut expected: BTreeSet<(String, String)> = BTreeSet::new();
    for subject in ["millpond", "sqlite", "file"] {
        expected.extend(publishes.map(|case| (case.to_owned(), subject.to_owned())));
    }
    let reads = ["query_order", "query_machine", "query_newest_10", "scan", "open", "rss"];
    for subject in ["millpond", "sqlite"] {
        expected.extend(reads.map(|case| (case.to_owned(), subject.to_owned())));
        let sizes = ["bytes_per_event", "written_per_event"];
        expected.extend(sizes.map(|case| (case.to_owned(), subject.to_owned())));
    }
    let alone = ["catch_up", "wire_per_event"];
    expected.extend(alone.map(|case| (case.to_owned(), "millpond".to_owned())));
    expected.extend(["millpond", "tcp"].map(|s| ("latency".to_owned(), s.to_owned())));
    assert_eq!(figures, expected);
}
