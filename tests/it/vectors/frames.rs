//! Frames of the protocol: true ones with what they say, and broken ones with the reason for which
//! a session ends.
//!
//! The sender is the node with the seed `01` × 32, it dialled; the receiver has the seed `02` × 32
//! and holds nothing. Each frame meets a session of its own. Source: docs/protocol.md, "Messages".
//!
//! Longer than 500 lines because it has an example of each message, and each one's fields.

use super::broken::broken_frames;
use super::hold;
use millpond::Result;
use millpond::event::cbor::Value;
use millpond::event::limits::LAMPORT_MAX;
use millpond::event::{
    AppId, Chain, EventKind, EventRange, Header, Lamport, NodeId, NodeKey, PackedRange, Payload,
    Preview, Record, SignedHead, StreamEnd, StreamId, SwarmSecret, SwarmSecrets, TagSet, WallTime,
    block, hex,
};
use millpond::sync::{
    ConnectionId, Decoded, Heard, Hello, Input, Lane, LogRead, Message, Output, RefusalReason,
    SendCaps, Swarm, SwarmOptions,
};
use serde_json::{Value as Json, json};
use std::net::SocketAddr;
use std::time::Instant;

pub(super) const SECRET: SwarmSecret = SwarmSecret::from_bytes([0x2a; 32]);
const BINDING: [u8; 32] = [5; 32];
/// What the sender says that it heard of the receiver, who knows nothing of it.
const HEARD: Heard = Heard { session: [7; 8], count: 258 };

/// A secret that takes the place of `SECRET`.
fn later() -> SwarmSecret {
    SECRET.next([0x2b; 32])
}

/// Whether a frame comes before the sender is admitted or after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Greeting,
    Admitted,
}

/// A frame that a session does not take.
pub(super) struct Broken {
    pub(super) why: String,
    pub(super) state: State,
    pub(super) bytes: Vec<u8>,
    /// Zeros that follow the bytes, for frames that are too large to be written down.
    pub(super) zeros: usize,
    pub(super) reason: RefusalReason,
}

#[test]
fn frames_have_the_bytes_and_the_ends_of_the_vectors() {
    let taken: Vec<Json> = true_frames().iter().map(hold_true).collect();
    let refused: Vec<Json> = broken_frames().iter().map(hold_broken).collect();
    let side = |key: &NodeKey| json!({ "seed": hex(&key.to_seed()), "node_id": node_id(key) });
    hold(
        "frames.json",
        &json!({
            "swarm_secret": hex(SECRET.as_bytes()),
            "swarm_id": SECRET.swarm_id().to_string(),
            "admission_key": hex(&SECRET.admission_key()),
            "later_secret": hex(later().as_bytes()),
            "later_admission_key": hex(&later().admission_key()),
            "binding": hex(&BINDING),
            "sender": side(&sender()),
            "receiver": side(&receiver()),
            "sender_dialed": true,
            "proofs": proofs(),
            "taken": taken,
            "refused": refused,
        }),
    );
}

pub(super) fn sender() -> NodeKey {
    NodeKey::from_seed(&[1; 32])
}

pub(super) fn receiver() -> NodeKey {
    NodeKey::from_seed(&[2; 32])
}

fn node_id(key: &NodeKey) -> String {
    key.node_id().to_string()
}

/// A frame that a session takes: its bytes, the message's name and fields.
struct True {
    state: State,
    bytes: Vec<u8>,
    name: &'static str,
    fields: Json,
}

impl True {
    fn of(message: &Message) -> True {
        let bytes = message.encode().to_vec();
        assert_eq!(decode(&bytes), Ok(Decoded::Message(Box::new(message.clone()))));
        let is_hello = matches!(message, Message::Hello(_));
        let state = if is_hello { State::Greeting } else { State::Admitted };
        let (name, fields) = describe(message);
        True { state, bytes, name, fields }
    }
}

fn hold_true(frame: &True) -> Json {
    let True { state, bytes, name, fields } = frame;
    assert_eq!(end_of(*state, bytes.clone()), None, "{name}: {}", hex(bytes));
    let state = name_of(*state);
    json!({ "state": state, "message": name, "fields": fields, "bytes": hex(bytes) })
}

fn hold_broken(frame: &Broken) -> Json {
    let Broken { why, state, bytes, zeros, reason } = frame;
    let mut whole = bytes.clone();
    whole.resize(bytes.len() + zeros, 0);
    assert_eq!(end_of(*state, whole), Some(*reason), "{why}: {}", hex(bytes));
    let mut vector = json!({ "state": name_of(*state), "why": why, "reason": reason.name() });
    vector["bytes"] = hex(bytes).into();
    if *zeros > 0 {
        vector["zeros"] = (*zeros).into();
    }
    vector
}

fn decode(frame: &[u8]) -> Result<Decoded> {
    Message::decode(&frame.to_vec().into())
}

fn name_of(state: State) -> &'static str {
    match state {
        State::Greeting => "greeting",
        State::Admitted => "admitted",
    }
}

/// The reason that the receiver gives in its goodbye when it hears `frame`, if it says goodbye.
fn end_of(state: State, frame: Vec<u8>) -> Option<RefusalReason> {
    let now = Instant::now();
    let mut swarm = new_swarm(&receiver(), SECRET.into(), now);
    let connection = ConnectionId::new(1);
    let peer = sender().node_id();
    let connected = Input::Connected { connection, peer, binding: BINDING, dialed: false };
    swarm.handle(connected, now);
    if state == State::Admitted {
        let bytes = Message::Hello(hello(&sender(), &receiver(), true, BINDING)).encode();
        swarm.handle(Input::Frame { connection, lane: Lane::Live, bytes }, now);
    }
    swarm.handle(Input::Frame { connection, lane: Lane::Live, bytes: frame.into() }, now);
    let mut reason = None;
    loop {
        match swarm.poll(&NothingHeld) {
            Output::Send { bytes, .. } => {
                if let Ok(Decoded::Message(message)) = Message::decode(&bytes)
                    && let Message::Goodbye(told) = *message
                {
                    reason = Some(told);
                }
            }
            Output::Close { reason: closed, .. } => {
                assert!(reason.is_none_or(|told| told == closed), "one reason, told and closed");
            }
            Output::Open(block) => swarm.handle(Input::Opened(block.open()), now),
            Output::Wait(_) => return reason,
            _ => {}
        }
    }
}

struct NothingHeld;

impl LogRead for NothingHeld {
    fn read_range(&self, _: &StreamId, _: u64) -> Result<Option<EventRange>> {
        Ok(None)
    }

    fn read_block(&self, _: &StreamId, _: u64) -> Result<Option<PackedRange>> {
        Ok(None)
    }

    fn chain_at(&self, _: &StreamId, _: u64) -> Result<Option<Chain>> {
        Ok(None)
    }

    fn block_start(&self, _: &StreamId, _: u64) -> Result<Option<u64>> {
        Ok(None)
    }
}

fn new_swarm(key: &NodeKey, secrets: SwarmSecrets, now: Instant) -> Swarm {
    let node = key.node_id();
    let options = SwarmOptions {
        node,
        own_stream: StreamId { node, number: 0 },
        secrets,
        instance: [1; 8],
        allowed: None,
        peers_max: 2,
        send_caps: SendCaps::default(),
        learns: true,
        priority: None,
        carries_cargo: false,
    };
    Swarm::new(options, Vec::new(), Vec::new(), now)
}

/// What `prover` says first to `verifier`.
pub(super) fn hello(
    prover: &NodeKey,
    verifier: &NodeKey,
    dialed: bool,
    binding: [u8; 32],
) -> Hello {
    hello_with(SECRET.into(), (prover, verifier), dialed, binding)
}

/// What `prover` says first to `verifier` when it takes these secrets.
fn hello_with(
    secrets: SwarmSecrets,
    (prover, verifier): (&NodeKey, &NodeKey),
    dialed: bool,
    binding: [u8; 32],
) -> Hello {
    let now = Instant::now();
    let mut swarm = new_swarm(prover, secrets, now);
    let (connection, peer) = (ConnectionId::new(1), verifier.node_id());
    swarm.handle(Input::Connected { connection, peer, binding, dialed }, now);
    let Output::Send { bytes, .. } = swarm.poll(&NothingHeld) else {
        panic!("a hello comes first")
    };
    let Ok(Decoded::Message(message)) = Message::decode(&bytes) else { panic!("we speak well") };
    let Message::Hello(hello) = *message else { panic!("a hello comes first") };
    hello
}

/// The hello that the receiver of the vectors takes, without what may be left out.
pub(super) fn true_hello() -> Hello {
    Hello { heard: None, ..hello(&sender(), &receiver(), true, BINDING) }
}

/// The hello of a sender with a later secret, which the receiver takes for its second proof.
pub(super) fn hello_of_both() -> Hello {
    let secrets = SwarmSecrets::new(later(), [SECRET]).unwrap();
    Hello { heard: None, ..hello_with(secrets, (&sender(), &receiver()), true, BINDING) }
}

fn proofs() -> Vec<Json> {
    let (low, high) = (sender(), receiver());
    let sides = [(&low, &high, true, BINDING), (&high, &low, false, BINDING)];
    let others = [(&low, &high, false, BINDING), (&low, &high, true, [6; 32])];
    let mut proofs = Vec::new();
    for (prover, verifier, dialed, binding) in sides.into_iter().chain(others) {
        let hello = hello(prover, verifier, dialed, binding);
        let Heard { session, count } = hello.heard.expect("it says that it heard nothing");
        proofs.push(json!({
            "prover": node_id(prover),
            "verifier": node_id(verifier),
            "prover_dialed": dialed,
            "binding": hex(&binding),
            "proof": hex(&hello.proofs[0]),
            "nothing_heard": hex(&[session, count.to_le_bytes()].concat()),
        }));
    }
    proofs
}

fn four_addresses() -> Vec<SocketAddr> {
    ["10.1.2.3:1", "[fd00::7]:65535", "[2001:db8::1]:4100", "192.168.1.9:258"]
        .map(|text| text.parse().unwrap())
        .to_vec()
}

fn true_frames() -> Vec<True> {
    let stream = |number| StreamId { node: sender().node_id(), number };
    let author = NodeKey::from_seed(&[3; 32]);
    let relayed = StreamId { node: author.node_id(), number: 2 };
    let heads = |lamports: &[u64]| range(&sender(), 0, 0, lamports).head;
    let mut frames: Vec<True> = [
        Message::Hello(true_hello()),
        Message::Goodbye(RefusalReason::WrongSecret),
        Message::Goodbye(RefusalReason::Removed),
        Message::Goodbye(RefusalReason::Unknown),
        Message::Ping(1),
        Message::Ping(u64::MAX),
        Message::Pong(1),
        Message::Pong(0x0102_0304_0506_0708),
        Message::Summary { is_last: true, heads: Vec::new() },
        Message::Summary { is_last: true, heads: vec![heads(&[1])] },
        Message::Summary {
            is_last: false,
            heads: vec![range(&author, 2, 0, &[7, 9, 1 << 40]).head, heads(&[1, 2])],
        },
        Message::Progress { credit: 65_536, held: vec![(stream(0), 1)] },
        Message::Progress { credit: 0, held: Vec::new() },
        Message::Progress { credit: u64::MAX, held: vec![(relayed, 300), (stream(0), 0)] },
        Message::Want { stream: stream(0), from: 0, to: 1 },
        Message::Want { stream: relayed, from: 1024, to: LAMPORT_MAX },
        Message::Want { stream: stream(0), from: 0, to: 0 },
        range_message(range(&sender(), 0, 0, &[1])),
        range_message(range(&author, 2, 0, &[7, 9, 1000])),
        range_message(range(&author, 2, 3, &[1001, 1002])),
        range_message(range(&author, 2, 0, &[(1 << 53) - 1])),
        range_message(whole_block(&author)),
        Message::Peers(Vec::new()),
        Message::Peers(vec![receiver().node_id()]),
        Message::Peers(vec![receiver().node_id(), sender().node_id()]),
        Message::Preview(preview(&[1, 5])),
        Message::Live(true),
        Message::Live(false),
        Message::Prune(Vec::new()),
        Message::Addresses(Vec::new()),
        Message::Addresses(vec![
            (receiver().node_id(), vec!["10.1.2.3:4100".parse().unwrap()]),
            (sender().node_id(), Vec::new()),
        ]),
        Message::Addresses(vec![(receiver().node_id(), four_addresses())]),
        Message::Prune(vec![relayed, stream(0), relayed]),
        Message::Goodbye(RefusalReason::EnoughPeers),
        Message::Hello(hello_of_both()),
        Message::Hello(Hello { heard: Some(HEARD), ..true_hello() }),
        Message::Hello(hello(&sender(), &receiver(), true, BINDING)),
        Message::Hello(Hello { carries_cargo: true, ..true_hello() }),
        Message::Hello(Hello { carries_cargo: true, heard: Some(HEARD), ..hello_of_both() }),
        Message::Proofs(true_hello().proofs),
        Message::Proofs(hello_of_both().proofs),
    ]
    .iter()
    .map(True::of)
    .collect();
    let priorities = ["FROM 'kind:alarm' | appId(press)".to_owned(), "m".repeat(1024)];
    frames.extend(priorities.map(|text| True::of(&Message::Priority(text))));
    frames.push(newer_hello());
    let state = State::Admitted;
    let raw = |name, bytes: &[u8], fields| True { state, bytes: bytes.to_vec(), name, fields };
    frames.push(raw("goodbye", &[0x02, 0x63], json!({ "code": 99, "reason": "unknown" })));
    frames.push(raw("ignorable", &[0x80], json!({ "type": 0x80 })));
    frames.push(raw("ignorable", &[0xff, 1, 2, 3], json!({ "type": 0xff })));
    frames
}

/// Events that the sender shows before it signs them. Who it is the frame does not say.
pub(super) fn preview(lamports: &[u64]) -> Preview {
    let range = range(&sender(), 0, 0, lamports);
    let stream = StreamId { node: NodeId::from_bytes([0; 32]), number: 0 };
    let before = Chain::start(&SECRET.swarm_id(), &range.stream());
    Preview { stream, first: 0, before, records: range.into_records() }
}

/// The hello of a later version: more versions, one more limit, extensions that may be ignored.
fn newer_hello() -> True {
    let mut hello = Hello { version_min: 0, version_max: 9, ..true_hello() };
    hello.limits[0] += 1;
    hello.limits.push(77);
    let mut bytes = Message::Hello(hello.clone()).encode().to_vec();
    assert_eq!(bytes.pop(), Some(0), "no extensions so far");
    bytes.extend_from_slice(&[2, 0x80, 0x01, 2, 0xca, 0xfe, 0, 0]);
    let expected = Message::Hello(hello.clone());
    assert_eq!(decode(&bytes), Ok(Decoded::Message(Box::new(expected))));
    let (name, mut fields) = describe(&Message::Hello(hello));
    fields["extensions"] = json!([{ "id": 128, "bytes": "cafe" }, { "id": 0, "bytes": "" }]);
    True { state: State::Greeting, bytes, name, fields }
}

/// Events of these lamports from offset `first` on; the events before them have 1, 2 and so on.
pub(super) fn range(author: &NodeKey, number: u64, first: u64, lamports: &[u64]) -> EventRange {
    let stream = StreamId { node: author.node_id(), number };
    let before = (1..=first).map(|lamport| record(lamport, "before"));
    let records: Vec<Record> = lamports.iter().map(|lamport| record(*lamport, "grain")).collect();
    let mut chain = StreamEnd::empty(&SECRET.swarm_id(), &stream).chain;
    for record in before.chain(records.iter().cloned()) {
        chain = chain.extend(&record.leaf());
    }
    let count = first + records.len() as u64;
    let lamport = records[records.len() - 1].lamport();
    let head = author.sign_head(&SECRET.swarm_id(), number, count, lamport, chain);
    EventRange::new(first, records, head)
}

/// The first 1,024 events of stream 2 of `author`, unpacked from their block.
pub(super) fn whole_block(author: &NodeKey) -> EventRange {
    let range = range(author, 2, 0, &(1..=1024).collect::<Vec<_>>());
    let block = block::encode(range.records());
    PackedRange::new(range.head, block.into()).unwrap().unpack().unwrap()
}

/// The range with the chain before it, as an honest node sends it.
pub(super) fn range_message(range: EventRange) -> Message {
    let mut before = StreamEnd::empty(&SECRET.swarm_id(), &range.stream()).chain;
    for lamport in 1..=range.first {
        before = before.extend(&record(lamport, "before").leaf());
    }
    Message::Range { before, range }
}

pub(super) fn record(lamport: u64, text: &str) -> Record {
    let header = Header {
        kind: EventKind::Application,
        lamport: Lamport::new(lamport).unwrap(),
        time: WallTime::from_micros(1_700_000_000_000_000),
        app_id: AppId::parse("test").unwrap(),
        tags: TagSet::new(["kind:test"]).unwrap(),
    };
    Record::encode(&header, &Payload::from_value(&Value::from(text)).unwrap())
}

fn describe(message: &Message) -> (&'static str, Json) {
    match message {
        Message::Hello(hello) => {
            let further = hello.proofs[1..].as_flattened();
            let extension = json!({ "id": 2, "bytes": hex(further) });
            let mut extensions = if further.is_empty() { vec![] } else { vec![extension] };
            extensions.extend(hello.heard.map(|Heard { session, count }| {
                let bytes = [session, count.to_le_bytes()].concat();
                json!({ "id": 4, "bytes": hex(&bytes) })
            }));
            extensions.extend(hello.carries_cargo.then(|| json!({ "id": 6, "bytes": "01" })));
            let fields = json!({
                "version_min": hello.version_min,
                "version_max": hello.version_max,
                "instance": hex(&hello.instance),
                "proof": hex(&hello.proofs[0]),
                "limits": hello.limits,
                "extensions": extensions,
            });
            ("hello", fields)
        }
        Message::ForeignHello => unreachable!("never written"),
        Message::Goodbye(reason) => {
            ("goodbye", json!({ "code": reason.code(), "reason": reason.name() }))
        }
        Message::Ping(number) => ("ping", json!({ "number": number })),
        Message::Pong(number) => ("pong", json!({ "number": number })),
        Message::Summary { is_last, heads } => {
            let heads: Vec<Json> = heads.iter().map(describe_head).collect();
            ("summary", json!({ "is_last": is_last, "heads": heads }))
        }
        Message::Progress { credit, held } => {
            let pair = |(stream, count): &(StreamId, u64)| json!([stream.to_string(), count]);
            let held: Vec<Json> = held.iter().map(pair).collect();
            ("progress", json!({ "credit": credit, "held": held }))
        }
        Message::Want { stream, from, to } => {
            ("want", json!({ "stream": stream.to_string(), "from": from, "to": to }))
        }
        Message::Live(wanted) => ("live", json!({ "is_wanted": wanted })),
        Message::Preview(preview) => (
            "preview",
            json!({
                "number": preview.stream.number,
                "first": preview.first,
                "chain_before": hex(preview.before.as_bytes()),
                "records": preview.records.iter().map(|r| hex(r.as_bytes())).collect::<Vec<_>>(),
            }),
        ),
        Message::Range { before, range } => describe_range(before, range),
        Message::Peers(nodes) => {
            let nodes: Vec<String> = nodes.iter().map(ToString::to_string).collect();
            ("peers", json!({ "nodes": nodes }))
        }
        Message::Addresses(listed) => ("addresses", describe_addresses(listed)),
        Message::Prune(streams) => {
            let streams: Vec<String> = streams.iter().map(ToString::to_string).collect();
            ("prune", json!({ "streams": streams }))
        }
        Message::Priority(text) => ("priority", json!({ "query": text })),
        Message::GoingOn => ("going_on", json!({})),
        Message::Proofs(proofs) => {
            let proofs: Vec<String> = proofs.iter().map(|proof| hex(proof)).collect();
            ("proofs", json!({ "proofs": proofs }))
        }
    }
}

fn describe_range(before: &Chain, range: &EventRange) -> (&'static str, Json) {
    let records: Vec<String> = range.records().iter().map(|r| hex(r.as_bytes())).collect();
    let mut fields = json!({
        "chain_before": hex(before.as_bytes()),
        "head": describe_head(&range.head),
        "first": range.first,
    });
    // The chain in the head of a block vouches for what its records are.
    let (name, field, value) = match range.block() {
        Some(_) => ("block", "record_bytes", json!(range.record_bytes())),
        None => ("range", "records", json!(records)),
    };
    fields[field] = value;
    (name, fields)
}

fn describe_addresses(listed: &[(NodeId, Vec<SocketAddr>)]) -> Json {
    let one = |(node, addresses): &(NodeId, Vec<SocketAddr>)| {
        let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        json!([node.to_string(), texts])
    };
    json!({ "nodes": listed.iter().map(one).collect::<Vec<_>>() })
}

fn describe_head(head: &SignedHead) -> Json {
    json!({
        "stream": head.stream.to_string(),
        "count": head.count,
        "lamport": head.lamport.value(),
        "chain": hex(head.chain.as_bytes()),
        "signature": hex(&head.signature),
    })
}

/// One true frame of each message.
pub(super) fn one_of_each() -> Vec<(&'static str, Vec<u8>)> {
    let stream = StreamId { node: sender().node_id(), number: 0 };
    let one = range(&sender(), 0, 0, &[1]);
    let messages = [
        ("hello", Message::Hello(true_hello())),
        ("goodbye", Message::Goodbye(RefusalReason::WrongSecret)),
        ("ping", Message::Ping(1)),
        ("pong", Message::Pong(1)),
        ("summary", Message::Summary { is_last: true, heads: vec![one.head.clone()] }),
        ("progress", Message::Progress { credit: 65_536, held: vec![(stream, 1)] }),
        ("want", Message::Want { stream, from: 0, to: 1 }),
        ("range", range_message(one)),
        ("list of peers", Message::Peers(vec![receiver().node_id()])),
        ("preview", Message::Preview(preview(&[1]))),
        ("interest", Message::Live(true)),
        ("prune", Message::Prune(vec![stream])),
        (
            "list of addresses",
            Message::Addresses(vec![(
                receiver().node_id(),
                vec!["10.1.2.3:4100".parse().expect("an address")],
            )]),
        ),
        ("hello", Message::Hello(hello_of_both())),
        ("list of proofs", Message::Proofs(true_hello().proofs)),
        ("priority", Message::Priority("FROM 'alarm'".to_owned())),
        ("word of going on", Message::GoingOn),
    ];
    messages.map(|(name, message)| (name, message.encode().to_vec())).to_vec()
}
