//! Figures: medians, one table for people, one line each for programs.

use crate::options::Options;
use std::path::Path;
use std::process::Command;

/// One subject in one case at one size, over all runs.
pub(crate) struct Figure {
    pub(crate) case: &'static str,
    pub(crate) subject: &'static str,
    pub(crate) events: usize,
    unit: &'static str,
    values: Vec<f64>,
}

impl Figure {
    pub(crate) fn value(&self) -> f64 {
        median(self.values.clone())
    }

    /// This figure divided by `other`, run by run: what the machine did in a run cancels out.
    pub(crate) fn ratio_to(&self, other: &Figure) -> f64 {
        median(self.values.iter().zip(&other.values).map(|(own, their)| own / their).collect())
    }

    /// How far apart the slowest and the fastest run are, as a part of the median; 0 when equal.
    fn spread(&self) -> f64 {
        let least = self.values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if most > least { (most - least) / self.value() } else { 0.0 }
    }
}

/// What has been measured so far.
#[derive(Default)]
pub(crate) struct Results {
    figures: Vec<Figure>,
}

impl Results {
    pub(crate) fn add(
        &mut self,
        case: &'static str,
        subject: &'static str,
        events: usize,
        unit: &'static str,
        value: f64,
    ) {
        let mut figures = self.figures.iter_mut();
        let same = |f: &&mut Figure| (f.case, f.subject, f.events) == (case, subject, events);
        match figures.find(same) {
            Some(figure) => figure.values.push(value),
            None => {
                let values = vec![value];
                self.figures.push(Figure { case, subject, events, unit, values });
            }
        }
    }

    /// Case by case, and in it from small to large.
    pub(crate) fn figures(mut self) -> Vec<Figure> {
        let place = |case| CASES.iter().position(|known| *known == case).unwrap_or(CASES.len());
        // What is equal stays in the order of the first run.
        self.figures.sort_by_key(|figure| (place(figure.case), figure.events));
        self.figures
    }
}

/// All cases, in the order of the table.
pub(crate) const CASES: [&str; 29] = [
    "publish_batch_1000",
    "publish_1",
    "publish_16",
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
    "catch_up",
    "wire_per_event",
    "latency",
    "fold_count",
    "fold_builtin",
    "fold_late",
    "fold_reopen",
    "fold_reconnect",
    "python_publish",
    "python_iterate",
    "python_fold",
    "node_publish",
    "node_iterate",
    "node_fold",
    "c_iterate",
    "cpp_iterate",
];

/// The middle value; of an even number the mean of the two in the middle. `values` is not empty.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

/// The table: each subject beside us, or beside the first one where we do not take part.
pub(crate) fn print(figures: &[Figure], options: &Options) {
    let Options { size, folder, seed, .. } = options;
    println!("{}", machine());
    println!(
        "date: {}, size: {}, seeds from {seed}, folder: {}, load averages: {}",
        said_by("date", &["-u", "+%F"]),
        size.name,
        folder.display(),
        load()
    );
    if let Some(subjects) = size.subjects {
        println!("runs: {}; only {}", size.runs, subjects.join(" and "));
    }
    println!();
    println!(
        "{:<20} {:<14} {:>9} {:>12} {:<9} {:>4} {:>7} {:>9}",
        "case", "subject", "events", "median", "unit", "runs", "spread", "ratio"
    );
    for figure in figures {
        let beside = |other: &&Figure| (other.case, other.events) == (figure.case, figure.events);
        let first = figures.iter().find(beside).expect("the figure itself is of this case");
        println!(
            "{:<20} {:<14} {:>9} {:>12.1} {:<9} {:>4} {:>6.0}% {:>8.2}x",
            figure.case,
            figure.subject,
            figure.events,
            figure.value(),
            figure.unit,
            figure.values.len(),
            figure.spread() * 100.0,
            first.ratio_to(figure),
        );
    }
    println!();
    println!("ratio: the first subject of the case divided by this one, median of the runs.");
}

/// One JSON object for each figure, in a file of its own.
pub(crate) fn write(figures: &[Figure], path: &Path) {
    let mut text = String::new();
    for figure in figures {
        text.push_str(&format!(
            "{{\"case\":\"{}\",\"subject\":\"{}\",\"events\":{},\"value\":{:.3},\"unit\":\"{}\",\
             \"runs\":{},\"spread\":{:.4}}}\n",
            figure.case,
            figure.subject,
            figure.events,
            figure.value(),
            figure.unit,
            figure.values.len(),
            figure.spread(),
        ));
    }
    std::fs::write(path, text).expect("the results can be written");
    println!("results: {}", path.display());
}

/// Processor, cores, memory and kernel, in one line.
fn machine() -> String {
    let facts = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = facts.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("processor unknown", |rest| rest.trim_start_matches(['\t', ' ', ':']));
    let cores = std::thread::available_parallelism().map_or(0, |cores| cores.get());
    let kernel = said_by("uname", &["-sr"]);
    let mode = if cfg!(debug_assertions) { "not optimised for figures" } else { "release" };
    format!("machine: {model}, {cores} cores, {kernel}; build: {mode}")
}

/// Runnable tasks on average over 1, 5 and 15 minutes, at the end.
fn load() -> String {
    let averages = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    averages.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn said_by(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().map(|output| output.stdout);
    String::from_utf8(output.unwrap_or_default()).unwrap_or_default().trim().to_owned()
}
