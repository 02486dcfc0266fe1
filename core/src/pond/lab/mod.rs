//! A swarm in memory for tests: nodes with a log each, time that passes when it is told to, and
//! partitions, crashes and deliveries by chance from a seed.
//!
//! Under it run real folds (`pond::Fold`) of an application's fish, with a judge beside them: the
//! fold of the sorted log, from nothing, in one piece. So what is wrong with a fish shows, and
//! shows again with the same seed. Accounts and claims are decided as on a node (`pond::desk`),
//! and judged whenever something of them came. Not here: sync, disks and forks as they are
//! (`tests/src/sim` has those), and the clock.
//! Rule: equal options and equal calls give equal results and equal traces.
//! Begin with [`Lab`]; `task` says what takes code of fish, `judge` what is asked of them; `desk`
//! is where accounts and claims begin, `scarce` what is asked of those.

mod answers;
mod backup;
mod befall;
mod chance;
mod desk;
mod disk;
mod fold;
mod judge;
#[allow(clippy::module_inception)] // One public type per file, named after it.
mod lab;
mod law;
mod lives;
mod member;
mod options;
mod reader;
mod scarce;
mod shrink;
mod streams;
mod task;
mod typed;
mod weather;

pub use answers::LabLoss;
pub use backup::LabBackup;
pub use befall::LabBefall;
pub use lab::Lab;
pub use law::{LawCheck, LawQuestion};
pub use options::{LAB_NODES_MAX, LAB_SCHEDULE, LabOptions, LabPublished};
pub use shrink::LabShrink;
pub(crate) use shrink::{numbers_from, numbers_text};
pub use task::{LabJob, LabTask};

#[cfg(test)]
pub(super) use reader::{Pull, Reader, View};
#[cfg(test)]
pub(super) use streams::Streams;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_befall;
#[cfg(test)]
mod tests_desk;
#[cfg(test)]
mod tests_planted;
