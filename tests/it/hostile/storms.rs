//! Members and strangers that say allowed things without end: the honest peer waits for nobody.

use super::puppet::{Line, Puppet, fresh_key};
use super::siege::{Siege, the_secret};
use crate::nodes::publish;
use millpond::event::{Chain, Lamport, SignedHead, StreamId};
use millpond::sync::Message;
use std::thread;
use std::time::{Duration, Instant};

/// How long a storm lasts, and how many take part.
const TIME: Duration = Duration::from_secs(3);
const MEMBERS: usize = 4;
/// Bytes that are written at a time.
const PIECE: usize = 64 << 10;

/// Several members say the frames that `make` gives, again and again; how many of them.
fn storm(siege: &Siege, make: impl Fn(usize) -> Vec<Vec<u8>> + Sync) -> u64 {
    let counts = thread::scope(|scope| {
        let rage = |member: usize| {
            // Before it is let in: a member that says nothing meanwhile would be ended as silent.
            let frames = make(member);
            let (_puppet, mut line) = siege.member();
            rage(&mut line, &frames)
        };
        let raging: Vec<_> = (0..MEMBERS).map(|member| scope.spawn(move || rage(member))).collect();
        raging.into_iter().map(|raging| raging.join().expect("it goes on")).sum()
    });
    println!("{counts} frames in {TIME:?}");
    counts
}

/// Says the frames until the time is over; how many were taken.
fn rage(line: &mut Line, frames: &[Vec<u8>]) -> u64 {
    let (mut count, begin) = (0, Instant::now());
    let mut frames = frames.iter().cycle();
    while begin.elapsed() < TIME {
        let mut piece = Vec::with_capacity(PIECE);
        while piece.len() < PIECE {
            let frame = frames.next().expect("it goes round");
            piece.extend_from_slice(&(frame.len() as u32).to_le_bytes());
            piece.extend_from_slice(frame);
            count += 1;
        }
        assert!(line.push(&piece), "what is allowed is no offence");
    }
    count
}

#[test]
fn a_storm_of_pings_holds_nobody_up() {
    let siege = Siege::begin();
    storm(&siege, |_| vec![Message::Ping(7).encode().to_vec()]);
    siege.lift();
}

#[test]
fn a_storm_of_messages_that_may_be_skipped_holds_nobody_up() {
    let siege = Siege::begin();
    storm(&siege, |_| vec![vec![0xfe], vec![0xfd; 100]]);
    siege.lift();
}

#[test]
fn a_storm_of_requests_holds_nobody_up() {
    let siege = Siege::begin();
    publish(&siege.node, "grain", 3_000, 1_000);
    let stream = siege.node.own_stream();
    storm(&siege, |member| {
        let to = 3_000 - member as u64;
        let wants = (0..8).map(|from| Message::Want { stream, from: from * 256, to });
        let unknown = StreamId { number: 77, ..stream };
        let vain = Message::Want { stream: unknown, from: 0, to: 1 << 50 };
        let credit = Message::Progress { credit: 1 << 30, held: vec![(stream, 5)] };
        wants.chain([vain, credit]).map(|message| message.encode().to_vec()).collect()
    });
    siege.lift();
}

#[test]
fn a_storm_of_signatures_to_look_at_holds_nobody_up() {
    let siege = Siege::begin();
    storm(&siege, |_| {
        // A stream that grows without end, head by head, each of them genuine.
        let key = fresh_key();
        let head = |count: u64| -> SignedHead {
            let lamport = Lamport::new(count).expect("small");
            let chain = Chain::from_bytes([count as u8; 32]);
            key.sign_head(&the_secret().swarm_id(), 0, count, lamport, chain)
        };
        let heads: Vec<SignedHead> = (1..=20_000).map(head).collect();
        let summary =
            |heads: &[SignedHead]| Message::Summary { is_last: false, heads: heads.to_vec() };
        heads.chunks(200).map(|heads| summary(heads).encode().to_vec()).collect()
    });
    siege.lift();
}

#[test]
fn a_storm_of_strangers_that_say_what_may_be_skipped_is_over_soon() {
    let siege = Siege::begin();
    let taken = thread::scope(|scope| {
        let rage = || {
            let puppet = Puppet::start();
            let mut line = puppet.dial(&siege.target);
            let piece = [&[1, 0, 0, 0, 0xff][..]; 1_000].concat();
            let mut pieces = 0;
            while line.is_open() && line.push(&piece) {
                pieces += 1;
            }
            assert!(line.refused().is_ok());
            pieces * 1_000
        };
        let raging: Vec<_> = (0..MEMBERS).map(|_| scope.spawn(rage)).collect();
        raging.into_iter().map(|raging| raging.join().expect("it goes on")).sum::<u64>()
    });
    println!("{taken} frames of {MEMBERS} strangers were taken");
    // What was on its way when the node had enough is not counted against it.
    assert!(taken < MEMBERS as u64 * 40_000, "{taken}");
    siege.lift();
}
