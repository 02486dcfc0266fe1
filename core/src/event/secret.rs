//! What the nodes of a swarm share, and how it is replaced while the swarm goes on.
//!
//! A swarm is named after its first secret. A later one keeps that name, so streams, heads and
//! announcements stay what they are. Source: docs/format.md, "Chain and heads".

use crate::error::{Error, ErrorKind, Result};
use crate::event::ids::SwarmId;
use crate::event::limits::FORMER_SECRETS_MAX;
use std::fmt;

const SWARM_ID_CONTEXT: &str = "millpond 2026 swarm id v0";
const ADMISSION_CONTEXT: &str = "millpond 2026 admission v0";

/// What the nodes of a swarm share; whoever holds it can join. Its `Debug` shows only the swarm id.
#[derive(Clone, PartialEq, Eq)]
pub struct SwarmSecret {
    bytes: [u8; 32],
    /// Of a later secret: the swarm that began with another one.
    later_of: Option<SwarmId>,
}

impl SwarmSecret {
    /// The first secret of a swarm: 32 bytes from a good source of randomness.
    pub const fn from_bytes(bytes: [u8; 32]) -> SwarmSecret {
        SwarmSecret { bytes, later_of: None }
    }

    /// The secret with these bytes of the swarm `swarm`: a later one, unless the swarm began with
    /// it.
    pub fn of_swarm(swarm: SwarmId, bytes: [u8; 32]) -> SwarmSecret {
        let first = SwarmSecret::from_bytes(bytes);
        let is_first = first.swarm_id() == swarm;
        SwarmSecret { later_of: (!is_first).then_some(swarm), ..first }
    }

    /// A secret to replace this one: 32 other bytes from a good source of randomness.
    pub fn next(&self, bytes: [u8; 32]) -> SwarmSecret {
        SwarmSecret::of_swarm(self.swarm_id(), bytes)
    }

    /// The 32 bytes; keep them secret. With the swarm id they are the whole of it.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// Whether the swarm began with this secret and is named after it.
    pub fn is_first(&self) -> bool {
        self.later_of.is_none()
    }

    /// The swarm it belongs to. It gives nothing away about the secret.
    pub fn swarm_id(&self) -> SwarmId {
        let derived = || SwarmId::from_bytes(blake3::derive_key(SWARM_ID_CONTEXT, &self.bytes));
        self.later_of.unwrap_or_else(derived)
    }

    /// The key with which peers prove to each other that they hold the secret. That of a later
    /// secret holds the swarm id, too: the same bytes admit to one swarm only.
    pub fn admission_key(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key(ADMISSION_CONTEXT);
        if let Some(swarm) = &self.later_of {
            hasher.update(swarm.as_bytes());
        }
        *hasher.update(&self.bytes).finalize().as_bytes()
    }
}

impl fmt::Debug for SwarmSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SwarmSecret(of {})", self.swarm_id().short())
    }
}

/// The secrets that a node takes: the current one, and former ones while they are being replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwarmSecrets {
    current: SwarmSecret,
    former: Vec<SwarmSecret>,
}

impl SwarmSecrets {
    /// `current` for tickets and as the first proof; peers that hold one of `former` are admitted,
    /// too: up to 4 secrets of the same swarm. One that stands twice counts once.
    ///
    /// # Errors
    /// `limit_exceeded`: more than 4 are former ones. `invalid_argument`, reason `other_swarm`: one
    /// of them is of another swarm.
    pub fn new(
        current: SwarmSecret,
        former: impl IntoIterator<Item = SwarmSecret>,
    ) -> Result<SwarmSecrets> {
        let mut secrets = SwarmSecrets::from(current);
        for secret in former {
            if secret.swarm_id() != secrets.swarm_id() {
                let message = format!(
                    "a former secret is of swarm {}, the current one of {}; a secret that \
                     replaces another one is made from it",
                    secret.swarm_id().short(),
                    secrets.swarm_id().short()
                );
                let error = Error::new(ErrorKind::InvalidArgument, message);
                return Err(error.with_reason("other_swarm"));
            }
            if !secrets.contains(&secret) {
                secrets.former.push(secret);
            }
        }
        if secrets.former.len() > FORMER_SECRETS_MAX {
            let message = format!(
                "{} former secrets; the limit is {FORMER_SECRETS_MAX}. Leave out those that no \
                 node needs any more",
                secrets.former.len()
            );
            return Err(Error::new(ErrorKind::LimitExceeded, message));
        }
        Ok(secrets)
    }

    /// The one that tickets carry.
    pub fn current(&self) -> &SwarmSecret {
        &self.current
    }

    /// The swarm of all of them.
    pub fn swarm_id(&self) -> SwarmId {
        self.current.swarm_id()
    }

    /// Whether this is one of them.
    pub fn contains(&self, secret: &SwarmSecret) -> bool {
        self.current == *secret || self.former.contains(secret)
    }

    /// The admission key of each, of the current one first: 1 to 5.
    pub fn admission_keys(&self) -> Vec<[u8; 32]> {
        let all = std::iter::once(&self.current).chain(&self.former);
        all.map(SwarmSecret::admission_key).collect()
    }
}

impl From<SwarmSecret> for SwarmSecrets {
    fn from(current: SwarmSecret) -> SwarmSecrets {
        SwarmSecrets { current, former: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: SwarmSecret = SwarmSecret::from_bytes([1; 32]);

    #[test]
    fn a_later_secret_keeps_the_swarm_and_admits_to_no_other() {
        let later = FIRST.next([2; 32]);
        assert_eq!(later.swarm_id(), FIRST.swarm_id());
        assert_eq!(later.next([3; 32]).swarm_id(), FIRST.swarm_id());
        let alone = SwarmSecret::from_bytes([2; 32]);
        let elsewhere = SwarmSecret::from_bytes([9; 32]).next([2; 32]);
        let keys = [&FIRST, &later, &alone, &elsewhere].map(SwarmSecret::admission_key);
        assert!((1..4).all(|at| !keys[..at].contains(&keys[at])));
        assert!(FIRST.is_first() && !later.is_first());
    }

    #[test]
    fn the_first_secret_is_the_same_however_it_is_said() {
        assert_eq!(FIRST.next([2; 32]).next([1; 32]), FIRST);
        assert_eq!(SwarmSecret::of_swarm(FIRST.swarm_id(), [1; 32]), FIRST);
    }

    #[test]
    fn former_secrets_are_few_distinct_and_of_one_swarm() {
        let former = |bytes: &[u8]| bytes.iter().map(|byte| FIRST.next([*byte; 32])).collect();
        let made = |former: Vec<SwarmSecret>| SwarmSecrets::new(FIRST.next([8; 32]), former);
        let secrets = made(former(&[1, 2, 3, 4, 1, 2, 8])).unwrap();
        assert!(secrets.contains(&FIRST) && secrets.contains(&FIRST.next([8; 32])));
        assert_eq!(secrets.admission_keys().len(), 5);
        assert_eq!(secrets.admission_keys()[0], FIRST.next([8; 32]).admission_key());
        let many = made(former(&[1, 2, 3, 4, 5])).unwrap_err();
        assert_eq!(many.kind(), ErrorKind::LimitExceeded);
        let strange = made(vec![SwarmSecret::from_bytes([2; 32])]).unwrap_err();
        assert_eq!(strange.reason(), Some("other_swarm"));
    }

    #[test]
    fn a_secret_is_not_shown() {
        let later = FIRST.next([0x77; 32]);
        let shown = format!("{later:?} {:?}", SwarmSecrets::from(later.clone()));
        assert!(!shown.contains("7777") && !shown.contains("119"), "{shown}");
    }
}
