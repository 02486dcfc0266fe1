//! What events are found by, as numbers: which frames of a block have a tag or an app id.
//!
//! No I/O. Rule: two terms may share a number, so whoever finds events by it looks at their tags
//! too; a term never has two numbers. Source: docs/format.md, "Postings".

use crate::event::Record;
use crate::event::block::FRAME_EVENTS;

/// Terms that are remembered while those of a block are gathered.
const SEEN_TERMS: usize = 256;

/// Which sort of term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TermKind {
    Tag,
    AppId,
}

/// The number of a term.
pub(crate) fn term_number(kind: TermKind, text: &str) -> u32 {
    // The checksums of a byte 0 and of a byte 1.
    let start = match kind {
        TermKind::Tag => 0x527d_5351,
        TermKind::AppId => 0xa016_d052,
    };
    crc32c::crc32c_append(start, text.as_bytes())
}

/// Gives `take` the terms of these events, most of them more than once. What cannot be read has
/// none.
pub(crate) fn each_of(records: &[Record], mut take: impl FnMut(u32)) {
    for record in records.iter().filter(|record| record.kind().is_readable()) {
        take(term_number(TermKind::AppId, record.app_id()));
        record.tags().for_each(|tag| take(term_number(TermKind::Tag, tag)));
    }
}

/// The terms of consecutive events: pairs of number and frame, rising, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms(Vec<(u32, u8)>);

impl Terms {
    /// The terms of up to 1,024 records; the first stands in frame 0. What cannot be read has none.
    pub(crate) fn of(records: &[Record]) -> Terms {
        let mut terms: Vec<u64> = Vec::with_capacity(2 * records.len());
        // Most terms of a frame stand in many of its events: one that was just seen is left out.
        let mut seen = [u64::MAX; SEEN_TERMS];
        let mut add = |number: u32, frame: usize| {
            // In this form they are sorted faster than as pairs.
            let term = u64::from(number) << 8 | frame as u64;
            let last = &mut seen[number as usize % SEEN_TERMS];
            if *last != term {
                *last = term;
                terms.push(term);
            }
        };
        for (record, position) in records.iter().zip(0usize..) {
            if record.kind().is_readable() {
                let frame = position / FRAME_EVENTS;
                add(term_number(TermKind::AppId, record.app_id()), frame);
                record.tags().for_each(|tag| add(term_number(TermKind::Tag, tag), frame));
            }
        }
        terms.sort_unstable();
        terms.dedup();
        Terms(terms.into_iter().map(|term| ((term >> 8) as u32, term as u8)).collect())
    }

    /// The pairs.
    pub(crate) fn pairs(&self) -> &[(u32, u8)] {
        &self.0
    }

    /// The frames that have the term, as bits.
    pub(crate) fn frames(&self, number: u32) -> u16 {
        let start = self.0.partition_point(|(own, _)| *own < number);
        let own = self.0[start..].iter().take_while(|(own, _)| *own == number);
        own.fold(0, |frames, (_, frame)| frames | 1 << frame)
    }
}

#[cfg(test)]
impl Terms {
    /// Terms from their pairs, which rise.
    pub(crate) fn from_pairs(pairs: Vec<(u32, u8)>) -> Terms {
        Terms(pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_is_a_checksum_of_its_kind_and_its_text() {
        for (kind, byte) in [(TermKind::Tag, 0), (TermKind::AppId, 1)] {
            let both = crc32c::crc32c(&[&[byte], "mill:3".as_bytes()].concat());
            assert_eq!(term_number(kind, "mill:3"), both);
        }
    }
}
