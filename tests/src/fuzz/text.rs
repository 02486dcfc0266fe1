//! Whatever text reads as a token, a position, an id, an address, a fence or a path prints as one
//! that reads the same.

use millpond::PeerAddress;
use millpond::event::{EventKey, NodeId, StreamId};
use millpond::pond::builtin::Path;
use millpond::pond::claim::Fence;
use millpond::pond::escrow::AccountId;
use millpond_facade::{Offsets, Position};
use std::fmt::{Debug, Display};
use std::str::FromStr;

/// Tries these bytes as each of them.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(offsets) = Offsets::parse(text) {
        assert_eq!(offsets.token(), text);
    }
    if let Ok(position) = Position::parse(text) {
        assert_eq!(position.to_string(), text);
    }
    if let Ok(path) = Path::parse(text) {
        assert_eq!(path.to_string(), text);
    }
    prints_as_itself::<AccountId>(text);
    prints_as_itself::<Fence>(text);
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
