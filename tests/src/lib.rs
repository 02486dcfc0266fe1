//! Instruments that tests and benches share: the model, crash campaigns, traces.
//!
//! Not here: claims (`tests/it`).

pub mod blobs;
pub mod calls;
pub mod crash;
pub mod forks;
pub mod fuzz;
pub mod model;
pub mod sim;
pub mod snapshots;
mod strace;
pub mod trace;

// Real networks; what they need is Linux's.
#[cfg(target_os = "linux")]
pub mod netlab;
