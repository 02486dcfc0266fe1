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
use crate::error::{Error, ErrorKind, Result};
use crate::event::EventBatch;
use crate::pond::Fish;
use crate::query::Monotonicity;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

pub use crate::driver::lab_node::LabNode;
pub use crate::pond::lab::{
    LAB_NODES_MAX, Lab, LabBackup, LabJob, LabLoss, LabOptions, LabPublished, LabTask, LawCheck,
    LawQuestion,
};
pub use crate::pond::{BrokenLaw, NotShown, check_grow_only};

/// The environment variable that names the one seed to run.
pub const SEED_VARIABLE: &str = "MILLPOND_SEED";

impl Lab {
    /// A lab of so many nodes whose chance follows from this seed.
    ///
    /// # Errors
    /// `invalid_argument`: no node. `limit_exceeded`: more than [`LAB_NODES_MAX`].
    pub fn new(options: &LabOptions) -> Result<Lab> {
        Lab::at(options, clock::now())
    }
}

/// Runs `scenario` for each seed, and stops at the first one that fails. If the environment has
/// [`SEED_VARIABLE`], only that seed is run: so the seed of a failure is replayed.
///
/// # Errors
/// That of the scenario, with its seed. `invalid_argument`: the variable holds no seed, or there is
/// none to run.
///
/// # Panics
/// As the scenario does, after its seed was printed.
pub fn explore(
    seeds: impl IntoIterator<Item = u64>,
    mut scenario: impl FnMut(u64) -> Result<()>,
) -> Result<()> {
    let wanted = seed_wanted()?;
    let mut seeds = seeds.into_iter().peekable();
    if seeds.peek().is_none() {
        let message = "a scenario is run with one seed at least";
        return Err(Error::new(ErrorKind::InvalidArgument, message));
    }
    let seeds: Box<dyn Iterator<Item = u64>> = match wanted {
        Some(seed) => Box::new(std::iter::once(seed)),
        None => Box::new(seeds),
    };
    for seed in seeds {
        match catch_unwind(AssertUnwindSafe(|| scenario(seed))) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(error.in_context(replay_hint(seed))),
            Err(panic) => {
                eprintln!("{}", replay_hint(seed));
                resume_unwind(panic);
            }
        }
    }
    Ok(())
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

/// How to see a failure again, for people.
pub fn replay_hint(seed: u64) -> String {
    format!("seed {seed} fails; {SEED_VARIABLE}={seed} replays it with this version of millpond")
}
