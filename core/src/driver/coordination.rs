//! What accounts and claims of one node share between all handles: who decides.

use crate::driver::answers::Answers;
use crate::driver::decider::{Decider, lock};
use crate::pond::Name;
use crate::pond::claim::{ClaimFold, DoingFold, claim_tag, doing_tag};
use crate::pond::desk::Folded;
use crate::pond::escrow::{AccountFold, account_tag};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// From so many on, those that nobody uses are let go.
const DESKS_KEPT_MAX: usize = 1024;

/// Who decides about what, on one node.
#[derive(Default)]
pub(crate) struct Coordination {
    accounts: Desks<AccountFold>,
    claims: Desks<ClaimFold>,
    doings: Desks<DoingFold>,
}

/// Where decisions about one thing are made.
pub(crate) struct Desk<F> {
    name: Name,
    decider: Decider<F>,
    answers: Answers,
}

pub(crate) type AccountDesk = Desk<AccountFold>;
pub(crate) type ClaimDesk = Desk<ClaimFold>;
pub(crate) type DoingDesk = Desk<DoingFold>;

struct Desks<F>(Mutex<Kept<F>>);

struct Kept<F> {
    desks: BTreeMap<Name, Arc<Desk<F>>>,
    /// With so many those that nobody uses are looked for.
    full_at: usize,
}

impl Coordination {
    pub(crate) fn account(&self, name: Name) -> Arc<AccountDesk> {
        self.accounts.of(name, |name| {
            Decider::new(account_tag(name), AccountFold::new(name.clone(), Arc::default()))
        })
    }

    pub(crate) fn claim(&self, what: Name) -> Arc<ClaimDesk> {
        self.claims.of(what, |what| {
            Decider::new(claim_tag(what), ClaimFold::new(what.clone(), Arc::default()))
        })
    }

    pub(crate) fn doing(&self, what: Name) -> Arc<DoingDesk> {
        self.doings.of(what, |what| Decider::new(doing_tag(what), DoingFold::new()))
    }
}

impl<F: Folded> Desk<F> {
    pub(crate) fn name(&self) -> &Name {
        &self.name
    }

    pub(crate) fn decider(&self) -> &Decider<F> {
        &self.decider
    }

    pub(super) fn answers(&self) -> &Answers {
        &self.answers
    }
}

impl<F: Folded> Desks<F> {
    fn of(&self, name: Name, decider: impl FnOnce(&Name) -> Decider<F>) -> Arc<Desk<F>> {
        let mut kept = lock(&self.0);
        if kept.desks.len() >= kept.full_at && !kept.desks.contains_key(&name) {
            // Whoever has a desk, or a thread that answers at it, has a reference to it.
            kept.desks.retain(|_, desk| Arc::strong_count(desk) > 1 || !desk.decider.is_at_rest());
            // Many that are used are not looked through for each further one.
            kept.full_at = DESKS_KEPT_MAX.max(2 * kept.desks.len());
        }
        let desk = kept.desks.entry(name).or_insert_with_key(|name| {
            let (name, decider) = (name.clone(), decider(name));
            Arc::new(Desk { name, decider, answers: Answers::default() })
        });
        desk.clone()
    }
}

impl<F> Default for Desks<F> {
    fn default() -> Desks<F> {
        Desks(Mutex::new(Kept { desks: BTreeMap::new(), full_at: DESKS_KEPT_MAX }))
    }
}
