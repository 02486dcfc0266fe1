//! Who: nodes, their streams, their swarm, and the application that published.
//!
//! Rule: an id's text form is lower-case hex and sorts like its bytes.

use crate::error::{Error, ErrorKind, Result};
use crate::event::chain::Chain;
use crate::event::codec::Reader;
use crate::event::limits::{APP_ID_BYTES_MAX, STREAMS_PER_NODE_MAX};
use std::fmt;
use std::str::FromStr;

macro_rules! bytes32 {
    ($(#[doc = $doc:literal])+ $name:ident, $what:literal) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// The id with these bytes. Whether they are meaningful shows where they are used.
            pub const fn from_bytes(bytes: [u8; 32]) -> $name {
                $name(bytes)
            }

            /// The 32 bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The first ten hex digits: enough for people to tell ids apart in a message.
            pub fn short(&self) -> String {
                hex(&self.0[..5])
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.short())
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<$name> {
                unhex32(text).map($name).ok_or_else(|| {
                    let shown = shortened(text);
                    let message = format!("{} is 64 lower-case hex digits, not {shown:?}", $what);
                    Error::new(ErrorKind::InvalidArgument, message)
                })
            }
        }
    };
}

bytes32! {
    /// A node: its Ed25519 public key, 32 bytes.
    NodeId, "a node id"
}

bytes32! {
    /// A swarm, derived from its secret: nodes exchange events only within one swarm.
    SwarmId, "a swarm id"
}

/// One writer's gapless sequence of events: the node that writes it, and which of its streams.
///
/// When a stream turns out to have two histories, each of them from the fork on is a *branch*: a
/// stream of its own that nobody writes, whose number names the first event that differs.
///
/// Sorts by node id, then number. Text form: `<node id>-<number>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// The only node that writes it.
    pub node: NodeId,
    /// 0 for a node's first stream; a higher number, below `STREAMS_PER_NODE_MAX`, follows when it
    /// could not continue the last. From `STREAMS_PER_NODE_MAX` on it is a branch.
    pub number: u64,
}

impl StreamId {
    /// Bytes of [`StreamId::to_bytes`].
    pub const BYTES: usize = 40;

    /// The stream that the node writes or wrote: this one, or the one that this is a branch of.
    /// Heads are signed for it, and chains begin with it.
    pub const fn trunk(&self) -> StreamId {
        StreamId { node: self.node, number: self.number % STREAMS_PER_NODE_MAX }
    }

    /// The branch of the trunk whose first own event has this chain after it: the number is the
    /// chain's first eight bytes (big end first) with the trunk's number in place of the lowest
    /// twelve bits. All nodes come to the same.
    pub fn branch(&self, first: &Chain) -> StreamId {
        let (head, _) = first.as_bytes().split_first_chunk().expect("32 bytes hold 8");
        let name = u64::from_be_bytes(*head) / STREAMS_PER_NODE_MAX;
        // Nobody will see a chain that begins with 51 zeros. 4,096 itself means that all are used.
        let number = name.max(2) * STREAMS_PER_NODE_MAX + self.number % STREAMS_PER_NODE_MAX;
        StreamId { node: self.node, number }
    }

    /// True when this is a branch.
    pub const fn is_branch(&self) -> bool {
        self.number >= STREAMS_PER_NODE_MAX
    }

    /// Node id, then the number with its big end first: sorts like the id.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..32].copy_from_slice(self.node.as_bytes());
        bytes[32..].copy_from_slice(&self.number.to_be_bytes());
        bytes
    }

    /// Takes what [`StreamId::to_bytes`] gave off the front of `reader`.
    ///
    /// # Errors
    /// `corrupt`: fewer bytes are left.
    pub fn read(reader: &mut Reader<'_>) -> Result<StreamId> {
        let node = NodeId::from_bytes(reader.array()?);
        Ok(StreamId { node, number: reader.u64_be()? })
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.node, self.number)
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamId({}-{})", self.node.short(), self.number)
    }
}

impl FromStr for StreamId {
    type Err = Error;

    fn from_str(text: &str) -> Result<StreamId> {
        let parsed = text.split_once('-').and_then(|(node, number)| {
            let value: u64 = number.parse().ok()?;
            let canonical = value.to_string() == number;
            canonical.then_some(StreamId { node: node.parse().ok()?, number: value })
        });
        parsed.ok_or_else(|| {
            let shown = shortened(text);
            let message = format!("a stream id is `<node id>-<number>`, not {shown:?}");
            Error::new(ErrorKind::InvalidArgument, message)
        })
    }
}

/// The application that published an event, as its node was told at opening.
///
/// 1 to 64 bytes of ASCII letters, digits, `.`, `-` and `_`, such as `com.example.press`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppId(Box<str>);

impl AppId {
    /// Checks and takes an app id.
    ///
    /// # Errors
    /// `invalid_argument`: it is empty, too long or has another character.
    pub fn parse(text: &str) -> Result<AppId> {
        AppId::check(text)?;
        Ok(AppId(text.into()))
    }

    pub(crate) fn check(text: &str) -> Result<()> {
        let fits = !text.is_empty() && text.len() <= APP_ID_BYTES_MAX;
        let plain =
            |byte: u8| matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_');
        if fits && text.bytes().all(plain) {
            return Ok(());
        }
        let message = format!(
            "an app id is 1 to {APP_ID_BYTES_MAX} ASCII letters, digits, `.`, `-` or `_`, \
             not {:?}",
            shortened(text)
        );
        Err(Error::new(ErrorKind::InvalidArgument, message))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AppId({})", self.0)
    }
}

impl FromStr for AppId {
    type Err = Error;

    fn from_str(text: &str) -> Result<AppId> {
        AppId::parse(text)
    }
}

/// As much of a refused text as a message may repeat.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

/// Lower-case hex of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)] as char);
        text.push(DIGITS[usize::from(byte & 15)] as char);
    }
    text
}

/// The 32 bytes of 64 lower-case hex digits, none of anything else.
pub(crate) fn unhex32(text: &str) -> Option<[u8; 32]> {
    let digits: &[u8; 64] = text.as_bytes().try_into().ok()?;
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = unhex_digit(pair[0])? << 4 | unhex_digit(pair[1])?;
    }
    Some(bytes)
}

fn unhex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_one_text_form_that_sorts_like_the_bytes() {
        let low = StreamId { node: NodeId::from_bytes([1; 32]), number: 9 };
        let high = StreamId { node: NodeId::from_bytes([0xab; 32]), number: 0 };
        assert_eq!(low.to_string().parse::<StreamId>().unwrap(), low);
        assert!(low < high && low.to_bytes() < high.to_bytes());
        for wrong in ["", "ab", &"AB".repeat(32), &format!("{}-01", low.node), "zz-1"] {
            let error = wrong.parse::<StreamId>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{wrong}");
        }
    }

    #[test]
    fn a_refused_text_is_not_repeated_at_length() {
        let long = "x".repeat(100_000);
        let errors = [
            long.parse::<NodeId>().unwrap_err(),
            long.parse::<StreamId>().unwrap_err(),
            long.parse::<AppId>().unwrap_err(),
            long.parse::<crate::event::EventKey>().unwrap_err(),
        ];
        for error in errors {
            assert!(error.message().len() < 300, "{error}");
        }
    }

    #[test]
    fn an_app_id_is_short_plain_ascii() {
        assert_eq!(AppId::parse("com.example.press-7").unwrap().as_str(), "com.example.press-7");
        for wrong in ["", "a b", "ä", &"x".repeat(65)] {
            assert!(AppId::parse(wrong).is_err(), "{wrong}");
        }
    }
}
