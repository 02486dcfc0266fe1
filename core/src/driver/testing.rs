//! The testing kit: a swarm in memory, with virtual time and chance from a seed, for tests of fish
//! and effects.
//!
//! ```
//! use millpond::event::{NewEvent, Payload, TagSet, cbor::Value};
//! use millpond::query::Query;
//! use millpond::testing::{Lab, LabOptions, explore};
//! use millpond::{Fish, PublishOptions, Result};
//!
//! # fn main() -> Result<()> {
//! let query = Query::parse("FROM 'piece'")?;
//! let pieces = Fish::new("pieces", 1, query, || 0u64, |count, _| {
//!     *count += 1;
//!     Ok(())
//! })?;
//! explore(1..=20, |seed| {
//!     let mut lab = Lab::new(&LabOptions::new(3, seed))?;
//!     for _ in 0..10 {
//!         lab.chaos(3)?;
//!         for node in 0..3 {
//!             if lab.is_up(node)? {
//!                 let payload = Payload::from_value(&Value::Null)?;
//!                 let piece = NewEvent { tags: TagSet::new(["piece"])?, payload };
//!                 lab.node(node)?.publish(vec![piece], PublishOptions::default()).wait()?;
//!             }
//!         }
//!     }
//!     lab.calm()?;
//!     lab.check(&pieces)?;
//!     assert_eq!(lab.node(0)?.state(&pieces)?, lab.node(2)?.state(&pieces)?);
//!     Ok(())
//! })
//! # }
//! ```
//!
//! Begin with [`Lab`] and [`LabNode`]; [`explore`] runs a scenario for many seeds. Source:
//! docs/testing.md.

use crate::driver::clock;
use crate::driver::explore::Trial;
use crate::error::{Error, ErrorKind, Result};
use crate::event::EventBatch;
use crate::pond::Fish;
use crate::pond::lab::{numbers_from, numbers_text};
use crate::query::Monotonicity;
use std::collections::BTreeSet;

pub use crate::driver::explore::{ExploreOptions, explore, explore_with};
pub use crate::driver::lab_node::LabNode;
pub use crate::pond::lab::{
    LAB_NODES_MAX, LAB_SCHEDULE, Lab, LabBackup, LabBefall, LabJob, LabLoss, LabOptions,
    LabPublished, LabShrink, LabTask, LawCheck, LawQuestion,
};
pub use crate::pond::{BrokenLaw, NotShown, check_grow_only};

/// The environment variable that names the one seed to run.
pub const SEED_VARIABLE: &str = "MILLPOND_SEED";
/// The environment variable that names what does not befall then, such as `1-4,7`. Where it is
/// there, also empty, [`explore`] looks for no smaller failure.
pub const WITHOUT_VARIABLE: &str = "MILLPOND_WITHOUT";

impl Lab {
    /// A lab of so many nodes whose chance follows from this seed. In a scenario of [`explore`] it
    /// leaves out what that is to be run without, too.
    ///
    /// # Errors
    /// `invalid_argument`: no node. `limit_exceeded`: more than [`LAB_NODES_MAX`].
    pub fn new(options: &LabOptions) -> Result<Lab> {
        Trial::lab(options, |options| Lab::at(options, clock::now()))
    }
}

/// Whether what a fish shows can be taken back by events that arrive later, and why. One that is
/// declared to grow only is checked on `events` first, as [`Fish::check_grow_only`] does.
///
/// # Errors
/// As [`Fish::check_grow_only`].
pub fn lint<S>(fish: &Fish<S>, events: &EventBatch) -> Result<Monotonicity>
where
    S: Clone + PartialEq + Send + 'static,
{
    let declared = fish.definition().is_grow_only();
    let checked_on = declared.then(|| fish.check_grow_only(events)).transpose()?;
    Ok(fish.definition().monotonicity(checked_on))
}

/// The seed that the environment names, if it does.
///
/// # Errors
/// `invalid_argument`: it is no whole number from 0 to 2^64 - 1.
pub fn seed_wanted() -> Result<Option<u64>> {
    let Some(text) = std::env::var_os(SEED_VARIABLE) else { return Ok(None) };
    let seed = text.to_str().and_then(|text| text.trim().parse().ok());
    seed.map(Some).ok_or_else(|| {
        let message = format!("{SEED_VARIABLE} is {text:?}; it must be a whole number");
        Error::new(ErrorKind::InvalidArgument, message)
    })
}

/// What the environment says to leave out, if it does.
///
/// # Errors
/// `invalid_argument`: it is no list such as `1-4,7`, or there is one without a seed.
pub fn without_wanted() -> Result<Option<BTreeSet<u64>>> {
    let Some(text) = std::env::var_os(WITHOUT_VARIABLE) else { return Ok(None) };
    let numbers = numbers_from(&text.to_string_lossy())
        .map_err(|error| error.in_context(WITHOUT_VARIABLE))?;
    if !numbers.is_empty() && seed_wanted()?.is_none() {
        let message = format!("{WITHOUT_VARIABLE} belongs to one seed; set {SEED_VARIABLE}, too");
        return Err(Error::new(ErrorKind::InvalidArgument, message));
    }
    Ok(Some(numbers))
}

/// How to see a failure again, for people, with what the environment says to leave out.
pub fn replay_hint(seed: u64) -> String {
    let without = without_wanted().ok().flatten().filter(|numbers| !numbers.is_empty());
    let without = without.map_or_else(String::new, |numbers| {
        format!(" {WITHOUT_VARIABLE}={}", numbers_text(&numbers))
    });
    format!(
        "seed {seed} fails; {SEED_VARIABLE}={seed}{without} replays it with this version of \
         millpond (schedule {LAB_SCHEDULE})"
    )
}
