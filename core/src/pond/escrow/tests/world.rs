//! A small world of devices that hold events of one account, and what befalls them: no clock, no
//! network, no bytes. A fact is an event in one history of a stream; who holds it holds that
//! history up to it.

use crate::error::{Error, ErrorKind};
use crate::event::{
    Branch, Chain, EventKey, HeldFork, Lamport, NodeId, NodeKey, Offset, StreamEnd, StreamId,
    SwarmSecret,
};
use crate::pond::escrow::{
    AccountFold, AccountId, AccountState, Action, Change, Creation, GrantPolicy, Operation, Share,
    Violation,
};
use crate::pond::{Lineage, Name};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

/// Chance for a schedule: equal seeds give equal schedules.
pub(super) struct Draw(u64);

impl Draw {
    pub(super) fn new(seed: u64) -> Draw {
        Draw(seed)
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }
}

pub(super) struct Fact {
    pub(super) stream: StreamId,
    offset: u64,
    lamport: u64,
    before: Option<usize>,
    pub(super) operation: Operation,
    pub(super) is_honest: bool,
}

#[derive(Clone)]
pub(super) struct Device {
    pub(super) stream: StreamId,
    tip: Option<usize>,
    pub(super) held: BTreeSet<usize>,
    /// Debits that once counted here.
    counted: BTreeSet<usize>,
    pub(super) is_alive: bool,
    pub(super) is_liar: bool,
    view: Option<Arc<View>>,
}

/// What a device knows, folded.
#[derive(Clone)]
pub(super) struct View {
    pub(super) fold: AccountFold,
    keys: BTreeMap<EventKey, usize>,
}

pub(super) struct World {
    pub(super) facts: Vec<Fact>,
    pub(super) devices: Vec<Device>,
    past: Vec<Device>,
    account: AccountId,
}

pub(super) fn node(number: usize) -> NodeId {
    NodeId::from_bytes([number as u8 + 1; 32])
}

pub(super) fn stream(number: usize) -> StreamId {
    StreamId { node: node(number), number: 0 }
}

static NAME: LazyLock<Name> = LazyLock::new(|| Name::new("steel").unwrap());

/// Two heads that contradict each other, made once: signing is not what is tested here.
static HEADS: LazyLock<crate::event::SignedHead> = LazyLock::new(|| {
    let swarm = SwarmSecret::from_bytes([1; 32]).swarm_id();
    let key = NodeKey::from_seed(&[1; 32]);
    key.sign_head(&swarm, 0, 1, Lamport::new(1).unwrap(), Chain::from_bytes([1; 32]))
});

impl World {
    /// `count` nodes; the first creates the account, and all hold that.
    pub(super) fn new(count: usize, amount: i64, floor: i64, shares: Vec<Share>) -> World {
        let creation = Creation { stream: 0, amount, floor, shares };
        let (mut world, operation) = World::empty(count, creation);
        world.write(0, operation);
        (1..count).for_each(|device| world.teach(0, device));
        world
    }

    /// The same, but the first device and a copy of its disk create the account, each in its own
    /// history, with so many other events before, and nobody has heard of it.
    pub(super) fn created_twice(count: usize, creation: Creation, before: [usize; 2]) -> World {
        let (mut world, operation) = World::empty(count, creation);
        world.clone_device(0);
        for (device, before) in [0, count].into_iter().zip(before) {
            (0..before).for_each(|_| world.write_other(device));
            world.write(device, operation.clone());
        }
        world
    }

    fn empty(count: usize, creation: Creation) -> (World, Operation) {
        creation.check().unwrap();
        let device = |number| Device {
            stream: stream(number),
            tip: None,
            held: BTreeSet::new(),
            counted: BTreeSet::new(),
            is_alive: true,
            is_liar: false,
            view: None,
        };
        let devices = (0..count).map(device).collect();
        let operation = Operation::Create(creation);
        let payload = operation.to_payload().unwrap();
        let account = AccountId::of(&NAME, &node(0), payload.as_bytes());
        (World { facts: Vec::new(), devices, past: Vec::new(), account }, operation)
    }

    /// The account as `device` knows it, which does.
    pub(super) fn state(&mut self, device: usize) -> AccountState {
        self.known(device).expect("it holds the creation")
    }

    /// The account as `device` knows it, if it does.
    pub(super) fn known(&mut self, device: usize) -> Option<AccountState> {
        self.view(device).fold.get(&self.account).cloned()
    }

    /// What `device` decides, if the account allows it, and writes.
    pub(super) fn decide(
        &mut self,
        device: usize,
        decision: impl FnOnce(&AccountState, StreamId) -> crate::Result<Operation>,
    ) -> crate::Result<()> {
        let own = self.devices[device].stream;
        let unknown = || Error::new(ErrorKind::NotFound, "no account is known here");
        let operation = decision(&self.known(device).ok_or_else(unknown)?, own)?;
        self.write(device, operation);
        Ok(())
    }

    /// Two withdrawals, the second decided while the first is on its way. Which of them reach the
    /// disk, `landing` says.
    pub(super) fn withdraw_twice(&mut self, device: usize, amounts: [u64; 2], landing: [bool; 2]) {
        let own = self.devices[device].stream;
        let Some(state) = self.known(device) else { return };
        let [first, second] = amounts;
        let Ok(one) = state.withdraw(own, first, 0, None) else { return };
        let other = state.withdraw(own, second, first, None);
        for (operation, lands) in [Ok(one), other].into_iter().zip(landing) {
            if let (Ok(operation), true) = (operation, lands) {
                self.write(device, operation);
            }
        }
    }

    /// The device gives what is due by `policy`, when for so many rounds nothing has come for any
    /// request that it knows of.
    pub(super) fn answer(&mut self, device: usize, policy: GrantPolicy, rounds: u32) {
        let Some(state) = self.known(device) else { return };
        let own = self.devices[device].stream;
        for share in policy.grants_due(&state, own, 0, |_| rounds) {
            let grant = |state: &AccountState, own| state.grant(own, share.stream, share.amount, 0);
            self.decide(device, grant).expect("what is due can be granted");
        }
    }

    /// An event that says nothing of this account.
    pub(super) fn write_other(&mut self, device: usize) {
        let (account, stream) =
            (AccountId::from_bytes([0; 16]), self.devices[device].stream.number);
        let (action, note) = (Action::Request(1), None);
        self.write(device, Operation::Change(Change { account, stream, action, note }));
    }

    /// What `device` writes whether the account allows it or not.
    pub(super) fn lie(&mut self, device: usize, action: Action) {
        self.devices[device].is_liar = true;
        let (account, stream) = (self.account, self.devices[device].stream.number);
        self.write(device, Operation::Change(Change { account, stream, action, note: None }));
    }

    fn write(&mut self, device: usize, operation: Operation) {
        let own = &self.devices[device];
        let lamport = own.held.iter().map(|fact| self.facts[*fact].lamport).max().unwrap_or(0) + 1;
        let offset = own.tip.map_or(0, |tip| self.facts[tip].offset + 1);
        let is_honest = !own.is_liar;
        let (stream, before) = (own.stream, own.tip);
        let fact = self.facts.len();
        self.facts.push(Fact { stream, offset, lamport, before, operation, is_honest });
        let device = &mut self.devices[device];
        device.tip = Some(fact);
        device.held.insert(fact);
        let Some(view) = &mut device.view else { return };
        // The greatest key of all; a device that knows of a fork in its own stream has left it.
        let key = EventKey { lamport: Lamport::new(lamport).unwrap(), stream };
        let view = Arc::make_mut(view);
        let is_known = view.fold.last().is_some() && offset > 0;
        if is_known {
            take(&mut view.fold, key, &self.facts[fact], self.account);
            view.keys.insert(key, fact);
        } else {
            device.view = None;
        }
    }

    /// `to` learns all that `from` knows.
    pub(super) fn teach(&mut self, from: usize, to: usize) {
        let all: Vec<usize> = self.devices[from].held.iter().copied().collect();
        self.learn(to, &all);
    }

    /// `to` learns the histories up to one fact that `from` holds, or two.
    pub(super) fn teach_some(&mut self, from: usize, to: usize, draw: &mut Draw) {
        let held: Vec<usize> = self.devices[from].held.iter().copied().collect();
        if held.is_empty() {
            return;
        }
        for _ in 0..=draw.below(2) {
            let mut history = Vec::new();
            let mut at = Some(held[draw.below(held.len())]);
            while let Some(fact) = at {
                history.push(fact);
                at = self.facts[fact].before;
            }
            self.learn(to, &history);
        }
    }

    fn learn(&mut self, to: usize, facts: &[usize]) {
        let device = &self.devices[to];
        let new: Vec<usize> =
            facts.iter().copied().filter(|fact| !device.held.contains(fact)).collect();
        if new.is_empty() {
            return;
        }
        // Its own stream has grown elsewhere: it goes on in the next one.
        let own = device.stream;
        if new.iter().any(|fact| self.facts[*fact].stream == own) {
            let known = device.held.iter().chain(&new).map(|fact| self.facts[*fact].stream);
            let newest = known.filter(|stream| stream.node == own.node).map(|own| own.number).max();
            self.leave(to, newest.expect("it was just seen"));
        }
        let device = &mut self.devices[to];
        device.held.extend(new);
        device.view = None;
    }

    /// The device goes on in a stream above `newest`.
    fn leave(&mut self, device: usize, newest: u64) {
        let device = &mut self.devices[device];
        device.stream.number = newest + 1;
        (device.tip, device.view) = (None, None);
    }

    /// A journal was cut: the device cannot prove that it holds the end of its stream.
    pub(super) fn tear(&mut self, device: usize) {
        let newest = self.devices[device].stream.number;
        self.leave(device, newest);
    }

    /// Keeps a copy of the disk of `device`.
    pub(super) fn back_up(&mut self, device: usize) {
        self.past.push(self.devices[device].clone());
    }

    /// The disk of `device` becomes one of its backups.
    pub(super) fn restore(&mut self, device: usize, draw: &mut Draw) {
        let node = self.devices[device].stream.node;
        let own: Vec<&Device> = self.past.iter().filter(|old| old.stream.node == node).collect();
        if !own.is_empty() {
            self.devices[device] = own[draw.below(own.len())].clone();
        }
    }

    /// Another device goes on with a copy of the disk of `device`.
    pub(super) fn clone_device(&mut self, device: usize) {
        self.devices.push(self.devices[device].clone());
    }

    /// The device and its disk are gone.
    pub(super) fn destroy(&mut self, device: usize) {
        self.devices[device].is_alive = false;
    }

    pub(super) fn alive(&self) -> Vec<usize> {
        (0..self.devices.len()).filter(|device| self.devices[*device].is_alive).collect()
    }

    /// Everybody learns everything.
    pub(super) fn heal(&mut self) {
        let alive = self.alive();
        for _ in 0..2 {
            for (from, to) in alive.iter().flat_map(|a| alive.iter().map(|b| (*a, *b))) {
                self.teach(from, to);
            }
        }
    }

    /// In each of so many rounds everybody answers the requests it knows of, and then each of these
    /// pairs, and no other, meets.
    pub(super) fn answer_requests(
        &mut self,
        policy: GrantPolicy,
        rounds: u32,
        paths: &[(usize, usize)],
    ) {
        for round in 0..rounds {
            self.alive().into_iter().for_each(|device| self.answer(device, policy, round));
            for (one, other) in paths {
                self.teach(*one, *other);
                self.teach(*other, *one);
            }
        }
    }

    /// The account holds what it promises, and what once counted here counts.
    pub(super) fn check(&mut self, device: usize) {
        let view = self.view(device);
        let Some(state) = view.fold.get(&self.account) else { return };
        state.check();
        let mut counted: BTreeSet<usize> = self.devices[device].held.clone();
        counted.retain(|fact| self.says_something(*fact, state));
        for violation in state.violations() {
            if let Violation::Uncovered { key, .. } = violation {
                counted.remove(&view.keys[&key]);
            }
        }
        let before = &self.devices[device].counted;
        assert!(before.is_subset(&counted), "what counted is taken back");
        self.devices[device].counted = counted;
    }

    /// True when the fact is of the account, and not from before its creation.
    pub(super) fn says_something(&self, fact: usize, state: &AccountState) -> bool {
        let fact = &self.facts[fact];
        match &fact.operation {
            Operation::Create(_) => true,
            Operation::Change(change) => {
                change.account == self.account && fact.lamport > state.created().lamport.value()
            }
        }
    }

    /// What all histories of `stream` got by their own events, whoever knows of them.
    pub(super) fn true_income(&self, stream: StreamId) -> u64 {
        let own = self.facts.iter().filter(|fact| fact.stream == stream);
        own.map(|fact| match &fact.operation {
            Operation::Change(change) => match change.action {
                Action::Deposit(amount) | Action::Recover { amount, .. } => amount,
                _ => 0,
            },
            Operation::Create(creation) => {
                let shared: u64 = creation.shares.iter().map(|share| share.amount).sum();
                creation.amount.abs_diff(creation.floor) - shared
            }
        })
        .sum()
    }

    /// Facts that do not count at `device`.
    pub(super) fn uncovered(&mut self, device: usize) -> Vec<usize> {
        let view = self.view(device);
        let Some(state) = view.fold.get(&self.account) else { return Vec::new() };
        let keys = state.violations().into_iter().filter_map(|violation| match violation {
            Violation::Uncovered { key, .. } => Some(view.keys[&key]),
            Violation::Overdrawn { .. } | Violation::Crowded { .. } => None,
        });
        keys.collect()
    }

    pub(super) fn view(&mut self, device: usize) -> Arc<View> {
        if let Some(view) = &self.devices[device].view {
            return view.clone();
        }
        let device_streams = self.devices[device].stream;
        let held = &self.devices[device].held;
        let (forks, keys) = self.named(held);
        let streams = held.iter().map(|fact| self.facts[*fact].stream).chain([device_streams]);
        let lineage = Arc::new(Lineage::new(forks, streams));
        let mut fold = AccountFold::new(NAME.clone(), lineage);
        for (key, fact) in &keys {
            take(&mut fold, *key, &self.facts[*fact], self.account);
        }
        let view = Arc::new(View { fold, keys });
        self.devices[device].view = Some(view.clone());
        view
    }

    /// What the held facts are called: the tree of all histories of a stream, cut at its forks.
    fn named(&self, held: &BTreeSet<usize>) -> (Vec<HeldFork>, BTreeMap<EventKey, usize>) {
        let mut children: BTreeMap<(StreamId, Option<usize>), Vec<usize>> = BTreeMap::new();
        for fact in held {
            let (stream, before) = (self.facts[*fact].stream, self.facts[*fact].before);
            children.entry((stream, before)).or_default().push(*fact);
        }
        let (mut forks, mut keys) = (Vec::new(), BTreeMap::new());
        let roots = children.keys().filter(|(_, before)| before.is_none());
        let mut ahead: Vec<(StreamId, StreamId, Option<usize>)> =
            roots.map(|(trunk, _)| (*trunk, *trunk, None)).collect();
        while let Some((trunk, name, before)) = ahead.pop() {
            let Some(next) = children.get(&(trunk, before)) else { continue };
            let at = self.facts[next[0]].offset;
            let names: Vec<StreamId> = match next.len() {
                1 => vec![name],
                _ => next.iter().map(|fact| branch(&trunk, *fact)).collect(),
            };
            if next.len() > 1 {
                let branches = names.iter().map(|own| held_branch(*own, name, at)).collect();
                forks.push(HeldFork { of: name, at, branches });
            }
            for (fact, stream) in next.iter().zip(names) {
                let lamport = Lamport::new(self.facts[*fact].lamport).unwrap();
                keys.insert(EventKey { lamport, stream }, *fact);
                ahead.push((trunk, stream, Some(*fact)));
            }
        }
        (forks, keys)
    }
}

fn take(fold: &mut AccountFold, key: EventKey, fact: &Fact, created: AccountId) {
    let account = match &fact.operation {
        Operation::Create(_) => created,
        Operation::Change(change) => change.account,
    };
    fold.take(key, Offset::new(fact.offset), account, &fact.operation);
}

fn branch(trunk: &StreamId, fact: usize) -> StreamId {
    let mut bytes = [0; 32];
    let mixed = (fact as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bytes[..8].copy_from_slice(&mixed.to_be_bytes());
    trunk.branch(&Chain::from_bytes(bytes))
}

pub(super) fn held_branch(stream: StreamId, of: StreamId, floor: u64) -> Branch {
    let chain = Chain::from_bytes([0; 32]);
    let base = StreamEnd { count: 0, chain, lamport: Lamport::ZERO };
    Branch { stream, of, base, floor, proof: [HEADS.clone(), HEADS.clone()] }
}
