//! Whom we reach, and how far streams are known to go: what is cheap to look at often.
//!
//! Not here: what each peer has and lacks (`status`).

use crate::event::{NodeId, StreamId};
use crate::sync::admission::Proved;
use crate::sync::refusal::RefusalReason;
use crate::sync::swarm::Swarm;
use std::collections::{BTreeMap, BTreeSet};

/// The swarm as one node sees it, in short.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Peers with a session, and the nodes that they say they have sessions with.
    pub reachable: BTreeSet<NodeId>,
    /// Some peer with a session has told of all streams that it holds.
    pub has_compared: bool,
    /// Peers that discovery sees now.
    pub discovered: BTreeSet<NodeId>,
    /// Streams that are signed for further than we hold them durably, by rising id, and how many
    /// events of each are signed for.
    pub known: Vec<(StreamId, u64)>,
    /// Streams that go on in branches, so that nothing of them is missing.
    pub sealed: BTreeSet<StreamId>,
    /// Events that came and were held already.
    pub duplicates: u64,
    /// How we stand with each peer, in short.
    pub links: BTreeMap<NodeId, Link>,
    /// Streams that do not go on: forked, held back for their lamport, or too new.
    pub troubled: BTreeSet<StreamId>,
}

/// How we stand with a peer, without what changes with every attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// There is a session.
    pub is_connected: bool,
    /// Why the last session was refused, if none came about since.
    pub refusal: Option<RefusalReason>,
    /// Which of our secrets it has shown that it holds.
    pub proved: Option<Proved>,
}

impl Swarm {
    /// Whom we reach and what we know of. Costs time in proportion to peers, and to the streams
    /// about which there is something to say.
    pub fn reach(&self) -> Reach {
        let admitted = self.sessions.values().filter(|session| session.is_admitted());
        let has_compared = admitted.clone().any(|session| session.summary_is_complete);
        let listed = admitted.flat_map(|session| session.peers.iter().copied());
        let us = self.shared.options.node;
        let reachable = self.shared.admitted.keys().copied().chain(listed);
        let discovered = self.book.iter().filter(|(_, entry)| !entry.discovered.is_empty());
        let notable = &self.shared.streams.notable;
        let known = notable.missing.iter().filter_map(|stream| {
            let state = self.shared.streams.get(stream)?;
            Some((*stream, state.claimed_count()))
        });
        Reach {
            reachable: reachable.filter(|node| *node != us).collect(),
            has_compared,
            discovered: discovered.map(|(peer, _)| *peer).collect(),
            known: known.collect(),
            sealed: notable.sealed.clone(),
            duplicates: self.shared.duplicates,
            links: self.links(),
            troubled: self.troubled(),
        }
    }

    fn links(&self) -> BTreeMap<NodeId, Link> {
        let link = |peer: &NodeId, refusal| {
            let connection = self.shared.admitted.get(peer);
            let session = connection.and_then(|connection| self.sessions.get(connection));
            let proved = session.and_then(|session| session.proved);
            Link { is_connected: connection.is_some(), refusal, proved }
        };
        let known = self.book.iter().map(|(peer, entry)| (*peer, link(peer, entry.last_refusal)));
        let admitted = self.shared.admitted.keys().map(|peer| (*peer, link(peer, None)));
        admitted.chain(known).collect()
    }

    fn troubled(&self) -> BTreeSet<StreamId> {
        let streams = &self.shared.streams;
        let held_back = streams.bound.waiting().map(|(stream, _)| *stream);
        let forked = streams.families.forks().map(|(stream, _, _)| stream);
        forked.chain(held_back).chain(streams.notable.too_new.iter().copied()).collect()
    }
}
