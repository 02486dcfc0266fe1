//! The simulator: whole swarms in one thread, from a seed.
//!
//! The real `millpond::sync` and the real records, chains and signatures run over simulated paths,
//! disks, clocks and processes. Each seed draws which faults there are; after a phase of chaos all
//! is quiet, and the nodes must come to the same. At every step the invariants of `check` hold.
//! Not here: the driver's threads, real disks and sockets (tests/it).
//! Uses millpond's public API only. Rule: equal seeds give equal runs, byte for byte.
//! Begin with [`run`]; the program is tests/src/bin/sim.rs.

mod agenda;
mod app;
pub mod campaign;
mod caps;
pub mod carrier;
mod chaos;
mod check;
mod disk;
mod draw;
mod forks;
mod freight;
mod group;
pub mod heal;
mod hostile;
mod liar;
pub mod link;
mod log;
pub mod mesh;
mod network;
mod node;
mod oracle;
mod pond;
pub mod random;
mod rot;
mod run;
mod watcher;
mod world;

pub use run::{Outcome, RunOptions, run};
pub use world::{Figures, Violation};
