//! Opening a block that came: its events decoded, hashed, and checked against its head.
//!
//! That is nearly all the work of a catch-up, and a function of the block's bytes alone, so whoever
//! performs outputs may do it on any thread, for several blocks at a time.
//! Rule: ranges of a session take effect in the order in which they came, whichever is opened
//! first. What waits has used up its credit, which bounds it.
//! Begin with [`ClosedBlock::open`] and `Arrivals`.

use crate::error::Result;
use crate::event::{Chain, EventRange, Lamport, StreamEnd, SwarmId};
use crate::sync::io::ConnectionId;
use crate::sync::message::{Decoded, Message, RangeClaims};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Arc, Weak};

/// A block as it came.
#[derive(Clone, Debug)]
pub struct ClosedBlock {
    connection: ConnectionId,
    number: u64,
    swarm: SwarmId,
    frame: Bytes,
    /// Gone with the session.
    session: Weak<()>,
}

/// What came of a block, for `Input::Opened`.
#[derive(Clone, Debug)]
pub struct OpenedBlock {
    pub(crate) connection: ConnectionId,
    number: u64,
    content: Result<Content>,
}

/// A decoded range.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    /// The chain that its sender has before it.
    pub(crate) before: Chain,
    pub(crate) range: EventRange,
    /// The author signed it, after just that chain.
    pub(crate) is_genuine: bool,
}

impl ClosedBlock {
    /// False once the session it came in has ended: then nothing can come of it any more, and it
    /// need not be opened nor answered.
    pub fn is_wanted(&self) -> bool {
        self.session.strong_count() > 0
    }

    /// Opens it. Takes about a millisecond and keeps no more than was paid for with credit: up to
    /// 2 MiB.
    pub fn open(self) -> OpenedBlock {
        let ClosedBlock { connection, number, swarm, frame, .. } = self;
        let content = decode(&frame).map(|(before, range)| {
            let end = StreamEnd { count: range.first, chain: before, lamport: Lamport::ZERO };
            let is_genuine = range.verify(&swarm, &end).is_ok();
            Content { before, range, is_genuine }
        });
        OpenedBlock { connection, number, content }
    }
}

#[cfg(all(test, feature = "net"))] // For the tests of who opens them.
impl ClosedBlock {
    /// A block that is none, wanted as long as `session`.
    pub(crate) fn empty(session: &Arc<()>) -> ClosedBlock {
        ClosedBlock {
            connection: ConnectionId::new(1),
            number: 0,
            swarm: SwarmId::from_bytes([9; 32]),
            frame: Bytes::new(),
            session: Arc::downgrade(session),
        }
    }
}

impl Content {
    /// True when it is known to go on exactly from `end`.
    pub(crate) fn goes_on_from(&self, end: &StreamEnd) -> bool {
        let fits = self.range.first == end.count && self.before == end.chain;
        let rises = self.range.records().first().is_some_and(|next| next.lamport() > end.lamport);
        self.is_genuine && fits && rises
    }
}

/// Ranges of one session that came and have not taken effect, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    waiting: VecDeque<Arrival>,
    /// Number of the first.
    first: u64,
    /// Its blocks are wanted as long as this is here.
    session: Arc<()>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) claims: RangeClaims,
    state: State,
}

#[derive(Debug)]
enum State {
    /// A block that is being opened.
    Closed(ClosedBlock),
    /// What came of it.
    Opened(Result<Content>),
    /// A range of records behind a block.
    Records(Bytes),
}

impl Arrivals {
    /// Takes a range; what is to be opened of it.
    pub(crate) fn push(
        &mut self,
        frame: &Bytes,
        claims: RangeClaims,
        connection: ConnectionId,
        swarm: SwarmId,
    ) -> Option<ClosedBlock> {
        let number = self.first + self.waiting.len() as u64;
        let frame = frame.clone();
        if !claims.is_block {
            self.waiting.push_back(Arrival { claims, state: State::Records(frame) });
            return None;
        }
        let session = Arc::downgrade(&self.session);
        let block = ClosedBlock { connection, number, swarm, frame, session };
        self.waiting.push_back(Arrival { claims, state: State::Closed(block.clone()) });
        Some(block)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Notes what came of a block.
    pub(crate) fn opened(&mut self, block: OpenedBlock) {
        let at = block.number.checked_sub(self.first).map(|at| at as usize);
        let arrival = at.and_then(|at| self.waiting.get_mut(at));
        if let Some(arrival) = arrival.filter(|arrival| arrival.is_closed()) {
            arrival.state = State::Opened(block.content);
        }
    }

    /// Opens the next range here and now, if it is a block that is not open.
    pub(crate) fn open_next(&mut self) {
        let Some(next) = self.waiting.front_mut() else { return };
        if let State::Closed(block) = &next.state {
            next.state = State::Opened(block.clone().open().content);
        }
    }

    /// The next range, unless it is still to be opened.
    pub(crate) fn pop(&mut self) -> Option<Arrival> {
        self.waiting.front().filter(|next| !next.is_closed())?;
        self.first += 1;
        self.waiting.pop_front()
    }
}

impl Arrival {
    fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed(_))
    }

    /// What it holds.
    ///
    /// # Errors
    /// `corrupt`, `limit_exceeded` or `invalid_argument`: not events.
    pub(crate) fn content(self) -> Result<Content> {
        match self.state {
            State::Closed(_) => unreachable!("it was popped"),
            State::Opened(content) => content,
            State::Records(frame) => decode(&frame).map(|(before, range)| {
                let is_genuine = false;
                Content { before, range, is_genuine }
            }),
        }
    }
}

fn decode(frame: &Bytes) -> Result<(Chain, EventRange)> {
    let Decoded::Message(message) = Message::decode(frame)? else {
        unreachable!("it was peeked at")
    };
    match *message {
        Message::Range { before, range } => Ok((before, range)),
        _ => unreachable!("it was peeked at"),
    }
}
