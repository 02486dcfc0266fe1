//! The index of one run of events: for each tag and app id the positions that carry it.
//!
//! ```text
//! index   = u32 event_count ‖ u32 term_count ‖ u32 start × (term_count + 1) ‖ entry …
//! entry   = varint term_len ‖ term ‖ varint position_count ‖ varint delta …
//! term    = kind (0 tag, 1 app id) ‖ text                  (terms rise strictly)
//! ```
//! Not here: where it is kept (`tables`, `run`). No I/O. Rule: a term is found by binary search;
//! nothing else is decoded. Source: docs/format.md, "Index".

use crate::error::Result;
use crate::event::Record;
use crate::event::codec::{Reader, bad, put_varint};
use crate::query::Conjunction;
use bytes::Bytes;
use std::cmp::Ordering;
use std::collections::BTreeMap;

const KIND_TAG: u8 = 0;
const KIND_APP_ID: u8 = 1;

/// One index, as bytes. Cloning shares them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Index(Bytes);

impl Index {
    /// The index of these records; the first has position 0. What cannot be read is not found by
    /// anything.
    pub(crate) fn of(records: &[Record]) -> Index {
        let mut terms: BTreeMap<(u8, &str), Vec<u32>> = BTreeMap::new();
        let positioned = records.iter().zip(0u32..);
        for (record, position) in positioned.filter(|(record, _)| record.kind().is_readable()) {
            terms.entry((KIND_APP_ID, record.app_id())).or_default().push(position);
            for tag in record.tags() {
                terms.entry((KIND_TAG, tag)).or_default().push(position);
            }
        }
        let mut starts = Vec::with_capacity(terms.len() + 1);
        let mut entries = Vec::new();
        for ((kind, text), positions) in &terms {
            starts.push(entries.len() as u32);
            put_varint(&mut entries, text.len() as u64 + 1);
            entries.push(*kind);
            entries.extend_from_slice(text.as_bytes());
            put_varint(&mut entries, positions.len() as u64);
            let mut last = 0;
            for position in positions {
                put_varint(&mut entries, u64::from(position - last));
                last = *position;
            }
        }
        starts.push(entries.len() as u32);
        let mut bytes = Vec::with_capacity(8 + starts.len() * 4 + entries.len());
        bytes.extend_from_slice(&(records.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&(terms.len() as u32).to_le_bytes());
        starts.iter().for_each(|start| bytes.extend_from_slice(&start.to_le_bytes()));
        bytes.extend_from_slice(&entries);
        Index(bytes.into())
    }

    /// Bytes whose checksum showed that `of` made them.
    pub(crate) fn from_checked(bytes: Bytes) -> Index {
        Index(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// Positions that meet the tags and the app id of any of these, rising; `None` means all.
    ///
    /// # Errors
    /// `corrupt`: the bytes are not an index.
    pub(crate) fn candidates(&self, conjunctions: &[&Conjunction]) -> Result<Option<Vec<u32>>> {
        let mut union: Vec<u32> = Vec::new();
        for conjunction in conjunctions {
            match self.conjunction(conjunction)? {
                None => return Ok(None),
                Some(positions) => union.extend(positions),
            }
        }
        union.sort_unstable();
        union.dedup();
        Ok(Some(union))
    }

    fn conjunction(&self, conjunction: &Conjunction) -> Result<Option<Vec<u32>>> {
        let tags = conjunction.tags.iter().map(|tag| (KIND_TAG, tag.as_str()));
        let app_id = conjunction.app_id.iter().map(|app_id| (KIND_APP_ID, app_id.as_str()));
        let mut met: Option<Vec<u32>> = None;
        for (kind, text) in tags.chain(app_id) {
            let positions = self.positions(kind, text)?;
            met = Some(match met {
                None => positions,
                Some(before) => intersection(&before, &positions),
            });
            if met.as_ref().is_some_and(Vec::is_empty) {
                break;
            }
        }
        Ok(met)
    }

    fn positions(&self, kind: u8, text: &str) -> Result<Vec<u32>> {
        let mut fixed = Reader::new(&self.0);
        let (event_count, term_count) = (fixed.u32()?, fixed.u32()? as usize);
        let starts = fixed.bytes(term_count.saturating_add(1).saturating_mul(4))?;
        let entries = fixed.rest();
        let (mut low, mut high) = (0, term_count);
        while low < high {
            let middle = (low + high) / 2;
            let start = &starts[middle * 4..middle * 4 + 4];
            let start = u32::from_le_bytes(start.try_into().expect("four bytes")) as usize;
            let entry = entries.get(start..).ok_or_else(|| bad("an index entry is outside"))?;
            let mut reader = Reader::new(entry);
            let term = reader.counted(usize::MAX, "a term")?;
            let (own_kind, own_text) =
                term.split_first().ok_or_else(|| bad("an index term is empty"))?;
            match (*own_kind, own_text).cmp(&(kind, text.as_bytes())) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return read_positions(&mut reader, event_count),
            }
        }
        Ok(Vec::new())
    }
}

fn read_positions(reader: &mut Reader<'_>, event_count: u32) -> Result<Vec<u32>> {
    let count = reader.varint_max(u64::from(event_count), "the positions of a term")?;
    let mut positions = Vec::with_capacity(count as usize);
    let mut last = 0u64;
    for _ in 0..count {
        last = last.saturating_add(reader.varint()?);
        if last >= u64::from(event_count) {
            return Err(bad("an index names a position outside its run"));
        }
        positions.push(last as u32);
    }
    Ok(positions)
}

fn intersection(left: &[u32], right: &[u32]) -> Vec<u32> {
    let (small, large) = if left.len() < right.len() { (left, right) } else { (right, left) };
    small.iter().copied().filter(|position| large.binary_search(position).is_ok()).collect()
}
