//! Who has what.

use super::desk::{Desk, Sample, node, range};
use crate::blob::exchange::{
    BlobNews, FetchNumber, Input, Provider, ProviderState, QuestionNumber, Stall, Urgency,
};
use crate::blob::message::{BlobMessage, Find, Have, Holding};
use crate::event::NodeId;
use std::time::Duration;

/// What it told a peer of blobs since this was last called.
fn told(desk: &mut Desk) -> Vec<(u64, Have)> {
    let said = std::mem::take(&mut desk.said).into_iter();
    let haves = said.filter_map(|(peer, message)| match message {
        BlobMessage::Have(all) => Some(all.into_iter().map(move |have| (peer, have))),
        _ => None,
    });
    haves.flatten().collect()
}

fn hearsay(desk: &mut Desk, peer: u64, sample: &Sample, others: Vec<NodeId>) {
    let have = Have { id: sample.id, holding: Holding::Nothing, others };
    desk.hear(peer, &BlobMessage::Have(vec![have]));
}

#[test]
fn all_peers_are_asked_when_a_want_begins_and_each_that_comes_later() {
    let sample = Sample::of(1, 2);
    let mut desk = Desk::with_peers([1, 2]);
    assert!(desk.said.is_empty());
    desk.fetch(1, sample.id, Urgency::Asked, None);
    desk.open(3);
    let find = |watch| BlobMessage::Find(vec![Find { id: sample.id, watch }]);
    assert_eq!(desk.said, [(1, find(true)), (2, find(true)), (3, find(true))]);
    // And nobody tells us any more when nobody here cares.
    desk.said.clear();
    desk.handle(Input::Release { fetch: FetchNumber::new(1) });
    assert_eq!(desk.said, [(1, find(false)), (2, find(false)), (3, find(false))]);
}

#[test]
fn what_nobody_asked_about_is_ignored() {
    let sample = Sample::of(2, 2);
    let mut desk = Desk::with_peers([1]);
    desk.whole(1, &sample);
    desk.fetch(1, sample.id, Urgency::Asked, None);
    assert!(desk.asks().is_empty());
}

#[test]
fn a_question_is_answered_once_and_a_watch_each_time_something_changes() {
    let sample = Sample::of(3, 4);
    let mut desk = Desk::with_peers([1, 2]);
    desk.find(1, sample.id, true);
    desk.find(2, sample.id, false);
    assert!(told(&mut desk).is_empty());
    desk.pass(Duration::from_millis(50));
    let nothing = Have { id: sample.id, holding: Holding::Nothing, others: Vec::new() };
    assert_eq!(told(&mut desk), [(1, nothing.clone()), (2, nothing)]);
    let mut held = sample.held();
    held.is_durable = false;
    desk.shelf.held.insert(sample.id, held);
    desk.handle(Input::Changed { id: sample.id });
    assert!(told(&mut desk).is_empty(), "a part waits");
    desk.pass(Duration::from_millis(1000));
    // All groups are here, but a power cut would take them: a part.
    let spans = vec![range(0, 4)];
    let holding = Holding::Part { size: sample.size, spans };
    assert_eq!(told(&mut desk), [(1, Have { id: sample.id, holding, others: Vec::new() })]);
    desk.shelf.held.insert(sample.id, sample.held());
    desk.handle(Input::Changed { id: sample.id });
    let holding = Holding::Whole { size: sample.size };
    assert_eq!(told(&mut desk), [(1, Have { id: sample.id, holding, others: Vec::new() })]);
    desk.shelf.held.remove(&sample.id);
    desk.handle(Input::Changed { id: sample.id });
    assert_eq!(told(&mut desk)[0].1.holding, Holding::Nothing);
}

#[test]
fn a_part_that_grows_is_told_once_a_second_at_most() {
    let sample = Sample::of(4, 40);
    let mut desk = Desk::with_peers([1]);
    desk.find(1, sample.id, true);
    desk.pass(Duration::from_millis(50));
    told(&mut desk);
    let mut count = 0;
    for first in 1..=30 {
        let mut held = sample.held();
        held.groups = crate::blob::GroupSet::empty(sample.size);
        held.groups.insert_range(range(0, first));
        held.is_proven = false;
        desk.shelf.held.insert(sample.id, held);
        desk.handle(Input::Changed { id: sample.id });
        desk.pass(Duration::from_millis(100));
        count += told(&mut desk).len();
    }
    assert!((2..=4).contains(&count), "{count} in three seconds");
}

#[test]
fn providers_are_those_who_spoke_and_hearsay_is_shown_as_such() {
    let sample = Sample::of(5, 4);
    let mut desk = Desk::with_peers([1, 2, 3]);
    let question = QuestionNumber::new(4);
    desk.handle(Input::Ask { question, id: sample.id });
    let at = desk.now;
    desk.whole(1, &sample);
    hearsay(&mut desk, 2, &sample, vec![node(1), node(9), node(200)]);
    assert!(desk.news.is_empty(), "the third has not answered");
    desk.pass(Duration::from_secs(1));
    let provider = |number, state, is_connected| Provider {
        node: node(number),
        state,
        is_connected,
        since: at,
    };
    let providers = vec![
        provider(1, ProviderState::Whole, true),
        provider(2, ProviderState::Nothing, true),
        provider(9, ProviderState::Hearsay, false),
    ];
    assert_eq!(desk.news, [BlobNews::Answer { question, id: sample.id, providers }]);
}

#[test]
fn a_question_without_peers_or_with_all_answers_does_not_wait() {
    let sample = Sample::of(6, 4);
    let mut desk = Desk::new();
    let question = QuestionNumber::new(1);
    desk.handle(Input::Ask { question, id: sample.id });
    assert_eq!(desk.news.len(), 1);
    desk.open(1);
    desk.handle(Input::Ask { question, id: sample.id });
    desk.whole(1, &sample);
    assert_eq!(desk.news.len(), 2);
}

#[test]
fn only_what_a_node_said_itself_and_lately_is_passed_on() {
    let sample = Sample::of(7, 4);
    let mut desk = Desk::with_peers([1, 2, 3]);
    desk.handle(Input::Copies { id: sample.id, wanted: 1 });
    desk.whole(1, &sample);
    hearsay(&mut desk, 2, &sample, vec![node(9)]);
    told(&mut desk);
    desk.find(3, sample.id, false);
    desk.pass(Duration::from_millis(50));
    assert_eq!(told(&mut desk)[0].1.others, [node(1)]);
    desk.pass(Duration::from_secs(601));
    told(&mut desk);
    desk.find(3, sample.id, false);
    desk.pass(Duration::from_millis(50));
    assert_eq!(told(&mut desk)[0].1.others, []);
}

#[test]
fn when_nobody_has_it_that_is_told_and_those_who_may_are_dialled() {
    let sample = Sample::of(8, 4);
    let mut desk = Desk::with_peers([1]);
    let hints = vec![node(7), node(1), node(200)];
    let (fetch, urgency) = (FetchNumber::new(1), Urgency::Asked);
    desk.handle(Input::Fetch { fetch, id: sample.id, size: None, groups: None, urgency, hints });
    hearsay(&mut desk, 1, &sample, vec![node(5), node(6)]);
    assert!(desk.reached.is_empty());
    desk.pass(Duration::from_secs(1));
    let why = Some(Stall::NoProvider);
    assert_eq!(desk.news, [BlobNews::Stalled { id: sample.id, why }]);
    assert_eq!(desk.reached, [node(7), node(5)], "two at a time, and one that the wish names");
    desk.open(6);
    desk.whole(6, &sample);
    assert_eq!(desk.bring_all(&sample), 4);
    assert!(desk.is_fetched(1));
    assert!(desk.news.contains(&BlobNews::Stalled { id: sample.id, why: None }));
}

fn fetch_with_hints(desk: &mut Desk, sample: &Sample, hints: impl IntoIterator<Item = u64>) {
    let hints = hints.into_iter().map(node).collect();
    let (fetch, urgency) = (FetchNumber::new(1), Urgency::Asked);
    desk.handle(Input::Fetch { fetch, id: sample.id, size: None, groups: None, urgency, hints });
}

#[test]
fn all_who_may_have_it_are_dialled_in_turn() {
    let sample = Sample::of(9, 4);
    let mut desk = Desk::new();
    fetch_with_hints(&mut desk, &sample, [3, 5, 7]);
    desk.pass(Duration::from_secs(1));
    assert_eq!(desk.reached, [node(3), node(5)]);
    desk.pass(Duration::from_secs(30));
    assert_eq!(desk.reached[2..], [node(7), node(3)]);
    desk.pass(Duration::from_secs(30));
    assert_eq!(desk.reached[4..], [node(5), node(3)]);
}

#[test]
fn names_that_a_peer_made_up_hold_up_no_dial_of_one_that_the_wish_names() {
    let sample = Sample::of(10, 4);
    let mut desk = Desk::with_peers([1]);
    fetch_with_hints(&mut desk, &sample, [190, 191]);
    for round in 0..32_u8 {
        let others = (0..8).map(|at| {
            NodeId::from_bytes([[0; 31].as_slice(), &[round * 8 + at]].concat().try_into().unwrap())
        });
        hearsay(&mut desk, 1, &sample, others.collect());
    }
    desk.pass(Duration::from_secs(1));
    assert_eq!(desk.reached[0], node(190));
    desk.pass(Duration::from_secs(30));
    assert_eq!(desk.reached[2], node(191));
    desk.pass(Duration::from_secs(30));
    assert_eq!(desk.reached[4], node(190));
    assert_eq!(desk.reached.len(), 6, "and those that were named by a peer as well");
}

#[test]
fn a_question_about_what_all_tell_of_anyway_does_not_wait() {
    let sample = Sample::of(11, 4);
    let mut desk = Desk::with_peers([1, 2]);
    desk.fetch(1, sample.id, Urgency::Asked, None);
    desk.says(1, sample.id, Holding::Nothing);
    let question = |number| Input::Ask { question: QuestionNumber::new(number), id: sample.id };
    desk.handle(question(1));
    assert!(desk.news.is_empty(), "the second has not answered");
    desk.says(2, sample.id, Holding::Nothing);
    assert_eq!(desk.news.len(), 1);
    desk.handle(question(2));
    assert_eq!(desk.news.len(), 2);
}

#[test]
fn a_peer_is_asked_about_no_more_than_it_keeps_in_mind_until_it_has_answered() {
    let mut desk = Desk::with_peers([1]);
    desk.looks_again = false;
    let id = |number: u64| crate::blob::BlobId::of(&number.to_le_bytes());
    (0..1500).for_each(|number| desk.handle(Input::Copies { id: id(number), wanted: 1 }));
    let mut asked = Vec::new();
    loop {
        let finds = std::mem::take(&mut desk.said).into_iter().filter_map(|(_, said)| match said {
            BlobMessage::Find(finds) => Some(finds),
            _ => None,
        });
        let new: Vec<_> = finds.flatten().map(|find| find.id).collect();
        if new.is_empty() {
            break;
        }
        assert!(new.len() <= 1024, "{}", new.len());
        new.iter().for_each(|id| desk.says(1, *id, Holding::Nothing));
        asked.extend(new);
    }
    asked.sort_unstable();
    asked.dedup();
    assert_eq!(asked.len(), 1500);
}
