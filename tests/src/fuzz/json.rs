//! A JSON text becomes a payload or is refused; what became one is written as a text that becomes
//! the same, and every payload has a text.

use millpond::event::cbor;
use millpond_facade::json;

/// Tries these bytes, as a text and as a payload.
pub fn run(bytes: &[u8]) {
    if let Ok(text) = json::from_cbor(bytes) {
        assert_eq!(json::to_cbor(&text).as_deref(), Ok(bytes), "{text}");
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(payload) = json::to_cbor(text) else { return };
    cbor::check(&payload).expect("what is written is one value");
    let again = json::from_cbor(&payload).expect("every payload has a text");
    assert_eq!(json::to_cbor(&again).as_ref(), Ok(&payload), "{again}");
}
