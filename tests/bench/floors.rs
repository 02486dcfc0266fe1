//! What the figures should be: floors, below which nothing ships, and aims, which are better.
//!
//! Not tests: a busy machine may miss them. Each is judged at the largest size that was measured,
//! and says so; those about large stores mean a million events, `open` and `rss` ten.
//! Begin with `print`.

use crate::report::Figure;

/// A promise about two subjects of a case, or about ours alone.
struct Floor {
    case: &'static str,
    ours: &'static str,
    beside: Beside,
    better: Better,
    floor: f64,
    aim: f64,
}

/// What is held against the floor.
#[derive(Clone, Copy)]
enum Beside {
    /// Our figure, in this unit.
    Nobody(&'static str),
    /// Our figure divided by this subject's.
    Figure(&'static str),
    /// This subject's rate divided by ours: how many times its time we take.
    Time(&'static str),
}

#[derive(Clone, Copy)]
enum Better {
    More,
    Less,
}

use Beside::{Figure as Times, Nobody, Time};
use Better::{Less, More};

const FLOORS: [Floor; 36] = [
    ours("publish_batch_1000", Times("sqlite"), More, 15.0, 30.0),
    ours("publish_1", Times("file"), More, 0.85, 1.0),
    ours("publish_16", Times("file"), More, 0.85, 0.95),
    ours("written_per_event", Nobody("bytes"), Less, 1024.0, 512.0),
    ours("bytes_per_event", Nobody("bytes"), Less, 68.0, 45.0),
    ours("query_order", Times("sqlite"), Less, 1.2, 0.5),
    ours("query_machine", Times("sqlite"), Less, 1.2, 0.5),
    ours("query_newest_10", Times("sqlite"), Less, 1.0, 0.5),
    ours("query_scaling", Nobody("times"), More, 1.5, 1.8),
    ours("scan", Times("sqlite"), More, 0.6, 1.1),
    // Of records, on all processors together.
    ours("verify", Nobody("MB/s"), More, 300.0, 300.0),
    ours("open", Nobody("µs"), Less, 20_000.0, 2_000.0),
    ours("rss", Nobody("KiB"), Less, 11_718.0, 4_882.0),
    ours("catch_up", Nobody("events/s"), More, 600_000.0, 1_500_000.0),
    ours("wire_per_event", Nobody("bytes"), Less, 60.0, 50.0),
    // Both are missed: docs/guarantees.md, "Losses", says by how much and why.
    ours("latency", Times("tcp"), Less, 1.5, 1.2),
    live(),
    ours("fold_count", Times("scan"), More, 0.5, 0.5),
    ours("fold_builtin", Nobody("events/s"), More, 2_000_000.0, 2_000_000.0),
    ours("fold_late", Nobody("ms"), Less, 20.0, 20.0),
    ours("fold_reopen", Nobody("ms"), Less, 50.0, 50.0),
    // Events that were folded, for each one that was new.
    ours("fold_reconnect", Nobody("times"), Less, 1.2, 1.2),
    ours("python_publish", Time("rust"), Less, 2.5, 1.5),
    as_bytes("python_publish"),
    ours("python_iterate", Time("rust"), Less, 2.5, 1.5),
    as_bytes("python_iterate"),
    ours("python_fold", Nobody("events/s"), More, 300_000.0, 300_000.0),
    built_in("python_fold"),
    ours("node_publish", Time("rust"), Less, 2.5, 1.5),
    as_bytes("node_publish"),
    ours("node_iterate", Time("rust"), Less, 2.5, 1.5),
    as_bytes("node_iterate"),
    ours("node_fold", Nobody("events/s"), More, 300_000.0, 300_000.0),
    built_in("node_fold"),
    compiled("c_iterate", 1.1),
    compiled("cpp_iterate", 1.15),
];

const fn ours(case: &'static str, beside: Beside, better: Better, floor: f64, aim: f64) -> Floor {
    Floor { case, ours: "millpond", beside, better, floor, aim }
}

/// Delivered before it is durable, beside what no delivery can be faster than.
const fn live() -> Floor {
    let (ours, beside) = ("millpond_live", Beside::Figure("tcp_unsynced"));
    Floor { case: "latency", ours, beside, better: Less, floor: 3.0, aim: 3.0 }
}

/// A shell that only hands bytes over.
const fn as_bytes(case: &'static str) -> Floor {
    let beside = Time("rust_bytes");
    Floor { case, ours: "millpond_bytes", beside, better: Less, floor: 1.3, aim: 1.1 }
}

/// A language without a run time of its own, over the C ABI.
const fn compiled(case: &'static str, floor: f64) -> Floor {
    let beside = Time("rust_bytes");
    Floor { case, ours: "millpond_bytes", beside, better: Less, floor, aim: 1.05 }
}

/// A fold without code of the shell's language.
const fn built_in(case: &'static str) -> Floor {
    let (ours, beside) = ("millpond_builtin", Beside::Nobody("events/s"));
    Floor { case, ours, beside, better: More, floor: 2_000_000.0, aim: 2_000_000.0 }
}

/// One line for each floor that something was measured for.
pub(crate) fn print(figures: &[Figure]) {
    println!();
    println!(
        "{:<20} {:>9} {:<40} {:>11} {:>11} {:>11}  verdict",
        "floors", "events", "what", "floor", "aim", "reached"
    );
    for floor in &FLOORS {
        let Some((events, reached)) = floor.reached(figures) else { continue };
        println!(
            "{:<20} {:>9} {:<40} {:>11} {:>11} {:>11}  {}",
            floor.case,
            events,
            floor.what(),
            floor.bound(floor.floor),
            floor.bound(floor.aim),
            short(reached),
            floor.verdict(reached)
        );
    }
}

impl Floor {
    /// At which size, and what; nothing when a figure is missing.
    fn reached(&self, figures: &[Figure]) -> Option<(usize, f64)> {
        let of = |subject: &str, events: Option<usize>| {
            let fits = |figure: &&Figure| {
                figure.case == self.case
                    && figure.subject == subject
                    && events.is_none_or(|events| events == figure.events)
            };
            figures.iter().filter(fits).max_by_key(|figure| figure.events)
        };
        let ours = of(self.ours, None)?;
        let reached = match self.beside {
            Nobody(_) => ours.value(),
            Times(other) => ours.ratio_to(of(other, Some(ours.events))?),
            Time(other) => of(other, Some(ours.events))?.ratio_to(ours),
        };
        Some((ours.events, reached))
    }

    fn what(&self) -> String {
        match self.beside {
            Nobody(unit) => unit.to_owned(),
            Times(other) => format!("{} ÷ {other}", self.ours),
            Time(other) => format!("time of {} ÷ of {other}", self.ours),
        }
    }

    fn bound(&self, value: f64) -> String {
        let sign = if matches!(self.better, More) { "≥" } else { "≤" };
        format!("{sign} {}", short(value))
    }

    fn verdict(&self, reached: f64) -> &'static str {
        let within = |bound| match self.better {
            More => reached >= bound,
            Less => reached <= bound,
        };
        match (within(self.floor), within(self.aim)) {
            (false, _) => "missed",
            (true, false) => "holds",
            (true, true) => "holds, and the aim",
        }
    }
}

/// With as many digits as tell something.
fn short(value: f64) -> String {
    if value.abs() >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}
