//! Accounts, claims and restored disks of a lab, through the facade.
#![allow(clippy::unwrap_used)] // A panic of a test is its report.

use millpond_facade::{
    AnswerPolicy, Deed, DeedOptions, Draft, FishJob, FishSpec, JobAnswer, Lab, LabOptions, LabTask,
    Offsets, PublishOptions, Published, ReadOptions, Result, SessionHandle,
};
use serde_json::Value;
use std::time::Duration;

fn lab(nodes: u64, seed: u64) -> Lab {
    let (nodes, seed) = (Some(nodes), Some(seed));
    Lab::new(LabOptions { nodes, seed, ..LabOptions::default() }).unwrap()
}

fn act(lab: &Lab, node: u64, deed: Deed) -> Result<Published> {
    lab.act(node, deed, DeedOptions::default())
}

fn create(lab: &Lab, amount: i64, shares: &[(u64, u64)]) {
    let shares = shares.iter().map(|(to, amount)| (lab.node_id(*to).unwrap(), *amount)).collect();
    let deed = Deed::AccountCreate { name: "steel".into(), id: None, amount, floor: 0, shares };
    act(lab, 0, deed).unwrap();
}

fn withdraw(amount: u64) -> Deed {
    Deed::AccountWithdraw { name: "steel".into(), id: None, amount, note: None }
}

fn read(report: Result<String>) -> Value {
    serde_json::from_str(&report.unwrap()).unwrap()
}

fn report(lab: &Lab, node: u64) -> Value {
    read(lab.account_json(node, "steel", None, ReadOptions::default()))
}

/// Does a task that takes no code.
fn pass(lab: &Lab, task: LabTask) {
    lab.begin(task).unwrap();
    assert!(lab.next_job(None).unwrap().is_none());
}

#[test]
fn london_and_new_york_divide_an_account_with_every_seed() {
    for seed in 1..=100 {
        let lab = lab(2, seed);
        create(&lab, 1_000, &[(1, 400)]);
        pass(&lab, LabTask::Settle);
        lab.cut(&[vec![0], vec![1]]).unwrap();
        act(&lab, 0, withdraw(500)).unwrap();
        pass(&lab, LabTask::Advance(Duration::from_secs(lab.below(60).unwrap())));
        let refused = act(&lab, 1, withdraw(900)).unwrap_err();
        assert_eq!(refused.name, "overdraft");
        let details: Value = serde_json::from_str(&refused.details_json().unwrap()).unwrap();
        assert_eq!((&details["wanted"], &details["available"]), (&900.into(), &400.into()));
        act(&lab, 1, withdraw(400)).unwrap();
        pass(&lab, LabTask::Chaos(Some(10)));
        pass(&lab, LabTask::Calm);
        lab.check_scarce().unwrap();
        let (mut london, mut new_york) = (report(&lab, 0), report(&lab, 1));
        assert_eq!((&london["balance"], &london["available"]), (&100.into(), &100.into()));
        assert_eq!(new_york["available"], 0);
        for own in [&mut london, &mut new_york] {
            own.as_object_mut()
                .unwrap()
                .retain(|name, _| name != "available" && name != "own_stream");
        }
        assert_eq!(london, new_york);
    }
}

#[test]
fn requests_are_answered_while_time_passes_as_a_node_was_told_to() {
    let lab = lab(2, 3);
    create(&lab, 100, &[]);
    lab.answer_requests(0, "steel", Some(AnswerPolicy { reserve: Some(30) })).unwrap();
    let claim = Deed::ClaimCreate { what: "crane".into(), holder: None };
    act(&lab, 0, claim).unwrap();
    lab.hand_over_when_asked(0, "crane", true).unwrap();
    pass(&lab, LabTask::Settle);
    act(&lab, 1, Deed::AccountRequest { name: "steel".into(), id: None, amount: 90 }).unwrap();
    act(&lab, 1, Deed::ClaimRequest { what: "crane".into(), is_wanted: true }).unwrap();
    assert_eq!(report(&lab, 1)["available"], 0);
    pass(&lab, LabTask::Advance(Duration::from_secs(60)));
    assert_eq!(report(&lab, 1)["available"], 70);
    let claim = read(lab.claim_json(1, "crane", ReadOptions::default()));
    assert_eq!(claim["holder"]["node"], lab.node_id(1).unwrap());
    assert!(claim["own_fence"].is_string());
}

#[test]
fn who_has_lost_is_told_once_and_who_does_it_is_known() {
    let lab = lab(2, 5);
    lab.cut(&[vec![0], vec![1]]).unwrap();
    let note = Some(millpond_facade::json::to_cbor("7").unwrap().into());
    let first = lab.do_optimistically(0, "order 7", note, ReadOptions::default()).unwrap();
    // A greater lamport, so it is this one that loses.
    let draft = Draft::from_json(["grain"], "1").unwrap();
    lab.publish(1, None, vec![draft], PublishOptions::default()).unwrap();
    let second = lab.do_optimistically(1, "order 7", None, ReadOptions::default()).unwrap();
    assert_eq!(lab.own_doing(1, "order 7").unwrap(), Some(second.clone()));
    lab.tell_loss(0, "order 7", &first).unwrap();
    lab.tell_loss(1, "order 7", &second).unwrap();
    assert_eq!(lab.next_loss().unwrap(), None);
    lab.heal().unwrap();
    pass(&lab, LabTask::Settle);
    let lost = lab.next_loss().unwrap().unwrap();
    assert_eq!((lost.node, lost.what.as_str(), &lost.key), (1, "order 7", &second));
    assert_eq!(lab.next_loss().unwrap(), None);
    let standing = lab.standing(1, "order 7", &second).unwrap();
    let (winner, note) = standing.winner.unwrap();
    assert_eq!((standing.standing, winner, note.is_some()), ("lost", first, true));
    let who = read(lab.who_does_json(1, "order 7", ReadOptions::default()));
    assert_eq!((&who["winner"]["note"], who["doers"].as_array().unwrap().len()), (&7.into(), 2));
    act(&lab, 1, Deed::DoingRelease { what: "order 7".into() }).unwrap();
    assert_eq!(lab.own_doing(1, "order 7").unwrap(), None);
    assert_eq!(lab.standing(1, "order 7", &second).unwrap().standing, "released");
    assert_eq!(lab.standing(1, "order 7", "no key").unwrap_err().name, "invalid_argument");
}

#[test]
fn what_a_restored_disk_held_is_frozen_until_it_is_recovered() {
    let lab = lab(2, 7);
    create(&lab, 100, &[(1, 40)]);
    pass(&lab, LabTask::Settle);
    let backup = lab.back_up(1).unwrap();
    act(&lab, 1, withdraw(10)).unwrap();
    pass(&lab, LabTask::Settle);
    lab.restore(1, &backup).unwrap();
    assert!(!lab.is_up(1).unwrap());
    lab.start(1).unwrap();
    assert_eq!(act(&lab, 1, withdraw(1)).unwrap_err().name, "overdraft");
    let recover = || Deed::AccountRecover { name: "steel".into(), id: None, is_alone: false };
    assert_eq!(act(&lab, 1, recover()).unwrap_err().name, "not_yet_visible");
    pass(&lab, LabTask::Settle);
    act(&lab, 1, recover()).unwrap();
    assert_eq!(report(&lab, 1)["available"], 30);
    let other = self::lab(2, 7);
    assert_eq!(other.restore(1, &backup).unwrap_err().name, "invalid_argument");
}

#[test]
fn a_session_carries_what_was_done_and_told_from_node_to_node() {
    let (lab, session) = (lab(2, 9), SessionHandle::new().unwrap());
    create(&lab, 100, &[(1, 40)]);
    pass(&lab, LabTask::Settle);
    lab.cut(&[vec![0], vec![1]]).unwrap();
    let reading = || ReadOptions { after: None, session: Some(session) };
    let options = || DeedOptions { reading: reading(), idempotency_key: Some(b"7".to_vec()) };
    let done = lab.act(0, withdraw(5), options()).unwrap();
    assert!(session.token().unwrap().covers(&done.token));
    assert!(lab.act(0, withdraw(5), options()).unwrap().replayed);
    let missing = lab.account_json(1, "steel", None, reading()).unwrap_err();
    assert_eq!((missing.name, missing.missing.len()), ("not_yet_visible", 1));
    assert_eq!(lab.act(1, withdraw(1), options()).unwrap_err().name, "not_yet_visible");
    lab.heal().unwrap();
    pass(&lab, LabTask::Settle);
    assert_eq!(read(lab.account_json(1, "steel", None, reading()))["balance"], 95);
    session.close().unwrap();
}

#[test]
fn what_cannot_match_a_query_is_not_waited_for_in_a_lab() {
    let lab = lab(2, 1);
    let draft = Draft::from_json(["grain"], "1").unwrap();
    let published = lab.publish(1, None, vec![draft], PublishOptions::default()).unwrap();
    let wait = |query| lab.wait_for(0, &published.token, query).map_err(|error| error.name);
    assert_eq!(wait(None), Err("not_yet_visible"));
    assert_eq!(wait(Some("FROM 'grain'")), Err("not_yet_visible"));
    assert_eq!(wait(Some("FROM isLocal & 'grain'")), Ok(()));
    assert_eq!(wait(Some("FROM")), Err("query_invalid"));
    lab.crash(0).unwrap();
    assert_eq!(lab.wait_for(0, &Offsets::default(), None).unwrap_err().name, "closed");
}

#[test]
fn a_lab_whose_task_was_abandoned_is_used_again() {
    let lab = lab(1, 1);
    let draft = Draft::from_json(["grain"], "1").unwrap();
    lab.publish(0, None, vec![draft], PublishOptions::default()).unwrap();
    let fish = || FishSpec::code("orders", 1, "FROM 'grain'");
    let options = ReadOptions::default;
    let task = || LabTask::State { node: 0, fish: fish(), options: options() };
    lab.begin(task()).unwrap();
    assert!(matches!(lab.next_job(None).unwrap().unwrap().job, FishJob::Load(None)));
    let applied = lab.next_job(Some(JobAnswer::Loaded)).unwrap().unwrap();
    assert!(matches!(applied.job, FishJob::Apply(_)));
    assert_eq!(lab.heal().unwrap_err().reason, Some("nested_call"));
    lab.abandon().unwrap();
    lab.heal().unwrap();
    lab.begin(task()).unwrap();
    let begun = lab.next_job(None).unwrap().unwrap();
    assert!(matches!(begun.job, FishJob::Load(None)), "it begins anew: {begun:?}");
}
