//! A node that adds blobs one after the other, for the crash campaign.
//!
//! Every blob follows from a seed and its place, so a store can be checked without a second copy.
//! Begin with [`run`] and [`verify`].

use crate::crash::mix;
use millpond::{About, BlobId, Node, Result};
use std::collections::BTreeSet;
use std::io::Cursor;

/// Sizes around which something changes.
const EDGES: [usize; 6] = [0, 1_000, 16_384, 65_536, 131_072, 458_752];

/// The bytes at place `at`; some are those of an earlier place.
pub fn content(seed: u64, at: u64) -> Vec<u8> {
    let at = if at % 7 == 6 { at - 3 } else { at };
    let roll = mix(seed, at);
    let size = EDGES[(roll % EDGES.len() as u64) as usize] + (roll >> 8) as usize % 3_000;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        bytes.extend_from_slice(&mix(roll, bytes.len() as u64).to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

/// How many places from the first on are there.
///
/// # Errors
/// Those of the store.
pub fn held(node: &Node, seed: u64) -> Result<u64> {
    let mut at = 0;
    while node.blobs().has(&BlobId::of(&content(seed, at)))? {
        at += 1;
    }
    Ok(at)
}

/// Adds `count` more from place `from` on, each in another way; `say` is told how many there are.
///
/// # Errors
/// Those of the store.
pub fn run(node: &Node, seed: u64, from: u64, count: u64, mut say: impl FnMut(u64)) -> Result<()> {
    let (blobs, about) = (node.blobs(), About::default());
    for at in from..from + count {
        let bytes = content(seed, at);
        let size = Some(bytes.len() as u64);
        // One that is given up is always under way, too.
        let mut given_up = blobs.writer(about.clone(), None)?;
        given_up.take(&bytes)?;
        let added = match mix(seed, at) >> 32 & 3 {
            0 => blobs.add_bytes(bytes, about.clone()).wait()?,
            1 => blobs.add_reader(Cursor::new(bytes), None, about.clone()).finish().wait()?,
            2 => blobs.add_reader(Cursor::new(bytes), size, about.clone()).finish().wait()?,
            _ => {
                let mut writer = blobs.writer(about.clone(), size)?;
                bytes.chunks(50_000).try_for_each(|piece| writer.take(piece))?;
                writer.finish().finish().wait()?
            }
        };
        assert_eq!(added.id, BlobId::of(&content(seed, at)), "the id is the hash");
        say(at + 1);
    }
    Ok(())
}

/// Checks a store: every blob that is there is whole and one of ours, each file and each number has
/// its blob, and so it is with the log. Returns how many places there are.
///
/// # Errors
/// What is wrong, in words.
pub fn verify(node: &Node, seed: u64) -> std::result::Result<u64, String> {
    let wrong = |error: millpond::Error| error.to_string();
    let report = node.blobs().verify(None).finish().wait().map_err(wrong)?;
    if !report.damaged.is_empty() || report.strays > 0 {
        return Err(format!("{report:?}"));
    }
    let held = held(node, seed).map_err(wrong)?;
    // The one behind the last may be there before it is said so.
    let ours: BTreeSet<BlobId> = (0..held).map(|at| BlobId::of(&content(seed, at))).collect();
    if report.whole != ours.len() as u64 {
        return Err(format!("{} blobs are there, {} places have one", report.whole, ours.len()));
    }
    let log = node.verify(|| true).wait().map_err(wrong)?;
    if log.damage_count > 0 {
        return Err(format!("damaged: {:?}", log.damages));
    }
    Ok(held)
}
