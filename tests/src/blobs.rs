//! A node that adds blobs one after the other, or publishes some of them while the others are
//! collected, for the crash campaigns.
//!
//! Every blob follows from a seed and its place, so a store can be checked without a second copy.
//! Begin with [`run`] and [`verify`], [`run_collecting`] and [`verify_collecting`], or
//! [`run_fetching`] and [`verify_fetching`].

use crate::crash::{SEGMENT_BYTES, mix};
use millpond::event::cbor::Value;
use millpond::event::{AppId, NewEvent, Payload, SwarmSecret, TagSet};
use millpond::query::Query;
use millpond::{
    About, BlobId, BlobOptions, BlobState, ErrorKind, NetworkOptions, Node, NodeOptions,
    PeerAddress, PublishOptions, QueryOptions, Result, StorageOptions,
};
use std::collections::BTreeSet;
use std::io::Cursor;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The variable with the ticket of a peer that has all blobs.
pub const TICKET: &str = "MILLPOND_TEST_TICKET";

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

/// Opens the store at `path` with this peer, on loopback.
///
/// # Errors
/// As `Node::open`.
pub fn open_fetching(path: &Path, peer: PeerAddress) -> Result<Node> {
    let bind = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
    let network = NetworkOptions { bind, peers: vec![peer], ..NetworkOptions::default() };
    Node::open(NodeOptions {
        path: path.to_owned(),
        app_id: AppId::parse("com.example.crash")?,
        swarm: SwarmSecret::from_bytes([0x33; 32]),
        former_secrets: Vec::new(),
        network: Some(network),
        storage: StorageOptions { segment_bytes: SEGMENT_BYTES, ..StorageOptions::default() },
    })
}

/// Fetches the blobs of the places from `from` on, up to `end`; `say` is told how many there are.
///
/// # Errors
/// Those of the store.
pub fn run_fetching(
    node: &Node,
    seed: u64,
    (from, end): (u64, u64),
    mut say: impl FnMut(u64),
) -> Result<()> {
    for at in from..end {
        node.blobs().fetch(BlobId::of(&content(seed, at))).finish().wait()?;
        say(at + 1);
    }
    Ok(())
}

/// Checks a store of [`run_fetching`]: each blob is whole and one of ours, or a part of the one
/// that was fetched last. Returns how many places there are.
///
/// # Errors
/// What is wrong, in words.
pub fn verify_fetching(node: &Node, seed: u64) -> std::result::Result<u64, String> {
    let wrong = |error: millpond::Error| error.to_string();
    let held = held(node, seed).map_err(wrong)?;
    let next = BlobId::of(&content(seed, held));
    let part = node.blobs().stat(&next).ok().filter(|stat| stat.state == BlobState::Part);
    let report = node.blobs().verify(None).finish().wait().map_err(wrong)?;
    if report.strays > 0 || report.damaged.iter().any(|id| *id != next) {
        return Err(format!("{report:?} while {next} is fetched"));
    }
    // What its pages speak of is there.
    let after = node.blobs().stat(&next).ok().filter(|stat| stat.state == BlobState::Part);
    if part.map(|part| part.held_bytes) != after.map(|after| after.held_bytes) {
        return Err(format!("a part of {next} was not what it said"));
    }
    let ours: BTreeSet<BlobId> = (0..held).map(|at| BlobId::of(&content(seed, at))).collect();
    if report.whole != ours.len() as u64 {
        return Err(format!("{} blobs are there, {} places have one", report.whole, ours.len()));
    }
    Ok(held)
}

/// Opens the store at `path` so that a blob may be collected at once.
///
/// # Errors
/// As `Node::open`.
pub fn open_collecting(path: &Path) -> Result<Node> {
    let blobs = BlobOptions { collect_grace: Duration::ZERO, ..BlobOptions::default() };
    Node::open(NodeOptions {
        path: path.to_owned(),
        app_id: AppId::parse("com.example.crash")?,
        swarm: SwarmSecret::from_bytes([0x33; 32]),
        former_secrets: Vec::new(),
        network: None,
        storage: StorageOptions {
            segment_bytes: SEGMENT_BYTES,
            blobs,
            ..StorageOptions::default()
        },
    })
}

/// Adds `count` more from place `from` on while another thread collects, and publishes an event
/// with each second of them; `say` is told how many events there are.
///
/// # Errors
/// Those of the store.
///
/// # Panics
/// A collection fails.
pub fn run_collecting(
    node: &Node,
    seed: u64,
    from: u64,
    count: u64,
    mut say: impl FnMut(u64),
) -> Result<()> {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Acquire) {
                node.blobs().collect().finish().wait().expect("what nothing keeps is collected");
            }
        });
        let published = (from..from + count).try_for_each(|place| {
            // What nobody refers to.
            node.blobs().add_bytes(content(seed, 2 * place + 1), About::default()).wait()?;
            while !publish(node, seed, place)? {}
            say(place + 1);
            Ok(())
        });
        is_over.store(true, Ordering::Release);
        published
    })
}

/// Adds the blob of a place and publishes its event; false when it was collected in between.
fn publish(node: &Node, seed: u64, place: u64) -> Result<bool> {
    let blob = node.blobs().add_bytes(content(seed, 2 * place), About::default()).wait()?;
    let event =
        NewEvent { tags: TagSet::new(["blob"])?, payload: Payload::from_value(&Value::Null)? };
    let events = vec![event.with_blobs(&[blob])?];
    match node.publish(events, PublishOptions::default()).wait() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        published => published.map(|_| true),
    }
}

/// Checks a store of [`run_collecting`]: the blob of each event is there, whole and the right one,
/// and no file is left of any other. Returns how many events there are.
///
/// # Errors
/// What is wrong, in words.
pub fn verify_collecting(node: &Node, seed: u64) -> std::result::Result<u64, String> {
    let wrong = |error: millpond::Error| error.to_string();
    let report = node.blobs().verify(None).finish().wait().map_err(wrong)?;
    if !report.damaged.is_empty() || report.strays > 0 {
        return Err(format!("{report:?}"));
    }
    let query = Query::parse("FROM 'blob'").map_err(wrong)?;
    let mut cursor = node.query(&query, QueryOptions::default()).map_err(wrong)?;
    let mut place = 0;
    loop {
        let batch = cursor.next_batch(1_000).map_err(wrong)?;
        if batch.is_empty() {
            return Ok(place);
        }
        for event in batch.iter() {
            let ids: Vec<BlobId> = event.blobs().into_iter().map(|blob| blob.id).collect();
            if ids != [BlobId::of(&content(seed, 2 * place))] {
                return Err(format!("event {place} refers to {ids:?}"));
            }
            if !node.blobs().has(&ids[0]).map_err(wrong)? {
                return Err(format!("the blob of event {place} is gone"));
            }
            place += 1;
        }
    }
}
