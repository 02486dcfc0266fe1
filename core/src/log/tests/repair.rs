//! Damaged blocks are put back by their own events, whoever gives them, and by no others.

use super::upkeep::{damage_row, places};
use super::*;
use crate::error::ErrorKind;
use crate::event::StreamId;
use crate::log::DamagedBlock;
use std::sync::atomic::AtomicUsize;

/// A log with two full blocks and an open one in the tables, all of another node, and that node's.
fn two_logs(folder: &Path) -> (Log, Log) {
    let author = Log::open(options(&folder.join("author"), 1)).unwrap();
    let log = Log::open(options(&folder.join("copy"), 2)).unwrap();
    let events = (0..2500).map(|n| event(&format!("grain {n}"), &["grain"]));
    append(&author, events.collect());
    let mut from = 0;
    while let Some(range) = author.read_range(&author.own_stream(), from).unwrap() {
        from = range.head.count;
        log.append_range(range).wait().unwrap();
    }
    log.checkpoint_now().unwrap();
    (author, log)
}

fn key(stream: &StreamId, at: u64) -> Vec<u8> {
    [&stream.to_bytes()[..], &at.to_be_bytes()].concat()
}

/// How many events can be read.
fn read_all(log: &Log) -> crate::error::Result<usize> {
    let mut cursor = log.cursor(&Query::all(), CursorOptions::default())?;
    let mut count = 0;
    loop {
        match cursor.next_batch(1000)?.len() {
            0 => return Ok(count),
            events => count += events,
        }
    }
}

fn refusal(log: &Log, range: EventRange) -> (ErrorKind, Option<String>) {
    let error = log.repair_block(range).wait().unwrap_err();
    (error.kind(), error.reason().map(str::to_owned))
}

#[test]
fn a_damaged_block_is_put_back_by_its_own_events_and_by_no_others() {
    let directory = tempfile::tempdir().unwrap();
    let (author, log) = two_logs(directory.path());
    let stream = author.own_stream();
    let told = Arc::new(AtomicUsize::new(0));
    let tell = told.clone();
    log.on_damage(Arc::new(move || {
        tell.fetch_add(1, Ordering::Relaxed);
    }));
    // A full block, and the open one: their frames and the head of one.
    damage_row(&log, "events", &key(&stream, 1024), |row| *row.last_mut().unwrap() ^= 4);
    damage_row(&log, "events", &key(&stream, 2048), |row| row[20] ^= 1);
    assert_eq!(log.damaged_blocks().unwrap(), [], "nobody has looked");
    assert_eq!(read_all(&log).unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(told.load(Ordering::Relaxed), 1);
    log.verify(|| true).wait().unwrap();
    let block = |first, end| DamagedBlock { stream, first, end };
    assert_eq!(log.damaged_blocks().unwrap(), [block(1024, 2048), block(2048, 2500)]);

    let range = |from| author.read_range(&stream, from).unwrap().unwrap();
    let misbehaved = |reason: &str| (ErrorKind::PeerMisbehaved, Some(reason.to_owned()));
    // Other events, too few, and a place where no block begins.
    let mut records = range(1024).records().to_vec();
    records[7] = range(0).records()[7].clone();
    let forged = EventRange::new(1024, records, range(1024).head);
    assert_eq!(refusal(&log, forged), misbehaved("forged"));
    let few = EventRange::new(1024, range(1024).records()[..9].to_vec(), range(1024).head);
    assert_eq!(refusal(&log, few), misbehaved("gap"));
    assert_eq!(refusal(&log, range(1025)).0, ErrorKind::InvalidArgument);
    assert_eq!(read_all(&log).unwrap_err().kind(), ErrorKind::Corrupt, "nothing has changed");

    for from in [1024, 2048] {
        log.repair_block(range(from)).wait().unwrap();
    }
    assert_eq!(log.damaged_blocks().unwrap(), []);
    assert!(log.status().unwrap().damages.is_empty());
    assert_eq!(read_all(&log).unwrap(), 2500);
    let report = log.verify(|| true).wait().unwrap();
    assert_eq!(places(&report.damages), [], "postings and heads fit, too");
}

#[test]
fn a_checkpoint_that_met_a_damaged_open_block_goes_on_once_it_is_put_back() {
    let directory = tempfile::tempdir().unwrap();
    let (author, log) = two_logs(directory.path());
    let stream = author.own_stream();
    damage_row(&log, "events", &key(&stream, 2048), |row| *row.last_mut().unwrap() ^= 4);
    append(&author, vec![event("one more", &["grain"])]);
    log.append_range(author.read_range(&stream, 2500).unwrap().unwrap()).wait().unwrap();
    assert_eq!(log.checkpoint_now().unwrap_err().kind(), ErrorKind::Corrupt);
    let block = DamagedBlock { stream, first: 2048, end: 2500 };
    assert_eq!(log.damaged_blocks().unwrap(), [block], "the checkpoint has noted it");
    // What peers have by now is longer; only the stored part is put back.
    log.repair_block(author.read_range(&stream, 2048).unwrap().unwrap()).wait().unwrap();
    log.checkpoint_now().unwrap();
    assert_eq!(read_all(&log).unwrap(), 2501);
}
