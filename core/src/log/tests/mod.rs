//! The log from outside: what it promises, against a naive model where one fits.
// Tests wait with deadlines, start threads, and play another opener of a file.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod basics;
mod columns;
mod coverage;
mod faults;
mod fork_trees;
mod forks;
mod groups;
mod histories;
mod key_follow;
mod live;
mod model;
mod packed;
mod recovery;
mod repair;
mod snapshots;
mod upkeep;

use super::{AppendOptions, Appended, CursorOptions, Log, LogOptions};
use crate::event::cbor::Value;
use crate::event::{
    AppId, Event, EventBatch, EventRange, EventView, NewEvent, NodeKey, OffsetMap, Payload,
    SwarmId, SwarmSecret, TagSet, WallTime,
};
use crate::query::{Order, Query};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

pub(super) fn swarm() -> SwarmId {
    SwarmSecret::from_bytes([7; 32]).swarm_id()
}

/// Options with a clock that counts, and a key of its own for each `node`.
pub(super) fn options(path: &Path, node: u8) -> LogOptions {
    let clock = AtomicI64::new(1_000);
    let clock = Arc::new(move || WallTime::from_micros(clock.fetch_add(1, Ordering::Relaxed)));
    let mut options = LogOptions::new(path, swarm(), [1; 32], clock);
    options.node_key = Some(NodeKey::from_seed(&[node; 32]));
    options
}

pub(super) fn open(path: &Path) -> Log {
    Log::open(options(path, 1)).unwrap()
}

pub(super) fn event(text: &str, tags: &[&str]) -> NewEvent {
    let payload = Payload::from_value(&Value::Text(text.to_owned())).unwrap();
    NewEvent { tags: TagSet::new(tags).unwrap(), payload }
}

pub(super) fn events(range: std::ops::Range<u64>) -> Vec<NewEvent> {
    range.map(|n| event(&format!("grain {n}"), &["grain", &format!("lot:{}", n % 7)])).collect()
}

pub(super) fn as_app() -> AppendOptions {
    AppendOptions::new(AppId::parse("test").unwrap())
}

pub(super) fn append(log: &Log, events: Vec<NewEvent>) -> Appended {
    log.append(events, as_app()).wait().unwrap()
}

pub(super) fn query_all(log: &Log, query: &str, order: Order) -> Vec<Event> {
    let options = CursorOptions { order, ..CursorOptions::default() };
    let mut cursor = log.cursor(&Query::parse(query).unwrap(), options).unwrap();
    let mut all = Vec::new();
    loop {
        let batch = cursor.next_batch(100).unwrap();
        if batch.is_empty() {
            return all;
        }
        all.extend(owned(&batch));
    }
}

pub(super) fn owned(batch: &EventBatch) -> Vec<Event> {
    batch.iter().map(EventView::to_event).collect()
}

pub(super) fn texts(events: &[Event]) -> Vec<String> {
    let text = |event: &Event| match event.payload.to_value().unwrap() {
        Value::Text(text) => text,
        other => panic!("not a text: {other:?}"),
    };
    events.iter().map(text).collect()
}

/// Sends all of `from` that `to` lacks.
pub(super) fn send_all(from: &Log, to: &Log) {
    for (stream, missing) in from.durable_map().unwrap().beyond(&to.durable_map().unwrap()) {
        let mut next = missing.start;
        while next < missing.end {
            let range: EventRange = from.read_range(&stream, next).unwrap().unwrap();
            next = to.append_range(range).wait().unwrap().count;
        }
    }
}

pub(super) fn close(log: Log) {
    log.close(Duration::from_secs(30)).unwrap();
}

pub(super) fn everything() -> OffsetMap {
    OffsetMap::new()
}

/// Leaves the store as `kill -9` would after the last sync.
pub(super) fn abandon(log: Log) {
    log.shared().abandon();
    log.close(Duration::from_secs(30)).unwrap();
}
