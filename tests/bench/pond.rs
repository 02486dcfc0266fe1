//! What a fish costs over a store as it grows: the first fold, the same without code of an
//! application, a late event, opening again, and devices that come back. Only ours: nothing else
//! here folds.
//!
//! Each run loads one node and folds it anew; devices that come back have nodes of their own. Begin
//! with `measure` and `reconnect`.

use crate::archive::{Source, timed};
use crate::millpond::{PATIENCE, Publisher, link, node, offsets};
use crate::report::Results;
use crate::subject::publish_in_batches;
use ::millpond::event::{NewEvent, OffsetMap, Payload, TagSet, cbor::Value};
use ::millpond::pond::builtin::BuiltIn;
use ::millpond::query::Query;
use ::millpond::{Fish, Node, Observed, Observer, PublishOptions, QueryOptions};
use std::path::Path;
use std::time::{Duration, Instant};

/// What is measured here, always together.
pub(crate) const CASES: [&str; 4] = ["fold_count", "fold_builtin", "fold_late", "fold_reopen"];

/// What [`reconnect`] measures.
pub(crate) const RECONNECT: &str = "fold_reconnect";

/// So many devices, each of which has published so many chunks while it was cut off.
const DEVICES: usize = 10;
const CHUNKS: usize = 10;
/// Events of a publish at most.
const PUBLISH: usize = 1_000;

/// A node that was cut off has missed so many events of this one when it publishes: a hundredth
/// of a million.
const LATE_BY: usize = 10_000;
const BATCH: usize = 4_096;

/// One run at one size, which is more than [`LATE_BY`] events.
pub(crate) fn measure(folder: &Path, source: &Source, results: &mut Results) {
    let place = folder.join(format!("pond-{}", std::process::id()));
    std::fs::create_dir_all(&place).expect("a run's folder can be made");
    let count = source.events();
    let mut add = |case, subject, unit, value| results.add(case, subject, count, unit, value);
    let here = load(&place, source);
    let rate = |took: Duration| count as f64 / took.as_secs_f64();
    // What the fold reads, without folding it.
    let (read, took) = timed(|| read_all(&here));
    assert_eq!(read, count, "nothing is lost");
    add("fold_count", "scan", "events/s", rate(took));
    let fish = counting("all");
    let ((mut observer, _), took) = timed(|| observe(&here, &fish, count as u64));
    add("fold_count", "millpond", "events/s", rate(took));
    let (_, took) = timed(|| builtin(&here));
    add("fold_builtin", "millpond", "events/s", rate(took));
    let took = late(&place, &here, &mut observer);
    add("fold_late", "millpond", "ms", took.as_secs_f64() * 1e3);
    drop(observer);
    here.close(PATIENCE).expect("it closes");
    drop(here);
    let held = count as u64 + LATE_BY as u64 + 1;
    let (again, took) = timed(|| {
        let again = node(&place, "alone", true);
        observe(&again, &fish, held);
        again
    });
    add("fold_reopen", "millpond", "ms", took.as_secs_f64() * 1e3);
    again.close(PATIENCE).expect("it closes");
    std::fs::remove_dir_all(&place).expect("a run's folder can be removed");
}

/// A node with a network that published all of it.
fn load(place: &Path, source: &Source) -> Node {
    let mut chunks = source.chunks();
    let first = chunks.next().expect("there are events");
    let mut publisher = Publisher::new(node(place, "alone", true), &first);
    publish_in_batches(&publisher, first.len());
    for chunk in chunks {
        crate::subject::Store::turn_to(&mut publisher, &chunk);
        publish_in_batches(&publisher, chunk.len());
    }
    publisher.into_node()
}

fn read_all(node: &Node) -> usize {
    let mut cursor = node.query(&Query::all(), QueryOptions::default()).expect("it is asked");
    let mut count = 0;
    loop {
        let batch = cursor.next_batch(BATCH).expect("it can be read");
        if batch.is_empty() {
            return count;
        }
        count += batch.len();
    }
}

fn counting(id: &str) -> Fish<u64> {
    let step = |state: &mut u64, _: ::millpond::EventView<'_>| {
        *state += 1;
        Ok(())
    };
    Fish::new(id, 1, Query::all(), || 0, step).expect("a short name")
}

/// Observes until the state counts so many events.
fn observe(node: &Node, fish: &Fish<u64>, count: u64) -> (Observer<u64>, Observed<u64>) {
    let mut observer = node.observe(fish).expect("nobody observes it");
    let state = wait_for(&mut observer, |state| state.state >= count);
    (observer, state)
}

fn wait_for(
    observer: &mut Observer<u64>,
    is_wanted: impl Fn(&Observed<u64>) -> bool,
) -> Observed<u64> {
    loop {
        let state = observer.wait_for_state(Some(PATIENCE)).expect("the fish goes on");
        let state = state.expect("a state comes");
        if is_wanted(&state) {
            return state;
        }
    }
}

fn builtin(node: &Node) {
    let count = Value::Map([("fold".to_owned(), Value::from("count"))].into());
    let fold = BuiltIn::from_value(&count).expect("a fold");
    let mut observer = node.observe_builtin(&Query::all(), &fold).expect("it is observed");
    observer.wait_for_state(Some(PATIENCE)).expect("it goes on").expect("a state comes");
}

/// Another node gets everything, is cut off, misses [`LATE_BY`] events and publishes one that
/// sorts before them: how long it takes from its arrival here to the state that has it.
fn late(place: &Path, here: &Node, observer: &mut Observer<u64>) -> Duration {
    let there = node(place, "there", true);
    link(&there, here);
    wait_until(&there, &offsets(here));
    there.set_network(false).wait().expect("it is open");
    publish(here, LATE_BY);
    let all = offsets(here);
    wait_for(observer, |state| state.offsets.covers(&all));
    publish(&there, 1);
    let arrivals = here.subscribe(&Query::all(), all).expect("it opens");
    there.set_network(true).wait().expect("it is open");
    link(&there, here);
    assert!(arrivals.wait(Some(PATIENCE)).expect("it goes on"), "it comes");
    let arrived = Instant::now();
    let held = offsets(here);
    wait_for(observer, |state| state.offsets.covers(&held));
    let took = arrived.elapsed();
    there.close(PATIENCE).expect("it closes");
    took
}

fn wait_until(node: &Node, all: &OffsetMap) {
    loop {
        let held = offsets(node);
        if held.covers(all) {
            return;
        }
        let growth = node.subscribe(&Query::all(), held).expect("it opens");
        assert!(growth.wait(Some(PATIENCE)).expect("it goes on"), "nothing comes");
    }
}

/// One run with about `count` events in all: ten devices that a node folds the events of are cut
/// off, each publishes ten chunks by turns with the others, and all come back at once. How often an
/// event of theirs went through the step is the figure, in the mean; once at least.
pub(crate) fn reconnect(folder: &Path, count: usize, results: &mut Results) {
    let place = folder.join(format!("reconnect-{}", std::process::id()));
    std::fs::create_dir_all(&place).expect("a run's folder can be made");
    let here = node(&place, "here", true);
    let devices: Vec<Node> =
        (0..DEVICES).map(|number| node(&place, &format!("device-{number}"), true)).collect();
    for device in &devices {
        link(device, &here);
        publish(device, 1);
    }
    let fish = counting("devices");
    let (mut observer, _) = observe(&here, &fish, DEVICES as u64);
    // All together: none is to learn of another one's events before the others do.
    let switch = |is_on: bool| {
        let turned: Vec<_> = devices.iter().map(|device| device.set_network(is_on)).collect();
        turned.into_iter().for_each(|turned| turned.wait().expect("it is open"));
    };
    switch(false);
    let chunk = count.div_ceil(DEVICES * CHUNKS);
    for _ in 0..CHUNKS {
        devices.iter().for_each(|device| publish(device, chunk));
    }
    let (total, before) = ((DEVICES * CHUNKS * chunk) as u64, observer.counts().applied);
    switch(true);
    wait_for(&mut observer, |state| state.state >= DEVICES as u64 + total);
    let applied = observer.counts().applied - before;
    results.add(RECONNECT, "millpond", count, "times", applied as f64 / total as f64);
    drop(observer);
    devices.iter().chain([&here]).for_each(|node| node.close(PATIENCE).expect("it closes"));
    drop((devices, here));
    std::fs::remove_dir_all(&place).expect("a run's folder can be removed");
}

/// Publishes so many small events.
fn publish(node: &Node, count: usize) {
    let event = || NewEvent {
        tags: TagSet::new(["late"]).expect("a short tag"),
        payload: Payload::from_value(&Value::from(1u64)).expect("a number"),
    };
    for first in (0..count).step_by(PUBLISH) {
        let events = (first..count.min(first + PUBLISH)).map(|_| event()).collect();
        node.publish(events, PublishOptions::default()).wait().expect("it is published");
    }
}
