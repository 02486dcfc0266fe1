//! Members that bring what is not of a blob, or more of it than was asked for.

use super::puppet::{Bulk, Line, Puppet};
use super::siege::{Siege, the_secret};
use crate::nodes::{PATIENCE, link, open};
use bytes::Bytes;
use millpond::blob::message::{Ask, BlobMessage, Have, Holding, PieceFrame};
use millpond::blob::piece;
use millpond::blob::{BlobId, BlobSize, GroupIndex};
use millpond::sync::RefusalReason;
use millpond::{About, BlobRef, BlobWork};
use millpond_tests::crash::mix;

const GROUP: usize = 64 << 10;
const ASK: u8 = 0x92;
const FIND: u8 = 0x90;

/// What is fetched, and the tree of it.
struct Blob {
    id: BlobId,
    size: BlobSize,
    bytes: Vec<u8>,
    pairs: Vec<u8>,
}

impl Blob {
    fn new(groups: usize) -> Blob {
        let words = (0..(groups * GROUP) as u64 / 8).flat_map(|word| mix(9, word).to_le_bytes());
        let (bytes, mut pairs) = (words.collect::<Vec<u8>>(), Vec::new());
        let size = BlobSize::new(bytes.len() as u64).expect("it is small");
        let id = piece::hash_into(size, &bytes[..], &mut pairs).expect("memory takes it");
        Blob { id, size, bytes, pairs }
    }

    /// The right piece of a group.
    fn piece(&self, group: GroupIndex) -> Vec<u8> {
        let mut piece = Vec::new();
        let kept = (&self.bytes[..], &self.pairs[..]);
        piece::encode(&self.id, self.size, group, kept, &mut piece).expect("it is right");
        piece
    }
}

/// A member that says that it holds the blob whole, once it is asked; and what the node then asks
/// it for.
fn claims(siege: &Siege, blob: &Blob) -> (Puppet, Line, Bulk, BlobWork<BlobRef>, Ask) {
    let puppet = Puppet::start();
    let mut line = puppet.dial(&siege.target);
    line.greet_carrying(&the_secret());
    let bulk = line.open_bulk();
    let work = siege.node.blobs().fetch(blob.id);
    line.hear_until(|frame| frame[0] == FIND).expect("the node looks for it");
    let (id, holding) = (blob.id, Holding::Whole { size: blob.size });
    line.say(&BlobMessage::Have(vec![Have { id, holding, others: Vec::new() }]).encode());
    let asked = asked(&line);
    (puppet, line, bulk, work, asked)
}

/// The next ask of the node.
fn asked(line: &Line) -> Ask {
    let frame = line.hear_until(|frame| frame[0] == ASK).expect("the node asks for it");
    match BlobMessage::decode(&frame) {
        Ok(Some(BlobMessage::Ask(ask))) => ask,
        other => panic!("{other:?} is no ask"),
    }
}

fn frame(ask: &Ask, group: GroupIndex, piece: Vec<u8>) -> Bytes {
    let (transfer, piece) = (ask.transfer, Bytes::from(piece));
    BlobMessage::Piece(PieceFrame { transfer, group, piece }).encode()
}

/// Somebody honest comes with the blob: the fetch ends well, and nothing wrong was kept.
fn ends_well(siege: Siege, blob: &Blob, work: BlobWork<BlobRef>) {
    let honest = open(&siege.scratch, "honest", &the_secret());
    honest.blobs().add_bytes(blob.bytes.clone(), About::default()).wait().unwrap();
    link(&honest, &siege.node).unwrap();
    let fetched = work.finish().wait_timeout(PATIENCE).expect("it ends in time").unwrap();
    assert_eq!((fetched.id, fetched.size), (blob.id, Some(blob.size.bytes())));
    let got = siege.node.blobs().get(blob.id, blob.bytes.len()).wait().unwrap();
    assert!(got == blob.bytes);
    let verified = siege.node.blobs().verify(None).finish().wait().unwrap();
    assert_eq!((verified.whole, verified.damaged.len(), verified.strays), (1, 0, 0));
    siege.lift();
}

#[test]
fn a_flipped_byte_is_refused_and_its_sender_named() {
    let (siege, blob) = (Siege::begin(), Blob::new(5));
    let (puppet, line, mut bulk, work, ask) = claims(&siege, &blob);
    let group = ask.groups.iter().next().expect("an ask is not empty");
    let mut piece = blob.piece(group);
    let middle = piece.len() - GROUP / 2;
    piece[middle] ^= 1;
    assert!(bulk.say(&frame(&ask, group, piece)));
    assert_eq!(line.refused(), Ok(RefusalReason::Forged));
    siege.until_refused(puppet.node(), RefusalReason::Forged);
    assert_eq!(work.progress().done_bytes, 0, "nothing of it counts");
    ends_well(siege, &blob, work);
}

#[test]
fn a_liar_costs_one_group() {
    let (siege, blob) = (Siege::begin(), Blob::new(20));
    let (_puppet, line, mut bulk, work, ask) = claims(&siege, &blob);
    assert_eq!(ask.groups.count(), 1, "who has proved nothing is asked for one group");
    // The group of another place, with everything of its own right.
    let group = ask.groups.iter().next().expect("an ask is not empty");
    let other = GroupIndex::new(u64::from(group.value() ^ 1)).unwrap();
    assert!(bulk.say(&frame(&ask, group, blob.piece(other))));
    // It may have another length; else it does not verify.
    let refused = line.refused().expect("the node closes");
    assert!(matches!(refused, RefusalReason::Forged | RefusalReason::Malformed), "{refused:?}");
    assert!(siege.node.blobs().stat(&blob.id).is_err(), "nothing of it is here");
    ends_well(siege, &blob, work);
}

#[test]
fn pieces_that_nobody_asked_for_end_the_session() {
    let (siege, blob) = (Siege::begin(), Blob::new(3));
    let (puppet, line, mut bulk, work, ask) = claims(&siege, &blob);
    let group = ask.groups.iter().next().expect("an ask is not empty");
    let unknown = Ask { transfer: ask.transfer + 1, ..ask };
    assert!(bulk.say(&frame(&unknown, group, blob.piece(group))));
    assert_eq!(line.refused(), Ok(RefusalReason::Unexpected));
    siege.until_refused(puppet.node(), RefusalReason::Unexpected);
    ends_well(siege, &blob, work);
}

#[test]
fn a_frame_without_end_ends_the_session_at_its_length() {
    let (siege, blob) = (Siege::begin(), Blob::new(3));
    let (_puppet, line, mut bulk, work, _) = claims(&siege, &blob);
    bulk.push(&u32::MAX.to_le_bytes());
    assert_eq!(line.refused(), Ok(RefusalReason::Oversized));
    ends_well(siege, &blob, work);
}

#[test]
fn one_who_promises_and_brings_nothing_holds_up_nobody() {
    let (siege, blob) = (Siege::begin(), Blob::new(3));
    let (_puppet, mut line, _bulk, work, _) = claims(&siege, &blob);
    line.breathe();
    ends_well(siege, &blob, work);
}
