//! Claims about accounts and claims in labs.

use super::tests::{event, lab, numbers};
use crate::error::{Error, ErrorKind, Result};
use crate::event::cbor::Value;
use crate::event::{EventKey, Lamport, NewEvent, Once, TagSet};
use crate::planted::choose;
use crate::pond::claim::{Gate, Standing};
use crate::pond::escrow::{Action, Change, GrantPolicy, Operation, Overdraft, account_tag};
use crate::pond::lab::Lab;
use crate::pond::{Deed, Name};
use std::time::Duration;

const STEEL: &str = "steel";

fn id(lab: &Lab, node: usize) -> String {
    lab.node_id(node).unwrap().to_string()
}

fn act(lab: &mut Lab, node: usize, deed: Deed) -> Result<()> {
    lab.act(node, deed, None).map(drop)
}

fn create(lab: &mut Lab, amount: i64, shares: &[(usize, u64)]) -> Result<()> {
    let shares = shares.iter().map(|(node, amount)| (id(lab, *node), *amount)).collect();
    act(lab, 0, Deed::AccountCreate { name: STEEL.into(), id: None, amount, floor: 0, shares })
}

fn withdraw(amount: u64) -> Deed {
    Deed::AccountWithdraw { name: STEEL.into(), id: None, amount, note: None }
}

fn deposit(amount: u64) -> Deed {
    Deed::AccountDeposit { name: STEEL.into(), id: None, amount, note: None }
}

fn request(amount: u64) -> Deed {
    Deed::AccountRequest { name: STEEL.into(), id: None, amount }
}

fn recover(is_alone: bool) -> Deed {
    Deed::AccountRecover { name: STEEL.into(), id: None, is_alone }
}

fn grant(lab: &Lab, to: usize, amount: u64) -> Deed {
    Deed::AccountGrant { name: STEEL.into(), id: None, to: id(lab, to), amount }
}

fn available(lab: &Lab, node: usize) -> u64 {
    lab.account(node, STEEL, None).unwrap().available
}

fn balance(lab: &Lab, node: usize) -> i128 {
    lab.account(node, STEEL, None).unwrap().state.balance()
}

#[test]
fn london_and_new_york_spend_what_was_divided_while_they_are_cut_off() {
    let mut lab = lab(2, 1);
    create(&mut lab, 1000, &[(1, 400)]).unwrap();
    assert_eq!(act(&mut lab, 1, withdraw(1)).unwrap_err().kind(), ErrorKind::NotFound);
    lab.settle().unwrap();
    lab.cut(&[vec![0], vec![1]]).unwrap();
    act(&mut lab, 0, withdraw(500)).unwrap();
    let refused = act(&mut lab, 1, withdraw(900)).unwrap_err();
    let told = Overdraft::of(&refused).unwrap();
    assert_eq!((told.wanted, told.available), (900, 400));
    let elsewhere: Vec<u64> = told.elsewhere.iter().map(|holding| holding.amount).collect();
    assert_eq!(elsewhere, [600], "as New York has last heard");
    act(&mut lab, 1, withdraw(400)).unwrap();
    lab.settle().unwrap();
    assert_eq!([0, 1].map(|node| balance(&lab, node)), [500, 600], "neither has heard of it");
    lab.heal();
    lab.settle().unwrap();
    assert_eq!([0, 1].map(|node| balance(&lab, node)), [100, 100]);
    assert_eq!([0, 1].map(|node| available(&lab, node)), [100, 0]);
    lab.check_scarce().unwrap();
    assert!(lab.trace().any(|line| line.contains("node 1 withdraws 400 of steel")));
}

#[test]
fn a_deed_with_a_key_is_done_once_also_after_a_crash() {
    let mut lab = lab(1, 1);
    create(&mut lab, 100, &[]).unwrap();
    let refused = lab.act(0, withdraw(101), Some(b"big")).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Overdraft);
    let (first, replayed) = lab.act(0, withdraw(60), Some(b"key")).unwrap();
    assert!(!replayed);
    lab.cut_power(0).unwrap();
    lab.start(0).unwrap();
    assert_eq!(lab.act(0, withdraw(60), Some(b"key")).unwrap(), (first, true));
    assert_eq!(balance(&lab, 0), 40);
    let other = lab.act(0, withdraw(61), Some(b"key")).unwrap_err();
    assert_eq!((other.kind(), other.reason()), (ErrorKind::Conflict, Some("idempotency_key")));
    act(&mut lab, 0, deposit(61)).unwrap();
    assert!(!lab.act(0, withdraw(101), Some(b"big")).unwrap().1, "it was refused, not done");
    assert_eq!(lab.act(0, withdraw(1), Some(b"")).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn who_does_not_run_decides_nothing() {
    let mut lab = lab(2, 1);
    create(&mut lab, 100, &[]).unwrap();
    lab.crash(0).unwrap();
    assert_eq!(act(&mut lab, 0, withdraw(1)).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(lab.account(0, STEEL, None).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(lab.answer_requests(0, STEEL, None).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(act(&mut lab, 2, withdraw(1)).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn requests_are_answered_while_time_passes_and_no_more_after_a_crash() {
    let mut lab = lab(2, 3);
    create(&mut lab, 100, &[]).unwrap();
    lab.answer_requests(0, STEEL, Some(GrantPolicy { reserve: 30 })).unwrap();
    lab.settle().unwrap();
    act(&mut lab, 1, request(50)).unwrap();
    lab.settle().unwrap();
    assert_eq!(available(&lab, 1), 50);
    act(&mut lab, 1, withdraw(50)).unwrap();
    act(&mut lab, 1, request(50)).unwrap();
    lab.settle().unwrap();
    assert_eq!([0, 1].map(|node| available(&lab, node)), [30, 20], "above the reserve");
    act(&mut lab, 0, deposit(100)).unwrap();
    lab.crash(0).unwrap();
    lab.start(0).unwrap();
    lab.advance(Duration::from_secs(60)).unwrap();
    assert_eq!(available(&lab, 1), 20, "nobody said anything since");
    lab.answer_requests(0, STEEL, Some(GrantPolicy::default())).unwrap();
    lab.settle().unwrap();
    assert_eq!([0, 1].map(|node| available(&lab, node)), [100, 50]);
}

#[test]
fn who_holds_less_answers_half_a_second_later_when_who_holds_most_is_cut_off() {
    let mut lab = lab(3, 4);
    create(&mut lab, 100, &[(1, 40)]).unwrap();
    lab.settle().unwrap();
    for node in [0, 1] {
        lab.answer_requests(node, STEEL, Some(GrantPolicy::default())).unwrap();
    }
    lab.cut(&[vec![0]]).unwrap();
    act(&mut lab, 2, request(10)).unwrap();
    lab.advance(Duration::from_millis(400)).unwrap();
    assert_eq!(available(&lab, 2), 0, "it is the turn of node 0");
    lab.advance(Duration::from_millis(800)).unwrap();
    assert_eq!(available(&lab, 2), 10);
    lab.heal();
    lab.settle().unwrap();
    // Node 0 may have heard of the request before it heard of the answer, and answered, too.
    let left = [0, 1, 2].map(|node| available(&lab, node));
    assert!([[60, 30, 10], [50, 30, 20]].contains(&left), "{left:?}");
}

#[test]
fn a_claim_has_one_holder_and_goes_to_who_asks() {
    let (mut lab, what) = (lab(3, 5), "M-017".to_owned());
    act(&mut lab, 0, Deed::ClaimCreate { what: what.clone(), holder: None }).unwrap();
    lab.settle().unwrap();
    let mut gate = Gate::default();
    let fence = lab.claim(0, &what).unwrap().own_fence.unwrap();
    gate.admit(&fence).unwrap();
    let to = id(&lab, 2);
    let not_held = act(&mut lab, 1, Deed::ClaimTransfer { what: what.clone(), to: to.clone() });
    assert_eq!(not_held.unwrap_err().reason(), Some("not_held"));
    act(&mut lab, 0, Deed::ClaimTransfer { what: what.clone(), to }).unwrap();
    assert_eq!(lab.claim(0, &what).unwrap().own_fence, None);
    lab.settle().unwrap();
    gate.admit(&lab.claim(2, &what).unwrap().own_fence.unwrap()).unwrap();
    assert_eq!(gate.clone().admit(&fence).unwrap_err().reason(), Some("fenced"));
    lab.hand_over_when_asked(2, &what, true).unwrap();
    act(&mut lab, 1, Deed::ClaimRequest { what: what.clone(), is_wanted: true }).unwrap();
    lab.settle().unwrap();
    gate.admit(&lab.claim(1, &what).unwrap().own_fence.unwrap()).unwrap();
    assert_eq!(lab.who_does(0, &what).unwrap().holder.unwrap().fence, 3);
    lab.check_scarce().unwrap();
}

#[test]
fn who_loses_an_optimistic_claim_is_told_so_once() {
    for seed in 1..=40 {
        let mut lab = lab(3, seed);
        lab.cut(&[vec![0], vec![1], vec![2]]).unwrap();
        let note = |node: usize| Some(Value::from(node as u64));
        let keys = [0, 1].map(|node| lab.do_optimistically(node, "M-017", note(node)).unwrap().0);
        for node in [0, 1] {
            lab.tell_loss(node, "M-017", keys[node]).unwrap();
            let told = lab.standing(node, "M-017", &keys[node]).unwrap();
            assert_eq!(told.standing, Standing::Won, "as far as is known");
        }
        lab.settle().unwrap();
        assert_eq!(lab.next_loss(), None);
        lab.calm().unwrap();
        let (winner, loser) = if keys[0] < keys[1] { (0, 1) } else { (1, 0) };
        let loss = lab.next_loss().unwrap();
        assert_eq!((loss.node, loss.key), (loser, keys[loser]));
        assert_eq!(loss.winner.note, note(winner));
        assert_eq!(lab.next_loss(), None, "once");
        let who = lab.who_does(2, "M-017").unwrap();
        assert_eq!(who.winner.unwrap().key, keys[winner]);
        // It had not been told to whoever runs after a crash, and can be asked for again.
        lab.crash(loser).unwrap();
        lab.start(loser).unwrap();
        let own = lab.own_doing(loser, "M-017").unwrap().unwrap();
        lab.tell_loss(loser, "M-017", own).unwrap();
        assert_eq!(lab.next_loss().map(|loss| loss.key), Some(own));
        act(&mut lab, loser, Deed::DoingRelease { what: "M-017".into() }).unwrap();
        assert_eq!(lab.own_doing(loser, "M-017").unwrap(), None);
        lab.tell_loss(loser, "M-017", own).unwrap();
        assert_eq!(lab.next_loss(), None, "it was released");
    }
}

/// What nodes were told that they withdrew and deposited.
#[derive(Default)]
struct Books {
    withdrawn: i128,
    deposited: i128,
}

/// A refusal is part of the scenario; what breaks a promise is not.
fn refused(error: Error) -> Result<bool> {
    use ErrorKind::{Closed, Conflict, InvalidArgument, NotFound, NotYetVisible, Overdraft};
    match error.kind() {
        Overdraft | NotFound | Conflict | InvalidArgument | NotYetVisible | Closed => Ok(false),
        _ => Err(error),
    }
}

fn done(done: Result<()>) -> Result<bool> {
    done.map_or_else(refused, |()| Ok(true))
}

/// One node does something, as chance has it.
fn deed(lab: &mut Lab, node: usize, books: &mut Books) -> Result<()> {
    let amount = 1 + lab.below(80);
    let other = lab.below(lab.node_count() as u64) as usize;
    match lab.below(9) {
        0..=2 => {
            if done(act(lab, node, withdraw(amount)))? {
                books.withdrawn += i128::from(amount);
            }
        }
        3 => {
            if done(act(lab, node, deposit(amount / 2 + 1)))? {
                books.deposited += i128::from(amount / 2 + 1);
            }
        }
        4 => {
            let grant = grant(lab, other, amount);
            done(act(lab, node, grant))?;
        }
        5 | 6 => {
            done(act(lab, node, request(amount)))?;
        }
        7 => {
            let to = id(lab, other);
            done(act(lab, node, Deed::ClaimTransfer { what: "M".into(), to }))?;
        }
        _ => {
            let reserve = lab.below(30);
            lab.answer_requests(node, STEEL, Some(GrantPolicy { reserve }))?;
            lab.hand_over_when_asked(node, "M", reserve > 10)?;
            done(act(lab, node, Deed::ClaimRequest { what: "M".into(), is_wanted: true }))?;
        }
    }
    Ok(())
}

/// Nodes withdraw, grant and ask while everything goes wrong; then all is well.
fn storm(seed: u64, nodes: usize) -> Result<(Lab, Books)> {
    let (mut lab, mut books) = (lab(nodes, seed), Books::default());
    create(&mut lab, 300, &[(1, 100)])?;
    act(&mut lab, 0, Deed::ClaimCreate { what: "M".into(), holder: None })?;
    for _ in 0..12 {
        lab.chaos(2)?;
        for node in 0..nodes {
            if lab.is_up(node)? && lab.below(2) == 0 {
                deed(&mut lab, node, &mut books)?;
            }
        }
    }
    lab.calm()?;
    lab.check_scarce()?;
    Ok((lab, books))
}

#[test]
fn nothing_is_spent_twice_with_a_thousand_seeds() {
    for seed in 0..1_000 {
        let (lab, books) = storm(seed, 2 + seed as usize % 3).unwrap();
        let reports = (0..lab.node_count()).map(|node| lab.account(node, STEEL, None).unwrap());
        let states: Vec<_> = reports.map(|report| report.state).collect();
        let balance = 300 + books.deposited - books.withdrawn;
        assert_eq!(states[0].balance(), balance, "seed {seed}: what was told counts");
        assert!(balance >= 0 && states[0].violations().is_empty(), "seed {seed}");
        assert!(states.iter().all(|state| *state == states[0]), "seed {seed}");
        assert!(lab.claim(0, "M").unwrap().holders.len() == 1, "seed {seed}");
    }
}

#[test]
fn once_all_is_quiet_nobody_keeps_what_another_one_asks_for() {
    for seed in 0..100 {
        let (mut lab, _) = storm(seed, 4).unwrap();
        for node in 0..4 {
            lab.answer_requests(node, STEEL, Some(GrantPolicy::default())).unwrap();
            let amount = lab.below(200);
            act(&mut lab, node, request(amount)).unwrap();
        }
        lab.settle().unwrap();
        lab.check_scarce().unwrap();
        let open = lab.account(0, STEEL, None).unwrap().state.requests();
        for request in open {
            let keeps = |node: &usize| {
                lab.members[*node].stream() != request.stream && available(&lab, *node) > 0
            };
            assert_eq!((0..4).find(keeps), None, "seed {seed}: {request:?}");
        }
    }
}

#[test]
fn equal_seeds_give_equal_traces_of_accounts() {
    let traced =
        |seed| storm(seed, 3).unwrap().0.trace().map(str::to_owned).collect::<Vec<String>>();
    assert_eq!(traced(7), traced(7));
    assert!(traced(7).iter().any(|line| line.contains(" of steel")));
}

#[test]
fn a_rule_that_is_broken_on_purpose_is_found_in_a_lab() {
    // Only this thread has the bug, and it runs one test at a time.
    choose(Some("escrow_uncovered_grant_counts"));
    let found = (0..400).find_map(|seed| storm(seed, 4).err());
    choose(None);
    assert_promise_broken(found.expect("rights are made"), "made or lost");
}

fn assert_promise_broken(error: Error, how: &str) {
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Internal, Some("promise")), "{error}");
    let message = error.message();
    assert!(message.contains("at node") && message.contains("seed "), "{message}");
    assert!(message.contains(how), "{message}");
}

#[test]
fn a_broken_promise_is_said_also_by_a_deed_in_which_its_node_was_to_die() {
    let mut lab = lab(1, 6);
    create(&mut lab, 100, &[]).unwrap();
    act(&mut lab, 0, withdraw(1)).unwrap();
    let never = EventKey { lamport: Lamport::new(1_000).unwrap(), stream: lab.members[0].stream() };
    lab.desks.seen.counted.values_mut().for_each(|counted| assert!(counted.insert(never)));
    lab.faults = 1;
    let mut errors =
        (0..20).map(|_| lab.start(0).and_then(|()| act(&mut lab, 0, deposit(1))).unwrap_err());
    let error = errors.find(|error| error.kind() != ErrorKind::Closed);
    assert_promise_broken(error.expect("it was done before a death"), "counted before");
    assert!(lab.is_up(0).unwrap() && lab.befalls.in_hand.is_none());
}

#[test]
fn a_decision_that_spends_what_a_node_does_not_hold_is_found_in_a_lab() {
    let mut lab = lab(3, 6);
    create(&mut lab, 100, &[]).unwrap();
    lab.settle().unwrap();
    lab.check_scarce().unwrap();
    let (steel, own) = (Name::new(STEEL).unwrap(), lab.members[1].stream());
    let account = lab.account(1, STEEL, None).unwrap().state.id();
    let action = Action::Withdraw(1);
    let change = Operation::Change(Change { account, stream: own.number, action, note: None });
    let tags = TagSet::new([account_tag(&steel).as_str()]).unwrap();
    lab.write(1, vec![NewEvent { tags, payload: change.to_payload().unwrap() }], true).unwrap();
    lab.check_scarce().expect_err("node 1 knows it");
    lab.cut(&[vec![0, 2]]).unwrap();
    lab.crash(1).unwrap();
    lab.check_scarce().expect("for those who run there is nothing wrong");
    lab.calm().expect("what it rests on might be missing while it comes");
    assert_promise_broken(lab.check_scarce().unwrap_err(), "all events are there");
}

#[test]
fn a_restored_node_goes_on_in_another_stream_and_recovers_what_it_had() {
    let mut lab = lab(2, 8);
    create(&mut lab, 100, &[(1, 50)]).unwrap();
    lab.settle().unwrap();
    let backup = lab.back_up(1).unwrap();
    act(&mut lab, 1, withdraw(20)).unwrap();
    lab.settle().unwrap();
    act(&mut lab, 1, withdraw(5)).unwrap();
    let offsets = lab.offsets(0).unwrap();
    lab.restore(1, &backup).unwrap();
    assert!(!lab.is_up(1).unwrap());
    lab.cut(&[vec![0], vec![1]]).unwrap();
    lab.start(1).unwrap();
    let report = lab.account(1, STEEL, None).unwrap();
    assert_eq!((report.available, report.own_stream.number), (0, 1));
    assert!(report.state.holdings().iter().any(|own| own.amount == 50 && own.is_frozen));
    let error = act(&mut lab, 1, recover(false)).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::NotYetVisible, Some("nobody_met")));
    let overdraft = Overdraft::of(&act(&mut lab, 1, withdraw(1)).unwrap_err()).unwrap();
    assert_eq!((overdraft.available, overdraft.recoverable), (0, 50));
    lab.heal();
    lab.advance(Duration::ZERO).unwrap();
    let error = act(&mut lab, 1, recover(false)).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::NotYetVisible, None));
    assert_eq!(error.missing().len(), 1, "node 0 has heard of a withdrawal");
    lab.settle().unwrap();
    act(&mut lab, 1, recover(false)).unwrap();
    lab.settle().unwrap();
    // The 5 that nobody else had heard of are gone, and no book says so.
    assert_eq!([0, 1].map(|node| balance(&lab, node)), [80, 80]);
    assert_eq!([0, 1].map(|node| available(&lab, node)), [50, 30]);
    assert!(lab.offsets(0).unwrap().covers(&offsets));
    assert_eq!(act(&mut lab, 1, recover(true)).unwrap_err().kind(), ErrorKind::NotFound);
    lab.check_scarce().unwrap();
}

#[test]
fn who_vouches_wrongly_shows_as_overdrawn_with_the_proof() {
    let mut lab = lab(3, 9);
    create(&mut lab, 100, &[(1, 50)]).unwrap();
    lab.settle().unwrap();
    let backup = lab.back_up(1).unwrap();
    act(&mut lab, 1, withdraw(50)).unwrap();
    lab.settle().unwrap();
    lab.restore(1, &backup).unwrap();
    lab.cut(&[vec![1]]).unwrap();
    lab.start(1).unwrap();
    act(&mut lab, 1, recover(true)).unwrap();
    act(&mut lab, 1, withdraw(50)).unwrap();
    act(&mut lab, 0, withdraw(50)).unwrap();
    lab.heal();
    lab.settle().unwrap();
    assert_eq!([0, 1, 2].map(|node| balance(&lab, node)), [-50; 3]);
    assert_eq!(lab.account(2, STEEL, None).unwrap().state.violations().len(), 1);
    lab.check_scarce().unwrap();
}

#[test]
fn restores_in_a_storm_leave_books_and_fish_right() {
    for seed in 0..200 {
        let (mut lab, mut books) = (lab(3, seed), Books::default());
        create(&mut lab, 300, &[(1, 100), (2, 50)]).unwrap();
        let mut backups = Vec::new();
        for round in 0..10 {
            lab.chaos(2).unwrap();
            let node = lab.below(3) as usize;
            match lab.below(4) {
                0 => backups.push((node, lab.back_up(node).unwrap())),
                1 if !backups.is_empty() => {
                    let (node, backup) = &backups[lab.below(backups.len() as u64) as usize];
                    lab.restore(*node, backup).unwrap();
                    lab.start(*node).unwrap();
                    let is_alone = lab.below(2) == 0;
                    done(act(&mut lab, *node, recover(is_alone))).unwrap();
                }
                _ if lab.is_up(node).unwrap() => {
                    lab.publish(node, vec![event("number", round)]).unwrap();
                    deed(&mut lab, node, &mut books).unwrap();
                    lab.state(node, &numbers()).unwrap();
                }
                _ => {}
            }
        }
        lab.calm().unwrap();
        lab.check(&numbers()).unwrap();
        let states = [0, 1, 2].map(|node| lab.account(node, STEEL, None).map(|own| own.state));
        assert!(states.iter().all(|state| state.as_ref().ok() == states[0].as_ref().ok()));
    }
}

#[test]
fn a_copied_disk_answers_for_no_key_of_what_is_not_on_it() {
    let mut lab = lab(1, 1);
    let events = vec![event("grain", 1)];
    let once = Once::append(b"key", &lab.app_id, &events).unwrap();
    let key = once.key;
    lab.publish_as(0, events, false, Some(once)).unwrap();
    assert!(lab.remembered(0, &key).unwrap().is_some());
    let backup = lab.back_up(0).unwrap();
    lab.restore(0, &backup).unwrap();
    lab.start(0).unwrap();
    assert!(lab.remembered(0, &key).unwrap().is_none());
}

#[test]
fn a_copy_of_another_nodes_disk_is_refused() {
    let mut own = lab(2, 1);
    own.publish(0, vec![event("grain", 1)]).unwrap();
    let backup = own.back_up(0).unwrap();
    assert_eq!(own.restore(1, &backup).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert!(own.is_up(1).unwrap());
    let mut same = lab(2, 1);
    assert_eq!(same.node_id(0).unwrap(), own.node_id(0).unwrap());
    assert_eq!(same.restore(0, &backup).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert!(same.is_up(0).unwrap());
}
