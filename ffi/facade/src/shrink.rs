//! A smaller failure of a scenario, as shells look for it: they run the scenario, and are told here
//! what the next run leaves out.

use crate::entry::{guard, lock};
use crate::errors::Result;
use millpond::testing::{self, LabBefall};
use std::sync::Mutex;

/// Looks for what a scenario takes to fail, of all that befell it.
pub struct LabShrink(Mutex<testing::LabShrink>);

impl LabShrink {
    /// After a run that failed and of which nothing was left out, with what befell in it.
    ///
    /// # Errors
    /// `internal`.
    pub fn new(befell: Vec<LabBefall>) -> Result<LabShrink> {
        guard("lab_shrink_new", 0, || {
            Ok(LabShrink(Mutex::new(testing::LabShrink::new(Default::default(), befell))))
        })
    }

    /// What the next run is to leave out; `None` when there is nothing more to try.
    ///
    /// # Errors
    /// `internal`.
    pub fn next_run(&self) -> Result<Option<Vec<u64>>> {
        guard("lab_shrink_next_run", 0, || {
            Ok(lock(&self.0).next_run().map(|without| without.iter().copied().collect()))
        })
    }

    /// How that run ended: in the same failure, with what befell in it, or otherwise.
    ///
    /// # Errors
    /// `internal`.
    pub fn ended(&self, befell: Option<Vec<LabBefall>>) -> Result<()> {
        guard("lab_shrink_ended", 0, || {
            let mut shrink = lock(&self.0);
            match befell {
                Some(befell) => shrink.failed(befell),
                None => shrink.passed(),
            }
            Ok(())
        })
    }

    /// What it takes to fail and how to replay that, for people; `None` when nothing befell.
    ///
    /// # Errors
    /// `internal`.
    pub fn summary(&self, seed: u64) -> Result<Option<String>> {
        guard("lab_shrink_summary", 0, || Ok(lock(&self.0).summary(seed)))
    }
}

/// What the environment says to leave out (`MILLPOND_WITHOUT`), if it does: then no smaller failure
/// is looked for.
///
/// # Errors
/// `invalid_argument`: it is no list of numbers, or there is no seed that it belongs to.
pub fn without_wanted() -> Result<Option<Vec<u64>>> {
    guard("lab_without", 0, || {
        Ok(testing::without_wanted()?.map(|numbers| numbers.into_iter().collect()))
    })
}
