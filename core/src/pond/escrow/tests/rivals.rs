//! Several accounts of one name.

use super::world::{node, stream};
use crate::event::{EventKey, Lamport, Offset, StreamId};
use crate::pond::escrow::{AccountFold, AccountId, Action, Change, Creation, Operation};
use crate::pond::{Lineage, Name};
use std::sync::Arc;

fn name() -> Name {
    Name::new("steel").unwrap()
}

/// What `events` come to, told in key order.
fn fold(events: &[(u64, StreamId, &Operation)]) -> AccountFold {
    let mut fold = AccountFold::new(name(), Arc::new(Lineage::new(Vec::new(), [])));
    let mut events = events.to_vec();
    events.sort_by_key(|(lamport, stream, _)| (*lamport, *stream));
    for (lamport, stream, operation) in events {
        let key = EventKey { lamport: Lamport::new(lamport).unwrap(), stream };
        let payload = operation.to_payload().unwrap();
        fold.apply(key, Offset::new(lamport), payload.as_bytes());
    }
    fold
}

fn creation(amount: i64) -> Operation {
    Operation::Create(Creation { stream: 0, amount, floor: 0, shares: Vec::new() })
}

fn id(author: usize, creation: &Operation) -> AccountId {
    AccountId::of(&name(), &node(author), creation.to_payload().unwrap().as_bytes())
}

#[test]
fn a_name_means_to_who_acted_what_it_meant_also_when_an_older_account_turns_up() {
    let (older, younger) = (creation(10), creation(20));
    let (first, second) = (id(0, &older), id(1, &younger));
    let action = Action::Request(5);
    let asks = Operation::Change(Change { account: second, stream: 0, action, note: None });
    let known = [(5, stream(1), &younger), (6, stream(2), &asks)];
    let before = fold(&known);
    for acted in [1, 2] {
        assert_eq!(before.meant_by(&node(acted)).unwrap().id(), second);
    }
    let late = [known[0], known[1], (2, stream(0), &older)];
    let after = fold(&late);
    assert_eq!(after.first().unwrap().id(), first);
    assert_eq!(after.meant_by(&node(0)).unwrap().id(), first);
    assert_eq!(after.meant_by(&node(3)).unwrap().id(), first, "who acted in none");
    for acted in [1, 2] {
        assert_eq!(after.meant_by(&node(acted)).unwrap().id(), second, "it does not flip");
    }
    assert_eq!(after.accounts().len(), 2);
}

#[test]
fn what_is_said_of_an_account_no_later_than_its_creation_says_nothing() {
    let creation = creation(10);
    let action = Action::Deposit(5);
    let account = id(0, &creation);
    let deposit = Operation::Change(Change { account, stream: 0, action, note: None });
    let folded = fold(&[(5, stream(0), &creation), (5, stream(1), &deposit)]);
    assert_eq!((folded.first().unwrap().balance(), folded.unread()), (10, 1));
    let folded = fold(&[(5, stream(0), &creation), (6, stream(1), &deposit)]);
    assert_eq!((folded.first().unwrap().balance(), folded.unread()), (15, 0));
}
