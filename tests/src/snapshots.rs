//! A node that saves states beside its events, for the crash campaigns.
//!
//! Every state follows from the number of events it was made of, so a store can be checked without
//! a second copy. Begin with [`run`] and [`verify`].

use crate::crash::{self, SEGMENT_BYTES, mix};
use millpond::Result;
use millpond::event::{AppId, EventKey, KeyPosition, SwarmSecret, WallTime};
use millpond::log::{AppendOptions, Log, LogOptions, Snapshot, Snapshots};
use std::path::Path;
use std::sync::Arc;

/// Snapshots that are kept.
const KEPT: usize = 3;

/// Opens the store at `path`.
///
/// # Errors
/// As `Log::open`.
pub fn open(path: &Path) -> Result<Log> {
    let clock = Arc::new(|| WallTime::from_micros(1_760_000_000_000_000));
    let swarm = SwarmSecret::from_bytes([0x33; 32]).swarm_id();
    let mut options = LogOptions::new(path, swarm, [1; 32], clock);
    options.segment_bytes = SEGMENT_BYTES;
    Log::open(options)
}

/// Appends `commits` batches and saves a state after each; `say` is told of how many events a state
/// is on disk.
///
/// # Errors
/// Those of the log.
pub fn run(log: &Log, commits: u64, mut say: impl FnMut(u64)) -> Result<()> {
    let (snapshots, app_id) = (of(log)?, AppId::parse("com.example.crash")?);
    let mut held = 0;
    for commit in 0..commits {
        let batch = crash::batch(7, held, commit);
        held += batch.len() as u64;
        let appended = log.append(batch, AppendOptions::new(app_id.clone())).wait()?;
        let last = appended.receipt(appended.count - 1).key;
        let position = KeyPosition { offsets: appended.token(), last: Some(last) };
        let snapshot = Snapshot { position, reset: None, state: state(held).into() };
        let old = snapshots.list()?.into_iter().skip(KEPT - 1).map(|own| own.key);
        snapshots.change(&[snapshot], &old.collect::<Vec<EventKey>>())?;
        say(held);
    }
    Ok(())
}

/// Checks a store: its own checks, that each snapshot is of events that it holds, and that it is
/// what was saved. Returns of how many events there is a state.
///
/// # Errors
/// What is wrong, in words.
pub fn verify(log: &Log) -> std::result::Result<u64, String> {
    let report = log.verify(|| true).wait().map_err(|error| format!("verify: {error}"))?;
    if report.damage_count > 0 {
        return Err(format!("damaged: {:?}", report.damages));
    }
    let wrong = |error| format!("a snapshot: {error}");
    let (snapshots, durable) = (of(log).map_err(wrong)?, log.durable_map().map_err(wrong)?);
    let (mut newest, mut kept) = (0, 0);
    for entry in snapshots.list().map_err(wrong)? {
        let loaded = snapshots.load(entry.key).map_err(wrong)?;
        let snapshot = loaded.ok_or("a snapshot that is listed is damaged")?;
        let held = snapshot.position.offsets.count(&entry.key.stream);
        if !durable.covers(&snapshot.position.offsets) {
            return Err(format!("a state of {held} events, which are not all there"));
        }
        if snapshot.state != state(held) {
            return Err(format!("another state after {held} events than was saved"));
        }
        (newest, kept) = (newest.max(held), kept + 1);
    }
    if kept > KEPT { Err(format!("{kept} snapshots are kept")) } else { Ok(newest) }
}

fn of(log: &Log) -> Result<Snapshots> {
    log.snapshots("press", [5; 32])
}

/// A state after so many events: mostly small, now and then several pages.
fn state(held: u64) -> Vec<u8> {
    let random = mix(11, held);
    let bytes = if random.is_multiple_of(5) { 20_000 } else { random % 900 };
    (0..bytes).map(|at| (random >> (at % 8)) as u8 ^ at as u8).collect()
}
