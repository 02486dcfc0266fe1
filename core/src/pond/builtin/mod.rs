//! Folds that need no code of an application: said as a value, the same results in every language.
//!
//! Not here: which events (`query`), in which order and when (`pond`).
//! Rule: the state after some events is a function of those events in key order, whatever was saved
//! and loaded between; a value that is missing or of another type is counted in `skipped`, never
//! guessed. Nothing is decoded of a payload but what the way to the value passes.
//! Begin with [`BuiltIn`] and [`Tally`]. Source: docs/pond.md, "Built-in folds".

mod definition;
mod number;
mod path;
mod state;
mod tally;

pub use definition::BuiltIn;
pub use path::{PATH_BYTES_MAX, Path};
pub use tally::Tally;

/// Most folds in one definition, nested ones counted.
pub const FOLDS_MAX: usize = 64;
/// How deep folds may be nested in one definition.
pub const FOLD_NESTING_MAX: usize = 8;

#[cfg(test)]
mod tests;
