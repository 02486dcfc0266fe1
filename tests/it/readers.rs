//! Readers beside each other and beside the writer: nobody waits for anybody.

use crate::nodes::{PATIENCE, event, held, open, publish, secret};
use crate::support::{Scratch, skip};
use millpond::Node;
use millpond::QueryOptions;
use millpond::query::Query;
use std::time::{Duration, Instant};

const EVENTS: u64 = 40_000;
const READS: usize = 5;
/// Of a reader's time, what it may spend neither on a processor nor waiting for one. If one reader
/// waited for the other, that would be half of it.
const WAITING_MAX: f64 = 0.2;

fn read_all(node: &Node) -> u64 {
    let mut cursor = node.query(&Query::all(), QueryOptions::default()).unwrap();
    let mut count = 0;
    loop {
        let batch = cursor.next_batch(1000).unwrap();
        if batch.is_empty() {
            return count;
        }
        count += batch.len() as u64;
    }
}

/// How long this thread was on a processor, and how long it could have been and others were.
fn scheduled() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let mut numbers = text.split_whitespace().map(|number| number.parse::<u64>().unwrap());
    Some(Duration::from_nanos(numbers.next()? + numbers.next()?))
}

/// What share of its time some work of this thread waits for anything but a processor.
fn waiting(work: impl FnOnce()) -> f64 {
    let (started, before) = (Instant::now(), scheduled().unwrap());
    work();
    let (took, scheduled) = (started.elapsed(), scheduled().unwrap() - before);
    took.saturating_sub(scheduled).as_secs_f64() / took.as_secs_f64()
}

/// So it does not matter what else the machine does: two readers scale to two processors.
#[test]
fn a_reader_waits_for_no_other_reader() {
    if scheduled().is_none() {
        skip("the kernel does not say how long a thread waits for a processor");
        return;
    }
    let scratch = Scratch::new("readers");
    let node = open(&scratch, "a", &secret(1));
    publish(&node, "grain", EVENTS, 1000);
    let read = || (0..READS).for_each(|_| assert_eq!(u128::from(read_all(&node)), held(&node)));
    read();
    let started = Instant::now();
    loop {
        let (one, other) = std::thread::scope(|scope| {
            let other = scope.spawn(|| waiting(read));
            (waiting(read), other.join().unwrap())
        });
        println!("two readers wait for {:.1} and {:.1} % of their time", one * 1e2, other * 1e2);
        if one.max(other) < WAITING_MAX {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "readers wait for each other");
    }
}

#[test]
fn events_are_published_while_cursors_stay_open() {
    let scratch = Scratch::new("readers");
    let node = open(&scratch, "a", &secret(1));
    publish(&node, "grain", 5_000, 1000);
    // Each has begun, and stands within a block.
    let mut cursors: Vec<_> = (0..50)
        .map(|_| {
            let mut cursor = node.query(&Query::all(), QueryOptions::default()).unwrap();
            assert_eq!(cursor.next_batch(10).unwrap().len(), 10);
            cursor
        })
        .collect();
    publish(&node, "flour", 5_000, 1000);
    // The tables change below them, too: what was published goes there first.
    node.compact(|| true).wait().unwrap();
    publish(&node, "bread", 5_000, 1000);
    node.publish(vec![event("crumb", 1)], Default::default()).wait().unwrap();
    assert_eq!(held(&node), 15_001);
    for cursor in &mut cursors {
        let mut rest = 0;
        while let Some(count) = Some(cursor.next_batch(1000).unwrap().len()).filter(|n| *n > 0) {
            rest += count;
        }
        assert_eq!(rest, 4_990, "a cursor answers as of when it was opened");
    }
    node.close(Duration::from_secs(60)).unwrap();
}
