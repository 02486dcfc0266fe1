//! A point in history: how many events of each stream.

use crate::error::Result;
use crate::event::codec::{Reader, bad, put_varint};
use crate::event::ids::StreamId;
use crate::event::limits::LAMPORT_MAX;
use std::collections::BTreeMap;
use std::ops::Range;

/// How far each stream is held: `stream -> number of events`, so an absent stream means 0.
///
/// Ranges are half-open, and two maps join by the larger count of each stream. Never holds a 0, so
/// equal points in history are equal maps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct OffsetMap {
    counts: BTreeMap<StreamId, u64>,
}

impl OffsetMap {
    /// The beginning of history.
    pub const fn new() -> OffsetMap {
        OffsetMap { counts: BTreeMap::new() }
    }

    /// Number of events of `stream`; 0 for one that is absent.
    pub fn count(&self, stream: &StreamId) -> u64 {
        self.counts.get(stream).copied().unwrap_or(0)
    }

    /// Makes the count of `stream` exactly `count`.
    pub fn set(&mut self, stream: StreamId, count: u64) {
        if count == 0 {
            self.counts.remove(&stream);
        } else {
            self.counts.insert(stream, count);
        }
    }

    /// Raises the count of `stream` to `count`; a larger one stays.
    pub fn raise(&mut self, stream: StreamId, count: u64) {
        if count > self.count(&stream) {
            self.counts.insert(stream, count);
        }
    }

    /// Raises every count to that of `other`.
    pub fn join(&mut self, other: &OffsetMap) {
        for (stream, count) in other.iter() {
            self.raise(*stream, count);
        }
    }

    /// True when this map holds at least what `other` holds, stream by stream.
    pub fn covers(&self, other: &OffsetMap) -> bool {
        other.iter().all(|(stream, count)| self.count(stream) >= count)
    }

    /// What this map holds and `other` lacks, by rising stream id.
    pub fn beyond<'a>(
        &'a self,
        other: &'a OffsetMap,
    ) -> impl Iterator<Item = (StreamId, Range<u64>)> + 'a {
        self.iter().filter_map(|(stream, count)| {
            let held = other.count(stream);
            (held < count).then_some((*stream, held..count))
        })
    }

    /// Streams with at least one event and their counts, by rising stream id.
    pub fn iter(&self) -> impl Iterator<Item = (&StreamId, u64)> {
        self.counts.iter().map(|(stream, count)| (stream, *count))
    }

    /// Number of streams with at least one event.
    pub fn stream_count(&self) -> usize {
        self.counts.len()
    }

    /// True at the beginning of history.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Number of events in all streams.
    pub fn total(&self) -> u128 {
        self.counts.values().map(|count| u128::from(*count)).sum()
    }

    /// Appends the byte form: number of streams, then 40-byte stream id and count of each, rising.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.counts.len() as u64);
        for (stream, count) in self.iter() {
            out.extend_from_slice(&stream.to_bytes());
            put_varint(out, count);
        }
    }

    /// Takes what [`OffsetMap::encode`] wrote off the front of `reader`.
    ///
    /// # Errors
    /// `corrupt`: the bytes end too early, a count is 0, or the streams do not rise.
    /// `limit_exceeded`: a count is above `LAMPORT_MAX`, which a stream cannot reach.
    pub fn read(reader: &mut Reader<'_>) -> Result<OffsetMap> {
        let mut map = OffsetMap::new();
        let mut last: Option<StreamId> = None;
        for _ in 0..reader.varint()? {
            let stream = StreamId::read(reader)?;
            let count = reader.varint_max(LAMPORT_MAX, "the number of events of a stream")?;
            if count == 0 || last.is_some_and(|last| last >= stream) {
                return Err(bad("an offset map is not in its one form"));
            }
            map.counts.insert(stream, count);
            last = Some(stream);
        }
        Ok(map)
    }
}

impl FromIterator<(StreamId, u64)> for OffsetMap {
    fn from_iter<I: IntoIterator<Item = (StreamId, u64)>>(pairs: I) -> OffsetMap {
        let mut map = OffsetMap::new();
        for (stream, count) in pairs {
            map.raise(stream, count);
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::event::ids::NodeId;
    use proptest::prelude::*;

    fn any_map() -> impl Strategy<Value = OffsetMap> {
        prop::collection::vec((0u8..4, 0u64..2, 0u64..5), 0..8).prop_map(|entries| {
            let pair = |(node, number, count)| {
                (StreamId { node: NodeId::from_bytes([node; 32]), number }, count)
            };
            entries.into_iter().map(pair).collect()
        })
    }

    proptest! {
        #[test]
        fn a_join_covers_both_and_nothing_smaller_does(a in any_map(), b in any_map()) {
            let mut joined = a.clone();
            joined.join(&b);
            prop_assert!(joined.covers(&a) && joined.covers(&b));
            for (stream, count) in joined.iter() {
                prop_assert_eq!(count, a.count(stream).max(b.count(stream)));
            }
        }

        #[test]
        fn what_is_beyond_is_exactly_what_is_missing(a in any_map(), b in any_map()) {
            let mut patched = b.clone();
            for (stream, range) in a.beyond(&b) {
                prop_assert_eq!(range.start, b.count(&stream));
                patched.raise(stream, range.end);
            }
            prop_assert!(patched.covers(&a));
            prop_assert_eq!(a.beyond(&b).count() == 0, b.covers(&a));
        }

        #[test]
        fn the_byte_form_comes_back(map in any_map()) {
            let mut bytes = Vec::new();
            map.encode(&mut bytes);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(OffsetMap::read(&mut reader).unwrap(), map);
            reader.finish().unwrap();
        }
    }

    #[test]
    fn every_other_byte_form_is_refused() {
        let stream = |node: u8| StreamId { node: NodeId::from_bytes([node; 32]), number: 0 };
        let form = |claimed: u64, entries: &[(u8, u64)]| {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, claimed);
            for (node, count) in entries {
                bytes.extend_from_slice(&stream(*node).to_bytes());
                put_varint(&mut bytes, *count);
            }
            OffsetMap::read(&mut Reader::new(&bytes)).map_err(|error| error.kind())
        };
        assert_eq!(form(1, &[(1, LAMPORT_MAX)]).unwrap().count(&stream(1)), LAMPORT_MAX);
        assert_eq!(form(1, &[(1, LAMPORT_MAX + 1)]), Err(ErrorKind::LimitExceeded));
        assert_eq!(form(1, &[(1, 0)]), Err(ErrorKind::Corrupt));
        assert_eq!(form(2, &[(2, 1), (1, 1)]), Err(ErrorKind::Corrupt));
        assert_eq!(form(2, &[(1, 1), (1, 1)]), Err(ErrorKind::Corrupt));
        assert_eq!(form(u64::MAX, &[(1, 1)]), Err(ErrorKind::Corrupt));
    }
}
