//! The text form of an offset map, short enough for a QR code: a token.
//!
//! Whoever got one from a write or a read hands it to another node, in whatever language, and reads
//! there what it knew. Source: docs/format.md, "Text forms".

use crate::error::{Error, ErrorKind, Result};
use crate::event::codec::{Reader, bad, put_varint};
use crate::event::ids::{NodeId, StreamId};
use crate::event::letters::{BASE64URL, Unreadable};
use crate::event::limits::LAMPORT_MAX;
use crate::event::offset_map::OffsetMap;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

const PREFIX: &str = "m1";
/// What all tokens begin with; a digit that says the version follows.
const PREFIX_ANY: &str = "m";
/// Longest token that is read: some 5,000 streams.
pub const TOKEN_CHARACTERS_MAX: usize = 1 << 18;

/// The text is a token: 8 characters for the beginning of history, and at most 200 for four nodes
/// with one stream each of fewer than 2^27 events. A node that writes a later stream, and of which
/// no earlier one is named, takes 2 or 3 more.
impl fmt::Display for OffsetMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::new();
        put_groups(self, &mut bytes);
        let checksum = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        f.write_str(PREFIX)?;
        f.write_str(&BASE64URL.write(&bytes))
    }
}

impl FromStr for OffsetMap {
    type Err = Error;

    /// Reads a token.
    ///
    /// # Errors
    /// `invalid_argument`, reason `token_too_long`, `token_prefix` (it is something else),
    /// `token_version` (another millpond gave it), `token_character` (with its position),
    /// `token_damaged` (letters are missing, or others) or `token_malformed`. The message never
    /// repeats the text.
    fn from_str(text: &str) -> Result<OffsetMap> {
        if text.len() > TOKEN_CHARACTERS_MAX {
            let what = format!("is longer than {TOKEN_CHARACTERS_MAX} characters");
            return Err(refused("token_too_long", what));
        }
        let Some(letters) = text.strip_prefix(PREFIX) else {
            let version = text.strip_prefix(PREFIX_ANY).and_then(|rest| rest.bytes().next());
            if version.is_some_and(|version| version.is_ascii_digit()) {
                let what = "is of another version of millpond; get a new one, or use that version";
                return Err(refused("token_version", what));
            }
            let what = format!("does not begin with {PREFIX:?}; copy all of it, and nothing else");
            return Err(refused("token_prefix", what));
        };
        let bytes = BASE64URL.read(letters).map_err(|unreadable| match unreadable {
            Unreadable::Character(at) => {
                let what = "has a character that is not one of A-Z, a-z, 0-9, - and _; copy it \
                            again";
                refused("token_character", what).with_position(PREFIX.len() + at)
            }
            Unreadable::End => damaged(),
        })?;
        let (groups, checksum) = bytes.split_last_chunk::<4>().ok_or_else(damaged)?;
        if crc32c::crc32c(groups).to_le_bytes() != *checksum {
            return Err(damaged());
        }
        read_groups(groups).map_err(|error| {
            let what = format!("is malformed: {}; get a new one", error.message());
            refused("token_malformed", what)
        })
    }
}

/// Appends for each node its id and what is of its streams: twice the count where that is stream 0
/// alone; else twice the number of streams and one, and number and count of each.
fn put_groups(map: &OffsetMap, out: &mut Vec<u8>) {
    let mut nodes: BTreeMap<NodeId, Vec<(u64, u64)>> = BTreeMap::new();
    for (stream, count) in map.iter() {
        nodes.entry(stream.node).or_default().push((stream.number, count));
    }
    for (node, streams) in nodes {
        out.extend_from_slice(node.as_bytes());
        if let [(0, count)] = streams[..] {
            put_varint(out, count << 1);
            continue;
        }
        put_varint(out, (streams.len() as u64) << 1 | 1);
        for (number, count) in streams {
            put_varint(out, number);
            put_varint(out, count);
        }
    }
}

fn read_groups(groups: &[u8]) -> Result<OffsetMap> {
    let (mut map, mut reader) = (OffsetMap::new(), Reader::new(groups));
    let what = "the number of events of a stream";
    while !reader.is_empty() {
        let node = NodeId::from_bytes(reader.array()?);
        let first = reader.varint()?;
        if first & 1 == 0 {
            if first >> 1 > LAMPORT_MAX {
                return Err(bad("a stream has more events than there can be"));
            }
            map.raise(StreamId { node, number: 0 }, first >> 1);
            continue;
        }
        for _ in 0..first >> 1 {
            let number = reader.varint()?;
            map.raise(StreamId { node, number }, reader.varint_max(LAMPORT_MAX, what)?);
        }
    }
    let mut again = Vec::with_capacity(groups.len());
    put_groups(&map, &mut again);
    if again == groups { Ok(map) } else { Err(bad("it is not in its one form")) }
}

fn damaged() -> Error {
    refused("token_damaged", "is damaged or incomplete; copy all of it again")
}

fn refused(reason: &'static str, what: impl fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("the token {what}")).with_reason(reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stream(node: u8, number: u64) -> StreamId {
        StreamId { node: NodeId::from_bytes([node; 32]), number }
    }

    fn any_map() -> impl Strategy<Value = OffsetMap> {
        let number = prop_oneof![4 => Just(0), 2 => 0u64..5, 1 => any::<u64>()];
        let count = prop_oneof![0u64..300, 0..=LAMPORT_MAX];
        prop::collection::vec((1u8..5, number, count), 0..9).prop_map(|entries| {
            entries.into_iter().map(|(node, number, count)| (stream(node, number), count)).collect()
        })
    }

    fn reason(text: &str) -> &'static str {
        let error = text.parse::<OffsetMap>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        error.reason().unwrap()
    }

    proptest! {
        #[test]
        fn a_token_comes_back_and_no_altered_one_is_taken(
            map in any_map(),
            at in any::<prop::sample::Index>(),
            letter in prop::sample::select(b"ABCxyz019-_ =".to_vec()),
        ) {
            let token = map.to_string();
            prop_assert_eq!(token.parse::<OffsetMap>().unwrap(), map);
            let at = at.index(token.len());
            let mut altered = token.clone().into_bytes();
            altered[at] = letter;
            let altered = String::from_utf8(altered).unwrap();
            prop_assert_eq!(altered.parse::<OffsetMap>().is_ok(), altered == token);
            prop_assert!(token[..at].parse::<OffsetMap>().is_err());
        }

        #[test]
        fn any_bytes_are_a_token_in_its_one_form_or_refused(
            mut bytes in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
            let text = format!("{PREFIX}{}", BASE64URL.write(&bytes));
            if let Ok(map) = text.parse::<OffsetMap>() {
                prop_assert_eq!(map.to_string(), text);
            }
        }
    }

    #[test]
    fn a_token_of_four_nodes_has_at_most_200_characters() {
        let full = |number| (1..=4).map(move |node| (stream(node, number), (1 << 27) - 1));
        let token = full(0).collect::<OffsetMap>().to_string();
        assert_eq!(token.len(), 200);
        assert_eq!(OffsetMap::new().to_string().len(), 8);
        // Three of which one was restored.
        let restored = full(0).take(3).chain([(stream(3, 1), (1 << 27) - 1)]);
        assert!(restored.collect::<OffsetMap>().to_string().len() < 200);
        let later = full(0).take(3).chain([(stream(4, 1), (1 << 27) - 1)]);
        assert_eq!(later.collect::<OffsetMap>().to_string().len(), 202);
    }

    #[test]
    fn what_is_no_token_is_refused_with_the_reason() {
        let token = [(stream(1, 0), 7)].into_iter().collect::<OffsetMap>().to_string();
        assert_eq!(reason(""), "token_prefix");
        assert_eq!(reason(&format!(" {token}")), "token_prefix");
        assert_eq!(reason(&token.replacen("m1", "m0", 1)), "token_version");
        assert_eq!(reason(&token.replacen("m1", "m2", 1)), "token_version");
        assert_eq!(reason(&token[..token.len() - 1]), "token_damaged");
        assert_eq!(reason("m1"), "token_damaged");
        assert_eq!(reason(&format!("{token}=")), "token_character");
        assert_eq!(reason(&format!("m1{}", "A".repeat(TOKEN_CHARACTERS_MAX))), "token_too_long");
        let error = format!("{token}=").parse::<OffsetMap>().unwrap_err();
        assert_eq!(error.position(), Some(token.len()));
    }
}
