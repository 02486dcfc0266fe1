//! Claims about the protocol, held against a small world in memory with a clock of its own.

mod admission;
mod converge;
mod disputes;
mod example;
mod flow;
mod forks;
mod forks_random;
mod hostile;
mod later;
mod log;
mod mesh;
mod packed;
mod puppet;
mod repair;
mod scenario;
mod secrets;
mod world;
