//! How far somebody has come who takes events in key order.

use crate::error::Result;
use crate::event::codec::{Reader, bad};
use crate::event::ids::StreamId;
use crate::event::offset_map::OffsetMap;
use crate::event::position::{EventKey, Lamport};

/// How far a subscription in key order has come: of the events that `offsets` count it has
/// delivered those that match with a key up to `last`, and nothing else.
///
/// So any delivered key in the place of `last` is a position, too: an earlier one. The default is
/// the beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPosition {
    /// What was looked at.
    pub offsets: OffsetMap,
    /// The greatest key that was delivered; none when nothing was.
    pub last: Option<EventKey>,
}

impl KeyPosition {
    /// Appends the byte form: 0, or 1 and the 48 bytes of the last key, then the offset map.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.last.is_some()));
        if let Some(last) = &self.last {
            out.extend_from_slice(&last.to_bytes());
        }
        self.offsets.encode(out);
    }

    /// Takes what [`KeyPosition::encode`] wrote off the front of `reader`.
    ///
    /// # Errors
    /// `corrupt`, `limit_exceeded`: it is not one.
    pub fn read(reader: &mut Reader<'_>) -> Result<KeyPosition> {
        let last = match reader.u8()? {
            0 => None,
            1 => Some(EventKey::read(reader)?),
            other => return Err(bad(format!("a position in key order begins with {other}"))),
        };
        Ok(KeyPosition { offsets: OffsetMap::read(reader)?, last })
    }
}

impl EventKey {
    /// Bytes of [`EventKey::to_bytes`].
    pub const BYTES: usize = 8 + StreamId::BYTES;

    /// The lamport with its big end first, then the stream id: sorts like the key.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.lamport.value().to_be_bytes());
        bytes[8..].copy_from_slice(&self.stream.to_bytes());
        bytes
    }

    /// Takes what [`EventKey::to_bytes`] gave off the front of `reader`.
    ///
    /// # Errors
    /// `corrupt`: fewer bytes are left. `limit_exceeded`: the lamport is above `LAMPORT_MAX`.
    pub fn read(reader: &mut Reader<'_>) -> Result<EventKey> {
        let lamport = Lamport::new(reader.u64_be()?)?;
        Ok(EventKey { lamport, stream: StreamId::read(reader)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ids::NodeId;
    use proptest::prelude::*;

    fn any_key() -> impl Strategy<Value = EventKey> {
        (0u64..700, 0u8..3, 0u64..3).prop_map(|(lamport, node, number)| {
            let stream = StreamId { node: NodeId::from_bytes([node; 32]), number };
            EventKey { lamport: Lamport::new(lamport).unwrap(), stream }
        })
    }

    proptest! {
        #[test]
        fn a_position_comes_back_from_its_bytes_and_no_part_of_them_is_one(
            last in prop::option::of(any_key()),
            counts in prop::collection::vec((any_key(), 0u64..900), 0..4),
            cut in any::<prop::sample::Index>(),
        ) {
            let offsets = counts.into_iter().map(|(key, count)| (key.stream, count)).collect();
            let position = KeyPosition { offsets, last };
            let mut bytes = Vec::new();
            position.encode(&mut bytes);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(KeyPosition::read(&mut reader).unwrap(), position);
            reader.finish().unwrap();
            bytes.truncate(cut.index(bytes.len()));
            prop_assert!(KeyPosition::read(&mut Reader::new(&bytes)).is_err());
        }

        #[test]
        fn the_bytes_of_keys_sort_like_the_keys(one in any_key(), other in any_key()) {
            prop_assert_eq!(one.cmp(&other), one.to_bytes().cmp(&other.to_bytes()));
            prop_assert_eq!(EventKey::read(&mut Reader::new(&one.to_bytes())).unwrap(), one);
        }
    }
}
