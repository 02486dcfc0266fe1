//! Figures: medians, one table for people, one line each for programs.

use std::path::Path;
use std::process::Command;

/// One subject in one case, over all runs.
pub(crate) struct Figure {
    case: &'static str,
    subject: &'static str,
    events: usize,
    unit: &'static str,
    values: Vec<f64>,
}

impl Figure {
    fn value(&self) -> f64 {
        median(self.values.clone())
    }

    /// This figure divided by `other`, run by run: what the machine did in a run cancels out.
    fn ratio_to(&self, other: &Figure) -> f64 {
        median(self.values.iter().zip(&other.values).map(|(own, their)| own / their).collect())
    }

    /// How far apart the slowest and the fastest run are, as a part of the median; 0 when equal.
    fn spread(&self) -> f64 {
        let least = self.values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if most > least { (most - least) / self.value() } else { 0.0 }
    }
}

/// A promise about two subjects of a case, or about ours alone.
struct Floor {
    case: &'static str,
    /// Divided by this one's value; none: the value itself.
    beside: Option<&'static str>,
    holds: fn(f64) -> bool,
    says: &'static str,
}

/// What issue 2 asks for. Figures, not tests: a busy machine may miss them.
const FLOORS: [Floor; 5] = [
    floor("publish_batch_1000", Some("sqlite"), |ratio| ratio >= 6.0, "at least 6x SQLite"),
    floor("publish_1", Some("file"), |ratio| ratio >= 0.7, "at least 0.7x the bare file"),
    floor("publish_16", Some("file"), |ratio| ratio >= 0.7, "at least 0.7x the bare file"),
    floor("catch_up", None, |rate| rate >= 200_000.0, "at least 200,000 events/s"),
    floor("latency", Some("tcp"), |ratio| ratio <= 3.0, "at most 3x TCP behind one fdatasync"),
];

const fn floor(
    case: &'static str,
    beside: Option<&'static str>,
    holds: fn(f64) -> bool,
    says: &'static str,
) -> Floor {
    Floor { case, beside, holds, says }
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
        let known = self.figures.iter_mut().find(|f| f.case == case && f.subject == subject);
        match known {
            Some(figure) => figure.values.push(value),
            None => {
                let values = vec![value];
                self.figures.push(Figure { case, subject, events, unit, values });
            }
        }
    }

    pub(crate) fn figures(self) -> Vec<Figure> {
        self.figures
    }
}

/// The middle value; of an even number the mean of the two in the middle. `values` is not empty.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

/// The table: each subject beside us, or beside the first one where we do not take part.
pub(crate) fn print(figures: &[Figure], size: &str, folder: &Path) {
    println!("{}", machine());
    println!(
        "date: {}, size: {size}, folder: {}, load averages: {}",
        said_by("date", &["-u", "+%F"]),
        folder.display(),
        load()
    );
    println!();
    println!(
        "{:<20} {:<9} {:>8} {:>12} {:<9} {:>4} {:>7} {:>9}",
        "case", "subject", "events", "median", "unit", "runs", "spread", "ratio"
    );
    for figure in figures {
        let first = figures.iter().find(|other| other.case == figure.case);
        let first = first.expect("the figure itself is of this case");
        println!(
            "{:<20} {:<9} {:>8} {:>12.1} {:<9} {:>4} {:>6.0}% {:>8.2}x",
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
    println!();
    FLOORS.iter().for_each(|floor| print_floor(floor, figures));
}

fn print_floor(floor: &Floor, figures: &[Figure]) {
    let find = |subject| figures.iter().find(|f| f.case == floor.case && f.subject == subject);
    let Some(ours) = find("millpond") else { return };
    let reached = match floor.beside.map(find) {
        None => ours.value(),
        Some(Some(other)) => ours.ratio_to(other),
        Some(None) => return,
    };
    let verdict = if (floor.holds)(reached) { "holds" } else { "missed" };
    println!("floor {}: {}: {reached:.2}, {verdict}", floor.case, floor.says);
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
