//! An escrow account, as applications use it.
//!
//! Not here: what counts and what may be spent (`pond::escrow`, `pond::desk`).

use crate::driver::causal_session::Within;
use crate::driver::coordination::AccountDesk;
use crate::driver::node::Node;
use crate::error::Result;
use crate::event::NodeId;
use crate::event::cbor::Value;
use crate::log::Appended;
use crate::pending::Pending;
use crate::pond::Name;
use crate::pond::desk::{AccountDeed, AccountReport, NewAccount};
use crate::pond::escrow::{AccountId, GrantPolicy};
use crate::query::Query;
use std::sync::Arc;

/// An escrow account on one node: a quantity with a floor, of which each node spends its own rights
/// at once, also while it is cut off.
///
/// Decisions on one account are made one after the other, in the whole process, and many share one
/// sync of the disk. Keeps its node open.
#[derive(Clone)]
pub struct Account {
    node: Node,
    desk: Arc<AccountDesk>,
    /// Which of several of the name; none is what the name means to this node.
    id: Option<AccountId>,
    /// What is done by this handle is done once.
    key: Option<Arc<[u8]>>,
    session: Within,
}

impl Node {
    /// The account called `name`, 1 to 200 bytes of UTF-8, whether it was created or not.
    ///
    /// Where several were created apart, the name means the one in which this node acted first, by
    /// whatever call that publishes; where it acted in none, the oldest. So what a name means to a
    /// node does not change after it has acted. [`Account::with_id`] means exactly one.
    ///
    /// # Errors
    /// `invalid_argument`, `limit_exceeded`: there can be no such name. `closed`, `forked_process`.
    pub fn account(&self, name: &str) -> Result<Account> {
        self.log()?.check_process()?;
        let desk = self.shared().coordination.account(Name::new(name)?);
        Ok(Account { node: self.clone(), desk, id: None, key: None, session: Within::default() })
    }
}

impl Account {
    /// What it is called, in NFC.
    pub fn name(&self) -> &Name {
        self.desk.name()
    }

    /// Selects the events of all accounts of this name: whoever subscribes to it hears when
    /// something changes.
    pub fn query(&self) -> Query {
        self.desk.decider().query()
    }

    /// The same account, read and changed in the session.
    pub(super) fn within(self, session: Within) -> Account {
        Account { session, ..self }
    }

    /// Exactly the account `id` of this name, such as a rival, whatever the name means.
    #[must_use]
    pub fn with_id(&self, id: AccountId) -> Account {
        Account { id: Some(id), ..self.clone() }
    }

    /// The same account, on which the next deed is done once: whoever asks for it again with the
    /// same key, 1 to 255 bytes, gets the first answer (`replayed`), also after a restart and
    /// whatever has become of the account since. So what ended with a timeout, or before the answer
    /// was seen, is asked for again. Another deed with that key is a `conflict`, reason
    /// `idempotency_key`. Keys are kept with those of [`Node::publish`]: the newest 1,048,576.
    #[must_use]
    pub fn with_idempotency_key(&self, key: impl AsRef<[u8]>) -> Account {
        Account { key: Some(key.as_ref().into()), ..self.clone() }
    }

    /// Creates the account.
    ///
    /// Create an account where the thing is, once: two nodes that create one of the same name while
    /// they are cut off from each other make two accounts, each with rights of its own. The name
    /// goes on to mean to each what it meant, and the other one is shown as a rival.
    ///
    /// # Errors
    /// `conflict`, reason `exists`: the name means an account already. `invalid_argument`,
    /// `limit_exceeded`: there can be no such account. Those of [`Node::publish`].
    pub fn create(&self, account: NewAccount) -> Pending<Appended> {
        self.act(AccountDeed::Create(account))
    }

    /// The account as it is known here.
    ///
    /// # Errors
    /// `not_found`: it is not known here. `corrupt`, `storage_failed`: the log cannot be read.
    /// `closed`, `forked_process`.
    pub fn report(&self) -> Result<AccountReport> {
        self.session.wait(&self.node)?;
        self.desk.decider().read(self.node.log()?, |ground| {
            self.session.sees(ground.as_of);
            AccountReport::of(ground, self.id.as_ref())
        })?
    }

    /// Takes `amount`, 1 to 2^53 − 1, by rights that this node holds. `note` is kept with it.
    ///
    /// Decides at once, from what is on this disk. The answer comes when it is durable; then it
    /// counts on every node, whatever else happened meanwhile. Who stops waiting for the answer
    /// does not take it back: see [`Account::with_idempotency_key`].
    ///
    /// # Errors
    /// `overdraft`, with [`Overdraft`](crate::pond::escrow::Overdraft): this node does not hold as
    /// much; says what is available here and who holds the rest. `not_found`: there is no such
    /// account here. `conflict`, reason `stream_changed`: try again. `invalid_argument`,
    /// `limit_exceeded`: there is no such amount, or the note is no payload. Those of
    /// [`Node::publish`].
    pub fn withdraw(&self, amount: u64, note: Option<Value>) -> Pending<Appended> {
        self.act(AccountDeed::Withdraw { amount, note })
    }

    /// Adds `amount`, 1 to 2^53 − 1, which this node may then spend.
    ///
    /// # Errors
    /// As [`Account::withdraw`], without `overdraft`.
    pub fn deposit(&self, amount: u64, note: Option<Value>) -> Pending<Appended> {
        self.act(AccountDeed::Deposit { amount, note })
    }

    /// Gives rights to another node: to the stream that it writes, as far as is known here.
    ///
    /// # Errors
    /// As [`Account::withdraw`]; `invalid_argument`: it is this node.
    pub fn grant(&self, to: NodeId, amount: u64) -> Pending<Appended> {
        self.act(AccountDeed::Grant { to, amount })
    }

    /// Asks the other nodes for `amount` more rights, in place of what was asked for before; 0 asks
    /// for nothing any more. See [`Account::answer_requests`].
    ///
    /// # Errors
    /// As [`Account::deposit`].
    pub fn request(&self, amount: u64) -> Pending<Appended> {
        self.act(AccountDeed::Request { amount })
    }

    /// Takes over what a former stream of this node has left: it goes on in a new one when its
    /// store was restored, copied or cut. Only a person can know that nothing writes the former one
    /// any more. Where a clone still does, both count, and both are the proof of it.
    ///
    /// Takes from the former stream that holds most; call it again for the next one. This node
    /// declares what that stream did in all, so it has to know it: the store that was restored may
    /// have less of it than other nodes.
    ///
    /// # Errors
    /// `not_found`: nothing is left in former streams, as far as is known here. `not_yet_visible`:
    /// other nodes hold more of that stream; wait until it is here. `not_yet_visible`, reason
    /// `nobody_met`: there are other nodes, and none has said since this opening what it holds;
    /// connect to one, or see [`Account::recover_alone`]. `conflict`, reason `under_way`: another
    /// decision about this account is not durable yet; try again. As [`Account::deposit`].
    pub fn recover(&self) -> Pending<Appended> {
        self.act(AccountDeed::Recover { is_alone: false })
    }

    /// As [`Account::recover`], also where no other node was met since this opening: a person
    /// vouches that none holds more of the former stream than this one.
    ///
    /// # Errors
    /// As there, without `nobody_met`.
    pub fn recover_alone(&self) -> Pending<Appended> {
        self.act(AccountDeed::Recover { is_alone: true })
    }

    /// Answers requests of other nodes by itself as `policy` says, from now on and for as long as
    /// the node is open; `None` leaves them unanswered, which is how it begins. Holds for each of
    /// several accounts of this name.
    ///
    /// # Errors
    /// `closed`, `forked_process`.
    pub fn answer_requests(&self, policy: Option<GrantPolicy>) -> Result<()> {
        self.node.log()?.check_process()?;
        self.desk.answer(self.node.shared(), self.node.app_id(), policy)
    }

    pub(super) fn act(&self, deed: AccountDeed) -> Pending<Appended> {
        let (decider, id) = (self.desk.decider(), self.id.as_ref());
        let once = decider.once(self.node.app_id(), self.key.as_deref(), || deed.asked(id));
        let (once, log) = match once.and_then(|once| Ok((once, self.node.log()?))) {
            Ok(both) => both,
            Err(error) => return Pending::ready(Err(error)),
        };
        self.session.write(&self.node, || {
            decider.decide(log, self.node.app_id(), once, |ground| deed.decide(ground, id))
        })
    }
}
