//! The worked example of docs/protocol.md is what we send.

use super::log::MemoryLog;
use super::world::SECRET;
use crate::event::{NodeKey, StreamId, hex};
use crate::sync::LogRead;
use crate::sync::admission::Side;
use crate::sync::message::{Decoded, Message};
use crate::sync::refusal::RefusalReason;

const PAGE: &str = include_str!("../../../../docs/protocol.md");

fn messages() -> Vec<Message> {
    let (press, orders) = (NodeKey::from_seed(&[1; 32]), NodeKey::from_seed(&[2; 32]));
    let side = Side {
        prover: press.node_id(),
        verifier: orders.node_id(),
        dialed: true,
        binding: [5; 32],
    };
    let mut log = MemoryLog::new(SECRET.swarm_id());
    let head = log.append(&press, 0, &["grain".to_owned()]);
    let stream = StreamId { node: press.node_id(), number: 0 };
    let before = log.chain_at(&stream, 0).unwrap().unwrap();
    let range = log.read_range(&stream, 0).unwrap().unwrap();
    vec![
        Message::Hello(side.hello(&[SECRET.admission_key()], [1; 8])),
        Message::Goodbye(RefusalReason::WrongSecret),
        Message::Ping(1),
        Message::Pong(1),
        Message::Summary { is_last: true, heads: vec![head] },
        Message::Progress { credit: 65_536, held: vec![(stream, 1)] },
        Message::Want { stream, from: 0, to: 1 },
        Message::Range { before, range },
        Message::Peers(vec![orders.node_id()]),
    ]
}

#[test]
fn the_worked_example_is_what_we_send() {
    let digits: String = PAGE.chars().filter(char::is_ascii_hexdigit).collect();
    for message in messages() {
        let frame = hex(&message.encode());
        assert!(digits.contains(&frame), "the page lacks {message:?}:\n{frame}");
    }
}

#[test]
fn every_message_comes_back_from_its_bytes_and_from_no_others() {
    for message in messages() {
        let frame = message.encode();
        assert_eq!(Message::decode(&frame), Ok(Decoded::Message(Box::new(message))));
        for length in 0..frame.len() {
            assert!(Message::decode(&frame.slice(..length)).is_err());
        }
        let mut longer = frame.to_vec();
        longer.push(0);
        assert!(Message::decode(&longer.into()).is_err());
    }
}
