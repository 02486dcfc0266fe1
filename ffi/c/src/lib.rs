//! The C ABI: `millpond.h` on the facade, and the only ABI that millpond promises.
//!
//! Not here: any decision (`millpond-facade`); the header's laws (`cbindgen.toml`).
//! Rule: an exported function checks every pointer, converts, calls the facade once, and converts
//! back. It runs inside `call`, which no panic passes.
//! Begin with `node`; what C sees of values is in `value`.
#![allow(non_camel_case_types)] // C names.

pub mod abi;
pub mod batch;
pub mod blob;
pub mod blob_io;
mod call;
pub mod cancel;
pub mod cursor;
pub mod deed;
pub mod doing;
pub mod error;
pub mod fish;
pub mod group;
pub mod log;
pub mod node;
pub mod observer;
pub mod options;
pub mod payload;
pub mod publish;
pub mod session;
pub mod state;
pub mod subscription;
pub mod turn;
pub mod value;
