//! millpond: a decentralised event log for shop floors.

mod error;
pub mod event;
pub mod log;
mod pending;
pub mod query;

pub use error::{Error, ErrorKind, Result};
pub use pending::Pending;
