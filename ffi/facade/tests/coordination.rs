//! Accounts, claims and several fish at once through the facade.
#![allow(clippy::unwrap_used)] // A panic of a test is its report.

mod support;

use millpond_facade::{
    AnswerPolicy, Deed, DeedOptions, Draft, EventView, FishJob, FishSpec, FoldHandle, GroupAnswer,
    GroupHandle, GroupStep, GroupView, JobAnswer, Limit, NodeHandle, Offsets, PublishOptions,
    Published, ReadOptions, Result, SessionHandle, StateView, Wait, json,
};
use serde_json::Value;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use support::{Mill, SOON, networked, receiver, soon};

fn act(mill: &Mill, deed: Deed) -> Result<Published> {
    mill.node.act(deed, DeedOptions::default(), &soon())
}

fn act_once(mill: &Mill, key: &str, deed: Deed) -> Result<Published> {
    let idempotency_key = Some(key.as_bytes().to_vec());
    mill.node.act(deed, DeedOptions { idempotency_key, ..DeedOptions::default() }, &soon())
}

fn create(amount: i64, shares: &[(&str, u64)]) -> Deed {
    let shares = shares.iter().map(|(to, amount)| ((*to).to_owned(), *amount)).collect();
    Deed::AccountCreate { name: "steel".into(), id: None, amount, floor: 0, shares }
}

fn withdraw(amount: u64) -> Deed {
    let note = Some(json::to_cbor(r#"{"order":7}"#).unwrap().into());
    Deed::AccountWithdraw { name: "steel".into(), id: None, amount, note }
}

fn report(mill: &Mill) -> Value {
    let text = mill.node.account_json("steel", None, ReadOptions::default(), &soon()).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn an_account_is_spent_by_rights_and_says_what_is_left() {
    let mill = Mill::open();
    let error = mill.node.account_json("steel", None, ReadOptions::default(), &soon()).unwrap_err();
    assert_eq!(error.name, "not_found");
    let elsewhere = "ab".repeat(32);
    act(&mill, create(1000, &[(&elsewhere, 400)])).unwrap();
    assert_eq!(act(&mill, create(1000, &[])).unwrap_err().reason, Some("exists"));
    assert_eq!(act(&mill, withdraw(500)).unwrap().count, 1);
    let error = act(&mill, withdraw(101)).unwrap_err();
    assert_eq!(error.name, "overdraft");
    let details: Value = serde_json::from_str(&error.details_json().unwrap()).unwrap();
    assert_eq!((&details["wanted"], &details["available"]), (&101.into(), &100.into()));
    assert_eq!(details["elsewhere"][0][1], 400);
    let report = report(&mill);
    assert_eq!((&report["balance"], &report["available"]), (&500.into(), &100.into()));
    assert_eq!(report["holdings"].as_array().unwrap().len(), 2);
    assert_eq!(report["as_of"], mill.node.offsets().unwrap().token());
    for wrong in [
        Deed::AccountGrant { name: "steel".into(), id: None, to: "x".into(), amount: 1 },
        Deed::AccountDeposit { name: "steel".into(), id: None, amount: 0, note: None },
        Deed::AccountDeposit {
            name: "steel".into(),
            id: None,
            amount: 1,
            note: Some(vec![0xff].into()),
        },
    ] {
        assert_eq!(act(&mill, wrong).unwrap_err().name, "invalid_argument");
    }
    mill.node.answer_requests("steel", Some(AnswerPolicy::default())).unwrap();
    mill.node.answer_requests("steel", None).unwrap();
    mill.close();
    assert_eq!(act(&mill, withdraw(1)).unwrap_err().name, "closed");
}

#[test]
fn a_deed_with_a_key_is_done_once_and_answered_again() {
    let mill = Mill::open();
    let created = act_once(&mill, "begin", create(10, &[])).unwrap();
    assert!(!created.replayed);
    let first = act_once(&mill, "order 1", withdraw(10)).unwrap();
    for _ in 0..2 {
        let again = act_once(&mill, "order 1", withdraw(10)).unwrap();
        assert!(again.replayed, "nothing is left, and nothing more is taken");
        assert_eq!((again.key(0), again.time_micros), (first.key(0), first.time_micros));
        assert!(again.token.covers(&first.token));
    }
    assert_eq!(act(&mill, withdraw(1)).unwrap_err().name, "overdraft");
    assert_eq!(act_once(&mill, "begin", create(10, &[])).unwrap().key(0), created.key(0));
    for other in [withdraw(9), create(10, &[]), Deed::DoingRelease { what: "steel".into() }] {
        let error = act_once(&mill, "order 1", other).unwrap_err();
        assert_eq!((error.name, error.reason), ("conflict", Some("idempotency_key")));
    }
    assert_eq!(act_once(&mill, "", withdraw(1)).unwrap_err().name, "invalid_argument");
    let long = "x".repeat(256);
    assert_eq!(act_once(&mill, &long, withdraw(1)).unwrap_err().name, "limit_exceeded");
    assert_eq!(report(&mill)["balance"], 0);

    // What is taken back once takes back nothing that was said since.
    let say = || {
        let said = mill.node.do_optimistically("weld", None, ReadOptions::default(), &soon());
        said.unwrap().next_standing(&soon()).unwrap().standing
    };
    let release = || Deed::DoingRelease { what: "weld".into() };
    assert_eq!(say(), "won");
    act_once(&mill, "done", release()).unwrap();
    assert!(mill.node.own_doing("weld", &soon()).unwrap().is_none());
    assert_eq!(say(), "won");
    assert!(act_once(&mill, "done", release()).unwrap().replayed);
    assert!(mill.node.own_doing("weld", &soon()).unwrap().is_some());
    mill.close();
}

#[test]
fn a_deed_that_waited_for_what_was_seen_is_done_by_a_worker() {
    let mill = Mill::open();
    act(&mill, create(10, &[])).unwrap();
    // One event more than there is.
    let own = mill.node.stream().unwrap();
    let ahead = Offsets::from_entries([(own, 2)]).unwrap();
    let (done, refused) = mpsc::channel();
    let reading = ReadOptions { after: Some(ahead), session: None };
    let options = DeedOptions { reading, ..DeedOptions::default() };
    mill.node.act_start(withdraw(100), options, Limit::default(), move |answer| {
        let thread = thread::current().name().map(str::to_owned);
        done.send((answer.unwrap_err().name, thread)).unwrap();
    });
    mill.publish_json(&["1"]);
    let (name, thread) = refused.recv_timeout(SOON).unwrap();
    assert_eq!((name, thread.as_deref()), ("overdraft", Some("millpond-work")));
    mill.close();
}

#[test]
fn a_session_has_seen_the_claim_that_it_made() {
    let mill = Mill::open();
    let session = SessionHandle::new().unwrap();
    let reading = || ReadOptions { after: None, session: Some(session) };
    let seen = || session.token().unwrap().total();
    mill.node.do_optimistically("weld", None, reading(), &soon()).unwrap();
    assert_eq!(seen(), 1);
    let (done, said) = receiver();
    mill.node.do_optimistically_start("paint", None, reading(), Limit::default(), done);
    said.recv_timeout(SOON).unwrap().unwrap();
    assert_eq!(seen(), 2);
    session.close().unwrap();
    mill.close();
}

#[test]
fn news_of_an_account_is_waited_for() {
    let mill = Mill::open();
    act(&mill, create(10, &[])).unwrap();
    let first = mill.node.next_account_json("steel", None, None, &soon()).unwrap();
    let as_of = |text: &str| {
        let report: Value = serde_json::from_str(text).unwrap();
        report["as_of"].as_str().unwrap().to_owned()
    };
    let brief = Wait::timeout(Duration::from_millis(20));
    let error =
        mill.node.next_account_json("steel", None, Some(&as_of(&first)), &brief).unwrap_err();
    assert_eq!(error.name, "timeout");
    // What is not about it is no news.
    mill.publish_json(&["1"]);
    let error =
        mill.node.next_account_json("steel", None, Some(&as_of(&first)), &brief).unwrap_err();
    assert_eq!(error.name, "timeout");
    let (done, news) = receiver();
    let limit = Limit::default();
    mill.node.next_account_json_start("steel", None, Some(&as_of(&first)), limit, done);
    act(&mill, withdraw(3)).unwrap();
    let second = news.recv_timeout(SOON).unwrap().unwrap();
    assert!(second.contains("\"balance\":7"), "{second}");
    let again = mill.node.next_account_json("steel", None, Some(&as_of(&first)), &soon()).unwrap();
    assert_eq!(again, second, "also what is available, while the withdrawal is acknowledged");
    let (done, news) = receiver();
    mill.node.next_account_json_start("steel", None, Some(&as_of(&second)), limit, done);
    mill.close();
    assert_eq!(news.recv_timeout(SOON).unwrap().unwrap_err().name, "closed");
}

#[test]
fn a_claim_has_a_holder_and_moves() {
    let mill = Mill::open();
    let claim = || {
        let text = mill.node.claim_json("M-017", ReadOptions::default(), &soon()).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()
    };
    assert!(claim()["holder"].is_null());
    let what = || "M-017".to_owned();
    act(&mill, Deed::ClaimCreate { what: what(), holder: None }).unwrap();
    let own = mill.node.node_id().unwrap();
    assert_eq!(claim()["holder"]["node"], own);
    assert!(!claim()["own_fence"].is_null());
    let who = mill.node.who_does_json("M-017", ReadOptions::default(), &soon()).unwrap();
    assert!(who.contains(&own), "{who}");
    mill.node.hand_over_when_asked("M-017", true).unwrap();
    act(&mill, Deed::ClaimTransfer { what: what(), to: "ab".repeat(32) }).unwrap();
    let error = act(&mill, Deed::ClaimTransfer { what: what(), to: "cd".repeat(32) });
    assert_eq!(error.unwrap_err().reason, Some("not_held"));
    act(&mill, Deed::ClaimRequest { what: what(), is_wanted: true }).unwrap();
    assert_eq!(claim()["requests"][0]["node"], own);
    assert!(claim()["own_fence"].is_null());
    mill.close();
}

#[test]
fn an_optimistic_claim_says_how_it_stands() {
    let mill = Mill::open();
    let reading = ReadOptions::default;
    assert!(mill.node.own_doing("welding", &soon()).unwrap().is_none());
    let note = json::to_cbor("7").unwrap();
    let said = mill.node.do_optimistically("welding", Some(note.into()), reading(), &soon());
    let said = said.unwrap();
    let first = said.next_standing(&soon()).unwrap();
    assert_eq!((first.standing, first.is_end), ("won", false));
    assert_eq!(first.winner.as_ref().unwrap().0, said.key().unwrap());
    assert!(first.json().contains("\"note\":7"), "{}", first.json());
    let brief = Wait::timeout(Duration::from_millis(20));
    assert_eq!(said.next_standing(&brief).unwrap_err().name, "timeout");
    let own = mill.node.own_doing("welding", &soon()).unwrap().unwrap();
    assert_eq!(own.key(), said.key());
    let (done, next) = receiver();
    said.next_standing_start(Limit::default(), done);
    act(&mill, Deed::DoingRelease { what: "welding".into() }).unwrap();
    assert_eq!(next.recv_timeout(SOON).unwrap().unwrap().standing, "released");
    own.close().unwrap();
    let (done, again) = receiver();
    mill.node.do_optimistically_start("welding", None, reading(), Limit::default(), done);
    let again = again.recv_timeout(SOON).unwrap().unwrap();
    assert_eq!(again.next_standing(&soon()).unwrap().standing, "won");
    mill.close();
    assert!(again.next_standing(&soon()).unwrap().is_end);
}

#[test]
fn a_claim_that_is_said_again_stands_as_the_first_one() {
    let mill = Mill::open();
    let say = || mill.node.do_optimistically("weld", None, ReadOptions::default(), &soon());
    let (first, again) = (say().unwrap(), say().unwrap());
    assert_ne!(first.key(), again.key());
    for said in [first, again] {
        let view = said.next_standing(&soon()).unwrap();
        assert_eq!((view.standing, view.winner.unwrap().0), ("won", first.key().unwrap()));
    }
    act(&mill, Deed::DoingRelease { what: "weld".into() }).unwrap();
    for said in [first, again] {
        let view = said.next_standing(&soon()).unwrap();
        assert_eq!((view.standing, view.winner), ("released", None));
    }
    mill.close();
}

fn publish(node: NodeHandle, tag: &str, payload: &str) {
    let drafts = vec![Draft::from_json([tag], payload).unwrap()];
    node.publish(drafts, PublishOptions::default(), &soon()).unwrap();
}

#[test]
fn a_claim_that_lost_stays_lost_when_the_winner_is_released() {
    let folder = tempfile::tempdir().unwrap();
    let [mill, paint] = ["mill", "paint"].map(|name| networked(&folder, name));
    let say =
        |node: NodeHandle| node.do_optimistically("weld", None, ReadOptions::default(), &soon());
    let winner = say(mill).unwrap();
    publish(paint, "x", "1");
    let loser = say(paint).unwrap();
    assert_eq!(loser.next_standing(&soon()).unwrap().standing, "won");
    paint.connect(&mill.ticket(&soon()).unwrap(), &soon()).unwrap();
    let lost = loser.next_standing(&soon()).unwrap();
    assert_eq!((lost.standing, lost.winner.unwrap().0), ("lost", winner.key().unwrap()));
    // So the release sorts behind the claim that lost.
    mill.wait_for(&paint.offsets().unwrap(), None, &soon()).unwrap();
    let release = Deed::DoingRelease { what: "weld".into() };
    let released = mill.act(release, DeedOptions::default(), &soon()).unwrap();
    paint.wait_for(&released.token, None, &soon()).unwrap();
    // A handle that looks only now is told the same.
    let now = paint.own_doing("weld", &soon()).unwrap().unwrap();
    let lost = now.next_standing(&soon()).unwrap();
    assert_eq!((lost.standing, lost.winner.unwrap().0), ("lost", winner.key().unwrap()));
    for node in [mill, paint] {
        node.close(&Wait::forever()).unwrap();
    }
}

/// Counts the events of a fish.
fn count(fold: FoldHandle) {
    let mut count = 0u64;
    let work = move |job| match job {
        FishJob::Load(None) => {
            count = 0;
            JobAnswer::Loaded
        }
        FishJob::Load(Some(bytes)) => {
            count = json::from_cbor(&bytes).unwrap().parse().unwrap();
            JobAnswer::Loaded
        }
        FishJob::Apply(events) => {
            count += events.len() as u64;
            JobAnswer::Applied { last_reset: None }
        }
        _ => JobAnswer::Saved(json::to_cbor(&count.to_string()).unwrap().into()),
    };
    fold.work_on_thread(Box::new(work)).unwrap();
}

/// The next view; makes a counting fish named by the payload of each seed, but for `null`.
fn next_view(group: GroupHandle) -> GroupView {
    next_view_of(group, |name| FishSpec::code(name, 1, &format!("FROM '{name}'")))
}

/// The next view; makes a counting fish of the payload of each seed, but for `null`.
fn next_view_of(group: GroupHandle, make: impl Fn(&str) -> FishSpec) -> GroupView {
    let mut answer = None;
    loop {
        match group.next_step(answer.take(), &soon()).unwrap() {
            GroupStep::Seeds(seeds) => {
                let fish = seeds.iter().map(|seed: EventView<'_>| {
                    let name = json::from_cbor(seed.payload().unwrap()).unwrap();
                    (name != "null").then(|| make(&name))
                });
                answer = Some(GroupAnswer::Made(fish.collect()));
            }
            GroupStep::Folds(folds) => folds.into_iter().for_each(|(_, fold)| count(fold)),
            GroupStep::States(view) => return view,
            GroupStep::Ended => panic!("the group has ended"),
        }
    }
}

fn shown(view: &GroupView) -> Vec<(String, String)> {
    let state = |(id, state): &(String, StateView)| (id.clone(), state.json().unwrap());
    view.states.iter().map(state).collect()
}

#[test]
fn a_group_shows_all_fish_that_its_seeds_make() {
    let mill = Mill::open();
    let reading = ReadOptions::default;
    let empty = mill.node.observe_group("FROM 'grain'", false, reading(), &soon()).unwrap();
    assert!(shown(&next_view(empty)).is_empty());
    mill.publish_json(&["1", "2", "null", "1"]);
    let group = mill.node.observe_group("FROM 'grain'", false, reading(), &soon()).unwrap();
    let view = next_view(group);
    assert_eq!(shown(&view), [("1".to_owned(), "0".to_owned()), ("2".into(), "0".into())]);
    assert_eq!(view.number, 1);
    mill.publish_json(&["3"]);
    assert_eq!(shown(&next_view(group)).len(), 3);
    let (done, step) = receiver();
    group.next_step_start(None, Limit::default(), done);
    group.close().unwrap();
    assert!(matches!(step.recv_timeout(SOON).unwrap().unwrap(), GroupStep::Ended));

    // What goes wrong in the code that makes fish ends the group.
    let group = mill.node.observe_group("FROM 'grain'", false, reading(), &soon()).unwrap();
    assert!(matches!(group.next_step(None, &soon()).unwrap(), GroupStep::Seeds(_)));
    let error = group.next_step(None, &soon()).unwrap_err();
    assert_eq!(error.name, "invalid_argument");
    let error = group.next_step(Some(GroupAnswer::Made(Vec::new())), &soon()).unwrap_err();
    assert_eq!(error.name, "invalid_argument");
    let answer = GroupAnswer::Failed { index: 1, message: "no".into() };
    let error = group.next_step(Some(answer), &soon()).unwrap_err();
    assert_eq!((error.name, error.reason), ("user_code", Some("make_fish")));
    assert_eq!(group.next_step(None, &soon()).unwrap_err(), error);
    mill.close();
}

#[test]
fn a_group_of_one_waits_for_its_first_seed() {
    let mill = Mill::open();
    let group = mill.node.observe_group("FROM 'grain'", true, ReadOptions::default(), &soon());
    let group = group.unwrap();
    let brief = Wait::timeout(Duration::from_millis(20));
    assert_eq!(group.next_step(None, &brief).unwrap_err().name, "timeout");
    mill.publish_json(&["1", "2"]);
    assert_eq!(shown(&next_view(group)), [("1".to_owned(), "0".to_owned())]);
    let error = group.next_step(None, &brief).unwrap_err();
    assert_eq!(error.name, "timeout", "later seeds change nothing");
    mill.close();
    assert!(matches!(group.next_step(None, &soon()).unwrap(), GroupStep::Ended));
}

/// What the group of one shows when an older seed with this payload has arrived.
fn shown_after(older: &str) -> Vec<(String, String)> {
    let folder = tempfile::tempdir().unwrap();
    let [mill, press] = ["mill", "press"].map(|name| networked(&folder, name));
    publish(press, "seed", older);
    (0..2).for_each(|_| publish(mill, "x", "1"));
    publish(mill, "seed", "2");
    // Of one id, whatever the seed.
    let make = |version: &str| FishSpec::code("one", version.parse().unwrap(), "FROM 'x'");
    let group = mill.observe_group("FROM 'seed'", true, ReadOptions::default(), &soon()).unwrap();
    assert_eq!(shown(&next_view_of(group, make)), [("one".to_owned(), "2".to_owned())]);
    mill.connect(&press.ticket(&soon()).unwrap(), &soon()).unwrap();
    // It would be shown for as long as no older one is known.
    mill.wait_for(&press.offsets().unwrap(), None, &soon()).unwrap();
    publish(mill, "x", "1");
    let mut view = next_view_of(group, make);
    while shown(&view) == [("one".to_owned(), "2".to_owned())] {
        view = next_view_of(group, make);
    }
    for node in [mill, press] {
        node.close(&Wait::forever()).unwrap();
    }
    shown(&view)
}

#[test]
fn the_one_fish_is_that_of_the_oldest_seed_whatever_that_makes() {
    assert_eq!(shown_after("1"), [("one".to_owned(), "3".to_owned())], "another of the same id");
    assert!(shown_after("null").is_empty(), "none");
}

#[test]
fn who_asks_for_a_step_while_another_call_waits_has_handed_in_nothing() {
    let mill = Mill::open();
    let reading = ReadOptions::default();
    let group = mill.node.observe_group("FROM 'grain'", false, reading, &soon()).unwrap();
    assert!(shown(&next_view(group)).is_empty());
    let (done, step) = receiver();
    group.next_step_start(None, Limit::default(), done);
    let error = group.next_step(Some(GroupAnswer::Made(Vec::new())), &soon()).unwrap_err();
    assert!(error.message.contains("another call waits"), "{error}");
    mill.publish_json(&["1"]);
    assert!(matches!(step.recv_timeout(SOON).unwrap().unwrap(), GroupStep::Seeds(_)));
    let spec = FishSpec::code("1", 1, "FROM '1'");
    let wrong = Some(GroupAnswer::Made(vec![Some(spec.clone()), Some(spec.clone())]));
    assert_eq!(group.next_step(wrong, &soon()).unwrap_err().name, "invalid_argument");
    let right = Some(GroupAnswer::Made(vec![Some(spec)]));
    assert!(matches!(group.next_step(right, &soon()).unwrap(), GroupStep::Folds(_)));
    mill.close();
}
