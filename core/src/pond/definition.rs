//! What a fish is, without its code.

use crate::error::{Error, ErrorKind, Result};
use crate::event::limits::FISH_ID_BYTES_MAX;
use crate::pond::builtin::BuiltIn;
use crate::query::{Monotonicity, Order, Query};
use std::fmt;
use unicode_normalization::UnicodeNormalization;

/// The codec whose states are one CBOR value in its deterministic encoding.
pub const CODEC_DEFAULT: &str = "cbor";
/// Longest name of a codec, in bytes.
const CODEC_BYTES_MAX: usize = 64;

/// What a fish is: its name, and all that says whether a remembered state is one of its states.
///
/// Its code is not in it. Who changes the code, so that the same events give another state, gives
/// the fish another version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    id: String,
    version: u64,
    query: Query,
    codec: String,
    builtin: Option<BuiltIn>,
    is_grow_only: bool,
    hash: [u8; 32],
}

impl Definition {
    /// A fish of this name that folds what `query` selects with code of the application, and whose
    /// states are encoded as `codec`, a name of 1 to 64 bytes such as [`CODEC_DEFAULT`].
    ///
    /// `id` has 1 to [`FISH_ID_BYTES_MAX`] bytes and is brought to NFC.
    ///
    /// # Errors
    /// `invalid_argument`: a name is empty. `limit_exceeded`: it is too long.
    pub fn new(id: &str, version: u64, query: Query, codec: &str) -> Result<Definition> {
        Definition::of(id, version, query, codec, None)
    }

    /// A fish that folds what `query` selects as `fold` says, without code of an application.
    ///
    /// Its id follows from what it does, so that two that do the same are one.
    pub fn of_builtin(query: Query, fold: BuiltIn) -> Definition {
        let mut hasher = blake3::Hasher::new();
        put(&mut hasher, query.to_string().as_bytes());
        put(&mut hasher, fold.as_bytes());
        let id = format!("builtin:{}", hasher.finalize().to_hex());
        Definition::of(&id, 0, query, CODEC_DEFAULT, Some(fold)).expect("the names are short")
    }

    fn of(
        id: &str,
        version: u64,
        query: Query,
        codec: &str,
        builtin: Option<BuiltIn>,
    ) -> Result<Definition> {
        // A text may be much longer than its normal form, but not by that much.
        check_length("the id of a fish", id.len() / 4, FISH_ID_BYTES_MAX)?;
        let id: String = id.nfc().collect();
        check_length("the id of a fish", id.len(), FISH_ID_BYTES_MAX)?;
        check_length("the name of a codec", codec.len(), CODEC_BYTES_MAX)?;
        if id.is_empty() || codec.is_empty() {
            let message = "the id of a fish and the name of its codec are not empty";
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"millpond fish 0");
        put(&mut hasher, id.as_bytes());
        hasher.update(&version.to_le_bytes());
        put(&mut hasher, query.to_string().as_bytes());
        put(&mut hasher, codec.as_bytes());
        put(&mut hasher, builtin.as_ref().map_or(&[], |fold| fold.as_bytes()));
        let hash = *hasher.finalize().as_bytes();
        let codec = codec.to_owned();
        Ok(Definition { id, version, query, codec, builtin, is_grow_only: false, hash })
    }

    /// The same, declared to grow only: its states merge, and a step merges what its event makes
    /// alone into the state. Whoever declares it checks the law
    /// ([`check_grow_only`](crate::pond::check_grow_only)). States stay what they are, so the hash
    /// does, too.
    #[must_use]
    pub fn grow_only(self) -> Definition {
        Definition { is_grow_only: true, ..self }
    }

    /// Whether it is declared to grow only.
    pub fn is_grow_only(&self) -> bool {
        self.is_grow_only
    }

    /// Whether a state can be taken back by events that arrive later, and why. A declaration to
    /// grow only is believed as far as its law was checked: `checked_on` is on how many events it
    /// was found to hold, by [`Fish::check_grow_only`](crate::Fish::check_grow_only) or a
    /// [`LawCheck`](crate::testing::LawCheck).
    pub fn monotonicity(&self, checked_on: Option<usize>) -> Monotonicity {
        let own = match &self.builtin {
            Some(fold) => fold.monotonicity(),
            None => Monotonicity::of_code(self.is_grow_only, checked_on),
        };
        own.and(self.query.monotonicity(Order::Ascending))
    }

    /// Its name, in NFC.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Which version of its code.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Which events it folds.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// How its states are encoded.
    pub fn codec(&self) -> &str {
        &self.codec
    }

    /// How it folds, if that takes no code of an application.
    pub fn builtin(&self) -> Option<&BuiltIn> {
        self.builtin.as_ref()
    }

    /// BLAKE3 of all of it: remembered states of another hash are not states of this fish.
    pub fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// Whether it is the same fish: of the same id, and nothing of it differs.
    pub fn is_same(&self, other: &Definition) -> bool {
        self.id == other.id && self.hash == other.hash
    }

    /// Refuses another fish of the same name.
    ///
    /// # Errors
    /// `conflict`, reason `other_definition`: it is not the same; the message says in what.
    pub fn check_same(&self, other: &Definition) -> Result<()> {
        if self.hash == other.hash {
            return Ok(());
        }
        let what = if self.version != other.version {
            format!("version {} and not {}", self.version, other.version)
        } else if self.query != other.query {
            format!("the query `{}` and not `{}`", shortened(&self.query), shortened(&other.query))
        } else if self.codec != other.codec {
            format!("the codec {} and not {}", self.codec, other.codec)
        } else {
            "another way to fold".to_owned()
        };
        let message = format!(
            "the fish {:?} is observed here with {what}; give one of them another id, or end what \
             observes the old one first",
            self.id
        );
        Err(Error::new(ErrorKind::Conflict, message).with_reason("other_definition"))
    }
}

impl fmt::Display for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fish {:?} (version {})", self.id, self.version)
    }
}

fn shortened(query: &Query) -> String {
    query.to_string().chars().take(80).collect()
}

fn check_length(what: &str, bytes: usize, bytes_max: usize) -> Result<()> {
    if bytes <= bytes_max {
        return Ok(());
    }
    let message = format!("{what} is longer than {bytes_max} bytes");
    Err(Error::new(ErrorKind::LimitExceeded, message))
}

fn put(hasher: &mut blake3::Hasher, bytes: &[u8]) {
    hasher.update(&(bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::cbor::Value;
    use crate::query::Verdict;

    fn fish(id: &str, version: u64, query: &str, codec: &str) -> Result<Definition> {
        Definition::new(id, version, Query::parse(query).unwrap(), codec)
    }

    #[test]
    fn two_fish_are_one_only_if_nothing_of_them_differs() {
        let own = fish("orders", 1, "FROM 'a'", "cbor").unwrap();
        own.check_same(&fish("orders", 1, "FROM 'a'", "cbor").unwrap()).unwrap();
        for (other, word) in [
            (fish("orders", 2, "FROM 'a'", "cbor"), "version"),
            (fish("orders", 1, "FROM 'b'", "cbor"), "query"),
            (fish("orders", 1, "FROM 'a'", "json"), "codec"),
        ] {
            let error = own.check_same(&other.unwrap()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict);
            assert_eq!(error.reason(), Some("other_definition"));
            assert!(error.message().contains(word), "{error}");
        }
    }

    #[test]
    fn a_declaration_to_grow_only_is_believed_as_far_as_it_was_checked() {
        let own = fish("seen", 1, "FROM 'a'", "cbor").unwrap();
        let undeclared = own.monotonicity(Some(9));
        assert!(undeclared.reason().contains("declare that it grows only"), "{undeclared}");
        let declared = own.clone().grow_only();
        let unchecked = declared.monotonicity(None);
        assert!(!unchecked.is_monotone() && unchecked.reason().contains("check_grow_only"));
        let checked = declared.monotonicity(Some(9));
        assert!(checked.is_monotone() && checked.reason().contains("on 9 events"), "{checked}");
        own.check_same(&declared).unwrap();
        let count = BuiltIn::from_value(&Value::map([("fold", Value::from("count"))])).unwrap();
        let count = Definition::of_builtin(Query::all(), count);
        assert_eq!(count.monotonicity(None).verdict(), Verdict::OneWay);
    }

    #[test]
    fn an_id_is_brought_to_its_normal_form_and_bounded() {
        let composed = fish("caf\u{e9}", 0, "FROM 'a'", "cbor").unwrap();
        let decomposed = fish("cafe\u{301}", 0, "FROM 'a'", "cbor").unwrap();
        composed.check_same(&decomposed).unwrap();
        fish(&"x".repeat(FISH_ID_BYTES_MAX), 0, "FROM 'a'", "cbor").unwrap();
        for (id, codec, kind) in [
            ("", "cbor", ErrorKind::InvalidArgument),
            ("x", "", ErrorKind::InvalidArgument),
            (&"x".repeat(256), "cbor", ErrorKind::LimitExceeded),
            (&"x".repeat(1 << 20), "cbor", ErrorKind::LimitExceeded),
            ("x", &"x".repeat(65), ErrorKind::LimitExceeded),
        ] {
            assert_eq!(fish(id, 0, "FROM 'a'", codec).unwrap_err().kind(), kind);
        }
    }
}
