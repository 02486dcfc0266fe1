//! What is kept of a session when it ends, so that the next one with the same peer begins where it
//! stopped: only what has changed since is told again.
//!
//! Each side keeps both directions of the last session. Who heard says so in its next hello, by the
//! session's name and how much it heard there; who told goes on from there if it remembers that
//! session, and says so. If either does not, everything is told anew, and nothing is lost.
//! Of streams that a peer told of and of which no event came, the head is kept, too: a catch-up
//! that is cut again and again begins where it stopped.
//! Rule: nothing is kept of a session that left a question open, and nothing survives what gives
//! streams other names.
//! Source: docs/protocol.md, "Messages".

use crate::event::{NodeId, OffsetMap, SignedHead, StreamId};
use crate::planted;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Streams in all that is kept, each counted once for each direction: some 80 bytes each.
const STREAMS_KEPT_MAX: usize = 1 << 17;
/// Peers of which something is kept.
const PEERS_KEPT_MAX: usize = 256;
/// Heads that are kept of streams without an account: some 200 bytes each.
const CLAIMS_KEPT_MAX: usize = 1 << 14;

/// How much of a session somebody has heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The first bytes of the binding of its connection: no other one has them.
    pub session: [u8; 8],
    /// How many of its words came, in their order: heads and acknowledgements of streams, and the
    /// one that it goes on from another session.
    pub count: u64,
}

impl Heard {
    /// Said by who keeps nothing: no session has this name.
    pub(crate) const NOTHING: Heard = Heard { session: [0; 8], count: 0 };
}

/// What a peer was told of streams in a session: of each the furthest head, and as which word. Only
/// heads: who hears the second of two heads of one length compares them, and so sees that a stream
/// has two histories.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    streams: BTreeMap<StreamId, (u64, u64)>,
    count: u64,
    /// What the peer said that it had heard when the session began, and from which it goes on: that
    /// still holds if it hears nothing of this session.
    from: Option<Heard>,
}

impl Told {
    /// The peer was told something that is not to be relied on: a count without a chain.
    pub(crate) fn pass(&mut self) {
        self.count += 1;
    }

    /// The peer may have lost what it was told of the stream.
    pub(crate) fn forget(&mut self, stream: &StreamId) {
        self.streams.remove(stream);
    }

    /// The peer was told the head of `stream` after `held` events.
    pub(crate) fn note(&mut self, stream: StreamId, held: u64) {
        self.count += 1;
        self.streams.insert(stream, (self.count, held));
    }

    /// How far the peer knows that we hold a stream; none when it does not.
    pub(crate) fn held(&self, stream: &StreamId) -> Option<u64> {
        self.streams.get(stream).map(|(_, held)| *held)
    }

    /// What the peer knows that heard so much of `session`, which was this one, to begin another
    /// with; none when it cannot have. It knows it once it has heard that session's first word.
    fn heard(&self, session: [u8; 8], heard: &Heard) -> Option<Told> {
        let count = match heard {
            heard if heard.session == session && heard.count <= self.count => heard.count,
            heard if self.from == Some(*heard) => 1,
            _ => return None,
        };
        let is_heard = |at: u64| at <= count || planted!("resumes_beyond_what_was_heard");
        let kept = self.streams.iter().filter(|(_, (at, _))| is_heard(*at));
        let streams = kept.map(|(stream, (_, held))| (*stream, (1, *held))).collect();
        Some(Told { streams, count: 1, from: Some(*heard) })
    }
}

/// What is kept of the last session with a peer.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    /// How much we heard in it; of the one before when nothing came in it.
    pub(crate) heard: Heard,
    /// How far the peer holds each stream.
    pub(crate) known: OffsetMap,
    /// What it holds of the stream that we write.
    pub(crate) own_heads: BTreeMap<StreamId, SignedHead>,
    /// What it was told.
    pub(crate) told: Told,
    /// In the session of this name.
    pub(crate) told_in: [u8; 8],
}

impl Memory {
    /// What the peer knows of what we told it, if it heard `heard` of that session.
    pub(crate) fn told(&self, heard: &Heard) -> Option<Told> {
        self.told.heard(self.told_in, heard)
    }

    fn knows(&self, stream: &StreamId) -> bool {
        self.known.count(stream) > 0
    }

    fn knows_one_of(&self, streams: &BTreeSet<StreamId>) -> bool {
        // By the fewer of both: a peer decides how many were lost.
        if streams.len() < self.known.stream_count() {
            streams.iter().any(|stream| self.knows(stream))
        } else {
            self.known.iter().any(|(stream, _)| streams.contains(stream))
        }
    }

    fn streams(&self) -> usize {
        self.known.stream_count() + self.own_heads.len() + self.told.streams.len()
    }
}

/// What is kept of each peer's last session.
#[derive(Debug, Default)]
pub(crate) struct Memories {
    peers: BTreeMap<NodeId, Arc<Memory>>,
    /// The oldest first.
    order: VecDeque<NodeId>,
    streams: usize,
    /// Heads of streams that those peers told of, of which we hold nothing, and of which we keep no
    /// account while nobody tells of them.
    claims: BTreeMap<StreamId, SignedHead>,
    epoch: u64,
}

impl Memories {
    /// Changes whenever streams get other names.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(crate) fn get(&self, peer: &NodeId) -> Option<Arc<Memory>> {
        self.peers.get(peer).cloned()
    }

    /// A head of a stream that was lost; it was verified.
    pub(crate) fn claim(&self, stream: &StreamId) -> Option<&SignedHead> {
        self.claims.get(stream)
    }

    /// A session with `peer` that began in this epoch has ended.
    pub(crate) fn keep(&mut self, peer: NodeId, epoch: u64, memory: Arc<Memory>) {
        self.forget(&peer);
        if epoch != self.epoch {
            return;
        }
        self.streams += memory.streams();
        self.peers.insert(peer, memory);
        self.order.push_back(peer);
        while self.streams > STREAMS_KEPT_MAX || self.order.len() > PEERS_KEPT_MAX {
            let oldest = *self.order.front().expect("somebody's are too many");
            self.forget(&oldest);
        }
    }

    pub(crate) fn forget(&mut self, peer: &NodeId) {
        if let Some(memory) = self.peers.remove(peer) {
            self.streams -= memory.streams();
            self.order.retain(|other| other != peer);
        }
    }

    /// We keep no account of these streams any more. The heads that were known of them are kept in
    /// place of it; without one, or room, they are to be heard of again. `is_awaited` while a
    /// session may go on from what is not kept here any more.
    pub(crate) fn lose(
        &mut self,
        lost: Vec<(StreamId, Option<SignedHead>)>,
        is_awaited: bool,
        has_account: impl Fn(&StreamId) -> bool,
    ) {
        if self.claims.len() + lost.len() > CLAIMS_KEPT_MAX {
            self.claims.retain(|stream, _| !has_account(stream));
        }
        let mut gone = BTreeSet::new();
        for (stream, head) in lost {
            match head.filter(|_| self.claims.len() < CLAIMS_KEPT_MAX) {
                Some(head) => drop(self.claims.insert(stream, head)),
                None => drop(gone.insert(stream)),
            }
        }
        let knows = |memory: &Memory| memory.knows_one_of(&gone);
        let peers = self.peers.iter().filter(|(_, memory)| knows(memory));
        for peer in peers.map(|(peer, _)| *peer).collect::<Vec<_>>() {
            self.forget(&peer);
        }
        if self.peers.is_empty() && !is_awaited {
            self.claims.clear();
        }
    }

    /// Streams have other names now.
    pub(crate) fn clear(&mut self) {
        *self = Memories { epoch: self.epoch + 1, ..Memories::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Chain, Lamport, NodeKey, SwarmSecret};

    fn stream(number: u64) -> StreamId {
        StreamId { node: NodeId::from_bytes([7; 32]), number }
    }

    fn memory(session: u8, streams: u64) -> Memory {
        let mut told = Told::default();
        (0..streams).for_each(|number| told.note(stream(number), 9));
        let (session, known) = ([session; 8], OffsetMap::new());
        let heard = Heard { session, count: 0 };
        Memory { heard, known, own_heads: BTreeMap::new(), told, told_in: session }
    }

    fn knows(session: u8, count: u64) -> Memory {
        let known = (0..count).fold(OffsetMap::new(), |mut known, number| {
            known.set(stream(number), 9);
            known
        });
        Memory { known, ..memory(session, 0) }
    }

    fn peer(number: u8) -> NodeId {
        NodeId::from_bytes([number; 32])
    }

    #[test]
    fn who_heard_a_part_is_told_the_rest_again() {
        let mut kept = memory(1, 3);
        kept.told.note(stream(0), 12);
        let told = |count| kept.told(&Heard { session: [1; 8], count });
        let held = |told: &Told| [0, 1, 2].map(|number| told.held(&stream(number)));
        assert_eq!(held(&told(4).unwrap()), [Some(12), Some(9), Some(9)]);
        // Stream 0 was told again after it; what it was before is not kept.
        assert_eq!(held(&told(2).unwrap()), [None, Some(9), None]);
        assert_eq!(held(&told(0).unwrap()), [None; 3]);
        assert!(told(5).is_none());
        // Who does not hear that the next session goes on from there has to be told all of it.
        let next = Memory { told: told(4).unwrap(), ..memory(2, 0) };
        let next = |count| next.told(&Heard { session: [2; 8], count }).unwrap();
        assert_eq!(held(&next(0)), [None; 3]);
        assert_eq!(held(&next(1)), [Some(12), Some(9), Some(9)]);
        assert!(kept.told(&Heard { session: [2; 8], count: 4 }).is_none());
    }

    #[test]
    fn who_heard_nothing_of_the_last_session_goes_on_from_the_one_before() {
        let heard = Heard { session: [1; 8], count: 2 };
        let mut next = Memory { told: memory(1, 3).told(&heard).unwrap(), ..memory(2, 0) };
        next.told.note(stream(1), 12);
        let told = next.told(&heard).unwrap();
        // What was told there in its place may be heard or not.
        assert_eq!([0, 1, 2].map(|number| told.held(&stream(number))), [Some(9), None, None]);
        assert!(next.told(&Heard { count: 3, ..heard }).is_none());
    }

    #[test]
    fn so_many_peers_are_kept_and_who_is_asked_for_the_past_is_told_again() {
        let mut memories = Memories::default();
        for number in 0..=PEERS_KEPT_MAX as u64 {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&number.to_le_bytes());
            memories.keep(NodeId::from_bytes(bytes), 0, memory(1, 0).into());
        }
        assert_eq!((memories.peers.len(), memories.order.len()), (PEERS_KEPT_MAX, PEERS_KEPT_MAX));
        let mut told = memory(1, 2).told;
        told.forget(&stream(0));
        assert_eq!((told.held(&stream(0)), told.held(&stream(1))), (None, Some(9)));
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_newest_stays() {
        let mut memories = Memories::default();
        let many = STREAMS_KEPT_MAX as u64 / 4;
        for number in 0..9 {
            memories.keep(peer(number), 0, memory(number, many).into());
        }
        let kept: Vec<u8> =
            (0..9).filter(|number| memories.get(&peer(*number)).is_some()).collect();
        assert_eq!(kept, [5, 6, 7, 8]);
        memories.clear();
        memories.keep(peer(1), 0, memory(1, 1).into());
        assert!(memories.get(&peer(1)).is_none() && memories.streams == 0);
        memories.keep(peer(1), memories.epoch(), memory(1, 1).into());
        assert!(memories.get(&peer(1)).is_some());
    }

    #[test]
    fn heads_of_streams_without_an_account_are_kept_while_somebody_knows_them() {
        let swarm = SwarmSecret::from_bytes([3; 32]).swarm_id();
        let start = Chain::start(&swarm, &stream(0));
        let head =
            NodeKey::from_seed(&[7; 32]).sign_head(&swarm, 0, 9, Lamport::new(9).unwrap(), start);
        let lost =
            |from: u64, to: u64| (from..to).map(|number| (stream(number), Some(head.clone())));
        let mut memories = Memories::default();
        memories.keep(peer(1), 0, knows(1, 9).into());
        memories.keep(peer(2), 0, knows(2, 3).into());
        memories.lose(lost(0, 9).collect(), false, |_| false);
        assert!(memories.claim(&stream(8)).is_some() && memories.get(&peer(1)).is_some());
        // Without its head nobody can go on from what was heard of a stream.
        memories.lose(vec![(stream(5), None)], false, |_| false);
        assert!(memories.get(&peer(1)).is_none() && memories.get(&peer(2)).is_some());
        // Of those that we keep account of it is not needed.
        let many = lost(9, CLAIMS_KEPT_MAX as u64 + 3).collect();
        memories.lose(many, false, |own| own.number < 3);
        assert_eq!(memories.claims.len(), CLAIMS_KEPT_MAX);
        assert!(memories.claim(&stream(0)).is_none() && memories.get(&peer(2)).is_some());
        memories.lose(lost(0, 1).collect(), true, |_| false);
        assert!(memories.get(&peer(2)).is_none() && !memories.claims.is_empty());
        memories.lose(Vec::new(), false, |_| false);
        assert!(memories.claims.is_empty());
    }
}
