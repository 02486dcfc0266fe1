//! Fish of one node: what they show, who does their work, and effects on what they show.
//!
//! Not here: folding (`pond`), reading (`log`). Rule: a fish has one fold in a node, which lives
//! while somebody observes it, and whoever asked first has its code run. No code of an application
//! runs under a lock.
//! Begin with [`Node::observe`](crate::Node::observe); what shells are made of is
//! [`Node::join_fish`](crate::Node::join_fish).

mod all;
mod arrivals;
mod crew;
mod effects;
mod first_seed;
mod observe;
mod observer;
mod one;
mod polled;
mod pump;
mod session;
mod state_subscription;
mod table;
mod turn;
mod watched;

pub use all::{AllObserved, AllObserver, FISH_OF_ALL_MAX};
pub(super) use effects::Wanted;
pub use effects::{RunOptions, Running};
pub use first_seed::FirstSeed;
pub use observer::{Observed, Observer};
pub use one::OneObserver;
pub use pump::{Pump, PumpEnding, PumpStep};
pub use state_subscription::StateSubscription;
pub(crate) use table::Ponds;
pub use turn::{Acting, EffectTurn, TURN_ROUNDS_MAX};
