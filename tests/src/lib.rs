//! Instruments that tests and benches share: the model, crash campaigns, traces.
//!
//! Not here: claims (`tests/it`).

pub mod calls;
pub mod crash;
pub mod forks;
pub mod model;
pub mod sim;
mod strace;
pub mod trace;
