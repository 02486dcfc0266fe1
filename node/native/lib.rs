//! The native half of the JS package: converts types and wakes the event loop, nothing else.
//!
//! Not here: defaults, checks, waiting, errors (`millpond-facade`), and what users see
//! (`node/src`). Rules: no default value and no limit of our own; every function says
//! `catch_unwind`; operations start here and complete through one queue per environment; one
//! crossing per batch of events. Begin with `Bridge`.

#![warn(missing_docs)]
// JavaScript reaches what is `pub` through the registration that the macro generates.
#![allow(unreachable_pub)]
// That generated code hands raw pointers to the runtime.
#![allow(clippy::undocumented_unsafe_blocks)]

mod answer;
mod batch;
mod bridge;
mod completion;
mod coordination;
mod failure;
mod group;
mod handles;
mod lab;
mod lab_scarce;
mod offsets;
mod options;
mod outcome;
mod pond;
mod pond_answer;
mod process;
mod session;
