//! Texts that people and programs pass around: what they say, and texts that are nearly right.
//!
//! Source: docs/format.md, "Text forms".

use super::hold;
use crate::support::Scratch;
use millpond::PeerAddress;
use millpond::event::{
    EventKey, Lamport, NodeId, NodeKey, StreamId, SwarmSecret, TICKET_CHARACTERS_MAX, Ticket, hex,
};
use millpond_facade::{NodeHandle, Offsets, OpenOptions, Wait, json as payloads};
use serde_json::{Value as Json, json};

const BASE32: &[u8] = b"abcdefghijklmnopqrstuvwxyz234567";
const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

#[test]
fn texts_say_what_the_vectors_say_and_nearly_right_ones_are_refused() {
    hold(
        "texts.json",
        &json!({
            "stream_ids": stream_ids(),
            "event_keys": event_keys(),
            "secrets": secrets(),
            "peers": peers(),
            "tokens": tokens(),
            "tickets": tickets(),
            "payloads": json_payloads(),
        }),
    );
}

fn node(byte: u8) -> NodeId {
    NodeId::from_bytes([byte; 32])
}

fn stream_ids() -> Json {
    let taken = [(0x00, 0), (0x0a, 7), (0xff, u64::MAX)].map(|(byte, number)| {
        let stream = StreamId { node: node(byte), number };
        let text = stream.to_string();
        assert_eq!(text.parse::<StreamId>().unwrap(), stream);
        json!({ "text": text, "bytes": hex(&stream.to_bytes()) })
    });
    let id = node(0xab).to_string();
    let refused = [
        String::new(),
        id.clone(),
        format!("{id}-"),
        format!("{id}-01"),
        format!("{id}-+1"),
        format!("{id}--1"),
        format!("{id}-18446744073709551616"),
        format!("{}-1", id.to_uppercase()),
        format!("{}-1", &id[1..]),
        format!("{id}0-1"),
        format!(" {id}-1"),
        format!("{id}-1 "),
        format!("{}g-1", &id[1..]),
    ];
    assert!(refused.iter().all(|text| text.parse::<StreamId>().is_err()));
    json!({ "taken": taken, "refused": refused })
}

fn event_keys() -> Json {
    let taken = [(0, 0), (1, 10), ((1 << 53) - 1, u64::MAX)].map(|(lamport, number)| {
        let stream = StreamId { node: node(0xab), number };
        let key = EventKey { lamport: Lamport::new(lamport).unwrap(), stream };
        let text = key.to_string();
        assert_eq!(text.parse::<EventKey>().unwrap(), key);
        json!({ "text": text, "lamport": lamport, "stream": stream.to_string() })
    });
    let id = StreamId { node: node(0xab), number: 1 }.to_string();
    let refused = ["", "/", "01/", "+1/", "-1/", "1.0/", "9007199254740992/", " 1/", "1//", "1-"];
    let mut refused: Vec<String> = refused.iter().map(|start| format!("{start}{id}")).collect();
    refused.push("7".to_owned());
    assert!(refused.iter().all(|text| text.parse::<EventKey>().is_err()));
    json!({ "taken": taken, "refused": refused })
}

fn secrets() -> Json {
    let scratch = Scratch::new("secrets");
    let open = |text: &str| {
        NodeHandle::open(
            OpenOptions {
                path: scratch.path().join("store"),
                app_id: "m".to_owned(),
                swarm: Some(text.to_owned()),
                network: Some(false),
                ..OpenOptions::default()
            },
            &Wait::default(),
        )
    };
    let secret = SwarmSecret::from_bytes(std::array::from_fn(|at| 0xf0 ^ at as u8));
    let digits = hex(secret.as_bytes());
    let taken = [digits.clone(), digits.to_uppercase(), format!(" \t{digits}\r\n")].map(|text| {
        let node = open(&text).unwrap();
        assert_eq!(node.swarm_id().unwrap(), secret.swarm_id().to_string());
        node.close(&Wait::default()).unwrap();
        json!({ "text": text, "bytes": digits, "swarm_id": secret.swarm_id().to_string() })
    });
    let later = secret.next([0x2b; 32]);
    let later_digits = format!("{}{}", later.swarm_id(), hex(later.as_bytes()));
    let named = [later_digits.clone(), later_digits.to_uppercase()].map(|text| {
        let node = open(&text).unwrap();
        assert_eq!(node.swarm_id().unwrap(), secret.swarm_id().to_string());
        node.close(&Wait::default()).unwrap();
        let (bytes, swarm_id) = (hex(later.as_bytes()), later.swarm_id().to_string());
        json!({ "text": text, "bytes": bytes, "swarm_id": swarm_id })
    });
    let taken = [&taken[..], &named].concat();
    let refused = [
        String::new(),
        digits[1..].to_owned(),
        format!("{digits}0"),
        format!("0x{}", &digits[2..]),
        "g".repeat(64),
        later_digits[1..].to_owned(),
        format!("{later_digits}00"),
        format!("{} {}", &later_digits[..64], &later_digits[64..]),
        // The swarm began with it.
        format!("{}{digits}", secret.swarm_id()),
    ];
    assert!(refused.iter().all(|text| open(text).unwrap_err().name == "invalid_argument"));
    json!({ "taken": taken, "refused": refused })
}

fn peers() -> Json {
    let id = node(0xab).to_string();
    let many = |count: usize| {
        (1..=count).map(|port| format!("10.0.0.1:{port}")).collect::<Vec<_>>().join(",")
    };
    let taken =
        ["10.0.0.12:4100".to_owned(), "10.0.0.12:4100,[fd00::1]:65535".to_owned(), many(16)].map(
            |addresses| {
                let text = format!("{id}@{addresses}");
                let peer: PeerAddress = text.parse().unwrap();
                assert_eq!(peer.to_string(), text);
                let addresses: Vec<&str> = addresses.split(',').collect();
                json!({ "text": text, "node_id": id, "addresses": addresses })
            },
        );
    let refused = [
        String::new(),
        id.clone(),
        format!("{id}@"),
        format!("{id}@10.0.0.12"),
        format!("{id}@10.0.0.12:65536"),
        format!("{id}@mill:4100"),
        format!("{id}@fd00::1:4100"),
        format!("{id}@10.0.0.12:4100,"),
        format!("{id}@{}", many(17)),
        format!("{}@10.0.0.12:4100", id.to_uppercase()),
        "@10.0.0.12:4100".to_owned(),
    ];
    assert!(refused.iter().all(|text| text.parse::<PeerAddress>().is_err()));
    json!({ "taken": taken, "refused": refused })
}

fn tokens() -> Json {
    let stream = |byte: u8, number: u64| StreamId { node: node(byte), number };
    let all: [&[(StreamId, u64)]; 6] = [
        &[],
        &[(stream(0xab, 0), 1)],
        &[(stream(0xab, 0), (1 << 53) - 1)],
        &[(stream(1, 0), 300), (stream(1, 256), 127), (stream(2, 0), 128)],
        &[(stream(1, 7), 9)],
        &[(stream(1, 0), 64), (stream(2, 0), 1 << 20), (stream(3, 0), 1), (stream(4, 0), 1 << 26)],
    ];
    let taken = all.map(|entries| {
        let texts = entries.iter().map(|(stream, count)| (stream.to_string(), *count));
        let offsets = Offsets::from_entries(texts).unwrap();
        let token = offsets.token();
        assert_eq!(Offsets::parse(&token).unwrap(), offsets);
        let body = map_bytes(entries);
        assert_eq!(token, token_of(&body), "the writer of this file agrees");
        json!({ "text": token, "offsets": offsets.entries() })
    });
    let good = map_bytes(all[1]);
    let whole = token_of(&good);
    let mut flipped = good.clone();
    flipped.extend_from_slice(&crc32c(&good).to_be_bytes());
    let longer = [&good[..], &[0]].concat();
    let wide = [&good[..good.len() - 1], &[0x81, 0]].concat();
    let refused = [
        ("nothing", String::new()),
        ("no content", "m1".to_owned()),
        ("another version", whole.replacen("m1", "m0", 1)),
        ("a capital prefix", whole.replacen("m1", "M1", 1)),
        ("space around it", format!(" {whole}")),
        ("padding", format!("{whole}=")),
        ("a letter less", whole[..whole.len() - 1].to_owned()),
        ("a bit beyond the last byte", last_letter_plus_one(&whole)),
        ("a checksum with its big end first", format!("m1{}", digits(&flipped, 6, BASE64))),
        ("a byte after the map", token_of(&longer)),
        ("a count in two bytes that fits one", token_of(&wide)),
        ("a count of 0", token_of(&map_bytes(&[(stream(1, 0), 0)]))),
        ("a count of 2^53", token_of(&map_bytes(&[(stream(1, 0), 1 << 53)]))),
        ("nodes that fall", token_of(&map_bytes(&[(stream(2, 0), 1), (stream(1, 0), 1)]))),
        ("streams that fall", token_of(&map_bytes(&[(stream(1, 2), 1), (stream(1, 1), 1)]))),
        ("a stream twice", token_of(&map_bytes(&[(stream(1, 1), 1), (stream(1, 1), 1)]))),
        ("a node without streams", token_of(&[&[1; 32][..], &[1]].concat())),
        ("stream 0 alone in the longer form", token_of(&[&[1; 32][..], &[3, 0, 7]].concat())),
    ];
    let refused = refused.map(|(why, text)| {
        assert!(Offsets::parse(&text).is_err(), "{why}");
        json!({ "why": why, "text": text })
    });
    json!({ "taken": taken, "refused": refused })
}

/// What a token says of these streams, whether or not it can.
fn map_bytes(entries: &[(StreamId, u64)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for own in entries.chunk_by(|one, other| one.0.node == other.0.node) {
        bytes.extend_from_slice(own[0].0.node.as_bytes());
        let mut put = |number| millpond::event::codec::put_varint(&mut bytes, number);
        if let [(StreamId { number: 0, .. }, count)] = own {
            put(count * 2);
            continue;
        }
        put(own.len() as u64 * 2 + 1);
        for (stream, count) in own {
            put(stream.number);
            put(*count);
        }
    }
    bytes
}

fn token_of(map: &[u8]) -> String {
    let bytes = [map, &crc32c(map).to_le_bytes()].concat();
    format!("m1{}", digits(&bytes, 6, BASE64))
}

fn last_letter_plus_one(token: &str) -> String {
    let (rest, last) = token.split_at(token.len() - 1);
    let at = BASE64.iter().position(|letter| *letter == last.as_bytes()[0]).unwrap();
    format!("{rest}{}", char::from(BASE64[at + 1]))
}

/// Refused tickets; true ones are in tickets.json.
fn tickets() -> Json {
    let secret = SwarmSecret::from_bytes([0x5a; 32]);
    let node = NodeKey::from_seed(&[0x11; 32]).node_id();
    let content = |version: u8, addresses: &[&[u8]]| {
        let head = [&[version][..], secret.as_bytes(), node.as_bytes()].concat();
        [&head[..], &[addresses.len() as u8], &addresses.concat()].concat()
    };
    let of = |content: &[u8]| {
        let bytes = [content, &crc32c(content).to_le_bytes()].concat();
        format!("millpond1{}", digits(&bytes, 5, BASE32))
    };
    let address: [&[u8]; 2] = [&[4, 10, 0, 0, 12, 16, 4], &[4, 10, 0, 0, 12, 16, 5]];
    let whole = of(&content(0, &address));
    let swarm = secret.swarm_id();
    let named_twice = [&[1][..], swarm.as_bytes(), &content(0, &address)[1..]].concat();
    assert!(format!("\n {whole}\t").parse::<Ticket>().is_ok());
    let many: Vec<[u8; 7]> = (1..=17).map(|port| [4, 10, 0, 0, 1, 0, port]).collect();
    let many: Vec<&[u8]> = many.iter().map(|address| &address[..]).collect();
    let mapped = [&[6][..], &[0; 10], &[255, 255, 10, 0, 0, 12, 16, 4]].concat();
    let cases = [
        ("another prefix", "ticket_prefix", whole.replacen("millpond1", "millpond2", 1)),
        ("capitals", "ticket_prefix", whole.to_uppercase()),
        ("capitals after the prefix", "ticket_character", whole.replacen('a', "A", 1)),
        ("a space inside", "ticket_character", format!("{} {}", &whole[..20], &whole[20..])),
        ("padding", "ticket_character", format!("{whole}=")),
        ("a letter less", "ticket_damaged", whole[..whole.len() - 1].to_owned()),
        ("a letter more", "ticket_damaged", format!("{whole}a")),
        ("another letter", "ticket_damaged", format!("millpond1b{}", &whole[10..])),
        ("nothing behind the prefix", "ticket_damaged", "millpond1".to_owned()),
        ("a later version", "ticket_version", of(&content(2, &address))),
        ("a secret that needs no swarm id", "ticket_malformed", of(&named_twice)),
        ("no swarm id", "ticket_malformed", of(&content(1, &address))),
        ("17 addresses", "ticket_malformed", of(&content(0, &many))),
        ("addresses that fall", "ticket_malformed", of(&content(0, &[address[1], address[0]]))),
        ("an address twice", "ticket_malformed", of(&content(0, &[address[0], address[0]]))),
        ("a kind of address 5", "ticket_malformed", of(&content(0, &[&[5, 1, 2, 3, 4, 0, 1]]))),
        ("port 0", "ticket_malformed", of(&content(0, &[&[4, 10, 0, 0, 1, 0, 0]]))),
        ("no host", "ticket_malformed", of(&content(0, &[&[4, 0, 0, 0, 0, 0, 1]]))),
        ("multicast", "ticket_malformed", of(&content(0, &[&[4, 224, 0, 0, 1, 0, 1]]))),
        ("IPv4 as IPv6", "ticket_malformed", of(&content(0, &[&mapped]))),
        ("a byte left over", "ticket_malformed", of(&[&content(0, &address)[..], &[0]].concat())),
        ("a byte too few", "ticket_malformed", of(&content(0, &address)[..70])),
        ("1,025 letters", "ticket_too_long", "a".repeat(TICKET_CHARACTERS_MAX + 1)),
    ];
    let refused = cases.map(|(why, reason, text)| {
        let error = text.parse::<Ticket>().unwrap_err();
        assert_eq!(error.reason(), Some(reason), "{why}: {error}");
        json!({ "why": why, "reason": reason, "text": text })
    });
    json!({ "refused": refused })
}

fn json_payloads() -> Json {
    let exact = [
        "null",
        "[true,false]",
        "0",
        "-1",
        "18446744073709551615",
        "-9223372036854775808",
        "0.0",
        "-0.0",
        "1.0",
        "12.25",
        r#""Mühle \"🌾\"\n""#,
        r#"{"$bytes":""}"#,
        r#"{"$bytes":"AP8H"}"#,
        r#"{"$bytes":"AQI="}"#,
        r#"{"$$bytes":"AQI="}"#,
        r#"{"$$$bytes":1}"#,
        r#"{"a":1,"$bytes":"AQI="}"#,
        r#"{"a":[],"b":{},"kg":{"$bytes":"AQI="}}"#,
    ];
    let other = [
        (" [ 1 , 2 ] ", "[1,2]"),
        ("-0", "-0.0"),
        ("1e2", "100.0"),
        ("1E2", "100.0"),
        (r#"{"kg":1,"a":2}"#, r#"{"a":2,"kg":1}"#),
        (r#""\u00fc""#, r#""ü""#),
        (r#"{"$bytes":"AQI=","a":1}"#, r#"{"a":1,"$bytes":"AQI="}"#),
    ];
    let pairs = exact.into_iter().map(|text| (text, text)).chain(other);
    let taken: Vec<Json> = pairs
        .map(|(text, written)| {
            let payload = payloads::to_cbor(text).unwrap();
            assert_eq!(payloads::from_cbor(&payload).unwrap(), written);
            json!({ "text": text, "payload": hex(&payload), "written": written })
        })
        .collect();
    let refused = [
        "",
        "1 2",
        "[1,]",
        "nan",
        "1e400",
        "18446744073709551616",
        "-9223372036854775809",
        r#"{"a":1,"a":2}"#,
        r#"{"$bytes":1}"#,
        r#"{"$bytes":"AQI"}"#,
        r#"{"$bytes":"_w=="}"#,
    ];
    assert!(refused.iter().all(|text| payloads::to_cbor(text).is_err()));
    json!({ "taken": taken, "refused": refused })
}

/// `bytes` as digits of `width` bits, the highest bit first, zeros behind the last.
fn digits(bytes: &[u8], width: usize, alphabet: &[u8]) -> String {
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
    let digit = |start: usize| (start..start + width).fold(0, |sum, at| sum << 1 | bit(at));
    let starts = (0..bytes.len() * 8).step_by(width);
    starts.map(|start| char::from(alphabet[usize::from(digit(start))])).collect()
}

fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ ((crc & 1) * 0x82f6_3b78))
    })
}
