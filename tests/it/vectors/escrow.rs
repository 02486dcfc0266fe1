//! Accounts and claims: events as bytes, and what all nodes make of them.
//!
//! Most of what is told here no honest node would write: the rules are what is held. Source:
//! docs/escrow.md.

use super::hold;
use millpond::event::{
    Branch, Chain, EventKey, HeldFork, Lamport, NodeId, NodeKey, Offset, StreamEnd, StreamId,
    SwarmSecret, hex,
};
use millpond::pond::claim::ClaimFold;
use millpond::pond::escrow::{
    AccountFold, AccountId, AccountState, Action, Change, Creation, Holding, Operation, Share,
    Violation,
};
use millpond::pond::{Lineage, Name};
use millpond_tests::crash::mix;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Streams that write: three nodes, the first two of which went on in a second stream.
const WRITERS: usize = 5;

#[test]
fn accounts_and_claims_come_to_what_the_vectors_say() {
    let accounts: Vec<Json> = (0..6).map(|seed| story(seed, 300, 0)).collect();
    let claims: Vec<Json> = (6..9).map(|seed| story(seed, 1, 2)).collect();
    hold("escrow.json", &json!({ "accounts": accounts, "claims": claims }));
}

fn writer(index: usize) -> StreamId {
    let number = (index / 3) as u64;
    StreamId { node: NodeId::from_bytes([index as u8 % 3 + 1; 32]), number }
}

/// Events of one name, drawn by `seed`; every third story has a fork in the first stream.
fn story(seed: u64, amount: i64, kinds: u64) -> Json {
    let name = Name::new(["steel", "Mühle 🌾"][seed as usize % 2]).unwrap();
    let creation = Creation {
        stream: 0,
        amount: amount - i64::from(kinds == 0) * 50,
        floor: i64::from(kinds == 0) * -50,
        shares: match kinds {
            0 => vec![
                Share { stream: writer(1), amount: 70 },
                Share { stream: writer(0), amount: 9 },
            ],
            _ => Vec::new(),
        },
    };
    let created = Operation::Create(creation).to_payload().unwrap();
    let id = AccountId::of(&name, &writer(0).node, created.as_bytes());
    let forked = (seed % 3 == 1).then(|| [branch(0x51), branch(0xa7)]);
    let mut events = vec![(key(1, writer(0)), 0, created.as_bytes().to_vec())];
    let mut counts: BTreeMap<StreamId, u64> = BTreeMap::from([(writer(0), 1)]);
    for step in 0..40 {
        let own = writer(mix(seed, step) as usize % WRITERS);
        let operation = operation(id, own, mix(seed ^ 0xabc, step), kinds);
        let mut payload = operation.to_payload().unwrap().as_bytes().to_vec();
        if step % 13 == 12 {
            payload = millpond::event::cbor::Value::from("nothing").encode().unwrap();
        }
        // From there on the first stream is two branches, which take turns.
        let stream = match &forked {
            Some(branches) if own == writer(0) && step >= 15 => branches[step as usize % 2],
            _ => own,
        };
        let base = if stream.is_branch() { counts.get(&own).copied().unwrap_or(0) } else { 0 };
        let count = counts.entry(stream).or_insert(base);
        events.push((key(step + 2, stream), *count, payload));
        *count += 1;
    }
    let at = counts[&writer(0)];
    let forks = forked.map(|branches| HeldFork {
        of: writer(0),
        at,
        branches: branches.map(|stream| held(stream, at)).to_vec(),
    });
    let lineage = Arc::new(Lineage::new(forks.clone().into_iter().collect(), Vec::new()));
    let told: Vec<Json> = events
        .iter()
        .map(|(key, offset, payload)| {
            json!({ "key": key.to_string(), "offset": offset, "payload": hex(payload) })
        })
        .collect();
    let forks: Vec<Json> = forks
        .iter()
        .map(|fork| {
            let branches: Vec<String> =
                fork.branches.iter().map(|branch| branch.stream.to_string()).collect();
            json!({ "of": fork.of.to_string(), "branches": branches })
        })
        .collect();
    let come_to = if kinds == 0 {
        account(name.clone(), lineage, &events)
    } else {
        claim(name.clone(), lineage, &events)
    };
    json!({ "name": name.as_str(), "forks": forks, "events": told, "comes_to": come_to })
}

fn operation(account: AccountId, own: StreamId, draw: u64, kinds: u64) -> Operation {
    let amount = if kinds == 0 { 1 + draw / 8 % 90 } else { 1 };
    let other = writer(draw as usize / 1024 % WRITERS);
    let action = match (draw % 8 + kinds) % 8 {
        0 | 1 => Action::Withdraw(amount),
        2..=4 => Action::Grant { to: other, amount },
        5 => Action::Request(amount),
        6 => Action::Recover {
            from: 1 - own.number,
            amount,
            income: draw / 64 % 40,
            outgo: draw / 4096 % 40,
        },
        _ => Action::Deposit(amount),
    };
    // Now and then in another stream than it names.
    let stream = if draw.is_multiple_of(29) { own.number + 1 } else { own.number };
    Operation::Change(Change { account, stream, action, note: None })
}

type Told = [(EventKey, u64, Vec<u8>)];

fn account(name: Name, lineage: Arc<Lineage>, events: &Told) -> Json {
    let mut fold = AccountFold::new(name, lineage);
    for (key, offset, payload) in events {
        fold.apply(*key, Offset::new(*offset), payload);
    }
    let state = fold.first().expect("the first event creates it");
    state.check();
    json!({ "unread": fold.unread(), "account": shown(state) })
}

fn shown(state: &AccountState) -> Json {
    let holdings = state.holdings().into_iter().map(|Holding { stream, amount, is_frozen }| {
        json!({ "stream": stream.to_string(), "amount": amount, "is_frozen": is_frozen })
    });
    let available = (0..WRITERS).map(|own| state.available(&writer(own)));
    let requests = state
        .requests()
        .into_iter()
        .map(|own| json!({ "key": own.key.to_string(), "outstanding": own.outstanding }));
    let (mut uncovered, mut overdrawn) = (Vec::new(), Vec::new());
    for violation in state.violations() {
        match violation {
            Violation::Uncovered { key, available, .. } => {
                uncovered.push(json!({ "key": key.to_string(), "available": available }));
            }
            Violation::Overdrawn { stream, by, proof } => overdrawn.push(json!({
                "stream": stream.to_string(), "by": by, "is_forked": !proof.forks.is_empty(),
                "recoveries": proof.recoveries.iter().map(EventKey::to_string).collect::<Vec<_>>(),
            })),
        }
    }
    json!({
        "id": state.id().to_string(),
        "balance": state.balance().to_string(),
        "holdings": holdings.collect::<Vec<_>>(),
        "available": available.collect::<Vec<_>>(),
        "requests": requests.collect::<Vec<_>>(),
        "uncovered": uncovered,
        "overdrawn": overdrawn,
    })
}

fn claim(what: Name, lineage: Arc<Lineage>, events: &Told) -> Json {
    let mut fold = ClaimFold::new(what, lineage);
    for (key, offset, payload) in events {
        fold.apply(*key, Offset::new(*offset), payload);
    }
    let state = fold.first().expect("the first event creates it");
    let holders = state.holders().into_iter().map(|own| {
        json!({ "stream": own.stream.to_string(), "fence": own.fence, "is_frozen": own.is_frozen })
    });
    json!({ "id": state.id().to_string(), "holders": holders.collect::<Vec<_>>() })
}

fn key(lamport: u64, stream: StreamId) -> EventKey {
    EventKey { lamport: Lamport::new(lamport).unwrap(), stream }
}

fn branch(first: u8) -> StreamId {
    writer(0).branch(&Chain::from_bytes([first; 32]))
}

fn held(stream: StreamId, floor: u64) -> Branch {
    let chain = Chain::from_bytes([0; 32]);
    let swarm = SwarmSecret::from_bytes([0x5a; 32]).swarm_id();
    let head =
        NodeKey::from_seed(&[0x11; 32]).sign_head(&swarm, 0, 1, Lamport::new(1).unwrap(), chain);
    let base = StreamEnd { count: 0, chain, lamport: Lamport::ZERO };
    Branch { stream, of: writer(0), base, floor, proof: [head.clone(), head] }
}
