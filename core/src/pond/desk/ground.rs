//! What a decision rests on, and what it comes to.

use crate::error::{Error, ErrorKind, Result};
use crate::event::{Behind, OffsetMap, Payload, StreamId, not_yet_visible};
use crate::pond::Lineage;
use std::sync::Arc;

/// What a decision rests on.
pub(crate) struct Ground<'a, F> {
    /// The fold of everything durable.
    pub(crate) state: &'a F,
    /// The stream that the decision would be written to.
    pub(crate) own: StreamId,
    /// What earlier decisions spend that the fold does not contain yet.
    pub(crate) in_flight: u64,
    /// How many decisions the fold does not contain yet.
    pub(crate) flights: usize,
    /// Which forks and streams are known.
    pub(crate) lineage: &'a Lineage,
    /// Of which point in history the fold is.
    pub(crate) as_of: &'a Arc<OffsetMap>,
    /// What is known of other nodes, for those few who ask.
    pub(crate) outlook: &'a dyn Fn() -> Knowledge,
}

/// What a node knows of others.
pub(crate) struct Knowledge {
    /// Streams of which there is more than the ground has.
    pub(crate) behind: Vec<Behind>,
    /// Some node has said since this opening what it holds.
    pub(crate) has_compared: bool,
    /// There are other nodes: some was heard of, or wrote something.
    pub(crate) has_others: bool,
}

/// What is to be published.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    /// The payload of the event.
    pub(crate) payload: Payload,
    /// What later decisions do without until their ground contains it.
    pub(crate) spends: u64,
}

impl<F> Ground<'_, F> {
    /// That all is known here of what the stream `from` did: what a node takes over of a former
    /// stream of its own it signs together with what that stream did in all. Unless a person
    /// vouches for it (`is_alone`), some node has to have said since this opening what it holds, if
    /// there are other nodes: such as those that hold rights (`has_partners`).
    ///
    /// # Errors
    /// `not_yet_visible`: there is more of it, which is missing; reason `nobody_met`: nobody was
    /// asked yet.
    pub(super) fn check_known(
        &self,
        from: StreamId,
        (is_alone, has_partners): (bool, bool),
    ) -> Result<()> {
        let Knowledge { mut behind, has_compared, has_others } = (self.outlook)();
        behind.retain(|own| own.stream.trunk() == from);
        if !behind.is_empty() {
            return Err(not_yet_visible(&behind));
        }
        if is_alone || has_compared || !(has_partners || has_others) {
            return Ok(());
        }
        let message = format!(
            "no other node has said since this store was opened what it holds of {from}, and one \
             may know of more than was restored here: connect to one, or say that there is none"
        );
        Err(Error::new(ErrorKind::NotYetVisible, message).with_reason("nobody_met"))
    }

    /// That nothing is under way: who takes over all that a stream has left may do it only once.
    ///
    /// # Errors
    /// `conflict`, reason `under_way`.
    pub(super) fn check_at_rest(&self) -> Result<()> {
        if self.flights == 0 {
            return Ok(());
        }
        let message = "another decision of this node is not durable yet; try again";
        Err(Error::new(ErrorKind::Conflict, message).with_reason("under_way"))
    }
}
