//! Random schedules: whatever is cut off, lost, copied or told late, the account keeps its
//! promises.

use super::world::{Draw, World, stream};
use crate::event::StreamId;
use crate::pond::escrow::{
    AccountState, Action, Creation, GrantPolicy, Operation, Share, Violation,
};
use std::collections::BTreeSet;

/// What may happen in a schedule.
#[derive(Clone, Copy)]
pub(super) struct Faults {
    copies: bool,
    destruction: bool,
    lies: bool,
    /// The account is created in two histories of one stream.
    two_creations: bool,
}

const CALM: Faults =
    Faults { copies: false, destruction: false, lies: false, two_creations: false };
const COPIES: Faults = Faults { copies: true, ..CALM };
const DESTRUCTION: Faults = Faults { destruction: true, ..COPIES };
const LIES: Faults = Faults { lies: true, ..COPIES };
const TWO_CREATIONS: Faults = Faults { two_creations: true, ..COPIES };
const TWO_CREATIONS_AND_LIES: Faults = Faults { lies: true, ..TWO_CREATIONS };
pub(super) const ALL: [Faults; 6] =
    [CALM, COPIES, DESTRUCTION, LIES, TWO_CREATIONS, TWO_CREATIONS_AND_LIES];

/// Of each kind, so that there are more than 100,000 together.
fn schedules() -> u64 {
    let asked = std::env::var("MILLPOND_SCHEDULES").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(18_000)
}

fn run(faults: Faults, first: u64) {
    for seed in first..first + schedules() {
        let told = std::panic::catch_unwind(|| schedule(seed, faults));
        assert!(told.is_ok(), "seed {seed}");
    }
}

#[test]
fn without_copies_no_schedule_breaks_the_floor_or_leaves_a_debit_uncovered() {
    run(CALM, 0);
}

#[test]
fn with_clones_and_restores_the_floor_breaks_only_by_what_is_proven() {
    run(COPIES, 1 << 32);
}

#[test]
fn with_devices_destroyed_what_is_left_is_still_an_account() {
    run(DESTRUCTION, 2 << 32);
}

#[test]
fn who_lies_takes_nothing_from_who_does_not() {
    run(LIES, 3 << 32);
}

#[test]
fn an_account_that_is_created_in_two_histories_is_one_and_both_count() {
    run(TWO_CREATIONS, 4 << 32);
}

#[test]
fn who_lies_in_one_of_two_histories_takes_nothing_from_others() {
    run(TWO_CREATIONS_AND_LIES, 5 << 32);
}

pub(super) fn schedule(seed: u64, faults: Faults) {
    let draw = &mut Draw::new(seed);
    let nodes = 2 + draw.below(2);
    let floor = draw.below(3) as i64 * 50 - 50;
    let shares = (1..nodes).map(|other| Share { stream: stream(other), amount: 100 });
    let shares = shares.filter(|_| draw.below(3) > 0).collect();
    let creation = Creation { stream: 0, amount: floor + 400, floor, shares };
    let mut world = match faults.two_creations {
        true => World::created_twice(nodes, creation, [draw.below(3), draw.below(3)]),
        false => World::new(nodes, creation.amount, floor, creation.shares),
    };
    for _ in 0..10 + draw.below(8) {
        let alive = world.alive();
        let device = alive[draw.below(alive.len())];
        step(&mut world, device, faults, draw);
        if draw.below(2) == 0 {
            world.check(device);
        }
    }
    world.heal();
    judge(&mut world, floor, faults);
    demand(&mut world, draw);
}

fn step(world: &mut World, device: usize, faults: Faults, draw: &mut Draw) {
    let amount = 1 + draw.below(220) as u64;
    let other = {
        let alive = world.alive();
        alive[draw.below(alive.len())]
    };
    // A refusal is part of the schedule.
    let mut decide = |decision: &dyn Fn(&AccountState, _) -> crate::Result<Operation>| {
        let _ = world.decide(device, decision);
    };
    let unlucky = 16 + 4 * usize::from(faults.copies) + usize::from(faults.lies);
    match draw.below(unlucky) {
        0..=2 => decide(&|state, own| state.withdraw(own, amount, 0, None)),
        3 => {
            let second = 1 + draw.below(120) as u64;
            let landing = [draw.below(4) > 0, draw.below(4) > 0];
            world.withdraw_twice(device, [amount, second], landing);
        }
        4 => decide(&|state, own| state.deposit(own, amount / 4 + 1, None)),
        5 | 6 => {
            let to = world.devices[other].stream;
            let _ = world.decide(device, |state, own| state.grant(own, to, amount, 0));
        }
        7 => decide(&|state, own| state.request(own, amount)),
        8 => world.tear(device),
        9 if draw.below(4) == 0 => world.write_other(device),
        9 => {
            let own = world.devices[device].stream;
            let number = draw.below(own.number as usize + 1) as u64;
            let from = StreamId { number, ..own };
            let _ = world.decide(device, |state, own| state.recover(own, from));
        }
        10 | 11 => world.teach(device, other),
        12 => {
            let policy = GrantPolicy { reserve: 30 * draw.below(3) as u64 };
            world.answer(device, policy, draw.below(4) as u32);
        }
        13..=15 => world.teach_some(device, other, draw),
        16 if world.devices.len() < 5 => world.clone_device(device),
        17 | 18 => world.back_up(device),
        19 if faults.destruction && world.alive().len() > 2 => world.destroy(device),
        20 => lie(world, draw),
        _ => world.restore(device, draw),
    }
}

/// Only the first node lies: what it says is in form, and nothing it holds covers it. It knows all
/// that there is, and states of its former streams what no other node can know yet.
fn lie(world: &mut World, draw: &mut Draw) {
    let of_first = |device: &usize| world.devices[*device].stream.node == stream(0).node;
    let liars: Vec<usize> = world.alive().into_iter().filter(of_first).collect();
    if liars.is_empty() {
        return;
    }
    let liar = liars[draw.below(liars.len())];
    let amount = 100 + draw.below(400) as u64;
    let from = draw.below(3) as u64;
    let action = match draw.below(4) {
        0 => Action::Withdraw(amount),
        1 => Action::Grant { to: stream(1), amount },
        2 => Action::Recover { from, amount, income: draw.below(500) as u64, outgo: 0 },
        _ => {
            let income = world.true_income(StreamId { number: from, ..stream(0) });
            Action::Recover { from, amount: income.max(1), income, outgo: 0 }
        }
    };
    let own = world.devices[liar].stream.number;
    let says_something = !matches!(action, Action::Recover { from, .. } if from == own);
    if says_something {
        world.lie(liar, action);
    }
}

/// All are equal, nothing was made or lost, and what an honest node took counts.
fn judge(world: &mut World, floor: i64, faults: Faults) {
    let alive = world.alive();
    let first = alive[0];
    let state = world.known(first);
    for device in &alive {
        world.check(*device);
        assert_eq!(world.known(*device), state, "all are equal after healing");
    }
    let Some(state) = state else { return };
    let held: Vec<usize> = world.devices[first].held.iter().copied().collect();
    let uncovered = world.uncovered(first);
    let is_all_there = held.len() == world.facts.len();
    if is_all_there {
        let honest = uncovered.iter().find(|fact| world.facts[**fact].is_honest);
        assert!(honest.is_none(), "a debit of an honest node does not count");
        assert!(faults.lies || uncovered.is_empty());
    }
    let counted = held.iter().filter(|fact| !uncovered.contains(fact));
    let counted = counted.filter(|fact| world.says_something(**fact, &state));
    let moved = counted.map(|fact| match &world.facts[*fact].operation {
        Operation::Change(change) => match change.action {
            Action::Deposit(amount) => i128::from(amount),
            Action::Withdraw(amount) => -i128::from(amount),
            _ => 0,
        },
        // Once, in however many histories.
        Operation::Create(_) => 0,
    });
    let moved = i128::from(state.creation().amount) + moved.sum::<i128>();
    assert_eq!(state.balance(), moved, "nothing is made or lost");
    if !faults.copies {
        assert!(state.violations().is_empty() && state.balance() >= i128::from(floor));
    }
    let overdrawn = state.violations().into_iter().map(|violation| match violation {
        Violation::Overdrawn { by, .. } => i128::from(by),
        Violation::Uncovered { .. } | Violation::Crowded { .. } => 0,
    });
    assert!(state.balance() + overdrawn.sum::<i128>() >= i128::from(floor));
}

/// Whoever asks for all that the others could spend gets it but for what they keep, once there is a
/// path, also one that leads through others.
fn demand(world: &mut World, draw: &mut Draw) {
    let alive = world.alive();
    let device = alive[draw.below(alive.len())];
    let own = world.devices[device].stream;
    let Some(state) = world.known(device) else { return };
    let streams: BTreeSet<_> = alive.iter().map(|other| world.devices[*other].stream).collect();
    // A destroyed device of a node may have gone on in a later stream: what the former one holds is
    // frozen then, until its node recovers it.
    let spendable = streams.iter().filter(|stream| !state.is_frozen(stream));
    let there: u64 = spendable.clone().map(|stream| state.available(stream)).sum();
    let reserve = 40 * draw.below(2) as u64;
    let kept = spendable.filter(|stream| **stream != own);
    let kept: u64 = kept.map(|stream| state.available(stream).min(reserve)).sum();
    // Of two devices that write as one node each knows that the other one must not go on.
    let nodes: BTreeSet<_> = streams.iter().map(|stream| stream.node).collect();
    if nodes.len() < alive.len() || state.is_frozen(&own) || there == 0 {
        return;
    }
    // Older requests go first; their owners want nothing any more, unless they are gone.
    for other in &alive {
        world.decide(*other, |state, own| state.request(own, 0)).unwrap();
    }
    world.heal();
    // One of a device that is gone would be answered first.
    if world.state(device).requests().iter().any(|request| request.stream != own) {
        return;
    }
    let wanted = there - world.state(device).available(&own);
    world.decide(device, |state, own| state.request(own, wanted)).unwrap();
    let paths: Vec<(usize, usize)> =
        (1..alive.len()).map(|place| (alive[place], alive[draw.below(place)])).collect();
    world.answer_requests(GrantPolicy { reserve }, 32, &paths);
    let reached = world.state(device).available(&own);
    assert_eq!(reached, there - kept, "unused rights reach demand");
    assert!(kept > 0 || world.state(device).requests().is_empty());
}
