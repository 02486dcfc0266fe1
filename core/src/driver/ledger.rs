//! What the loop remembers of peers beyond their sessions, so that the status can say it.
//!
//! Not here: what a session knows while it stands (`sync`). Rule: nothing is decided by it, and
//! what peers can make it remember is bounded.

use crate::driver::clock;
use crate::driver::contact::{Contact, Refused, Tally};
use crate::driver::lookout::Lookout;
use crate::event::{NodeId, SignedHead, StreamId, WallTime};
use crate::log::{Log, Outlook};
use crate::sync::{self, ConnectionId, Reach};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// Most peers of which anything is remembered; beyond it the one that was heard longest ago goes.
const CONTACTS_MAX: usize = 2 * sync::BOOK_PEERS_MAX;
/// Most nodes of which is remembered when they were heard of. Further ones that write no stream are
/// not taken in.
const HEARD_MAX: usize = 8_192;
/// Most of them that were only ever in a peer's list, which may say anything.
const LISTED_MAX: usize = HEARD_MAX / 2;

/// Peers, connections, and who was heard of when.
#[derive(Default)]
pub(crate) struct Ledger {
    /// When nodes were heard of before this opening.
    heard_before: BTreeMap<NodeId, WallTime>,
    connections: BTreeMap<ConnectionId, Line>,
    contacts: BTreeMap<NodeId, Contact>,
    reachable: BTreeSet<NodeId>,
    /// When those that are not reachable were last heard of.
    heard: BTreeMap<NodeId, Instant>,
    /// Those of them that were only ever in the list of a peer.
    listed: BTreeSet<NodeId>,
    /// Whom we had a session with at the last look.
    linked: BTreeSet<NodeId>,
    /// How far streams are signed for that are not held so far: of those of which nothing is held
    /// only what peers say now, once there are many.
    known: BTreeMap<StreamId, u64>,
    /// A peer has told of all streams that it holds.
    has_compared: bool,
    /// The log's readers know of all this as it is now.
    is_told: bool,
    tally: Tally,
    /// When to look around.
    pub(crate) lookout: Lookout,
    /// Duplicates that the swarms before this one counted.
    duplicates_before: u64,
}

/// One connection.
struct Line {
    peer: NodeId,
    is_admitted: bool,
    bytes_in: u64,
    bytes_out: u64,
    heard_at: Instant,
}

impl Ledger {
    /// Nothing is known but what the log remembers.
    pub(crate) fn new(log: &Log) -> Ledger {
        Ledger { heard_before: log.outlook().heard.clone(), ..Ledger::default() }
    }

    /// A connection stands.
    pub(crate) fn connected(&mut self, connection: ConnectionId, peer: NodeId, now: Instant) {
        let line = Line { peer, is_admitted: false, bytes_in: 0, bytes_out: 0, heard_at: now };
        self.connections.insert(connection, line);
    }

    /// A frame of so many bytes came.
    pub(crate) fn received(&mut self, connection: ConnectionId, bytes: usize, now: Instant) {
        self.tally.bytes_in += bytes as u64;
        if let Some(line) = self.connections.get_mut(&connection) {
            line.bytes_in += bytes as u64;
            line.heard_at = now;
        }
    }

    /// A frame of so many bytes was given to the transport.
    pub(crate) fn sent(&mut self, connection: ConnectionId, bytes: usize) {
        self.tally.bytes_out += bytes as u64;
        if let Some(line) = self.connections.get_mut(&connection) {
            line.bytes_out += bytes as u64;
        }
    }

    /// A session began.
    pub(crate) fn admitted(&mut self, connection: ConnectionId) {
        let Some(line) = self.connections.get_mut(&connection) else { return };
        line.is_admitted = true;
        self.tally.sessions += 1;
        let peer = line.peer;
        let contact = self.contact(peer);
        contact.trying_since = None;
        contact.refused = None;
    }

    /// A connection is gone.
    pub(crate) fn disconnected(&mut self, connection: ConnectionId) {
        if let Some(line) = self.connections.remove(&connection) {
            self.settle(&line);
        }
    }

    /// The peer is dialled.
    pub(crate) fn dialed(&mut self, peer: NodeId, now: Instant) {
        self.tally.dials += 1;
        self.contact(peer).trying_since.get_or_insert(now);
    }

    /// A session did not come about, or was ended with a reason.
    pub(crate) fn refused(&mut self, refused: &sync::Refused, now: Instant) {
        let sync::Refused { peer, by_us, reason, error } = refused.clone();
        *self.tally.refused.entry((reason, by_us)).or_default() += 1;
        self.contact(peer).refused = Some(Refused { reason, by_us, error, at: now });
    }

    /// The user is done with the peer.
    pub(crate) fn given_up(&mut self, peer: &NodeId) {
        if let Some(contact) = self.contacts.get_mut(peer) {
            contact.trying_since = None;
            contact.refused = None;
        }
    }

    /// The network is switched off: whom we reach now we do not reach any more.
    pub(crate) fn switched_off(&mut self, reach: Reach, log: &Log) {
        for line in std::mem::take(&mut self.connections).values() {
            self.settle(line);
        }
        self.contacts.values_mut().for_each(|contact| contact.trying_since = None);
        self.reach(&reach, clock::now());
        self.look(Reach { reachable: BTreeSet::new(), ..reach }, log);
        self.duplicates_before = self.tally.duplicates;
    }

    /// Events of another node came here.
    pub(crate) fn grew(&mut self, head: &SignedHead, now: Instant) {
        self.listed.remove(&head.stream.node);
        self.heard.insert(head.stream.node, now);
        self.is_told = false;
    }

    /// Takes how things stand now, and lets the log's readers know.
    pub(crate) fn look(&mut self, reach: Reach, log: &Log) {
        // A log that is closed has no readers.
        let Ok(held) = log.durable_map() else { return };
        self.tally.duplicates = self.duplicates_before + reach.duplicates;
        self.is_told &= self.known.is_empty() && reach.known.is_empty();
        for (stream, known) in &reach.known {
            let most = self.known.entry(*stream).or_default();
            *most = *known.max(most);
        }
        let is_claimed =
            |stream: &StreamId| reach.known.binary_search_by_key(stream, |told| told.0).is_ok();
        let are_many = self.known.len() > sync::STREAMS_MAX;
        self.known.retain(|stream, known| {
            let is_kept = !are_many || held.count(stream) > 0 || is_claimed(stream);
            is_kept && *known > held.count(stream) && !reach.sealed.contains(stream)
        });
        self.is_told &= self.has_compared || !reach.has_compared;
        self.has_compared |= reach.has_compared;
        self.reach(&reach, clock::now());
        // With thousands of authors that takes a while, and mostly nothing has changed.
        if !self.is_told {
            log.set_outlook(self.outlook(log.outlook().opened));
            self.is_told = true;
        }
    }

    /// As `look`, and tells who waits for news if there are any.
    pub(crate) fn look_around(&mut self, reach: Reach, log: &Log) {
        let now = clock::now();
        self.look(reach.clone(), log);
        let held = log.durable_map().unwrap_or_default();
        if self.lookout.look(&reach, &self.known, &held, now) {
            log.tell_news();
        }
    }

    /// A status is given of how things stood at the last look.
    pub(crate) fn show(&mut self, reach: &Reach) {
        self.lookout.show(reach, !self.known.is_empty());
    }

    fn outlook(&self, opened: WallTime) -> Outlook {
        let (now, wall) = (clock::now(), clock::wall());
        let mut heard = self.heard_before.clone();
        heard.extend(self.heard.iter().map(|(node, at)| (*node, before(wall, now, *at))));
        let (has_compared, reachable) = (self.has_compared, self.reachable.clone());
        Outlook { opened, has_compared, reachable, heard, known: self.known.clone() }
    }

    /// What went over the network.
    pub(crate) fn tally(&self) -> Tally {
        self.tally.clone()
    }

    /// What is remembered of each peer, with the sessions that stand.
    pub(crate) fn contacts(&self) -> BTreeMap<NodeId, Contact> {
        let mut contacts = self.contacts.clone();
        for line in self.connections.values().filter(|line| line.is_admitted) {
            line.add_to(contacts.entry(line.peer).or_default());
        }
        contacts
    }

    fn reach(&mut self, reach: &Reach, now: Instant) {
        for node in self.reachable.difference(&reach.reachable) {
            let is_listed = !self.linked.contains(node);
            let has_room = !is_listed || self.listed.len() < LISTED_MAX;
            if self.heard.contains_key(node) || (has_room && self.heard.len() < HEARD_MAX) {
                if is_listed && !self.heard.contains_key(node) {
                    self.listed.insert(*node);
                }
                self.heard.insert(*node, now);
            }
        }
        self.is_told &= self.reachable == reach.reachable;
        let links = reach.links.iter().filter(|(_, link)| link.is_connected);
        self.linked = links.map(|(peer, _)| *peer).collect();
        self.listed.retain(|node| !self.linked.contains(node));
        self.reachable.clone_from(&reach.reachable);
    }

    fn settle(&mut self, line: &Line) {
        if line.is_admitted {
            line.add_to(self.contact(line.peer));
        }
    }

    fn contact(&mut self, peer: NodeId) -> &mut Contact {
        if self.contacts.len() >= CONTACTS_MAX && !self.contacts.contains_key(&peer) {
            let oldest = self.contacts.iter().min_by_key(|(_, contact)| contact.heard_at);
            if let Some(oldest) = oldest.map(|(peer, _)| *peer) {
                self.contacts.remove(&oldest);
            }
        }
        self.contacts.entry(peer).or_default()
    }
}

impl Line {
    fn add_to(&self, contact: &mut Contact) {
        contact.bytes_in += self.bytes_in;
        contact.bytes_out += self.bytes_out;
        contact.heard_at = contact.heard_at.max(Some(self.heard_at));
    }
}

/// The wall clock's time at `at`, as it would say now.
fn before(wall: WallTime, now: Instant, at: Instant) -> WallTime {
    let ago = now.saturating_duration_since(at).as_micros();
    WallTime::from_micros(wall.micros().saturating_sub(i64::try_from(ago).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::Link;

    fn node(number: u64) -> NodeId {
        NodeId::from_bytes(*blake3::hash(&number.to_le_bytes()).as_bytes())
    }

    /// What is seen with a session with `peer`, who lists these.
    fn seen(peer: NodeId, listed: impl Iterator<Item = u64>) -> Reach {
        let reachable = listed.map(node).chain([peer]).collect();
        let links =
            BTreeMap::from([(peer, Link { is_connected: true, refusal: None, proved: None })]);
        Reach { reachable, links, ..Reach::default() }
    }

    #[test]
    fn lists_without_end_leave_room_for_those_who_were_peers() {
        let (mut ledger, now) = (Ledger::default(), clock::now());
        for list in 0..20 {
            ledger.reach(&seen(node(1), list * 1024 + 10..(list + 1) * 1024 + 10), now);
        }
        assert_eq!(ledger.listed.len(), LISTED_MAX);
        ledger.reach(&Reach::default(), now);
        assert!(ledger.heard.contains_key(&node(1)), "a peer is missed");
        assert!(ledger.heard.len() <= LISTED_MAX + 1);
    }
}
