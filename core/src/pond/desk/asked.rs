//! What is asked for, as far as two deeds with one idempotency key must have it in common.

use crate::error::Result;
use crate::event::NodeId;
use crate::event::cbor::Value;

/// A deed and what is said of it: not the event that it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked(Vec<Vec<u8>>);

impl Asked {
    /// # Errors
    /// `invalid_argument`, `limit_exceeded`: there is nothing like that to say.
    pub(super) fn new<const N: usize>(deed: &str, said: [Option<Value>; N]) -> Result<Asked> {
        let mut parts = vec![deed.as_bytes().to_vec()];
        for said in said {
            // No value has an encoding of no bytes.
            parts.push(said.map_or(Ok(Vec::new()), |said| said.encode())?);
        }
        Ok(Asked(parts))
    }

    /// What a digest of it is made of.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(Vec::as_slice)
    }
}

pub(super) fn id_value(node: NodeId) -> Value {
    Value::Bytes(node.as_bytes().to_vec())
}
