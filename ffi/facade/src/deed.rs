//! Doing something to accounts and claims, and answering requests.
//!
//! Not here: what counts and what is refused (`millpond::pond`, with [`Deed`]), looking at them
//! (`accounts`).

use crate::entry::{entry, guard_node};
use crate::errors::Result;
use crate::needs::Needs;
use crate::node::{NodeHandle, NodeState};
use crate::operation::{Done, Operation};
use crate::options::ReadOptions;
use crate::publish::{Published, publish_for, refuse_cancelled, wait_published};
use crate::wait::{Limit, Wait};
use millpond::pond::claim::Gate;
use millpond::pond::escrow::GrantPolicy;

pub use millpond::Deed;

/// How something is done to an account or a claim.
#[derive(Clone, Debug, Default)]
pub struct DeedOptions {
    /// What it must have seen.
    pub reading: ReadOptions,
    /// 1 to 255 bytes: the same asked again with the same key gets the first answer (`replayed`),
    /// whatever has become of the account since.
    pub idempotency_key: Option<Vec<u8>>,
}

/// How a node answers requests for rights by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnswerPolicy {
    /// What it keeps for itself, whoever asks; default nothing.
    pub reserve: Option<u64>,
}

impl AnswerPolicy {
    pub(crate) fn resolve(self) -> GrantPolicy {
        // Not a default of a shell: without a reserve it gives all that it is asked for.
        GrantPolicy { reserve: self.reserve.unwrap_or(0) }
    }
}

impl NodeHandle {
    /// Does something to an account or a claim: decided at once, from what is on this disk. The
    /// answer comes when it is durable; then it counts on every node.
    ///
    /// A call that ends with `cancelled` or `timeout` may have been decided already: it may count
    /// all the same. A retry with an idempotency key is safe; without one look at the account.
    ///
    /// # Errors
    /// `overdraft`: this node does not hold as much; its details say what is available here and who
    /// holds the rest. `not_found`: no such account or claim is known here, or (reason `not_held`)
    /// the claim is held elsewhere, or nothing is left to recover. `conflict`: reason `exists`, or
    /// `stream_changed` and `under_way`: try again, or `idempotency_key`: the key was used for
    /// something else. `invalid_argument`, `limit_exceeded`: a name,
    /// amount, node or note cannot be. `not_yet_visible`: the log does not cover in time what the
    /// options name. Those of [`NodeHandle::publish`].
    pub fn act(self, deed: Deed, options: DeedOptions, wait: &Wait<'_>) -> Result<Published> {
        entry("node_act", self.id(), || {
            refuse_cancelled(wait.limit)?;
            let needs = options.reading.needs()?;
            let wait = &self.covered(&needs, None, wait)?;
            let (node, key) = (NodeState::usable(self.id())?, options.idempotency_key);
            wait_published(node.core().act(deed, key.as_deref()), &needs, wait)
        })
    }

    /// As [`NodeHandle::act`], without waiting: what it is decided from is read on a worker, one
    /// deed of a node after another; those that name neither `after` nor a session in the order of
    /// the calls.
    pub fn act_start(
        self,
        deed: Deed,
        options: DeedOptions,
        limit: Limit,
        done: impl FnOnce(Result<Published>) + Send + 'static,
    ) {
        let (needs, key) = (options.reading.needs(), options.idempotency_key);
        let act = move |needs: Needs, limit, done: Done<Published>| {
            let operation = Operation::begin(limit, done);
            match entry("node_act", self.id(), || NodeState::usable(self.id())) {
                Ok(node) => node.clone().in_line(move || {
                    let decide = || Ok(node.core().act(deed, key.as_deref()));
                    let ask = || guard_node("node_act_work", &node, decide);
                    publish_for(&operation, ask, needs);
                }),
                Err(error) => drop(operation.complete(Err(error))),
            }
        };
        self.covered_start("node_act", needs, None, limit, Box::new(done), act);
    }

    /// Answers requests for rights of each account called `name` by itself, from now on and for as
    /// long as the node is open; `None` leaves them unanswered, which is how it begins.
    ///
    /// # Errors
    /// As [`NodeHandle::node_id`]; `invalid_argument`, `limit_exceeded`: there can be no such name.
    pub fn answer_requests(self, name: &str, policy: Option<AnswerPolicy>) -> Result<()> {
        self.ask("node_answer_requests", |core| {
            Ok(core.account(name)?.answer_requests(policy.map(AnswerPolicy::resolve))?)
        })
    }

    /// Whether this node hands the exclusive claim to `what` to whoever asks, from now on and for
    /// as long as it is open. It does not in the beginning: set it while the claim is not needed.
    ///
    /// # Errors
    /// As [`NodeHandle::answer_requests`].
    pub fn hand_over_when_asked(self, what: &str, is_wanted: bool) -> Result<()> {
        self.ask("node_hand_over_when_asked", |core| {
            Ok(core.claim(what)?.hand_over_when_asked(is_wanted)?)
        })
    }
}

/// Refuses an act with a fence below the highest one that was seen: for adapters to machines, which
/// keep the text of the highest.
///
/// # Errors
/// `conflict`, reason `fenced`: it is below. `invalid_argument`: a text is no fence.
pub fn fence_admits(highest: Option<&str>, fence: &str) -> Result<()> {
    entry("fence_admits", 0, || {
        let mut gate = match highest {
            Some(highest) => Gate::after(highest.trim().parse()?),
            None => Gate::default(),
        };
        Ok(gate.admit(&fence.trim().parse()?)?)
    })
}
