//! Whatever text reads as a token, an id or an address prints as one that reads the same.

use millpond::PeerAddress;
use millpond::event::{EventKey, NodeId, StreamId};
use millpond_facade::Offsets;
use std::fmt::{Debug, Display};
use std::str::FromStr;

/// Tries these bytes as each of them.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(offsets) = Offsets::parse(text) {
        assert_eq!(offsets.token(), text);
    }
    prints_as_itself::<NodeId>(text);
    prints_as_itself::<StreamId>(text);
    prints_as_itself::<EventKey>(text);
    prints_as_itself::<PeerAddress>(text);
}

fn prints_as_itself<T: FromStr + Display + Debug + PartialEq>(text: &str) {
    let Ok(value) = text.parse::<T>() else { return };
    let printed = value.to_string();
    let again = printed.parse::<T>().unwrap_or_else(|_| panic!("{printed} does not read"));
    assert_eq!(again, value, "{text}");
    assert_eq!(again.to_string(), printed);
}
