//! Large swarms in one thread: the real `Swarm` of each node over paths that only take time.
//!
//! Nothing is lost or damaged here and no fault is drawn, so a thousand nodes fit. What is measured
//! is who is connected with whom, and what an event costs on its way to all.
//! Not here: faults of any kind (the rest of `sim`). Rule: equal seeds give equal figures.
//! Begin with [`SCENES`].

mod log;
mod scenes;
mod world;

pub use scenes::{
    Outcome, SCENES, Scene, crowd, go_between, idle, islands, late_comer, redundancy,
};
