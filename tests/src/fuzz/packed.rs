//! Bytes that read as a packed range are exactly what writing it gives, and its events are found by
//! their tags. Nothing makes more bytes than a block may have.

use bytes::Bytes;
use millpond::event::PackedRange;
use millpond::event::block::{BlockReader, FRAME_EVENTS, Frame};

/// Tries these bytes.
pub fn run(bytes: &[u8]) {
    let Ok(packed) = PackedRange::decode(&Bytes::copy_from_slice(bytes)) else { return };
    let mut again = Vec::new();
    packed.encode(&mut again);
    assert_eq!(again, bytes);
    let Ok(range) = packed.clone().unpack() else { return };
    assert_eq!(range.packed().as_ref(), Some(&packed));
    let block = range.block().expect("it was unpacked from one");
    let reader = BlockReader::open(block).expect("it was read before");
    let mut frame = Frame::default();
    for (index, records) in range.records().chunks(FRAME_EVENTS).enumerate() {
        reader.load(index, &mut frame).expect("it was read before");
        for tag in records.iter().flat_map(|record| record.tags()) {
            let rows = reader.rows_with_tag(&frame, tag).expect("it was read before");
            for (row, record) in records.iter().enumerate() {
                assert_eq!(rows >> row & 1 == 1, record.has_tag(tag), "{tag}");
            }
        }
    }
}
