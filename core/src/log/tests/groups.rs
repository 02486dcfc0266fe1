//! Groups of posting segments: what they save, and that nothing depends on them.

use super::upkeep::{damage_row, places};
use super::*;
use crate::log::disk::{GROUP_HEAD_PART, Merge};

const BATCH: u64 = 1000;
/// Eight full segments of 64 blocks of 1,024 events, and the first block of the ninth.
const EVENTS: u64 = 513 * 1024;
/// Of each 65,536 events one has it.
const RARE: &str = "FROM 'rare'";

/// Events with little in them: every one has one of 50 tags.
fn small(range: std::ops::Range<u64>) -> Vec<NewEvent> {
    let payload = Payload::from_value(&Value::Null).unwrap();
    let tags = |n: u64| match n % (64 * 1024) {
        77 => TagSet::new(["rare".to_owned(), format!("lot:{}", n % 50)]),
        _ => TagSet::new([format!("lot:{}", n % 50)]),
    };
    range.map(|n| NewEvent { tags: tags(n).unwrap(), payload: payload.clone() }).collect()
}

/// All in the tables.
fn filled(path: &Path) -> Log {
    let log = open(path);
    for first in (0..EVENTS).step_by(BATCH as usize) {
        append(&log, small(first..EVENTS.min(first + BATCH)));
    }
    log.checkpoint_now().unwrap();
    log
}

fn group_rows(log: &Log) -> u64 {
    let tables = log.stats().unwrap().tables;
    tables.iter().find(|table| table.name == "groups").unwrap().rows
}

/// Makes what can be made, as the thread of the checkpoints does.
fn merge(log: &Log) {
    let mut under_way: Option<Merge> = None;
    while log.shared().merge_step(&mut under_way).unwrap() {}
}

/// Offsets of the answer, and how many segments were asked.
fn ask(log: &Log, query: &str, order: Order) -> (Vec<u64>, u64) {
    let options = CursorOptions { order, ..CursorOptions::default() };
    let mut cursor = log.cursor(&Query::parse(query).unwrap(), options).unwrap();
    let mut offsets = Vec::new();
    loop {
        let batch = cursor.next_batch(1000).unwrap();
        if batch.is_empty() {
            return (offsets, cursor.explain().unwrap().actual.segments);
        }
        offsets.extend(batch.iter().map(|event| event.offset().value()));
    }
}

#[test]
fn a_group_answers_for_its_segments_and_nothing_depends_on_it() {
    let directory = tempfile::tempdir().unwrap();
    let log = filled(directory.path());
    merge(&log);
    assert!(group_rows(&log) > 1, "a group was made");
    let rare: Vec<u64> = (0..9).map(|segment| segment * 64 * 1024 + 77).collect();
    let rare: Vec<u64> = rare.into_iter().filter(|offset| *offset < EVENTS).collect();
    let newest_first: Vec<u64> = rare.iter().rev().copied().collect();
    let right = |log: &Log| {
        assert_eq!(ask(log, RARE, Order::Ascending).0, rare);
        assert_eq!(ask(log, RARE, Order::Stream).0, rare);
        assert_eq!(ask(log, RARE, Order::Descending).0, newest_first);
        assert_eq!(ask(log, "FROM 'rare' | 'lot:7'", Order::Ascending).0.len() as u64, {
            let lots = EVENTS / 50 + u64::from(EVENTS % 50 > 7);
            lots + rare.iter().filter(|offset| *offset % 50 != 7).count() as u64
        });
        ask(log, "FROM 'nowhere'", Order::Ascending)
    };
    let (none, segments) = right(&log);
    assert_eq!(none, [0; 0]);
    assert_eq!(segments, 1, "the last one, which is in no group");
    assert_eq!(log.verify(|| true).wait().unwrap().damage_count, 0);

    // Damage of a group is named, and costs nothing but time.
    let group_key = |part: u16| [&[1u8][..], &0u64.to_be_bytes(), &part.to_be_bytes()].concat();
    let buckets = (0..GROUP_HEAD_PART).filter(|part| {
        let read = log.shared().tables.read(|opened, transaction| {
            Ok(opened.groups.get(transaction, &group_key(*part))?.is_some())
        });
        read.unwrap()
    });
    let parts: Vec<u16> = buckets.chain([GROUP_HEAD_PART]).collect();
    for part in parts {
        damage_row(&log, "groups", &group_key(part), |row| *row.last_mut().unwrap() ^= 1);
        right(&log);
        let damages = log.verify(|| true).wait().unwrap().damages;
        damage_row(&log, "groups", &group_key(part), |row| *row.last_mut().unwrap() ^= 1);
        assert_eq!(places(&damages), [("groups", 0, 8)], "part {part}");
    }
    assert_eq!(log.verify(|| true).wait().unwrap().damage_count, 0);
    log.compact(|| true).wait().unwrap();
    assert_eq!(right(&log).1, 1);
    close(log);

    let log = open(directory.path());
    // Known from the row of the group now, not from its segments.
    assert_eq!(right(&log).1, 1);
    damage_row(&log, "groups", &group_key(GROUP_HEAD_PART), |row| row[30] ^= 1);
    close(log);
    let log = open(directory.path());
    assert_eq!(right(&log).1, 9, "each segment is asked");
    assert_eq!(places(&log.status().unwrap().damages), [("groups", 0, 8)]);
}
