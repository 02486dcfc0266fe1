//! Traces for operators, kept in a bounded ring until a shell fetches them.
//!
//! Rule: no user data: only what millpond itself writes, and of that only its own targets. Nothing
//! here calls into a host, except a callback that was handed in, on a thread of its own.

use crate::defaults::LOG_RECORDS_MAX;
use crate::entry::{entry, lock};
use crate::errors::{FacadeError, Result};
use crate::process;
use millpond::ErrorKind;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, Once, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use tracing::field::{Field, Visit};
use tracing::span;

/// How much is kept. Each level includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// Nothing.
    Off = 0,
    /// Bugs and damage.
    Error = 1,
    /// What an operator should look at. The default.
    Warn = 2,
    /// What happens seldom: opening, peers coming and going.
    Info = 3,
    /// What helps to understand one session.
    Debug = 4,
    /// Everything.
    Trace = 5,
}

/// One line.
#[derive(Clone, Debug)]
pub struct Record {
    /// Rises by 1; a gap is what was dropped.
    pub sequence: u64,
    /// Wall clock, µs since 1970 UTC.
    pub time_micros: i64,
    /// How important.
    pub level: Level,
    /// Which part of millpond.
    pub target: &'static str,
    /// What happened, then fields as `name=value`.
    pub message: String,
}

/// What [`drain`] gives.
#[derive(Clone, Debug, Default)]
pub struct Drained {
    /// Oldest first.
    pub records: Vec<Record>,
    /// How many were dropped since the last drain, because nobody fetched them.
    pub dropped: u64,
}

/// Takes records, on a thread of its own.
pub type LogCallback = Box<dyn FnMut(&Record) + Send>;

struct Ring {
    records: VecDeque<Record>,
    next: u64,
    dropped: u64,
    /// Rises with every change of callback; a thread of an older number ends.
    listener: u64,
    is_listening: bool,
}

static RING: Mutex<Ring> = Mutex::new(Ring {
    records: VecDeque::new(),
    next: 0,
    dropped: 0,
    listener: 0,
    is_listening: false,
});
static CHANGED: Condvar = Condvar::new();
static LEVEL: AtomicU8 = AtomicU8::new(Level::Warn as u8);
static SPANS: AtomicU64 = AtomicU64::new(1);

impl Level {
    /// The level with this number, from 0 (off) to 5 (trace).
    pub fn from_number(number: i32) -> Option<Level> {
        let all = [Level::Off, Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace];
        usize::try_from(number).ok().and_then(|index| all.get(index).copied())
    }

    /// The level with this name, lower case.
    pub fn from_name(name: &str) -> Option<Level> {
        (0..=5).filter_map(Level::from_number).find(|level| level.name() == name)
    }

    /// Its name, lower case.
    pub fn name(self) -> &'static str {
        match self {
            Level::Off => "off",
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
            Level::Trace => "trace",
        }
    }

    fn of(level: &tracing::Level) -> Level {
        match *level {
            tracing::Level::ERROR => Level::Error,
            tracing::Level::WARN => Level::Warn,
            tracing::Level::INFO => Level::Info,
            tracing::Level::DEBUG => Level::Debug,
            tracing::Level::TRACE => Level::Trace,
        }
    }
}

/// Sets how much is kept from now on.
pub fn set_level(level: Level) {
    install();
    LEVEL.store(level as u8, Ordering::Relaxed);
}

/// Takes the oldest records, at most `count_max`. Never waits.
pub fn drain(count_max: usize) -> Drained {
    if process::check().is_err() {
        return Drained::default();
    }
    let mut ring = lock(&RING);
    let count = count_max.min(ring.records.len());
    let records = ring.records.drain(..count).collect();
    Drained { records, dropped: std::mem::take(&mut ring.dropped) }
}

/// Sends every record to `callback` from now on, or to nobody. The one before is not called again
/// once this has returned, unless this is called from inside it; it is dropped by its own thread.
///
/// # Errors
/// `internal`: the system gives no thread. `forked_process`.
pub fn set_callback(callback: Option<LogCallback>) -> Result<()> {
    entry("log_set_callback", 0, || replace_callback(callback))
}

fn replace_callback(callback: Option<LogCallback>) -> Result<()> {
    install();
    let is_inside = std::thread::current().name() == Some(THREAD);
    let mut ring = lock(&RING);
    ring.listener += 1;
    let number = ring.listener;
    CHANGED.notify_all();
    while ring.is_listening && !is_inside && ring.listener == number {
        ring = CHANGED.wait(ring).unwrap_or_else(PoisonError::into_inner);
    }
    let Some(callback) = callback else { return Ok(()) };
    drop(ring);
    let job = move || listen(number, callback);
    let spawned = std::thread::Builder::new().name(THREAD.into()).spawn(job);
    spawned.map(drop).map_err(|error| {
        let message = format!("the system gives no thread for traces: {error}");
        FacadeError::new(ErrorKind::Internal, message)
    })
}

const THREAD: &str = "millpond-log";

fn listen(number: u64, mut callback: LogCallback) {
    let mut ring = lock(&RING);
    while ring.listener == number && ring.is_listening {
        ring = CHANGED.wait(ring).unwrap_or_else(PoisonError::into_inner);
    }
    ring.is_listening = true;
    while ring.listener == number {
        let Some(record) = ring.records.pop_front() else {
            ring = CHANGED.wait(ring).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        drop(ring);
        let called = catch_unwind(AssertUnwindSafe(|| callback(&record)));
        ring = lock(&RING);
        if called.is_err() {
            break;
        }
    }
    drop(ring);
    let _ = catch_unwind(AssertUnwindSafe(|| drop(callback)));
    lock(&RING).is_listening = false;
    CHANGED.notify_all();
}

/// Takes over the traces of this library, once. In a Rust program that has its own subscriber
/// nothing is taken over.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = tracing::subscriber::set_global_default(Collector);
    });
}

/// A panic that has nobody to be told to.
pub(crate) fn note_panic(place: &'static str) {
    let message = format!("a panic was caught in {place}");
    push(Level::Error, "millpond_facade", message);
}

fn push(level: Level, target: &'static str, message: String) {
    if level as u8 > LEVEL.load(Ordering::Relaxed) {
        return;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let time_micros = i64::try_from(now.as_micros()).unwrap_or(i64::MAX);
    let mut ring = lock(&RING);
    if ring.records.len() == LOG_RECORDS_MAX {
        ring.records.pop_front();
        ring.dropped += 1;
    }
    let sequence = ring.next;
    ring.next += 1;
    ring.records.push_back(Record { sequence, time_micros, level, target, message });
    drop(ring);
    CHANGED.notify_all();
}

struct Collector;

impl tracing::Subscriber for Collector {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.is_event()
            && metadata.target().starts_with("millpond")
            && Level::of(metadata.level()) as u8 <= LEVEL.load(Ordering::Relaxed)
    }

    fn new_span(&self, _span: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(SPANS.fetch_add(1, Ordering::Relaxed))
    }

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        let metadata = event.metadata();
        push(Level::of(metadata.level()), metadata.target(), line.0);
    }

    fn record(&self, _span: &span::Id, _values: &span::Record<'_>) {}
    fn record_follows_from(&self, _span: &span::Id, _follows: &span::Id) {}
    fn enter(&self, _span: &span::Id) {}
    fn exit(&self, _span: &span::Id) {}
}

/// The message and its fields as one text.
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let is_message = field.name() == "message";
        let space = if self.0.is_empty() { "" } else { " " };
        // Writing to a `String` does not fail.
        let _ = if is_message {
            write!(self.0, "{space}{value:?}")
        } else {
            write!(self.0, "{space}{}={value:?}", field.name())
        };
    }
}
