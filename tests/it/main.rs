//! What we claim, proved: one module for each concern, one program for all of them.

#![allow(clippy::unwrap_used)] // A panic of a test is its report.

mod bench;
mod crash;
mod disk;
mod house;
mod model_based;
mod nodes;
mod slow;
mod support;
mod sync;
mod tidy;
mod vectors;
