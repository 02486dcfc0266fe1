//! What a run of the benches is asked for.

use crate::report::CASES;
use std::path::PathBuf;

const USAGE: &str = "bench [--quick | --huge | --small] [--case NAME] [--subject NAME] \
                     [--seed NUMBER] [--folder DIR] [--results FILE] [--python PROGRAM] \
                     [--node PROGRAM]";

/// The words of the command line.
pub(crate) struct Options {
    pub(crate) size: &'static Size,
    pub(crate) only: Only,
    /// Of the first run's workload; each later run has the next one.
    pub(crate) seed: u64,
    /// Where stores, links and results go.
    pub(crate) folder: PathBuf,
    pub(crate) results: PathBuf,
    /// The interpreters that are measured.
    pub(crate) python: String,
    pub(crate) node: String,
}

/// How much is measured.
pub(crate) struct Size {
    pub(crate) name: &'static str,
    pub(crate) runs: u64,
    /// What is loaded in batches and read, smallest first: there one sees how costs grow.
    pub(crate) stores: &'static [usize],
    /// How many events of a workload are in memory at once.
    pub(crate) chunk_events: usize,
    /// What a second node catches up with; may be none.
    pub(crate) catch_ups: &'static [usize],
    /// Over how many events fish are folded; may be none.
    pub(crate) folds: &'static [usize],
    /// What the other cases take; none of them at a size that is about large stores alone.
    pub(crate) single_events: usize,
    pub(crate) shared_events: usize,
    pub(crate) latency_events: usize,
    pub(crate) shell_events: usize,
    /// Who takes part, where not everybody does.
    pub(crate) subjects: Option<&'static [&'static str]>,
}

const FULL: Size = Size {
    name: "full",
    runs: 5,
    stores: &[10_000, 100_000, 1_000_000],
    chunk_events: 1_000_000,
    catch_ups: &[10_000, 100_000, 1_000_000],
    folds: &[100_000, 1_000_000],
    single_events: 2_000,
    shared_events: 16_000,
    latency_events: 500,
    shell_events: 100_000,
    subjects: None,
};

const QUICK: Size = Size {
    name: "quick",
    stores: &[100_000],
    catch_ups: &[100_000],
    folds: &[100_000],
    single_events: 500,
    shared_events: 4_000,
    latency_events: 100,
    ..FULL
};

/// Ten million events take SQLite minutes, so there is one run, and only it and we are in it.
const HUGE: Size = Size {
    name: "huge",
    runs: 1,
    stores: &[10_000_000],
    chunk_events: 1_000_000,
    catch_ups: &[],
    folds: &[],
    single_events: 0,
    shared_events: 0,
    latency_events: 0,
    shell_events: 0,
    subjects: Some(&["millpond", "sqlite"]),
};

const SMALL: Size = Size {
    name: "small",
    runs: 1,
    stores: &[200, 2_000],
    chunk_events: 1_500,
    catch_ups: &[2_000],
    folds: &[2_000],
    single_events: 20,
    shared_events: 160,
    latency_events: 10,
    shell_events: 1_500,
    subjects: None,
};

/// What is asked for; nothing means everything.
#[derive(Default)]
pub(crate) struct Only {
    case: Option<String>,
    subject: Option<String>,
}

impl Only {
    pub(crate) fn case(&self, name: &str) -> bool {
        self.case.as_ref().is_none_or(|wish| wish == name)
    }

    pub(crate) fn any(&self, cases: &[&str]) -> bool {
        cases.iter().any(|case| self.case(case))
    }

    pub(crate) fn subject(&self, name: &str) -> bool {
        self.subject.as_ref().is_none_or(|wish| wish == name)
    }
}

impl Options {
    /// Reads the command line, or says how it is written.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options {
            size: &FULL,
            only: Only::default(),
            seed: 0,
            folder: PathBuf::from("target/bench"),
            results: PathBuf::new(),
            python: "python3".to_owned(),
            node: "node".to_owned(),
        };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} takes a value"));
            match argument.as_str() {
                "--quick" => options.size = &QUICK,
                "--huge" => options.size = &HUGE,
                "--small" => options.size = &SMALL,
                "--case" => {
                    let case = value()?;
                    if !CASES.contains(&case.as_str()) {
                        return Err(format!("--case is one of {}, not {case}", CASES.join(", ")));
                    }
                    options.only.case = Some(case);
                }
                "--subject" => options.only.subject = Some(value()?),
                "--seed" => {
                    let number = value()?;
                    let seed = number.parse();
                    options.seed = seed.map_err(|_| format!("--seed: {number} is no number"))?;
                }
                "--folder" => options.folder = value()?.into(),
                "--results" => options.results = value()?.into(),
                "--python" => options.python = value()?,
                "--node" => options.node = value()?,
                other => return Err(format!("{USAGE}: not {other}")),
            }
        }
        if options.results.as_os_str().is_empty() {
            options.results = options.folder.join("results.ndjson");
        }
        Ok(options)
    }
}
