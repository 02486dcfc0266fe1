//! Deeds that nobody waits for on a thread, and the loss of a claim.
#![allow(clippy::unwrap_used)] // A panic of a test is its report.

mod support;

use millpond_facade::{
    CancelHandle, Deed, DeedOptions, FishJob, FishSpec, JobAnswer, Limit, PublishOptions,
    ReadOptions, Wait, json,
};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use support::{Mill, SOON, networked, receiver, soon};

fn create(id: Option<&str>) -> Deed {
    let (name, id) = ("steel".to_owned(), id.map(str::to_owned));
    Deed::AccountCreate { name, id, amount: 0, floor: 0, shares: Vec::new() }
}

fn deposit(amount: u64) -> Deed {
    Deed::AccountDeposit { name: "steel".into(), id: None, amount, note: None }
}

fn withdraw(amount: u64) -> Deed {
    Deed::AccountWithdraw { name: "steel".into(), id: None, amount, note: None }
}

/// Finding out what an account holds may be a fold of all its events, which no event loop may do.
#[test]
fn what_a_deed_is_decided_from_is_read_by_a_worker() {
    let mill = Mill::open();
    let (done, refused) = mpsc::channel();
    let also_done = done.clone();
    let options = DeedOptions::default();
    mill.node.act_start(withdraw(1), options, Limit::default(), move |answer| {
        let thread = thread::current().name().map(str::to_owned);
        done.send((answer.unwrap_err().name, thread)).unwrap();
    });
    let worker = || Some("millpond-work".to_owned());
    assert_eq!(refused.recv_timeout(SOON).unwrap(), ("not_found", worker()));
    let reading = ReadOptions::default();
    mill.node.do_optimistically_start("", None, reading, Limit::default(), move |answer| {
        let thread = thread::current().name().map(str::to_owned);
        also_done.send((answer.unwrap_err().name, thread)).unwrap();
    });
    assert_eq!(refused.recv_timeout(SOON).unwrap(), ("invalid_argument", worker()));
    mill.close();
}

#[test]
fn deeds_that_were_asked_for_one_after_another_are_decided_in_that_order() {
    let mill = Mill::open();
    let act = |deed| mill.node.act(deed, DeedOptions::default(), &soon()).unwrap();
    let ask = |amount| {
        let (answer, answered) = receiver();
        mill.node.act_start(withdraw(amount), DeedOptions::default(), Limit::default(), answer);
        answered
    };
    act(create(None));
    for _ in 0..50 {
        act(deposit(10));
        // The second one is decided with what the first one takes, which is under way.
        let (first, second) = (ask(10), ask(1));
        first.recv_timeout(SOON).unwrap().unwrap();
        assert_eq!(second.recv_timeout(SOON).unwrap().unwrap_err().name, "overdraft");
    }
    mill.close();
}

#[test]
fn a_call_that_waits_for_a_worker_ends_in_time_and_with_its_token() {
    const WORKERS: usize = 4;
    let mill = Mill::open();
    let known = mill.node.who_does_json("job", ReadOptions::default(), &soon()).unwrap();
    let (began, have_begun) = mpsc::channel();
    let mut held = Vec::new();
    for _ in 0..WORKERS {
        let (release, released) = mpsc::channel::<()>();
        let began = began.clone();
        mill.node.own_doing_start("job", Limit::default(), move |_| {
            began.send(()).unwrap();
            let _ = released.recv();
        });
        held.push(release);
    }
    (0..WORKERS).for_each(|_| have_begun.recv_timeout(SOON).unwrap());
    let ask = |limit| {
        let (answer, answered) = receiver();
        mill.node.next_who_does_json_start("job", Some(&known), limit, answer);
        answered
    };
    let brief = Limit { timeout: Some(Duration::from_millis(20)), cancel: None };
    assert_eq!(ask(brief).recv_timeout(SOON).unwrap().unwrap_err().name, "timeout");
    let cancel = CancelHandle::new().unwrap();
    let answered = ask(Limit { timeout: None, cancel: Some(cancel) });
    cancel.cancel().unwrap();
    assert_eq!(answered.try_recv().unwrap().unwrap_err().name, "cancelled");
    drop(held);
    mill.close();
}

#[test]
fn an_account_that_has_an_id_is_not_created() {
    let mill = Mill::open();
    let id = "ab".repeat(16);
    let options = DeedOptions::default;
    let error = mill.node.act(create(Some(&id)), options(), &soon()).unwrap_err();
    assert_eq!((error.name, error.reason), ("conflict", Some("exists")));
    let error = mill.node.act(withdraw(1), options(), &soon()).unwrap_err();
    assert_eq!(error.name, "not_found");
    mill.close();
}

#[test]
fn a_loss_is_told_to_all_who_wait_for_it_and_at_once_to_who_asks_later() {
    let folder = tempfile::tempdir().unwrap();
    let [mill, paint] = ["mill", "paint"].map(|name| networked(&folder, name));
    let reading = ReadOptions::default;
    let winner = mill.do_optimistically("weld", None, reading(), &soon()).unwrap();
    let draft = millpond_facade::Draft::from_json(["x"], "1").unwrap();
    paint.publish(vec![draft], PublishOptions::default(), &soon()).unwrap();
    let loser = paint.do_optimistically("weld", None, reading(), &soon()).unwrap();
    let brief = Wait::timeout(Duration::from_millis(20));
    assert_eq!(loser.lost(&brief).unwrap_err().name, "timeout");
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let (done, lost) = receiver();
            loser.lost_start(Limit::default(), done);
            lost
        })
        .collect();
    assert_eq!(loser.next_standing(&soon()).unwrap().standing, "won");
    paint.connect(&mill.ticket(&soon()).unwrap(), &soon()).unwrap();
    assert_eq!(loser.next_standing(&soon()).unwrap().standing, "lost");
    let mut told: Vec<_> = waiting.iter().map(|lost| lost.recv_timeout(SOON).unwrap()).collect();
    told.push(loser.lost(&soon()));
    for lost in told {
        let lost = lost.unwrap();
        assert_eq!((lost.standing, lost.winner.unwrap().0), ("lost", winner.key().unwrap()));
    }
    let (done, ended) = receiver();
    winner.lost_start(Limit::default(), done);
    for node in [mill, paint] {
        node.close(&Wait::forever()).unwrap();
    }
    assert!(ended.recv_timeout(SOON).unwrap().unwrap().is_end);
    assert!(winner.lost(&soon()).unwrap().is_end);
    assert!(loser.lost(&soon()).unwrap().is_end);
}

#[test]
fn waiting_for_a_loss_ends_with_the_claim_and_with_its_handle() {
    let mill = Mill::open();
    let say = || mill.node.do_optimistically("weld", None, ReadOptions::default(), &soon());
    let (kept, closed) = (say().unwrap(), say().unwrap());
    let ask = |doing: millpond_facade::DoingHandle| {
        let (done, lost) = receiver();
        doing.lost_start(Limit::default(), done);
        lost
    };
    let (released, ended) = (ask(kept), ask(closed));
    closed.close().unwrap();
    let lost = ended.recv_timeout(SOON).unwrap();
    // Closed before a worker began to wait, or after.
    assert!(lost.map_or_else(|error| error.name == "closed", |view| view.is_end));
    assert_eq!(closed.lost(&soon()).unwrap_err().name, "closed");
    let release = Deed::DoingRelease { what: "weld".into() };
    mill.node.act(release, DeedOptions::default(), &soon()).unwrap();
    assert_eq!(released.recv_timeout(SOON).unwrap().unwrap().standing, "released");
    mill.close();
}

#[test]
fn a_node_says_that_it_is_closing_while_code_of_the_application_keeps_it_open() {
    let mill = Mill::open();
    let node = mill.node;
    assert!(!node.is_closing());
    let fish = FishSpec::code("count", 1, "FROM allEvents");
    let observed = node.observe(fish, ReadOptions::default(), &soon()).unwrap();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let (begin, begun) = mpsc::channel();
    let work = move |job| match job {
        FishJob::Load(_) => {
            begin.send(()).unwrap();
            let _ = may_go_on.recv();
            JobAnswer::Loaded
        }
        FishJob::Apply(_) => JobAnswer::Applied { last_reset: None },
        _ => JobAnswer::Saved(json::to_cbor("0").unwrap().into()),
    };
    observed.fold.unwrap().work_on_thread(Box::new(work)).unwrap();
    begun.recv_timeout(SOON).unwrap();
    let (done, closed) = receiver();
    node.close_start(Limit::default(), done);
    while !node.is_closing() {
        thread::yield_now();
    }
    assert!(node.is_open(), "its fold has not returned");
    drop(go_on);
    closed.recv_timeout(SOON).unwrap().unwrap();
    assert!(node.is_closing() && !node.is_open());
}
