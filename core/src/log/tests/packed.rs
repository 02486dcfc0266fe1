//! Whole blocks, received as a peer stores them: kept as they came, and given out again.

use super::{abandon, append, close, event, events, open, options, query_all, send_all};
use crate::event::{NewEvent, PackedRange, StreamId, block};
use crate::log::Log;
use crate::query::Order;
use std::path::Path;

/// The block at `from` as a writer would make it that compresses less.
fn as_another_writer(log: &Log, stream: &StreamId, from: u64) -> PackedRange {
    let range = log.read_range(stream, from).unwrap().unwrap();
    let block = block::encode_whole(range.records());
    PackedRange::new(range.head, block.into()).unwrap()
}

fn two(path: &Path) -> (Log, Log) {
    (open(&path.join("a")), Log::open(options(&path.join("b"), 2)).unwrap())
}

fn same_events(a: &Log, b: &Log) {
    for order in [Order::Ascending, Order::Descending, Order::Stream] {
        for query in ["FROM allEvents", "FROM 'lot:3'", "FROM appId(test)"] {
            assert_eq!(query_all(a, query, order), query_all(b, query, order), "{query}");
        }
    }
    b.check().unwrap();
}

#[test]
fn a_received_block_is_stored_and_given_as_it_came() {
    let directory = tempfile::tempdir().unwrap();
    let (from, to) = two(directory.path());
    append(&from, events(0..2100));
    let stream = from.own_stream();
    let sent: Vec<PackedRange> =
        [0, 1024].map(|first| as_another_writer(&from, &stream, first)).into();
    for packed in &sent {
        let stored = to.append_range(packed.clone().unpack().unwrap()).wait().unwrap();
        assert_eq!(stored.count, packed.head().count);
    }
    send_all(&from, &to);
    let given = |log: &Log, from| log.read_block(&stream, from).unwrap();
    let check = |to: &Log| {
        same_events(&from, to);
        assert_eq!(given(to, 0).as_ref(), Some(&sent[0]));
        assert_eq!(given(to, 1024).as_ref(), Some(&sent[1]));
        for none in [1, 1023, 2048, 2099, 2100, u64::MAX] {
            assert_eq!(given(to, none), None, "{none}");
        }
    };
    check(&to);
    abandon(to);
    let to = Log::open(options(&directory.path().join("b"), 2)).unwrap();
    check(&to);
    to.checkpoint_now().unwrap();
    assert_eq!(to.status().unwrap().tail_bytes, 0);
    check(&to);
    close(to);
    check(&Log::open(options(&directory.path().join("b"), 2)).unwrap());
}

#[test]
fn a_block_is_the_same_from_the_tail_and_from_the_tables() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    append(&log, events(0..1500));
    let stream = log.own_stream();
    let from_tail = log.read_block(&stream, 0).unwrap().unwrap();
    log.checkpoint_now().unwrap();
    assert_eq!(log.read_block(&stream, 0).unwrap(), Some(from_tail));
    assert_eq!(log.read_block(&stream, 1024).unwrap(), None, "it is not full");
    append(&log, events(1500..2100));
    assert_eq!(log.read_block(&stream, 1024).unwrap(), None, "a part of it is in the tables");
    log.checkpoint_now().unwrap();
    assert_eq!(log.read_block(&stream, 1024).unwrap().unwrap().first(), 1024);
}

#[test]
fn a_block_of_which_a_part_is_held_brings_the_rest() {
    let directory = tempfile::tempdir().unwrap();
    let (from, to) = two(directory.path());
    append(&from, events(0..500));
    send_all(&from, &to);
    to.checkpoint_now().unwrap();
    append(&from, events(500..1024));
    let packed = from.read_block(&from.own_stream(), 0).unwrap().unwrap();
    assert_eq!(to.append_range(packed.clone().unpack().unwrap()).wait().unwrap().count, 1024);
    to.checkpoint_now().unwrap();
    same_events(&from, &to);
    assert_eq!(to.read_block(&from.own_stream(), 0).unwrap(), Some(packed));
}

#[test]
fn a_block_that_is_only_the_end_of_one_is_stored_as_its_records() {
    let directory = tempfile::tempdir().unwrap();
    let (from, to) = two(directory.path());
    let large = |text: &str| -> NewEvent { event(&text.repeat(150_000), &["large"]) };
    append(&from, events(0..3));
    send_all(&from, &to);
    append(&from, vec![large("abcd"), large("efgh")]);
    // The last two events alone would be a block; they are the end of one.
    let stream = from.own_stream();
    let end = from.read_range(&stream, 3).unwrap().unwrap();
    assert_eq!(end.head.count, 5);
    let block = block::encode(end.records());
    let packed = PackedRange::new(end.head.clone(), block.into()).unwrap();
    assert_eq!(to.append_range(packed.unpack().unwrap()).wait().unwrap().count, 5);
    assert_eq!(to.read_block(&stream, 3).unwrap(), None);
    abandon(to);
    let to = Log::open(options(&directory.path().join("b"), 2)).unwrap();
    send_all(&from, &to);
    to.checkpoint_now().unwrap();
    same_events(&from, &to);
    assert_eq!(to.read_block(&stream, 0).unwrap(), from.read_block(&stream, 0).unwrap());
    assert!(to.read_block(&stream, 0).unwrap().is_some());
}
