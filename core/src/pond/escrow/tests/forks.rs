//! What forks, equal lamports and many histories leave as it was.

use super::world::{held_branch, node, stream};
use crate::event::limits::BRANCHES_PER_TRUNK_MAX;
use crate::event::{Chain, EventKey, HeldFork, Lamport, Offset, StreamId};
use crate::pond::escrow::{
    AMOUNT_MAX, AccountFold, AccountId, AccountState, Action, Change, Creation, Operation, Share,
    Violation,
};
use crate::pond::{Lineage, Name};
use std::sync::Arc;

/// One account, told event by event.
struct Told {
    creation: Creation,
    events: Vec<(u64, StreamId, Operation)>,
    forks: Vec<HeldFork>,
}

impl Told {
    /// The first node has what is above the floor, without `shares`.
    fn new(amount: i64, shares: Vec<Share>) -> Told {
        let creation = Creation { stream: 0, amount, floor: 0, shares };
        Told { creation, events: Vec::new(), forks: Vec::new() }
    }

    fn create(&mut self, lamport: u64, own: StreamId) {
        self.events.push((lamport, own, Operation::Create(self.creation.clone())));
    }

    fn add(&mut self, lamport: u64, own: StreamId, action: Action) {
        let (account, stream) = (self.id(), own.trunk().number);
        let change = Change { account, stream, action, note: None };
        self.events.push((lamport, own, Operation::Change(change)));
    }

    /// From here on the stream is two, the first of which goes on with what was told of it since.
    fn fork(&mut self, of: StreamId, at: u64, branches: &[StreamId]) {
        let branches = branches.iter().map(|own| held_branch(*own, of, at)).collect();
        self.forks.push(HeldFork { of, at, branches });
    }

    fn rename(&mut self, from: StreamId, to: StreamId) {
        let own = self.events.iter_mut().filter(|event| event.1 == from);
        own.for_each(|event| event.1 = to);
    }

    fn id(&self) -> AccountId {
        let payload = Operation::Create(self.creation.clone()).to_payload().unwrap();
        AccountId::of(&Name::new("steel").unwrap(), &node(0), payload.as_bytes())
    }

    fn state(&self) -> AccountState {
        let lineage = Arc::new(Lineage::new(self.forks.clone(), []));
        let mut fold = AccountFold::new(Name::new("steel").unwrap(), lineage);
        let keyed = self.events.iter().map(|(lamport, stream, operation)| {
            let key = EventKey { lamport: Lamport::new(*lamport).unwrap(), stream: *stream };
            (key, operation)
        });
        let mut keyed: Vec<_> = keyed.collect();
        keyed.sort_by_key(|(key, _)| *key);
        for (key, operation) in keyed {
            fold.take(key, Offset::new(key.lamport.value()), self.id(), operation);
        }
        let state = fold.first().expect("it is created").clone();
        state.check();
        state
    }
}

fn second(node: usize) -> StreamId {
    StreamId { number: 1, ..stream(node) }
}

fn branch(of: StreamId, name: u8) -> StreamId {
    of.branch(&Chain::from_bytes([name; 32]))
}

#[test]
fn the_same_creation_in_both_histories_counts_once_and_each_may_spend_what_it_left_there() {
    let mut told = Told::new(1000, vec![Share { stream: stream(1), amount: 400 }]);
    let [one, other] = [0x51, 0xa7].map(|name| branch(stream(0), name));
    told.fork(stream(0), 0, &[one, other]);
    told.create(1, one);
    told.add(2, one, Action::Withdraw(600));
    // In the other history something else came first.
    told.create(3, other);
    told.add(4, other, Action::Grant { to: stream(2), amount: 500 });
    told.add(5, stream(2), Action::Withdraw(500));
    told.add(6, stream(1), Action::Withdraw(400));
    let state = told.state();
    assert_eq!((state.balance(), state.uncovered_count()), (-500, 0));
    let violations = state.violations();
    let [Violation::Overdrawn { stream: whose, by, proof }] = violations.as_slice() else {
        panic!("{violations:?}")
    };
    assert_eq!((*whose, *by, proof.forks.len()), (stream(0), 500, 1));
}

#[test]
fn the_same_creation_twice_in_one_history_says_nothing() {
    let mut told = Told::new(1000, Vec::new());
    told.create(1, stream(0));
    told.create(2, stream(0));
    assert_eq!(told.state().balance(), 1000);
    assert_eq!(told.state().available(&stream(0)), 1000);
    let branch = branch(stream(0), 0x51);
    told.fork(stream(0), 2, &[branch]);
    told.create(3, branch);
    told.add(4, branch, Action::Withdraw(1001));
    assert_eq!(told.state().uncovered_count(), 1);
}

#[test]
pub(super) fn what_counted_beside_an_event_of_one_lamport_counts_whatever_that_is_called_later() {
    let (former, own) = (stream(0), second(0));
    let mut told = Told::new(100, Vec::new());
    told.create(1, former);
    // The node states an income that nobody can have known when it did.
    told.add(5, former, Action::Deposit(5));
    told.add(5, own, Action::Recover { from: 0, amount: 105, income: 105, outgo: 0 });
    told.add(6, own, Action::Grant { to: stream(1), amount: 105 });
    told.add(7, stream(1), Action::Withdraw(105));
    let counts = |told: &Told| told.state().uncovered_count();
    let before = counts(&told);
    // Its former stream turns out to have two histories: the deposit stands in a branch.
    let [one, other] = [0x51, 0xa7].map(|name| branch(former, name));
    told.rename(former, one);
    told.events[0].1 = former;
    told.fork(former, 1, &[one, other]);
    told.add(4, other, Action::Withdraw(1));
    assert!(counts(&told) <= before, "what counted is taken back");
}

#[test]
pub(super) fn what_follows_a_debit_that_does_not_count_waits_for_it() {
    let mut told = Told::new(100, vec![Share { stream: stream(1), amount: 30 }]);
    told.create(1, stream(0));
    told.add(5, stream(1), Action::Withdraw(60));
    told.add(6, stream(1), Action::Withdraw(30));
    let uncovered = |told: &Told| -> Vec<EventKey> {
        let violations = told.state().violations().into_iter();
        let keys = violations.filter_map(|violation| match violation {
            Violation::Uncovered { key, .. } => Some(key),
            _ => None,
        });
        keys.collect()
    };
    let before = uncovered(&told);
    // The rights for the first one had not been heard of.
    told.add(2, stream(0), Action::Grant { to: stream(1), amount: 30 });
    let after = uncovered(&told);
    assert!(after.iter().all(|key| before.contains(key)), "what counted is taken back");
    assert_eq!((before.len(), after.len()), (2, 1));
}

#[test]
fn as_many_histories_as_are_kept_are_shown_and_what_they_did_is_neither_made_nor_lost() {
    let mut told = Told::new(1000, vec![Share { stream: stream(1), amount: 400 }]);
    told.create(1, stream(0));
    let names: Vec<StreamId> =
        (0..BRANCHES_PER_TRUNK_MAX as u8).map(|name| branch(stream(0), 0x10 + name)).collect();
    told.fork(stream(0), 1, &names);
    for name in &names {
        told.add(2, *name, Action::Grant { to: stream(2), amount: 600 });
    }
    // What a further history granted is not known here.
    told.add(3, stream(3), Action::Withdraw(600));
    told.add(4, stream(1), Action::Withdraw(400));
    told.add(4, stream(2), Action::Withdraw(600 * names.len() as u64));
    let state = told.state();
    assert_eq!(state.uncovered_count(), 1, "only what rests on what is not known");
    assert_eq!(state.balance(), 600 - 600 * names.len() as i128);
    let crowded = Violation::Crowded { stream: stream(0) };
    assert!(state.violations().contains(&crowded));
}

#[test]
fn amounts_beyond_64_bits_are_counted_and_can_be_recovered() {
    let mut told = Told::new(0, Vec::new());
    told.create(1, stream(0));
    for lamport in 0..4096 {
        told.add(2 + lamport, stream(0), Action::Deposit(AMOUNT_MAX));
    }
    let all = 4096 * i128::from(AMOUNT_MAX);
    assert!(all > i128::from(u64::MAX));
    assert_eq!(told.state().balance(), all);
    assert_eq!(told.state().available(&stream(0)), u64::MAX);
    for lamport in 0..3 {
        let recovery = told.state().recover(second(0), stream(0)).unwrap();
        told.events.push((5000 + lamport, second(0), recovery));
    }
    let state = told.state();
    assert_eq!((state.uncovered_count(), state.violations()), (0, Vec::new()));
    assert_eq!(state.available(&second(0)), 3 * AMOUNT_MAX);
}

/// Takes long enough to be noticed when each event costs time in proportion to those before it.
#[test]
fn a_hundred_thousand_events_of_one_account_cost_each_the_same() {
    const COUNT: u64 = 100_000;
    let (one, two) = (stream(0), second(0));
    let mut told = Told::new(COUNT as i64 * 4, Vec::new());
    told.create(1, one);
    for step in 0..COUNT / 4 {
        let lamport = 4 * step + 2;
        let from = StreamId { number: step % 4096, ..stream(1) };
        told.add(lamport, one, Action::Grant { to: from, amount: 1 });
        told.add(lamport + 1, two, Action::Recover { from: 0, amount: 1, income: 1, outgo: 0 });
        told.add(lamport + 2, one, Action::Withdraw(COUNT * 9));
        told.add(lamport + 3, two, Action::Request(step));
    }
    let state = told.state();
    assert_eq!(state.uncovered_count(), 2 * COUNT / 4 + COUNT / 4 - 2);
    assert_eq!(state.violations().len(), crate::pond::escrow::VIOLATIONS_KEPT_MAX);
}
