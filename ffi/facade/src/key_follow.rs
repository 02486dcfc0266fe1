//! A subscription in key order: a cursor over the log that goes back where an event comes late.

use crate::batch::EventBatch;
use crate::core::KeySubscription;
use crate::errors::Result;
use crate::needs::Needs;
use crate::node::NodeState;
use crate::puller::{Pulled, Puller, Source};
use crate::subscription::{telling, waker};
use millpond::event::{KeyPosition, OffsetMap};
use millpond::query::Query;
use millpond::{ErrorKind, KeyStep};
use std::sync::Arc;

/// Gives events, rewinds, and the moments at which it has caught up.
pub(crate) struct KeyFollow {
    subscription: KeySubscription,
    node: Arc<NodeState>,
    /// It has said so since it began, or since the last rewind.
    has_told_caught_up: bool,
}

impl KeyFollow {
    /// A puller that goes on at `from`.
    ///
    /// # Errors
    /// `closed`, `forked_process`.
    pub(crate) fn begin(
        node: &Arc<NodeState>,
        query: &Query,
        from: KeyPosition,
        needs: Needs,
    ) -> Result<Arc<Puller<EventBatch>>> {
        let subscription = node.core().subscribe_by_key(query, from.clone())?;
        let puller = telling(node, from.into(), needs);
        subscription.on_ready(waker(&puller));
        let node = node.clone();
        puller.set_source(Box::new(KeyFollow { subscription, node, has_told_caught_up: false }));
        Ok(puller)
    }

    /// Events of the log that it has not looked at yet.
    fn lag(&self, looked_at: &OffsetMap) -> Result<u64> {
        let durable = self.node.core().offsets()?;
        Ok(durable.beyond(looked_at).map(|(_, missing)| missing.end - missing.start).sum())
    }

    fn step(&mut self, count_max: usize) -> Result<Pulled<EventBatch>> {
        let batch = match self.subscription.next_step(count_max)? {
            KeyStep::Events(batch) => {
                self.has_told_caught_up |= batch.caught_up;
                let (caught_up, lag) = (batch.caught_up, batch.lag);
                EventBatch::new(batch.events, caught_up, lag, batch.position.into())
            }
            KeyStep::Rewind { to } => {
                self.has_told_caught_up = false;
                let position = self.subscription.position();
                let lag = self.lag(&position.offsets)?;
                EventBatch::rewind(to, lag, position.into())
            }
            KeyStep::Nothing if !self.has_told_caught_up => {
                self.has_told_caught_up = true;
                let position = self.subscription.position();
                EventBatch::new(Default::default(), true, 0, position.into())
            }
            KeyStep::Nothing => return Ok(Pulled::nothing()),
        };
        let more = !batch.caught_up();
        Ok(Pulled { item: Some(batch), more })
    }
}

impl Source<EventBatch> for KeyFollow {
    fn pull(&mut self, count_max: usize) -> Result<Pulled<EventBatch>> {
        match self.step(count_max) {
            Err(error) if error.is(ErrorKind::Closed) => {
                let end = EventBatch::end(self.subscription.position().into());
                Ok(Pulled { item: Some(end), more: true })
            }
            other => other,
        }
    }
}
