//! All accounts of one name, folded in key order.

use crate::event::{EventKey, Offset, Tag};
use crate::pond::escrow::{AccountId, AccountState, Action, Operation};
use crate::pond::{Lineage, Name};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The tag of the events of all accounts called `name`.
pub fn account_tag(name: &Name) -> Tag {
    name.tag("escrow")
}

/// The accounts that were created under one name. Usually that is one: see [`AccountFold::first`].
///
/// A fold is a value: a clone of it, kept at some key, is where it goes on after a late event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountFold {
    name: Name,
    accounts: BTreeMap<AccountId, AccountState>,
    lineage: Arc<Lineage>,
    last: Option<EventKey>,
    unread: u64,
}

impl AccountFold {
    /// Of no events, in a log that holds these forks and streams.
    pub fn new(name: Name, lineage: Arc<Lineage>) -> AccountFold {
        AccountFold { name, accounts: BTreeMap::new(), lineage, last: None, unread: 0 }
    }

    /// Goes on by an event that carries [`account_tag`].
    ///
    /// # Panics
    /// The keys do not rise.
    pub fn apply(&mut self, key: EventKey, offset: Offset, payload: &[u8]) {
        match Operation::decode(payload) {
            Some(operation) => {
                let id = match &operation {
                    Operation::Create(_) => AccountId::of(&self.name, &key.stream.node, payload),
                    Operation::Change(change) => change.account,
                };
                self.take(key, offset, id, &operation);
            }
            None => self.pass_over(key),
        }
    }

    /// Goes on by an event that says nothing.
    pub(crate) fn pass_over(&mut self, key: EventKey) {
        self.move_to(key);
        self.unread += 1;
    }

    /// Goes on by what an event says of the account `id`.
    pub(crate) fn take(
        &mut self,
        key: EventKey,
        offset: Offset,
        id: AccountId,
        operation: &Operation,
    ) {
        self.move_to(key);
        let own = key.stream.trunk();
        let is_sound = match operation {
            Operation::Create(creation) => creation.stream == own.number,
            Operation::Change(change) => {
                let goes_elsewhere = match change.action {
                    Action::Grant { to, .. } => to != own,
                    Action::Recover { from, .. } => from != own.number,
                    _ => true,
                };
                change.stream == own.number && goes_elsewhere
            }
        };
        if !is_sound {
            self.unread += 1;
            return;
        }
        match operation {
            Operation::Create(creation) => {
                let (name, lineage) = (self.name.clone(), self.lineage.clone());
                // Both histories of a fork may hold the creation: it is the same account.
                self.accounts
                    .entry(id)
                    .or_insert_with(|| AccountState::new(name, id, key, creation.clone(), lineage));
            }
            Operation::Change(change) => match self.accounts.get_mut(&id) {
                Some(account) => account.apply(key, offset, change),
                // Its creation is not held yet; it sorts before this, so all comes again with it.
                None => self.unread += 1,
            },
        }
    }

    /// Learns of streams that were not known before.
    ///
    /// # Panics
    /// The forks are others than those that this fold began with: it has to begin anew.
    pub fn meet(&mut self, lineage: &Arc<Lineage>) {
        assert!(self.lineage.has_same_forks(lineage), "a fold of other forks begins anew");
        self.lineage = lineage.clone();
        self.accounts.values_mut().for_each(|account| account.meet(lineage.clone()));
    }

    fn move_to(&mut self, key: EventKey) {
        assert!(self.last.is_none_or(|last| last < key), "a fold goes on in key order");
        self.last = Some(key);
    }

    /// What the name means: the account whose creation has the least key. When two nodes created
    /// one while they were cut off from each other, the other one is a rival.
    pub fn first(&self) -> Option<&AccountState> {
        self.accounts.values().min_by_key(|account| (account.created(), account.id()))
    }

    /// The account with this id.
    pub fn get(&self, id: &AccountId) -> Option<&AccountState> {
        self.accounts.get(id)
    }

    /// All accounts of this name, by id.
    pub fn accounts(&self) -> impl ExactSizeIterator<Item = &AccountState> {
        self.accounts.values()
    }

    /// Events that say nothing: of another form, in another stream than they name, or of an account
    /// that is not known here.
    pub fn unread(&self) -> u64 {
        self.unread
    }

    /// The greatest key so far.
    pub fn last(&self) -> Option<EventKey> {
        self.last
    }

    /// What the name is.
    pub fn name(&self) -> &Name {
        &self.name
    }
}
