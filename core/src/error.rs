//! What can go wrong, said once for every language.
//!
//! Not here: how a language raises it (the shells do, from `ErrorKind::name` and `number`).
//! Rule: numbers and names are never reused; new kinds are appended.

use bytes::Bytes;
use std::fmt;
use std::sync::Arc;

/// A result whose error is [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

macro_rules! kinds {
    ($(
        $(#[doc = $doc:literal])+
        $variant:ident = $number:literal, $name:literal, $retryable:literal;
    )+) => {
        /// What kind of thing went wrong: the one table that every language shares.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        #[repr(i32)]
        pub enum ErrorKind {
            $($(#[doc = $doc])+ $variant = $number,)+
        }

        impl ErrorKind {
            /// Every kind, by rising number.
            pub const ALL: &'static [ErrorKind] = &[$(ErrorKind::$variant,)+];

            /// The stable name, the same in every language: lower case with underscores.
            pub const fn name(self) -> &'static str {
                match self { $(ErrorKind::$variant => $name,)+ }
            }

            /// True when the same call may succeed later without any change by the caller.
            pub const fn is_retryable(self) -> bool {
                match self { $(ErrorKind::$variant => $retryable,)+ }
            }
        }
    };
}

kinds! {
    /// An argument is not of the form the call takes.
    InvalidArgument = 1, "invalid_argument", false;
    /// Something is larger or more than the limit that the message names; nothing was stored.
    LimitExceeded = 2, "limit_exceeded", false;
    /// A query text does not parse; `position` points into it.
    QueryInvalid = 3, "query_invalid", false;
    /// The log is not as the caller expected it (`expected` count, or an idempotency key used for
    /// other events); nothing was stored.
    Conflict = 4, "conflict", false;
    /// The thing asked for does not exist.
    NotFound = 5, "not_found", false;
    /// The log does not cover the token yet.
    NotYetVisible = 6, "not_yet_visible", true;
    /// The deadline passed first.
    Timeout = 7, "timeout", true;
    /// The caller cancelled the call.
    Cancelled = 8, "cancelled", false;
    /// The node, cursor or subscription is closed.
    Closed = 9, "closed", false;
    /// Another process owns the store.
    StoreLocked = 10, "store_locked", true;
    /// The disk is full; nothing was stored, and it works again when there is space.
    StorageFull = 11, "storage_full", true;
    /// The disk refused a read, a write or a sync.
    StorageFailed = 12, "storage_failed", false;
    /// Stored bytes are not what was written.
    Corrupt = 13, "corrupt", false;
    /// Bytes of a store, a file or a peer were written by a newer millpond.
    FormatTooNew = 14, "format_too_new", false;
    /// A peer refused us, or we refused it: no session came about.
    PeerRefused = 15, "peer_refused", false;
    /// A peer sent what no honest peer sends; its session was closed.
    PeerMisbehaved = 16, "peer_misbehaved", false;
    /// A stream has two different histories.
    Forked = 17, "forked", false;
    /// The process is a fork of the one that opened the node.
    ForkedProcess = 18, "forked_process", false;
    /// An escrow account does not hold enough rights.
    Overdraft = 19, "overdraft", false;
    /// Code of the application failed inside a call of ours.
    UserCode = 20, "user_code", false;
    /// A bug in millpond; the node refuses further work.
    Internal = 21, "internal", false;
}

impl ErrorKind {
    /// The stable number: the C code, never reused. 0 is success and no kind.
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// The kind with this stable number, if there is one.
    pub fn from_number(number: i32) -> Option<ErrorKind> {
        Self::ALL.iter().copied().find(|kind| kind.number() == number)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An error: a kind for programs, a sentence for people.
///
/// The message says who, what and what to do. Cloning is cheap: a failed group commit hands the
/// same error to everyone who waited for it.
#[derive(Clone)]
pub struct Error {
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    reason: Option<&'static str>,
    position: Option<usize>,
    details: Option<Bytes>,
    missing: Vec<(String, u64)>,
}

impl Error {
    /// An error of this kind with a message for people.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        let message = message.into();
        let inner = Inner {
            kind,
            message,
            reason: None,
            position: None,
            details: None,
            missing: Vec::new(),
        };
        Error { inner: Arc::new(inner) }
    }

    /// The same error with a typed detail, such as `wrong_secret` for `peer_refused`.
    pub fn with_reason(mut self, reason: &'static str) -> Error {
        Arc::make_mut(&mut self.inner).reason = Some(reason);
        self
    }

    /// The same error with a byte position in the text that was refused.
    pub fn with_position(mut self, position: usize) -> Error {
        Arc::make_mut(&mut self.inner).position = Some(position);
        self
    }

    /// The same error with what a program may want to know of it: one CBOR value.
    pub fn with_details(mut self, details: impl Into<Bytes>) -> Error {
        Arc::make_mut(&mut self.inner).details = Some(details.into());
        self
    }

    /// The same error with what is missing: stream ids as texts, and of each how many events.
    pub fn with_missing(mut self, missing: Vec<(String, u64)>) -> Error {
        Arc::make_mut(&mut self.inner).missing = missing;
        self
    }

    /// The same error with `context: ` put before its message.
    pub fn in_context(mut self, context: impl fmt::Display) -> Error {
        let inner = Arc::make_mut(&mut self.inner);
        inner.message = format!("{context}: {}", inner.message);
        self
    }

    /// The same error, whose message goes on with this on a line of its own.
    pub(crate) fn with_last_line(mut self, line: &str) -> Error {
        Arc::make_mut(&mut self.inner).message.extend(["\n", line]);
        self
    }

    /// What kind of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// Who, what and what to do, in English, without the kind.
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// The typed detail, where the kind alone is not enough.
    pub fn reason(&self) -> Option<&'static str> {
        self.inner.reason
    }

    /// Byte position in the refused text, for `query_invalid` and malformed text forms.
    pub fn position(&self) -> Option<usize> {
        self.inner.position
    }

    /// What a program may want to know of it, as one CBOR value; which one, the kind says.
    pub fn details(&self) -> Option<&[u8]> {
        self.inner.details.as_deref()
    }

    /// For `not_yet_visible`: the streams that the log does not cover, by rising id, and how many
    /// events of each are missing.
    pub fn missing(&self) -> &[(String, u64)] {
        &self.inner.missing
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.inner.message, self.inner.kind)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({self})")
    }
}

impl std::error::Error for Error {}

impl PartialEq for Error {
    fn eq(&self, other: &Error) -> bool {
        self.inner.kind == other.inner.kind
            && self.inner.message == other.inner.message
            && self.inner.reason == other.inner.reason
            && self.inner.position == other.inner.position
            && self.inner.details == other.inner.details
            && self.inner.missing == other.inner.missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_stable_and_distinct() {
        let names: Vec<&str> = ErrorKind::ALL.iter().map(|kind| kind.name()).collect();
        let expected = "invalid_argument limit_exceeded query_invalid conflict not_found \
            not_yet_visible timeout cancelled closed store_locked storage_full storage_failed \
            corrupt format_too_new peer_refused peer_misbehaved forked forked_process overdraft \
            user_code internal";
        assert_eq!(names.join(" "), expected);
        for (index, kind) in ErrorKind::ALL.iter().enumerate() {
            assert_eq!(kind.number() as usize, index + 1);
            assert_eq!(ErrorKind::from_number(kind.number()), Some(*kind));
        }
    }

    #[test]
    fn an_error_says_its_message_and_its_kind() {
        let error = Error::new(ErrorKind::StoreLocked, "the store is in use by process 7")
            .with_reason("other_process")
            .in_context("open /a");
        let text = "open /a: the store is in use by process 7 [store_locked]";
        assert_eq!(error.to_string(), text);
        assert_eq!(error.reason(), Some("other_process"));
    }
}
