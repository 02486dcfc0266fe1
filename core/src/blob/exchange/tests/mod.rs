//! The exchange alone with scripted peers (`desk`), and several of them with wires (`world`).
// Tests need a first instant.
#![allow(clippy::disallowed_methods)]

mod blame;
mod copies;
mod desk;
mod finder;
mod hostile;
mod pick;
mod retry;
mod serve;
mod sizes;
mod swarm;
mod world;
