//! Claims about who does the jobs of a fish of Rust code.

use super::source::numbered;
use crate::event::EventView;
use crate::pond::{Answer, CodeError, Definition, Failure, Fish, Function, Job, Owner};
use crate::query::Query;
use std::sync::Arc;

/// A state that goes off when it is dropped.
struct Grenade;

impl Drop for Grenade {
    fn drop(&mut self) {
        panic!("it goes off");
    }
}

fn definition() -> Definition {
    Definition::new("own", 1, Query::all(), "none").unwrap()
}

fn failed(answer: Answer) -> Failure {
    match answer {
        Answer::Failed(failure) => failure,
        other => panic!("{other:?} is no failure"),
    }
}

#[test]
fn whatever_function_of_a_fish_panics_it_is_named_with_its_event() {
    let events = Arc::new(numbered(&[1, 2, 3]));
    let panics = |at: Function| move |own: Function| assert!(own != at, "cannot {}", own.name());
    let fish = |at: Function| {
        let [initial, step, is_reset, encode, decode] = [panics(at); 5];
        Fish::with_codec(
            definition(),
            move || initial(Function::Initial),
            move |_: &mut (), event: EventView<'_>| {
                if event.offset().value() == 1 {
                    step(Function::Step);
                }
                Ok::<(), CodeError>(())
            },
            move |_| {
                encode(Function::Encode);
                Ok(Vec::new())
            },
            move |_| {
                decode(Function::Decode);
                Ok(())
            },
        )
        .with_reset(move |event| {
            if event.offset().value() == 2 {
                is_reset(Function::IsReset);
            }
            false
        })
        .unwrap()
    };
    for (at, index) in [
        (Function::Initial, None),
        (Function::Step, Some(1)),
        (Function::IsReset, Some(2)),
        (Function::Encode, None),
        (Function::Decode, None),
    ] {
        let mut owner = Owner::new(fish(at));
        let jobs = [
            Job::Load(None),
            Job::Apply(events.clone()),
            Job::Save,
            Job::Load(Some(Vec::new().into())),
        ];
        let answers = jobs.into_iter().map(|job| owner.work(job));
        let first = answers.into_iter().find(|answer| matches!(answer, Answer::Failed(_)));
        let failure = failed(first.expect("it panics"));
        assert_eq!((failure.function, failure.index), (at, index));
        assert!(failure.message.contains(&format!("cannot {}", at.name())), "{failure:?}");
    }
    assert_eq!(
        fish(Function::Decode).decode(b"").unwrap_err().reason(),
        Some("decode"),
        "also where an observer asks for it"
    );
}

#[test]
fn a_state_that_panics_when_it_is_dropped_ends_nothing_but_itself() {
    let step = |_: &mut Grenade, _: EventView<'_>| Err("no".into());
    let fish =
        Fish::with_codec(definition(), || Grenade, step, |_| Ok(Vec::new()), |_| Ok(Grenade));
    let mut owner = Owner::new(fish);
    assert!(matches!(owner.work(Job::Load(None)), Answer::Loaded));
    let failure = failed(owner.work(Job::Load(None)));
    assert_eq!(failure.function, Function::Initial);
    assert!(matches!(owner.work(Job::Load(None)), Answer::Loaded));
    let failure = failed(owner.work(Job::Apply(Arc::new(numbered(&[1])))));
    assert_eq!((failure.function, failure.message.as_str()), (Function::Step, "no"));
}
