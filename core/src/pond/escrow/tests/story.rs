//! 1,000 in London, 500 withdrawn there, and then 900 tried in New York while it is cut off.

use super::world::{World, stream};
use crate::error::ErrorKind;
use crate::pond::escrow::{Holding, Overdraft, Share};

const LONDON: usize = 0;
const NEW_YORK: usize = 1;

#[test]
fn new_york_is_refused_what_london_may_have_spent_and_gets_what_it_holds() {
    let shares = vec![Share { stream: stream(NEW_YORK), amount: 400 }];
    let mut world = World::new(2, 1000, 0, shares);
    world.decide(LONDON, |state, own| state.withdraw(own, 500, 0, None)).unwrap();

    // Cut off, New York has not heard of it, and need not.
    assert_eq!(world.state(NEW_YORK).balance(), 1000);
    let refused = world.decide(NEW_YORK, |state, own| state.withdraw(own, 900, 0, None));
    let error = refused.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Overdraft);
    let overdraft = Overdraft::of(&error).unwrap();
    assert_eq!((overdraft.wanted, overdraft.available), (900, 400));
    let london = Holding { stream: stream(LONDON), amount: 600, is_frozen: false };
    assert_eq!(overdraft.elsewhere, [london]);
    world.decide(NEW_YORK, |state, own| state.withdraw(own, 400, 0, None)).unwrap();

    world.heal();
    for city in [LONDON, NEW_YORK] {
        let state = world.state(city);
        assert_eq!(state.balance(), 100);
        assert!(state.violations().is_empty());
        assert_eq!(state.available(&stream(LONDON)), 100);
        world.check(city);
    }
}

#[test]
fn what_is_in_flight_is_not_spent_again() {
    let mut world = World::new(1, 1000, 0, Vec::new());
    let state = world.state(0);
    assert!(state.withdraw(stream(0), 600, 400, None).is_ok());
    let error = state.withdraw(stream(0), 601, 400, None).unwrap_err();
    assert_eq!(Overdraft::of(&error).unwrap().available, 600);
}

#[test]
fn a_clone_that_spends_the_same_rights_is_proven_and_takes_nothing_from_others() {
    let shares = vec![Share { stream: stream(1), amount: 400 }];
    let mut world = World::new(2, 1000, 0, shares);
    world.clone_device(0);
    let copy = 2;
    world.decide(0, |state, own| state.withdraw(own, 600, 0, None)).unwrap();
    world.decide(copy, |state, own| state.grant(own, stream(1), 600, 0)).unwrap();
    world.teach(copy, 1);
    world.decide(1, |state, own| state.withdraw(own, 1000, 0, None)).unwrap();
    world.heal();
    let state = world.state(1);
    assert_eq!(state.balance(), -600);
    assert_eq!(state.uncovered_count(), 0, "who was granted rights may rely on them");
    let violations = state.violations();
    let [crate::pond::escrow::Violation::Overdrawn { stream: whose, by, proof }] =
        violations.as_slice()
    else {
        panic!("{violations:?}")
    };
    assert_eq!((*whose, *by), (stream(0), 600));
    assert_eq!(proof.forks.len(), 1);
}

#[test]
fn rights_of_a_stream_that_its_node_left_are_frozen_until_it_recovers_them() {
    let mut world = World::new(2, 1000, 0, Vec::new());
    world.decide(0, |state, own| state.withdraw(own, 300, 0, None)).unwrap();
    world.tear(0);
    let own = world.devices[0].stream;
    let error = world.decide(0, |state, own| state.withdraw(own, 1, 0, None)).unwrap_err();
    let elsewhere = Overdraft::of(&error).unwrap().elsewhere;
    assert_eq!(elsewhere, [Holding { stream: stream(0), amount: 700, is_frozen: true }]);
    world.decide(0, |state, own| state.recover(own, stream(0))).unwrap();
    let again = world.decide(0, |state, own| state.recover(own, stream(0)));
    assert_eq!(again.unwrap_err().kind(), ErrorKind::NotFound);
    world.decide(0, |state, own| state.withdraw(own, 700, 0, None)).unwrap();
    world.heal();
    let state = world.state(1);
    assert_eq!((state.balance(), state.available(&own)), (0, 0));
    assert!(state.violations().is_empty());
}
