//! Accounts and claims of a lab, and disks that are restored, as shells hold them.
//!
//! Not here: what is decided and judged (`millpond::testing`); what befalls nodes (`lab`).

use crate::accounts::Matter;
use crate::deed::{AnswerPolicy, DeedOptions};
use crate::doing::StandingView;
use crate::errors::Result;
use crate::lab::{Lab, State};
use crate::lab_work::index;
use crate::needs::Needs;
use crate::options::ReadOptions;
use crate::publish::Published;
use crate::reports::Report;
use bytes::Bytes;
use millpond::event::EventKey;
use millpond::pond::desk::read_note;
use millpond::pond::{Deed, Name};
use millpond::testing;

/// What was on the disk of a node of a lab. It fits that node of that lab.
#[derive(Clone, Debug)]
pub struct LabBackup(testing::LabBackup);

/// An optimistic claim of a node of a lab that has lost: what was begun is to be undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabLoss {
    /// Index of the node.
    pub node: u64,
    /// What it does not do, in NFC.
    pub what: String,
    /// The event that said so, `<lamport>/<stream id>`; [`Lab::standing`] tells who has won.
    pub key: String,
}

impl Lab {
    /// A node does something to an account or a claim, as
    /// [`NodeHandle::act`](crate::NodeHandle::act) does. What it decides is durable.
    ///
    /// # Errors
    /// As there, and none of waiting: `not_yet_visible` comes at once. `closed`: the node does not
    /// run; or it dies in the middle of it, and it was done or not. `internal`, reason `promise`:
    /// an account or a claim is not what it promises to be, a bug of millpond.
    pub fn act(&self, node: u64, deed: Deed, options: DeedOptions) -> Result<Published> {
        self.change("lab_act", |state| {
            let needs = options.reading.needs()?;
            state.check_covered(node, &needs, None)?;
            let mut own = state.lab.node(index(node))?;
            let done = own.act(deed, options.idempotency_key.as_deref()).wait()?;
            needs.sees(&done.token());
            Ok(done.into())
        })
    }

    /// A node answers requests for rights of each account called `name` by itself, while time
    /// passes and until its process ends; `None` leaves them unanswered, which is how it begins.
    ///
    /// # Errors
    /// `closed`: the node does not run. `invalid_argument`, `limit_exceeded`: there is no such
    /// node, or can be no such name.
    pub fn answer_requests(
        &self,
        node: u64,
        name: &str,
        policy: Option<AnswerPolicy>,
    ) -> Result<()> {
        self.change("lab_answer_requests", |state| {
            let policy = policy.map(AnswerPolicy::resolve);
            Ok(state.lab.answer_requests(index(node), name, policy)?)
        })
    }

    /// Whether a node hands the exclusive claim to `what` to whoever asks, while time passes and
    /// until its process ends. It does not in the beginning.
    ///
    /// # Errors
    /// As [`Lab::answer_requests`].
    pub fn hand_over_when_asked(&self, node: u64, what: &str, is_wanted: bool) -> Result<()> {
        self.change("lab_hand_over_when_asked", |state| {
            Ok(state.lab.hand_over_when_asked(index(node), what, is_wanted)?)
        })
    }

    /// The account called `name` as a node knows it, or exactly the one of the id, in the form of
    /// [`NodeHandle::account_json`](crate::NodeHandle::account_json).
    ///
    /// # Errors
    /// `not_found`: it is not known there. `closed`: the node does not run. `not_yet_visible`: it
    /// does not hold what is needed. `invalid_argument`, `limit_exceeded`: there is no such node,
    /// or can be no such name or id.
    pub fn account_json(
        &self,
        node: u64,
        name: &str,
        id: Option<&str>,
        options: ReadOptions,
    ) -> Result<String> {
        self.change("lab_account", |state| {
            state.told(node, Matter::account(id)?, name, &options.needs()?)
        })
    }

    /// The exclusive claim to `what` as a node knows it, in the form of
    /// [`NodeHandle::claim_json`](crate::NodeHandle::claim_json).
    ///
    /// # Errors
    /// As [`Lab::account_json`], without `not_found`.
    pub fn claim_json(&self, node: u64, what: &str, options: ReadOptions) -> Result<String> {
        self.change("lab_claim", |state| state.told(node, Matter::Claim, what, &options.needs()?))
    }

    /// Who does `what`, as far as a node knows, in the form of
    /// [`NodeHandle::who_does_json`](crate::NodeHandle::who_does_json).
    ///
    /// # Errors
    /// As [`Lab::claim_json`].
    pub fn who_does_json(&self, node: u64, what: &str, options: ReadOptions) -> Result<String> {
        self.change("lab_who_does", |state| {
            state.told(node, Matter::Doing, what, &options.needs()?)
        })
    }

    /// A node says "I do this" of `what`, as
    /// [`NodeHandle::do_optimistically`](crate::NodeHandle::do_optimistically) does. Gives the
    /// event that says so, `<lamport>/<stream id>`, which [`Lab::standing`] and [`Lab::tell_loss`]
    /// take. Take it back by [`Deed::DoingRelease`].
    ///
    /// # Errors
    /// As [`Lab::act`]; the note may be no payload.
    pub fn do_optimistically(
        &self,
        node: u64,
        what: &str,
        note: Option<Bytes>,
        options: ReadOptions,
    ) -> Result<String> {
        self.change("lab_do_optimistically", |state| {
            let (needs, note) = (options.needs()?, read_note(note)?);
            state.check_covered(node, &needs, None)?;
            let (key, said) = state.lab.node(index(node))?.do_optimistically(what, note)?;
            needs.sees(&said.token());
            Ok(key.to_string())
        })
    }

    /// The optimistic claim of a node to `what` that stands; none where none does.
    ///
    /// # Errors
    /// As [`Lab::answer_requests`].
    pub fn own_doing(&self, node: u64, what: &str) -> Result<Option<String>> {
        self.change("lab_own_doing", |state| {
            let own = state.lab.own_doing(index(node), what)?;
            Ok(own.map(|key| key.to_string()))
        })
    }

    /// How the optimistic claim to `what` stands that was published with `key`, as far as a node
    /// knows; never the end.
    ///
    /// # Errors
    /// As [`Lab::answer_requests`]; `invalid_argument`: it is no key.
    pub fn standing(&self, node: u64, what: &str, key: &str) -> Result<StandingView> {
        self.change("lab_standing", |state| {
            Ok(state.lab.standing(index(node), what, &read_key(key)?)?.into())
        })
    }

    /// Has [`Lab::next_loss`] tell when the optimistic claim of a node to `what` that was published
    /// with `key` has lost, at once if it has: once, and until the node's process ends.
    ///
    /// # Errors
    /// As [`Lab::standing`].
    pub fn tell_loss(&self, node: u64, what: &str, key: &str) -> Result<()> {
        self.change("lab_tell_loss", |state| {
            Ok(state.lab.tell_loss(index(node), what, read_key(key)?)?)
        })
    }

    /// The next loss that is to be told, in the order in which they came about; `None` when there
    /// is none. Ask for them whenever time has passed.
    ///
    /// # Errors
    /// `internal`.
    pub fn next_loss(&self) -> Result<Option<LabLoss>> {
        self.change("lab_next_loss", |state| {
            Ok(state.lab.next_loss().map(|loss| LabLoss {
                node: loss.node as u64,
                what: loss.what.to_string(),
                key: loss.key.to_string(),
            }))
        })
    }

    /// Copies what is durable at a node, whether it runs or not.
    ///
    /// # Errors
    /// `invalid_argument`: there is no such node.
    pub fn back_up(&self, node: u64) -> Result<LabBackup> {
        self.change("lab_back_up", |state| Ok(LabBackup(state.lab.back_up(index(node))?)))
    }

    /// Ends a node's process, if it runs, and puts the copy in the place of its disk. After
    /// [`Lab::start`] it goes on in another stream, and what the former one held of accounts and
    /// claims is frozen until it is recovered.
    ///
    /// # Errors
    /// `invalid_argument`: there is no such node; or the copy is of another one, or was made in
    /// another lab.
    pub fn restore(&self, node: u64, backup: &LabBackup) -> Result<()> {
        self.change("lab_restore", |state| Ok(state.lab.restore(index(node), &backup.0)?))
    }

    /// That each account and claim keeps its promises at each node that runs, and that nodes which
    /// hold the same know the same of it; [`LabTask::Check`](crate::LabTask::Check) asks for it,
    /// too.
    ///
    /// # Errors
    /// `internal`, reason `promise`: one does not, a bug of millpond.
    pub fn check_scarce(&self) -> Result<()> {
        self.change("lab_check_scarce", |state| Ok(state.lab.check_scarce()?))
    }
}

impl State {
    fn told(&mut self, node: u64, matter: Matter, name: &str, needs: &Needs) -> Result<String> {
        self.check_covered(node, needs, Some(&matter.query(name)?))?;
        let node = index(node);
        let report = match matter {
            Matter::Account(id) => Report::of_account(self.lab.account(node, name, id.as_ref())?),
            Matter::Claim => Report::of_claim(&Name::new(name)?, self.lab.claim(node, name)?),
            Matter::Doing => Report::of_doing(&Name::new(name)?, self.lab.who_does(node, name)?),
        };
        Ok(report.told(needs))
    }
}

fn read_key(key: &str) -> Result<EventKey> {
    Ok(key.trim().parse()?)
}
