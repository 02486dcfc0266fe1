//! Which terms the open block of a stream may have: what the postings would say of it.
//!
//! The postings name full blocks only, and of thousands of streams each has one that is not full.
//! A term is three bits of one word, chosen by its number; a block has a word for each 8 terms. So
//! few of the terms that it lacks seem to be there. No I/O. Rule: a term that is there is found.

use super::terms::{TermKind, term_number};
use crate::error::Result;
use crate::event::block::{BlockReader, Frame};
use crate::event::codec::Reader;
use crate::event::limits::TAG_BYTES_MAX;
use crate::event::{EventKind, Record};

const TERMS_PER_WORD: usize = 8;

/// The terms of an open block, as bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenTerms(Box<[u64]>);

impl OpenTerms {
    /// Those of records; what a query does not deliver has none.
    pub(crate) fn of_records(records: &[Record]) -> OpenTerms {
        let mut numbers = Vec::new();
        for record in records.iter().filter(|record| record.kind() == EventKind::Application) {
            numbers.push(term_number(TermKind::AppId, record.app_id()));
            numbers.extend(record.tags().map(|tag| term_number(TermKind::Tag, tag)));
        }
        OpenTerms::of(numbers)
    }

    /// Those of a block.
    ///
    /// # Errors
    /// `corrupt`: it is damaged.
    pub(crate) fn of_block(reader: &BlockReader<'_>) -> Result<OpenTerms> {
        let (mut frame, mut numbers) = (Frame::default(), Vec::new());
        let (mut tags, mut scratch) = (Vec::new(), Vec::new());
        for index in 0..reader.frame_count() {
            reader.load(index, &mut frame)?;
            let rows = reader.application_rows(&frame);
            for row in (0..frame.count()).filter(|row| rows >> row & 1 == 1) {
                tags.clear();
                reader.put_tags(&frame, row, &mut tags, &mut scratch)?;
                let mut tags = Reader::new(&tags);
                while !tags.is_empty() {
                    let tag = std::str::from_utf8(tags.counted(TAG_BYTES_MAX, "a tag")?);
                    let tag = tag.map_err(|_| crate::event::codec::bad("a tag is not UTF-8"))?;
                    numbers.push(term_number(TermKind::Tag, tag));
                }
                let app_id = reader.app_id(&frame, row, &mut scratch)?;
                numbers.push(term_number(TermKind::AppId, app_id));
            }
        }
        Ok(OpenTerms::of(numbers))
    }

    /// Whether the term with this number may be there.
    pub(crate) fn may_have(&self, number: u32) -> bool {
        let (word, bits) = self.place(number);
        self.0[word] & bits == bits
    }

    /// Bytes in memory, about.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.0) + 3 * size_of::<usize>()
    }

    fn of(mut numbers: Vec<u32>) -> OpenTerms {
        numbers.sort_unstable();
        numbers.dedup();
        let words = numbers.len().div_ceil(TERMS_PER_WORD).max(1);
        let mut terms = OpenTerms(vec![0; words].into());
        for number in numbers {
            let (word, bits) = terms.place(number);
            terms.0[word] |= bits;
        }
        terms
    }

    fn place(&self, number: u32) -> (usize, u64) {
        let mixed = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let word = ((mixed >> 32) * self.0.len() as u64) >> 32;
        let bits = [0, 6, 12].map(|shift| 1 << (mixed >> shift & 63));
        (word as usize, bits[0] | bits[1] | bits[2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_that_is_there_is_found_and_few_others_are() {
        for count in [0u32, 1, 7, 8, 9, 200, 4000] {
            // Like checksums: no two alike, and spread.
            let number = |at: u32| crc32c::crc32c(&at.to_le_bytes());
            let terms = OpenTerms::of((0..count).map(number).collect());
            assert!((0..count).all(|at| terms.may_have(number(at))), "{count}");
            let others = (0..10_000).filter(|at| terms.may_have(number(1_000_000 + at))).count();
            assert!(others < 800, "{others} of 10,000 seem to be among {count}");
        }
    }
}
