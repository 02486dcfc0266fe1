//! Stores of earlier formats, as an earlier millpond left them, opened by this one.
//!
//! `tests/stores/format-0.tar.gz` is a node's store in the middle of its work: 3,430 events of two
//! streams in tables and journal; the text beside it says which event should be where.

use crate::compaction::states;
use crate::crash::CHILD;
use crate::nodes::{everything, publish};
use crate::support::{Scratch, repository, skip_without};
use millpond::event::Event;
use millpond::query::{Order, Query};
use millpond::{EventView, Node, QueryOptions};
use millpond_tests::crash::{self, mix};
use millpond_tests::trace::Trace;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(60);

#[test]
fn a_store_of_format_0_opens_with_every_event_and_goes_on() {
    if skip_without("tar") {
        return;
    }
    let scratch = Scratch::new("conversion");
    let path = unpack(scratch.path());
    let node = open(&path);
    let events = everything(&node);
    assert_eq!(lines(&events), expected());
    assert!(events.iter().any(|event| event.tags.contains("late")), "those of the journal, too");
    node.check().unwrap();
    for tag in ["machine:M-017", "order:55", "alarm", "late"] {
        let meant: Vec<_> = events.iter().filter(|event| event.tags.contains(tag)).collect();
        assert_eq!(find(&node, tag).iter().collect::<Vec<_>>(), meant, "{tag}");
    }
    publish(&node, "flour", 1100, 100);
    node.close(DEADLINE).unwrap();

    let node = open(&path);
    let again = everything(&node);
    assert_eq!(again[..events.len()], events);
    assert_eq!(again.len(), events.len() + 1100);
    node.check().unwrap();
    node.close(DEADLINE).unwrap();
}

/// The store, in a folder of its own.
pub(crate) fn unpack(folder: &Path) -> PathBuf {
    let archive = repository().join("tests/stores/format-0.tar.gz");
    let status = Command::new("tar").arg("xzf").arg(archive).arg("-C").arg(folder).status();
    assert!(status.expect("tar runs").success());
    folder.join("store")
}

/// What the store holds: `<event key> <offset>` in key order.
pub(crate) fn expected() -> Vec<String> {
    let text = std::fs::read_to_string(repository().join("tests/stores/format-0.txt"));
    text.expect("it is in the repository").lines().map(String::from).collect()
}

/// A run that converts, and what a power cut leaves of it at any step.
#[test]
fn any_power_cut_while_a_store_is_converted_leaves_every_event() {
    if skip_without("tar") || skip_without("strace") {
        return;
    }
    let scratch = Scratch::new("conversion-trace");
    let store = unpack(scratch.path());
    let text = store.to_str().expect("the scratch folder is UTF-8").to_owned();
    let arguments = [text, "0".into(), "0".into(), "converting".into()];
    let trace = Trace::record(&store, CHILD.as_ref(), &arguments).expect("the run is recorded");
    let (expected, folder) = (expected(), scratch.path().join("state"));
    println!("{} steps recorded", trace.steps.len());
    for seed in 0..states(60) {
        let cut = 1 + mix(seed, 77) as usize % trace.steps.len();
        trace.crash_state(cut, seed).write(&folder).expect("a crash state can be written");
        let node = crash::open_former(&folder)
            .unwrap_or_else(|error| panic!("cut {cut}, seed {seed}: {error}"));
        assert_eq!(lines(&everything(&node)), expected, "cut {cut}, seed {seed}");
        node.check().unwrap_or_else(|error| panic!("cut {cut}, seed {seed}: {error}"));
        node.close(DEADLINE).unwrap();
    }
}

fn lines(events: &[Event]) -> Vec<String> {
    events.iter().map(|event| format!("{} {}", event.key, event.offset)).collect()
}

fn open(path: &Path) -> Node {
    crash::open_former(path).unwrap()
}

fn find(node: &Node, tag: &str) -> Vec<Event> {
    let query = Query::parse(&format!("FROM '{tag}'")).unwrap();
    let options = QueryOptions { order: Order::Ascending, ..QueryOptions::default() };
    let batch = node.query(&query, options).unwrap().next_batch(10_000).unwrap();
    batch.iter().map(EventView::to_event).collect()
}
