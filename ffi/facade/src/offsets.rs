//! Offset maps as shells hold them, and their text form, the token.

use crate::entry::entry;
use crate::errors::Result;
use millpond::event::{OffsetMap, StreamId};
use std::fmt;

/// A point in history: how many events of each stream. Also what a write was based on (a token).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offsets(OffsetMap);

impl Offsets {
    /// Reads a token.
    ///
    /// # Errors
    /// `invalid_argument`: it is no token, or was altered; the reason says how it shows.
    pub fn parse(token: &str) -> Result<Offsets> {
        Ok(Offsets(token.parse()?))
    }

    /// The map as a compact text.
    pub fn token(&self) -> String {
        self.0.to_string()
    }

    /// Stream ids and counts, by rising stream id.
    pub fn entries(&self) -> Vec<(String, u64)> {
        self.0.iter().map(|(stream, count)| (stream.to_string(), count)).collect()
    }

    /// A map from stream ids and counts; of a stream that stands twice the larger count stays.
    ///
    /// # Errors
    /// `invalid_argument`: a text is no stream id.
    pub fn from_entries<S: AsRef<str>>(
        entries: impl IntoIterator<Item = (S, u64)>,
    ) -> Result<Offsets> {
        let mut map = OffsetMap::new();
        for (stream, count) in entries {
            map.raise(stream.as_ref().parse::<StreamId>()?, count);
        }
        Ok(Offsets(map))
    }

    /// Number of events of one stream; 0 for one that is absent.
    ///
    /// # Errors
    /// `invalid_argument`: the text is no stream id.
    pub fn count(&self, stream: &str) -> Result<u64> {
        Ok(self.0.count(&stream.parse()?))
    }

    /// Number of events in all streams.
    pub fn total(&self) -> u64 {
        u64::try_from(self.0.total()).unwrap_or(u64::MAX)
    }

    /// True when this map holds at least what `other` holds.
    pub fn covers(&self, other: &Offsets) -> bool {
        self.0.covers(&other.0)
    }

    /// Raises every count to that of `other`.
    pub fn join(&mut self, other: &Offsets) {
        self.0.join(&other.0);
    }

    /// Several tokens as one, which covers what each covers; of none the beginning of history.
    ///
    /// # Errors
    /// As [`Offsets::parse`]; `forked_process`.
    pub fn merge<S: AsRef<str>>(tokens: impl IntoIterator<Item = S>) -> Result<Offsets> {
        entry("offsets_merge", 0, || {
            let mut merged = Offsets::default();
            for token in tokens {
                merged.join(&Offsets::parse(token.as_ref())?);
            }
            Ok(merged)
        })
    }

    pub(crate) fn into_map(self) -> OffsetMap {
        self.0
    }

    pub(crate) fn map(&self) -> &OffsetMap {
        &self.0
    }
}

impl From<OffsetMap> for Offsets {
    fn from(map: OffsetMap) -> Offsets {
        Offsets(map)
    }
}

impl fmt::Display for Offsets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.token())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stream(node: u8, number: u64) -> String {
        format!("{}-{number}", format!("{node:02x}").repeat(32))
    }

    proptest! {
        #[test]
        fn a_token_comes_back_and_no_altered_one_is_taken(
            entries in prop::collection::vec((any::<u8>(), 0u64..3, 1u64..1 << 53), 0..5),
            at in any::<prop::sample::Index>(),
            letter in prop::sample::select(b"ABCxyz019-_".to_vec()),
        ) {
            let entry = |(node, number, count)| (stream(node, number), count);
            let entries = entries.into_iter().map(entry);
            let offsets = Offsets::from_entries(entries).unwrap();
            let token = offsets.token();
            prop_assert_eq!(&Offsets::parse(&token).unwrap(), &offsets);
            let mut altered = token.clone().into_bytes();
            let at = at.index(altered.len());
            altered[at] = letter;
            let altered = String::from_utf8(altered).unwrap();
            prop_assert_eq!(Offsets::parse(&altered).is_ok(), altered == token);
        }
    }

    #[test]
    fn counts_are_told_by_stream() {
        let offsets = Offsets::from_entries([(stream(1, 0), 3), (stream(2, 0), 4)]).unwrap();
        assert_eq!((offsets.total(), offsets.count(&stream(2, 0)).unwrap()), (7, 4));
        assert!(offsets.count("7").is_err());
        assert!(offsets.covers(&Offsets::default()) && !Offsets::default().covers(&offsets));
    }
}
