//! Who answers which request, and with how much.

use super::world::{World, stream};
use crate::pond::escrow::{GrantPolicy, PATIENCE_ROUNDS, Share};

/// Three nodes with 100 each, who hear everything at once.
struct Floor(World);

impl Floor {
    fn new() -> Floor {
        let shares = (1..3).map(|other| Share { stream: stream(other), amount: 100 });
        Floor(World::new(3, 300, 0, shares.collect()))
    }

    fn request(&mut self, node: usize, amount: u64) {
        self.0.decide(node, |state, own| state.request(own, amount)).unwrap();
        self.0.heal();
    }

    fn grant(&mut self, from: usize, to: usize, amount: u64) {
        self.0.decide(from, |state, own| state.grant(own, stream(to), amount, 0)).unwrap();
        self.0.heal();
    }

    /// What `node` gives to whom when for so many rounds nothing has come for any request.
    fn due(&mut self, node: usize, reserve: u64, rounds: u32) -> Vec<(usize, u64)> {
        let state = self.0.state(node);
        let due = GrantPolicy { reserve }.grants_due(&state, stream(node), 0, |_| rounds);
        let number = |share: &Share| (0..3).find(|node| stream(*node) == share.stream).unwrap();
        due.iter().map(|share| (number(share), share.amount)).collect()
    }
}

#[test]
pub(super) fn who_holds_most_answers_at_once_and_the_others_in_turn_above_their_reserve() {
    let mut floor = Floor::new();
    floor.grant(1, 0, 50);
    floor.request(2, 120);
    assert_eq!(floor.due(0, 30, 0), [(2, 120)]);
    assert_eq!(floor.due(1, 30, 0), []);
    assert_eq!(floor.due(1, 30, 1), [(2, 20)]);
    assert_eq!(floor.due(1, 50, 1), []);
    assert_eq!(floor.due(2, 0, 9), [], "nobody answers itself");
}

#[test]
fn the_oldest_request_is_served_first_and_who_waits_gives_only_to_who_asked_before() {
    let mut floor = Floor::new();
    floor.request(1, 120);
    floor.request(2, 150);
    assert_eq!(floor.due(0, 0, 1), [(1, 100)]);
    assert_eq!(floor.due(2, 0, 1), [(1, 100)]);
    assert_eq!(floor.due(1, 0, 1), []);
}

#[test]
fn who_wants_more_than_there_is_starves_nobody() {
    let mut floor = Floor::new();
    floor.request(1, 1_000_000);
    floor.request(2, 30);
    assert_eq!(floor.due(0, 0, 0), [(2, 30), (1, 70)], "what can be had comes first");
    floor.grant(0, 1, 100);
    assert_eq!(floor.due(1, 0, 1), [(2, 30)], "also of who waits for more than there is");
}

#[test]
fn who_has_got_what_it_asked_for_keeps_it_until_it_is_used_or_for_a_while() {
    let mut floor = Floor::new();
    floor.request(1, 100);
    floor.request(2, 150);
    floor.grant(0, 1, 100);
    assert_eq!(floor.due(1, 0, PATIENCE_ROUNDS - 1), [], "or they would take it in turns");
    assert_eq!(floor.due(1, 0, PATIENCE_ROUNDS), [(2, 150)], "what nobody uses moves on");
    floor.0.decide(1, |state, own| state.withdraw(own, 120, 0, None)).unwrap();
    floor.0.heal();
    assert_eq!(floor.due(1, 0, 1), [(2, 80)], "it was used");
    floor.request(1, 5);
    floor.request(1, 0);
    assert_eq!(floor.due(1, 0, 1), [(2, 80)], "it wants nothing any more");
}

#[test]
fn who_waits_in_vain_does_not_keep_others_from_what_it_does_not_use() {
    let mut floor = Floor::new();
    floor.request(1, 150);
    floor.request(2, 30);
    assert_eq!(floor.due(1, 0, PATIENCE_ROUNDS - 1), []);
    assert_eq!(floor.due(1, 0, PATIENCE_ROUNDS), [(2, 30)]);
}
