//! The peers we know of: where they may be, when to dial them, and who has to wait.
//!
//! Both sides may dial: the one whose address has changed is then found by the other. Addresses are
//! hints; who a peer is shows in TLS and at admission.

use crate::error::{Error, ErrorKind, Result};
use crate::event::NodeId;
use crate::planted;
use crate::sync::constants::{
    ADDRESSES_PER_PEER_MAX, BOOK_PEERS_MAX, DIAL_COURTESY, DIAL_RETRY, DIAL_RETRY_MAX,
    DIAL_TIMEOUT, GOOD_CONDUCT, HEARSAY_PER_PEER_MAX, PENALTY, PENALTY_MAX, SEEN_DIALS_MAX,
    SESSION_OF_USE, STRANGERS_KEPT_MAX, USELESS_DIALS_MAX,
};
use crate::sync::entry::{Entry, Rank};
use crate::sync::found::Waiting;
use crate::sync::refusal::RefusalReason;
use crate::sync::schedule::Schedule;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// All peers we know of.
#[derive(Debug)]
pub(crate) struct PeerBook {
    us: NodeId,
    pub(super) entries: BTreeMap<NodeId, Entry>,
    /// When to dial whom; of those that were only found, when they may be dialled.
    dials: Schedule<NodeId>,
    /// Found peers that may be dialled, when peers are needed.
    pub(super) waiting: Waiting,
    /// What the last of them to be dialled was worth.
    pub(super) turn: Rank,
    /// Dials under way, and when they count as failed.
    dialing: Schedule<NodeId>,
}

impl PeerBook {
    pub(crate) fn new(us: NodeId) -> PeerBook {
        PeerBook {
            us,
            entries: BTreeMap::new(),
            dials: Schedule::default(),
            waiting: Waiting::default(),
            turn: Rank::Stranger,
            dialing: Schedule::default(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&NodeId, &Entry)> {
        self.entries.iter()
    }

    pub(crate) fn get(&self, peer: &NodeId) -> Option<&Entry> {
        self.entries.get(peer)
    }

    /// Whether the peer is in the book or can come in.
    ///
    /// # Errors
    /// `limit_exceeded`: the book is full.
    pub(crate) fn check_room_for(&self, peer: &NodeId) -> Result<()> {
        if self.entries.contains_key(peer) || self.has_room_for(Rank::Named) {
            return Ok(());
        }
        let message = format!(
            "peer {} is new and this node was told of {BOOK_PEERS_MAX} peers, which is the limit; \
             disconnect from one that is needed no more, and connect again",
            peer.short()
        );
        Err(Error::new(ErrorKind::LimitExceeded, message))
    }

    /// The user is done with the peer.
    pub(crate) fn remove(&mut self, peer: &NodeId) {
        self.entries.remove(peer);
        self.dials.remove(peer);
        self.waiting.remove(peer);
        self.dialing.remove(peer);
    }

    /// When the peer is to be dialled, or its dial counts as failed.
    pub(crate) fn dial_at(&self, peer: &NodeId) -> Option<Instant> {
        self.dials.get(peer)
    }

    /// True while a dial is under way.
    pub(crate) fn is_dialing(&self, peer: &NodeId) -> bool {
        self.dialing.get(peer).is_some()
    }

    /// A person or a ticket named the peer: dial it now, whatever happened before.
    pub(crate) fn name(&mut self, peer: NodeId, addresses: &[SocketAddr], now: Instant) {
        let is_dialing = self.is_dialing(&peer);
        let Some(entry) = self.entry(peer, Rank::Named) else { return };
        let known = entry.addresses();
        let is_elsewhere = is_dialing && addresses.iter().any(|address| !known.contains(address));
        for address in addresses {
            entry.named.retain(|known| known != address);
            entry.named.push(*address);
        }
        let surplus = entry.named.len().saturating_sub(ADDRESSES_PER_PEER_MAX);
        entry.named.drain(..surplus);
        entry.attempts = 0;
        let at = if is_elsewhere { entry.moved(Duration::ZERO, now) } else { now };
        self.waiting.remove(&peer);
        self.dials.set(peer, at);
    }

    /// Discovery saw the peer at these addresses. A new one is dialled soon, by the smaller id
    /// first, so that the two do not meet half-way; one that is elsewhere now as soon as it may be.
    /// True when it was not seen before.
    pub(crate) fn discover(
        &mut self,
        peer: NodeId,
        addresses: &[SocketAddr],
        now: Instant,
    ) -> bool {
        let courtesy = if self.us < peer { Duration::ZERO } else { DIAL_COURTESY };
        let pause = self.pause(&peer);
        if addresses.is_empty() {
            self.withdraw(peer);
            return false;
        }
        let Some(entry) = self.entry(peer, Rank::Hint) else { return false };
        let kept = addresses.len().min(ADDRESSES_PER_PEER_MAX);
        if entry.discovered == addresses[..kept] {
            return false;
        }
        let is_new = entry.discovered.is_empty();
        entry.discovered = addresses[..kept].to_vec();
        // A refusal that only people can mend is not undone by a new address.
        let is_refused = entry.last_refusal.is_some_and(RefusalReason::is_lasting);
        if !is_refused {
            let at = entry.moved(pause, now);
            self.dials.set_earliest(peer, at + courtesy);
        }
        is_new
    }

    /// Discovery sees the peer no more: nobody is known for that who was not known before.
    fn withdraw(&mut self, peer: NodeId) {
        let Some(entry) = self.entries.get_mut(&peer) else { return };
        entry.discovered.clear();
        entry.fade();
        if entry.named.is_empty() && entry.unnamed().is_empty() {
            self.waiting.remove(&peer);
            self.dials.remove(&peer);
        }
    }

    /// Another peer says where `peer` is: that takes the place of what it said before. Nobody whom
    /// we know otherwise has to go for it.
    pub(crate) fn learn(
        &mut self,
        peer: NodeId,
        teller: NodeId,
        addresses: &[SocketAddr],
        now: Instant,
    ) {
        if addresses.is_empty() {
            return;
        }
        if !self.entries.contains_key(&peer) && self.told_by(&teller) >= HEARSAY_PER_PEER_MAX {
            return;
        }
        let Some(entry) = self.entry(peer, Rank::Hearsay) else { return };
        let is_known = |at: &SocketAddr| entry.discovered.contains(at) || entry.named.contains(at);
        let is_new =
            |at: &SocketAddr| !is_known(at) && !entry.learned.iter().any(|(_, known)| known == at);
        let is_news = addresses.iter().any(is_new);
        entry.learned.retain(|(by, _)| *by != teller);
        entry.learned.extend(addresses.iter().map(|address| (teller, *address)));
        let surplus = entry.learned.len().saturating_sub(ADDRESSES_PER_PEER_MAX);
        entry.learned.drain(..surplus);
        let is_refused = entry.last_refusal.is_some_and(RefusalReason::is_lasting);
        if is_news && !is_refused && !self.waiting.contains(&peer) {
            let entry = self.entries.get_mut(&peer).expect("it was just there");
            // A few more dials, at the pace of the last ones.
            entry.attempts = entry.attempts.min(SEEN_DIALS_MAX / 2);
            let courtesy = if self.us < peer { Duration::ZERO } else { DIAL_COURTESY };
            let is_idle = self.dials.get(&peer).is_none();
            if is_idle && self.dialing.get(&peer).is_none() {
                self.dials.set(peer, now + courtesy);
            }
        }
    }

    /// A connection stands, or is about to.
    pub(crate) fn connected(&mut self, peer: &NodeId) {
        self.dialing.remove(peer);
    }

    /// A session began, and who dialled.
    pub(crate) fn up(&mut self, peer: NodeId, dialed: bool, now: Instant) {
        self.dials.remove(&peer);
        self.waiting.remove(&peer);
        self.dialing.remove(&peer);
        if let Some(entry) = self.entry(peer, Rank::Member) {
            let is_soon = entry.spared_at.is_some_and(|at| now < at + DIAL_RETRY_MAX);
            entry.came_back |= !dialed && is_soon;
            entry.seen = None;
            entry.elsewhere_at = None;
            entry.gone_since = None;
            entry.last_refusal = None;
        }
    }

    /// Its session is about to be ended, because we have enough.
    pub(crate) fn spared(&mut self, peer: &NodeId, now: Instant) {
        if let Some(entry) = self.entries.get_mut(peer) {
            entry.spared_at = Some(now);
        }
    }

    /// A session ended after `lasted`, and none took its place; `seen` says where the peer may
    /// still be.
    pub(crate) fn down(
        &mut self,
        peer: NodeId,
        lasted: Duration,
        seen: Option<SocketAddr>,
        now: Instant,
    ) {
        let Some(entry) = self.entry(peer, Rank::Member) else { return };
        let is_of_use = lasted >= SESSION_OF_USE;
        entry.attempts = if is_of_use { 0 } else { entry.attempts.min(USELESS_DIALS_MAX) };
        entry.gone_since = Some(now);
        entry.seen = seen;
        entry.elsewhere_at = None;
        if lasted >= GOOD_CONDUCT {
            entry.penalties = 0;
        }
        self.retry(peer, now);
    }

    /// A dial came to nothing, or a connection did not become a session.
    pub(crate) fn failed(&mut self, peer: NodeId, now: Instant) {
        self.dialing.remove(&peer);
        self.retry(peer, now);
        // It went to where the peer was.
        let elsewhere_at = self.entries.get_mut(&peer).and_then(|entry| entry.elsewhere_at.take());
        if let Some(at) = elsewhere_at {
            self.dials.set_earliest(peer, at.max(now));
        }
    }

    /// A session was refused. Misbehaviour blocks the peer for a while, longer each time.
    pub(crate) fn refused(
        &mut self,
        peer: NodeId,
        by_us: bool,
        reason: RefusalReason,
        now: Instant,
    ) {
        let Some(entry) = self.entry(peer, Rank::Stranger) else { return };
        entry.last_refusal = Some(reason);
        if by_us && reason.is_misbehaviour() {
            let pause = doubled(PENALTY, entry.penalties, PENALTY_MAX);
            entry.penalties = entry.penalties.saturating_add(1);
            entry.blocked_until = Some(now + pause);
        }
        if reason.is_lasting() && self.dials.get(&peer).is_some() {
            self.dials.set(peer, now + PENALTY_MAX);
        }
    }

    /// Who was refused for its secret, or refused ours, may be of one mind with us now.
    pub(crate) fn secrets_changed(&mut self, now: Instant) {
        for (peer, entry) in &mut self.entries {
            if entry.last_refusal == Some(RefusalReason::WrongSecret) {
                entry.last_refusal = None;
                entry.attempts = 0;
                if self.dials.get(peer).is_some() {
                    self.dials.set(*peer, now);
                }
            }
        }
    }

    /// True while connections of the peer are to be refused.
    pub(crate) fn is_blocked(&self, peer: &NodeId, now: Instant) -> bool {
        let blocked = self.entries.get(peer).and_then(|entry| entry.blocked_until);
        blocked.is_some_and(|until| now < until)
    }

    /// Which peer to dial now that was named, or that is elsewhere while its dial is under way;
    /// `is_taken` says with whom there is a connection. Other ones whose time has come wait until
    /// they are needed.
    pub(crate) fn next_dial(
        &mut self,
        now: Instant,
        is_taken: impl Fn(&NodeId) -> bool,
    ) -> Option<NodeId> {
        while let Some(peer) = self.dialing.first_due(now) {
            self.failed(peer, now);
        }
        while let Some(peer) = self.dials.first_due(now) {
            self.dials.remove(&peer);
            if self.dial_elsewhere(&peer, now, is_taken(&peer)) {
                return Some(peer);
            }
            if !self.may_dial(&peer, now, is_taken(&peer)) {
                continue;
            }
            if self.entries[&peer].rank == Rank::Named {
                return Some(self.begin_dial(peer, now));
            }
            self.waiting.insert(peer, self.entries[&peer].is_met(), now);
        }
        None
    }

    /// How many peers are known from what `teller` said alone.
    fn told_by(&self, teller: &NodeId) -> usize {
        let is_theirs = |entry: &&Entry| {
            entry.rank == Rank::Hearsay && entry.learned.iter().all(|(by, _)| by == teller)
        };
        self.entries.values().filter(is_theirs).count()
    }

    /// Whom we are dialling, rising.
    pub(crate) fn dialing(&self) -> impl Iterator<Item = &NodeId> {
        self.dialing.keys()
    }

    /// False when there is no use in dialling the peer, or when it has to wait: then its time is
    /// set.
    pub(super) fn may_dial(&mut self, peer: &NodeId, now: Instant, is_taken: bool) -> bool {
        let Some(entry) = self.entries.get_mut(peer) else { return false };
        // Whoever has gone for good is not dialled for ever.
        entry.seen = entry.seen.filter(|_| entry.attempts < SEEN_DIALS_MAX);
        if entry.attempts >= SEEN_DIALS_MAX {
            entry.learned.clear();
            entry.fade();
        }
        let is_somewhere = !entry.named.is_empty() || !entry.unnamed().is_empty();
        if is_taken || !is_somewhere || self.dialing.get(peer).is_some() {
            return false;
        }
        if let Some(until) = entry.blocked_until.filter(|until| *until > now) {
            self.dials.set(*peer, until);
            return false;
        }
        true
    }

    /// True when the peer is dialled where it is now, beside the dial that is under way to
    /// where it was. Both are one dial, which takes no longer for that: so whoever is said to be
    /// ever elsewhere takes no more of our time, and no place for longer.
    fn dial_elsewhere(&mut self, peer: &NodeId, now: Instant, is_taken: bool) -> bool {
        if is_taken || !self.is_dialing(peer) || self.is_blocked(peer, now) {
            return false;
        }
        let entry = self.entries.get_mut(peer).filter(|entry| entry.is_met());
        let Some(entry) = entry.filter(|entry| entry.elsewhere_at.is_some()) else { return false };
        entry.elsewhere_at = None;
        entry.dialed_at = Some(now);
        true
    }

    pub(super) fn begin_dial(&mut self, peer: NodeId, now: Instant) -> NodeId {
        if let Some(entry) = self.entries.get_mut(&peer) {
            entry.attempts = entry.attempts.saturating_add(1);
            entry.dialed_at = Some(now);
            entry.elsewhere_at = None;
        }
        // Whatever asked for another one meanwhile is served by this one.
        self.dials.remove(&peer);
        self.dialing.set(peer, now + DIAL_TIMEOUT);
        peer
    }

    /// When there is something to do.
    pub(crate) fn next(&self) -> Option<Instant> {
        [self.dials.next(), self.dialing.next()].into_iter().flatten().min()
    }

    /// No peer is dialled any more.
    pub(crate) fn stop(&mut self) {
        self.entries.clear();
        self.dials = Schedule::default();
        self.waiting = Waiting::default();
        self.dialing = Schedule::default();
    }

    /// Dial again after a pause.
    fn retry(&mut self, peer: NodeId, now: Instant) {
        if self.entries.contains_key(&peer) && !planted!("dial_not_repeated") {
            self.dials.set_earliest(peer, now + self.pause(&peer));
        }
    }

    /// The pause before the peer's next dial: twice as long each time, spread by the two ids so
    /// that a whole swarm does not dial in step.
    fn pause(&self, peer: &NodeId) -> Duration {
        let attempts = self.entries.get(peer).map_or(0, |entry| entry.attempts);
        let pause = doubled(DIAL_RETRY, attempts, DIAL_RETRY_MAX);
        pause.mul_f64(spread(&self.us, peer, attempts))
    }

    /// The place of a peer, of at least this rank; none when nobody gives one up for it.
    fn entry(&mut self, peer: NodeId, rank: Rank) -> Option<&mut Entry> {
        if peer == self.us {
            return None;
        }
        if !self.entries.contains_key(&peer) && !self.has_room_for(rank) {
            return None;
        }
        if !self.entries.contains_key(&peer) && self.is_full_for(rank) {
            let least = self.least().expect("it is full");
            self.remove(&least);
        }
        let entry = self.entries.entry(peer).or_default();
        entry.rank = entry.rank.max(rank);
        Some(entry)
    }

    fn has_room_for(&self, rank: Rank) -> bool {
        let is_above = |entry: &Entry| entry.rank < rank || entry.rank == Rank::Stranger;
        !self.is_full_for(rank) || self.entries.values().any(is_above)
    }

    fn is_full_for(&self, rank: Rank) -> bool {
        let is_stranger = |entry: &&Entry| entry.rank == Rank::Stranger;
        let strangers = || self.entries.values().filter(is_stranger).count();
        self.entries.len() >= BOOK_PEERS_MAX
            || (rank == Rank::Stranger && strangers() >= STRANGERS_KEPT_MAX)
    }

    /// Who is worth least; of strangers the one whose penalty ends first.
    fn least(&self) -> Option<NodeId> {
        let worth = |entry: &Entry| (entry.rank, entry.blocked_until);
        self.entries.iter().min_by_key(|(_, entry)| worth(entry)).map(|(peer, _)| *peer)
    }
}

/// `first`, doubled `times` times, at most `max`.
pub(crate) fn doubled(first: Duration, times: u32, max: Duration) -> Duration {
    first.saturating_mul(1 << times.min(16)).min(max)
}

/// A factor from 0.75 to 1 that looks random and is always the same for the same inputs.
fn spread(us: &NodeId, peer: &NodeId, attempt: u32) -> f64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(us.as_bytes());
    hasher.update(peer.as_bytes());
    hasher.update(&attempt.to_le_bytes());
    let byte = hasher.finalize().as_bytes()[0];
    0.75 + f64::from(byte) / 1020.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_stay_within_a_quarter() {
        assert_eq!(doubled(DIAL_RETRY, 1, DIAL_RETRY_MAX), DIAL_RETRY * 2);
        assert_eq!(doubled(DIAL_RETRY, u32::MAX, DIAL_RETRY_MAX), DIAL_RETRY_MAX);
        let (low, high) = (NodeId::from_bytes([1; 32]), NodeId::from_bytes([2; 32]));
        let factors = (0..100).map(|attempt| spread(&low, &high, attempt));
        assert!(factors.into_iter().all(|factor| (0.75..=1.0).contains(&factor)));
    }

    #[test]
    fn a_stranger_that_is_withdrawn_stays_one_and_nobody_is_known_for_that() {
        let [us, peer, other] = [1, 2, 3].map(|number| NodeId::from_bytes([number; 32]));
        let mut book = PeerBook::new(us);
        let _ = book.entry(peer, Rank::Stranger);
        book.withdraw(peer);
        book.withdraw(other);
        assert_eq!(book.entries[&peer].rank, Rank::Stranger);
        assert!(!book.entries.contains_key(&other));
    }
}
