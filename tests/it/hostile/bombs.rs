//! Frames that break a rule: too long, too deep, out of turn, or claiming what is not there. Each
//! ends its session with the reason that the protocol names, and its sender has to wait.

use super::forge::signed;
use super::puppet::{LIMITS, Line, Puppet, hello_with};
use super::siege::{Siege, the_secret};
use crate::nodes::PATIENCE;
use millpond::event::cbor::Value;
use millpond::event::codec::put_varint;
use millpond::event::limits::{FRAME_BYTES_MAX, PAYLOAD_BYTES_MAX};
use millpond::event::{EventRange, NodeKey, Payload, StreamEnd, StreamId};
use millpond::sync::{Message, RefusalReason};

/// A sequence of frames, and why it is refused.
type Case = (&'static str, Box<dyn Fn(&Line) -> Vec<Vec<u8>>>, RefusalReason);

/// The type of a message. Source: docs/protocol.md, "Messages".
const SUMMARY: u8 = 0x05;
const PROGRESS: u8 = 0x06;
const WANT: u8 = 0x07;
const RANGE: u8 = 0x08;
const PEERS: u8 = 0x09;
const BLOCK: u8 = 0x0a;

#[test]
fn a_stranger_that_breaks_a_rule_is_refused_with_the_reason_and_learns_nothing() {
    let siege = Siege::begin();
    for (what, frames, reason) in cases_of_strangers() {
        let puppet = Puppet::start();
        let mut line = puppet.dial(&siege.target);
        for frame in frames(&line) {
            line.say(&frame);
        }
        assert_eq!(line.refused(), Ok(reason), "{what}");
        siege.until_refused(puppet.node(), reason);
        // Its hello, and why it ended.
        while let Some(frame) = line.hear(PATIENCE) {
            assert!(frame[0] <= 0x02, "{what}: the node said {frame:?}");
        }
    }
    siege.lift();
}

fn cases_of_strangers() -> Vec<Case> {
    use RefusalReason::{
        LimitsUnsupported, Malformed, MessageUnsupported, Unexpected, VersionUnsupported,
        WrongSecret,
    };
    let always = |frame: Vec<u8>| move |_: &Line| vec![frame.clone()];
    let limits = || LIMITS.map(|limit| limit as u64).to_vec();
    let hello = |limits: Vec<u64>, extensions: Vec<(u64, usize)>| {
        move |line: &Line| {
            let bytes = [0; 2000];
            let extensions: Vec<(u64, &[u8])> =
                extensions.iter().map(|(id, length)| (*id, &bytes[..*length])).collect();
            vec![hello_with(&line.proof(&the_secret()), &limits, &extensions)]
        }
    };
    let ended_by = |tail: Vec<u8>| {
        move |line: &Line| {
            let mut hello = hello_with(&line.proof(&the_secret()), &[], &[]);
            hello.truncate(hello.len() - 2);
            hello.extend_from_slice(&tail);
            vec![hello]
        }
    };
    let six = || [6].into_iter().chain(limits()).collect::<Vec<u64>>();
    let small: Vec<u64> = limits().iter().map(|limit| limit - 1).collect();
    vec![
        ("an empty frame", Box::new(always(vec![])), Malformed),
        ("a ping before the hello", Box::new(always(vec![3; 9])), Unexpected),
        ("a summary before the hello", Box::new(always(vec![SUMMARY, 1, 0])), Unexpected),
        ("peers before the hello", Box::new(always(vec![PEERS, 0])), Unexpected),
        ("an unknown message", Box::new(always(vec![0x7f; 4])), MessageUnsupported),
        ("a later version", Box::new(always(vec![1, 2, 9, 7])), VersionUnsupported),
        ("no version", Box::new(always(vec![1, 2, 1])), Malformed),
        ("five limits", Box::new(hello(vec![u64::MAX; 5], vec![])), Malformed),
        ("33 limits", Box::new(hello(vec![u64::MAX; 33], vec![])), Malformed),
        ("2^63 limits", Box::new(ended_by(varints(&[1 << 63, 7]))), Malformed),
        ("smaller limits", Box::new(hello(small, vec![])), LimitsUnsupported),
        ("33 extensions", Box::new(hello(limits(), vec![(2, 0); 33])), Malformed),
        ("a long extension", Box::new(hello(limits(), vec![(2, 1025)])), Malformed),
        (
            "2^62 extensions",
            Box::new(ended_by(varints(&[&six()[..], &[1 << 62]].concat()))),
            Malformed,
        ),
        (
            "an extension of 2^62 bytes",
            Box::new(ended_by(varints(&[&six()[..], &[1, 2, 1 << 62]].concat()))),
            Malformed,
        ),
        (
            "an extension that is a must",
            Box::new(hello(limits(), vec![(7, 9)])),
            VersionUnsupported,
        ),
        (
            "bytes after the hello",
            Box::new(ended_by(varints(&[&six()[..], &[0, 9]].concat()))),
            Malformed,
        ),
        ("a proof of nothing", Box::new(always(hello_with(&[0; 32], &limits(), &[]))), WrongSecret),
    ]
}

fn varints(numbers: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    numbers.iter().for_each(|number| put_varint(&mut bytes, *number));
    bytes
}

#[test]
fn a_hello_with_all_that_a_later_one_may_carry_is_taken() {
    let siege = Siege::begin();
    let puppet = Puppet::start();
    let mut line = puppet.dial(&siege.target);
    let bytes = [7; 100];
    let extensions: Vec<(u64, &[u8])> = (50..82).map(|id| (id * 2, &bytes[..])).collect();
    let hello = hello_with(&line.proof(&the_secret()), &[u64::MAX; 32], &extensions);
    // What may be skipped may come first.
    line.say(&[0xee; 4096]);
    line.say(&hello);
    assert!(line.hear_until(|frame| frame[0] > 0x02).is_some(), "it is told what there is");
    siege.lift();
}

#[test]
fn a_frame_beyond_the_limit_is_not_read_and_one_that_never_ends_is_never_held() {
    let siege = Siege::begin();
    for length in [FRAME_BYTES_MAX as u32 + 1, u32::MAX] {
        let puppet = Puppet::start();
        let mut stranger = puppet.dial(&siege.target);
        stranger.push(&length.to_le_bytes());
        assert_eq!(stranger.refused(), Ok(RefusalReason::Oversized), "{length}");
        let (_other, mut member) = siege.member();
        member.push(&length.to_le_bytes());
        // As long as the node reads, there is more.
        while member.push(&[0x55; 1 << 16]) {}
        assert_eq!(member.refused(), Ok(RefusalReason::Oversized), "{length}");
    }
    siege.lift();
}

#[test]
fn a_channel_that_does_not_begin_as_it_must_is_closed() {
    let siege = Siege::begin();
    let puppet = Puppet::start();
    let connection = puppet.connect(&siege.target).expect("the node takes connections");
    let mut line = puppet.open(connection, &[0, 0, 0, 1]).expect("a channel");
    assert_eq!(line.refused(), Ok(RefusalReason::Malformed));
    assert!(!line.breathe());
    siege.lift();
}

#[test]
fn a_member_that_breaks_a_rule_is_refused_with_the_reason_and_must_wait() {
    let siege = Siege::begin();
    for (what, frames, reason) in cases_of_members() {
        let (puppet, mut line) = siege.member();
        for frame in frames(&line) {
            line.say(&frame);
        }
        assert_eq!(line.refused(), Ok(reason), "{what}");
        siege.until_refused(puppet.node(), reason);
        if reason.is_misbehaviour() {
            let again = puppet.dial(&siege.target);
            assert_eq!(again.refused(), Ok(RefusalReason::BackingOff), "{what}");
        }
    }
    siege.lift();
}

fn cases_of_members() -> Vec<Case> {
    use RefusalReason::{Forged, Malformed, MessageUnsupported, Unexpected};
    let always = |frame: Vec<u8>| move |_: &Line| vec![frame.clone()];
    let stream = StreamId { node: NodeKey::from_seed(&[8; 32]).node_id(), number: 0 }.to_bytes();
    let head = range_of(text(1)).head;
    let mut unsigned = head.clone();
    unsigned.signature[0] ^= 1;
    let counted = |kind: &[u8], count: u64, item: &[u8], items: usize| {
        [kind, &varints(&[count]), &item.repeat(items)].concat()
    };
    let (head, unsigned) = (head.to_bytes(), unsigned.to_bytes());
    let hello = |line: &Line| vec![line.hello(&the_secret())];
    let claims = [&[RANGE; 33][..], &head, &varints(&[1 << 60])].concat();
    vec![
        ("an empty frame", Box::new(always(vec![])), Malformed),
        ("a second hello", Box::new(hello), Unexpected),
        ("an unknown message", Box::new(always(vec![0x44])), MessageUnsupported),
        ("a ping of nine bytes", Box::new(always(vec![3; 10])), Malformed),
        ("2^62 heads", Box::new(always(counted(&[SUMMARY, 1], 1 << 62, &head, 3))), Malformed),
        ("257 heads", Box::new(always(counted(&[SUMMARY, 1], 257, &head, 257))), Malformed),
        ("a head nobody signed", Box::new(always(counted(&[SUMMARY, 0], 1, &unsigned, 1))), Forged),
        ("2^62 streams", Box::new(always(counted(&[PROGRESS, 0], 1 << 62, &stream, 9))), Malformed),
        (
            "a request backwards",
            Box::new(always([&[WANT], &stream[..], &[9, 8]].concat())),
            Malformed,
        ),
        ("1,025 peers", Box::new(always(counted(&[PEERS], 1025, &[7; 32], 1025))), Malformed),
        ("one peer twice", Box::new(always(counted(&[PEERS], 2, &[7; 32], 2))), Malformed),
        ("2^60 records", Box::new(always(claims)), Malformed),
        ("a block of nothing", Box::new(always([&[BLOCK; 33][..], &head].concat())), Malformed),
    ]
}

#[test]
fn payloads_too_deep_or_claiming_too_much_are_refused_unread() {
    let siege = Siege::begin();
    let filler = text(1000);
    let place = filler.as_bytes().len();
    let deep = |levels: usize| [vec![0x81; levels], vec![0; place - levels]].concat();
    let claiming = |head: &[u8]| [head, &vec![0; place - head.len()]].concat();
    let huge = text(PAYLOAD_BYTES_MAX - 5);
    let bombs = [
        (filler.clone(), deep(33)),
        (filler.clone(), deep(place - 1)),
        (huge.clone(), vec![0x81; huge.as_bytes().len()]),
        (huge.clone(), [0xa1, 0x00].repeat(huge.as_bytes().len() / 2)),
        (filler.clone(), claiming(&[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])),
        (filler.clone(), claiming(&[0xbb, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])),
        (filler.clone(), claiming(&[0x5b, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff])),
        (filler.clone(), claiming(&[0x7a, 0xff, 0xff, 0xff, 0xff])),
        (filler, claiming(&[0x9f])),
    ];
    for (number, (payload, bomb)) in bombs.into_iter().enumerate() {
        let range = range_of(payload);
        let before = StreamEnd::empty(&the_secret().swarm_id(), &range.stream()).chain;
        let mut frame = Message::Range { before, range }.encode().to_vec();
        let at = frame.len() - bomb.len();
        frame[at..].copy_from_slice(&bomb);
        let (puppet, mut line) = siege.member();
        line.say(&frame);
        assert_eq!(line.refused(), Ok(RefusalReason::Malformed), "bomb {number}");
        siege.until_refused(puppet.node(), RefusalReason::Malformed);
    }
    siege.lift();
}

/// A payload that is a text of so many bytes.
fn text(bytes: usize) -> Payload {
    Payload::from_value(&Value::from("x".repeat(bytes))).expect("it fits")
}

/// A stream of a stranger with one event that says `payload`.
fn range_of(payload: Payload) -> EventRange {
    signed(&NodeKey::from_seed(&[8; 32]), [(1, payload)])
}
