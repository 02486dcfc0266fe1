//! Groups whose fish are made and worked by code that is given along, as C gives it.
#![allow(clippy::unwrap_used)] // A panic of a test is its report.

mod support;

use millpond_facade::{
    EventBatch, FishJob, FishSpec, GroupHandle, GroupView, JobAnswer, Made, MadeFish, MakeFish,
    ReadOptions, Wait, json,
};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use support::{Mill, SOON, soon};

/// Counts the events of a fish; `alive` lives as long as the code does.
fn count(alive: Arc<()>) -> Box<dyn FnMut(FishJob) -> JobAnswer + Send> {
    let mut count = 0u64;
    Box::new(move |job| {
        let _ = &alive;
        match job {
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
        }
    })
}

/// A counting fish named by the payload of each seed; none for `null`, a built-in one for `0`.
fn make_by(alive: Arc<()>) -> MakeFish {
    Box::new(move |seeds: EventBatch| -> Made {
        let make = |(index, name): (usize, String)| match name.as_str() {
            "null" => Ok(None),
            "\"fails\"" => Err((index, "as asked".to_owned())),
            "\"panics\"" => panic!("as asked"),
            "0" => {
                let fish = FishSpec::built_in("FROM 'grain'", r#"{"fold": "count"}"#);
                Ok(Some(MadeFish { fish, work: None }))
            }
            name => {
                let fish = FishSpec::code(name, 1, "FROM 'grain'");
                Ok(Some(MadeFish { fish, work: Some(count(alive.clone())) }))
            }
        };
        let name = |index| json::from_cbor(seeds.get(index).unwrap().payload().unwrap()).unwrap();
        (0..seeds.len()).map(|index| (index, name(index))).map(make).collect()
    })
}

fn observe(mill: &Mill, only_first: bool, alive: &Arc<()>) -> GroupHandle {
    let make = make_by(alive.clone());
    let reading = ReadOptions::default();
    mill.node.observe_group_worked("FROM 'grain'", only_first, reading, make, &soon()).unwrap()
}

/// The first view for which `is_it` holds.
fn await_view(group: GroupHandle, is_it: impl Fn(&[(String, String)]) -> bool) {
    loop {
        let GroupView { states, .. } = group.next_view(&soon()).unwrap().expect("it goes on");
        let shown = states.into_iter().map(|(id, state)| (id, state.json().unwrap()));
        if is_it(&shown.collect::<Vec<_>>()) {
            return;
        }
    }
}

fn pair(id: &str, state: &str) -> (String, String) {
    (id.to_owned(), state.to_owned())
}

/// Code lives on in threads that end by themselves.
fn await_dropped(alive: &Arc<()>) {
    let (send, gone) = mpsc::channel();
    let alive = Arc::downgrade(alive);
    std::thread::spawn(move || {
        while alive.strong_count() > 1 {
            std::thread::yield_now();
        }
        send.send(())
    });
    gone.recv_timeout(SOON).expect("all code is dropped");
}

#[test]
fn a_group_shows_the_fish_that_its_code_makes_and_drops_that_at_the_end() {
    let mill = Mill::open();
    let alive = Arc::new(());
    mill.publish_json(&["2", "null", "1", "2"]);
    let group = observe(&mill, false, &alive);
    await_view(group, |shown| shown == [pair("1", "4"), pair("2", "4")]);
    let other = observe(&mill, false, &alive);
    await_view(other, |shown| shown.len() == 2); // of folds that the first one works
    mill.publish_json(&["0"]);
    let counted = r#"{"value":5,"skipped":0}"#;
    await_view(group, |shown| shown.len() == 3 && shown.iter().any(|(_, state)| state == counted));
    group.close().unwrap();
    assert_eq!(group.next_view(&soon()).unwrap_err().name, "closed");
    mill.publish_json(&["1"]);
    await_view(other, |shown| shown.contains(&pair("1", "6")));
    other.close().unwrap();
    await_dropped(&alive);
    mill.close();
}

#[test]
fn a_group_of_one_shows_the_fish_of_the_first_seed() {
    let mill = Mill::open();
    let alive = Arc::new(());
    let group = observe(&mill, true, &alive);
    let brief = Wait::timeout(Duration::from_millis(20));
    assert_eq!(group.next_view(&brief).unwrap_err().name, "timeout");
    mill.publish_json(&["1", "2"]);
    await_view(group, |shown| shown == [pair("1", "2")]);
    mill.close();
    assert_eq!(group.next_view(&soon()), Ok(None));
    group.close().unwrap();
    await_dropped(&alive);
}

#[test]
fn code_that_fails_or_panics_ends_its_group_and_nothing_else() {
    for wrong in ["\"fails\"", "\"panics\""] {
        let mill = Mill::open();
        let alive = Arc::new(());
        mill.publish_json(&["1"]);
        let group = observe(&mill, false, &alive);
        await_view(group, |shown| shown.len() == 1);
        mill.publish_json(&["2", wrong]);
        let error = loop {
            match group.next_view(&soon()) {
                Ok(view) => assert!(view.is_some()),
                Err(error) => break error,
            }
        };
        assert_eq!((error.name, error.reason), ("user_code", Some("make_fish")), "{error}");
        assert_eq!(group.next_view(&soon()).unwrap_err(), error);
        group.close().unwrap();
        await_dropped(&alive);
        mill.publish_json(&["3"]);
        mill.close();
    }
}

#[test]
fn steps_and_views_are_not_mixed() {
    let mill = Mill::open();
    let group = mill.node.observe_group("FROM 'grain'", false, ReadOptions::default(), &soon());
    let group = group.unwrap();
    assert_eq!(group.next_view(&soon()).unwrap_err().name, "invalid_argument");
    group.close().unwrap();
    mill.close();
}
