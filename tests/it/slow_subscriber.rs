//! A subscriber that does not read costs a cursor, not a queue, and nobody waits for it.

use crate::nodes::{PATIENCE, held, link, open_small, publish_noise, secret, until};
use crate::support::{Scratch, in_own_process};
use millpond::event::OffsetMap;
use millpond::event::cbor::Value;
use millpond::query::Query;
use millpond::{Node, Subscription};
use std::time::{Duration, Instant};

const EVENT_BYTES: u64 = 64 << 10;
const BATCH: u64 = 32;
/// What fills tail and caches, which have fixed sizes: 48 MiB.
const WARM_UP: u64 = 768;
/// What is published beyond the unread subscriber after that: 128 MiB.
const BEYOND: u64 = 2_048;
/// What the process may grow by meanwhile.
const GROWTH_BYTES_MAX: u64 = 32 << 20;

#[test]
fn a_slow_subscriber_lags_and_slows_nobody() {
    if !in_own_process("slow_subscriber::a_slow_subscriber_lags_and_slows_nobody") {
        return;
    }
    let scratch = Scratch::new("slow-subscriber");
    let [a, b] = ["a", "b"].map(|name| open_small(&scratch, name, &secret(1)));
    link(&a, &b).unwrap();
    let subscribe = |node: &Node| node.subscribe(&Query::all(), OffsetMap::new()).unwrap();
    let mut slow = [subscribe(&a), subscribe(&b)];
    let mut quick = [subscribe(&a), subscribe(&b)];

    publish_noise(&a, 0, WARM_UP, BATCH, EVENT_BYTES);
    quick.iter_mut().for_each(|quick| read(quick, 0..WARM_UP));
    slow.iter_mut().for_each(|slow| read_some(slow, 0, 10));
    let before = memory_bytes();
    for first in (WARM_UP..WARM_UP + BEYOND).step_by(BATCH as usize) {
        publish_noise(&a, first, BATCH, BATCH, EVENT_BYTES);
        quick.iter_mut().for_each(|quick| read(quick, first..first + BATCH));
    }
    let after = memory_bytes();
    println!("{before} bytes of memory, {after} after {} beyond", BEYOND * EVENT_BYTES);
    assert!(after < before + GROWTH_BYTES_MAX, "memory grew from {before} to {after} bytes");

    until(&b, "all events", |b| held(b) == u128::from(WARM_UP + BEYOND));
    for slow in &mut slow {
        let batch = slow.next_batch(10).unwrap();
        assert_eq!(batch.events.len(), 10);
        assert_eq!(batch.lag, WARM_UP + BEYOND - 20);
        read(slow, 20..WARM_UP + BEYOND);
    }
}

/// Reads exactly these events, as they come.
fn read(subscription: &mut Subscription, numbers: std::ops::Range<u64>) {
    let deadline = Instant::now() + PATIENCE;
    let mut next = numbers.start;
    while next < numbers.end {
        let count = (numbers.end - next).min(BATCH);
        let read = read_up_to(subscription, next, count);
        if read == 0 {
            assert!(Instant::now() < deadline, "event {next} did not come");
            subscription.wait(Some(Duration::from_secs(1))).unwrap();
        }
        next += read;
    }
}

fn read_some(subscription: &mut Subscription, first: u64, count: u64) {
    assert_eq!(read_up_to(subscription, first, count), count);
}

/// Takes one batch, whose events must be those from `first` on; how many there were.
fn read_up_to(subscription: &mut Subscription, first: u64, count: u64) -> u64 {
    let batch = subscription.next_batch(count as usize).unwrap();
    for (number, event) in (first..).zip(batch.events.iter()) {
        let Value::Map(entries) = event.payload().to_value().unwrap() else {
            panic!("a payload that nobody published");
        };
        let found = entries.iter().any(|(_, value)| *value == Value::from(number));
        assert!(found, "another event came in the place of {number}");
    }
    batch.events.len() as u64
}

/// What the kernel counts as this process's own memory, files and caches not included.
fn memory_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}
