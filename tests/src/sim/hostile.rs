//! Members and strangers that do not play by the rules. Each has the real swarm, whose frames it
//! alters, withholds, repeats and adds to.
//!
//! Not here: what honest nodes must do about it (`check`). Begin with `World::send_hostile`.

use crate::sim::check::{BLOCK, HEAD_AT, RANGE};
use crate::sim::log::record;
use crate::sim::oracle::EventName;
use crate::sim::random::Random;
use crate::sim::world::{Event, World};
use bytes::Bytes;
use millpond::event::limits::{FRAME_BYTES_MAX, LAMPORT_SLACK};
use millpond::event::{Chain, EventKind, EventRange, Lamport, StreamId, WallTime};
use millpond::sync::{ConnectionId, Message};
use std::time::Duration;

/// Frames that are kept to be repeated.
const KEPT_MAX: usize = 32;
/// By how much a false head exceeds the truth.
const FALSE_EVENTS: u64 = 1_000_000_000;

/// What a hostile node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trait {
    /// Flips a bit of every second range that it sends.
    Flips,
    /// Publishes with lamports out of the blue.
    Poisons,
    /// Claims a billion events that nobody wrote.
    Claims,
    /// Announces and never answers.
    Withholds,
    /// Sends earlier frames again, also those of earlier sessions.
    Replays,
    /// Sends many small frames.
    Floods,
    /// Sends frames that are too large.
    Exceeds,
    /// Sends bytes without meaning.
    Babbles,
    /// Shows half of its peers another history of its stream.
    Equivocates,
    /// Does not know the secret of the swarm.
    Intrudes,
}

impl Trait {
    pub(super) const ALL: [Trait; 10] = [
        Trait::Flips,
        Trait::Poisons,
        Trait::Claims,
        Trait::Withholds,
        Trait::Replays,
        Trait::Floods,
        Trait::Exceeds,
        Trait::Babbles,
        Trait::Equivocates,
        Trait::Intrudes,
    ];

    /// True when honest nodes may go on holding different amounts of its streams: each judges by
    /// what it holds itself how far a lamport or a head can be believed.
    pub(super) fn is_believed_by_some(self) -> bool {
        matches!(self, Trait::Poisons | Trait::Claims)
    }
}

/// A hostile node's character and what it needs for it.
#[derive(Clone, Debug)]
pub(super) struct Personality {
    pub(super) traits: Vec<Trait>,
    random: Random,
    admitted: Vec<ConnectionId>,
    kept: Vec<Bytes>,
    /// The other history of its stream.
    other: Option<(Chain, EventRange)>,
}

impl Personality {
    pub(super) fn new(traits: Vec<Trait>, random: Random) -> Personality {
        Personality { traits, random, admitted: Vec::new(), kept: Vec::new(), other: None }
    }

    fn has(&self, wanted: Trait) -> bool {
        self.traits.contains(&wanted)
    }

    fn keep(&mut self, frame: &Bytes) {
        if self.kept.len() < KEPT_MAX {
            self.kept.push(frame.clone());
        } else {
            let place = self.random.below(KEPT_MAX as u64) as usize;
            self.kept[place] = frame.clone();
        }
    }
}

impl World {
    /// The swarm of a hostile node sends a frame: perhaps it goes out as it is.
    pub(super) fn send_hostile(&mut self, node: usize, connection: ConnectionId, bytes: Bytes) {
        let own = self.nodes[node].log.own_stream();
        let Some(personality) = &mut self.nodes[node].personality else { return };
        let is_range = matches!(bytes.first(), Some(&RANGE | &BLOCK));
        personality.keep(&bytes);
        if is_range && personality.has(Trait::Withholds) {
            self.figures.faults += 1;
            return;
        }
        // A head begins with its author.
        let is_own = bytes.get(HEAD_AT..).is_some_and(|head| head.starts_with(own.node.as_bytes()));
        let is_odd = connection.value() / 2 % 2 == 1;
        if is_range && is_own && is_odd && personality.has(Trait::Equivocates) {
            self.figures.faults += 1;
            return self.show_other_history(node, connection, own);
        }
        if is_range && personality.has(Trait::Flips) && personality.random.chance(0.5) {
            let mut altered = bytes.to_vec();
            let bit = personality.random.below(altered.len() as u64 * 8 - 8) as usize + 8;
            altered[bit / 8] ^= 1 << (bit % 8);
            self.figures.faults += 1;
            return self.put_on_wire(node, connection, altered.into());
        }
        self.put_on_wire(node, connection, bytes);
    }

    pub(super) fn admitted(&mut self, node: usize, connection: ConnectionId) {
        if let Some(personality) = &mut self.nodes[node].personality {
            personality.admitted.push(connection);
            let surplus = personality.admitted.len().saturating_sub(16);
            personality.admitted.drain(..surplus);
        }
    }

    /// What a hostile node hears it may repeat.
    pub(super) fn remember_frame(&mut self, node: usize, frame: &Bytes) {
        if let Some(personality) = &mut self.nodes[node].personality {
            personality.keep(frame);
        }
    }

    /// Once in a while a hostile node does what nothing gave cause for.
    pub(super) fn mischief(&mut self, node: usize) {
        let run = self.nodes[node].run;
        let again = self.random.time(Duration::from_millis(500), Duration::from_secs(4));
        self.schedule(self.now + again, Event::Mischief { node, run });
        let Some(personality) = &mut self.nodes[node].personality else { return };
        if personality.admitted.is_empty() {
            return;
        }
        let connection = *personality.random.pick(&personality.admitted.clone());
        let wanted = *personality.random.pick(&personality.traits.clone());
        self.figures.faults += 1;
        for frame in self.frames_of(node, wanted) {
            self.put_on_wire(node, connection, frame);
        }
    }

    fn frames_of(&mut self, node: usize, wanted: Trait) -> Vec<Bytes> {
        let at = &mut self.nodes[node];
        let Some(personality) = &mut at.personality else { return Vec::new() };
        let random = &mut personality.random;
        match wanted {
            Trait::Replays if !personality.kept.is_empty() => {
                let count = random.between(1, 10);
                (0..count).map(|_| random.pick(&personality.kept).clone()).collect()
            }
            Trait::Floods => (0..200).map(|number| Message::Ping(number).encode()).collect(),
            Trait::Exceeds => vec![vec![RANGE; FRAME_BYTES_MAX + 1].into()],
            Trait::Babbles => {
                let length = random.between(0, 300);
                let first = [random.below(0x0c) as u8].into_iter();
                let noise: Vec<u8> =
                    first.chain((0..length).map(|_| random.next() as u8)).collect();
                vec![noise.into()]
            }
            Trait::Claims => {
                let stream = at.log.own_stream();
                let count = at.log.count(&stream) + FALSE_EVENTS;
                let chain = Chain::from_bytes([9; 32]);
                let lamport = Lamport::new(count + FALSE_EVENTS).expect("below the end of time");
                let (key, swarm) = (&at.key, at.log.swarm);
                let head = key.sign_head(&swarm, stream.number, count, lamport, chain);
                vec![Message::Summary { is_last: false, heads: vec![head] }.encode()]
            }
            Trait::Poisons => {
                // What whoever holds as much would just accept, and whoever holds less would not.
                let held: u64 = at.log.visible().map(|(_, floor, end)| end - floor).sum();
                let edge = held + LAMPORT_SLACK - random.below(30);
                let next = at.log.lamport + *random.pick(&[1000, 60_000, 1 << 30, 1 << 52]);
                let lamport = if random.chance(0.5) { edge } else { next };
                at.log.skip_lamports(lamport.min(1 << 52));
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// Sends events 0.. of another history of the own stream.
    fn show_other_history(&mut self, node: usize, connection: ConnectionId, own: StreamId) {
        let at = &mut self.nodes[node];
        let Some(personality) = &mut at.personality else { return };
        let (before, range) = personality.other.get_or_insert_with(|| {
            let before = Chain::start(&at.log.swarm, &own);
            let lamport = Lamport::new(1).expect("a small number");
            let name = EventName { key: u64::MAX, index: 0 };
            let time = WallTime::from_micros(0);
            let lie = record(EventKind::Application, lamport, time, name, 0);
            let chain = before.extend(&lie.leaf());
            let head = at.key.sign_head(&at.log.swarm, own.number, 1, lamport, chain);
            (before, EventRange::new(0, vec![lie], head))
        });
        let frame = Message::Range { before: *before, range: range.clone() }.encode();
        self.put_on_wire(node, connection, frame);
    }
}
