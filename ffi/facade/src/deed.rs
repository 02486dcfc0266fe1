//! What is done to accounts and claims, as one value for all shells.
//!
//! Not here: what counts and what is refused (`millpond::pond`), looking at them (`accounts`).

use crate::core;
use crate::entry::{entry, guard_node};
use crate::errors::Result;
use crate::needs::Needs;
use crate::node::{NodeHandle, NodeState};
use crate::operation::{Done, Operation};
use crate::options::ReadOptions;
use crate::publish::{Published, publish_for, refuse_cancelled, wait_published};
use crate::wait::{Limit, Wait};
use bytes::Bytes;
use millpond::event::NodeId;
use millpond::event::cbor::{self, Value};
use millpond::pond::claim::Gate;
use millpond::pond::escrow::GrantPolicy;
use millpond::{Account, Appended, Claim, NewAccount, Pending};

/// What is done to an account or a claim. Names are 1 to 200 bytes of UTF-8 in NFC, node ids 64 hex
/// digits, amounts 1 to 2^53 − 1; a note is one CBOR value in its deterministic encoding, kept and
/// never looked at. `id` means exactly the account with this id (32 hex digits), a rival say;
/// without it the account that the name means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// An account begins. Create it where the thing is, once.
    AccountCreate {
        /// Its name.
        name: String,
        /// Refused as one that exists: a new account gets an id of its own.
        id: Option<String>,
        /// What there is, within ±(2^53 − 1), not below the floor.
        amount: i64,
        /// What must remain; negative for a credit.
        floor: i64,
        /// What other nodes may spend from the beginning, by node id; at most `amount` − `floor`
        /// together.
        shares: Vec<(String, u64)>,
    },
    /// Adds an amount, which this node may then spend.
    AccountDeposit {
        /// Which account.
        name: String,
        /// Exactly this one.
        id: Option<String>,
        /// How much.
        amount: u64,
        /// To remember.
        note: Option<Bytes>,
    },
    /// Takes an amount, by rights that this node holds: decided at once, also while cut off.
    AccountWithdraw {
        /// Which account.
        name: String,
        /// Exactly this one.
        id: Option<String>,
        /// How much.
        amount: u64,
        /// To remember.
        note: Option<Bytes>,
    },
    /// Gives rights to another node.
    AccountGrant {
        /// Which account.
        name: String,
        /// Exactly this one.
        id: Option<String>,
        /// Node id of who gets them.
        to: String,
        /// How many.
        amount: u64,
    },
    /// Asks the other nodes for rights, in place of what was asked for before; 0 for none.
    AccountRequest {
        /// Which account.
        name: String,
        /// Exactly this one.
        id: Option<String>,
        /// How many more.
        amount: u64,
    },
    /// Takes over what a former stream of this node has left.
    AccountRecover {
        /// Which account.
        name: String,
        /// Exactly this one.
        id: Option<String>,
        /// Also when no other node was met since the store was opened: a person vouches.
        is_alone: bool,
    },
    /// An exclusive claim begins.
    ClaimCreate {
        /// To what.
        what: String,
        /// Node id of its first holder; this node without one.
        holder: Option<String>,
    },
    /// Hands it to another node.
    ClaimTransfer {
        /// To what.
        what: String,
        /// Node id of its next holder.
        to: String,
    },
    /// Asks for it, or takes that back.
    ClaimRequest {
        /// To what.
        what: String,
        /// Whether it is wanted.
        is_wanted: bool,
    },
    /// Takes it over from a former stream of this node.
    ClaimRecover {
        /// To what.
        what: String,
        /// Also when no other node was met since the store was opened: a person vouches.
        is_alone: bool,
    },
    /// Takes back what this node has said by `do_optimistically`.
    DoingRelease {
        /// Of what.
        what: String,
    },
}

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
            wait_published(deed.decide(node.core(), key.as_deref())?, &needs, wait)
        })
    }

    /// As [`NodeHandle::act`], without waiting: what it is decided from is read on a worker, one
    /// deed of a node after another, in the order of the calls.
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
                    let decide = || deed.decide(node.core(), key.as_deref());
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
            // Not a default of a shell: without a reserve it gives all that it is asked for.
            let policy = policy.map(|said| GrantPolicy { reserve: said.reserve.unwrap_or(0) });
            Ok(core.account(name)?.answer_requests(policy)?)
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

impl Deed {
    fn decide(self, core: &core::Node, key: Option<&[u8]>) -> Result<Pending<Appended>> {
        let account = |name: &str, id: Option<String>| account(core, name, id, key);
        let claim = |what: &str| -> Result<Claim> {
            let claim = core.claim(what)?;
            Ok(key.map_or(claim.clone(), |key| claim.with_idempotency_key(key)))
        };
        Ok(match self {
            Deed::AccountCreate { name, id, amount, floor, shares } => {
                let share = |(to, amount): (String, u64)| Ok((node_id(&to)?, amount));
                let shares = shares.into_iter().map(share).collect::<Result<_>>()?;
                account(&name, id)?.create(NewAccount { amount, floor, shares })
            }
            Deed::AccountDeposit { name, id, amount, note } => {
                account(&name, id)?.deposit(amount, value(note)?)
            }
            Deed::AccountWithdraw { name, id, amount, note } => {
                account(&name, id)?.withdraw(amount, value(note)?)
            }
            Deed::AccountGrant { name, id, to, amount } => {
                account(&name, id)?.grant(node_id(&to)?, amount)
            }
            Deed::AccountRequest { name, id, amount } => account(&name, id)?.request(amount),
            Deed::AccountRecover { name, id, is_alone } => {
                recover_account(&account(&name, id)?, is_alone)
            }
            Deed::ClaimCreate { what, holder } => {
                let holder = holder.as_deref().map(node_id).transpose()?;
                claim(&what)?.create(holder)
            }
            Deed::ClaimTransfer { what, to } => claim(&what)?.transfer(node_id(&to)?),
            Deed::ClaimRequest { what, is_wanted } => claim(&what)?.request(is_wanted),
            Deed::ClaimRecover { what, is_alone } => recover_claim(&claim(&what)?, is_alone),
            Deed::DoingRelease { what } => match key {
                Some(key) => core.release_doing_with_key(&what, key),
                None => core.release_doing(&what),
            },
        })
    }
}

/// The account that is meant.
fn account(
    core: &core::Node,
    name: &str,
    id: Option<String>,
    key: Option<&[u8]>,
) -> Result<Account> {
    let mut account = core.account(name)?;
    if let Some(id) = id {
        account = account.with_id(id.trim().parse()?);
    }
    if let Some(key) = key {
        account = account.with_idempotency_key(key);
    }
    Ok(account)
}

fn recover_account(account: &Account, is_alone: bool) -> Pending<Appended> {
    if is_alone { account.recover_alone() } else { account.recover() }
}

fn recover_claim(claim: &Claim, is_alone: bool) -> Pending<Appended> {
    if is_alone { claim.recover_alone() } else { claim.recover() }
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

fn node_id(text: &str) -> Result<NodeId> {
    Ok(text.trim().parse()?)
}

/// The value of a note.
///
/// # Errors
/// `invalid_argument`, `limit_exceeded`: it is no value in its deterministic encoding.
pub(crate) fn value(note: Option<Bytes>) -> Result<Option<Value>> {
    let read = |note: Bytes| {
        cbor::check(&note)?;
        Value::decode(&note)
    };
    Ok(note.map(read).transpose()?)
}
