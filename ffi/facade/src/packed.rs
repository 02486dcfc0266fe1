//! Batches of events as blocks of bytes, for languages that a call for each event would cost more
//! than the event is worth.
//!
//! Outward a row of [`ROW_BYTES`] bytes for each event, all little endian:
//! `lamport, offset, time in µs` as f64, then
//! `stream text, app id text, number of tags, end of its tags, end of its payload, 0` as u32. The
//! first two are indexes into [`EventBatch::texts`]; the ends are bytes of [`EventBatch::bytes`].
//! The f64 are exact: offsets, lamports and the times of the next two centuries are below 2^53.
//! Inward, little endian, the number of events u32, then for each of them:
//! `tag count u32, (length u32, tag) × count, length u32, payload`.

use crate::batch::EventBatch;
use crate::draft::Draft;
use crate::errors::{FacadeError, Result, host_error};
use bytes::Bytes;

/// Bytes of a row.
const ROW_BYTES: usize = 3 * 8 + 6 * 4;

impl EventBatch {
    /// The numbers of each event, in order; see the module's contract.
    pub fn rows(&self) -> Vec<u8> {
        let mut rows = Vec::with_capacity(self.len() * ROW_BYTES);
        let streams = self.streams().len();
        let mut end = 0;
        for event in self.iter() {
            let numbers =
                [event.lamport() as f64, event.offset() as f64, event.time_micros() as f64];
            let sizes = event.sizes();
            let tags_end = end + sizes.tags_bytes;
            end = tags_end + sizes.payload_bytes;
            let (stream, app_id) = (event.stream_index(), streams + event.app_id_index());
            let words = [stream, app_id, sizes.tags, tags_end, end, 0];
            let mut row = [0; ROW_BYTES];
            let (left, right) = row.split_at_mut(size_of_val(&numbers));
            left.copy_from_slice(numbers.map(f64::to_le_bytes).as_flattened());
            right.copy_from_slice(words.map(|word| (word as u32).to_le_bytes()).as_flattened());
            rows.extend_from_slice(&row);
        }
        rows
    }

    /// The texts that rows name by index: stream ids, then app ids.
    pub fn texts(&self) -> Vec<String> {
        let app_ids = self.app_ids().map(str::to_owned);
        self.streams().iter().cloned().chain(app_ids).collect()
    }
}

/// The events to publish that `bytes` hold.
///
/// # Errors
/// `invalid_argument`: the bytes are none of this form. Whatever is wrong with an event; the
/// message names its position in the batch.
pub fn drafts_from_packed(bytes: &[u8]) -> Result<Vec<Draft>> {
    // One copy, which all payloads share.
    let whole = Bytes::copy_from_slice(bytes);
    let mut rest = &whole[..];
    let count = take_u32(&mut rest)? as usize;
    // Each has two numbers at least.
    let mut drafts = Vec::with_capacity(count.min(rest.len() / 8));
    let mut tags = Vec::new();
    for _ in 0..count {
        tags.clear();
        for _ in 0..take_u32(&mut rest)? {
            let tag = std::str::from_utf8(take(&mut rest)?).map_err(|_| malformed())?;
            tags.push(tag);
        }
        let draft = Draft::from_cbor(&tags, whole.slice_ref(take(&mut rest)?));
        drafts.push(draft.map_err(|error| in_event(drafts.len(), error))?);
    }
    if rest.is_empty() { Ok(drafts) } else { Err(malformed()) }
}

fn in_event(index: usize, error: FacadeError) -> FacadeError {
    FacadeError { message: format!("event {index}: {}", error.message), ..error }
}

fn take<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8]> {
    let length = take_u32(rest)? as usize;
    let (taken, left) = rest.split_at_checked(length).ok_or_else(malformed)?;
    *rest = left;
    Ok(taken)
}

fn take_u32(rest: &mut &[u8]) -> Result<u32> {
    let (word, left) = rest.split_first_chunk::<4>().ok_or_else(malformed)?;
    *rest = left;
    Ok(u32::from_le_bytes(*word))
}

fn malformed() -> FacadeError {
    host_error("the batch of events is malformed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Lab, LabOptions, PublishOptions, ReadOptions};
    use proptest::prelude::*;

    fn packed(events: &[(&[&str], &[u8])]) -> Vec<u8> {
        let mut bytes = (events.len() as u32).to_le_bytes().to_vec();
        for (tags, payload) in events {
            bytes.extend((tags.len() as u32).to_le_bytes());
            for part in tags.iter().map(|tag| tag.as_bytes()).chain([*payload]) {
                bytes.extend((part.len() as u32).to_le_bytes());
                bytes.extend(part);
            }
        }
        bytes
    }

    #[test]
    fn what_is_packed_inward_comes_out_again_in_rows() {
        let drafts = drafts_from_packed(&packed(&[
            (&["grain", "ship:Anne"], &[0x01]),
            (&[], &[0x62, b'h', b'i']),
        ]));
        let lab =
            Lab::new(LabOptions { app: Some("mill".into()), ..LabOptions::default() }).unwrap();
        lab.publish(1, None, drafts.unwrap(), PublishOptions::default()).unwrap();
        let batch = lab.query(1, "FROM allEvents", ReadOptions::default()).unwrap();
        let (rows, texts) = (batch.rows(), batch.texts());
        assert_eq!(rows.len(), 2 * ROW_BYTES);
        let number = |row: usize, at: usize| {
            let bytes = &rows[row * ROW_BYTES + 8 * at..][..8];
            f64::from_le_bytes(bytes.try_into().unwrap())
        };
        let word = |row: usize, at: usize| {
            let bytes = &rows[row * ROW_BYTES + 24 + 4 * at..][..4];
            u32::from_le_bytes(bytes.try_into().unwrap()) as usize
        };
        for (row, event) in batch.iter().enumerate() {
            let own = (number(row, 0), number(row, 1), number(row, 2));
            let told = (event.lamport() as f64, event.offset() as f64, event.time_micros() as f64);
            assert_eq!(own, told);
            assert_eq!(
                (texts[word(row, 0)].as_str(), texts[word(row, 1)].as_str()),
                (event.stream(), "mill")
            );
            assert_eq!(&batch.bytes()[word(row, 3)..word(row, 4)], event.payload().unwrap());
        }
        assert_eq!((word(0, 2), word(1, 2)), (2, 0), "tags");
        assert_eq!((word(1, 3), word(1, 4)), (word(0, 4), batch.bytes().len()), "no tags, the end");
    }

    #[test]
    fn what_is_wrong_with_an_event_says_with_which() {
        let error = drafts_from_packed(&packed(&[(&["a"], &[0x01]), (&["a"], &[0xff])]));
        let error = error.unwrap_err();
        assert!(error.message.starts_with("event 1: "), "{error}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_take_more_memory_than_they_are(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..200),
            count in any::<u32>(),
        ) {
            let _ = drafts_from_packed(&bytes);
            bytes.splice(..0, count.to_le_bytes());
            let _ = drafts_from_packed(&bytes);
        }

        #[test]
        fn a_batch_that_was_cut_is_malformed(cut in 1..20usize) {
            let whole = packed(&[(&["a", "b"], &[0x01]), (&[], &[0x02])]);
            let error = drafts_from_packed(&whole[..whole.len() - cut]).unwrap_err();
            prop_assert_eq!(error.name, "invalid_argument");
        }
    }
}
