//! One store that takes a whole workload in batches, and is read: what that costs as it grows.
//!
//! Each subject is loaded, closed and opened anew; every question is put to all subjects, and they
//! must find the same. Begin with `measure`.

use crate::report::{Results, median};
use crate::subject::{Subject, Workload, publish_in_batches};
use crate::workload;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is measured here, always together.
pub(crate) const CASES: [&str; 11] = [
    "publish_batch_1000",
    "written_per_event",
    "bytes_per_event",
    "query_order",
    "query_machine",
    "query_newest_10",
    "query_scaling",
    "scan",
    "verify",
    "open",
    "rss",
];

/// How many orders, and how many machines, are asked for in a run.
const ORDERS_ASKED: usize = 50;
const MACHINES_ASKED: usize = 10;
/// An order that is neither busy nor forgotten: 20 events of it, or as near as there is.
const EVENTS_OF_AN_ORDER: usize = 20;
const NEWEST: usize = 10;

/// A store that holds the whole workload.
pub(crate) trait Archive {
    /// Reads the payloads of the events with `tag`: all, oldest first, or the `newest`, newest
    /// first.
    fn find(&self, tag: &str, newest: Option<usize>) -> Found;

    /// Reads all payloads, oldest first.
    fn scan(&self) -> Found;

    /// How many times as many such questions are answered in the same time by one thread for each
    /// processor as by one thread; or nothing where that is not asked.
    fn scaling(&self, _tags: &[String]) -> Option<f64> {
        None
    }

    /// Goes through everything that is held, as a scrub does, and finds no damage: the bytes of
    /// what was published that were verified, or nothing where a subject has nothing like it.
    fn verify(&self) -> Option<u64> {
        None
    }
}

/// What was read: how many payloads, and how many bytes they have together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
}

impl Found {
    pub(crate) fn add(&mut self, payload: &[u8]) {
        self.events += 1;
        self.bytes += payload.len();
    }
}

/// The workload of a run, in chunks. The first is kept, so most sizes are made only once.
pub(crate) struct Source {
    seed: u64,
    events: usize,
    chunk_events: usize,
    first: Workload,
}

impl Source {
    /// `chunk_events` are in memory at once.
    pub(crate) fn new(seed: u64, events: usize, chunk_events: usize) -> Source {
        let first = workload::events(seed, 0, chunk_events.min(events));
        Source { seed, events, chunk_events, first: Arc::new(first) }
    }

    pub(crate) fn events(&self) -> usize {
        self.events
    }

    pub(crate) fn chunks(&self) -> impl Iterator<Item = Workload> {
        let later = (self.chunk_events..self.events).step_by(self.chunk_events).map(|first| {
            let count = self.chunk_events.min(self.events - first);
            Arc::new(workload::events(self.seed, first, count))
        });
        std::iter::once(self.first.clone()).chain(later)
    }
}

/// The questions of a run, and what the first subject found.
struct Questions {
    orders: Vec<String>,
    machines: Vec<String>,
    answers: BTreeMap<(String, bool), Found>,
    /// All payloads.
    whole: Found,
}

/// One run over all subjects, in their order.
pub(crate) fn measure(
    subjects: &[&dyn Subject],
    folder: &Path,
    source: &Source,
    results: &mut Results,
) {
    let mut questions = Questions::of(source);
    for subject in subjects {
        let place = folder.join(format!("read-{}-{}", std::process::id(), subject.name()));
        std::fs::create_dir_all(&place).expect("a run's folder can be made");
        run(*subject, &place, source, &mut questions, results);
        std::fs::remove_dir_all(&place).expect("a run's folder can be removed");
    }
}

fn run(
    subject: &dyn Subject,
    place: &Path,
    source: &Source,
    questions: &mut Questions,
    results: &mut Results,
) {
    let count = source.events;
    let mut add = |case, unit, value| results.add(case, subject.name(), count, unit, value);
    let written_before = bytes_written();
    let Some(took) = load(subject, place, source) else { return };
    let written = bytes_written() - written_before;
    add("publish_batch_1000", "events/s", count as f64 / took.as_secs_f64());
    add("written_per_event", "bytes", written as f64 / count as f64);
    add("bytes_per_event", "bytes", bytes_in(place) as f64 / count as f64);
    if let Some((took, grown)) = opened_alone(subject, place) {
        add("open", "µs", took);
        add("rss", "KiB", grown);
    }
    let Some(archive) = subject.archive(place) else { return };
    let archive = &*archive;
    let (orders, machines) = (questions.orders.clone(), questions.machines.clone());
    add("query_order", "µs", questions.ask(archive, &orders, None));
    add("query_machine", "µs", questions.ask(archive, &machines, None));
    add("query_newest_10", "µs", questions.ask(archive, &machines, Some(NEWEST)));
    if let Some(times) = archive.scaling(&machines) {
        add("query_scaling", "times", times);
    }
    let (found, took) = timed(|| archive.scan());
    assert_eq!(found, questions.whole, "{} lost something", subject.name());
    add("scan", "events/s", count as f64 / took.as_secs_f64());
    if let (Some(bytes), took) = timed(|| archive.verify()) {
        add("verify", "MB/s", bytes as f64 / 1e6 / took.as_secs_f64());
    }
}

/// Fills a new store with the workload, batch after batch, and closes it. The time that the batches
/// took, or nothing when this subject takes none.
fn load(subject: &dyn Subject, place: &Path, source: &Source) -> Option<Duration> {
    let mut store = subject.open(place, &source.first)?;
    let mut took = Duration::ZERO;
    for chunk in source.chunks() {
        store.turn_to(&chunk);
        took += timed(|| publish_in_batches(&*store, chunk.len())).1;
    }
    store.close();
    Some(took)
}

impl Questions {
    fn of(source: &Source) -> Questions {
        let mut orders: BTreeMap<String, usize> = BTreeMap::new();
        let mut machines = BTreeSet::new();
        let mut whole = Found::default();
        for chunk in source.chunks() {
            for event in chunk.iter() {
                let [_, machine, order] = event.tags.clone();
                machines.insert(machine);
                *orders.entry(order).or_default() += 1;
                whole.add(&event.payload);
            }
        }
        let mut orders: Vec<(String, usize)> = orders.into_iter().collect();
        orders.sort_by_key(|(_, count)| count.abs_diff(EVENTS_OF_AN_ORDER));
        Questions {
            orders: orders.into_iter().take(ORDERS_ASKED).map(|(tag, _)| tag).collect(),
            machines: machines.into_iter().take(MACHINES_ASKED).collect(),
            answers: BTreeMap::new(),
            whole,
        }
    }

    /// The median time of an answer, in µs.
    fn ask(&mut self, archive: &dyn Archive, tags: &[String], newest: Option<usize>) -> f64 {
        let times = tags.iter().map(|tag| {
            let (found, took) = timed(|| archive.find(tag, newest));
            let known = self.answers.entry((tag.clone(), newest.is_some())).or_insert(found);
            assert_eq!(*known, found, "two subjects answer {tag} differently");
            took.as_secs_f64() * 1e6
        });
        median(times.collect())
    }
}

pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let started = Instant::now();
    let result = work();
    (result, started.elapsed())
}

/// Opens the store in a process of its own: the time in µs and the memory that came with it in KiB.
fn opened_alone(subject: &dyn Subject, place: &Path) -> Option<(f64, f64)> {
    let this = std::env::current_exe().expect("this program has a path");
    let output = Command::new(this).arg("--open").arg(subject.name()).arg(place).output();
    let output = output.expect("this program starts again");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut numbers = said.split_whitespace().map(|word| word.parse::<f64>().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// What `opened_alone` starts.
pub(crate) fn open_and_tell(subject: &dyn Subject, place: &Path) {
    let before = memory_kib();
    let (archive, took) = timed(|| subject.archive(place));
    let grown = memory_kib().saturating_sub(before);
    if archive.is_some() {
        println!("{} {grown}", took.as_secs_f64() * 1e6);
    }
}

/// Resident memory of this process.
fn memory_kib() -> u64 {
    field("/proc/self/status", "VmRSS:")
}

/// Bytes that this process has caused to be written to disks.
fn bytes_written() -> u64 {
    field("/proc/self/io", "write_bytes:")
}

fn field(file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(file).expect("the system tells of this process");
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let word = line.and_then(|rest| rest.split_whitespace().next());
    word.and_then(|word| word.parse().ok()).expect("a number follows the name")
}

/// Bytes of all files below `folder`, as far as the disk has room taken for them.
fn bytes_in(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = std::fs::read_dir(folder).expect("the folder can be listed");
    let sizes = entries.map(|entry| {
        let entry = entry.expect("the folder can be listed");
        let facts = entry.metadata().expect("the file is there");
        if facts.is_dir() { bytes_in(&entry.path()) } else { facts.blocks() * 512 }
    });
    sizes.sum()
}
