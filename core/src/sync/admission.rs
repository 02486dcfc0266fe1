//! The proof that a peer holds the swarm secret, before it learns anything.
//!
//! ```text
//! proof = BLAKE3-keyed(admission key, "millpond admission v1" ‖ binding ‖ role
//!                      ‖ prover's node id ‖ verifier's node id)
//! ```
//! There is one for each secret that its sender takes, that of the current one first. One that
//! holds under any secret of the receiver is enough: so a secret is replaced without cutting
//! anybody off.
//!
//! The binding comes out of the TLS session (exporter), so a proof is worthless in any other; role
//! and ids make the two directions differ, so it cannot be sent back. Comparison takes the same
//! time whatever the bytes.

use crate::event::NodeId;
use crate::planted;
use crate::sync::constants::{LIMITS, VERSION_MAX, VERSION_MIN};
use crate::sync::memory::Heard;
use crate::sync::message::Hello;
use crate::sync::refusal::{Refusal, RefusalReason};

const DOMAIN: &[u8; 21] = b"millpond admission v1";
/// Of what hides from all but members what was heard of them.
const HEARD_DOMAIN: &[u8; 21] = b"millpond was heard v1";

/// Which of our secrets a peer holds, as far as it has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proved {
    /// The current one.
    Current,
    /// Only a former one: it must be given the current one before that is no longer taken.
    Former,
}

/// One side of one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Side {
    /// Who proves.
    pub(crate) prover: NodeId,
    /// Who is to be convinced.
    pub(crate) verifier: NodeId,
    /// True when the prover dialled.
    pub(crate) dialed: bool,
    /// The 32 bytes exported from the TLS session, equal on both ends.
    pub(crate) binding: [u8; 32],
}

impl Side {
    /// The proof of this side's prover.
    pub(crate) fn proof(&self, admission_key: &[u8; 32]) -> blake3::Hash {
        self.keyed(DOMAIN, admission_key)
    }

    /// `heard` as only who has the secret can read it, and back again.
    pub(crate) fn masked(&self, admission_key: &[u8; 32], heard: Heard) -> Heard {
        let mask = self.keyed(HEARD_DOMAIN, admission_key);
        let (halves, _) = mask.as_bytes().as_chunks::<8>();
        let session = std::array::from_fn(|at| heard.session[at] ^ halves[0][at]);
        Heard { session, count: heard.count ^ u64::from_le_bytes(halves[1]) }
    }

    /// What this side's prover says in its hello that it has heard; none when it says nothing, or
    /// has a current secret that we do not take.
    pub(crate) fn heard(&self, keys: &[[u8; 32]], hello: &Hello) -> Option<Heard> {
        let first = blake3::Hash::from_bytes(*hello.proofs.first()?);
        let key = keys.iter().find(|key| self.proof(key) == first)?;
        Some(self.masked(key, hello.heard?)).filter(|heard| *heard != Heard::NOTHING)
    }

    fn keyed(&self, domain: &[u8], admission_key: &[u8; 32]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(admission_key);
        hasher.update(domain);
        hasher.update(&self.binding);
        hasher.update(&[u8::from(!self.dialed)]);
        hasher.update(self.prover.as_bytes());
        hasher.update(self.verifier.as_bytes());
        hasher.finalize()
    }

    /// The proofs of this side's prover, one for each of its admission keys.
    pub(crate) fn proofs(&self, keys: &[[u8; 32]]) -> Vec<[u8; 32]> {
        keys.iter().map(|key| *self.proof(key).as_bytes()).collect()
    }

    /// The hello of this side's prover, who has at least one admission key.
    pub(crate) fn hello(&self, keys: &[[u8; 32]], instance: [u8; 8]) -> Hello {
        Hello {
            version_min: VERSION_MIN,
            version_max: VERSION_MAX,
            instance,
            proofs: self.proofs(keys),
            limits: LIMITS.to_vec(),
            heard: None,
            carries_cargo: false,
        }
    }

    /// The first of our admission keys under which one of the prover's `proofs` holds. Each is
    /// compared with each, whatever came before.
    pub(crate) fn proved(&self, keys: &[[u8; 32]], proofs: &[[u8; 32]]) -> Result<Proved, Refusal> {
        let mut least = None;
        for (index, key) in keys.iter().enumerate() {
            let expected = self.proof(key);
            let same = |proof: &[u8; 32]| expected == blake3::Hash::from_bytes(*proof);
            let holds = proofs.iter().fold(false, |holds, proof| holds | same(proof));
            least = least.or(holds.then_some(index));
        }
        match least {
            Some(0) => Ok(Proved::Current),
            Some(_) => Ok(Proved::Former),
            None if planted!("secret_not_checked") => Ok(Proved::Current),
            None => Err(RefusalReason::WrongSecret.into()),
        }
    }

    /// Checks the hello that this side's prover sent.
    pub(crate) fn check(&self, keys: &[[u8; 32]], hello: &Hello) -> Result<Proved, Refusal> {
        let proved = self.proved(keys, &hello.proofs)?;
        let too_small = LIMITS.iter().zip(&hello.limits).any(|(ours, theirs)| theirs < ours);
        if too_small {
            return Err(RefusalReason::LimitsUnsupported.into());
        }
        Ok(proved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(dialed: bool) -> Side {
        let (low, high) = (NodeId::from_bytes([1; 32]), NodeId::from_bytes([2; 32]));
        let (prover, verifier) = if dialed { (low, high) } else { (high, low) };
        Side { prover, verifier, dialed, binding: [7; 32] }
    }

    #[test]
    fn a_proof_holds_for_one_secret_one_session_and_one_direction() {
        let keys = [[9; 32]];
        let hello = side(true).hello(&keys, [0; 8]);
        assert!(side(true).check(&keys, &hello).is_ok());
        let elsewhere = Side { binding: [8; 32], ..side(true) };
        let other_role = Side { dialed: false, ..side(true) };
        for wrong in [elsewhere, other_role, side(false)] {
            let refusal = wrong.check(&keys, &hello).unwrap_err();
            assert_eq!(refusal.reason, RefusalReason::WrongSecret);
        }
        assert!(side(true).check(&[[8; 32]], &hello).is_err());
    }

    #[test]
    fn what_was_heard_is_read_by_those_who_have_the_current_secret_only() {
        let [old, new] = [[9; 32], [8; 32]];
        let heard = Heard { session: [3; 8], count: 7 };
        let hello = |heard| Hello {
            heard: Some(side(true).masked(&new, heard)),
            ..side(true).hello(&[new, old], [0; 8])
        };
        let read = |side: Side, keys: &[[u8; 32]], said| side.heard(keys, &hello(said));
        assert_eq!(read(side(true), &[old, new], heard), Some(heard));
        assert_eq!(read(side(true), &[new], Heard::NOTHING), None);
        assert_eq!(read(side(true), &[old], heard), None);
        let elsewhere = Side { binding: [8; 32], ..side(true) };
        assert_eq!(read(elsewhere, &[new], heard), None);
        // Nothing looks like anything else.
        let nothing = hello(Heard::NOTHING).heard.expect("it says something");
        assert!(nothing.session != [0; 8] && nothing.count != 0);
    }

    #[test]
    fn any_proof_under_any_of_our_secrets_admits() {
        let [old, new, other] = [[9; 32], [8; 32], [7; 32]];
        let proved = |theirs: &[[u8; 32]], ours: &[[u8; 32]]| {
            side(true).check(ours, &side(true).hello(theirs, [0; 8])).ok()
        };
        assert_eq!(proved(&[old], &[new, old]), Some(Proved::Former));
        assert_eq!(proved(&[new, old], &[old]), Some(Proved::Current));
        assert_eq!(proved(&[new, old], &[other, new]), Some(Proved::Former));
        assert_eq!(proved(&[old, new], &[new, old]), Some(Proved::Current));
        assert_eq!(proved(&[old, other], &[new]), None);
    }

    #[test]
    fn a_peer_that_could_not_receive_what_we_publish_is_refused() {
        let keys = [[9; 32]];
        let mut hello = side(true).hello(&keys, [0; 8]);
        hello.limits[0] -= 1;
        let refusal = side(true).check(&keys, &hello).unwrap_err();
        assert_eq!(refusal.reason, RefusalReason::LimitsUnsupported);
    }
}
