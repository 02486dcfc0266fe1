//! Bytes that read as a message are exactly what writing it gives, unless they are a hello, which
//! may carry what a later millpond knows, or a goodbye with a reason of one.

use bytes::Bytes;
use millpond::sync::{Decoded, Message, RefusalReason};

/// Tries these bytes.
pub fn run(bytes: &[u8]) {
    let frame = Bytes::copy_from_slice(bytes);
    let Ok(Decoded::Message(message)) = Message::decode(&frame) else { return };
    match *message {
        Message::ForeignHello | Message::Goodbye(RefusalReason::Unknown) => {}
        Message::Hello(hello) => {
            let again = Message::Hello(hello.clone()).encode();
            let read = Message::decode(&again).expect("what we write can be read");
            assert_eq!(read, Decoded::Message(Box::new(Message::Hello(hello))));
        }
        message => assert_eq!(message.encode(), frame),
    }
}
