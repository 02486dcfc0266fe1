//! Bits that flip on disk: each file of a store, one bit at a time.
//!
//! After a flip the store opens or is `corrupt`; what opens answers everything as before or is
//! `corrupt` where the answer would lie, takes another event, and is the same when it is opened
//! again. Nothing else: no other answer, no hang, no dead process (which would end this program).

use crate::nodes::{event, secret};
use crate::support::Scratch;
use millpond::event::{AppId, Event, NewEvent, OffsetMap, StreamId, WallTime};
use millpond::log::{AppendOptions, CursorOptions, Log, LogOptions};
use millpond::query::Query;
use millpond::{ErrorKind, EventView, Result};
use millpond_tests::crash::mix;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(60);
/// So many keys make `idempotency` a tree of more than one page.
const KEYS: u64 = 48;
const PAGE_BYTES: usize = 4096;
const THREADS: usize = 4;
/// A run takes one byte in so many; a long run takes them all.
static STRIDE: LazyLock<usize> =
    LazyLock::new(|| if std::env::var_os("MILLPOND_LONG").is_some() { 1 } else { 61 });

#[test]
fn a_flipped_bit_in_the_tables_is_an_error_or_harmless_wherever_it_is() {
    for ending in [Ending::Killed, Ending::Closed] {
        let tally = campaign(ending, "data.mdb", page_bits);
        println!("{ending:?}: {tally:?}");
        assert!(tally.refused > tally.flips / 4 && tally.same > 0, "{tally:?}");
        assert_eq!(tally.cut, 0, "{tally:?}");
    }
}

#[test]
fn a_flipped_bit_in_a_journal_is_an_error_or_cuts_its_last_record_and_says_so() {
    let (mut refused, mut cut) = (0, 0);
    for name in ["journal-a", "journal-b"] {
        let tally = campaign(Ending::Killed, name, used_bits);
        println!("{name}: {tally:?}");
        (refused, cut) = (refused + tally.refused, cut + tally.cut);
        let tally = campaign(Ending::Closed, name, used_bits);
        assert_eq!(tally.same, tally.flips, "a closed store needs no journal: {name}, {tally:?}");
    }
    assert!(refused > 0 && cut > 0, "{refused} refused, {cut} cut");
}

#[test]
fn a_flipped_bit_in_a_lock_file_changes_nothing() {
    for name in ["store.lock", "lock.mdb"] {
        let tally = campaign(Ending::Killed, name, used_bits);
        assert_eq!(tally.same, tally.flips, "{name}: {tally:?}");
    }
}

#[test]
fn opening_a_store_of_a_million_events_does_not_read_them() {
    let scratch = Scratch::on_disk("large");
    let log = open(scratch.path()).unwrap();
    for first in 0..1_000 {
        let events = (0..1_000).map(|number| sized(first * 1_000 + number)).collect();
        log.append(events, as_app()).wait().unwrap();
    }
    log.close(DEADLINE).unwrap();
    drop(log);
    let (began, before) = (Instant::now(), bytes_read());
    let log = open(scratch.path()).unwrap();
    let (took, read) = (began.elapsed(), bytes_read() - before);
    let began = Instant::now();
    let report = log.verify(|| true).wait().unwrap();
    let rate = |bytes: u64| bytes as f64 / began.elapsed().as_secs_f64() / 1e6;
    let (records, stored) = (rate(report.record_bytes), rate(report.stored_bytes));
    println!("verifying: {records:.0} MB/s of records, {stored:.0} MB/s of what is stored");
    assert_eq!((report.events, report.damage_count), (1_000_000, 0));
    log.close(DEADLINE).unwrap();
    let bytes = std::fs::metadata(scratch.path().join("data.mdb")).unwrap().len();
    println!("opening: {took:?}, {read} bytes read of {bytes}");
    assert!(read < bytes / 10, "{read} bytes of {bytes} were read");
}

/// What this thread has read from files, other than through maps.
fn bytes_read() -> u64 {
    let io = std::fs::read_to_string("/proc/thread-self/io").unwrap();
    io.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Ending {
    Killed,
    Closed,
}

#[derive(Debug, Default)]
struct Tally {
    flips: usize,
    /// Did not open.
    refused: usize,
    /// Opened, and an answer was an error.
    damaged: usize,
    /// Opened without the last record, and the own stream goes on under the next number.
    cut: usize,
    same: usize,
}

enum Verdict {
    Refused,
    Damaged,
    Cut,
    Same,
}

/// Flips the bits that `choose` finds in file `name` of a store, each in a store of its own.
fn campaign(ending: Ending, name: &'static str, choose: fn(&[u8]) -> Vec<usize>) -> Tally {
    let scratch = Scratch::new("rot");
    let next = Arc::new(AtomicUsize::new(0));
    let (sender, verdicts) = channel();
    let mut workers = Vec::new();
    for thread in 0..THREADS {
        let store = Store::make(&scratch.path().join(thread.to_string()), ending);
        let bits = choose(store.image(name));
        let (next, sender) = (next.clone(), sender.clone());
        workers.push(std::thread::spawn(move || {
            while let Some(bit) = bits.get(next.fetch_add(1, Ordering::Relaxed)) {
                let verdict = store.judge(name, *bit);
                sender.send((*bit, verdict)).expect("the campaign waits for every verdict");
            }
        }));
    }
    drop(sender);
    let mut tally = Tally::default();
    loop {
        match verdicts.recv_timeout(DEADLINE) {
            Ok((bit, Err(wrong))) => panic!("{ending:?}, {name}, bit {bit}: {wrong}"),
            Ok((_, Ok(verdict))) => tally.count(&verdict),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => panic!("{ending:?}, {name}: a flip hangs: {tally:?}"),
        }
    }
    workers.into_iter().for_each(|worker| worker.join().expect("a thread ends in good order"));
    tally
}

impl Tally {
    fn count(&mut self, verdict: &Verdict) {
        self.flips += 1;
        match verdict {
            Verdict::Refused => self.refused += 1,
            Verdict::Damaged => self.damaged += 1,
            Verdict::Cut => self.cut += 1,
            Verdict::Same => self.same += 1,
        }
    }
}

/// A store and how its files were once.
struct Store {
    path: PathBuf,
    images: Vec<(PathBuf, Vec<u8>)>,
    events: Vec<Event>,
    own: StreamId,
}

impl Store {
    /// A block that is full, a tree of several pages, a list of free pages, and a tail.
    fn make(path: &Path, ending: Ending) -> Store {
        let log = open(path).unwrap();
        log.append((0..1100).map(sized).collect(), as_app()).wait().unwrap();
        for key in 0..KEYS {
            log.append(vec![event("grain", key)], keyed(key)).wait().unwrap();
            if key % 16 == 15 {
                log.checkpoint_now().unwrap();
            }
        }
        for number in 0..4 {
            log.append(vec![event("flour", number)], as_app()).wait().unwrap();
        }
        let events = everything(&log).unwrap();
        let own = log.own_stream();
        let killed = images(path);
        log.close(DEADLINE).unwrap();
        let images = if ending == Ending::Killed { killed } else { images(path) };
        Store { path: path.to_owned(), images, events, own }
    }

    fn image(&self, name: &str) -> &[u8] {
        &self.images.iter().find(|(path, _)| path.ends_with(name)).expect("a file of a store").1
    }

    /// In place: another inode would be another store.
    fn restore(&self) {
        for (path, content) in &self.images {
            let mut file =
                File::options().write(true).create(true).truncate(true).open(path).unwrap();
            file.write_all(content).unwrap();
        }
    }

    fn judge(&self, name: &str, bit: usize) -> std::result::Result<Verdict, String> {
        self.restore();
        let byte = [self.image(name)[bit / 8] ^ 1 << (bit % 8)];
        let file = File::options().write(true).open(self.path.join(name)).unwrap();
        file.write_all_at(&byte, (bit / 8) as u64).unwrap();
        let log = match open(&self.path) {
            Ok(log) => log,
            Err(error) if error.kind() == ErrorKind::Corrupt => return Ok(Verdict::Refused),
            Err(error) => return Err(format!("opening said {error}")),
        };
        let answered = self.ask(&log);
        let closed = log.close(DEADLINE);
        drop(log);
        let verdict = match answered.and_then(|verdict| closed.map(|()| verdict)) {
            Ok(Some(verdict)) => verdict,
            Ok(None) => return Err("it gives other answers".to_owned()),
            Err(error) if error.kind() == ErrorKind::Corrupt => return Ok(Verdict::Damaged),
            Err(error) => return Err(format!("it said {error}")),
        };
        // What was appended must not have gone over anything else.
        let again = open(&self.path).and_then(|log| {
            let events = everything(&log)?;
            log.check()?;
            log.close(DEADLINE).map(|()| events)
        });
        let events = again.map_err(|error| format!("the second opening said {error}"))?;
        let before = events.split_last().map_or(&[][..], |(_, before)| before);
        match (&verdict, before == self.events) {
            (Verdict::Cut, _) | (_, true) => Ok(verdict),
            _ => Err("the second opening gives other answers".to_owned()),
        }
    }

    /// Asks for everything and appends; `None` when an answer is wrong.
    fn ask(&self, log: &Log) -> Result<Option<Verdict>> {
        let events = everything(log)?;
        let cut = log.own_stream().number == self.own.number + 1
            && events[..] == self.events[..self.events.len() - 1];
        if !cut && (events != self.events || log.own_stream() != self.own) {
            return Ok(None);
        }
        let again: Vec<_> =
            (0..KEYS).map(|key| log.append(vec![event("grain", key)], keyed(key))).collect();
        for appended in again {
            if !appended.wait()?.replayed {
                return Ok(None);
            }
        }
        log.append(vec![event("bread", 1)], as_app()).wait()?;
        log.check()?;
        Ok(Some(if cut { Verdict::Cut } else { Verdict::Same }))
    }
}

/// Bits of the metas, of the pages of trees but for what is unused, and of the headers of large
/// values.
fn page_bits(image: &[u8]) -> Vec<usize> {
    let mut bytes = Vec::new();
    for (number, page) in image.chunks_exact(PAGE_BYTES).enumerate() {
        let u16_at = |at: usize| usize::from(u16::from_le_bytes([page[at], page[at + 1]]));
        let is_own = page[..8] == (number as u64).to_le_bytes();
        let used = match u16_at(10) {
            1 | 2 if is_own => (0..u16_at(12)).chain(u16_at(14)..PAGE_BYTES),
            4 if is_own => (0..16).chain(0..0),
            8 if is_own => (0..152).chain(0..0),
            _ => continue,
        };
        bytes.extend(used.map(|byte| number * PAGE_BYTES + byte));
    }
    bytes.into_iter().step_by(*STRIDE).map(a_bit_of).collect()
}

/// Bits up to the last byte that is not zero; of the last KiB, where a journal ends, each byte.
fn used_bits(image: &[u8]) -> Vec<usize> {
    let end = image.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let last = end.saturating_sub(1024);
    (0..last).step_by(*STRIDE).chain(last..end).map(a_bit_of).collect()
}

/// Another one for each byte, and the same in each run.
fn a_bit_of(byte: usize) -> usize {
    byte * 8 + mix(3, byte as u64) as usize % 8
}

fn images(path: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

fn open(path: &Path) -> Result<Log> {
    let clock = Arc::new(|| WallTime::from_micros(1));
    let mut options = LogOptions::new(path, secret(7).swarm_id(), [1; 32], clock);
    options.segment_bytes = 64 << 10;
    Log::open(options)
}

fn as_app() -> AppendOptions {
    AppendOptions::new(AppId::parse("com.example.mill").unwrap())
}

fn keyed(key: u64) -> AppendOptions {
    AppendOptions { idempotency_key: Some(key.to_be_bytes().to_vec()), ..as_app() }
}

/// Events that do not compress to nothing.
fn sized(number: u64) -> NewEvent {
    event("sized", mix(number, 1))
}

fn everything(log: &Log) -> Result<Vec<Event>> {
    let options = CursorOptions { lower: OffsetMap::new(), ..CursorOptions::default() };
    let mut cursor = log.cursor(&Query::all(), options)?;
    let mut events = Vec::new();
    loop {
        let batch = cursor.next_batch(4096)?;
        if batch.is_empty() {
            return Ok(events);
        }
        events.extend(batch.iter().map(EventView::to_event));
    }
}
