//! All accounts of one name, folded in key order.

use crate::event::{EventKey, NodeId, Offset, Tag};
use crate::pond::escrow::{AccountId, AccountState, Action, Creation, Operation};
use crate::pond::{Lineage, Name};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The tag of the events of all accounts called `name`.
pub fn account_tag(name: &Name) -> Tag {
    name.tag("escrow")
}

/// The accounts that were created under one name. Usually that is one: see [`AccountFold::first`].
///
/// A fold is a value: a clone of it, kept at some key, is where it goes on after a late event. Two
/// clones share what is the same in both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountFold {
    name: Name,
    accounts: BTreeMap<AccountId, Arc<AccountState>>,
    /// The one that was created first.
    oldest: Option<AccountId>,
    /// In which one each node acted first.
    acted_in: BTreeMap<NodeId, AccountId>,
    lineage: Arc<Lineage>,
    last: Option<EventKey>,
    unread: u64,
}

impl AccountFold {
    /// Of no events, in a log that holds these forks and streams.
    pub fn new(name: Name, lineage: Arc<Lineage>) -> AccountFold {
        AccountFold {
            name,
            accounts: BTreeMap::new(),
            oldest: None,
            acted_in: BTreeMap::new(),
            lineage,
            last: None,
            unread: 0,
        }
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
        let is_read = match operation {
            Operation::Create(creation) => self.create(key, id, creation),
            // Its creation is not held yet, if it is not known: that sorts before this, so all
            // comes again with it. Whoever wrote this had seen it.
            Operation::Change(change) => match self.accounts.get_mut(&id) {
                Some(account) if account.created().lamport < key.lamport => {
                    Arc::make_mut(account).apply(key, offset, change);
                    true
                }
                _ => false,
            },
        };
        if is_read {
            self.acted_in.entry(key.stream.node).or_insert(id);
        } else {
            self.unread += 1;
        }
    }

    /// False when it says nothing.
    fn create(&mut self, key: EventKey, id: AccountId, creation: &Creation) -> bool {
        if let Some(account) = self.accounts.get_mut(&id) {
            // Both histories of a fork may hold the creation: it is the same account.
            return Arc::make_mut(account).create_again(key);
        }
        let (name, lineage) = (self.name.clone(), self.lineage.clone());
        let account = AccountState::new(name, id, key, creation.clone(), lineage);
        let is_oldest = self.first().is_none_or(|oldest| account.age() < oldest.age());
        self.accounts.insert(id, Arc::new(account));
        if is_oldest {
            self.oldest = Some(id);
        }
        true
    }

    /// Learns of streams that were not known before.
    ///
    /// # Panics
    /// The forks are others than those that this fold began with: it has to begin anew.
    pub fn meet(&mut self, lineage: &Arc<Lineage>) {
        assert!(self.lineage.has_same_forks(lineage), "a fold of other forks begins anew");
        self.lineage = lineage.clone();
        let accounts = self.accounts.values_mut();
        accounts.for_each(|account| Arc::make_mut(account).meet(lineage.clone()));
    }

    fn move_to(&mut self, key: EventKey) {
        assert!(self.last.is_none_or(|last| last < key), "a fold goes on in key order");
        self.last = Some(key);
    }

    /// The account that was created first: what the name means to nodes that acted in none. By
    /// lamport, then by stream whatever its histories are called, then by id.
    pub fn first(&self) -> Option<&AccountState> {
        self.get(self.oldest.as_ref()?)
    }

    /// What the name means to `node`: the account in which it acted first, whatever older one turns
    /// up later. So nobody's rights are out of reach because somebody else created an account.
    pub fn meant_by(&self, node: &NodeId) -> Option<&AccountState> {
        self.acted_in.get(node).and_then(|id| self.get(id)).or_else(|| self.first())
    }

    /// The account with this id.
    pub fn get(&self, id: &AccountId) -> Option<&AccountState> {
        self.accounts.get(id).map(|account| &**account)
    }

    /// All accounts of this name, by id.
    pub fn accounts(&self) -> impl ExactSizeIterator<Item = &AccountState> {
        self.accounts.values().map(|account| &**account)
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
