//! Instruments that tests and benches share: the model, crash campaigns, traces, networks.
//!
//! Not here: claims (`tests/it`).

pub mod calls;
pub mod crash;
pub mod model;
#[cfg(target_os = "linux")]
pub mod netlab;
mod strace;
pub mod trace;
