//! Blobs: ids, trees and pieces of sizes around the edges of groups, and the frames about them.
//!
//! Byte number `i` of each blob is `i` modulo 251. Source: docs/protocol.md, "Blobs".

use super::hold;
use millpond::blob::limits::BLOB_BYTES_MAX;
use millpond::blob::message::{
    Ask, BlobMessage, Find, Have, Holding, KeepWord, PieceFrame, StopReason,
};
use millpond::blob::{BlobId, BlobSize, GroupIndex, GroupRange, piece};
use millpond::event::{NodeId, hex};
use serde_json::{Value as Json, json};

const GROUP: u64 = 65_536;

#[test]
fn blobs_have_the_ids_trees_and_pieces_of_the_vectors() {
    let sizes = [
        0,
        1,
        1023,
        1024,
        1025,
        16_383,
        16_384,
        16_385,
        GROUP - 1,
        GROUP,
        GROUP + 1,
        2 * GROUP,
        2 * GROUP + 1,
        3 * GROUP + 1,
        4 * GROUP,
        5 * GROUP + 1025,
    ];
    let (taken, refused) = (true_frames(), broken_frames());
    let blobs: Vec<Json> = sizes.into_iter().map(blob).collect();
    hold("blobs.json", &json!({ "blobs": blobs, "taken": taken, "refused": refused }));
}

fn blob(bytes: u64) -> Json {
    let size = BlobSize::new(bytes).unwrap();
    let data: Vec<u8> = (0..bytes).map(|at| (at % 251) as u8).collect();
    let mut tree = Vec::new();
    let id = piece::hash_into(size, &data[..], &mut tree).unwrap();
    assert_eq!(id, BlobId::of(&data));
    assert_eq!(tree.len() as u64, size.tree_bytes());
    let pairs = size.all().iter().map(|group| pairs(&id, size, group, &data, &tree));
    json!({
        "size": bytes,
        "id": id.to_string(),
        "tree": hex(&tree),
        "pairs": pairs.collect::<Vec<_>>(),
    })
}

/// The hash pairs of a piece, which come back out of it to where they stand in the tree.
fn pairs(id: &BlobId, size: BlobSize, group: GroupIndex, data: &[u8], tree: &[u8]) -> String {
    let mut bytes = Vec::new();
    piece::encode(id, size, group, (data, tree), &mut bytes).unwrap();
    let taken = piece::verify(id, size, group, &bytes).unwrap();
    let start = group.start() as usize;
    assert_eq!(taken.bytes, data[start..start + size.group_bytes(group)]);
    for (position, pair) in &taken.pairs {
        assert_eq!(tree[*position as usize..*position as usize + 64], pair[..]);
    }
    hex(&bytes[..size.pairs(group) * 64])
}

fn true_frames() -> Vec<Json> {
    messages().iter().map(hold_true).collect()
}

fn hold_true((name, fields, message): &(&str, Json, BlobMessage)) -> Json {
    let bytes = message.encode();
    assert_eq!(BlobMessage::decode(&bytes), Ok(Some(message.clone())), "{name}");
    json!({ "message": name, "fields": fields, "bytes": hex(&bytes) })
}

fn id() -> BlobId {
    BlobId::of(b"")
}

fn size(bytes: u64) -> BlobSize {
    BlobSize::new(bytes).unwrap()
}

fn range(first: u64, end: u64) -> GroupRange {
    GroupRange::new(first, end).unwrap()
}

/// One of each message, and of each form that it has.
fn messages() -> Vec<(&'static str, Json, BlobMessage)> {
    let (id, text) = (id(), id().to_string());
    let nodes = [1, 2].map(|byte| NodeId::from_bytes([byte; 32]));
    let largest = size(BLOB_BYTES_MAX);
    let have = |holding, others: &[NodeId]| {
        BlobMessage::Have(vec![Have { id, holding, others: others.to_vec() }])
    };
    let told = |fields: Json, others: Json| {
        let blob = json!({ "id": text, "holding": fields, "others": others });
        json!({ "blobs": [blob] })
    };
    let part = Holding::Part { size: size(9 * GROUP), spans: vec![range(1, 2), range(4, 9)] };
    let none = json!([]);
    let both = json!([nodes[0].to_string(), nodes[1].to_string()]);
    let mut all = vec![
        (
            "find",
            json!({ "blobs": [{ "id": text, "watch": true }, { "id": text, "watch": false }] }),
            BlobMessage::Find(vec![Find { id, watch: true }, Find { id, watch: false }]),
        ),
        ("have", told(json!({ "state": 0 }), both), have(Holding::Nothing, &nodes)),
        (
            "have",
            told(json!({ "state": 1, "size": 9 * GROUP, "spans": [[1, 2], [4, 9]] }), none.clone()),
            have(part, &[]),
        ),
        (
            "have",
            told(json!({ "state": 2, "size": BLOB_BYTES_MAX }), none),
            have(Holding::Whole { size: largest }, &[]),
        ),
        (
            "ask",
            json!({ "transfer": 300, "id": text, "size": 20 * GROUP, "first": 8, "groups": 12 }),
            BlobMessage::Ask(Ask {
                transfer: 300,
                id,
                size: size(20 * GROUP),
                groups: range(8, 20),
            }),
        ),
        (
            "piece",
            json!({ "transfer": 1, "group": 130, "piece": "0102" }),
            BlobMessage::Piece(PieceFrame {
                transfer: 1,
                group: GroupIndex::new(130).unwrap(),
                piece: vec![1, 2].into(),
            }),
        ),
        ("stop", json!({ "transfer": 7 }), BlobMessage::Stop { transfer: 7 }),
    ];
    for reason in StopReason::ALL.iter().chain(&[StopReason::Other(5)]) {
        let fields = json!({ "transfer": 7, "reason": reason.byte() });
        all.push(("stopped", fields, BlobMessage::Stopped { transfer: 7, reason: *reason }));
    }
    let words = || KeepWord::ALL.iter().chain(&[KeepWord::Other(6)]);
    let told = words().map(|word| json!({ "id": text, "word": word.byte() }));
    let fields = json!({ "blobs": told.collect::<Vec<_>>() });
    let message = BlobMessage::Keep(words().map(|word| (id, *word)).collect());
    all.push(("keep", fields, message));
    all
}

/// Frames of a type of ours that are no message.
fn broken_frames() -> Vec<Json> {
    let mut all = Vec::new();
    let mut add = |why: &str, parts: &[&[u8]]| {
        let bytes = parts.concat();
        assert!(BlobMessage::decode(&bytes.clone().into()).is_err(), "{why}: {}", hex(&bytes));
        all.push(json!({ "why": why, "bytes": hex(&bytes) }));
    };
    let id = id();
    let id: &[u8] = id.as_bytes();
    let (low, high) = ([1; 32], [2; 32]);
    add("a question about nothing", &[&[0x90, 0]]);
    add("65 questions", &[&[0x90, 65], &[0; 33 * 65]]);
    add("a watch that is neither", &[&[0x90, 1], id, &[2]]);
    add("a number of ids that are not there", &[&[0x90, 64], id, &[1]]);
    add("a holding of no form", &[&[0x91, 1], id, &[3, 0, 0]]);
    add(
        "a size beyond the largest",
        &[&[0x91, 1], id, &[2, 0x81, 0x80, 0x80, 0x80, 0x80, 0x20, 0]],
    );
    add("a part without spans", &[&[0x91, 1], id, &[1, 5, 0, 0]]);
    add("a part with 65 spans", &[&[0x91, 1], id, &[1, 0x80, 0x80, 0x80, 8, 65], &[1; 131]]);
    add("an empty span", &[&[0x91, 1], id, &[1, 5, 1, 0, 0, 0]]);
    add("spans that touch", &[&[0x91, 1], id, &[1, 0x80, 0x80, 8, 2, 0, 1, 0, 1, 0]]);
    add("a span behind the end", &[&[0x91, 1], id, &[1, 5, 1, 1, 1, 0]]);
    add("nine others", &[&[0x91, 1], id, &[0, 9], &[0; 288]]);
    add("others that fall", &[&[0x91, 1], id, &[0, 2], &high, &low]);
    add("others that are the same", &[&[0x91, 1], id, &[0, 2], &low, &low]);
    add("an ask for nothing", &[&[0x92, 1], id, &[5, 0, 0]]);
    add("an ask for 13 groups", &[&[0x92, 1], id, &[0x80, 0x80, 0x80, 8, 0, 13]]);
    add("an ask behind the end", &[&[0x92, 1], id, &[5, 1, 1]]);
    add("a group beyond the largest", &[&[0x93, 1, 0x80, 0x80, 0x80, 8]]);
    add("a stop of no form", &[&[0x94, 2, 1]]);
    add("a stop with a reason", &[&[0x94, 0, 1, 0]]);
    add("a number in a longer form", &[&[0x94, 0, 0x81, 0]]);
    all
}

#[test]
fn a_true_frame_about_blobs_with_a_byte_less_or_more_is_none() {
    for (name, _, message) in messages().iter().filter(|(name, ..)| *name != "piece") {
        let bytes = message.encode();
        for length in 0..bytes.len() {
            assert!(BlobMessage::decode(&bytes.slice(..length)).is_err(), "{name} {length}");
        }
        let longer: Vec<u8> = bytes.iter().copied().chain([0]).collect();
        assert!(BlobMessage::decode(&longer.into()).is_err(), "{name}");
    }
    for later in [0x96, 0x97, 0x20] {
        assert_eq!(BlobMessage::decode(&vec![later].into()), Ok(None));
    }
}
