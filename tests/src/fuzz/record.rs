//! Bytes that read as a record are exactly what writing its fields gives, unless a later millpond
//! wrote them; a trusted record, whose payload may be anything, never panics.

use bytes::Bytes;
use millpond::event::{NodeKey, Offset, Record, StreamId};

/// Tries these bytes.
pub fn run(bytes: &[u8]) {
    let whole = Bytes::copy_from_slice(bytes);
    let mut rest = whole.clone();
    match Record::take(&mut rest) {
        Ok(record) => {
            assert_eq!(record.as_bytes().len() + rest.len(), bytes.len());
            if record.kind().is_readable() {
                let again = Record::encode(&record.header(), &record.payload());
                assert_eq!(again.as_bytes(), record.as_bytes());
                assert_eq!(again, record);
            }
        }
        Err(_) => assert_eq!(rest, whole, "what is refused stays"),
    }
    if let Ok(record) = Record::take_trusted(&mut whole.clone()) {
        assert!(record.tags().all(|tag| record.has_tag(tag)));
        let _ = (record.app_id(), record.leaf());
        if record.kind().is_readable() {
            let stream = StreamId { node: NodeKey::from_seed(&[1; 32]).node_id(), number: 0 };
            let event = record.to_event(stream, Offset::new(0));
            assert_eq!(event.tags.len(), record.tags().count());
            let _ = event.payload.to_value();
        }
    }
}
