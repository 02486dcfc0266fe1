//! Readers beside each other and beside the writer: nobody waits for anybody.

use crate::nodes::{PATIENCE, event, held, open, publish, secret};
use crate::support::{Scratch, skip};
use millpond::Node;
use millpond::QueryOptions;
use millpond::query::Query;
use std::time::{Duration, Instant};

const EVENTS: u64 = 40_000;
const READS: usize = 5;
/// Two readers on two processors take as long as one; if one waited for the other, twice as long.
const SLOWDOWN_MAX: f64 = 1.7;

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

fn timed(work: impl FnOnce()) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}

#[test]
fn two_readers_use_two_processors() {
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        skip("there is one processor");
        return;
    }
    let scratch = Scratch::new("readers");
    let node = open(&scratch, "a", &secret(1));
    publish(&node, "grain", EVENTS, 1000);
    let read = || (0..READS).for_each(|_| assert_eq!(u128::from(read_all(&node)), held(&node)));
    read();
    // In turns, until both had a moment in which the machine did little else.
    let (mut one, mut two, started) = (Duration::MAX, Duration::MAX, Instant::now());
    while two.as_secs_f64() > SLOWDOWN_MAX * one.as_secs_f64() || one == Duration::MAX {
        assert!(started.elapsed() < PATIENCE, "readers wait: one took {one:?}, two {two:?}");
        one = one.min(timed(read));
        two = two.min(timed(|| {
            std::thread::scope(|scope| {
                scope.spawn(read);
                read();
            });
        }));
    }
    println!("one reader took {one:.1?}, two at once {two:.1?}");
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
