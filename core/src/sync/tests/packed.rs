//! Whole blocks on the wire: what they cost, and what a peer can do with them.

use super::puppet::{Author, Puppet};
use super::world::{SECRET, World};
use crate::event::{Chain, EventRange, StreamEnd};
use crate::sync::constants::CREDIT_BYTES_INITIAL;
use crate::sync::message::{Message, encode_block, peek_range};
use crate::sync::{ClosedBlock, Input, LogRead, OpenedBlock, RefusalReason, SwarmEvent};
use bytes::Bytes;
use std::time::Duration;

const BLOCK: u8 = 0x0a;

/// The frame of the block of `author` that begins at `from`.
fn block(author: &Author, from: u64) -> Bytes {
    let before = author.log.chain_at(&author.stream(), from).unwrap().unwrap();
    encode_block(&before, &author.log.read_block(&author.stream(), from).unwrap().unwrap())
}

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("grain {number}")).collect()
}

#[test]
fn a_backlog_travels_as_blocks_and_what_is_live_as_records() {
    let mut world = World::with_nodes(1, 2);
    world.keep_frames(1);
    world.publish(0, 2500);
    world.link(1, 0);
    world.assert_converges(Duration::from_secs(10));
    world.publish(0, 3);
    world.assert_converges(Duration::from_secs(10));
    let frames = &world.nodes[1].frames_received;
    let firsts = |kind: u8| -> Vec<u64> {
        let own = frames.iter().filter(|frame| frame[0] == kind);
        own.map(|frame| peek_range(frame).unwrap().first).collect()
    };
    assert_eq!(firsts(BLOCK), [0, 1024]);
    assert_eq!(firsts(0x08), [2048, 2500]);
    // And is passed on likewise.
    let third = world.add(&SECRET);
    world.keep_frames(third);
    world.cut(0, third);
    world.link(third, 1);
    world.assert_converges(Duration::from_secs(10));
    let blocks = world.nodes[third].frames_received.iter().filter(|frame| frame[0] == BLOCK);
    assert_eq!(blocks.count(), 2);
}

#[test]
fn a_block_costs_as_much_credit_as_its_records() {
    let mut author = Author::new(7);
    author.log.append(&author.key, 0, &["x".repeat(600_000), "y".repeat(200_000)]);
    let frame = block(&author, 0);
    assert!(frame.len() < 1_000, "{} bytes", frame.len());
    let Message::Range { range, .. } = author.range(0) else { unreachable!() };
    let cost = peek_range(&frame).unwrap().cost;
    assert!(cost >= range.record_bytes() && cost < range.record_bytes() + 300, "{cost}");
    let mut puppet = Puppet::admitted();
    let credit = |puppet: &Puppet| -> u64 {
        let messages = puppet.messages().into_iter();
        let granted = messages.map(|message| match message {
            Message::Progress { credit, .. } => credit,
            _ => 0,
        });
        granted.sum()
    };
    assert_eq!(credit(&puppet), 0);
    puppet.say_bytes(frame);
    assert_eq!((puppet.closed, puppet.stored.len()), (None, 1));
    assert_eq!(credit(&puppet), cost as u64, "it is granted again once it is stored");
    // The other side keeps the same account.
    let mut giver = Puppet::admitted_to(author.log.clone());
    let initial = CREDIT_BYTES_INITIAL;
    giver.say(&Message::Want { stream: author.stream(), from: 0, to: 2 });
    let session = giver.swarm.sessions.values().next().unwrap();
    assert!(!session.credit.has_for_live(), "{cost} of {initial} bytes were spent");
    assert_eq!(giver.heard.iter().filter(|frame| frame[0] == BLOCK).count(), 1);
}

#[test]
fn a_flipped_bit_in_a_block_is_refused_or_changes_no_event() {
    let mut author = Author::new(7);
    let large = ["a".repeat(300_000), "b".repeat(300_000), "c".repeat(200_000)];
    author.log.append(&author.key, 0, &large);
    let frame = block(&author, 0);
    let Message::Range { range, .. } = author.range(0) else { unreachable!() };
    let mut refused = 0;
    // The first byte says what it is. A seventh of all bits reaches every byte's neighbours.
    for bit in (8..frame.len() * 8).step_by(7) {
        let mut flipped = frame.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let mut puppet = Puppet::admitted();
        puppet.say_bytes(flipped.into());
        if let [stored] = &puppet.stored[..] {
            assert_eq!(stored.records(), range.records(), "bit {bit}");
            continue;
        }
        // The name of a branch is not signed: it shows whether it is one.
        let name = (1 + 32 + 32) * 8..(1 + 32 + 32) * 8 + 52;
        if name.contains(&(bit / 8 * 8 + 7 - bit % 8)) {
            continue;
        }
        refused += 1;
        assert!(puppet.closed.is_some_and(RefusalReason::is_misbehaviour), "bit {bit}");
        let misbehaved = |event: &SwarmEvent| matches!(event, SwarmEvent::Misbehaved { .. });
        assert!(puppet.told.iter().any(misbehaved), "bit {bit}");
    }
    assert!(refused > frame.len() * 8 / 7 * 9 / 10, "{refused} of {} bytes", frame.len());
}

#[test]
fn a_block_with_another_event_in_it_is_forged_and_one_that_is_cut_malformed() {
    let (mut author, mut other) = (Author::new(7), Author::new(7));
    author.log.append(&author.key, 0, &texts(1024));
    let mut altered = texts(1024);
    altered[500].push('!');
    other.log.append(&other.key, 0, &altered);
    let (true_frame, head) = (block(&author, 0), author.log.heads().remove(0));
    let packed = other.log.read_block(&other.stream(), 0).unwrap().unwrap().unpack().unwrap();
    let mixed = crate::event::PackedRange::new(head, packed.block().unwrap().clone()).unwrap();
    let start = Chain::start(&SECRET.swarm_id(), &author.stream());
    let cases = [
        (encode_block(&start, &mixed), RefusalReason::Forged),
        (encode_block(&Chain::from_bytes([3; 32]), &mixed), RefusalReason::Forged),
        (true_frame.slice(..true_frame.len() - 1), RefusalReason::Malformed),
        ([&true_frame[..], &[0]].concat().into(), RefusalReason::Malformed),
        (true_frame.slice(..200), RefusalReason::Malformed),
        (true_frame.slice(..33 + 152), RefusalReason::Malformed),
    ];
    for (frame, reason) in cases {
        let mut puppet = Puppet::admitted();
        puppet.say_bytes(frame);
        assert_eq!((puppet.closed, puppet.stored.len()), (Some(reason), 0));
    }
    // What is verified says from where.
    let mut puppet = Puppet::admitted();
    puppet.say_bytes(true_frame);
    let stored: &EventRange = &puppet.stored[0];
    let empty = StreamEnd::empty(&SECRET.swarm_id(), &author.stream());
    stored.verify(&SECRET.swarm_id(), &empty).unwrap();
    assert!(stored.block().is_some());
}

/// A puppet whose swarm was sent three blocks and the records behind them, and opened none yet.
fn sent_three_blocks() -> (Author, Puppet, Vec<OpenedBlock>) {
    let mut author = Author::new(7);
    author.log.append(&author.key, 0, &texts(3074));
    let mut puppet = Puppet::admitted();
    puppet.keeps_blocks = true;
    [0, 1024, 2048].into_iter().for_each(|from| puppet.say_bytes(block(&author, from)));
    puppet.say(&author.range(3072));
    assert_eq!((puppet.closed, puppet.stored.len(), puppet.kept.len()), (None, 0, 3));
    let opened = std::mem::take(&mut puppet.kept).into_iter().map(|block| block.open()).collect();
    (author, puppet, opened)
}

#[test]
fn blocks_are_wanted_until_their_session_ends() {
    let mut author = Author::new(7);
    author.log.append(&author.key, 0, &texts(2048));
    let mut puppet = Puppet::admitted();
    puppet.keeps_blocks = true;
    [0, 1024].into_iter().for_each(|from| puppet.say_bytes(block(&author, from)));
    assert!(puppet.kept.iter().all(ClosedBlock::is_wanted));
    let connection = puppet.connection;
    puppet.give(Input::Disconnected { connection, code: None });
    assert!(!puppet.kept.iter().any(ClosedBlock::is_wanted));
}

fn firsts(puppet: &Puppet) -> Vec<u64> {
    puppet.stored.iter().map(|range| range.first).collect()
}

#[test]
fn blocks_take_effect_in_the_order_in_which_they_came_whichever_is_opened_first() {
    let (_, mut puppet, opened) = sent_three_blocks();
    let mut stored = Vec::new();
    for at in [2, 0, 0, 1, 2] {
        puppet.give(Input::Opened(opened[at].clone()));
        stored.push(firsts(&puppet).len());
    }
    assert_eq!((puppet.closed, stored), (None, vec![0, 1, 1, 4, 4]));
    assert_eq!(firsts(&puppet), [0, 1024, 2048, 3072]);
    let session = puppet.swarm.sessions.values().next().unwrap();
    assert!(!session.credit.is_processing(), "nothing waits any more");
}

#[test]
fn what_came_before_a_session_ended_is_kept_and_belongs_to_no_later_one() {
    let (_, mut puppet, opened) = sent_three_blocks();
    puppet.give(Input::Opened(opened[1].clone()));
    puppet.say(&Message::Goodbye(RefusalReason::ShuttingDown));
    assert_eq!(firsts(&puppet), [0, 1024, 2048, 3072]);
    puppet.connect(2);
    puppet.admit();
    opened.into_iter().for_each(|block| puppet.give(Input::Opened(block)));
    assert_eq!((puppet.closed, puppet.stored.len()), (None, 4));
}

#[test]
fn nothing_behind_a_forged_block_is_taken() {
    let (author, _, _) = sent_three_blocks();
    let mut forged = block(&author, 0).to_vec();
    // The chain that it claims to go on from.
    forged[1] ^= 1;
    let mut puppet = Puppet::admitted();
    puppet.keeps_blocks = true;
    puppet.say_bytes(forged.into());
    puppet.say_bytes(block(&author, 0));
    let blocks = std::mem::take(&mut puppet.kept);
    let (bad, good) = (blocks[0].clone().open(), blocks[1].clone().open());
    puppet.give(Input::Opened(good));
    assert_eq!((puppet.closed, puppet.stored.len()), (None, 0));
    puppet.give(Input::Opened(bad));
    assert_eq!((puppet.closed, puppet.stored.len()), (Some(RefusalReason::Forged), 0));
}
