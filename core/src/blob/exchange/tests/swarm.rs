//! Several nodes, as an application sees them.

use super::desk::{Sample, range};
use super::world::World;
use crate::blob::exchange::{BlobNews, Input};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(120);

#[test]
fn blobs_of_many_sizes_come_whole() {
    for (seed, bytes) in [0, 1, 1023, 1024, 1025, 16_384, 65_535, 65_536, 65_537, 131_073, 700_000]
        .into_iter()
        .enumerate()
    {
        let sample = Sample::of_bytes(seed as u8, bytes);
        let mut world = World::of(2);
        world.link(0, 1);
        world.give(0, &sample);
        world.fetch(1, 1, sample.id, None);
        world.run(LONG);
        assert!(world.has_whole(1, &sample), "{bytes} bytes");
        assert!(world.blamed.is_empty());
    }
}

#[test]
fn groups_come_from_all_who_have_them() {
    let sample = Sample::of(20, 60);
    let mut world = World::of(4);
    for holder in 0..3 {
        world.link(holder, 3);
        world.give(holder, &sample);
    }
    world.fetch(3, 1, sample.id, None);
    world.run(LONG);
    assert!(world.has_whole(3, &sample));
    let given: Vec<usize> = world.members[..3].iter().map(|member| member.given).collect();
    assert_eq!(given.iter().sum::<usize>(), 60, "none came twice");
    assert!(given.iter().all(|count| *count > 10), "{given:?}");
}

#[test]
fn a_part_is_passed_on_while_it_grows() {
    let sample = Sample::of(21, 40);
    let mut world = World::of(3);
    world.link(0, 1);
    world.link(1, 2);
    world.give(0, &sample);
    world.fetch(2, 1, sample.id, None);
    world.fetch(1, 1, sample.id, None);
    world.run(LONG);
    assert!(world.has_whole(1, &sample) && world.has_whole(2, &sample));
    assert!(world.blamed.is_empty());
}

#[test]
fn when_one_leaves_half_way_another_completes() {
    let sample = Sample::of(22, 40);
    let mut world = World::of(3);
    world.link(0, 2);
    world.link(1, 2);
    world.give(0, &sample);
    world.fetch(2, 1, sample.id, None);
    for _ in 0..60 {
        world.go_on();
    }
    assert!(!world.has_whole(2, &sample));
    world.cut(0, 2);
    world.run(LONG);
    assert!(!world.has_whole(2, &sample));
    world.give(1, &sample);
    world.run(LONG);
    assert!(world.has_whole(2, &sample));
    assert!(world.members[0].given > 0 && world.members[1].given > 0);
    assert!(world.members[0].given + world.members[1].given < 60, "most came once");
}

#[test]
fn a_liar_among_honest_ones_costs_one_group_and_is_the_only_one_blamed() {
    let sample = Sample::of(23, 40);
    let mut world = World::of(3);
    world.members[0].lies = true;
    for holder in 0..2 {
        world.link(holder, 2);
        world.give(holder, &sample);
    }
    world.fetch(2, 1, sample.id, None);
    world.run(LONG);
    assert!(world.has_whole(2, &sample));
    assert_eq!((world.blamed.as_slice(), world.members[0].given), (&[(0, 2)][..], 1));
}

#[test]
fn one_that_never_delivers_is_left_for_one_that_does() {
    let sample = Sample::of(24, 40);
    let mut world = World::of(3);
    world.members[0].is_mute = true;
    for holder in 0..2 {
        world.link(holder, 2);
        world.give(holder, &sample);
    }
    world.fetch(2, 1, sample.id, None);
    world.run(Duration::from_secs(5));
    assert!(world.has_whole(2, &sample) && world.blamed.is_empty());
}

#[test]
fn the_end_of_a_blob_is_read_before_its_middle_is_here() {
    let sample = Sample::of(25, 64);
    let mut world = World::of(2);
    world.link(0, 1);
    world.give(0, &sample);
    world.fetch(1, 1, sample.id, Some(range(62, 64)));
    world.run(LONG);
    assert!(world.members[1].news.iter().any(|news| matches!(news, BlobNews::Fetched { .. })));
    assert!(world.members[0].given <= 4, "{} groups for two", world.members[0].given);
}

#[test]
fn copies_are_made_and_counted_when_their_holders_say_so() {
    let sample = Sample::of(26, 10);
    let mut world = World::of(4);
    for other in 1..4 {
        world.link(0, other);
    }
    world.give(0, &sample);
    world.handle(0, Input::Copies { id: sample.id, wanted: 3 });
    world.run(LONG);
    let copies = (1..4).filter(|member| world.has_whole(*member, &sample)).count();
    assert_eq!(copies, 2);
    let last = world.members[0].news.iter().rev().find_map(|news| match news {
        BlobNews::CopiesNow { confirmed, connected, .. } => Some((*confirmed, *connected)),
        _ => None,
    });
    assert_eq!(last, Some((3, 3)));
}

#[test]
fn any_cut_at_any_moment_blames_nobody_and_the_blob_comes() {
    let sample = Sample::of(27, 9);
    for moment in 0..70 {
        let mut world = World::of(2);
        world.link(0, 1);
        world.give(0, &sample);
        world.fetch(1, 1, sample.id, None);
        for _ in 0..moment {
            world.go_on();
        }
        world.cut(0, 1);
        world.link(1, 0);
        world.run(LONG);
        assert!(world.has_whole(1, &sample) && world.blamed.is_empty(), "{moment}");
        assert!(world.members[1].exchange.status().fetching.is_empty());
    }
}

#[test]
fn a_fetch_that_is_called_off_at_any_moment_and_begun_again_blames_nobody() {
    let sample = Sample::of(28, 9);
    for moment in 0..70 {
        let mut world = World::of(2);
        world.link(0, 1);
        world.give(0, &sample);
        world.fetch(1, 1, sample.id, None);
        for _ in 0..moment {
            world.go_on();
        }
        let fetch = crate::blob::exchange::FetchNumber::new(1);
        world.handle(1, Input::Release { fetch });
        for _ in 0..moment % 5 {
            world.go_on();
        }
        world.fetch(1, 2, sample.id, None);
        world.run(LONG);
        assert!(world.has_whole(1, &sample) && world.blamed.is_empty(), "{moment}");
    }
}

#[test]
fn equal_inputs_give_equal_outputs() {
    let sample = Sample::of(29, 30);
    let story = || {
        let mut world = World::of(3);
        world.link(0, 2);
        world.link(1, 2);
        world.give(0, &sample);
        world.give(1, &sample);
        world.fetch(2, 1, sample.id, None);
        world.run(LONG);
        world.members.iter().map(|member| (member.given, member.news.clone())).collect::<Vec<_>>()
    };
    let (one, other) = (story(), story());
    assert!(one == other && one.iter().any(|(given, _)| *given > 0));
}

#[test]
fn a_file_that_is_missing_ends_no_session_in_whatever_order_its_groups_are_read() {
    let sample = Sample::of(29, 40);
    let other = Sample::of(30, 20);
    let mut world = World::of(2);
    world.members[0].is_backward = true;
    world.link(0, 1);
    world.give(0, &other);
    world.give(0, &sample);
    // So that more than one group is asked for at a time.
    world.fetch(1, 1, other.id, None);
    world.run(LONG);
    assert!(world.has_whole(1, &other));
    world.lose(0, &sample);
    world.fetch(1, 2, sample.id, None);
    world.run(LONG);
    assert!(world.blamed.is_empty(), "{:?}", world.blamed);
}
