//! Where a walk stands: what of each stream is behind it.
//!
//! Rule: a place is never beyond the next match, so a walk that begins there misses nothing.

use super::filter::Filter;
use super::shared::Shared;
use super::turn::Piece;
use super::walk::Walk;
use crate::error::Result;
use crate::event::{BatchBuilder, OffsetMap};

impl Walk {
    /// How far each stream was walked forwards: what lies below was delivered or does not match.
    pub(crate) fn position(&self, upper: &OffsetMap) -> OffsetMap {
        let mut next: Vec<u64> = self.sources.iter().map(|source| source.high).collect();
        for turn in self.turns.iter() {
            let (source, low) = match turn.piece {
                Piece::Postings | Piece::Root(_) => {
                    // Any full block that was not delivered may be in it.
                    let ahead = self.sources.iter().map(|own| own.delivered);
                    next.iter_mut().zip(ahead).for_each(|(next, ahead)| *next = ahead.min(*next));
                    continue;
                }
                Piece::Block { source, first, .. } => (source, first),
                Piece::Span { source, low, .. } => (source, low),
                Piece::Rows(rows) => (rows.source, rows.left(false).0),
            };
            next[source] = next[source].min(low);
        }
        let mut position = upper.clone();
        for (source, next) in self.sources.iter().zip(next) {
            position.set(source.stream, next.max(source.delivered));
        }
        position
    }

    /// Looks on until the next match is found, so that `position` knows it; delivers nothing.
    ///
    /// # Errors
    /// As [`Walk::fill`].
    pub(crate) fn settle(&mut self, shared: &Shared, filter: &Filter) -> Result<()> {
        self.run(shared, filter, None, &mut BatchBuilder::default())
    }

    /// Whether what comes next is a match.
    pub(super) fn is_settled(&self) -> bool {
        let next = self.turns.peek().map(|turn| &turn.piece);
        matches!(next, Some(Piece::Rows(rows)) if rows.rows != 0)
    }
}
