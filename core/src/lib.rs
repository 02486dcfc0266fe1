//! millpond: a decentralised event log for shop floors.

mod error;
pub mod event;
#[cfg(feature = "net")]
pub mod net;
pub mod query;
pub mod sync;

pub use error::{Error, ErrorKind, Result};
