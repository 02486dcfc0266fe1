//! millpond: a decentralised event log for shop floors.

mod error;
pub mod event;
pub mod log;
#[cfg(feature = "net")]
pub mod net;
mod pending;
pub mod query;
pub mod sync;

pub use error::{Error, ErrorKind, Result};
pub use pending::Pending;
