//! A store in which a row of a group of posting segments holds arbitrary bytes behind right
//! checksums opens or is refused; what opens answers without an event too many, and once it was
//! verified and its thread has made the group anew, it answers as before.

use crate::fuzz::store::{app, change, options, work_directory};
use millpond::event::cbor::Value;
use millpond::event::{NewEvent, Payload, TagSet};
use millpond::log::{CursorOptions, Log};
use millpond::query::{Order, Query};
use std::fs;
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

const DATA: &str = "data.mdb";
/// Eight full segments of 64 blocks of 1,024 events, and the first block of the ninth.
const EVENTS: u64 = 513 * 1024;
const BATCH: u64 = 8192;
/// Of each 65,536 events one has it.
const RARE: &str = "FROM 'rare'";
const RARE_PLACE: u64 = 77;
const SEGMENT_EVENTS: u64 = 64 * 1024;
/// Rows of postings, each of so many buckets, and the one that completes the group.
const PARTS: usize = 16;
const PART_BUCKETS: usize = 32;
const ENDS_BYTES: usize = 4 * PART_BUCKETS;
/// Two lamports, a stream and an offset, for each of eight segments.
const BOUNDS_BYTES: usize = 8 * (16 + 48);
/// Of a mode: the store is verified and mended.
const VERIFIES: u8 = 0x40;
/// In [`run_often`], of those that ask for it.
const VERIFIED_ONE_OF: u64 = 1_000;
/// Largest answer that is read to its end.
const EVENTS_READ_MAX: usize = 300;

/// Tries these bytes.
pub fn run(bytes: &[u8]) {
    let is_verified = bytes.first().is_some_and(|mode| mode & VERIFIES != 0);
    try_with(bytes, is_verified);
}

/// Tries these bytes as a fuzzer does, often: reading half a million events twice takes a
/// thousand times as long as all else, so of those that ask for it the first of a process does it
/// (a finding that is played again), and then few.
pub fn run_often(bytes: &[u8]) {
    static ASKED: AtomicU64 = AtomicU64::new(0);
    let asks = bytes.first().is_some_and(|mode| mode & VERIFIES != 0);
    let is_verified = asks && ASKED.fetch_add(1, Relaxed).is_multiple_of(VERIFIED_ONE_OF);
    try_with(bytes, is_verified);
}

fn try_with(bytes: &[u8], is_verified: bool) {
    let Some((mode, changes)) = bytes.split_first() else { return };
    let template = template();
    let mut data = template.data.clone();
    let part = usize::from(mode % 32) % (PARTS + 1);
    for place in &template.rows[part] {
        let row = &mut data[place.clone()];
        match mode & 0x20 {
            0 => change(row, changes),
            _ => row[4..].iter_mut().zip(changes).for_each(|(own, byte)| *own = *byte),
        }
        mend(row, part);
    }
    let path = work_directory("groups-run");
    for (name, content) in &template.others {
        fs::write(path.join(name), content).expect("room on the disk");
    }
    fs::write(path.join(DATA), data).expect("room on the disk");
    if let Ok(log) = Log::open(options(&path)) {
        use_it(&log, is_verified);
        let _ = log.append(vec![event(9)], app()).wait();
        log.close(Duration::from_secs(60)).expect("a healthy disk");
    }
    fs::remove_dir_all(&path).expect("it is ours");
}

/// Asks in both orders; if wanted, has the log find and mend what is wrong, and asks again.
fn use_it(log: &Log, is_verified: bool) {
    for text in [RARE, "FROM 'lot:7'", "FROM 'rare' & 'lot:1'", "FROM 'no'", "FROM allEvents"] {
        for order in [Order::Ascending, Order::Descending] {
            let Some(found) = ask(log, text, order) else { continue };
            assert!(text != RARE || found.len() <= 9, "there are not so many");
        }
    }
    if is_verified {
        log.verify(|| true).wait().expect("damage is no error");
        while !log.status().expect("the log is open").damages.is_empty() {
            std::thread::yield_now();
        }
        let rare: Vec<u64> = (0..9).map(|segment| segment * SEGMENT_EVENTS + RARE_PLACE).collect();
        assert_eq!(ask(log, RARE, Order::Ascending).as_ref(), Some(&rare));
        let report = log.verify(|| true).wait().expect("it runs to its end");
        assert_eq!(report.damage_count, 0, "{:?}", report.damages);
    }
}

/// Offsets of the answer, or of its beginning; none when it cannot be read.
fn ask(log: &Log, text: &str, order: Order) -> Option<Vec<u64>> {
    let query = Query::parse(text).expect("a query");
    let options = CursorOptions { order, ..CursorOptions::default() };
    let mut cursor = log.cursor(&query, options).ok()?;
    let mut found = Vec::new();
    while found.len() < EVENTS_READ_MAX {
        let batch = cursor.next_batch(100).ok()?;
        if batch.is_empty() {
            break;
        }
        found.extend(batch.iter().map(|event| event.offset().value()));
    }
    Some(found)
}

/// The checksums of a row: of its beginning, and of each bucket.
fn mend(row: &mut [u8], part: usize) {
    let key = key(part);
    if part == PARTS {
        let crc = checksum(&[&key, &row[4..]]);
        return row[..4].copy_from_slice(&crc.to_le_bytes());
    }
    let crc = checksum(&[&key, &row[4..4 + ENDS_BYTES]]);
    row[..4].copy_from_slice(&crc.to_le_bytes());
    let mut start = 4 + ENDS_BYTES;
    for at in 0..PART_BUCKETS {
        let end = 4 + ENDS_BYTES + end_of(row, at);
        let number = (part * PART_BUCKETS + at) as u32;
        if let Some(postings) = row.get(start..end).and_then(|bucket| bucket.get(4..)) {
            let crc = checksum(&[&key, &number.to_le_bytes(), postings]);
            row[start..start + 4].copy_from_slice(&crc.to_le_bytes());
        }
        start = end;
    }
}

/// Where a bucket ends, behind all ends.
fn end_of(row: &[u8], bucket: usize) -> usize {
    let bytes = row[4 + 4 * bucket..][..4].try_into().expect("four");
    u32::from_le_bytes(bytes) as usize
}

/// The key of a part of the first group of eight segments.
fn key(part: usize) -> [u8; 11] {
    let mut key = [0; 11];
    (key[0], key[10]) = (1, part as u8);
    key
}

fn checksum(parts: &[&[u8]]) -> u32 {
    parts.iter().fold(0, |crc, part| crc32c::crc32c_append(crc, part))
}

/// The files of a closed store with one group, and where its rows stand: also what LMDB left of
/// them elsewhere.
struct Template {
    data: Vec<u8>,
    rows: Vec<Vec<Range<usize>>>,
    others: Vec<(String, Vec<u8>)>,
}

fn template() -> &'static Template {
    static TEMPLATE: OnceLock<Template> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let path = work_directory("groups-template");
        let log = Log::open(options(&path)).expect("a new store");
        for first in (0..EVENTS).step_by(BATCH as usize) {
            let events = (first..EVENTS.min(first + BATCH)).map(event).collect();
            log.append(events, app()).wait().expect("stored");
        }
        log.close(Duration::from_secs(60)).expect("a healthy disk");
        // The thread of the checkpoints makes the group once there is nothing else to do.
        let log = Log::open(options(&path)).expect("a store of ours");
        let is_made = |log: &Log| {
            let stats = log.stats().expect("the log is open");
            stats.tables.iter().any(|table| table.name == "groups" && table.rows > PARTS as u64)
        };
        while !is_made(&log) {
            std::thread::yield_now();
        }
        log.close(Duration::from_secs(60)).expect("a healthy disk");
        let read = |name: &str| fs::read(path.join(name)).expect("a file of the store");
        let data = read(DATA);
        let rows: Vec<_> = (0..=PARTS).map(|part| rows(&data, part)).collect();
        assert!(rows.iter().all(|places| !places.is_empty()), "all parts are there: {rows:?}");
        let others = ["journal-a", "journal-b"].map(|name| (name.to_owned(), read(name))).to_vec();
        fs::remove_dir_all(&path).expect("it is ours");
        Template { data, rows, others }
    })
}

/// Where the row of a part stands behind its key.
fn rows(data: &[u8], part: usize) -> Vec<Range<usize>> {
    let key = key(part);
    let places = data.windows(key.len()).enumerate().filter(|(_, own)| *own == key);
    let row = |at: usize| {
        let start = at + key.len();
        let row = data.get(start..)?;
        let head = if part == PARTS { BOUNDS_BYTES } else { ENDS_BYTES };
        let crc = checksum(&[&key, row.get(4..4 + head)?]);
        let buckets = if part == PARTS { 0 } else { end_of(row, PART_BUCKETS - 1) };
        (row[..4] == crc.to_le_bytes()).then_some(start..start + 4 + head + buckets)
    };
    places.filter_map(|(at, _)| row(at)).collect()
}

fn event(number: u64) -> NewEvent {
    let lot = format!("lot:{}", number % 50);
    let tags = match number % SEGMENT_EVENTS {
        RARE_PLACE => TagSet::new(["rare".to_owned(), lot]),
        _ => TagSet::new([lot]),
    };
    let payload = Payload::from_value(&Value::Null).expect("small");
    NewEvent { tags: tags.expect("short"), payload }
}
