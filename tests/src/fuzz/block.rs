//! A block with right checksums around arbitrary bytes is refused or read; whatever is read of one
//! event, of a frame or of all fits together, and nothing makes more bytes than it claims.

use crate::fuzz::checksums;
use millpond::event::Record;
use millpond::event::block::{BlockReader, Frame};
use millpond::event::cbor;

/// Tries these bytes.
pub fn run(bytes: &[u8]) {
    let mut block = bytes.to_vec();
    checksums::mend_block(&mut block);
    let Ok(reader) = BlockReader::open(&block) else { return };
    let mut frame = Frame::default();
    for index in 0..reader.frame_count() + 1 {
        if reader.load(index, &mut frame).is_ok() {
            look_around(&reader, &frame);
        }
    }
    let mut out = Vec::new();
    if reader.put_records(&mut out).is_ok() {
        assert_eq!(out.len(), reader.raw_bytes());
    }
    let trusted = reader.records(true);
    let Ok(records) = reader.records(false) else { return };
    assert_eq!(trusted.as_ref(), Ok(&records));
    assert_eq!(records.len(), reader.count());
    for index in 0..reader.frame_count() {
        reader.load(index, &mut frame).expect("all records were read");
        let own = &records[frame.first()..frame.first() + frame.count()];
        compare(&reader, &frame, own);
    }
}

/// Everything that readers of damaged stores might call.
fn look_around(reader: &BlockReader<'_>, frame: &Frame<'_>) {
    let (mut out, mut scratch) = (Vec::new(), Vec::new());
    for row in 0..frame.count() {
        let _ = (reader.lamport(frame, row), reader.time(frame, row), reader.kind(frame, row));
        let _ = reader.app_id(frame, row, &mut scratch);
        out.clear();
        let _ = reader.put_tags(frame, row, &mut out, &mut scratch);
        out.clear();
        let _ = reader.put_payload(frame, row, &mut out);
    }
    let _ = (reader.rows_with_tag(frame, "grain"), reader.rows_with_app_id(frame, "fuzz"));
    assert_eq!(reader.application_rows(frame) & !frame.all_rows(), 0);
}

/// What is read of one event, and what a search finds, beside the records.
fn compare(reader: &BlockReader<'_>, frame: &Frame<'_>, records: &[Record]) {
    let (mut out, mut scratch) = (Vec::new(), Vec::new());
    for (row, record) in records.iter().enumerate() {
        assert_eq!(reader.lamport(frame, row).as_ref(), Ok(&record.lamport()));
        assert_eq!(reader.time(frame, row), record.time());
        assert_eq!(reader.kind(frame, row), record.kind());
        out.clear();
        reader.put_payload(frame, row, &mut out).expect("it was read before");
        assert_eq!(out, record.payload_bytes());
        if !record.kind().is_readable() {
            continue;
        }
        cbor::check(record.payload_bytes()).expect("what is taken is one value");
        let app_id = reader.app_id(frame, row, &mut scratch);
        assert_eq!(app_id.expect("it was read before"), record.app_id());
        for tag in record.tags() {
            let rows = reader.rows_with_tag(frame, tag).expect("it was read before");
            for (other, record) in records.iter().enumerate() {
                assert_eq!(rows >> other & 1 == 1, record.has_tag(tag), "{tag}");
            }
        }
    }
}
