//! Which account: two that were created under one name are two accounts.

use crate::error::{Error, ErrorKind, Result};
use crate::event::{NodeId, hex};
use crate::pond::Name;
use std::fmt;
use std::str::FromStr;

/// An account: a hash of its name, the node that created it and how it did. Text form: 32
/// lower-case hex digits.
///
/// So a creation that comes twice is one account, and nobody else can create it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId([u8; 16]);

impl AccountId {
    /// The account that `node` creates under `name` with an event of this payload.
    ///
    /// Source: docs/escrow.md, "Names and ids".
    pub fn of(name: &Name, node: &NodeId, payload: &[u8]) -> AccountId {
        let mut hasher = blake3::Hasher::new_derive_key("millpond 0 escrow account");
        hasher.update(&(name.as_str().len() as u64).to_le_bytes());
        hasher.update(name.as_str().as_bytes());
        hasher.update(node.as_bytes());
        hasher.update(payload);
        let mut id = [0; 16];
        id.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        AccountId(id)
    }

    /// The id with these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> AccountId {
        AccountId(bytes)
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountId({self})")
    }
}

impl FromStr for AccountId {
    type Err = Error;

    fn from_str(text: &str) -> Result<AccountId> {
        let byte = |pair: &[u8]| {
            let text = std::str::from_utf8(pair).ok()?;
            let plain = text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
            u8::from_str_radix(text, 16).ok().filter(|_| plain)
        };
        let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(byte).collect();
        let id = bytes.and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
        id.map(AccountId).ok_or_else(|| {
            let message = "an account id is 32 lower-case hex digits";
            Error::new(ErrorKind::InvalidArgument, message)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_named_by_who_created_it_and_how() {
        let (steel, tin) = (Name::new("steel").unwrap(), Name::new("tin").unwrap());
        let (mill, press) = (NodeId::from_bytes([1; 32]), NodeId::from_bytes([2; 32]));
        let own = AccountId::of(&steel, &mill, b"a");
        assert_eq!(own, AccountId::of(&steel, &mill, b"a"));
        for other in [(&tin, &mill, b"a"), (&steel, &press, b"a"), (&steel, &mill, b"b")] {
            assert_ne!(own, AccountId::of(other.0, other.1, other.2));
        }
        assert_eq!(own.to_string().parse::<AccountId>().unwrap(), own);
        for wrong in ["", "ab", &"AB".repeat(16), &"+1".repeat(16), &"é".repeat(16)] {
            assert!(wrong.parse::<AccountId>().is_err(), "{wrong}");
        }
    }
}
