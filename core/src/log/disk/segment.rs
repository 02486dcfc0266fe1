//! The bytes of a journal segment: records one after the other, each with its checksum.
//!
//! Not here: files (`journal`), what a body says (`body`). No I/O. Rule: a record counts only if
//! its checksum fits *and* it continues the record before it: same chain of checksums, next index,
//! no smaller generation. So bytes left over from an earlier round are never taken for new ones.
//! Begin with `scan`. Source: docs/format.md, "Journal".

use std::ops::Range;

/// First four bytes of every record.
pub(crate) const RECORD_MAGIC: [u8; 4] = *b"mpj0";
/// Bytes before the body.
pub(crate) const RECORD_HEADER_BYTES: usize = 40;
/// Records begin at multiples of this.
pub(crate) const RECORD_ALIGNMENT: usize = 8;

/// What stands before the body of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    /// Bytes of the body, without padding.
    pub(crate) body_bytes: u32,
    /// Rises whenever a segment is taken into use, the store is opened or a failed write is undone.
    pub(crate) generation: u64,
    /// Rises by one with each record over the life of the store; the first is 1.
    pub(crate) index: u64,
    /// The highest index known to be durable before this record was written.
    pub(crate) synced_index: u64,
    /// Checksum of the record before this one in the segment, 0 for the first.
    pub(crate) previous_crc: u32,
}

/// A record found in a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundRecord {
    pub(crate) header: RecordHeader,
    pub(crate) crc: u32,
    pub(crate) body: Range<usize>,
}

/// The good records from the start of a segment on, and where they end.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    pub(crate) records: Vec<FoundRecord>,
    /// Byte position behind the last good record.
    pub(crate) end: usize,
    /// What stands there and is no good record; `None` where a header has no place.
    next: Option<[u8; RECORD_HEADER_BYTES]>,
}

/// Writes the header into the first bytes of `record`, whose body is in place, and pads the end.
///
/// Returns the checksum, which the next record names.
pub(crate) fn seal_record(record: &mut Vec<u8>, mut header: RecordHeader) -> u32 {
    assert!(record.len() >= RECORD_HEADER_BYTES, "the header has its place");
    let body_bytes = record.len() - RECORD_HEADER_BYTES;
    header.body_bytes = u32::try_from(body_bytes).expect("a commit is bounded far below 4 GiB");
    record[0..4].copy_from_slice(&RECORD_MAGIC);
    record[4..8].copy_from_slice(&header.body_bytes.to_le_bytes());
    record[8..16].copy_from_slice(&header.generation.to_le_bytes());
    record[16..24].copy_from_slice(&header.index.to_le_bytes());
    record[24..32].copy_from_slice(&header.synced_index.to_le_bytes());
    record[32..36].copy_from_slice(&header.previous_crc.to_le_bytes());
    let crc = record_crc(record, body_bytes);
    record[36..40].copy_from_slice(&crc.to_le_bytes());
    record.resize(padded(record.len()), 0);
    crc
}

/// Reads the good records from the start of `segment` on.
pub(crate) fn scan(segment: &[u8]) -> Scan {
    let mut scan = Scan::default();
    while let Some(found) = record_at(segment, scan.end) {
        if !scan.continues(&found.header) {
            return scan;
        }
        scan.end = padded(found.body.end);
        scan.records.push(found);
    }
    scan.next = segment.get(scan.end..).and_then(|rest| rest.first_chunk()).copied();
    scan
}

/// The highest `synced_index` that any whole record from byte `from` on names, and where.
///
/// A record behind a bad one can prove that the bad one was durable once.
pub(crate) fn evidence(segment: &[u8], from: usize) -> Option<(u64, usize)> {
    let mut best: Option<(u64, usize)> = None;
    let mut position = from;
    while position + RECORD_HEADER_BYTES <= segment.len() {
        if segment[position..position + 4] == RECORD_MAGIC
            && let Some(found) = record_at(segment, position)
            && best.is_none_or(|(synced, _)| found.header.synced_index > synced)
        {
            best = Some((found.header.synced_index, position));
        }
        position += RECORD_ALIGNMENT;
    }
    best
}

/// `bytes` rounded up to where the next record may begin.
pub(crate) const fn padded(bytes: usize) -> usize {
    bytes.next_multiple_of(RECORD_ALIGNMENT)
}

impl Scan {
    /// Whether the record `index` begins behind the good ones and is not whole.
    ///
    /// One bit of what tells it from left-overs may have flipped.
    pub(crate) fn is_torn(&self, index: u64) -> bool {
        let Some(next) = &self.next else { return false };
        let previous_crc = self.records.last().map_or(0, |last| last.crc).to_le_bytes();
        let expected = RECORD_MAGIC.into_iter().chain(index.to_le_bytes()).chain(previous_crc);
        let found = next[0..4].iter().chain(&next[16..24]).chain(&next[32..36]);
        expected.zip(found).map(|(one, other)| (one ^ other).count_ones()).sum::<u32>() <= 1
    }

    fn continues(&self, header: &RecordHeader) -> bool {
        match self.records.last() {
            None => header.previous_crc == 0,
            Some(last) => {
                header.previous_crc == last.crc
                    && header.index == last.header.index + 1
                    && header.generation >= last.header.generation
            }
        }
    }
}

fn record_at(segment: &[u8], position: usize) -> Option<FoundRecord> {
    let header = header_at(segment, position)?;
    let body_bytes = header.body_bytes as usize;
    let start = position + RECORD_HEADER_BYTES;
    let record = segment.get(position..start.checked_add(body_bytes)?)?;
    let crc = u32_at(record, 36);
    let fits = record_crc(record, body_bytes) == crc;
    fits.then(|| FoundRecord { header, crc, body: start..start + body_bytes })
}

fn header_at(segment: &[u8], position: usize) -> Option<RecordHeader> {
    let bytes = segment.get(position..position.checked_add(RECORD_HEADER_BYTES)?)?;
    (bytes[0..4] == RECORD_MAGIC).then(|| RecordHeader {
        body_bytes: u32_at(bytes, 4),
        generation: u64_at(bytes, 8),
        index: u64_at(bytes, 16),
        synced_index: u64_at(bytes, 24),
        previous_crc: u32_at(bytes, 32),
    })
}

/// CRC-32C over the header without its last four bytes, and the body.
fn record_crc(record: &[u8], body_bytes: usize) -> u32 {
    let crc = crc32c::crc32c(&record[..36]);
    let body = &record[RECORD_HEADER_BYTES..RECORD_HEADER_BYTES + body_bytes];
    crc32c::crc32c_append(crc, body)
}

fn u32_at(bytes: &[u8], position: usize) -> u32 {
    u32::from_le_bytes(bytes[position..position + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], position: usize) -> u64 {
    u64::from_le_bytes(bytes[position..position + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(bodies: &[&[u8]], generation: u64, first_index: u64) -> Vec<u8> {
        let mut segment = Vec::new();
        let mut previous_crc = 0;
        for (step, body) in bodies.iter().enumerate() {
            let index = first_index + step as u64;
            let header = RecordHeader {
                body_bytes: 0,
                generation,
                index,
                synced_index: index - 1,
                previous_crc,
            };
            let mut record = vec![0; RECORD_HEADER_BYTES];
            record.extend_from_slice(body);
            previous_crc = seal_record(&mut record, header);
            segment.extend_from_slice(&record);
        }
        segment
    }

    #[test]
    fn records_come_back_whole_and_in_order() {
        let mut bytes = segment(&[b"one", b"", b"three four five"], 3, 10);
        bytes.resize(4096, 0);
        let scan = scan(&bytes);
        let bodies: Vec<&[u8]> = scan.records.iter().map(|r| &bytes[r.body.clone()]).collect();
        assert_eq!(bodies, [&b"one"[..], b"", b"three four five"]);
        assert!(!scan.is_torn(13));
        assert_eq!(scan.records[2].header.index, 12);
    }

    #[test]
    fn a_flipped_bit_anywhere_ends_the_good_records_before_it() {
        let bytes = segment(&[b"one", b"two"], 1, 1);
        let second = padded(RECORD_HEADER_BYTES + 3);
        for position in second..second + RECORD_HEADER_BYTES + 3 {
            let mut flipped = bytes.clone();
            flipped[position] ^= 0x10;
            let scan = scan(&flipped);
            assert!(scan.records.len() == 1 && scan.is_torn(2), "byte {position}");
        }
    }

    #[test]
    fn a_cut_record_is_torn_and_what_follows_it_proves_that_it_was_durable() {
        let mut bytes = segment(&[b"one", b"two", b"three"], 1, 1);
        let second = padded(RECORD_HEADER_BYTES + 3);
        bytes[second + RECORD_HEADER_BYTES] ^= 1;
        let scan = scan(&bytes);
        assert_eq!((scan.records.len(), scan.end, scan.is_torn(2)), (1, second, true));
        assert_eq!(evidence(&bytes, scan.end), Some((2, 2 * second)));
    }

    #[test]
    fn bytes_of_an_earlier_round_are_never_taken_for_new_ones() {
        let mut bytes = segment(&[b"old", b"old", b"old"], 1, 1);
        let new = segment(&[b"new"], 2, 4);
        bytes[..new.len()].copy_from_slice(&new);
        let scan = scan(&bytes);
        assert_eq!(scan.records.len(), 1);
        assert!(!scan.is_torn(5), "a left-over record does not continue the new one");
    }
}
