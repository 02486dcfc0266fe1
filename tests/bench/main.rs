//! The figures of docs/performance.md: us beside what people would use instead, in one process run.
//!
//! `bench [--quick | --small] [--case NAME] [--subject NAME] [--folder DIR] [--results FILE]`.
//! Subjects take turns within each run, and begin with another one in the next, so a slow minute of
//! the machine hits all of them; a figure is the median of the runs, a ratio the median of the
//! ratios within a run.
//! The cases that read a loaded store go by the one name `read` (see `archive`).
//! Not here: claims. `tests/it/bench.rs` runs the small size, so that this cannot rot.
//! Begin with `measure`.

mod archive;
mod file;
mod millpond;
mod report;
mod sqlite;
mod subject;
mod tcp;
mod workload;

use report::{Figure, Results};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use subject::{Store, Subject, Workload};

/// How much is measured.
struct Size {
    name: &'static str,
    runs: u64,
    batch_events: usize,
    single_events: usize,
    shared_events: usize,
    catch_up_events: usize,
    latency_events: usize,
    read_events: usize,
}

const FULL: Size = Size {
    name: "full",
    runs: 5,
    batch_events: 100_000,
    single_events: 2_000,
    shared_events: 16_000,
    catch_up_events: 100_000,
    latency_events: 500,
    read_events: 1_000_000,
};

const QUICK: Size = Size {
    name: "quick",
    runs: 5,
    batch_events: 20_000,
    single_events: 500,
    shared_events: 4_000,
    catch_up_events: 50_000,
    latency_events: 100,
    read_events: 100_000,
};

const SMALL: Size = Size {
    name: "small",
    runs: 1,
    batch_events: 2_000,
    single_events: 20,
    shared_events: 160,
    catch_up_events: 2_000,
    latency_events: 10,
    read_events: 2_000,
};

/// What is asked for; nothing means everything.
#[derive(Default)]
struct Only {
    case: Option<String>,
    subject: Option<String>,
}

impl Only {
    fn takes(wish: &Option<String>, name: &str) -> bool {
        wish.as_ref().is_none_or(|wish| wish == name)
    }
}

const BATCH: usize = 1_000;
const CALLERS: usize = 16;

fn main() {
    let mut size = &FULL;
    let mut folder = PathBuf::from("target/bench");
    let mut results = None;
    let mut only = Only::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => size = &QUICK,
            "--small" => size = &SMALL,
            "--case" => only.case = arguments.next(),
            "--subject" => only.subject = arguments.next(),
            "--folder" => folder = arguments.next().expect("--folder takes a path").into(),
            "--open" => return open(&arguments.collect::<Vec<_>>()),
            "--results" => results = arguments.next().map(PathBuf::from),
            other => {
                eprintln!(
                    "bench [--quick | --small] [--case NAME] [--subject NAME] [--folder DIR] \
                     [--results FILE]: not {other}"
                );
                std::process::exit(2);
            }
        }
    }
    std::fs::create_dir_all(&folder).expect("the bench's folder can be made");
    let figures = measure(size, &only, &folder);
    report::print(&figures, size.name, &folder);
    let results = results.unwrap_or_else(|| folder.join("results.ndjson"));
    report::write(&figures, &results);
}

/// Opens one store and tells what that took; see `archive`.
fn open(arguments: &[String]) {
    let [name, place] = arguments else { panic!("--open takes a subject and its folder") };
    let subject = SUBJECTS.iter().find(|subject| subject.name() == name);
    archive::open_and_tell(*subject.expect("a subject that we measure"), Path::new(place));
}

/// One way to use a subject, and what it gives: a figure, or nothing where it does not apply.
struct Case {
    name: &'static str,
    unit: &'static str,
    events: usize,
    run: fn(&dyn Subject, &Path, &Workload) -> Option<f64>,
}

fn cases(size: &Size) -> Vec<Case> {
    let rate = "events/s";
    let case = |name, unit, events, run| Case { name, unit, events, run };
    vec![
        case("publish_batch_1000", rate, size.batch_events, publish_batches),
        case("publish_1", rate, size.single_events, publish_singly),
        case("publish_16", rate, size.shared_events, publish_from_sixteen),
        case("catch_up", rate, size.catch_up_events, catch_up),
        case("wire_per_event", "bytes", size.catch_up_events, wire_per_event),
        case("latency", "µs", size.latency_events, latency),
    ]
}

const SUBJECTS: [&dyn Subject; 4] =
    [&millpond::Millpond, &sqlite::Sqlite, &file::BareFile, &tcp::Tcp];

fn measure(size: &Size, only: &Only, folder: &Path) -> Vec<Figure> {
    let subjects = SUBJECTS;
    let mut results = Results::default();
    for run in 0..size.runs {
        for case in cases(size).iter().filter(|case| Only::takes(&only.case, case.name)) {
            let workload = Arc::new(workload::events(run, case.events));
            for turn in 0..subjects.len() {
                let subject = subjects[(turn + run as usize) % subjects.len()];
                if !Only::takes(&only.subject, subject.name()) {
                    continue;
                }
                let place = folder.join(format!("run-{}-{}", std::process::id(), subject.name()));
                std::fs::create_dir_all(&place).expect("a run's folder can be made");
                if let Some(value) = (case.run)(subject, &place, &workload) {
                    results.add(case.name, subject.name(), case.events, case.unit, value);
                }
                std::fs::remove_dir_all(&place).expect("a run's folder can be removed");
            }
        }
        if Only::takes(&only.case, "read") {
            let workload = Arc::new(workload::events(run, size.read_events));
            archive::measure(&subjects, run as usize, only, folder, &workload, &mut results);
        }
        eprintln!("bench: run {} of {}", run + 1, size.runs);
    }
    results.figures()
}

fn publish_batches(subject: &dyn Subject, folder: &Path, workload: &Workload) -> Option<f64> {
    let store = subject.open(folder, workload)?;
    let started = Instant::now();
    for start in (0..workload.len()).step_by(BATCH) {
        store.publish(start..workload.len().min(start + BATCH));
    }
    Some(rate(workload.len(), started.elapsed()))
}

fn publish_singly(subject: &dyn Subject, folder: &Path, workload: &Workload) -> Option<f64> {
    let store = subject.open(folder, workload)?;
    let started = Instant::now();
    for at in 0..workload.len() {
        store.publish(at..at + 1);
    }
    Some(rate(workload.len(), started.elapsed()))
}

fn publish_from_sixteen(subject: &dyn Subject, folder: &Path, workload: &Workload) -> Option<f64> {
    let store = subject.open(folder, workload)?;
    let store: &dyn Store = &*store;
    let next = AtomicUsize::new(0);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= workload.len() {
                        return;
                    }
                    store.publish(at..at + 1);
                }
            });
        }
    });
    Some(rate(workload.len(), started.elapsed()))
}

fn catch_up(subject: &dyn Subject, folder: &Path, workload: &Workload) -> Option<f64> {
    let (took, _) = subject.catch_up(folder, workload)?;
    Some(rate(workload.len(), took))
}

fn wire_per_event(subject: &dyn Subject, folder: &Path, workload: &Workload) -> Option<f64> {
    let (_, received) = subject.catch_up(folder, workload)?;
    Some(received as f64 / workload.len() as f64)
}

fn latency(subject: &dyn Subject, folder: &Path, workload: &Workload) -> Option<f64> {
    let latencies = subject.deliver(folder, workload)?;
    let micros = latencies.iter().map(|latency| latency.as_secs_f64() * 1e6);
    Some(report::median(micros.collect()))
}

fn rate(events: usize, took: Duration) -> f64 {
    events as f64 / took.as_secs_f64()
}
