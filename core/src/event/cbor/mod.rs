//! Payloads: one CBOR value each (RFC 8949) in its one deterministic encoding (§4.2.1).
//!
//! The subset is what every language has a natural value for: null, booleans, integers of 64 bits
//! (from −2^63 to 2^64 − 1), finite floats, text, bytes, arrays, and maps with text keys. Refused:
//! tags, undefined and other simple values, indefinite lengths, NaN, infinities, duplicate keys,
//! other keys than text, nesting beyond `NESTING_MAX`.
//!
//! One decoder: everything that reads payload bytes goes through [`Reader`], which takes nothing
//! and allocates nothing on the word of a claimed length; only who looks for one value in a payload
//! that was checked steps over the others without it (`scan`). Begin with [`Value`]; shells that
//! build their own objects use [`Reader`] and [`Writer`] directly.

mod reader;
mod scan;
mod value;
mod writer;

pub use reader::{Item, Reader, check};
pub(crate) use reader::{check_with_items_at, f64_to_half, half_to_f64};
pub(crate) use scan::{container, end_of};
pub use value::{Integer, Value};
pub use writer::Writer;
pub(crate) use writer::check_size;
