//! What nodes of a lab do for accounts and claims while time passes: they answer requests as they
//! were told to, and tell who has lost.

use crate::error::Result;
use crate::event::{EventKey, OffsetMap};
use crate::pond::Name;
use crate::pond::claim::{ClaimFold, Doer, DoingFold, Standing};
use crate::pond::desk::{Answering, Ground, Look, OpenSince, ROUND};
use crate::pond::escrow::{AccountFold, GrantPolicy};
use crate::pond::lab::desk::{Matter, Scarce};
use crate::pond::lab::lab::Lab;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// An optimistic claim of a node that has lost: what was begun is to be undone, and then released.
#[derive(Clone, Debug, PartialEq)]
pub struct LabLoss {
    /// Whose claim: the index of the node.
    pub node: usize,
    /// To what.
    pub what: Name,
    /// The event that said so.
    pub key: EventKey,
    /// Who does it.
    pub winner: Doer,
}

/// Who answers, and who is to be told.
#[derive(Default)]
pub(super) struct Answers {
    /// By node and by what is asked for.
    policies: BTreeMap<(usize, Matter), Answerer>,
    /// Claims whose loss is to be told, by node and by what they are to.
    watched: BTreeMap<(usize, Matter), Vec<EventKey>>,
    lost: VecDeque<LabLoss>,
}

struct Answerer {
    policy: GrantPolicy,
    open_since: OpenSince,
    /// What was held when it looked last; none before.
    looked_at: Option<OffsetMap>,
    /// When it looks again, whatever comes.
    turn: Option<Duration>,
}

impl Answers {
    /// What a node has in memory is lost; so is what was not told.
    pub(super) fn end(&mut self, node: usize) {
        self.policies.retain(|(own, _), _| *own != node);
        self.watched.retain(|(own, _), _| *own != node);
        self.lost.retain(|loss| loss.node != node);
    }
}

impl Lab {
    /// A node answers requests for rights of the account `name` by itself, from now on and until
    /// its process ends; `None` leaves them unanswered, which is how it begins. It does so while
    /// time passes.
    ///
    /// # Errors
    /// `closed`: the node does not run. `invalid_argument`, `limit_exceeded`: there is no such
    /// node, or can be no such name.
    pub fn answer_requests(
        &mut self,
        node: usize,
        name: &str,
        policy: Option<GrantPolicy>,
    ) -> Result<()> {
        self.answer_as(node, Matter::Account(Name::new(name)?), policy)
    }

    /// A node hands the exclusive claim to `what` to whoever asks, from now on and until its
    /// process ends, or keeps it, which is how it begins.
    ///
    /// # Errors
    /// As [`Lab::answer_requests`].
    pub fn hand_over_when_asked(&mut self, node: usize, what: &str, wanted: bool) -> Result<()> {
        let policy = wanted.then(GrantPolicy::default);
        self.answer_as(node, Matter::Claim(Name::new(what)?), policy)
    }

    /// Has [`Lab::next_loss`] tell when the node's optimistic claim to `what` that was published
    /// with `key` has lost, now if it has: once, and until its process ends; never when it was
    /// released before.
    ///
    /// # Errors
    /// As [`Lab::answer_requests`].
    pub fn tell_loss(&mut self, node: usize, what: &str, key: EventKey) -> Result<()> {
        self.running(node)?;
        let matter = Matter::Doing(Name::new(what)?);
        let watched = self.desks.answers.watched.entry((node, matter.clone())).or_default();
        if !watched.contains(&key) {
            watched.push(key);
        }
        self.look_for_losses(node, &matter)
    }

    /// The next loss that is to be told, in the order in which they came about; `None` when there
    /// is none.
    pub fn next_loss(&mut self) -> Option<LabLoss> {
        self.desks.answers.lost.pop_front()
    }

    fn answer_as(
        &mut self,
        node: usize,
        matter: Matter,
        policy: Option<GrantPolicy>,
    ) -> Result<()> {
        self.running(node)?;
        let policies = &mut self.desks.answers.policies;
        let Some(policy) = policy else {
            policies.remove(&(node, matter));
            return Ok(());
        };
        let answerer = policies.entry((node, matter)).or_insert_with(|| Answerer {
            policy,
            open_since: OpenSince::default(),
            looked_at: None,
            turn: None,
        });
        (answerer.policy, answerer.looked_at) = (policy, None);
        Ok(())
    }

    /// When somebody who answers looks again, at the earliest.
    pub(super) fn next_turn(&self) -> Option<Duration> {
        self.desks.answers.policies.values().filter_map(|own| own.turn).min()
    }

    /// Each node that answers requests gives what is due now.
    pub(super) fn answer_what_is_due(&mut self) -> Result<()> {
        let policies = self.desks.answers.policies.iter();
        let due = policies.filter(|((node, _), own)| {
            let has_come = own.looked_at.as_ref() != Some(&self.members[*node].held);
            has_come || own.turn.is_some_and(|turn| turn <= self.elapsed)
        });
        let due: Vec<(usize, Matter)> = due.map(|(place, _)| place.clone()).collect();
        for place in due {
            // Others are given what somebody else gave at the same time, too.
            let mut own = self.desks.answers.policies.remove(&place).expect("just seen");
            let answered = match &place.1 {
                Matter::Account(_) => self.answer::<AccountFold>(&place, &mut own),
                Matter::Claim(_) | Matter::Doing(_) => self.answer::<ClaimFold>(&place, &mut own),
            };
            self.desks.answers.policies.insert(place, own);
            answered?;
        }
        Ok(())
    }

    fn answer<F: Answering + Scarce>(
        &mut self,
        (node, matter): &(usize, Matter),
        own: &mut Answerer,
    ) -> Result<()> {
        let (now, policy, node) = (self.now(), own.policy, *node);
        let is_turn_ahead = loop {
            let look = |ground: &Ground<'_, F>| own.open_since.look(ground, policy, now);
            let Look { is_due, is_turn_ahead } = self.on_ground(node, matter.name(), look)?;
            if !is_due {
                break is_turn_ahead;
            }
            let told = format!("gives what is due of {}", matter.name());
            let open_since = &own.open_since;
            self.decide(node, matter.clone(), None, &told, |lab, name| {
                let give = |ground: &Ground<'_, F>| open_since.give(ground, policy, now);
                lab.on_ground(node, name, give)?
            })?;
        };
        own.looked_at = Some(self.members[node].held.clone());
        own.turn = is_turn_ahead.then(|| self.elapsed + ROUND);
        Ok(())
    }

    /// Something came of an optimistic claim: tells those of the node that have lost.
    pub(super) fn look_for_losses(&mut self, node: usize, matter: &Matter) -> Result<()> {
        let place = (node, matter.clone());
        let watched = self.desks.answers.watched.remove(&place).unwrap_or_default();
        let mut left = Vec::new();
        for key in watched {
            let standing = |ground: &Ground<'_, DoingFold>| ground.state.standing(&key);
            match self.on_ground(node, matter.name(), standing)? {
                Standing::Won => left.push(key),
                Standing::Released => {}
                Standing::Lost(winner) => {
                    let what = matter.name().clone();
                    self.note(format!("node {node} learned that it does not do {what}"));
                    self.desks.answers.lost.push_back(LabLoss { node, what, key, winner });
                }
            }
        }
        if !left.is_empty() {
            self.desks.answers.watched.insert(place, left);
        }
        Ok(())
    }
}
