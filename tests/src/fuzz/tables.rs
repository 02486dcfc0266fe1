//! A store in which a segment of the postings, a full block or a saved state of a fish holds
//! arbitrary bytes behind right checksums opens or is refused; what opens answers, verifies, takes
//! another event, and gives a state that was saved or none.

use crate::fuzz::checksums;
use crate::fuzz::store::{app, change, options, work_directory};
use millpond::event::cbor::Value;
use millpond::event::{EventKey, KeyPosition, Lamport, NewEvent, OffsetMap, Payload, TagSet};
use millpond::log::{CursorOptions, Log, Snapshot};
use millpond::query::{Order, Query};
use std::fs;
use std::ops::Range;
use std::sync::OnceLock;
use std::time::Duration;

const DATA: &str = "data.mdb";
const SUMMARY_BYTES: usize = 44;
/// One block's entry in a segment, and where its buckets begin.
const SEGMENT_HEAD_BYTES: usize = 8 + 48 + SUMMARY_BYTES + BUCKETS * 4;
const BUCKETS: usize = 512;
/// The fish of which a state is saved, and the key of its row.
const FISH: &str = "a fish that is fuzzed";
const DEFINITION: [u8; 32] = [5; 32];
const SNAPSHOT_KEY: [u8; 8] = [0; 8];

/// Tries these bytes.
pub fn run(bytes: &[u8]) {
    let Some((mode, changes)) = bytes.split_first() else { return };
    let template = template();
    let mut data = template.data.clone();
    match mode % 3 {
        0 => {
            let row = &mut data[template.segment.clone()];
            change(row, changes);
            mend_segment(row);
        }
        1 => {
            let row = &mut data[template.block.clone()];
            change(row, changes);
            mend_row(row, &template.block_key);
        }
        _ => {
            let row = &mut data[template.snapshot.clone()];
            change(row, changes);
            mend_snapshot(row);
        }
    }
    let path = work_directory("tables-run");
    for (name, content) in &template.others {
        fs::write(path.join(name), content).expect("room on the disk");
    }
    fs::write(path.join(DATA), data).expect("room on the disk");
    if let Ok(log) = Log::open(options(&path)) {
        use_it(&log);
        log.close(Duration::from_secs(60)).expect("a healthy disk");
    }
    fs::remove_dir_all(&path).expect("it is ours");
}

/// Asks in every order, verifies, and appends unless the log refuses to.
fn use_it(log: &Log) {
    for text in ["FROM allEvents", "FROM 'grain'", "FROM 'number:7' | 'number:900'", "FROM 'no'"] {
        let query = Query::parse(text).expect("a query");
        for order in [Order::Ascending, Order::Descending] {
            let options = CursorOptions { order, ..CursorOptions::default() };
            let Ok(mut cursor) = log.cursor(&query, options) else { continue };
            let mut events = 0;
            while let Ok(batch) = cursor.next_batch(100)
                && !batch.is_empty()
            {
                events += batch.len();
                assert!(events <= 2_000, "there are not so many");
            }
        }
    }
    let snapshots = log.snapshots(FISH, DEFINITION).expect("a short id");
    for entry in snapshots.list().expect("the table can be read") {
        let saved = snapshots.load(entry.key).expect("the table can be read");
        assert!(saved.is_none_or(|saved| saved.position.last == Some(entry.key)));
    }
    log.verify(|| true).wait().expect("damage is no error");
    snapshots.change(&[snapshot(log)], &[]).expect("a healthy disk");
    let _ = log.append(vec![event(9)], app()).wait();
}

fn mend_segment(row: &mut [u8]) {
    let key = 0u64.to_be_bytes();
    let crc = checksum(&[&key[..], &row[4..SEGMENT_HEAD_BYTES]]);
    row[..4].copy_from_slice(&crc.to_le_bytes());
    let mut start = SEGMENT_HEAD_BYTES;
    for bucket in 0..BUCKETS {
        let at = SEGMENT_HEAD_BYTES - BUCKETS * 4 + bucket * 4;
        let end = u32::from_le_bytes(row[at..at + 4].try_into().expect("four")) as usize;
        let end = SEGMENT_HEAD_BYTES.saturating_add(end);
        if let Some(postings) = row.get(start..end).and_then(|bucket| bucket.get(4..)) {
            let crc = checksum(&[&key[..], &(bucket as u32).to_le_bytes(), postings]);
            row[start..start + 4].copy_from_slice(&crc.to_le_bytes());
        }
        start = end;
    }
}

fn mend_row(row: &mut [u8], key: &[u8]) {
    checksums::mend_block(&mut row[4 + SUMMARY_BYTES..]);
    if let Some(head) = head_end(row) {
        let crc = checksum(&[key, &row[4..head]]);
        row[..4].copy_from_slice(&crc.to_le_bytes());
    }
}

/// The checksums of a saved state's row: of the state, at the end of its head, and of the head.
fn mend_snapshot(row: &mut [u8]) {
    let head_bytes = u32::from_le_bytes(row[4..8].try_into().expect("four")) as usize;
    let Some(end) = head_bytes.checked_add(8).filter(|end| *end <= row.len() && *end >= 12) else {
        return;
    };
    let crc = checksum(&[&row[end..]]);
    row[end - 4..end].copy_from_slice(&crc.to_le_bytes());
    let crc = checksum(&[&SNAPSHOT_KEY, &row[4..end]]);
    row[..4].copy_from_slice(&crc.to_le_bytes());
}

/// A state after all events.
fn snapshot(log: &Log) -> Snapshot {
    let offsets = OffsetMap::clone(&log.durable_map().expect("the log is open"));
    let stream = log.own_stream();
    let lamport = Lamport::new(offsets.count(&stream)).expect("a small number");
    let last = EventKey { lamport, stream };
    let position = KeyPosition { offsets, last: Some(last) };
    Snapshot { position, reset: Some(last), state: vec![7; 300].into() }
}

/// Where the head of a row's block ends.
fn head_end(row: &[u8]) -> Option<usize> {
    let block = row.get(4 + SUMMARY_BYTES..)?;
    let bytes = u32::from_le_bytes(block.get(..4)?.try_into().expect("four")) as usize;
    (bytes <= block.len() - 4).then_some(4 + SUMMARY_BYTES + 4 + bytes)
}

fn checksum(parts: &[&[u8]]) -> u32 {
    parts.iter().fold(0, |crc, part| crc32c::crc32c_append(crc, part))
}

/// The files of a closed store with one full block, and where three of its rows stand.
struct Template {
    data: Vec<u8>,
    snapshot: Range<usize>,
    segment: Range<usize>,
    block: Range<usize>,
    block_key: Vec<u8>,
    others: Vec<(String, Vec<u8>)>,
}

fn template() -> &'static Template {
    static TEMPLATE: OnceLock<Template> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let path = work_directory("tables-template");
        let log = Log::open(options(&path)).expect("a new store");
        let stream = log.own_stream().to_bytes();
        log.append((0..1_100).map(event).collect(), app()).wait().expect("stored");
        let snapshots = log.snapshots(FISH, DEFINITION).expect("a short id");
        snapshots.change(&[snapshot(&log)], &[]).expect("a healthy disk");
        log.close(Duration::from_secs(60)).expect("a healthy disk");
        let read = |name: &str| fs::read(path.join(name)).expect("a file of the store");
        let data = read(DATA);
        let own = [&[FISH.len() as u8][..], FISH.as_bytes(), &DEFINITION].concat();
        let snapshot = find(&data, &own, 8);
        let head = u32::from_le_bytes(data[snapshot + 4..][..4].try_into().expect("four"));
        let snapshot = snapshot..snapshot + 8 + head as usize + 300;
        let mut mended = data[snapshot.clone()].to_vec();
        mend_snapshot(&mut mended);
        assert_eq!(mended, data[snapshot.clone()], "it is the row with that key");
        let segment = find(&data, &[&1u32.to_le_bytes()[..], &stream, &[0; 8]].concat(), 4);
        let ends = &data[segment + SEGMENT_HEAD_BYTES - 4..];
        let end = u32::from_le_bytes(ends[..4].try_into().expect("four")) as usize;
        let segment = segment..segment + SEGMENT_HEAD_BYTES + end;
        let summary = [1u32.to_le_bytes(), 1024u32.to_le_bytes()].concat();
        let block_key = [&stream[..], &[0; 8]].concat();
        let is_block = |at: &usize| {
            let row = &data[*at..];
            let crc = head_end(row).map(|end| checksum(&[&block_key[..], &row[4..end]]));
            crc.is_some_and(|crc| row[..4] == crc.to_le_bytes())
        };
        let mut places = data.windows(summary.len()).enumerate().filter(|(_, own)| *own == summary);
        let block = places.find_map(|(at, _)| at.checked_sub(4).filter(is_block));
        let block = block.expect("the block is stored");
        let head = head_end(&data[block..]).expect("it was just found");
        let last = &data[block + head - 8..];
        let frames = u32::from_le_bytes(last[..4].try_into().expect("four")) as usize;
        let block = block..block + head + frames;
        let others = ["journal-a", "journal-b"].map(|name| (name.to_owned(), read(name))).to_vec();
        fs::remove_dir_all(&path).expect("it is ours");
        Template { data, snapshot, segment, block, block_key, others }
    })
}

/// Where `part` stands, less `before`.
fn find(data: &[u8], part: &[u8], before: usize) -> usize {
    data.windows(part.len()).position(|own| own == part).expect("it is stored") - before
}

fn event(number: u64) -> NewEvent {
    let payload = Payload::from_value(&Value::from(number)).expect("small");
    let tags = TagSet::new(["grain".to_owned(), format!("number:{number}")]).expect("short");
    NewEvent { tags, payload }
}
