//! Claims about the protocol, held against a small world in memory with a clock of its own.

mod admission;
mod cap;
mod cargo;
mod converge;
mod crowds;
mod dials;
mod disputes;
mod example;
mod flow;
mod forks;
mod forks_random;
mod going_on;
mod hostile;
mod lamports;
mod later;
mod log;
mod mesh;
mod packed;
mod preview;
mod priority;
mod puppet;
mod repair;
mod scenario;
mod secrets;
mod world;
