//! Streams with events that a peer named are sent before others.

use super::flow::noise;
use super::log::MemoryLog;
use super::puppet::{Author, Puppet};
use super::world::{SECRET, World};
use crate::event::limits::LAMPORT_MAX;
use crate::event::{EventRange, StreamId};
use crate::query::Query;
use crate::sync::message::Message;
use crate::sync::{Input, Lane};
use std::time::Duration;

/// A log of three streams of four blocks of 1 MiB each; in the last one the second block has an
/// alarm.
fn log_with_an_alarm() -> MemoryLog {
    let mut log = MemoryLog::new(SECRET.swarm_id());
    let key = Author::new(7).key;
    for block in 0..4 {
        for number in 0..3 {
            let mut texts = noise(block, 132);
            if (number, block) == (2, 1) {
                texts[70] = "!stop".to_owned();
            }
            log.append(&key, number, &texts);
        }
    }
    log
}

/// The streams whose ranges a peer gets, in order, when it names these before it asks for all, and
/// which of the ranges has the alarm.
fn served(first: &[&str]) -> (Vec<u64>, usize) {
    let mut puppet = Puppet::admitted_to(log_with_an_alarm());
    puppet.say(&Message::Progress { credit: u64::MAX >> 1, held: Vec::new() });
    puppet.takes_frames = false;
    first.iter().for_each(|text| puppet.say(&Message::Priority((*text).to_owned())));
    // What was asked for first goes on its way at once.
    for number in [0, 1, 2] {
        let stream = StreamId { number, ..Author::new(7).stream() };
        puppet.say(&Message::Want { stream, from: 0, to: LAMPORT_MAX });
    }
    puppet.takes_frames = true;
    let connection = puppet.connection;
    puppet.give(Input::Sent { connection, lane: Lane::Backlog, bytes: 4 << 20 });
    let messages = puppet.messages();
    let ranges = messages.iter().filter_map(|message| match message {
        Message::Range { range, .. } => Some(range),
        _ => None,
    });
    let ranges: Vec<_> = ranges.collect();
    let has_alarm = |range: &&EventRange| range.records().iter().any(|own| own.has_tag("alarm"));
    let alarm = ranges.iter().position(has_alarm).expect("it is all sent");
    (ranges.iter().map(|range| range.stream().number).collect(), alarm)
}

#[test]
fn a_stream_with_a_named_event_is_brought_up_to_it_before_others_go_on() {
    let ((_, plain), (_, named)) = (served(&[]), served(&["FROM 'alarm'"]));
    assert!(named + 2 <= plain, "the alarm came as number {named}, without a word as {plain}");
}

#[test]
fn what_a_peer_may_not_name_changes_nothing() {
    let plain = served(&[]);
    let dear = (0..17).map(|at| format!("'{at}'")).collect::<Vec<_>>().join("|");
    for text in
        ["FROM 'alarm' & from(5)", "FROM", "FROM TIME > 2020-01-01", &format!("FROM {dear}")]
    {
        assert_eq!(served(&[text]), plain, "{text}");
    }
}

#[test]
fn a_session_names_what_goes_first_once() {
    assert_eq!(served(&["FROM 'other'", "FROM 'alarm'"]), served(&[]));
}

#[test]
fn a_node_tells_each_peer_what_it_wants_first_and_gets_all_of_it() {
    let mut puppet = Puppet::with_options(MemoryLog::new(SECRET.swarm_id()), |options| {
        options.priority = Some(Query::parse("FROM 'alarm'").unwrap());
    });
    puppet.admit();
    let told = puppet
        .messages()
        .into_iter()
        .filter(|message| matches!(message, Message::Priority(text) if text == "FROM 'alarm'"));
    assert_eq!(told.count(), 1);
    let mut world = World::with_nodes(3, 2);
    world.publish_texts(0, &vec!["!stop".to_owned(); 3000]);
    world.link(0, 1);
    world.assert_converges(Duration::from_secs(60));
}
