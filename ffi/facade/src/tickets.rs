//! Numbers that a language gives its calls, by which it calls them off.
//!
//! Each call has a cancel token of its own while it goes on, so that calling it off costs a
//! language no crossing before the call.
//! Invariant: a ticket has a token exactly while its call has not ended.

use crate::cancel::CancelHandle;
use crate::entry::lock;
use crate::errors::{FacadeError, Result};
use crate::wait::Limit;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

/// The calls of a language that go on.
#[derive(Debug, Default)]
pub struct Tickets {
    tokens: Mutex<BTreeMap<u64, CancelHandle>>,
}

impl Tickets {
    /// A call begins under `ticket`: what bounds it. [`Tickets::end`] it, whatever comes of it.
    ///
    /// # Errors
    /// `invalid_argument`: a call with this ticket goes on. `limit_exceeded`: too many handles are
    /// open. `forked_process`.
    pub fn begin(&self, ticket: u64, timeout: Option<Duration>) -> Result<Limit> {
        let token = CancelHandle::new()?;
        let mut tokens = lock(&self.tokens);
        if tokens.contains_key(&ticket) {
            drop(tokens);
            token.free()?;
            return Err(FacadeError::invalid(format!("a call with the ticket {ticket} goes on")));
        }
        tokens.insert(ticket, token);
        Ok(Limit { timeout, cancel: Some(token) })
    }

    /// Calls off the call with this ticket, if it goes on. When this returns, its `done` does not
    /// run any more (except one that makes this very call).
    ///
    /// # Errors
    /// `forked_process`.
    pub fn cancel(&self, ticket: u64) -> Result<()> {
        crate::process::check()?;
        let token = lock(&self.tokens).get(&ticket).copied();
        match token.map(CancelHandle::cancel) {
            // Ended since it was looked up, so there is nothing to be called off.
            Some(Err(error)) if error.name == "closed" => Ok(()),
            Some(cancelled) => cancelled,
            None => Ok(()),
        }
    }

    /// The call with this ticket has ended; from now on the ticket is free.
    pub fn end(&self, ticket: u64) {
        // Looked at first: in a forked child whoever held the lock is gone.
        if crate::process::check().is_err() {
            return;
        }
        let token = lock(&self.tokens).remove(&ticket);
        if let Some(token) = token {
            let _ = token.free();
        }
    }

    /// How many calls go on.
    pub fn count(&self) -> usize {
        lock(&self.tokens).len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Closed, NodeHandle, Offsets, OpenOptions, Wait};
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::sync::mpsc;

    #[test]
    fn a_waiting_call_ends_with_cancelled_before_the_cancel_returns() {
        let folder = tempfile::tempdir().unwrap();
        let options = OpenOptions {
            path: folder.path().join("store"),
            app_id: "facade-test".into(),
            swarm: Some("07".repeat(32)),
            network: Some(false),
            ..OpenOptions::default()
        };
        let node = NodeHandle::open(options, &Wait::forever()).unwrap();
        let ahead = Offsets::from_entries([(node.stream().unwrap(), 1)]).unwrap();
        let tickets = Tickets::default();
        let limit = tickets.begin(7, None).unwrap();
        assert_eq!(tickets.begin(7, None).unwrap_err().name, "invalid_argument", "taken");
        let (send, ended) = mpsc::channel();
        node.wait_for_start(&ahead, None, limit, move |held| send.send(held).unwrap());
        tickets.cancel(8).unwrap();
        assert!(ended.try_recv().is_err(), "another ticket");
        tickets.cancel(7).unwrap();
        assert_eq!(ended.try_recv().unwrap().unwrap_err().name, "cancelled");
        tickets.end(7);
        tickets.cancel(7).unwrap();
        node.close(&Wait::forever()).unwrap();
    }

    #[derive(Clone, Debug)]
    enum Step {
        Begin(u64),
        Cancel(u64),
        End(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        (0..3, 0..5u64).prop_map(|(kind, ticket)| match kind {
            0 => Step::Begin(ticket),
            1 => Step::Cancel(ticket),
            _ => Step::End(ticket),
        })
    }

    proptest! {
        #[test]
        fn a_ticket_has_a_token_exactly_while_its_call_goes_on(
            steps in proptest::collection::vec(step(), 0..60),
        ) {
            let tickets = Tickets::default();
            let (mut open, mut tokens) = (BTreeSet::new(), BTreeMap::new());
            for step in steps {
                match step {
                    Step::Begin(ticket) => {
                        let begun = tickets.begin(ticket, None);
                        prop_assert_eq!(begun.is_ok(), open.insert(ticket));
                        if let Ok(limit) = begun {
                            tokens.insert(ticket, limit.cancel.unwrap());
                        }
                    }
                    Step::Cancel(ticket) => prop_assert_eq!(tickets.cancel(ticket), Ok(())),
                    Step::End(ticket) => {
                        tickets.end(ticket);
                        if open.remove(&ticket) {
                            prop_assert_eq!(tokens[&ticket].free(), Ok(Closed::Before));
                        }
                    }
                }
                prop_assert_eq!(tickets.count(), open.len());
            }
            for ticket in open {
                tickets.end(ticket);
            }
            prop_assert_eq!(tickets.count(), 0);
        }
    }
}
