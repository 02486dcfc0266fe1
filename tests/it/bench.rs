//! The benches in their small size: code that only runs for figures would rot.

// The generator of the benches, so that what it promises is tested.
#[path = "../bench/workload.rs"]
pub(crate) mod workload;

use crate::support::{Scratch, skip};
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
    let said = String::from_utf8_lossy(&output.stdout);
    let mut figures = BTreeSet::new();
    for line in std::fs::read_to_string(&results).expect("results are there").lines() {
        let figure: Json = serde_json::from_str(line).expect("a line is JSON");
        let value = figure["value"].as_f64().expect("a number");
        // A file system in memory writes nothing to a disk.
        let may_be_nothing =
            ["rss", "written_per_event"].contains(&figure["case"].as_str().unwrap());
        assert!(value > 0.0 || (may_be_nothing && value == 0.0), "{line}");
        assert!(figure["runs"].as_u64() == Some(1), "{line}");
        let text = |name: &str| figure[name].as_str().expect("a text").to_owned();
        let events = figure["events"].as_u64().expect("a number");
        assert!(figures.insert((text("case"), text("subject"), events)), "twice: {line}");
    }
    let mut expected = expected();
    // What a machine lacks is left out, but only with a word, and never under CI.
    for skipped in said.lines().filter_map(|line| line.strip_prefix("SKIPPED: ")) {
        skip(skipped);
        expected.retain(|(case, _, _)| !skipped.contains(case));
    }
    assert_eq!(figures, expected);
    // Each floor whose figures are there is judged, at the largest size.
    let of_ours = |line: &&str| line.ends_with("missed") || line.contains("  holds");
    let judged: Vec<&str> = said.lines().filter(of_ours).collect();
    for case in expected.iter().map(|(case, _, _)| case) {
        assert!(judged.iter().any(|line| line.starts_with(case.as_str())), "{case}: {said}");
    }
    let scan = judged.iter().find(|line| line.starts_with("scan ")).expect("it is judged");
    assert_eq!(scan.split_whitespace().nth(1), Some("2000"), "{scan}");
    let chart = std::fs::read(scratch.path().join("chart.png"));
    if let Ok(chart) = &chart {
        assert!(chart.starts_with(b"\x89PNG") && chart.len() > 10_000, "{} bytes", chart.len());
    }
    assert!(chart.is_ok() || said.contains("SKIPPED: the chart"), "{said}");
}

#[test]
fn a_seed_makes_one_workload_and_another_seed_another() {
    let payloads = |seed, first, count| -> Vec<Vec<u8>> {
        workload::events(seed, first, count).into_iter().map(|event| event.payload).collect()
    };
    let whole = payloads(1, 0, 5_000);
    assert_eq!(whole, payloads(1, 0, 5_000));
    assert_eq!(whole[..100], payloads(1, 0, 100), "a shorter part begins in the same way");
    assert_eq!(payloads(1, 5_000, 100), payloads(1, 5_000, 100));
    for other in [payloads(2, 0, 5_000), payloads(1, 5_000, 5_000)] {
        assert!(whole.iter().zip(&other).all(|(here, there)| here != there));
    }
    let mean = whole.iter().map(Vec::len).sum::<usize>() / whole.len();
    assert!((184..=186).contains(&mean), "payloads of {mean} bytes");
    let machines = workload::events(1, 0, 5_000).into_iter().map(|event| event.tags);
    let machines: BTreeSet<String> = machines.map(|[_, machine, _]| machine).collect();
    assert_eq!(machines.len(), 200);
}

#[test]
fn every_micro_bench_runs() {
    let output = Command::new(env!("CARGO_BIN_EXE_micro")).arg("--test").output();
    let output = output.expect("the micro benches start");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout);
    for name in ["record_encode", "record_decode", "leaf_hash", "chain_extend", "cbor_check"] {
        assert!(said.contains(name), "{name} is not in:\n{said}");
    }
}

/// Case, subject and events of each figure of the small size.
fn expected() -> BTreeSet<(String, String, u64)> {
    let mut expected = BTreeSet::new();
    let mut expect = |cases: &[&str], subjects: &[&str], events: u64| {
        for case in cases {
            let figure = |subject: &&str| ((*case).to_owned(), (*subject).to_owned(), events);
            expected.extend(subjects.iter().map(figure));
        }
    };
    let archives = ["millpond", "sqlite", "lmdb_rows"];
    let stores = ["millpond", "sqlite", "lmdb_rows", "file"];
    for events in [200, 2_000] {
        let writes = ["publish_batch_1000", "bytes_per_event", "written_per_event"];
        expect(&writes, &stores, events);
        let reads = ["query_order", "query_machine", "query_newest_10", "scan", "open", "rss"];
        expect(&reads, &archives, events);
        expect(&["query_scaling", "verify"], &["millpond"], events);
    }
    expect(&["publish_1"], &stores, 20);
    expect(&["publish_16"], &stores, 160);
    expect(&["catch_up", "wire_per_event"], &["millpond"], 2_000);
    expect(&["fold_count"], &["millpond", "scan"], 2_000);
    let folds = ["fold_builtin", "fold_late", "fold_reopen", "fold_reconnect"];
    expect(&folds, &["millpond"], 2_000);
    expect(&["latency"], &["millpond", "millpond_live", "tcp", "tcp_unsynced"], 10);
    let shells = ["python_publish", "python_iterate", "node_publish", "node_iterate"];
    expect(&shells, &["millpond", "millpond_bytes", "rust", "rust_bytes"], 1_500);
    expect(&["c_iterate", "cpp_iterate"], &["millpond_bytes", "rust_bytes"], 1_500);
    expect(&["python_fold", "node_fold"], &["millpond", "millpond_builtin"], 1_500);
    expected
}
