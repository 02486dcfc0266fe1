//! What we claim, proved: one module for each concern, one program for all of them.

#![allow(clippy::unwrap_used)] // A panic of a test is its report.

mod bench;
mod blobs;
mod catch_up;
mod causal;
mod claims;
mod closing;
mod compaction;
mod conversion;
mod crash;
mod disk;
mod escrow;
mod executors;
mod fish;
mod forks;
mod groups;
mod growth;
mod hostile;
mod house;
mod injection;
mod liar;
mod live;
mod memory;
mod mesh;
mod metrics;
mod model_based;
#[cfg(target_os = "linux")]
mod networks;
mod nodes;
mod priority;
mod readers;
mod rot;
mod rotation;
mod second_reader;
mod seeds;
mod simulator;
mod slow;
mod slow_subscriber;
mod snapshots;
mod status;
mod support;
mod sync;
mod tidy;
mod vectors;
