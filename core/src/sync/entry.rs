//! What the book knows of one peer, and what its place there is worth.

use crate::event::NodeId;
use crate::planted;
use crate::sync::constants::{DIAL_ELSEWHERE, DIAL_RETRY_MAX};
use crate::sync::refusal::RefusalReason;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What a peer's place in the book is worth: when there is no other, a lesser one makes room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// It proved nothing.
    #[default]
    Stranger,
    /// Another peer says that it is there.
    Hearsay,
    /// Discovery says so.
    Hint,
    /// It had a session.
    Member,
    /// A person or a ticket named it.
    Named,
}

/// One peer we know of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry {
    pub(super) rank: Rank,
    /// Addresses that a person or a ticket gave.
    pub(crate) named: Vec<SocketAddr>,
    /// Addresses that discovery gave last.
    pub(crate) discovered: Vec<SocketAddr>,
    /// Addresses that other peers told, and who did; the newest last.
    pub(super) learned: Vec<(NodeId, SocketAddr)>,
    /// Where it was when the last session with it was lost.
    pub(super) seen: Option<SocketAddr>,
    /// When we last ended its session because we had enough, and whether it came back at once: then
    /// somebody has named us there.
    pub(super) spared_at: Option<Instant>,
    pub(super) came_back: bool,
    /// Dials since the last session that was of use.
    pub(super) attempts: u32,
    /// When the last dial began.
    pub(super) dialed_at: Option<Instant>,
    /// When to dial it for addresses that discovery or a person told since that dial began.
    pub(super) elsewhere_at: Option<Instant>,
    /// When another address last brought a dial forward that had to wait.
    hurried_at: Option<Instant>,
    /// Times it misbehaved since it last behaved well.
    pub(super) penalties: u32,
    /// Until then its connections are refused.
    pub(super) blocked_until: Option<Instant>,
    /// Since when it is out of reach, after it was in reach.
    pub(crate) gone_since: Option<Instant>,
    pub(crate) last_refusal: Option<RefusalReason>,
}

impl Entry {
    /// Where the peer may be: what discovery saw last first, then what was named, then what other
    /// peers told; at most the bound of each kind.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        let mut addresses = self.discovered.clone();
        let others = self.named.iter().chain(self.learned.iter().rev().map(|(_, address)| address));
        for address in others {
            if !addresses.contains(address) {
                addresses.push(*address);
            }
        }
        addresses
    }

    /// True when a person wants a session with it, here or there.
    pub(crate) fn is_wanted(&self) -> bool {
        self.rank == Rank::Named || self.came_back
    }

    /// True when it had a session, or was named: it is more than what somebody announced.
    pub(crate) fn is_met(&self) -> bool {
        self.rank >= Rank::Member
    }

    /// It is elsewhere, they say: when to dial it for that, if its last dial asks for this `pause`.
    pub(super) fn moved(&mut self, pause: Duration, now: Instant) -> Instant {
        let at = self.hurry(pause, now);
        let at = self.elsewhere_at.map_or(at, |earlier| earlier.min(at));
        self.elsewhere_at = Some(at);
        at
    }

    /// Nobody tells any more where it is: what was only announced gives up its place for others.
    pub(super) fn fade(&mut self) {
        let is_told = match self.rank {
            Rank::Hint => !self.discovered.is_empty(),
            Rank::Hearsay => self.is_learned(),
            Rank::Stranger | Rank::Member | Rank::Named => true,
        };
        if !is_told {
            self.rank = if self.is_learned() { Rank::Hearsay } else { Rank::Stranger };
        }
    }

    /// When to dial a node that is elsewhere. Of one that may be made up addresses count for
    /// little: any may be told.
    fn hurry(&mut self, pause: Duration, now: Instant) -> Instant {
        let Some(last) = self.dialed_at else { return now };
        if planted!("made_up_nodes_dialled_without_pace") {
            return now;
        }
        if self.is_met() {
            return now.max(last + DIAL_ELSEWHERE);
        }
        if self.hurried_at.is_some_and(|at| now < at + DIAL_RETRY_MAX) {
            return now.max(last + pause);
        }
        self.hurried_at = Some(now);
        now
    }

    /// True when other peers told where it is.
    pub(crate) fn is_learned(&self) -> bool {
        !self.learned.is_empty()
    }

    /// Where to dial beside what was named.
    pub(crate) fn unnamed(&self) -> Vec<SocketAddr> {
        let is_new =
            |seen: &SocketAddr| !self.named.contains(seen) && !self.discovered.contains(seen);
        let seen = self.seen.filter(is_new);
        let mut unnamed: Vec<SocketAddr> = self.discovered.iter().copied().chain(seen).collect();
        for (_, address) in self.learned.iter().rev() {
            if is_new(address) && !unnamed.contains(address) {
                unnamed.push(*address);
            }
        }
        unnamed
    }
}
