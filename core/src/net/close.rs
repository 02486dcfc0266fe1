//! Why a connection ended: who closed it, with which code, in which words.

use iroh::endpoint::ConnectionError;

/// Longest reason that is sent or taken over from a peer, in bytes of UTF-8.
pub(crate) const REASON_BYTES_MAX: usize = 512;

/// Close codes that the transport uses by itself: those of `sync::RefusalReason` that say the same,
/// so that a peer reads one table. Source: docs/protocol.md, "Refusals".
pub mod code {
    /// `oversized`: a frame was longer than allowed; it was not read.
    pub const OVERSIZED: u32 = 5;
    /// `malformed`: the peer broke the rules of the channel, such as ending it without closing.
    pub const PROTOCOL: u32 = 6;
    /// `admission_timeout`: the peer was not admitted in time.
    pub const NOT_ADMITTED: u32 = 13;
    /// `shutting_down`: the node is closing.
    pub const CLOSED: u32 = 16;
    /// `unknown`: a bound of our own was not kept, a bug of ours.
    pub const INTERNAL: u32 = 255;
}

/// Which end closed a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClosedBy {
    /// This node.
    Us,
    /// The peer, on purpose.
    Peer,
    /// Nobody: packets stopped coming, or the other process is gone.
    Network,
}

/// A wish to close: what the other end is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Closing {
    pub(crate) code: u32,
    pub(crate) reason: String,
}

impl Closing {
    pub(crate) fn new(code: u32, reason: impl AsRef<str>) -> Closing {
        Closing { code, reason: printable(reason.as_ref()) }
    }
}

/// How a connection ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Ended {
    pub(crate) by: ClosedBy,
    pub(crate) code: Option<u32>,
    pub(crate) reason: String,
}

impl Ended {
    pub(crate) fn by_us(closing: Closing) -> Ended {
        Ended { by: ClosedBy::Us, code: Some(closing.code), reason: closing.reason }
    }

    pub(crate) fn from_error(error: &ConnectionError) -> Ended {
        match error {
            ConnectionError::ApplicationClosed(close) => Ended {
                by: ClosedBy::Peer,
                code: Some(u32::try_from(u64::from(close.error_code)).unwrap_or(u32::MAX)),
                reason: printable(&String::from_utf8_lossy(&close.reason)),
            },
            ConnectionError::LocallyClosed => {
                Ended::by_us(Closing::new(code::CLOSED, "this node is closing"))
            }
            other => {
                Ended { by: ClosedBy::Network, code: None, reason: printable(&other.to_string()) }
            }
        }
    }
}

/// `text` without control characters, cut at [`REASON_BYTES_MAX`] bytes.
pub(crate) fn printable(text: &str) -> String {
    let mut kept = String::with_capacity(text.len().min(REASON_BYTES_MAX));
    for character in text.chars().filter(|character| !character.is_control()) {
        if kept.len() + character.len_utf8() > REASON_BYTES_MAX {
            break;
        }
        kept.push(character);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_from_a_peer_is_shortened_and_cannot_drive_a_terminal() {
        let text = format!("\u{1b}[31mred\r\n{}", "ä".repeat(600));
        let kept = printable(&text);
        assert!(kept.starts_with("[31mredä"));
        assert!(kept.len() <= REASON_BYTES_MAX && kept.len() > REASON_BYTES_MAX - 2);
    }
}
