//! Whatever payload reads as a deed on an account or claim, or as a built-in fold, prints as
//! itself; and whatever members write, no right is made or lost.
//!
//! The first byte says what the rest is: with 0 one payload, else events of the account and claim
//! of a name, each a byte of who writes it and how much later, a length of two bytes, little end
//! first, and a payload.

use millpond::event::{
    Branch, Chain, EventKey, HeldFork, Lamport, NodeId, NodeKey, Offset, StreamEnd, StreamId,
    SwarmSecret,
};
use millpond::pond::builtin::{BuiltIn, Tally};
use millpond::pond::claim::{ClaimFold, Doing, DoingFold};
use millpond::pond::escrow::{AccountFold, Operation};
use millpond::pond::{Lineage, Name};
use std::sync::Arc;

/// Streams of three nodes, two of which write a second one; behind them two branches of the first.
const WRITERS: usize = 5;
const BRANCHES: [u8; 2] = [0x51, 0xa7];

/// Tries these bytes.
pub fn run(bytes: &[u8]) {
    match bytes.split_first() {
        Some((0, payload)) => read(payload),
        Some((_, story)) => tell(story),
        None => {}
    }
}

fn read(payload: &[u8]) {
    if let Some(operation) = Operation::decode(payload) {
        let again = operation.to_payload().expect("it was a payload");
        assert_eq!(again.as_bytes(), payload, "{operation:?}");
    }
    if let Some(doing) = Doing::decode(payload) {
        assert_eq!(doing.to_payload().expect("it was a payload").as_bytes(), payload, "{doing:?}");
    }
    if let Ok(fold) = BuiltIn::from_cbor(payload) {
        assert_eq!(fold.as_bytes(), payload);
        Tally::new(fold).to_value().expect("nothing is held yet");
    }
}

/// One event of a story.
struct Step<'a> {
    writer: usize,
    later: u64,
    payload: &'a [u8],
}

fn tell(story: &[u8]) {
    let Some((name, mut rest)) = counted(story) else { return };
    let Some(name) = str::from_utf8(name).ok().and_then(|name| Name::new(name).ok()) else {
        return;
    };
    let mut steps = Vec::new();
    while let Some((&[who, low, high], behind)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes([low, high])).min(behind.len());
        let (payload, behind) = behind.split_at(length);
        let writer = usize::from(who & 7) % (WRITERS + BRANCHES.len());
        steps.push(Step { writer, later: u64::from(who >> 3), payload });
        rest = behind;
    }
    // Once the first stream has two histories, nobody sees more of it under its own name.
    let forks_at = steps.iter().position(|step| step.writer >= WRITERS).unwrap_or(steps.len());
    steps[forks_at..].iter_mut().filter(|step| step.writer == 0).for_each(|s| s.writer = WRITERS);
    let shared = steps[..forks_at].iter().filter(|step| step.writer == 0).count() as u64;
    let fork = (forks_at < steps.len()).then(|| fork(shared));
    fold(&name, Arc::new(Lineage::new(fork.into_iter().collect(), Vec::new())), &steps, shared);
}

fn fold(name: &Name, lineage: Arc<Lineage>, steps: &[Step<'_>], shared: u64) {
    let mut accounts = AccountFold::new(name.clone(), lineage.clone());
    let mut claims = ClaimFold::new(name.clone(), lineage);
    let mut doings = DoingFold::new();
    let mut counts = [0; WRITERS + BRANCHES.len()];
    counts[WRITERS..].fill(shared);
    let mut last = EventKey { lamport: Lamport::ZERO, stream: writer(0) };
    for Step { writer: own, later, payload } in steps {
        let stream = writer(*own);
        let least = last.lamport.value() + u64::from(stream <= last.stream);
        let lamport = least.max(last.lamport.value() + later);
        let lamport = Lamport::new(lamport).expect("a small number");
        let (key, offset) = (EventKey { lamport, stream }, Offset::new(counts[*own]));
        counts[*own] += 1;
        last = key;
        accounts.apply(key, offset, payload);
        claims.apply(key, offset, payload);
        doings.apply(key, payload);
        accounts.accounts().for_each(|account| account.check());
    }
    for account in accounts.accounts() {
        let _ = (account.requests(), account.violations(), account.holdings());
        let _: u64 = (0..WRITERS).map(|own| account.available(&writer(own))).sum();
    }
    if let Some(claim) = claims.first() {
        let fence = claim.fence(&writer(0)).map(|fence| fence.to_string());
        assert!(fence.is_none_or(|text| text.parse::<millpond::pond::claim::Fence>().is_ok()));
        let _ = (claim.holders(), claim.requests(), claim.violations());
    }
    doings.doers().for_each(|doer| drop(doings.standing(&doer.key)));
}

fn writer(index: usize) -> StreamId {
    match index.checked_sub(WRITERS) {
        Some(branch) => writer(0).branch(&Chain::from_bytes([BRANCHES[branch]; 32])),
        None => {
            let node = NodeId::from_bytes([index as u8 % 3 + 1; 32]);
            StreamId { node, number: (index / 3) as u64 }
        }
    }
}

/// The first stream has two histories from `at` on.
fn fork(at: u64) -> HeldFork {
    let chain = Chain::from_bytes([0; 32]);
    let (key, swarm) = (NodeKey::from_seed(&[1; 32]), SwarmSecret::from_bytes([9; 32]).swarm_id());
    let head = key.sign_head(&swarm, 0, 1, Lamport::new(1).expect("a small number"), chain);
    let base = StreamEnd { count: 0, chain, lamport: Lamport::ZERO };
    let branch = |own| {
        let proof = [head.clone(), head.clone()];
        Branch { stream: writer(own), of: writer(0), base, floor: at, proof }
    };
    HeldFork { of: writer(0), at, branches: (WRITERS..WRITERS + 2).map(branch).collect() }
}

fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*length))
}
