//! Bytes that read as a range are exactly what writing it gives. Only what its node signed
//! verifies: the corpus holds true ranges, so that any change of one must be refused.

use bytes::Bytes;
use millpond::event::{EventRange, StreamEnd, SwarmSecret};

const TRUE_RANGES: &[&[u8]] = &[
    include_bytes!("../../fuzz/seeds/range/range-0"),
    include_bytes!("../../fuzz/seeds/range/range-1"),
    include_bytes!("../../fuzz/seeds/range/range-2"),
];

/// Tries these bytes.
pub fn run(bytes: &[u8]) {
    let Ok(range) = EventRange::decode(&Bytes::copy_from_slice(bytes)) else { return };
    let mut again = Vec::new();
    range.encode(&mut again);
    assert_eq!(again, bytes);
    let swarm = SwarmSecret::from_bytes([0x5a; 32]).swarm_id();
    let mut before = StreamEnd::empty(&swarm, &range.stream());
    for known in TRUE_RANGES {
        let known = EventRange::decode(&Bytes::from_static(known)).expect("a vector");
        if range.verify(&swarm, &before).is_ok() {
            // Under which branch it goes is no part of what is signed.
            assert_eq!(range.stream().trunk(), known.stream(), "a range that nobody signed");
            let mut told = range.clone();
            told.head = told.head.on(known.stream());
            assert_eq!(told, known, "a range that nobody signed");
        }
        before = StreamEnd::from(&known.head);
    }
}
