//! Escrow accounts on real nodes: cut off from each other, restarted, restored.

use crate::nodes::{event, link, open, secret, until};
use crate::support::Scratch;
use millpond::event::cbor::Value;
use millpond::event::{NewEvent, NodeId, TagSet};
use millpond::pond::escrow::{AccountId, GrantPolicy, Overdraft, Violation};
use millpond::{
    Account, AccountReport, Error, ErrorKind, NewAccount, Node, Pending, PublishOptions,
};
use std::path::Path;
use std::thread;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(60);

fn steel(node: &Node) -> Account {
    node.account("steel").expect("a short name")
}

/// 1,000 of steel, created at `node`, of which `shares` are held elsewhere.
fn create(node: &Node, shares: &[(&Node, u64)]) {
    let shares = shares.iter().map(|(node, amount)| (node.node_id(), *amount)).collect();
    let account = NewAccount { amount: 1000, floor: 0, shares };
    steel(node).create(account).wait().expect("the account is new");
}

fn report(node: &Node) -> AccountReport {
    steel(node).report().expect("the account is known")
}

fn withdraw(node: &Node, amount: u64) -> Result<(), Error> {
    steel(node).withdraw(amount, None).wait().map(drop)
}

fn until_account(node: &Node, what: &str, condition: impl Fn(&AccountReport) -> bool) {
    until(node, what, |node| steel(node).report().is_ok_and(|report| condition(&report)));
}

/// Off the network, as if the cable were pulled.
fn cut(node: &Node) {
    node.set_network(false).wait().expect("a node with a network");
}

/// Back, with sessions to `others`.
fn mend(node: &Node, others: &[&Node]) {
    node.set_network(true).wait().expect("its address is free");
    for other in others {
        link(other, node).expect("both hold the secret");
    }
}

#[test]
fn london_and_new_york_spend_their_own_rights_while_cut_off_and_never_more_than_there_is() {
    let (scratch, secret) = (Scratch::new("escrow"), secret(1));
    let [london, new_york] = ["london", "new-york"].map(|name| open(&scratch, name, &secret));
    create(&london, &[(&new_york, 400)]);
    link(&new_york, &london).unwrap();
    until_account(&new_york, "the account", |report| report.available == 400);
    cut(&new_york);

    withdraw(&london, 500).unwrap();
    let error = withdraw(&new_york, 900).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Overdraft);
    let overdraft = Overdraft::of(&error).unwrap();
    assert_eq!((overdraft.wanted, overdraft.available), (900, 400));
    assert_eq!(overdraft.elsewhere.len(), 1);
    assert_eq!(overdraft.elsewhere[0].stream, london.own_stream());
    assert_eq!(overdraft.elsewhere[0].amount, 600, "what New York last heard");
    withdraw(&new_york, 400).unwrap();

    mend(&new_york, &[&london]);
    for node in [&london, &new_york] {
        until_account(node, "both withdrawals", |report| report.state.balance() == 100);
    }
    assert_eq!(report(&london).state, report(&new_york).state);
    assert!(report(&london).state.violations().is_empty());
    assert_eq!((report(&london).available, report(&new_york).available), (100, 0));
}

/// What docs/escrow.md points to.
#[allow(dead_code)] // Its `main`, which only prints.
#[path = "../../core/examples/escrow.rs"]
mod example;

#[test]
fn the_story_of_london_and_new_york_goes_wrong_is_refused_or_is_kept_as_it_is_told() {
    let scratch = Scratch::new("story");
    let told = example::story(scratch.path()).unwrap();
    let expected = [
        "available and wrong: London says -400, New York says -400",
        "consistent and refusing: New York is refused 900 and 10",
        "escrow: New York is refused 900 and takes the 400 it holds; London says 100, New York \
         says 100, and London holds 100",
    ];
    assert_eq!(told, expected);
}

#[test]
fn many_threads_together_withdraw_exactly_what_the_node_holds() {
    let (scratch, secret) = (Scratch::new("escrow"), secret(2));
    let node = open(&scratch, "mill", &secret);
    create(&node, &[]);
    let taken: u64 = thread::scope(|scope| {
        let take = || {
            let took = |amount| withdraw(&node, amount).map_or(0, |()| amount);
            (0..100).map(|round| took(1 + round % 7)).sum::<u64>()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(take)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    let left = report(&node).available;
    assert_eq!(taken + left, 1000);
    assert!(left < 7 && report(&node).state.violations().is_empty());
    assert_eq!(report(&node).state.balance(), i128::from(left));
}

#[test]
fn what_is_available_never_rises_by_a_withdrawal() {
    let (scratch, secret) = (Scratch::new("escrow"), secret(14));
    let node = open(&scratch, "mill", &secret);
    create(&node, &[]);
    thread::scope(|scope| {
        let taker = scope.spawn(|| (0..1000).for_each(|_| withdraw(&node, 1).unwrap()));
        let mut available = 1000;
        while !taker.is_finished() {
            let now = report(&node).available;
            assert!(now <= available, "{now} after {available}");
            available = now;
        }
    });
    assert_eq!(report(&node).available, 0);
}

#[test]
fn a_deed_with_a_key_is_done_once_whatever_has_become_of_it() {
    let (scratch, secret) = (Scratch::new("escrow"), secret(15));
    let node = open(&scratch, "mill", &secret);
    let once = |node: &Node, key: &str| steel(node).with_idempotency_key(key);
    let new = || NewAccount { amount: 10, floor: 0, shares: Vec::new() };
    let created = once(&node, "create").create(new()).wait().unwrap();
    let again = once(&node, "create").create(new()).wait().unwrap();
    assert_eq!((again.receipt(0), again.replayed), (created.receipt(0), true), "not `exists`");

    // Asked again before the first answer is there, by as many as like.
    let takes = |node: &Node| once(node, "order 1").withdraw(10, Some(Value::from("order 1")));
    let answers: Vec<_> = (0..8).map(|_| takes(&node)).collect();
    let answers = answers.into_iter().map(Pending::wait).collect::<Result<Vec<_>, _>>().unwrap();
    assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1);
    assert!(answers.iter().all(|answer| answer.receipt(0) == answers[0].receipt(0)));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert!(takes(&node).wait().unwrap().replayed));
        }
    });
    assert_eq!(report(&node).state.balance(), 0);
    for other in [
        once(&node, "order 1").withdraw(10, None),
        once(&node, "order 1").deposit(10, Some(Value::from("order 1"))),
        once(&node, "order 1").with_id(report(&node).state.id()).withdraw(10, None),
        node.account("wood").unwrap().with_idempotency_key("order 1").create(new()),
    ] {
        let error = other.wait().unwrap_err();
        assert_eq!(error.reason(), Some("idempotency_key"), "{error}");
    }
    let plain = PublishOptions { idempotency_key: Some(b"order 1".to_vec()), ..Default::default() };
    let error = node.publish(vec![event("x", 1)], plain).wait().unwrap_err();
    assert_eq!(error.reason(), Some("idempotency_key"));
    // What was refused was not done, so it is decided again.
    let late = || once(&node, "order 2").withdraw(4, None).wait();
    assert_eq!(late().unwrap_err().kind(), ErrorKind::Overdraft);
    steel(&node).deposit(5, None).wait().unwrap();
    assert!(!late().unwrap().replayed);

    node.close(DEADLINE).unwrap();
    let node = open(&scratch, "mill", &secret);
    let again = takes(&node).wait().unwrap();
    assert_eq!((again.receipt(0), again.replayed), (answers[0].receipt(0), true));
    assert_eq!(report(&node).available, 1);
    let press = || node.claim("press 7").unwrap().with_idempotency_key("shift 1");
    let elsewhere = NodeId::from_bytes([9; 32]);
    node.claim("press 7").unwrap().create(None).wait().unwrap();
    assert!(!press().transfer(elsewhere).wait().unwrap().replayed);
    assert!(press().transfer(elsewhere).wait().unwrap().replayed, "not `not_held`");
}

#[test]
fn rights_that_are_asked_for_come_from_whoever_is_left_to_answer() {
    let (scratch, secret) = (Scratch::new("escrow"), secret(3));
    let [mill, press, paint] = ["mill", "press", "paint"].map(|name| open(&scratch, name, &secret));
    create(&mill, &[(&press, 300), (&paint, 50)]);
    for (from, to) in [(&press, &mill), (&paint, &mill), (&paint, &press)] {
        link(from, to).unwrap();
    }
    for (node, own) in [(&press, 300), (&paint, 50)] {
        until_account(node, "its share", |report| report.available == own);
    }
    steel(&mill).answer_requests(Some(GrantPolicy { reserve: 600 })).unwrap();
    steel(&press).answer_requests(Some(GrantPolicy { reserve: 100 })).unwrap();

    // The mill holds most and answers, but for what it keeps.
    steel(&paint).request(50).wait().unwrap();
    until_account(&paint, "all that was asked for", |report| report.available == 100);
    assert_eq!(report(&paint).state.requests(), []);
    until_account(&press, "the grant", |report| report.state.requests().is_empty());
    assert_eq!(report(&press).available, 300);

    // The mill is gone, and the press answers after a while.
    cut(&mill);
    steel(&paint).request(250).wait().unwrap();
    until_account(&paint, "what the press can spare", |report| report.available == 300);
    assert_eq!(report(&paint).state.requests()[0].outstanding, 50);
    withdraw(&paint, 300).unwrap();

    mend(&mill, &[&press, &paint]);
    for node in [&mill, &press, &paint] {
        until_account(node, "the withdrawal", |report| report.state.balance() == 700);
        assert!(report(node).state.violations().is_empty());
    }
}

#[test]
fn events_that_arrive_late_and_a_restart_lead_to_the_same_account() {
    let (scratch, secret) = (Scratch::new("escrow"), secret(4));
    let [mill, press] = ["mill", "press"].map(|name| open(&scratch, name, &secret));
    create(&mill, &[(&press, 500)]);
    link(&press, &mill).unwrap();
    until_account(&press, "its share", |report| report.available == 500);
    cut(&press);
    // Each goes on with lamports of its own, so what comes later sorts between.
    for _ in 0..300 {
        withdraw(&press, 1).unwrap();
    }
    let other = vec![event("other", 1)];
    mill.publish(other, PublishOptions::default()).wait().unwrap();
    for _ in 0..300 {
        withdraw(&mill, 1).unwrap();
        assert!(report(&mill).state.balance() >= 700);
    }
    mend(&press, &[&mill]);
    for node in [&mill, &press] {
        until_account(node, "all withdrawals", |report| report.state.balance() == 400);
    }
    assert_eq!(report(&mill).state, report(&press).state);
    let before = report(&press).state;
    press.close(DEADLINE).unwrap();
    let press = open(&scratch, "press", &secret);
    assert_eq!(report(&press).state, before);
    assert_eq!(report(&press).available, 200);
}

#[test]
fn a_restored_store_spends_nothing_of_its_former_stream_until_it_is_told_to_recover() {
    let (scratch, secret) = (Scratch::new("escrow"), secret(5));
    let mill = open(&scratch, "mill", &secret);
    create(&mill, &[]);
    withdraw(&mill, 300).unwrap();
    let former = mill.own_stream();
    mill.close(DEADLINE).unwrap();
    copy(&scratch.path().join("mill"), &scratch.path().join("restored"));

    let mill = open(&scratch, "restored", &secret);
    let error = withdraw(&mill, 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Overdraft);
    let elsewhere = Overdraft::of(&error).unwrap().elsewhere;
    assert_eq!((elsewhere[0].stream, elsewhere[0].amount), (former, 700));
    assert!(elsewhere[0].is_frozen);
    let (first, second) = (steel(&mill).recover(), steel(&mill).recover());
    first.wait().unwrap();
    // Decided before the first is durable it would take the same rights twice; after it, nothing.
    let refused = second.wait().unwrap_err();
    assert!(
        refused.reason() == Some("under_way") || refused.kind() == ErrorKind::NotFound,
        "{refused}"
    );
    assert_eq!(report(&mill).available, 700);
    withdraw(&mill, 700).unwrap();
    assert_eq!(steel(&mill).recover().wait().unwrap_err().kind(), ErrorKind::NotFound);
    assert!(report(&mill).state.violations().is_empty());
}

#[test]
fn what_a_restored_store_does_not_know_of_its_former_stream_is_waited_for() {
    let (scratch, secret) = (Scratch::new("escrow"), secret(8));
    let [mill, press] = ["mill", "press"].map(|name| open(&scratch, name, &secret));
    create(&mill, &[(&press, 100)]);
    link(&press, &mill).unwrap();
    until_account(&press, "its share", |report| report.available == 100);
    mill.close(DEADLINE).unwrap();
    copy(&scratch.path().join("mill"), &scratch.path().join("restored"));
    let mill = open(&scratch, "mill", &secret);
    withdraw(&mill, 300).unwrap();
    link(&press, &mill).unwrap();
    until_account(&press, "the withdrawal", |report| report.state.balance() == 700);
    mill.close(DEADLINE).unwrap();
    // They know where the other one was, and would meet by themselves.
    cut(&press);

    // It knows that there are others, and asked none: its backup may be behind.
    let mill = open(&scratch, "restored", &secret);
    let error = withdraw(&mill, 1).unwrap_err();
    assert_eq!(Overdraft::of(&error).unwrap().recoverable, 900, "as far as it knows");
    assert!(error.message().contains("recover"), "{error}");
    let refused = steel(&mill).recover().wait().unwrap_err();
    assert_eq!((refused.kind(), refused.reason()), (ErrorKind::NotYetVisible, Some("nobody_met")));
    press.set_network(true).wait().unwrap();
    link(&press, &mill).unwrap();
    until(&mill, "the recovery", |mill| match steel(mill).recover().wait() {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::NotYetVisible, "{error}");
            false
        }
    });
    assert_eq!(report(&mill).available, 600, "without what was withdrawn after the backup");
    withdraw(&mill, 600).unwrap();
    until_account(&press, "all withdrawals", |report| report.state.balance() == 100);
    assert!(report(&press).state.violations().is_empty());
}

#[test]
fn two_accounts_of_one_name_keep_their_meaning_and_their_rights() {
    let (scratch, secret) = (Scratch::new("escrow"), secret(9));
    let [mill, press, paint] = ["mill", "press", "paint"].map(|name| open(&scratch, name, &secret));
    create(&mill, &[]);
    // Not the same account by chance: it has its author.
    create(&press, &[]);
    link(&mill, &press).unwrap();
    for node in [&mill, &press] {
        until_account(node, "the rival", |report| report.rivals.len() == 1);
    }
    let ids = [&mill, &press].map(|node| report(node).state.id());
    assert_eq!([&mill, &press].map(|node| report(node).rivals[0].id), [ids[1], ids[0]]);
    let firsts = [&mill, &press].map(|node| report(node).rivals[0].is_first);
    assert!(firsts == [true, false] || firsts == [false, true], "one of them is the first");
    withdraw(&mill, 300).unwrap();
    withdraw(&press, 400).unwrap();

    // Rights in the other one are reached by its id.
    steel(&mill).grant(press.node_id(), 200).wait().unwrap();
    let of_mill = steel(&press).with_id(ids[0]);
    until(&press, "the grant", |_| of_mill.report().unwrap().available == 200);
    of_mill.withdraw(200, None).wait().unwrap();
    assert_eq!(of_mill.report().unwrap().state.balance(), 500);
    assert_eq!(report(&press).state.id(), ids[1], "it does not flip");
    assert_eq!(report(&press).state.balance(), 600);

    // Who acted in none takes the first one.
    link(&paint, &press).unwrap();
    until_account(&paint, "both", |report| report.rivals.len() == 1);
    assert!(!report(&paint).rivals[0].is_first);
    let unknown = steel(&press).with_id(AccountId::from_bytes([1; 16]));
    assert_eq!(unknown.report().unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn another_policy_is_heard_at_once() {
    let (scratch, secret) = (Scratch::new("escrow"), secret(10));
    let [mill, paint] = ["mill", "paint"].map(|name| open(&scratch, name, &secret));
    create(&mill, &[]);
    link(&paint, &mill).unwrap();
    until_account(&paint, "the account", |_| true);
    steel(&mill).answer_requests(Some(GrantPolicy { reserve: 600 })).unwrap();
    steel(&paint).request(500).wait().unwrap();
    until_account(&paint, "what is above the reserve", |report| report.available == 400);
    steel(&mill).answer_requests(Some(GrantPolicy { reserve: 0 })).unwrap();
    until_account(&paint, "all that was asked for", |report| report.available == 500);
}

#[test]
fn a_store_that_was_cloned_and_spent_twice_is_proven_to_all_and_harms_nobody_else() {
    let (scratch, secret) = (Scratch::new("escrow"), secret(6));
    let [mill, press] = ["mill", "press"].map(|name| open(&scratch, name, &secret));
    create(&mill, &[(&press, 400)]);
    link(&press, &mill).unwrap();
    until_account(&press, "its share", |report| report.available == 400);
    let former = mill.own_stream();
    mill.close(DEADLINE).unwrap();
    // Written back into the same files, a backup is not noticed at opening.
    let own = scratch.path().join("mill");
    let [backup, first] = ["backup", "first"].map(|name| scratch.path().join(name));
    copy(&own, &backup);
    let mill = open(&scratch, "mill", &secret);
    withdraw(&mill, 600).unwrap();
    mill.close(DEADLINE).unwrap();
    copy(&own, &first);
    write_back(&backup, &own);
    let mill = open(&scratch, "mill", &secret);
    assert_eq!(mill.own_stream(), former, "it was not noticed");
    steel(&mill).grant(press.node_id(), 600).wait().unwrap();
    link(&press, &mill).unwrap();
    until_account(&press, "the grant", |report| report.available == 1000);
    withdraw(&press, 1000).unwrap();
    mill.close(DEADLINE).unwrap();

    // The first history comes back.
    write_back(&first, &own);
    let mill = open(&scratch, "mill", &secret);
    link(&press, &mill).unwrap();
    for node in [&press, &mill] {
        until_account(node, "both histories", |report| report.state.balance() == -600);
    }
    let state = report(&press).state;
    assert_eq!(state.uncovered_count(), 0, "the press may rely on what it was granted");
    let violations = state.violations();
    let [Violation::Overdrawn { stream, by, proof }] = violations.as_slice() else {
        panic!("{violations:?}")
    };
    assert_eq!((*stream, *by), (former, 600));
    let branch = &proof.forks[0].branches[0];
    for head in &branch.proof {
        head.verify(&press.swarm_id()).expect("a proof is signed by who is to blame");
    }
}

#[test]
fn an_account_says_what_cannot_be() {
    let (scratch, secret) = (Scratch::new("escrow"), secret(7));
    let mill = open(&scratch, "mill", &secret);
    let nobody = NodeId::from_bytes([9; 32]);
    let kind = |result: Result<_, Error>| result.map(drop).unwrap_err().kind();
    assert_eq!(kind(mill.account("").map(drop)), ErrorKind::InvalidArgument);
    assert_eq!(kind(withdraw(&mill, 1)), ErrorKind::NotFound);
    let too_much = NewAccount { amount: 5, floor: 0, shares: vec![(nobody, 6)] };
    assert_eq!(kind(steel(&mill).create(too_much).wait().map(drop)), ErrorKind::InvalidArgument);
    create(&mill, &[]);
    let again = steel(&mill).create(NewAccount::default()).wait();
    assert_eq!(again.unwrap_err().reason(), Some("exists"));
    assert_eq!(kind(withdraw(&mill, 0)), ErrorKind::InvalidArgument);
    assert_eq!(kind(withdraw(&mill, u64::MAX)), ErrorKind::LimitExceeded);
    assert_eq!(
        kind(steel(&mill).grant(mill.node_id(), 1).wait().map(drop)),
        ErrorKind::InvalidArgument
    );
    steel(&mill).deposit(50, None).wait().unwrap();
    assert_eq!(report(&mill).available, 1050);

    let reserved =
        NewEvent { tags: TagSet::new(["millpond:escrow:steel"]).unwrap(), ..event("x", 1) };
    let refused = mill.publish(vec![reserved], PublishOptions::default()).wait();
    assert_eq!(refused.unwrap_err().reason(), Some("reserved_tag"));
    let account = steel(&mill);
    mill.close(DEADLINE).unwrap();
    assert_eq!(kind(account.report().map(drop)), ErrorKind::Closed);
    assert_eq!(kind(account.withdraw(1, None).wait().map(drop)), ErrorKind::Closed);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// As a backup is that goes back into the same files.
fn write_back(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::write(to.join(entry.file_name()), std::fs::read(entry.path()).unwrap()).unwrap();
    }
}
