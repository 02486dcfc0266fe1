//! Random schedules: whatever is cut off, lost, copied or told late, the account keeps its
//! promises.

use super::world::{Draw, World, stream};
use crate::pond::escrow::{AccountState, Action, GrantPolicy, Operation, Share, Violation};
use std::collections::BTreeSet;

/// What may happen in a schedule.
#[derive(Clone, Copy)]
struct Faults {
    copies: bool,
    destruction: bool,
    lies: bool,
}

const CALM: Faults = Faults { copies: false, destruction: false, lies: false };

fn schedules() -> u64 {
    let asked = std::env::var("MILLPOND_SCHEDULES").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(26_000)
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
    run(Faults { copies: true, ..CALM }, 1 << 32);
}

#[test]
fn with_devices_destroyed_what_is_left_is_still_an_account() {
    run(Faults { copies: true, destruction: true, ..CALM }, 2 << 32);
}

#[test]
fn who_lies_takes_nothing_from_who_does_not() {
    run(Faults { copies: true, lies: true, ..CALM }, 3 << 32);
}

fn schedule(seed: u64, faults: Faults) {
    let draw = &mut Draw::new(seed);
    let nodes = 2 + draw.below(2);
    let floor = draw.below(3) as i64 * 50 - 50;
    let shares = (1..nodes).map(|other| Share { stream: stream(other), amount: 100 });
    let shares = shares.filter(|_| draw.below(3) > 0).collect();
    let mut world = World::new(nodes, floor + 400, floor, shares);
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
        0..=3 => decide(&|state, own| state.withdraw(own, amount, 0, None)),
        4 => decide(&|state, own| state.deposit(own, amount / 4 + 1, None)),
        5 | 6 => {
            let to = world.devices[other].stream;
            let _ = world.decide(device, |state, own| state.grant(own, to, amount, 0));
        }
        7 => decide(&|state, own| state.request(own, amount)),
        8 => world.tear(device),
        9 => {
            let own = world.devices[device].stream;
            let number = draw.below(own.number as usize + 1) as u64;
            let from = crate::event::StreamId { number, ..own };
            let _ = world.decide(device, |state, own| state.recover(own, from));
        }
        10..=12 => world.teach(device, other),
        13..=15 => world.teach_some(device, other, draw),
        16 if world.devices.len() < 5 => world.clone_device(device),
        17 | 18 => world.back_up(device),
        19 if faults.destruction && world.alive().len() > 2 => world.destroy(device),
        20 => lie(world, draw),
        _ => world.restore(device, draw),
    }
}

/// Only the first device lies: what it says is in form, and nothing it holds covers it.
fn lie(world: &mut World, draw: &mut Draw) {
    let amount = 100 + draw.below(400) as u64;
    let from = draw.below(3) as u64;
    let action = match draw.below(3) {
        0 => Action::Withdraw(amount),
        1 => Action::Grant { to: stream(1), amount },
        _ => Action::Recover { from, amount, income: draw.below(500) as u64, outgo: 0 },
    };
    let own = world.devices[0].stream.number;
    let says_something = !matches!(action, Action::Recover { from, .. } if from == own);
    if says_something && world.devices[0].is_alive {
        world.lie(0, action);
    }
}

/// All are equal, nothing was made or lost, and what an honest node took counts.
fn judge(world: &mut World, floor: i64, faults: Faults) {
    let alive = world.alive();
    let first = alive[0];
    let state = world.state(first);
    for device in &alive {
        world.check(*device);
        assert_eq!(world.state(*device), state, "all are equal after healing");
    }
    let held: Vec<usize> = world.devices[first].held.iter().copied().collect();
    let uncovered = world.uncovered(first);
    let is_all_there = held.len() == world.facts.len();
    if is_all_there {
        let honest = uncovered.iter().find(|fact| world.facts[**fact].is_honest);
        assert!(honest.is_none(), "a debit of an honest node does not count");
        assert!(faults.lies || uncovered.is_empty());
    }
    let counted = held.iter().filter(|fact| !uncovered.contains(fact));
    let moved = counted.map(|fact| match &world.facts[*fact].operation {
        Operation::Change(change) => match change.action {
            Action::Deposit(amount) => i128::from(amount),
            Action::Withdraw(amount) => -i128::from(amount),
            _ => 0,
        },
        Operation::Create(creation) => i128::from(creation.amount),
    });
    assert_eq!(state.balance(), moved.sum::<i128>(), "nothing is made or lost");
    if !faults.copies {
        assert!(state.violations().is_empty() && state.balance() >= i128::from(floor));
    }
    let overdrawn = state.violations().into_iter().map(|violation| match violation {
        Violation::Overdrawn { by, .. } => i128::from(by),
        Violation::Uncovered { .. } => 0,
    });
    assert!(state.balance() + overdrawn.sum::<i128>() >= i128::from(floor));
}

/// Whoever asks for all that the others could spend gets it, once there is a path.
fn demand(world: &mut World, draw: &mut Draw) {
    let alive = world.alive();
    let device = alive[draw.below(alive.len())];
    let own = world.devices[device].stream;
    let state = world.state(device);
    let streams: BTreeSet<_> = alive.iter().map(|other| world.devices[*other].stream).collect();
    // A destroyed device of a node may have gone on in a later stream: what the former one holds is
    // frozen then, until its node recovers it.
    let spendable = streams.iter().filter(|stream| !state.is_frozen(stream));
    let there: u64 = spendable.map(|stream| state.available(stream)).sum();
    // Of two devices that write as one node each knows that the other one must not go on.
    let nodes: BTreeSet<_> = streams.iter().map(|stream| stream.node).collect();
    if nodes.len() < alive.len() || state.is_frozen(&own) || there == 0 {
        return;
    }
    // Older requests go first; their owners want nothing any more, unless they are gone.
    for other in alive {
        world.decide(other, |state, own| state.request(own, 0)).unwrap();
    }
    let wanted = there - world.state(device).available(&own);
    world.decide(device, |state, own| state.request(own, wanted)).unwrap();
    world.heal();
    // One of a device that is gone would be answered first.
    if world.state(device).requests().iter().any(|request| request.stream != own) {
        return;
    }
    world.answer_requests(GrantPolicy { reserve: 0 }, 32);
    assert_eq!(world.state(device).available(&own), there, "unused rights reach demand");
    assert!(world.state(device).requests().is_empty());
}
