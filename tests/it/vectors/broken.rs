//! Frames that end a session: cut, too long, of another form than the one, or not what was signed.
//!
//! Longer than 500 lines because it has each way in which a frame can be wrong.

use super::frames::{
    Broken, SECRET, State, hello, hello_of_both, one_of_each, preview, range, range_message,
    receiver, record, sender, true_hello, whole_block,
};
use super::later;
use millpond::event::codec::{put_counted, put_varint};
use millpond::event::limits::{FRAME_BYTES_MAX, HEADER_BYTES_MAX, LAMPORT_MAX, PAYLOAD_BYTES_MAX};
use millpond::event::{
    Chain, EventRange, NodeId, NodeKey, Record, SignedHead, StreamEnd, StreamId, SwarmSecret, block,
};
use millpond::sync::{Hello, Message, RefusalReason, STRANGER_FRAME_BYTES_MAX};

/// Broken frames, gathered.
struct Collection {
    frames: Vec<Broken>,
}

pub(super) fn broken_frames() -> Vec<Broken> {
    let mut all = Collection { frames: Vec::new() };
    all.of_any_type();
    all.hellos_of_another_form();
    all.hellos_of_others();
    all.small_messages();
    all.heads();
    all.ranges_of_another_form();
    all.blocks_of_another_form();
    all.headers_of_another_form();
    all.payloads_of_another_form();
    all.forgeries();
    all.frames
}

impl Collection {
    fn add(&mut self, state: State, why: &str, bytes: impl Into<Vec<u8>>, reason: RefusalReason) {
        let (why, bytes) = (why.to_owned(), bytes.into());
        self.frames.push(Broken { why, state, bytes, zeros: 0, reason });
    }

    /// A frame that does not decode, from an admitted peer.
    fn malformed(&mut self, why: &str, bytes: impl Into<Vec<u8>>) {
        self.add(State::Admitted, why, bytes, RefusalReason::Malformed);
    }

    fn of_any_type(&mut self) {
        use RefusalReason::{MessageUnsupported, Oversized, Unexpected};
        self.malformed("an empty frame", []);
        for unknown in [0x00, 0x0b, 0x7f] {
            let why = format!("the unknown type {unknown:02x}");
            self.add(State::Admitted, &why, [unknown], MessageUnsupported);
            self.add(State::Greeting, &why, [unknown], MessageUnsupported);
        }
        let large = |state, length: usize| Broken {
            why: format!("a frame of {length} bytes"),
            state,
            bytes: vec![0x80],
            zeros: length - 1,
            reason: Oversized,
        };
        self.frames.push(large(State::Greeting, STRANGER_FRAME_BYTES_MAX + 1));
        self.frames.push(large(State::Admitted, FRAME_BYTES_MAX + 1));
        let stream = StreamId { node: sender().node_id(), number: 0 };
        let messages = [
            ("a ping", Message::Ping(1)),
            ("a pong", Message::Pong(1)),
            ("a summary", Message::Summary { is_last: true, heads: Vec::new() }),
            ("a progress", Message::Progress { credit: 1, held: Vec::new() }),
            ("a want", Message::Want { stream, from: 0, to: 1 }),
            ("a range", range_message(range(&sender(), 0, 0, &[1]))),
            ("a list of peers", Message::Peers(Vec::new())),
            ("a preview", Message::Preview(preview(&[1]))),
            ("an interest", Message::Live(true)),
            ("a prune", Message::Prune(Vec::new())),
            ("a list of addresses", Message::Addresses(Vec::new())),
            ("a list of proofs", Message::Proofs(true_hello().proofs)),
            ("a priority", Message::Priority("FROM 'alarm'".to_owned())),
            ("that it goes on", Message::GoingOn),
        ];
        for (what, message) in messages {
            let bytes = message.encode().to_vec();
            self.add(State::Greeting, &format!("{what} before a hello"), bytes, Unexpected);
        }
        self.add(State::Admitted, "a second hello", bytes_of(&true_hello()), Unexpected);
        self.add(State::Admitted, "a hello of later versions", [1, 2, 9], Unexpected);
        let unasked = Message::GoingOn.encode().to_vec();
        self.add(State::Admitted, "going on from what nobody heard", unasked, Unexpected);
        self.add(State::Admitted, "an interest of 2", [0x84, 2], RefusalReason::Malformed);
        let long = [&[0x85, 0x81, 0x08][..], &[b'a'; 1025]].concat();
        self.add(State::Admitted, "a priority of 1,025 bytes", long, RefusalReason::Malformed);
        self.add(State::Admitted, "an empty priority", [0x85, 0], RefusalReason::Malformed);
        let odd = [0x85, 1, 0xff];
        self.add(State::Admitted, "a priority that is not UTF-8", odd, RefusalReason::Malformed);
        let mut none = Message::Preview(preview(&[1])).encode()[..36].to_vec();
        none[35] = 0;
        self.add(State::Admitted, "a preview of no event", none, RefusalReason::Malformed);
        self.add(State::Greeting, "a ping cut short", [3, 0], RefusalReason::Malformed);
        for (name, bytes) in one_of_each() {
            let state = if name == "hello" { State::Greeting } else { State::Admitted };
            let cut = &bytes[..bytes.len() - 1];
            self.add(state, &format!("a {name} cut short"), cut, RefusalReason::Malformed);
            let longer = [&bytes[..], &[0]].concat();
            self.add(state, &format!("a byte after a {name}"), longer, RefusalReason::Malformed);
        }
    }

    fn hellos_of_another_form(&mut self) {
        let whole = bytes_of(&true_hello());
        // Type, two versions, instance and proof; then the number of limits.
        let (fixed, rest) = whole.split_at(1 + 2 + 8 + 32);
        let limits = &rest[1..rest.len() - 1];
        let with = |count: &[u8], limits: &[u8], rest: &[u8]| [fixed, count, limits, rest].concat();
        let huge = [&[0xff; 9][..], &[0x02]].concat();
        let one = [&[2, 32][..], &[7; 32]].concat();
        let heard = [&[4, 16][..], &[7; 16]].concat();
        let cases = [
            ("versions 2 to 1", [&[1, 2, 1], &whole[3..]].concat()),
            ("five limits", with(&[5], &limits[..limits.len() - 4], &[0])),
            ("33 limits", with(&[33], &[limits, &[1; 27]].concat(), &[0])),
            ("a number of limits in two bytes that fits one", with(&[0x86, 0], limits, &[0])),
            ("a limit of 2^64", with(&[7], &[limits, &huge].concat(), &[0])),
            ("a limit that does not end", with(&[7], limits, &[0x80])),
            ("33 extensions", with(&[6], limits, &[&[33][..], &[0; 66]].concat())),
            ("an extension of 1,025 bytes", with(&[6], limits, &[1, 2, 0x81, 0x08])),
            ("an extension beyond the end", with(&[6], limits, &[1, 2, 4, 1, 2, 3])),
            ("no further proof", with(&[6], limits, &[1, 2, 0])),
            ("half a further proof", with(&[6], limits, &[&[1, 2, 16][..], &[7; 16]].concat())),
            (
                "a further proof and a half",
                with(&[6], limits, &[&[1, 2, 48][..], &[7; 48]].concat()),
            ),
            (
                "five further proofs",
                with(&[6], limits, &[&[1, 2, 0xa0, 1][..], &[7; 160]].concat()),
            ),
            ("further proofs twice", with(&[6], limits, &[&[2][..], &one, &one].concat())),
            (
                "15 bytes of what was heard",
                with(&[6], limits, &[&[1, 4, 15][..], &[7; 15]].concat()),
            ),
            ("what was heard, twice", with(&[6], limits, &[&[2][..], &heard, &heard].concat())),
            ("cargo that is carried by no byte", with(&[6], limits, &[1, 6, 0])),
            ("cargo that is carried by another byte", with(&[6], limits, &[1, 6, 1, 2])),
            ("cargo that is carried by two bytes", with(&[6], limits, &[1, 6, 2, 1, 0])),
            ("cargo that is carried, twice", with(&[6], limits, &[2, 6, 1, 1, 6, 1, 1])),
        ];
        for (why, bytes) in cases {
            self.add(State::Greeting, why, bytes, RefusalReason::Malformed);
        }
        let foreign = RefusalReason::VersionUnsupported;
        self.add(State::Greeting, "only later versions", [1, 2, 9, 0xff], foreign);
        self.add(State::Greeting, "only an earlier version", [1, 0, 0], foreign);
        let odd = with(&[6], limits, &[2, 3, 1, 7, 0xff]);
        self.add(State::Greeting, "an extension that must be understood", odd, foreign);
    }

    fn hellos_of_others(&mut self) {
        use RefusalReason::{LimitsUnsupported, WrongSecret};
        let (us, them) = (receiver(), sender());
        let binding = [5; 32];
        let mut flipped = true_hello();
        flipped.proofs[0][31] ^= 0x80;
        let cases = [
            ("a flipped bit in a proof", flipped),
            ("the proof of the side that was dialled", hello(&them, &us, false, binding)),
            ("the proof of another session", hello(&them, &us, true, [6; 32])),
            ("our own proof sent back", hello(&us, &them, false, binding)),
        ];
        for (why, hello) in cases {
            self.add(State::Greeting, why, bytes_of(&hello), WrongSecret);
        }
        for place in 0..6 {
            let mut hello = true_hello();
            hello.limits[place] -= 1;
            let why = format!("limit {place} is smaller than ours");
            self.add(State::Greeting, &why, bytes_of(&hello), LimitsUnsupported);
        }
        let mut none = hello_of_both();
        none.proofs[1][0] ^= 1;
        self.add(State::Greeting, "two proofs and none holds", bytes_of(&none), WrongSecret);
        let told = Message::Proofs(none.proofs).encode();
        self.add(State::Admitted, "new proofs and none holds", told, WrongSecret);
        let mut both = hello(&them, &us, true, [6; 32]);
        both.limits[0] = 0;
        self.add(State::Greeting, "a wrong proof and a small limit", bytes_of(&both), WrongSecret);
    }

    fn small_messages(&mut self) {
        let stream = StreamId { node: sender().node_id(), number: 0 }.to_bytes();
        let beyond = varint(LAMPORT_MAX + 1);
        let (low, high) = (receiver().node_id(), sender().node_id());
        let peers = |nodes: &[NodeId]| {
            let mut bytes = vec![9, nodes.len() as u8];
            nodes.iter().for_each(|node| bytes.extend_from_slice(node.as_bytes()));
            bytes
        };
        let cases = [
            ("a goodbye in two bytes that fits one", vec![2, 0x81, 0]),
            ("a goodbye of 2^64", [&[2][..], &[0xff; 9], &[2]].concat()),
            ("a goodbye of eleven bytes", [&[2][..], &[0xff; 10], &[1]].concat()),
            ("a progress with 513 streams", vec![6, 0, 0x81, 0x04]),
            ("a progress that claims 512 streams", vec![6, 0, 0x80, 0x04]),
            ("a credit in two bytes that fits one", vec![6, 0x80, 0, 0]),
            ("a count in two bytes that fits one", [&[6, 0, 1], &stream[..], &[0x81, 0]].concat()),
            ("a progress to 2^53", [&[6, 0, 1], &stream[..], &beyond].concat()),
            ("a want to 2^53", [&[7], &stream[..], &[0], &beyond].concat()),
            ("a want from 2 to 1", [&[7], &stream[..], &[2, 1]].concat()),
            ("a want of a cut stream id", [&[7], &stream[..39]].concat()),
            ("peers that fall", peers(&[high, low])),
            ("a peer twice", peers(&[low, low])),
            ("1,025 peers", vec![9, 0x81, 0x08]),
            ("a prune of 513 streams", vec![0x81, 0x81, 0x04]),
            ("addresses of 257 nodes", vec![0x82, 0x81, 0x02]),
            (
                "addresses of nodes that fall",
                [&[0x82, 2][..], high.as_bytes(), &[0], low.as_bytes(), &[0]].concat(),
            ),
            ("five addresses of a node", [&[0x82, 1][..], low.as_bytes(), &[5]].concat()),
            (
                "an address of the family 5",
                [&[0x82, 1][..], low.as_bytes(), &[1, 5, 10, 0, 0, 1, 0, 7]].concat(),
            ),
            ("a list that claims 1,024 peers", vec![9, 0x80, 0x08]),
            ("no proof", vec![0x8b, 0]),
            ("six proofs", [&[0x8b, 6][..], &[7; 192]].concat()),
            ("a list that claims five proofs", vec![0x8b, 5]),
        ];
        for (why, bytes) in cases {
            self.malformed(why, bytes);
        }
    }

    fn heads(&mut self) {
        let head = range(&sender(), 0, 0, &[1]).head;
        let summary = |flag: u8, count: &[u8], heads: &[&[u8]]| {
            [&[5, flag][..], count, &heads.concat()].concat()
        };
        let one = head.to_bytes();
        let with = |at: usize, number: u64| {
            let mut bytes = one;
            bytes[at..at + 8].copy_from_slice(&number.to_be_bytes());
            summary(1, &[1], &[&bytes])
        };
        let cases = [
            ("a summary with the flag 2", summary(2, &[0], &[])),
            ("257 heads", summary(1, &[0x81, 0x02], &[])),
            ("a summary that claims 256 heads", summary(1, &[0x80, 0x02], &[&one])),
            ("a number of heads in two bytes that fits one", summary(1, &[0x81, 0], &[&one])),
            ("a head of no events", with(40, 0)),
            ("a head with more events than its lamport", with(40, 2)),
            ("a head with a lamport of 2^53", with(48, 1 << 53)),
        ];
        for (why, bytes) in cases {
            self.malformed(why, bytes);
        }
        for (why, head) in false_heads(&head) {
            let bytes = summary(0, &[1], &[&head.to_bytes()]);
            self.add(State::Admitted, why, bytes, RefusalReason::Forged);
        }
    }

    fn ranges_of_another_form(&mut self) {
        let one = range(&sender(), 0, 0, &[1]);
        let (before, head) = (Chain::start(&SECRET.swarm_id(), &one.stream()), one.head.to_bytes());
        let record = one.records()[0].as_bytes();
        let with = |count: &[u8], records: &[&[u8]]| {
            [&[8][..], before.as_bytes(), &head, count, &records.concat()].concat()
        };
        let cases = [
            ("a range of no events", with(&[0], &[])),
            ("more events than the head counts", with(&[2], &[record, record])),
            ("a number of events in two bytes that fits one", with(&[0x81, 0], &[record])),
            ("an event after the last", with(&[1], &[record, record])),
        ];
        for (why, bytes) in cases {
            self.malformed(why, bytes);
        }
        let lamports: Vec<u64> = (1..=1025).collect();
        let many = range(&sender(), 0, 0, &lamports).head.to_bytes();
        let count = [0x81, 0x08];
        let bytes = [&[8][..], before.as_bytes(), &many, &count].concat();
        self.malformed("1,025 events", bytes);
    }

    /// A range whose one record is `record`; its head does not matter, it is not looked at.
    fn malformed_record(&mut self, why: &str, record: &[u8]) {
        let one = range(&sender(), 0, 0, &[1]);
        let before = Chain::start(&SECRET.swarm_id(), &one.stream());
        let head = one.head.to_bytes();
        self.malformed(why, [&[8][..], before.as_bytes(), &head, &[1], record].concat());
    }

    fn blocks_of_another_form(&mut self) {
        use RefusalReason::Forged;
        let author = NodeKey::from_seed(&[3; 32]);
        let whole = whole_block(&author);
        let (block, head) = (whole.block().expect("it came as one").clone(), whole.head.clone());
        let before = Chain::start(&SECRET.swarm_id(), &whole.stream());
        let with = |head: &SignedHead, block: &[u8]| {
            [&[0x0a][..], before.as_bytes(), &head.to_bytes(), block].concat()
        };
        let fewer = range(&author, 2, 0, &(1..=1023).collect::<Vec<_>>());
        let changed = |at: usize, byte: u8| {
            let mut block = block.to_vec();
            block[at] = byte;
            block
        };
        let cases = [
            ("a block of no bytes", with(&head, &[])),
            ("a block whose last byte is missing", with(&head, &block[..block.len() - 1])),
            ("a byte after a block", with(&head, &[&block[..], &[0]].concat())),
            ("a block with more events than the head counts", with(&fewer.head, &block)),
            ("a block that is not full", with(&head, &block::encode(fewer.records()))),
            ("a block of no events", with(&head, &[&block[..4], &[0], &block[6..]].concat())),
            (
                "a block that claims one byte of records",
                with(&head, &[&block[..6], &[1], &block[9..]].concat()),
            ),
            ("a block whose frame is damaged", with(&head, &changed(block.len() - 1, 0xff))),
            (
                "a longer block than its records",
                with(&range(&author, 2, 0, &[1]).head, &{
                    block::encode(range(&author, 2, 0, &[1]).records())
                }),
            ),
        ];
        for (why, bytes) in cases {
            self.malformed(why, bytes);
        }
        for (why, head) in false_heads(&whole.head).into_iter().take(1) {
            let bytes = with(&head, &block);
            self.add(State::Admitted, &format!("a block under {why}"), bytes, Forged);
        }
        let mut others: Vec<Record> = whole.records().to_vec();
        others[500] = record(501, "chaff");
        let bytes = with(&head, &block::encode(&others));
        self.add(State::Admitted, "a block with another event than was signed", bytes, Forged);
    }

    fn headers_of_another_form(&mut self) {
        // The time and the length of the payload.
        let time = [0, 1];
        let app = counted(b"test");
        let lamport = [1];
        let header = |parts: &[&[u8]]| {
            let mut record = counted(&parts.concat());
            record.push(0xf6);
            record
        };
        let tags = |tags: &[&[u8]]| {
            let list: Vec<u8> = tags.iter().flat_map(|tag| counted(tag)).collect();
            header(&[&[0, 0, 1], &time, &app, &[tags.len() as u8], &list])
        };
        let large = varint(1 << 53);
        let many = vec![b'a'; 65];
        let cases = [
            ("a header of version 1 with lamport 0", header(&[&[1, 0, 0], &time])),
            ("an event of kind 2 with a lamport of 2^53", header(&[&[0, 2], &large, &time])),
            ("an event of kind 255 without a time", header(&[&[0, 255], &lamport])),
            ("an event of kind 255 without a length", header(&[&[0, 255], &lamport, &[0]])),
            ("an event with lamport 0", header(&[&[0, 0, 0], &time, &app, &[0]])),
            ("an event with a lamport of 2^53", header(&[&[0, 0], &large, &time, &app, &[0]])),
            (
                "a lamport in two bytes that fits one",
                header(&[&[0, 0, 0x81, 0], &time, &app, &[0]]),
            ),
            ("no app id", header(&[&[0, 0, 1], &time, &[0], &[0]])),
            ("an app id with a space", header(&[&[0, 0, 1], &time, &counted(b"a b"), &[0]])),
            ("an app id of 65 bytes", header(&[&[0, 0, 1], &time, &counted(&many), &[0]])),
            ("65 tags", header(&[&[0, 0, 1], &time, &app, &[65]])),
            ("a header that claims a tag", header(&[&[0, 0, 1], &time, &app, &[1]])),
            ("a byte after the tags", header(&[&[0, 0, 1], &time, &app, &[0, 0]])),
            ("an empty tag", tags(&[b""])),
            ("a tag of 256 bytes", tags(&[&[b'a'; 256]])),
            ("a tag that is not UTF-8", tags(&[&[0xff]])),
            ("a tag twice", tags(&[b"a", b"a"])),
            ("tags that fall", tags(&[b"b", b"a"])),
        ];
        for (why, record) in cases {
            self.malformed_record(why, &record);
        }
        self.malformed_record("a header beyond the limit", &varint(HEADER_BYTES_MAX as u64 + 1));
        self.malformed_record("a header that claims its limit", &varint(HEADER_BYTES_MAX as u64));
    }

    fn payloads_of_another_form(&mut self) {
        let header =
            |length: u64| counted(&[&[0, 0, 1, 0][..], &varint(length), &[1, b'a', 0]].concat());
        let nested = [&[0x81; 33][..], &[0xf6]].concat();
        let cases: [(&str, &[u8]); 13] = [
            ("an empty payload", &[]),
            ("two values", &[0xf6, 0xf6]),
            ("an integer in two bytes that fits one", &[0x18, 0x17]),
            ("an integer below -2^63", &[0x3b, 0x80, 0, 0, 0, 0, 0, 0, 0]),
            ("a float in four bytes that fits two", &[0xfa, 0x3f, 0x80, 0, 0]),
            ("not a number", &[0xf9, 0x7e, 0]),
            ("undefined", &[0xf7]),
            ("a CBOR tag", &[0xc0, 0]),
            ("an indefinite length", &[0x9f, 0xff]),
            ("text that is not UTF-8", &[0x61, 0xff]),
            ("map keys out of order", &[0xa2, 0x61, b'b', 0, 0x61, b'a', 0]),
            ("an array that claims more than there is", &[0x9a, 0, 0x0f, 0, 0]),
            ("arrays nested 33 deep", &nested),
        ];
        for (why, payload) in cases {
            let record = [&header(payload.len() as u64), payload].concat();
            self.malformed_record(why, &record);
        }
        let limit = PAYLOAD_BYTES_MAX as u64;
        for (why, length) in [("beyond the limit", limit + 1), ("that claims its limit", limit)] {
            self.malformed_record(&format!("a payload {why}"), &header(length));
        }
    }

    fn forgeries(&mut self) {
        let one = range(&sender(), 0, 0, &[1]);
        for (why, head) in false_heads(&one.head) {
            let forged = with_head(&one, head);
            self.forged(&format!("an event under {why}"), &range_message(forged));
        }
        let other = EventRange::new(0, vec![record(1, "chaff")], one.head.clone());
        self.forged("another event than was signed", &range_message(other));
        for (version, kind) in [(1, 0), (0, 2), (0, 255)] {
            let later = later(version, kind, 1);
            let why = format!("an event of version {version} and kind {kind} that was not signed");
            let other = EventRange::new(0, vec![later], one.head.clone());
            self.forged(&why, &range_message(other));
        }
        let falling = range(&sender(), 0, 0, &[5, 5]);
        self.forged("lamports that do not rise", &range_message(falling));
        let three = range(&sender(), 0, 0, &[1, 2, 3]);
        let first = EventRange::new(2, three.records()[..1].to_vec(), three.head.clone());
        let start = StreamEnd::empty(&SECRET.swarm_id(), &three.stream()).chain;
        let lie = Message::Range { before: Chain::from_bytes([7; 32]), range: three.clone() };
        self.forged("a false chain before the first event", &lie);
        let mut records = three.records().to_vec();
        records.swap(0, 1);
        let swapped = EventRange::new(0, records, three.head);
        self.forged("events that changed places", &range_message(swapped));
        // Offset 2 of a stream of which nothing is held: only its head is looked at.
        let head = false_heads(&first.head).remove(0).1;
        let gap = Message::Range { before: start, range: with_head(&first, head) };
        self.forged("a head that nobody signed, beyond a gap", &gap);
    }

    fn forged(&mut self, why: &str, message: &Message) {
        self.add(State::Admitted, why, message.encode(), RefusalReason::Forged);
    }
}

fn with_head(range: &EventRange, head: SignedHead) -> EventRange {
    EventRange::new(range.first, range.records().to_vec(), head)
}

/// Heads that are not what the stream's node signed for this swarm.
fn false_heads(head: &SignedHead) -> Vec<(&'static str, SignedHead)> {
    let mut flipped = head.clone();
    flipped.signature[3] ^= 1;
    // The same scalar, larger by the order of the group.
    let order = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
    let mut large = head.clone();
    let mut carry = 0;
    for (at, byte) in large.signature[32..].iter_mut().enumerate() {
        let add = u16::from_str_radix(&order[at * 2..at * 2 + 2], 16).expect("hex digits");
        let sum = u16::from(*byte) + add + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    let (count, lamport, chain) = (head.count, head.lamport, head.chain);
    let elsewhere = SwarmSecret::from_bytes([0x2b; 32]).swarm_id();
    let elsewhere = sender().sign_head(&elsewhere, head.stream.number, count, lamport, chain);
    let other_number = sender().sign_head(&SECRET.swarm_id(), 9, count, lamport, chain);
    let other_number = SignedHead { stream: head.stream, ..other_number };
    let other_node = NodeKey::from_seed(&[3; 32]).sign_head(
        &SECRET.swarm_id(),
        head.stream.number,
        count,
        lamport,
        chain,
    );
    let other_node = SignedHead { stream: head.stream, ..other_node };
    // Everything is a signature under a key of small order, unless it is looked at strictly.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let mut anybody = head.clone();
    anybody.stream.node = NodeId::from_bytes(neutral);
    anybody.signature = [0; 64];
    anybody.signature[0] = 1;
    vec![
        ("a flipped bit in a signature", flipped),
        ("a signature with a large scalar", large),
        ("a head for another swarm", elsewhere),
        ("a head for another stream", other_number),
        ("a head signed by another node", other_node),
        ("a head of a node for which anybody can sign", anybody),
    ]
}

fn bytes_of(hello: &Hello) -> Vec<u8> {
    Message::Hello(hello.clone()).encode().to_vec()
}

fn varint(value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_varint(&mut bytes, value);
    bytes
}

fn counted(bytes: &[u8]) -> Vec<u8> {
    let mut counted = Vec::new();
    put_counted(&mut counted, bytes);
    counted
}
