//! Bytes that read as a payload are exactly what writing its value gives; all readers agree.

use millpond::event::Payload;
use millpond::event::cbor::{Item, Reader, Value, check};

/// Tries these bytes.
pub fn run(bytes: &[u8]) {
    let value = Value::decode(bytes);
    assert_eq!(value.is_ok(), check(bytes).is_ok());
    assert_eq!(value.is_ok(), Payload::from_cbor(bytes.to_vec()).is_ok());
    let mut reader = Reader::new(bytes);
    let mut claimed = 0;
    loop {
        match reader.next_item() {
            Ok(Some(Item::Array(count))) => claimed += count,
            Ok(Some(Item::Map(count))) => claimed += 2 * count,
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(_) => {
                assert!(reader.next_item().is_err(), "an error is the end");
                break;
            }
        }
        assert!(claimed <= bytes.len(), "claims exceed the bytes");
    }
    if let Ok(value) = value {
        assert_eq!(value.encode().expect("what was read can be written"), bytes);
    }
}
