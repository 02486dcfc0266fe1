//! Bytes that read as an offset map are exactly what writing it gives.

use millpond::event::OffsetMap;
use millpond::event::codec::Reader;

/// Tries these bytes.
pub fn run(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let Ok(map) = OffsetMap::read(&mut reader) else { return };
    let mut again = Vec::new();
    map.encode(&mut again);
    assert_eq!(again, bytes[..bytes.len() - reader.rest().len()]);
    assert!(map.covers(&map) && map.covers(&OffsetMap::new()));
    assert_eq!(map.beyond(&OffsetMap::new()).count(), map.stream_count());
    assert!(map.iter().all(|(_, count)| count > 0 && count.checked_add(1 << 20).is_some()));
}
