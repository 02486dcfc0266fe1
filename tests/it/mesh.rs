//! Large swarms, as far as they can be played in each run of the tests.
//!
//! A thousand nodes are in the stage `sim` of `./dev test`. Each test prints what was measured.

use millpond_tests::sim::mesh::{
    Outcome, crowd, go_between, idle, islands, late_comer, redundancy,
};

fn play(name: &str, outcome: Outcome) {
    match outcome {
        Ok(said) => println!("mesh: {name}: {said}"),
        Err(said) => panic!("{said}"),
    }
}

#[test]
fn each_event_crosses_each_of_fifty_nodes_about_once() {
    play("fifty nodes, five of which go and come", redundancy(true));
}

#[test]
fn nodes_that_find_each_other_come_to_one_mesh_of_bounded_degree() {
    play("a hundred nodes", crowd(100, 99));
}

#[test]
fn two_parts_that_are_full_in_themselves_meet() {
    play("two parts", islands());
}

#[test]
fn who_knows_one_peer_comes_to_the_degree() {
    play("a late node", late_comer());
}

#[test]
fn two_that_know_the_same_peer_go_on_without_it() {
    play("a go-between", go_between());
}

#[test]
fn an_idle_node_with_ten_thousand_streams_is_as_idle_as_with_ten() {
    play("idle nodes", idle());
}
