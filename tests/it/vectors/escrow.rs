//! Accounts and claims: events as bytes, and what all nodes make of them.
//!
//! Most of what is told here no honest node would write: the rules are what is held. Source:
//! docs/escrow.md.

use super::hold;
use millpond::event::cbor::Value;
use millpond::event::{
    Branch, Chain, EventKey, HeldFork, Lamport, NodeId, NodeKey, Offset, StreamEnd, StreamId,
    SwarmSecret, hex,
};
use millpond::pond::claim::{ClaimFold, Doing, DoingFold, Standing};
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
    let kinds = [(0..6, Kind::Account), (6..9, Kind::Claim), (9..11, Kind::CreatedTwice)];
    let story = |kind: Kind| {
        let of = kinds.iter().filter(move |(_, own)| *own == kind);
        let stories: Vec<Json> =
            of.flat_map(|(seeds, kind)| seeds.clone().map(|seed| story(seed, *kind))).collect();
        stories
    };
    let mut accounts = story(Kind::Account);
    accounts.extend(story(Kind::CreatedTwice));
    let doings: Vec<Json> = (0..3).map(doing).collect();
    let told = json!({ "accounts": accounts, "claims": story(Kind::Claim), "doings": doings });
    hold("escrow.json", &told);
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Account,
    /// In both histories of a stream that is two from its beginning.
    CreatedTwice,
    Claim,
}

fn writer(index: usize) -> StreamId {
    let number = (index / 3) as u64;
    StreamId { node: NodeId::from_bytes([index as u8 % 3 + 1; 32]), number }
}

fn creation(kind: Kind) -> Creation {
    let (amount, floor) = if kind == Kind::Claim { (1, 0) } else { (250, -50) };
    let shares = match kind {
        Kind::Claim => Vec::new(),
        _ => vec![Share { stream: writer(1), amount: 70 }, Share { stream: writer(0), amount: 9 }],
    };
    Creation { stream: 0, amount, floor, shares }
}

/// An event: its key, its offset and its payload.
type TestEvent = (EventKey, u64, Vec<u8>);

/// Who writes when: lamports rise in each stream, and often equal those of others.
struct Pen {
    branches: Option<[StreamId; 2]>,
    /// From this step on the first stream is its branches, which take turns.
    forks_at: u64,
    /// Of each stream how many events it has, and the last lamport.
    ends: BTreeMap<StreamId, (u64, u64)>,
    events: Vec<TestEvent>,
}

impl Pen {
    fn new(branches: Option<[StreamId; 2]>, forks_at: u64) -> Pen {
        Pen { branches, forks_at, ends: BTreeMap::new(), events: Vec::new() }
    }

    fn write(&mut self, step: u64, own: StreamId, payload: Vec<u8>) {
        let stream = match &self.branches {
            Some(branches) if own == writer(0) && step >= self.forks_at => {
                branches[step as usize % 2]
            }
            _ => own,
        };
        let end = self.ends.get(&stream).or(self.ends.get(&stream.trunk()));
        let (count, last) = end.copied().unwrap_or_default();
        let lamport = (step * 2 / 3 + 1).max(last + 1);
        self.events.push((key(lamport, stream), count, payload));
        self.ends.insert(stream, (count + 1, lamport));
    }

    /// The events in key order, and the fork.
    fn told(mut self) -> (Vec<TestEvent>, Option<HeldFork>) {
        self.events.sort();
        let at = self.ends.get(&writer(0)).map_or(0, |end| end.0);
        let fork = self.branches.map(|branches| HeldFork {
            of: writer(0),
            at,
            branches: branches.map(|stream| held(stream, at)).to_vec(),
        });
        (self.events, fork)
    }
}

/// Events of one name, drawn by `seed`; every third story has a fork in the first stream.
fn story(seed: u64, kind: Kind) -> Json {
    let name = Name::new(["steel", "Mühle 🌾"][seed as usize % 2]).unwrap();
    let created = Operation::Create(creation(kind)).to_payload().unwrap();
    // Another node creates one of the same name, later.
    let rival = Creation { amount: creation(kind).amount, shares: Vec::new(), ..creation(kind) };
    let rival_created = Operation::Create(rival).to_payload().unwrap();
    let ids = [(0, &created), (1, &rival_created)]
        .map(|(author, payload)| AccountId::of(&name, &writer(author).node, payload.as_bytes()));
    let is_twice = kind == Kind::CreatedTwice;
    let branches = (is_twice || seed % 3 == 1).then(|| [branch(0x51), branch(0xa7)]);
    let mut pen = Pen::new(branches, if is_twice { 0 } else { 16 });
    pen.write(0, writer(0), created.as_bytes().to_vec());
    if is_twice {
        pen.write(3, writer(0), created.as_bytes().to_vec());
    }
    for step in 4..48 {
        let own = writer(mix(seed, step) as usize % WRITERS);
        let account = ids[usize::from(step > 20 && mix(seed, step ^ 0xff).is_multiple_of(5))];
        let operation = operation(account, own, mix(seed ^ 0xabc, step), kind);
        let mut payload = operation.to_payload().unwrap().as_bytes().to_vec();
        if step % 13 == 12 {
            payload = Value::from("nothing").encode().unwrap();
        }
        match step {
            20 => pen.write(step, writer(1), rival_created.as_bytes().to_vec()),
            30 => pen.write(step, writer(0), created.as_bytes().to_vec()),
            _ => pen.write(step, own, payload),
        }
    }
    let (events, fork) = pen.told();
    let lineage = Arc::new(Lineage::new(fork.clone().into_iter().collect(), Vec::new()));
    let come_to = match kind {
        Kind::Claim => claim(name.clone(), lineage, &events),
        _ => accounts(name.clone(), lineage, &events),
    };
    let (forks, events) = (shown_fork(fork.as_ref()), shown_events(&events));
    json!({ "name": name.as_str(), "forks": forks, "events": events, "comes_to": come_to })
}

/// Optimistic claims to one thing, drawn by `seed`.
fn doing(seed: u64) -> Json {
    let branches = (seed == 1).then(|| [branch(0x51), branch(0xa7)]);
    let mut pen = Pen::new(branches, 12);
    for step in 0..30 {
        let draw = mix(seed ^ 0xd01, step);
        let doing = match draw % 4 {
            0 => Doing::Release,
            1 => Doing::Claim { note: Some(Value::from(step)) },
            _ => Doing::Claim { note: None },
        };
        let mut payload = doing.to_payload().unwrap().as_bytes().to_vec();
        if (draw / 4).is_multiple_of(9) {
            payload = Value::map([("op", Value::from("doubt"))]).encode().unwrap();
        }
        pen.write(step, writer(draw as usize / 64 % WRITERS), payload);
    }
    let (events, fork) = pen.told();
    let mut fold = DoingFold::new();
    events.iter().for_each(|(key, _, payload)| fold.apply(*key, payload));
    let standing: Vec<Json> = fold
        .doers()
        .map(|doer| {
            let lost_to = match fold.standing(&doer.key) {
                Standing::Lost(winner) => Some(winner.key.to_string()),
                _ => None,
            };
            json!({ "key": doer.key.to_string(), "lost_to": lost_to })
        })
        .collect();
    let come_to = json!({ "unread": fold.unread(), "standing": standing });
    let (forks, events) = (shown_fork(fork.as_ref()), shown_events(&events));
    json!({ "forks": forks, "events": events, "comes_to": come_to })
}

fn shown_fork(fork: Option<&HeldFork>) -> Vec<Json> {
    let shown = |fork: &HeldFork| {
        let branches: Vec<String> =
            fork.branches.iter().map(|branch| branch.stream.to_string()).collect();
        json!({ "of": fork.of.to_string(), "branches": branches })
    };
    fork.into_iter().map(shown).collect()
}

fn shown_events(events: &Told) -> Vec<Json> {
    let shown = |event: &(EventKey, u64, Vec<u8>)| {
        let (key, offset, payload) = event;
        json!({ "key": key.to_string(), "offset": offset, "payload": hex(payload) })
    };
    events.iter().map(shown).collect()
}

fn operation(account: AccountId, own: StreamId, draw: u64, kind: Kind) -> Operation {
    let amount = if kind == Kind::Claim { 1 } else { 1 + draw / 8 % 90 };
    let other = writer(draw as usize / 1024 % WRITERS);
    let action = match (draw % 8 + if kind == Kind::Claim { 2 } else { 0 }) % 8 {
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

type Told = [TestEvent];

fn accounts(name: Name, lineage: Arc<Lineage>, events: &Told) -> Json {
    let mut fold = AccountFold::new(name, lineage);
    for (key, offset, payload) in events {
        fold.apply(*key, Offset::new(*offset), payload);
    }
    let first = fold.first().expect("the first event creates it").id();
    let meant: Vec<String> = (0..3)
        .map(|node| fold.meant_by(&writer(node).node).expect("there is one").id().to_string())
        .collect();
    let all: Vec<Json> = fold
        .accounts()
        .map(|state| {
            state.check();
            shown(state)
        })
        .collect();
    json!({ "unread": fold.unread(), "first": first.to_string(), "meant": meant, "accounts": all })
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
            Violation::Crowded { .. } => {}
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
