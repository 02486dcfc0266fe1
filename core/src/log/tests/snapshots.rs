use super::upkeep::{damage_row, places};
use super::*;
use crate::error::ErrorKind;
use crate::event::{EventKey, KeyPosition, Lamport};
use crate::log::{Snapshot, Snapshots};
use bytes::Bytes;
use proptest::prelude::*;

/// A state after the event with this lamport of the own stream.
fn snapshot(log: &Log, lamport: u64, state: &[u8]) -> Snapshot {
    let stream = log.own_stream();
    let key = |lamport| EventKey { lamport: Lamport::new(lamport).unwrap(), stream };
    let mut offsets = OffsetMap::new();
    offsets.set(stream, lamport);
    let position = KeyPosition { offsets, last: Some(key(lamport)) };
    let reset = (lamport > 5).then(|| key(5));
    Snapshot { position, reset, state: Bytes::copy_from_slice(state) }
}

fn lamports(snapshots: &Snapshots) -> Vec<u64> {
    snapshots.list().unwrap().iter().map(|entry| entry.key.lamport.value()).collect()
}

/// Those of the fish `name`, whose definition is all of one byte.
fn of(log: &Log, name: &str, definition: u8) -> Snapshots {
    log.snapshots(name, [definition; 32]).unwrap()
}

fn bounded(path: &Path, snapshot_bytes_max: u64) -> Log {
    let mut options = options(path, 1);
    options.snapshot_bytes_max = snapshot_bytes_max;
    Log::open(options).unwrap()
}

#[test]
fn snapshots_come_back_newest_first_and_only_to_the_fish_as_it_was_defined() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path());
    let all = [(3, 10), (9, 100_000), (7, 0)]
        .map(|(lamport, bytes)| snapshot(&log, lamport, &vec![lamport as u8; bytes]));
    of(&log, "press", 1).change(&all, &[]).unwrap();
    of(&log, "press", 2).change(&all[..1], &[]).unwrap();
    for round in 0..4 {
        let own = of(&log, "press", 1);
        assert_eq!(lamports(&own), [9, 7, 3]);
        for snapshot in &all {
            assert_eq!(own.load(snapshot.key().unwrap()).unwrap().as_ref(), Some(snapshot));
        }
        assert_eq!(own.load(self::snapshot(&log, 4, b"").key().unwrap()).unwrap(), None);
        assert_eq!(lamports(&of(&log, "press", 2)), [3]);
        assert_eq!(lamports(&of(&log, "mill", 1)), Vec::<u64>::new());
        let report = log.verify(|| true).wait().unwrap();
        assert_eq!((report.damage_count, report.stored_bytes > 100_000), (0, true));
        match round {
            0 => drop(log.compact(|| true).wait().unwrap()),
            1 => {
                abandon(log);
                log = open(directory.path());
            }
            _ => {
                close(log);
                log = open(directory.path());
            }
        }
    }
    // Each in the place of one with its key, and all with what is deleted.
    let own = of(&log, "press", 1);
    let again = snapshot(&log, 7, b"again");
    own.change(std::slice::from_ref(&again), &[all[0].key().unwrap()]).unwrap();
    assert_eq!(lamports(&own), [9, 7]);
    assert_eq!(own.load(again.key().unwrap()).unwrap(), Some(again));
    let table = log.stats().unwrap().tables.into_iter().find(|own| own.name == "snapshots");
    assert_eq!(table.unwrap().rows, 3);
    for wrong in ["", &"x".repeat(256)] {
        let error = log.snapshots(wrong, [0; 32]).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }
    let mut none = snapshot(&log, 7, b"");
    none.position.last = None;
    assert_eq!(own.change(&[none], &[]).unwrap_err().kind(), ErrorKind::InvalidArgument);
    close(log);
    assert_eq!(own.list().unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn beyond_the_bound_the_largest_fish_loses_what_it_put_first() {
    let directory = tempfile::tempdir().unwrap();
    let log = bounded(directory.path(), 64 << 10);
    let (small, large) = (of(&log, "small", 1), of(&log, "large", 1));
    let one = |lamport, bytes: usize| snapshot(&log, lamport, &vec![1; bytes]);
    small.change(&[one(1, 100), one(2, 100)], &[]).unwrap();
    // Each of these takes 12 KiB with its head.
    for lamport in 1..=9 {
        large.change(&[one(lamport, 10_000)], &[]).unwrap();
    }
    assert_eq!(lamports(&small), [2, 1]);
    assert_eq!(lamports(&large), [9, 8, 7, 6]);
    let bytes: u64 = large.list().unwrap().iter().map(|entry| entry.bytes).sum();
    assert_eq!(bytes, 48 << 10);
    // What is too large is refused, and nothing goes for it.
    let error = large.change(&[one(10, 70_000)], &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    assert_eq!(lamports(&large), [9, 8, 7, 6]);
    // Of many at once the last ones stay, and the others keep their share.
    let many: Vec<Snapshot> = (20..30).map(|lamport| one(lamport, 10_000)).collect();
    small.change(&many, &[]).unwrap();
    let (kept, others) = (lamports(&small), lamports(&large));
    assert_eq!((kept, others), (vec![29, 28, 27], vec![9, 8]));
    close(log);
    // A smaller bound takes effect with the next write.
    let log = bounded(directory.path(), 24 << 10);
    let small = of(&log, "small", 1);
    assert_eq!(lamports(&small), [29, 28, 27]);
    small.change(&[snapshot(&log, 30, b"")], &[]).unwrap();
    assert_eq!((lamports(&small), lamports(&of(&log, "large", 1))), (vec![30], vec![9]));
    close(log);
    let log = bounded(directory.path(), 0);
    let error = of(&log, "small", 1).change(&[snapshot(&log, 31, b"")], &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
}

#[test]
fn a_damaged_snapshot_is_named_not_used_and_gone_with_the_next_write() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path());
    let all = [1, 2, 3].map(|lamport| snapshot(&log, lamport, &[lamport as u8; 5_000]));
    of(&log, "press", 1).change(&all, &[]).unwrap();
    // The state of the first, and the head of the second.
    damage_row(&log, "snapshots", &0u64.to_be_bytes(), |row| *row.last_mut().unwrap() ^= 4);
    damage_row(&log, "snapshots", &1u64.to_be_bytes(), |row| row[20] ^= 4);
    let damages = log.verify(|| true).wait().unwrap().damages;
    assert_eq!(places(&damages), [("snapshots", 0, 1), ("snapshots", 1, 2)]);
    close(log);
    log = open(directory.path());
    let own = of(&log, "press", 1);
    assert_eq!(lamports(&own), [3, 1], "a damaged head is found at once");
    assert_eq!(own.load(all[0].key().unwrap()).unwrap(), None);
    assert_eq!(lamports(&own), [3]);
    assert_eq!(own.load(all[2].key().unwrap()).unwrap().as_ref(), Some(&all[2]));
    own.change(&[], &[]).unwrap();
    assert_eq!(log.verify(|| true).wait().unwrap().damage_count, 0);
    let tables = log.stats().unwrap().tables;
    assert_eq!(tables.iter().find(|own| own.name == "snapshots").unwrap().rows, 1);
}

#[derive(Clone, Debug)]
enum Step {
    /// Fish, lamports, bytes of each.
    Put(u8, Vec<u64>, usize),
    /// Fish, lamport.
    Delete(u8, u64),
    Reopen,
}

fn any_step() -> impl Strategy<Value = Step> {
    let lamports = || prop::collection::vec(1u64..20, 1..4);
    prop_oneof![
        6 => (0u8..3, lamports(), 0usize..20_000).prop_map(|(own, at, by)| Step::Put(own, at, by)),
        2 => (0u8..3, 1u64..20).prop_map(|(own, at)| Step::Delete(own, at)),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn what_is_listed_is_within_the_bound_and_loads_as_it_was_put_last(
        steps in prop::collection::vec(any_step(), 1..25),
    ) {
        const BYTES_MAX: u64 = 64 << 10;
        let directory = tempfile::tempdir().unwrap();
        let mut log = bounded(directory.path(), BYTES_MAX);
        let mut put = std::collections::BTreeMap::new();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Put(fish, mut lamports, bytes) => {
                    lamports.sort_unstable();
                    lamports.dedup();
                    let state = vec![number as u8; bytes];
                    let all: Vec<Snapshot> =
                        lamports.iter().map(|at| snapshot(&log, *at, &state)).collect();
                    of(&log, "any", fish).change(&all, &[]).unwrap();
                    let last = all.last().unwrap().key().unwrap();
                    prop_assert!(of(&log, "any", fish).load(last).unwrap().is_some());
                    put.extend(all.into_iter().map(|own| ((fish, own.key().unwrap()), own)));
                }
                Step::Delete(fish, lamport) => {
                    let key = snapshot(&log, lamport, b"").key().unwrap();
                    of(&log, "any", fish).change(&[], &[key]).unwrap();
                    put.remove(&(fish, key));
                }
                Step::Reopen => {
                    close(log);
                    log = bounded(directory.path(), BYTES_MAX);
                }
            }
            let mut bytes = 0;
            for fish in 0..3 {
                let own = of(&log, "any", fish);
                for entry in own.list().unwrap() {
                    bytes += entry.bytes;
                    let loaded = own.load(entry.key).unwrap();
                    prop_assert_eq!(loaded.as_ref(), put.get(&(fish, entry.key)));
                }
            }
            prop_assert!(bytes <= BYTES_MAX);
        }
        prop_assert_eq!(log.verify(|| true).wait().unwrap().damage_count, 0);
    }
}
