//! Why a session ends before its time: one table for both sides, the wire and the status.
//!
//! Rule: codes are never reused, and a stranger learns the code and nothing else; sentences are
//! made by whoever reads the code. Source: docs/protocol.md, "Refusals".

use crate::error::{Error, ErrorKind};
use crate::event::NodeId;
use std::fmt;

macro_rules! reasons {
    ($(
        $(#[doc = $doc:literal])+
        $variant:ident = $code:literal, $name:literal, $kind:ident, $text:literal;
    )+) => {
        /// Why one side ended a session.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum RefusalReason {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl RefusalReason {
            /// Every reason, by rising code.
            pub const ALL: &'static [RefusalReason] = &[$(RefusalReason::$variant,)+];

            /// The number on the wire, also the transport's close code; at least 1.
            pub const fn code(self) -> u64 {
                match self { $(RefusalReason::$variant => $code,)+ }
            }

            /// The stable name: lower case with underscores.
            pub const fn name(self) -> &'static str {
                match self { $(RefusalReason::$variant => $name,)+ }
            }

            /// What kind of error it is for the side that is told.
            pub const fn kind(self) -> ErrorKind {
                match self { $(RefusalReason::$variant => ErrorKind::$kind,)+ }
            }

            const fn text(self) -> &'static str {
                match self { $(RefusalReason::$variant => $text,)+ }
            }
        }
    };
}

reasons! {
    /// The other side does not hold our swarm secret.
    WrongSecret = 1, "wrong_secret", PeerRefused, "the two do not hold the same swarm secret";
    /// The node id is not on the allow-list.
    NotAllowed = 2, "not_allowed", PeerRefused, "the node id is not on the allow-list";
    /// No protocol version is known to both.
    VersionUnsupported = 3, "version_unsupported", PeerRefused,
        "the two have no protocol version in common";
    /// A limit of the other side is smaller than ours, so it could not take what we publish.
    LimitsUnsupported = 4, "limits_unsupported", PeerRefused,
        "one could not receive what the other may publish";
    /// A frame is larger than it may be in this state.
    Oversized = 5, "oversized", PeerMisbehaved, "a frame is larger than allowed";
    /// A frame does not decode.
    Malformed = 6, "malformed", PeerMisbehaved, "a frame does not decode";
    /// A message came in a state in which it must not.
    Unexpected = 7, "unexpected", PeerMisbehaved, "a message came out of turn";
    /// A message that must be understood is unknown.
    MessageUnsupported = 8, "message_unsupported", PeerRefused,
        "a message that must be understood is not known";
    /// A signature, a hash chain or the order of lamports does not hold.
    Forged = 9, "forged", PeerMisbehaved, "events or heads are not what their author signed";
    /// More events were sent than we granted.
    CreditExceeded = 10, "credit_exceeded", PeerMisbehaved, "more events were sent than granted";
    /// We have as many peers as we may have.
    TooManyPeers = 11, "too_many_peers", PeerRefused, "there are too many peers already";
    /// Another connection between the two is kept. Not an error.
    DuplicateConnection = 12, "duplicate_connection", PeerRefused,
        "another connection between the two is kept";
    /// The hello did not come in time.
    AdmissionTimeout = 13, "admission_timeout", PeerRefused, "the hello did not come in time";
    /// Nothing was heard for too long.
    Silent = 14, "silent", PeerRefused, "nothing was heard for too long";
    /// It misbehaved lately and has to wait.
    BackingOff = 15, "backing_off", PeerRefused, "the peer misbehaved lately and has to wait";
    /// The node is being closed. Not an error.
    ShuttingDown = 16, "shutting_down", PeerRefused, "the node is being closed";
    /// The other side is the same node: our own address, or a copy of our store.
    SameNode = 17, "same_node", PeerRefused, "both ends have the same node key";
    /// The user of the other node is done with us. Not an error.
    Removed = 18, "removed", PeerRefused, "the other node's user ended the session";
    /// The other side has peers enough, and so have we. Not an error.
    EnoughPeers = 19, "enough_peers", PeerRefused, "the other node has enough peers";
    /// A code of a newer version.
    Unknown = 255, "unknown", PeerRefused, "for a reason that a newer version knows";
}

impl RefusalReason {
    /// The reason with this code; `Unknown` for one that this version does not know.
    pub fn from_code(code: u64) -> RefusalReason {
        let known = Self::ALL.iter().copied().find(|reason| reason.code() == code);
        known.unwrap_or(RefusalReason::Unknown)
    }

    /// True when no honest peer causes it, so that it has to wait before it may come again.
    pub const fn is_misbehaviour(self) -> bool {
        matches!(self.kind(), ErrorKind::PeerMisbehaved)
    }

    /// True when nobody refused anybody: the session was not needed any more, or the link is dead.
    pub const fn is_benign(self) -> bool {
        matches!(
            self,
            RefusalReason::DuplicateConnection
                | RefusalReason::ShuttingDown
                | RefusalReason::Silent
                | RefusalReason::Removed
                | RefusalReason::EnoughPeers
        )
    }

    /// True when trying again soon cannot help, because people have to change something.
    pub const fn is_lasting(self) -> bool {
        matches!(
            self,
            RefusalReason::WrongSecret
                | RefusalReason::NotAllowed
                | RefusalReason::VersionUnsupported
                | RefusalReason::LimitsUnsupported
                | RefusalReason::MessageUnsupported
                | RefusalReason::SameNode
        )
    }

    /// The error that says that `refuser` ended the session, with `detail` where there is one.
    pub fn to_error(self, peer: &NodeId, by_us: bool, detail: &str) -> Error {
        let who = if by_us { "we closed the session with" } else { "we were refused by" };
        let mut message = format!("{who} peer {}: {}", peer.short(), self.text());
        if !detail.is_empty() {
            message.push_str(": ");
            message.push_str(detail);
        }
        Error::new(self.kind(), message).with_reason(self.name())
    }
}

impl fmt::Display for RefusalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A refusal of ours on its way out: the reason for the wire, the detail for our own people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: RefusalReason,
    pub(crate) detail: String,
}

impl Refusal {
    pub(crate) fn new(reason: RefusalReason, detail: impl Into<String>) -> Refusal {
        Refusal { reason, detail: detail.into() }
    }

    /// A frame that does not decode.
    pub(crate) fn malformed(error: Error) -> Refusal {
        Refusal::new(RefusalReason::Malformed, error.message())
    }
}

impl From<RefusalReason> for Refusal {
    fn from(reason: RefusalReason) -> Refusal {
        Refusal::new(reason, "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_are_distinct_and_come_back() {
        for reason in RefusalReason::ALL {
            assert_eq!(RefusalReason::from_code(reason.code()), *reason);
            let same = RefusalReason::ALL.iter().filter(|other| other.name() == reason.name());
            assert_eq!(same.count(), 1);
        }
        assert_eq!(RefusalReason::from_code(99), RefusalReason::Unknown);
    }
}
