//! The figures of docs/performance.md: us beside what people would use instead, in one process run.
//!
//! `bench [--quick | --huge | --small] [--case NAME] [--subject NAME] …`, see `options`. Subjects
//! take turns within each run, and begin with another one in the next, so a slow minute of the
//! machine hits all of them; a figure is the median of the runs, a ratio the median of the ratios
//! within a run.
//! Not here: claims. `tests/it/bench.rs` runs the small size, so that this cannot rot. The micro
//! benches are a program of their own (`micro`).
//! Begin with `measure`.

mod archive;
mod chart;
mod file;
mod floors;
mod lmdb;
mod millpond;
mod options;
mod pond;
mod report;
mod shells;
mod sqlite;
mod subject;
mod tcp;
mod workload;

use archive::Source;
use options::{Options, Size};
use report::{Figure, Results};
use shells::Shells;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use subject::{Store, Subject, Workload};

const CALLERS: usize = 16;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [word, name, place] = &arguments[..]
        && word == "--open"
    {
        return open(name, Path::new(place));
    }
    let options = Options::parse(arguments.into_iter()).unwrap_or_else(|complaint| {
        eprintln!("{complaint}");
        std::process::exit(2);
    });
    std::fs::create_dir_all(&options.folder).expect("the bench's folder can be made");
    let figures = measure(&options);
    report::print(&figures, &options);
    floors::print(&figures);
    report::write(&figures, &options.results);
    chart::draw(&options);
}

/// Opens one store and tells what that took; see `archive`.
fn open(name: &str, place: &Path) {
    let subject = SUBJECTS.iter().find(|subject| subject.name() == name);
    archive::open_and_tell(*subject.expect("a subject that we measure"), place);
}

/// One way to use a subject, and the cases that it gives figures for.
struct Case {
    gives: &'static [&'static str],
    events: usize,
    run: Measure,
}

/// No figures where it does not apply to the subject.
type Measure = fn(&dyn Subject, &Path, &Workload) -> Vec<Given>;

/// A figure's case, unit and value.
type Given = (&'static str, &'static str, f64);

fn cases(size: &Size) -> Vec<Case> {
    let case = |gives, events, run: Measure| Case { gives, events, run };
    let mut cases = vec![
        case(&["publish_1"], size.single_events, publish_singly),
        case(&["publish_16"], size.shared_events, publish_from_sixteen),
        case(&["latency"], size.latency_events, latency),
    ];
    let catch_ups = size.catch_ups.iter();
    cases.extend(catch_ups.map(|events| case(&["catch_up", "wire_per_event"], *events, catch_up)));
    cases.retain(|case| case.events > 0);
    cases
}

const SUBJECTS: [&dyn Subject; 7] = [
    &millpond::Millpond,
    &millpond::Live,
    &sqlite::Sqlite,
    &lmdb::LmdbRows,
    &file::BareFile,
    &tcp::Tcp,
    &tcp::Unsynced,
];

fn measure(options: &Options) -> Vec<Figure> {
    let Options { size, only, folder, seed, .. } = options;
    let takes_part = |name| size.subjects.is_none_or(|names| names.contains(&name));
    let subjects: Vec<&dyn Subject> = SUBJECTS
        .into_iter()
        .filter(|subject| only.subject(subject.name()) && takes_part(subject.name()))
        .collect();
    let shells = Shells::find(options);
    let mut results = Results::default();
    for run in 0..size.runs {
        let turns = |at| subjects[(at + run as usize) % subjects.len()];
        let subjects: Vec<&dyn Subject> = (0..subjects.len()).map(turns).collect();
        if only.any(&archive::CASES) {
            for events in size.stores {
                let source = Source::new(seed + run, *events, size.chunk_events);
                archive::measure(&subjects, folder, &source, &mut results);
            }
        }
        if only.any(&pond::CASES) && only.subject("millpond") {
            for events in size.folds {
                pond::measure(
                    folder,
                    &Source::new(seed + run, *events, size.chunk_events),
                    &mut results,
                );
            }
        }
        if only.case(pond::RECONNECT) && only.subject("millpond") {
            for events in size.folds {
                pond::reconnect(folder, *events, &mut results);
            }
        }
        for case in cases(size).iter().filter(|case| only.any(case.gives)) {
            measure_case(case, seed + run, &subjects, folder, &mut results);
        }
        shells.measure(run, options, &mut results);
        eprintln!("bench: run {} of {}", run + 1, size.runs);
    }
    results.figures()
}

fn measure_case(
    case: &Case,
    seed: u64,
    subjects: &[&dyn Subject],
    folder: &Path,
    results: &mut Results,
) {
    let workload = Arc::new(workload::events(seed, 0, case.events));
    for subject in subjects {
        let place = folder.join(format!("run-{}-{}", std::process::id(), subject.name()));
        std::fs::create_dir_all(&place).expect("a run's folder can be made");
        for (name, unit, value) in (case.run)(*subject, &place, &workload) {
            results.add(name, subject.name(), case.events, unit, value);
        }
        std::fs::remove_dir_all(&place).expect("a run's folder can be removed");
    }
}

fn publish_singly(subject: &dyn Subject, folder: &Path, workload: &Workload) -> Vec<Given> {
    let Some(store) = subject.open(folder, workload) else { return Vec::new() };
    let started = Instant::now();
    for at in 0..workload.len() {
        store.publish(at..at + 1);
    }
    vec![("publish_1", "events/s", rate(workload.len(), started.elapsed()))]
}

fn publish_from_sixteen(subject: &dyn Subject, folder: &Path, workload: &Workload) -> Vec<Given> {
    let Some(store) = subject.open(folder, workload) else { return Vec::new() };
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
    vec![("publish_16", "events/s", rate(workload.len(), started.elapsed()))]
}

fn catch_up(subject: &dyn Subject, folder: &Path, workload: &Workload) -> Vec<Given> {
    let Some((took, received)) = subject.catch_up(folder, workload) else { return Vec::new() };
    let wire = received as f64 / workload.len() as f64;
    vec![("catch_up", "events/s", rate(workload.len(), took)), ("wire_per_event", "bytes", wire)]
}

fn latency(subject: &dyn Subject, folder: &Path, workload: &Workload) -> Vec<Given> {
    let Some(latencies) = subject.deliver(folder, workload) else { return Vec::new() };
    let micros = latencies.iter().map(|latency| latency.as_secs_f64() * 1e6);
    vec![("latency", "µs", report::median(micros.collect()))]
}

fn rate(events: usize, took: Duration) -> f64 {
    events as f64 / took.as_secs_f64()
}
