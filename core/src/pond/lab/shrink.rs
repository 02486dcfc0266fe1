//! A smaller failure: of what befell a scenario that fails, the part that it takes.
//!
//! Not here: running the scenario. Who does asks for runs and says how they ended.
//! Rule: what is left out in a run stays left out only if that run failed as the first one did.

use crate::error::{Error, ErrorKind, Result};
use crate::pond::lab::befall::LabBefall;
use crate::pond::lab::options::LAB_SCHEDULE;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Further runs, at most.
const RUNS_MAX: u32 = 64;
/// So many of what is left are shown.
const SHOWN_MAX: usize = 32;
/// Most numbers that one text may name.
const NAMED_MAX: u64 = 1 << 20;

/// Looks for a smaller failure of a scenario: leaves out halves of what befell, then smaller parts,
/// as long as it still fails; in 64 further runs at most. Take [`LabShrink::next_run`], run the
/// scenario so, say how that ended, and again until there is none.
#[derive(Clone, Debug)]
pub struct LabShrink {
    /// Left out by now, and it fails.
    without: BTreeSet<u64>,
    /// What befalls then.
    left: BTreeMap<u64, String>,
    /// How much befell at first.
    first: usize,
    /// Parts have this size, and the next one begins at `at`.
    size: usize,
    at: usize,
    /// Something was left out since the smallest parts were begun.
    has_gone_on: bool,
    runs: u32,
    /// What the run leaves out that was asked for.
    tried: Option<BTreeSet<u64>>,
}

impl LabShrink {
    /// After a run that failed, of which `without` was left out, and in which this befell.
    pub fn new(without: BTreeSet<u64>, befell: impl IntoIterator<Item = LabBefall>) -> LabShrink {
        let left = merged(befell);
        let (first, size) = (left.len(), left.len());
        let (at, has_gone_on, runs) = (0, false, 0);
        LabShrink { without, left, first, size, at, has_gone_on, runs, tried: None }
    }

    /// What the next run is to leave out; `None` when there is nothing more to try.
    pub fn next_run(&mut self) -> Option<&BTreeSet<u64>> {
        if self.left.is_empty() || self.runs == RUNS_MAX {
            return None;
        }
        self.size = self.size.min(self.left.len());
        if self.at >= self.left.len() {
            if self.size == 1 && !self.has_gone_on {
                return None;
            }
            (self.size, self.at, self.has_gone_on) = (self.size.div_ceil(2), 0, false);
        }
        self.runs += 1;
        let part = self.left.keys().skip(self.at).take(self.size);
        self.tried = Some(self.without.iter().chain(part).copied().collect());
        self.tried.as_ref()
    }

    /// The run failed as the first one did, and this befell in it.
    pub fn failed(&mut self, befell: impl IntoIterator<Item = LabBefall>) {
        if let Some(tried) = self.tried.take() {
            self.without = tried;
            // What could not befall before may do so now.
            self.left = merged(befell);
            self.has_gone_on = true;
        }
    }

    /// The run ended well, or in another way.
    pub fn passed(&mut self) {
        if self.tried.take().is_some() {
            self.at += self.size;
        }
    }

    /// What it takes to fail and how to replay that, for people; `None` when nothing befell.
    pub fn summary(&self, seed: u64) -> Option<String> {
        if self.first == 0 {
            return None;
        }
        let mut said = match self.left.len() {
            0 => format!("it fails so without any of the {} things that befell", self.first),
            left => {
                format!("{left} of the {} things that befell are enough:", self.first.max(left))
            }
        };
        let mut say = |line: &str| said.extend(["\n  ", line]);
        for (number, what) in self.left.iter().take(SHOWN_MAX) {
            say(&format!("[{number}] {what}"));
        }
        if let Some(more) = self.left.len().checked_sub(SHOWN_MAX + 1) {
            say(&format!("and {} more", more + 1));
        }
        if !self.without.is_empty() {
            let without = numbers_text(&self.without);
            let replay = format!("MILLPOND_SEED={seed} MILLPOND_WITHOUT={without}");
            write!(said, "\n{replay} replays that (schedule {LAB_SCHEDULE})")
                .expect("a text grows");
        }
        Some(said)
    }
}

/// By number; where several labs of a scenario have one number, all of them are said.
fn merged(befell: impl IntoIterator<Item = LabBefall>) -> BTreeMap<u64, String> {
    let mut all = BTreeMap::<u64, String>::new();
    for LabBefall { number, what } in befell {
        let said = all.entry(number).or_default();
        if !said.split("; ").any(|own| own == what) {
            let between = if said.is_empty() { "" } else { "; " };
            said.extend([between, &what]);
        }
    }
    all
}

/// Numbers as a text, those that follow each other as a range: `1-4,7`.
pub(crate) fn numbers_text(numbers: &BTreeSet<u64>) -> String {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => ranges.push((*number, *number)),
        }
    }
    let written = |(first, last): (u64, u64)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    ranges.into_iter().map(written).collect::<Vec<String>>().join(",")
}

/// The numbers of a text; of an empty one none.
///
/// # Errors
/// `invalid_argument`: it is no such text, or names more than a million numbers.
pub(crate) fn numbers_from(text: &str) -> Result<BTreeSet<u64>> {
    let wrong = || {
        let message = format!("{text:?} is no list of numbers such as 1-4,7");
        Error::new(ErrorKind::InvalidArgument, message)
    };
    let mut numbers = BTreeSet::new();
    for part in text.trim().split(',').map(str::trim).filter(|_| !text.trim().is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
        let (first, last) = (number(first)?, number(last)?);
        if last < first || last - first >= NAMED_MAX - numbers.len().min(1 << 20) as u64 {
            return Err(wrong());
        }
        numbers.extend(first..=last);
    }
    Ok(numbers)
}
