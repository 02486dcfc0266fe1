//! What is left of a walk, piece by piece, and which of them comes next.
//!
//! No I/O. Not here: opening pieces (`walk`).

use super::directory::Root;
use crate::event::StreamId;
use crate::event::block::FRAME_EVENTS;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::mem;

/// Where something can stand in the order: a lamport and a stream, or a stream and an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) lamport: u64,
    pub(crate) stream: StreamId,
    pub(crate) offset: u64,
}

/// A piece and the first place at which it can have something.
pub(crate) struct Turn {
    pub(crate) place: Place,
    pub(crate) backwards: bool,
    pub(crate) piece: Piece,
}

/// All pieces of a walk. The one that was added last after another was taken is kept in hand: of
/// streams that alternate, one changes place with the first of the heap.
#[derive(Default)]
pub(crate) struct Turns {
    hand: Option<Turn>,
    heap: BinaryHeap<Turn>,
}

#[derive(Clone, Copy)]
pub(crate) enum Piece {
    /// All that the postings have.
    Postings,
    /// A segment of the postings, or a group of them.
    Root(Root),
    /// A full block, and the frames that may hold a match.
    Block { source: usize, first: u64, frames: u16 },
    /// Events that the postings do not have.
    Span { source: usize, low: u64, high: u64 },
    /// Found rows.
    Rows(Rows),
}

/// Found rows of a frame; the first of them in walking order stands at the place of the turn.
#[derive(Clone, Copy)]
pub(crate) struct Rows {
    pub(crate) source: usize,
    /// Offset of the first event of the block or run.
    pub(crate) first: u64,
    /// Offsets that count, half-open.
    pub(crate) low: u64,
    pub(crate) high: u64,
    /// Frames that are left behind this one.
    pub(crate) frames: u16,
    pub(crate) frame: u8,
    pub(crate) rows: u64,
    pub(crate) is_tail: bool,
    /// Which view, and of which epoch.
    pub(crate) view: (usize, u64),
}

impl Turns {
    /// Adds a piece.
    pub(crate) fn push(&mut self, turn: Turn) {
        match self.hand {
            None => self.hand = Some(turn),
            Some(_) => self.heap.push(turn),
        }
    }

    /// Takes the piece whose turn it is.
    pub(crate) fn pop(&mut self) -> Option<Turn> {
        let Some(mut turn) = self.hand.take() else { return self.heap.pop() };
        if let Some(mut first) = self.heap.peek_mut()
            && *first > turn
        {
            mem::swap(&mut *first, &mut turn);
        }
        Some(turn)
    }

    /// The piece whose turn it is: also of pieces at one place the one that `pop` takes.
    pub(crate) fn peek(&self) -> Option<&Turn> {
        // Of equals `max` gives the last.
        self.heap.peek().max(self.hand.as_ref())
    }

    /// All pieces, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Turn> {
        self.hand.iter().chain(&self.heap)
    }
}

impl Rows {
    /// Rows of a block before any were looked for.
    pub(crate) fn unfound(
        source: usize,
        first: u64,
        (low, high): (u64, u64),
        frames: u16,
        view: (usize, u64),
    ) -> Rows {
        Rows { source, first, low, high, frames, frame: 0, rows: 0, is_tail: false, view }
    }

    /// The first row in walking order.
    pub(crate) fn row(&self, backwards: bool) -> usize {
        match backwards {
            false => self.rows.trailing_zeros() as usize & 63,
            true => 63 - (self.rows.leading_zeros() as usize & 63),
        }
    }

    /// The offset of that row.
    pub(crate) fn offset(&self, backwards: bool) -> u64 {
        self.first + u64::from(self.frame) * FRAME_EVENTS as u64 + self.row(backwards) as u64
    }

    /// Offsets that are left in walking order; without found rows those of the frames.
    pub(crate) fn left(&self, backwards: bool) -> (u64, u64) {
        let frame = self.first + u64::from(self.frame) * FRAME_EVENTS as u64;
        match (backwards, self.rows) {
            (false, 0) => (self.low.max(frame + FRAME_EVENTS as u64), self.high),
            (true, 0) => (self.low, self.high.min(frame)),
            (false, _) => (self.offset(backwards), self.high),
            (true, _) => (self.low, self.offset(backwards) + 1),
        }
    }
}

impl Ord for Turn {
    /// Greatest is whose turn comes first.
    fn cmp(&self, other: &Turn) -> Ordering {
        let order = self.place.cmp(&other.place);
        if self.backwards { order } else { order.reverse() }
    }
}

impl PartialOrd for Turn {
    fn partial_cmp(&self, other: &Turn) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Turn {
    fn eq(&self, other: &Turn) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Turn {}

/// A bit for each of 64 rows from `low` on and below `high`.
pub(crate) fn bits_between(low: u64, high: u64) -> u64 {
    let below = |bound: u64| if bound >= 64 { u64::MAX } else { (1 << bound) - 1 };
    below(high) & !below(low)
}

/// A bit for each frame of `count` events, at least one.
pub(crate) fn frames_of(count: u64) -> u16 {
    u16::MAX >> (16 - count.div_ceil(FRAME_EVENTS as u64).clamp(1, 16))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::NodeId;
    use proptest::prelude::*;

    fn turn(lamport: u64, backwards: bool, source: usize) -> Turn {
        let stream = StreamId { node: NodeId::from_bytes([0; 32]), number: 0 };
        let place = Place { lamport, stream, offset: 0 };
        Turn { place, backwards, piece: Piece::Span { source, low: 0, high: 1 } }
    }

    fn source(turn: Option<&Turn>) -> Option<usize> {
        turn.map(|turn| match turn.piece {
            Piece::Span { source, .. } => source,
            _ => panic!("there are only spans"),
        })
    }

    proptest! {
        #[test]
        fn the_piece_whose_turn_it_is_is_always_the_first(
            steps in prop::collection::vec(prop::option::of(0u64..8), 1..100),
            backwards: bool,
        ) {
            let (mut turns, mut left) = (Turns::default(), Vec::new());
            for (number, step) in steps.into_iter().enumerate() {
                let first = if backwards { left.iter().max() } else { left.iter().min() };
                let first = first.copied();
                prop_assert_eq!(turns.peek().map(|turn| turn.place.lamport), first);
                prop_assert_eq!(turns.iter().count(), left.len());
                if let Some(lamport) = step {
                    turns.push(turn(lamport, backwards, number));
                    left.push(lamport);
                } else {
                    let peeked = source(turns.peek());
                    let taken = turns.pop();
                    prop_assert_eq!(source(taken.as_ref()), peeked, "also among equals");
                    prop_assert_eq!(taken.map(|turn| turn.place.lamport), first);
                    left.iter().position(|own| Some(*own) == first).map(|at| left.swap_remove(at));
                }
            }
        }
    }
}
