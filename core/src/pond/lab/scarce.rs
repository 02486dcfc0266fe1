//! Whether accounts and claims keep what they promise, at each node of a lab and at all times.
//!
//! Rule: whatever was cut, lost or told late, nobody's rights are made or lost, what counted
//! counts, and one holds a claim. Only where a disk was restored may a stream be spent twice, and
//! then what it signed proves it.

use crate::error::{Error, ErrorKind, Result};
use crate::event::{EventBatch, EventKey, OffsetMap, StreamId};
use crate::pond::Name;
use crate::pond::claim::{ClaimFold, DoingFold};
use crate::pond::desk::Ground;
use crate::pond::escrow::{
    AccountFold, AccountId, AccountState, Operation, VIOLATIONS_KEPT_MAX, Violation,
};
use crate::pond::lab::desk::{Desks, Matter, Scarce};
use crate::pond::lab::lab::Lab;
use crate::query::{Query, TagExpression};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// What was seen before, and is to stay so.
#[derive(Default)]
pub(super) struct Seen {
    /// Debits that counted, by node and account.
    pub(super) counted: BTreeMap<(usize, AccountId), BTreeSet<EventKey>>,
    /// Who held a claim with which fence number, at whatever node that was known.
    held: BTreeMap<(AccountId, u64), StreamId>,
    /// Some disk was restored: its stream may be spent twice.
    is_doubled: bool,
}

/// What is wrong, for people.
type Flaw = Option<String>;

impl Desks {
    /// The disk of a node went back: what counted there may be unknown there now.
    pub(super) fn restored(&mut self, node: usize) {
        self.seen.is_doubled = true;
        self.seen.counted.retain(|(own, _), _| *own != node);
        self.end(node);
    }
}

impl Lab {
    /// That each account and claim keeps its promises at each node that runs, and that nodes which
    /// hold the same know the same of it. [`Lab::check`] asks for it, too, and it is looked at
    /// whenever something of it was decided or came.
    ///
    /// # Errors
    /// `internal`: one does not, a bug of ours; says which, where, and the seed.
    pub fn check_scarce(&mut self) -> Result<()> {
        let matters: Vec<Matter> = self.desks.matters.values().cloned().collect();
        let up = self.those(|member| member.is_up);
        let mut all = OffsetMap::new();
        self.members.iter().for_each(|member| all.join(&member.held));
        let knowing = self.those(|member| member.is_up && member.held == all);
        for matter in &matters {
            up.iter().try_for_each(|node| self.changed(*node, matter))?;
            for node in &knowing {
                let flaw = self.uncovered(*node, matter)?;
                self.found(matter, flaw.map(|flaw| format!("at node {node} {flaw}")))?;
            }
            let flaw = match matter {
                Matter::Account(name) => self.difference(&up, name, AccountFold::eq)?,
                Matter::Claim(what) => self.difference(&up, what, ClaimFold::eq)?,
                Matter::Doing(what) => self.difference(&up, what, DoingFold::eq)?,
            };
            self.found(matter, flaw)?;
        }
        Ok(())
    }

    /// These events of a stream came to a node.
    pub(super) fn delivered(
        &mut self,
        node: usize,
        stream: StreamId,
        range: Range<u64>,
    ) -> Result<()> {
        if self.desks.matters.is_empty() {
            return Ok(());
        }
        let events = range.map(|offset| self.streams.event(&stream, offset));
        let tags = events.flat_map(|event| event.tags.iter());
        let matters: BTreeSet<Matter> =
            tags.filter_map(|tag| self.desks.matters.get(tag)).cloned().collect();
        matters.iter().try_for_each(|matter| self.changed(node, matter))
    }

    /// Something was decided or came at a node.
    pub(super) fn changed(&mut self, node: usize, matter: &Matter) -> Result<()> {
        let flaw = match matter {
            Matter::Account(name) => self.judge_account(node, name)?,
            Matter::Claim(what) => self.judge_claim(node, what)?,
            Matter::Doing(_) => {
                self.look_for_losses(node, matter)?;
                None
            }
        };
        self.found(matter, flaw.map(|flaw| format!("at node {node} {flaw}")))
    }

    fn found(&self, matter: &Matter, flaw: Flaw) -> Result<()> {
        let Some(flaw) = flaw else { return Ok(()) };
        let (kind, name) = match matter {
            Matter::Account(name) => ("account", name),
            Matter::Claim(what) => ("claim", what),
            Matter::Doing(what) => ("optimistic claims to", what),
        };
        let message = format!(
            "the {kind} {name} breaks its promise: {flaw}; this is a bug of millpond, {}. \
             What happened last:\n{}",
            self.name(),
            self.happened_last()
        );
        Err(Error::new(ErrorKind::Internal, message).with_reason("promise"))
    }

    /// What does not count of what honest nodes did, though all events are there that it rests on.
    fn uncovered(&self, node: usize, matter: &Matter) -> Result<Flaw> {
        let violations: Vec<Violation> = match matter {
            _ if self.desks.seen.is_doubled => return Ok(None),
            Matter::Account(name) => {
                self.on_ground(node, name, |ground: &Ground<'_, AccountFold>| {
                    ground.state.accounts().flat_map(AccountState::violations).collect()
                })?
            }
            Matter::Claim(what) => {
                self.on_ground(node, what, |ground: &Ground<'_, ClaimFold>| {
                    ground.state.first().map_or_else(Vec::new, |claim| claim.violations())
                })?
            }
            Matter::Doing(_) => return Ok(None),
        };
        Ok(violations.first().map(|wrong| format!("all events are there, and yet {wrong:?}")))
    }

    fn judge_account(&mut self, node: usize, name: &Name) -> Result<Flaw> {
        let events = self.of_matter::<AccountFold>(node, name)?;
        let states: Vec<AccountState> =
            self.on_ground(node, name, |ground: &Ground<'_, AccountFold>| {
                ground.state.accounts().cloned().collect()
            })?;
        Ok(states.iter().find_map(|state| self.judge_state(node, state, &events)))
    }

    fn judge_claim(&mut self, node: usize, what: &Name) -> Result<Flaw> {
        let claims = |ground: &Ground<'_, ClaimFold>| {
            ground.state.first().map(|claim| (claim.id(), claim.holders(), claim.violations()))
        };
        let Some((id, holders, violations)) = self.on_ground(node, what, claims)? else {
            return Ok(None);
        };
        if self.desks.seen.is_doubled {
            return Ok(None);
        }
        if holders.len() > 1 {
            return Ok(Some(format!("{} hold it at once: {holders:?}", holders.len())));
        }
        if let Some(wrong) = violations.iter().find(|own| !is_waiting(own)) {
            return Ok(Some(format!("nobody has two disks, and yet {wrong:?}")));
        }
        for holder in holders {
            let held = self.desks.seen.held.entry((id, holder.fence)).or_insert(holder.stream);
            if *held != holder.stream {
                let fence = holder.fence;
                let (one, other) = (*held, holder.stream);
                return Ok(Some(format!("{one} and {other} held it with the fence {fence}")));
            }
        }
        Ok(None)
    }

    fn judge_state(&mut self, node: usize, state: &AccountState, events: &EventBatch) -> Flaw {
        if let Some(flaw) = state.flaw() {
            return Some(flaw);
        }
        let floor = i128::from(state.creation().floor);
        let violations = state.violations();
        if !self.desks.seen.is_doubled {
            if state.balance() < floor {
                return Some(format!("the balance {} is below {floor}", state.balance()));
            }
            if let Some(wrong) = violations.iter().find(|own| !is_waiting(own)) {
                return Some(format!("nobody has two disks, and yet {wrong:?}"));
            }
        }
        if state.uncovered_count() as usize > VIOLATIONS_KEPT_MAX {
            return None;
        }
        let counted = counted(state, events, &violations);
        let before = self.desks.seen.counted.insert((node, state.id()), counted);
        let counted = &self.desks.seen.counted[&(node, state.id())];
        let gone = before.and_then(|before| before.difference(counted).next().copied());
        gone.map(|key| format!("what {key:?} took counted before, and does not any more"))
    }

    /// What two nodes know that hold the same, and is not equal.
    fn difference<F: Scarce>(
        &self,
        nodes: &[usize],
        name: &Name,
        is_equal: impl Fn(&F, &F) -> bool,
    ) -> Result<Flaw> {
        let mut known: Vec<(usize, F)> = Vec::new();
        for node in nodes {
            let held = &self.members[*node].held;
            let state =
                self.on_ground(*node, name, |ground: &Ground<'_, F>| ground.state.clone())?;
            match known.iter().find(|(other, _)| self.members[*other].held == *held) {
                Some((other, same)) if !is_equal(same, &state) => {
                    let what = format!("node {other} and node {node} hold the same events of it");
                    return Ok(Some(format!("{what}, and do not know the same")));
                }
                Some(_) => {}
                None => known.push((*node, state)),
            }
        }
        Ok(None)
    }

    fn of_matter<F: Scarce>(&self, node: usize, name: &Name) -> Result<EventBatch> {
        self.query(node, &Query::new(TagExpression::tag(F::tag(name).as_str())?)?)
    }
}

/// What it rests on may not have come yet.
fn is_waiting(violation: &Violation) -> bool {
    matches!(violation, Violation::Uncovered { .. })
}

/// Events that say something of the account, and count as far as is known.
fn counted(
    state: &AccountState,
    events: &EventBatch,
    violations: &[Violation],
) -> BTreeSet<EventKey> {
    let of_account = |payload: &[u8]| match Operation::decode(payload) {
        Some(Operation::Change(change)) => change.account == state.id(),
        _ => false,
    };
    let said = events.iter().filter(|event| {
        event.key().lamport > state.created().lamport && of_account(event.payload_bytes())
    });
    let mut counted: BTreeSet<EventKey> = said.map(|event| event.key()).collect();
    for violation in violations {
        if let Violation::Uncovered { key, .. } = violation {
            counted.remove(key);
        }
    }
    counted
}
