//! A state of a fish, as shells see it.

use crate::core::Emission;
use crate::errors::Result;
use crate::json;
use crate::offsets::Offsets;
use crate::position::Position;
use crate::puller::Item;
use bytes::Bytes;

/// A state: the fold of all matching events of one offset map, in key order. Clones share it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateView {
    bytes: Bytes,
    place: Position,
    last: Option<String>,
    number: u64,
    is_end: bool,
}

impl StateView {
    pub(crate) fn new(emission: Emission) -> StateView {
        let Emission { state, offsets, last, number } = emission;
        let place = Offsets::from(offsets).into();
        let last = last.map(|key| key.to_string());
        StateView { bytes: state, place, last, number, is_end: false }
    }

    /// The state as its codec writes it: with the default codec, and of a built-in fold, one CBOR
    /// value in its deterministic encoding. Empty at the end.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The state as JSON text (see [`json`]).
    ///
    /// # Errors
    /// `invalid_argument`: it has a codec of its own, or this is the end.
    pub fn json(&self) -> Result<String> {
        json::text_of(&self.bytes)
    }

    /// It is the fold of the matching events of this offset map. At the end that of the last state.
    pub fn offsets(&self) -> &Offsets {
        self.place.offsets()
    }

    /// That offset map as a token: a read after it has seen what this state has.
    pub fn token(&self) -> String {
        self.offsets().token()
    }

    /// The key of the last event in it, `<lamport>/<stream id>`; `None` when nothing matched.
    pub fn last(&self) -> Option<&str> {
        self.last.as_deref()
    }

    /// Counts the states that the fold has shown, from 1; 0 at the end.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// True when no state will follow, and this is none: the observer or its node was closed.
    pub fn is_end(&self) -> bool {
        self.is_end
    }
}

impl Item for StateView {
    fn end(place: Position) -> StateView {
        StateView { place, is_end: true, ..StateView::default() }
    }

    fn is_end(&self) -> bool {
        self.is_end
    }

    fn position(&self) -> Option<&Position> {
        Some(&self.place)
    }
}
