//! The proof that a peer holds the swarm secret, before it learns anything.
//!
//! ```text
//! proof = BLAKE3-keyed(admission key, "millpond admission v1" ‖ binding ‖ role
//!                      ‖ prover's node id ‖ verifier's node id)
//! ```
//! The binding comes out of the TLS session (exporter), so a proof is worthless in any other; role
//! and ids make the two directions differ, so it cannot be sent back. Comparison takes the same
//! time whatever the bytes.

use crate::event::NodeId;
use crate::planted;
use crate::sync::constants::{LIMITS, VERSION_MAX, VERSION_MIN};
use crate::sync::message::Hello;
use crate::sync::refusal::{Refusal, RefusalReason};

const DOMAIN: &[u8; 21] = b"millpond admission v1";

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
        let mut hasher = blake3::Hasher::new_keyed(admission_key);
        hasher.update(DOMAIN);
        hasher.update(&self.binding);
        hasher.update(&[u8::from(!self.dialed)]);
        hasher.update(self.prover.as_bytes());
        hasher.update(self.verifier.as_bytes());
        hasher.finalize()
    }

    /// The hello of this side's prover.
    pub(crate) fn hello(&self, admission_key: &[u8; 32], instance: [u8; 8]) -> Hello {
        Hello {
            version_min: VERSION_MIN,
            version_max: VERSION_MAX,
            instance,
            proof: *self.proof(admission_key).as_bytes(),
            limits: LIMITS.to_vec(),
        }
    }

    /// Checks the hello that this side's prover sent.
    pub(crate) fn check(&self, admission_key: &[u8; 32], hello: &Hello) -> Result<(), Refusal> {
        let expected = self.proof(admission_key);
        let proved = expected == blake3::Hash::from_bytes(hello.proof);
        if !proved && !planted!("secret_not_checked") {
            return Err(RefusalReason::WrongSecret.into());
        }
        let too_small = LIMITS.iter().zip(&hello.limits).any(|(ours, theirs)| theirs < ours);
        if too_small {
            return Err(RefusalReason::LimitsUnsupported.into());
        }
        Ok(())
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
        let key = [9; 32];
        let hello = side(true).hello(&key, [0; 8]);
        assert!(side(true).check(&key, &hello).is_ok());
        let elsewhere = Side { binding: [8; 32], ..side(true) };
        let other_role = Side { dialed: false, ..side(true) };
        for wrong in [elsewhere, other_role, side(false)] {
            let refusal = wrong.check(&key, &hello).unwrap_err();
            assert_eq!(refusal.reason, RefusalReason::WrongSecret);
        }
        assert!(side(true).check(&[8; 32], &hello).is_err());
    }

    #[test]
    fn a_peer_that_could_not_receive_what_we_publish_is_refused() {
        let key = [9; 32];
        let mut hello = side(true).hello(&key, [0; 8]);
        hello.limits[0] -= 1;
        let refusal = side(true).check(&key, &hello).unwrap_err();
        assert_eq!(refusal.reason, RefusalReason::LimitsUnsupported);
    }
}
