//! What we claim, proved: one module for each concern, one program for all of them.

mod bench;
mod house;
mod support;
mod tidy;
mod vectors;
