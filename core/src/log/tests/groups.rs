//! Groups of posting segments, and filters of open blocks: what they save, and that nothing depends
//! on them.

use super::upkeep::{damage_row, places};
use super::*;
use crate::log::disk::{GROUP_HEAD_PART, Merging};
use crate::log::explanation::Looks;

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
    let mut merging = Merging::default();
    while log.shared().merge_step(&mut merging).unwrap() {}
}

/// Offsets of the answer, and what was looked at.
fn ask(log: &Log, query: &str, order: Order) -> (Vec<u64>, Looks) {
    let options = CursorOptions { order, ..CursorOptions::default() };
    let mut cursor = log.cursor(&Query::parse(query).unwrap(), options).unwrap();
    let mut offsets = Vec::new();
    loop {
        let batch = cursor.next_batch(1000).unwrap();
        if batch.is_empty() {
            return (offsets, cursor.explain().unwrap().actual);
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
    let (none, looks) = right(&log);
    assert_eq!(none, [0; 0]);
    assert_eq!(looks.segments, 1, "the last one, which is in no group");
    assert_eq!(log.verify(|| true).wait().unwrap().damage_count, 0);

    // Damage of a group is named, costs nothing but time, and is mended.
    for part in [0, GROUP_HEAD_PART - 1, GROUP_HEAD_PART] {
        let before = group_row(&log, part);
        damage_row(&log, "groups", &group_key(part), |row| *row.last_mut().unwrap() ^= 1);
        let damages = log.verify(|| true).wait().unwrap().damages;
        assert_eq!(places(&damages), [("groups", 0, 8)], "part {part}");
        right(&log);
        await_sound_groups(&log);
        assert!(group_row(&log, part) == before, "part {part}");
        assert_eq!(log.verify(|| true).wait().unwrap().damage_count, 0, "part {part}");
        assert_eq!(right(&log).1.segments, 1);
    }
    log.compact(|| true).wait().unwrap();
    assert_eq!(right(&log).1.segments, 1);
    close(log);

    let log = open(directory.path());
    // Known from the row of the group now, not from its segments.
    assert_eq!(right(&log).1.segments, 1);
    damage_row(&log, "groups", &group_key(GROUP_HEAD_PART), |row| row[30] ^= 1);
    close(log);
    // Who looks first finds the damage, asks each segment, and has the group made anew.
    let log = open(directory.path());
    let told = log.news_after(log.news_version(), Box::new(|| true));
    let asked = right(&log).1.segments;
    assert!([1, 9].contains(&asked), "{asked}");
    told.wait().expect("who waits for news is told of the damage");
    await_sound_groups(&log);
    assert_eq!(right(&log).1.segments, 1);
    assert_eq!(log.verify(|| true).wait().unwrap().damage_count, 0);
}

fn group_key(part: usize) -> Vec<u8> {
    [&[1u8][..], &0u64.to_be_bytes(), &(part as u16).to_be_bytes()].concat()
}

fn group_row(log: &Log, part: usize) -> Vec<u8> {
    let read = log.shared().tables.read(|opened, transaction| {
        Ok(opened.groups.get(transaction, &group_key(part))?.map(<[u8]>::to_vec))
    });
    read.unwrap().expect("the row is there")
}

/// Waits until no group is known to be damaged.
fn await_sound_groups(log: &Log) {
    while !log.status().unwrap().damages.is_empty() {
        std::thread::yield_now();
    }
}

#[test]
fn an_open_block_is_looked_at_only_for_what_it_may_have() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    append(&log, events(0..100));
    log.checkpoint_now().unwrap();
    let lots = |count: u64| (0..count).filter(|n| n % 7 == 3).collect::<Vec<_>>();
    let right = |log: &Log, count, blocks_for_none| {
        let (found, looks) = ask(log, "FROM 'lot:3'", Order::Ascending);
        assert_eq!(found, lots(count));
        assert!(looks.blocks >= 1);
        let (found, looks) = ask(log, "FROM 'lot:3' & 'lot:8'", Order::Ascending);
        assert_eq!((found.len(), looks.blocks), (0, blocks_for_none));
    };
    right(&log, 100, 0);
    // The tail is looked at, and the block of the tables is not.
    append(&log, events(100..150));
    right(&log, 150, 1);
    log.checkpoint_now().unwrap();
    right(&log, 150, 0);
    assert!(log.stats().unwrap().cache_bytes > 0);
    close(log);
    let log = open(directory.path());
    let none = "FROM 'nowhere'";
    let blocks = |log: &Log| ask(log, none, Order::Descending).1.blocks;
    assert_eq!((blocks(&log), blocks(&log)), (1, 0), "the first look learns what it has");
    right(&log, 150, 0);
    // It becomes full, and another one begins.
    append(&log, events(150..1000));
    append(&log, events(1000..1100));
    log.checkpoint_now().unwrap();
    right(&log, 1100, 0);
    close(log);

    // Without room for it every look is a look at the block.
    let mut options = options(directory.path(), 1);
    options.cache_bytes_max = 0;
    let log = Log::open(options).unwrap();
    assert_eq!((blocks(&log), blocks(&log)), (1, 1));
    right(&log, 1100, 1);
}
