//! A panic at walls that C does not reach by itself: those of folds, groups, the testing kit
//! and, in one place, those of blobs.
#![allow(clippy::unwrap_used)] // A panic of a test is its report.

mod support;

use millpond_facade::{
    AnswerPolicy, BlobAbout, BlobExportOptions, Deed, DeedOptions, Draft, Effect, FacadeError,
    FishJob, FishSpec, JobAnswer, Lab, LabOptions, LabShrink, LabTask, LawCheck, Limit, Offsets,
    PublishOptions, ReadOptions, Result, StateView, fault, lint_fish, lint_query, seeds,
    without_wanted,
};
use std::collections::BTreeSet;
use std::process::Command;
use std::sync::mpsc;
use support::{Mill, SOON, receiver, soon};

/// Those of folds and groups; those of the kit and of blobs are read out of their sources.
const WALLS: [&str; 10] = [
    "fold_close",
    "fold_hand_in",
    "fold_next_job",
    "fold_work",
    "group_close",
    "group_hand_in",
    "group_next_step",
    "observer_keep",
    "node_observe_group",
    "node_observe_group_work",
];
/// Which wall a process of this test is to try.
const TRIED: &str = "MILLPOND_TRIED_WALL";

/// The environment says where the panic is, so each wall is tried in a process of its own.
#[test]
fn a_panic_at_a_wall_that_only_other_languages_reach_is_internal() {
    if !fault::is_compiled_in() {
        return;
    }
    if let Ok(wall) = std::env::var(TRIED) {
        let error = pass(&wall);
        assert_eq!((error.name, error.reason), ("internal", Some("panic")), "{error}");
        return;
    }
    let (kit, blobs) = (kit_walls(), blob_walls());
    assert!(kit.len() > 20, "the walls of the kit are not found: {kit:?}");
    assert!(blobs.len() > 20, "the walls of blobs are not found: {blobs:?}");
    for wall in WALLS.into_iter().map(str::to_owned).chain(kit).chain(blobs) {
        let own = std::env::current_exe().unwrap();
        let mut child = Command::new(own);
        child.args(["a_panic_at_a_wall_that_only_other_languages_reach_is_internal", "--exact"]);
        child.env(TRIED, &wall).env("MILLPOND_PANIC_AT", &wall).env("RUST_BACKTRACE", "0");
        let done = child.output().unwrap();
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success(), "a panic at {wall}: {said}");
    }
}

/// The walls of the testing kit, as its sources name them.
fn kit_walls() -> Vec<String> {
    let sources = concat!(
        include_str!("../src/lab.rs"),
        include_str!("../src/lab_scarce.rs"),
        include_str!("../src/lint.rs"),
        include_str!("../src/shrink.rs")
    );
    named(sources, &["guard(\"", "self.ask(\"", "self.change(\"", "self.with(\""])
}

/// Those of blobs.
fn blob_walls() -> BTreeSet<String> {
    let sources = concat!(
        include_str!("../src/blob.rs"),
        include_str!("../src/blob_reader.rs"),
        include_str!("../src/blob_work.rs"),
        include_str!("../src/blob_writer.rs")
    );
    let calls = ["entry(\"", "ask(\"", "guard(\"", "begin_work(\"", "_while(\""];
    named(sources, &calls).into_iter().collect()
}

/// What stands in quotes behind one of these calls.
fn named(sources: &str, calls: &[&str]) -> Vec<String> {
    let names = calls.iter().flat_map(|call| sources.split(call).skip(1));
    names.filter_map(|rest| rest.split('"').next().map(str::to_owned)).collect()
}

/// Passes the wall once.
fn pass(wall: &str) -> FacadeError {
    if ["lab_", "law_", "lint_"].iter().any(|kit| wall.starts_with(kit)) {
        return pass_kit().unwrap_err();
    }
    let mill = Mill::open();
    if wall.contains("blob_") {
        return pass_blobs(&mill).unwrap_err();
    }
    if wall == "observer_keep" {
        return pass_kept_effect(&mill);
    }
    if wall.starts_with("fold") {
        let fish = FishSpec::code("orders", 1, "FROM 'grain'");
        let observed = mill.node.observe(fish, ReadOptions::default(), &soon()).unwrap();
        let fold = observed.fold.unwrap();
        let work = |_: FishJob| JobAnswer::Loaded;
        return match wall {
            "fold_close" => fold.close().unwrap_err(),
            "fold_work" => fold.work_on_thread(Box::new(work)).unwrap_err(),
            "fold_hand_in" => {
                let (done, job) = receiver();
                fold.next_job_start(None, Limit::default(), done);
                job.recv_timeout(SOON).unwrap().unwrap_err()
            }
            _ => fold.next_job(None, &soon()).unwrap_err(),
        };
    }
    let group = mill.node.observe_group("FROM 'grain'", false, ReadOptions::default(), &soon());
    match (wall, group) {
        (_, Err(error)) => error,
        ("group_close", Ok(group)) => group.close().unwrap_err(),
        ("group_hand_in", Ok(group)) => {
            let (done, step) = receiver();
            group.next_step_start(None, Limit::default(), done);
            step.recv_timeout(SOON).unwrap().unwrap_err()
        }
        (_, Ok(group)) => group.next_step(None, &soon()).unwrap_err(),
    }
}

/// What an effect that is kept running is told last; its node refuses further work.
fn pass_kept_effect(mill: &Mill) -> FacadeError {
    let count = FishSpec::built_in("FROM 'grain'", r#"{"fold":"count"}"#);
    let observed = mill.node.observe(count, ReadOptions::default(), &soon()).unwrap();
    let (send, told) = mpsc::channel();
    let effect = move |state: Result<Option<&StateView>>| {
        send.send(state.unwrap_err()).unwrap();
        Ok(Effect::default())
    };
    observed.observer.keep_running(PublishOptions::default(), Box::new(effect)).unwrap();
    let error = told.recv_timeout(SOON).unwrap();
    assert_eq!(mill.node.node_id().unwrap_err().reason, Some("poisoned"));
    error
}

/// Calls all of the testing kit; the first error is that of the wall.
fn pass_kit() -> Result<()> {
    seeds(None)?;
    without_wanted()?;
    lint_query("FROM 'grain'")?;
    let fish = FishSpec::built_in("FROM 'grain'", r#"{"fold": "count"}"#);
    lint_fish(&fish, None)?;
    let (id, query) = ("seen".to_owned(), "FROM 'grain'".to_owned());
    let (version, codec, is_grow_only, has_reset) = (1, None, true, false);
    let seen = FishSpec::Code { id, version, query, codec, is_grow_only, has_reset };
    LawCheck::new(&seen, 1)?.next_questions(Vec::new())?;
    let lab = Lab::new(LabOptions::default())?;
    lab.seed()?;
    lab.node_count()?;
    lab.node_id(0)?;
    lab.is_up(0)?;
    lab.time_micros(0)?;
    lab.elapsed()?;
    lab.offsets(0)?;
    lab.trace()?;
    let shrink = LabShrink::new(lab.befell()?)?;
    shrink.next_run()?;
    shrink.ended(None)?;
    shrink.summary(1)?;
    lab.below(2)?;
    let draft = Draft::from_cbor(vec!["grain"], Vec::<u8>::from([0x01]))?;
    lab.publish(0, Some(lab.life(0)?), vec![draft], PublishOptions::default())?;
    lab.query(0, "FROM 'grain'", ReadOptions::default())?;
    lab.events("FROM 'grain'")?;
    lab.wait_for(0, &Offsets::default(), None)?;
    pass_scarce(&lab)?;
    lab.cut(&[vec![0], vec![1, 2]])?;
    lab.heal()?;
    lab.crash(1)?;
    lab.start(1)?;
    lab.cut_power(1)?;
    lab.start(1)?;
    lab.begin(LabTask::State { node: 0, fish, options: ReadOptions::default() })?;
    while lab.next_job(None)?.is_some() {}
    lab.abandon()?;
    lab.shown().map(drop)
}

/// Makes all calls of blobs; the first error is that of the wall.
fn pass_blobs(mill: &Mill) -> Result<()> {
    let (node, about) = (mill.node, BlobAbout::default);
    let id = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
    node.blob_add_bytes(Vec::new(), about(), &soon())?;
    let path = node.path()?.join("file");
    std::fs::write(&path, "photo").unwrap();
    let add = node.blob_add_path(&path, about())?;
    add.next_progress(&soon())?;
    add.fd()?;
    add.result_json(&soon())?;
    add.close()?;
    let writer = node.blob_writer(about(), None, &soon())?;
    writer.write(&[7; 20_000], &soon())?;
    writer.finish(&soon())?;
    writer.close()?;
    let reader = node.blob_open(id, &soon())?;
    reader.blob_id()?;
    reader.size()?;
    reader.read_at(0, &mut [0; 8], &soon())?;
    reader.read(&mut [0; 8], &soon())?;
    reader.next_chunk(&soon())?;
    reader.seek(0, 0)?;
    if let Err(error) = reader.file()
        && error.name == "internal"
    {
        return Err(error);
    }
    reader.close()?;
    node.blob_get(id, None, &soon())?;
    node.blob_has(id)?;
    node.blob_stat_json(id)?;
    node.blob_list_json::<&str>(None, &[], None)?;
    node.blob_export(id, path.with_extension("out"), BlobExportOptions::default())?.close()?;
    node.blob_verify(None)?.result_json(&soon())?;
    node.blob_collect()?.result_json(&soon()).map(drop)
}

fn pass_scarce(lab: &Lab) -> Result<()> {
    let (steel, reading) = ("steel".to_owned(), ReadOptions::default);
    let (id, amount, floor, shares) = (None, 1_000, 0, Vec::new());
    let deed = Deed::AccountCreate { name: steel, id, amount, floor, shares };
    lab.act(0, deed, DeedOptions::default())?;
    lab.answer_requests(0, "steel", Some(AnswerPolicy::default()))?;
    lab.hand_over_when_asked(0, "crane", true)?;
    lab.account_json(0, "steel", None, reading())?;
    lab.claim_json(0, "crane", reading())?;
    lab.who_does_json(0, "crane", reading())?;
    let key = lab.do_optimistically(0, "crane", None, reading())?;
    lab.own_doing(0, "crane")?;
    lab.standing(0, "crane", &key)?;
    lab.tell_loss(0, "crane", &key)?;
    lab.next_loss()?;
    let backup = lab.back_up(1)?;
    lab.restore(1, &backup)?;
    lab.start(1)?;
    lab.check_scarce()
}
