//! A block whose lengths or values are lies: it is refused, whichever it is.

use super::forge::{first_stream, signed};
use super::puppet::Puppet;
use super::siege::{Siege, the_secret};
use crate::nodes::until;
use millpond::event::cbor::Value;
use millpond::event::codec::Reader;
use millpond::event::limits::BLOCK_EVENTS_MAX;
use millpond::event::{Payload, SignedHead, StreamEnd, block};
use millpond::sync::RefusalReason;

/// Source of this and of where things stand: docs/protocol.md, "Messages", and docs/format.md,
/// "Ranges" and "Blocks on disk".
const BLOCK: u8 = 0x0a;
/// Where the block begins in its frame: after the type, the chain before and the head.
const BLOCK_AT: usize = 1 + 32 + SignedHead::BYTES;
/// Events of a frame of a block, and what the head of the block has of each frame.
const FRAME_EVENTS: u64 = 64;
const FRAME_ENTRY_BYTES: usize = 8;

/// The first block of a puppet's own stream, in a frame.
fn frame_of(puppet: &Puppet) -> Vec<u8> {
    let word = |number: u64| Payload::from_value(&Value::from(number * number)).expect("small");
    let range = signed(puppet.key(), (1..=BLOCK_EVENTS_MAX).map(|at| (at, word(at))));
    let before = StreamEnd::empty(&the_secret().swarm_id(), &range.stream()).chain;
    let head = range.head.to_bytes();
    [&[BLOCK], before.as_bytes().as_slice(), &head, &block::encode(range.records())].concat()
}

/// A place in a block, what is put there, and what the place is.
type Lie = (usize, Vec<u8>, String);

/// Each length of the head of `block`, as the largest number of as many bytes, and as one that is
/// a little wrong.
fn lies_about_lengths(block: &[u8]) -> Vec<Lie> {
    let head_bytes = u32::from_le_bytes(block[..4].try_into().expect("four bytes")) as usize;
    let mut head = Reader::new(&block[4..4 + head_bytes]);
    let at = |head: &Reader<'_>| 4 + head_bytes - head.clone().rest().len();
    let mut lies = Vec::new();
    let mut lie = |place: usize, end: usize, name: &str| {
        let mut most = vec![0xff; end - place];
        most[end - place - 1] = 0x7f;
        let mut near = block[place..end].to_vec();
        near[0] ^= 1;
        lies.push((place, most, format!("{name}: the most")));
        lies.push((place, near, format!("{name}: one off")));
    };
    for name in ["events", "bytes of the records"] {
        let place = at(&head);
        head.varint().expect("it is there");
        lie(place, at(&head), name);
    }
    // Of lamports, times, header shapes and payload shapes: base, step, width.
    for _ in 0..4 {
        head.varint().expect("a base");
        head.varint().expect("a step");
        head.bytes(1).expect("a width");
    }
    let place = at(&head);
    head.varint().expect("it is there");
    lie(place, at(&head), "shapes of headers");
    let frames = BLOCK_EVENTS_MAX.div_ceil(FRAME_EVENTS) as usize;
    for frame in 0..frames {
        let place = 4 + head_bytes - (frames - frame) * FRAME_ENTRY_BYTES;
        lie(place, place + 4, &format!("end of frame {frame}"));
    }
    lie(0, 4, "bytes of the head");
    lies
}

/// Sends the block of a new member with `lie` in it; why it was refused.
fn refused_with(siege: &Siege, lie: &Lie) -> Result<RefusalReason, String> {
    let (puppet, mut line) = siege.member();
    let mut frame = frame_of(&puppet);
    let (at, bytes, _) = lie;
    frame[BLOCK_AT + at..][..bytes.len()].copy_from_slice(bytes);
    line.say(&frame);
    let refused = line.refused();
    let stream = first_stream(puppet.key());
    assert_eq!(siege.node.offsets().unwrap().count(&stream), 0, "{lie:?} is taken");
    refused
}

#[test]
fn a_block_in_which_nothing_is_a_lie_is_taken() {
    let siege = Siege::begin();
    let (puppet, mut line) = siege.member();
    line.say(&frame_of(&puppet));
    let stream = first_stream(puppet.key());
    until(&siege.node, "the events", |node| {
        node.offsets().unwrap().count(&stream) == BLOCK_EVENTS_MAX
    });
    siege.lift();
}

#[test]
fn a_block_is_refused_whatever_length_in_it_is_a_lie() {
    let siege = Siege::begin();
    let block = frame_of(&Puppet::start()).split_off(BLOCK_AT);
    for lie in lies_about_lengths(&block) {
        assert_eq!(refused_with(&siege, &lie), Ok(RefusalReason::Malformed), "{lie:?}");
    }
    siege.lift();
}

/// What is no length makes other events, which nobody signed, or none.
#[test]
fn a_block_is_refused_whatever_word_of_its_head_is_another() {
    let siege = Siege::begin();
    let block = frame_of(&Puppet::start()).split_off(BLOCK_AT);
    let head_bytes = u32::from_le_bytes(block[..4].try_into().expect("four bytes")) as usize;
    for at in (4..head_bytes).step_by(4) {
        let lie = (at, vec![0xff; 4], "a word".to_owned());
        let refused = refused_with(&siege, &lie);
        let is_named = |reason: &RefusalReason| {
            [RefusalReason::Malformed, RefusalReason::Forged].contains(reason)
        };
        assert!(refused.as_ref().is_ok_and(is_named), "word at {at}: {refused:?}");
    }
    siege.lift();
}
