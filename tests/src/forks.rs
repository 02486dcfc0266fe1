//! A node whose key is used twice, for the crash campaigns: its own stream forks, again and again.
//!
//! Every visible event says whose it is and which one, so a store can be checked without a second
//! copy. Begin with [`run`] and [`verify`].

use crate::crash::SEGMENT_BYTES;
use millpond::EventView;
use millpond::event::cbor::Value;
use millpond::event::{
    AppId, Branch, Chain, EventKind, EventRange, Header, Lamport, NewEvent, NodeKey, Payload,
    Record, SealRule, StreamEnd, StreamId, SwarmId, SwarmSecret, TagSet, WallTime,
};
use millpond::log::{AppendOptions, Appended, CursorOptions, Log, LogOptions};
use millpond::query::Query;
use millpond::{Error, Result};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Events of each append.
pub const BATCH: u64 = 40;
/// Bytes of our events with which what a fork copies fills several records of the journal.
pub const FILL_BYTES: usize = 9_000;
/// Events that another holder of the key wrote, in each fork.
const OTHERS: u64 = 25;
/// Writes our events.
const OURS: &str = "ours";

/// Opens the store at `path`, of a node whose key everybody knows.
///
/// # Errors
/// As `Log::open`.
pub fn open(path: &Path) -> Result<Log> {
    let clock = Arc::new(|| WallTime::from_micros(1_760_000_000_000_000));
    let mut options = LogOptions::new(path, swarm(), [1; 32], clock);
    options.node_key = Some(key());
    options.segment_bytes = SEGMENT_BYTES;
    Log::open(options)
}

/// Appends, and after every third of `commits` appends meets another history of the own stream;
/// `say` is told how many events are acknowledged. Each event of ours has so many `bytes`, about.
///
/// # Errors
/// Those of the log.
pub fn run(log: &Log, commits: u64, bytes: usize, mut say: impl FnMut(u64)) -> Result<()> {
    let (mut ours, mut all, mut first) = (0, 0, None);
    for commit in 0..commits {
        let appended = publish(log, ours..ours + BATCH, bytes)?;
        let stream = *first.get_or_insert(appended.stream);
        (ours, all) = (ours + BATCH, all + BATCH);
        say(all);
        if commit % 3 != 2 {
            continue;
        }
        // In the stream that is written, then in the first one below where it is sealed.
        let held = log.durable_map()?.count(&stream);
        let (of, at) = match commit % 6 {
            2 => (appended.stream, appended.first_offset.value() - BATCH / 2),
            _ => (stream, held / 2),
        };
        let (branch, range) = other_history(log, of, at, &format!("other{commit}"), OTHERS)?;
        log.fork(branch, range, commit % 8).wait()?;
        all += OTHERS;
        say(all);
    }
    Ok(())
}

/// Appends these events of ours, each of so many `bytes`, about.
///
/// # Errors
/// Those of the log.
pub fn publish(log: &Log, numbers: Range<u64>, bytes: usize) -> Result<Appended> {
    let events = numbers.map(|number| new_event(OURS, number, bytes)).collect();
    log.append(events, AppendOptions::new(AppId::parse("com.example.crash")?)).wait()
}

/// Checks the whole store: its own checks, and of each writer all events up to some number, each
/// once; of a writer of another history all or none. Returns the number of events.
///
/// # Errors
/// What is wrong, in words.
pub fn verify(log: &Log) -> std::result::Result<u64, String> {
    log.check().map_err(|error| format!("check: {error}"))?;
    let mut writers: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut read = || -> Result<()> {
        let mut cursor = log.cursor(&Query::all(), CursorOptions::default())?;
        loop {
            let batch = cursor.next_batch(256)?;
            if batch.is_empty() {
                return Ok(());
            }
            for event in batch.iter() {
                let (name, number) = read_event(&event)?;
                writers.entry(name).or_default().push(number);
            }
        }
    };
    read().map_err(|error| error.to_string())?;
    for (name, numbers) in &mut writers {
        numbers.sort_unstable();
        if numbers.iter().copied().ne(0..numbers.len() as u64) {
            return Err(format!("of {name} an event is missing or there twice"));
        }
        if name != OURS && numbers.len() as u64 != OTHERS {
            return Err(format!("{} events of {name}", numbers.len()));
        }
    }
    let all: u64 = writers.values().map(|numbers| numbers.len() as u64).sum();
    match log.status().map_err(|error| error.to_string())?.event_count {
        // Opening records are events that no query selects.
        count if count < u128::from(all) => Err(format!("{count} events are counted of {all}")),
        _ => Ok(all),
    }
}

/// What somebody else with our key wrote in our trunk `of` from the event `at` on: where that
/// forks, and its events, at most `count` that differ and none beyond the end of the block.
///
/// # Errors
/// Those of the log.
pub fn other_history(
    log: &Log,
    of: StreamId,
    at: u64,
    name: &str,
    count: u64,
) -> Result<(Branch, EventRange)> {
    let start = log.block_start(&of, at)?.expect("the event is held");
    let (key, swarm) = (log.node_key(), log.swarm_id());
    let mut end = StreamEnd::empty(&swarm, &of);
    if start > 0 {
        let before = log.read_range(&of, start - 1)?.expect("events before it are held");
        end = StreamEnd::from(&before.head);
    }
    let base = end;
    let mut records = log.read_range(&of, start)?.expect("it is held").into_records();
    records.truncate((at - start) as usize);
    let (mut floor, mut seal) = (Chain::start(&swarm, &of), SealRule::new());
    for number in 0..records.len() as u64 + count {
        if let Some(new) = number.checked_sub(at - start) {
            let lamport = records.last().map_or(end.lamport, Record::lamport);
            records.push(record(lamport.plus(1)?, &new_event(name, new, 30))?);
        }
        let own = &records[number as usize];
        let is_full = seal.push(own.as_bytes().len());
        let chain = end.chain.extend(&own.leaf());
        end = StreamEnd { count: end.count + 1, chain, lamport: own.lamport() };
        if end.count == at + 1 {
            floor = chain;
        }
        if is_full {
            break;
        }
    }
    let stream = of.branch(&floor);
    let head = key.sign_head(&swarm, of.trunk().number, end.count, end.lamport, end.chain);
    let held = log.head(&of).expect("it is held");
    let proof = [held, head.on(stream)];
    let branch = Branch { stream, of, base, floor: at, proof };
    Ok((branch, EventRange::new(start, records, head.on(stream))))
}

fn key() -> NodeKey {
    NodeKey::from_seed(&[0x33; 32])
}

fn swarm() -> SwarmId {
    SwarmSecret::from_bytes([0x33; 32]).swarm_id()
}

fn new_event(name: &str, number: u64, bytes: usize) -> NewEvent {
    let fill = Value::Bytes((0..bytes).map(|at| ((at as u64 * 31) ^ number) as u8).collect());
    let value = Value::map([("n", Value::from(number)), ("fill", fill)]);
    NewEvent {
        tags: TagSet::new([name]).expect("a short tag"),
        payload: Payload::from_value(&value).expect("a small payload"),
    }
}

fn record(lamport: Lamport, event: &NewEvent) -> Result<Record> {
    let header = Header {
        kind: EventKind::Application,
        lamport,
        time: WallTime::from_micros(0),
        app_id: AppId::parse("com.example.crash")?,
        tags: event.tags.clone(),
    };
    Ok(Record::encode(&header, &event.payload))
}

fn read_event(event: &EventView<'_>) -> Result<(String, u64)> {
    let Value::Map(map) = event.payload().to_value()? else { return Err(not_ours()) };
    match (event.tags().next(), map.get("n")) {
        (Some(name), Some(Value::Integer(number))) => {
            let number = u64::try_from(number.value()).map_err(|_| not_ours())?;
            Ok((name.to_owned(), number))
        }
        _ => Err(not_ours()),
    }
}

fn not_ours() -> Error {
    Error::new(millpond::ErrorKind::Corrupt, "an event that nobody wrote")
}
