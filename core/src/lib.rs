//! millpond: a decentralised event log for shop floors.

mod error;
pub mod event;
pub mod sync;

pub use error::{Error, ErrorKind, Result};
