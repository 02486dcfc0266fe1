//! Back-pressure: how many received bytes the driver may hold before we stop reading.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

/// What a frame costs beside its bytes, so that a storm of empty frames is bounded too.
const FRAME_COST: usize = 64;

/// The right that a received frame uses up; dropping it lets the connection read on.
#[derive(Debug)]
#[must_use = "dropping it says that the frame has been dealt with"]
pub struct Credit {
    budget: Option<Arc<ReadBudget>>,
    cost: usize,
}

impl Credit {
    /// A credit that bounds nothing: for transports that hold frames back themselves.
    pub fn unbounded() -> Credit {
        Credit { budget: None, cost: 0 }
    }
}

impl Drop for Credit {
    fn drop(&mut self) {
        if let Some(budget) = &self.budget {
            budget.held.fetch_sub(self.cost, Ordering::AcqRel);
            budget.freed.notify_one();
        }
    }
}

/// What one connection may have outstanding. Only its one reader takes from it.
#[derive(Debug, Default)]
pub(crate) struct ReadBudget {
    held: AtomicUsize,
    freed: Notify,
}

impl ReadBudget {
    /// Waits until a frame of `bytes` fits into `limit` together with what is held. A single frame
    /// always fits when nothing else is held.
    pub(crate) async fn take(self: &Arc<Self>, bytes: usize, limit: usize) -> Credit {
        let cost = bytes + FRAME_COST;
        loop {
            let held = self.held.load(Ordering::Acquire);
            if held == 0 || held + cost <= limit {
                break;
            }
            self.freed.notified().await;
        }
        self.held.fetch_add(cost, Ordering::AcqRel);
        Credit { budget: Some(Arc::clone(self)), cost }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    #[test]
    fn a_connection_reads_on_when_credit_returns_and_not_before() {
        let budget = Arc::new(ReadBudget::default());
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(first) = pin!(budget.take(1000, 100)).poll(&mut context) else {
            panic!("the first frame always fits");
        };
        let mut second = pin!(budget.take(1, 100));
        assert!(second.as_mut().poll(&mut context).is_pending());
        drop(first);
        assert!(second.as_mut().poll(&mut context).is_ready());
        assert_eq!(budget.held.load(Ordering::Acquire), 0);
    }
}
