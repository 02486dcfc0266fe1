//! A store that outgrows its map of the tables, several times, while others read.

use crate::nodes::{PATIENCE, noise, open, publish_noise, secret};
use crate::support::Scratch;
use millpond::event::OffsetMap;
use millpond::query::{Order, Query};
use millpond::{Cursor, EventBatch, Node, QueryOptions};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const EVENT_BYTES: u64 = 1_000_000;
/// More than twice the first map of 64 MiB, so that it grows twice.
const EVENTS: u64 = 180;
const BATCH: u64 = 6;

#[test]
fn tables_outgrow_their_map_under_cursors_and_subscriptions_and_lose_nothing() {
    let scratch = Scratch::new("growth");
    let node = open(&scratch, "a", &secret(1));
    let acknowledged = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for first in (0..EVENTS).step_by(BATCH as usize) {
                publish_noise(&node, first, BATCH, BATCH, EVENT_BYTES);
                acknowledged.store(first + BATCH, Ordering::Release);
            }
        });
        scope.spawn(|| follow(&node));
        // Cursors that begin at every stage of the growth, each held open through some of it.
        scope.spawn(|| {
            let mut cursors: Vec<(Cursor, u64)> = Vec::new();
            let (mut done, deadline) = (0, Instant::now() + PATIENCE);
            while done < EVENTS {
                assert!(Instant::now() < deadline, "writing stopped at {done} events");
                done = acknowledged.load(Ordering::Acquire);
                cursors.push((cursor(&node), 0));
                for (cursor, read) in &mut cursors {
                    *read += read_batch(cursor, *read);
                }
                cursors.drain(..cursors.len().saturating_sub(4));
            }
            let mut whole = cursor(&node);
            assert_eq!(read_all(&mut whole), EVENTS);
        });
    });
    node.check().unwrap();
    node.close(Duration::from_secs(60)).unwrap();
    let bytes = std::fs::metadata(scratch.path().join("a/data.mdb")).unwrap().len();
    assert!(bytes > 128 << 20, "the tables have {bytes} bytes: the map did not grow twice");

    let node = open(&scratch, "a", &secret(1));
    assert_eq!(read_all(&mut cursor(&node)), EVENTS);
    node.check().unwrap();
    // It goes on growing from where it was.
    publish_noise(&node, EVENTS, BATCH, BATCH, EVENT_BYTES);
    assert_eq!(read_all(&mut cursor(&node)), EVENTS + BATCH);
}

/// Reads every event live, in order.
fn follow(node: &Node) {
    let mut subscription = node.subscribe(&Query::all(), OffsetMap::new()).unwrap();
    let deadline = Instant::now() + PATIENCE;
    let mut next = 0;
    while next < EVENTS {
        let batch = subscription.next_batch(4).unwrap();
        compare(&batch.events, next);
        next += batch.events.len() as u64;
        if batch.events.is_empty() {
            assert!(Instant::now() < deadline, "event {next} did not come");
            subscription.wait(Some(Duration::from_secs(1))).unwrap();
        }
    }
}

fn cursor(node: &Node) -> Cursor {
    let options = QueryOptions { order: Order::Stream, ..QueryOptions::default() };
    node.query(&Query::all(), options).unwrap()
}

fn read_batch(cursor: &mut Cursor, next: u64) -> u64 {
    let events = cursor.next_batch(4).unwrap();
    compare(&events, next);
    events.len() as u64
}

fn read_all(cursor: &mut Cursor) -> u64 {
    let mut count = 0;
    loop {
        match read_batch(cursor, count) {
            0 => return count,
            read => count += read,
        }
    }
}

fn compare(events: &EventBatch, first: u64) {
    for (number, event) in (first..).zip(events.iter()) {
        assert!(event.payload() == noise("noise", number, EVENT_BYTES).payload, "event {number}");
    }
}
