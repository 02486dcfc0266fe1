//! The hash chain of a stream, and the signed head that vouches for all of it.
//!
//! ```text
//! leaf   = BLAKE3(header ‖ BLAKE3(payload))
//! h_0    = BLAKE3-derive-key("millpond 2026 chain v0", swarm id ‖ stream id)
//! h_n+1  = BLAKE3(h_n ‖ leaf_n)
//! head   = Ed25519 over "millpond signed head v0" ‖ swarm id ‖ stream id ‖ count ‖ lamport
//!          ‖ h_count
//! ```
//! The payload enters a leaf only by its hash, so that it can be erased while the chain verifies.
//! Rule: nothing counts before its head verified, strictly (`verify_strict`).
//! Source: docs/format.md, "Chain and heads".

use crate::error::{Error, ErrorKind, Result};
use crate::event::codec::Reader;
use crate::event::ids::{NodeId, StreamId, SwarmId, hex};
use crate::event::position::Lamport;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use std::fmt;

const CHAIN_CONTEXT: &str = "millpond 2026 chain v0";
const HEAD_DOMAIN: &[u8; 23] = b"millpond signed head v0";

/// Most headers are not longer.
const HEADER_BYTES_USUAL: usize = 224;

/// The hash of one event: of its header and of its payload's hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf([u8; 32]);

impl Leaf {
    /// The leaf of an event with these header and payload bytes.
    pub fn of(header: &[u8], payload: &[u8]) -> Leaf {
        let payload_hash = blake3::hash(payload);
        let mut both = [0; HEADER_BYTES_USUAL + 32];
        if header.len() <= HEADER_BYTES_USUAL {
            // In one piece it takes less than through a hasher.
            both[..header.len()].copy_from_slice(header);
            both[header.len()..header.len() + 32].copy_from_slice(payload_hash.as_bytes());
            return Leaf(*blake3::hash(&both[..header.len() + 32]).as_bytes());
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(header);
        hasher.update(payload_hash.as_bytes());
        Leaf(*hasher.finalize().as_bytes())
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The hash of a stream up to some event.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Chain([u8; 32]);

impl Chain {
    /// The chain of an empty stream: different for each swarm and each trunk, so the same for a
    /// stream and its branches.
    pub fn start(swarm: &SwarmId, stream: &StreamId) -> Chain {
        let mut hasher = blake3::Hasher::new_derive_key(CHAIN_CONTEXT);
        hasher.update(swarm.as_bytes());
        hasher.update(&stream.trunk().to_bytes());
        Chain(*hasher.finalize().as_bytes())
    }

    /// The chain after one more event.
    pub fn extend(&self, leaf: &Leaf) -> Chain {
        let mut both = [0; 64];
        both[..32].copy_from_slice(&self.0);
        both[32..].copy_from_slice(&leaf.0);
        Chain(*blake3::hash(&both).as_bytes())
    }

    /// The chain with these bytes, as stored.
    pub const fn from_bytes(bytes: [u8; 32]) -> Chain {
        Chain(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chain({})", hex(&self.0[..5]))
    }
}

/// A node's word for the first `count` events of one of its streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedHead {
    /// Whose events.
    pub stream: StreamId,
    /// How many; at least 1.
    pub count: u64,
    /// The lamport of the last of them, the largest.
    pub lamport: Lamport,
    /// The chain after the last of them.
    pub chain: Chain,
    /// Ed25519 by the stream's node.
    pub signature: [u8; 64],
}

impl SignedHead {
    /// Bytes of [`SignedHead::to_bytes`]: stream id 40, count 8, lamport 8, chain 32, signature 64.
    pub const BYTES: usize = 152;

    /// The byte form; numbers with their big end first.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..40].copy_from_slice(&self.stream.to_bytes());
        bytes[40..48].copy_from_slice(&self.count.to_be_bytes());
        bytes[48..56].copy_from_slice(&self.lamport.value().to_be_bytes());
        bytes[56..88].copy_from_slice(self.chain.as_bytes());
        bytes[88..].copy_from_slice(&self.signature);
        bytes
    }

    /// Takes a head off the front of `reader`. Its signature is not verified.
    ///
    /// # Errors
    /// `corrupt`: fewer bytes are left, or the count is 0. `limit_exceeded`: the lamport is.
    pub fn read(reader: &mut Reader<'_>) -> Result<SignedHead> {
        let stream = StreamId::read(reader)?;
        let count = reader.u64_be()?;
        let lamport = Lamport::new(reader.u64_be()?)?;
        let chain = Chain::from_bytes(reader.array()?);
        let signature = reader.array()?;
        if count == 0 || lamport.value() < count {
            let message = format!("a signed head claims {count} events and lamport {lamport}");
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        Ok(SignedHead { stream, count, lamport, chain, signature })
    }

    /// The same head as that of another stream of its trunk. What is signed does not say which.
    ///
    /// # Panics
    /// `stream` has another trunk.
    #[must_use]
    pub fn on(&self, stream: StreamId) -> SignedHead {
        assert!(stream.trunk() == self.stream.trunk(), "heads are signed for one trunk");
        SignedHead { stream, ..self.clone() }
    }

    /// Checks that the stream's node signed this head for `swarm`. Which branch of its trunk it
    /// belongs to is not signed: that shows in its chain.
    ///
    /// # Errors
    /// `peer_misbehaved`, reason `forged`: it did not.
    pub fn verify(&self, swarm: &SwarmId) -> Result<()> {
        let message = head_message(swarm, &self.stream, self.count, self.lamport, &self.chain);
        let verified = VerifyingKey::from_bytes(self.stream.node.as_bytes())
            .and_then(|key| key.verify_strict(&message, &Signature::from_bytes(&self.signature)));
        verified.map_err(|_| {
            let message = format!(
                "the head of stream {} at {} events is not signed by its node",
                self.stream, self.count
            );
            Error::new(ErrorKind::PeerMisbehaved, message).with_reason("forged")
        })
    }
}

/// A node's secret key. Its `Debug` shows only the node id.
#[derive(Clone)]
pub struct NodeKey(SigningKey);

impl NodeKey {
    /// The key with this seed: 32 random bytes, or what [`NodeKey::to_seed`] gave.
    pub fn from_seed(seed: &[u8; 32]) -> NodeKey {
        NodeKey(SigningKey::from_bytes(seed))
    }

    /// The seed; keep it secret.
    pub fn to_seed(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// The public key.
    pub fn node_id(&self) -> NodeId {
        NodeId::from_bytes(self.0.verifying_key().to_bytes())
    }

    /// Signs for the first `count` events of our stream `number`.
    pub fn sign_head(
        &self,
        swarm: &SwarmId,
        number: u64,
        count: u64,
        lamport: Lamport,
        chain: Chain,
    ) -> SignedHead {
        assert!(count > 0 && lamport.value() >= count, "a head stands for at least one event");
        let stream = StreamId { node: self.node_id(), number };
        let message = head_message(swarm, &stream, count, lamport, &chain);
        let signature = self.0.sign(&message).to_bytes();
        SignedHead { stream, count, lamport, chain, signature }
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeKey(of {})", self.node_id().short())
    }
}

fn head_message(
    swarm: &SwarmId,
    stream: &StreamId,
    count: u64,
    lamport: Lamport,
    chain: &Chain,
) -> Vec<u8> {
    let mut message = Vec::with_capacity(HEAD_DOMAIN.len() + 32 + 40 + 8 + 8 + 32);
    message.extend_from_slice(HEAD_DOMAIN);
    message.extend_from_slice(swarm.as_bytes());
    message.extend_from_slice(&stream.trunk().to_bytes());
    message.extend_from_slice(&count.to_be_bytes());
    message.extend_from_slice(&lamport.value().to_be_bytes());
    message.extend_from_slice(chain.as_bytes());
    message
}
