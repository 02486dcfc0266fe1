//! An exclusive claim, as applications use it, and who does what.
//!
//! Not here: who holds a claim (`pond::claim`).

use crate::driver::account::id_value;
use crate::driver::causal_session::Within;
use crate::driver::coordination::ClaimDesk;
use crate::driver::decider::Ground;
use crate::driver::node::Node;
use crate::error::{Error, ErrorKind, Result};
use crate::event::cbor::Value;
use crate::event::{NodeId, OffsetMap};
use crate::log::{Appended, Once};
use crate::pending::Pending;
use crate::pond::Name;
use crate::pond::claim::{ClaimFold, ClaimHolder, ClaimState, Doer, Fence};
use crate::pond::escrow::{AccountId, OpenRequest, Operation, Violation};
use crate::query::Query;
use std::sync::Arc;

/// An exclusive claim on one node: whoever holds it may act, nobody else can, and its fence number
/// rises with each change of hands. Keeps its node open.
#[derive(Clone)]
pub struct Claim {
    node: Node,
    desk: Arc<ClaimDesk>,
    /// What is done by this handle is done once.
    key: Option<Arc<[u8]>>,
    session: Within,
}

/// A claim as this node knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimReport {
    /// Who holds it. More than one only when a node wrote two histories; highest fence first.
    pub holders: Vec<ClaimHolder>,
    /// With what this node may act, if it holds the claim: give it along with each act, so that
    /// the machine's adapter can refuse who was overtaken ([`Gate`](crate::pond::claim::Gate)).
    pub own_fence: Option<Fence>,
    /// Who asks for it, oldest first.
    pub requests: Vec<OpenRequest>,
    /// What should not be, with what proves it.
    pub violations: Vec<Violation>,
    /// Other claims to the same, by nodes that had not heard of this one, by id; they are void.
    pub rivals: Vec<AccountId>,
    /// The point in history that this is the state of.
    pub as_of: Arc<OffsetMap>,
}

/// Who does something, as far as is known on this node.
#[derive(Clone, Debug, PartialEq)]
pub struct WhoDoes {
    /// Who holds the exclusive claim to it, if there is one.
    pub holder: Option<ClaimHolder>,
    /// Whose optimistic claim has won, if one stands that has.
    pub winner: Option<Doer>,
    /// Who says that it does it, by rising event key; the winner is one of them.
    pub doers: Vec<Doer>,
    /// The point in history that this is the answer of, or of a later one: an older claim may still
    /// arrive.
    pub as_of: OffsetMap,
}

impl Node {
    /// The exclusive claim to `what`, 1 to 200 bytes of UTF-8, whether it was created or not.
    ///
    /// # Errors
    /// `invalid_argument`, `limit_exceeded`: there can be no such name. `closed`, `forked_process`.
    pub fn claim(&self, what: &str) -> Result<Claim> {
        self.log()?.check_process()?;
        let desk = self.shared().coordination.claim(Name::new(what)?);
        Ok(Claim { node: self.clone(), desk, key: None, session: Within::default() })
    }

    /// Who does `what`: by an exclusive claim, or by an optimistic one.
    ///
    /// # Errors
    /// `invalid_argument`, `limit_exceeded`: there can be no such name. `corrupt`,
    /// `storage_failed`: the log cannot be read. `closed`, `forked_process`.
    pub fn who_does(&self, what: &str) -> Result<WhoDoes> {
        let claim = self.claim(what)?.report()?;
        let doing = self.shared().coordination.doing(Name::new(what)?);
        let (winner, doers) = doing.decider().read(self.log()?, |ground| {
            (ground.state.winner().cloned(), ground.state.doers().cloned().collect())
        })?;
        // The claim was read first, so both answers know at least as much.
        let (holder, as_of) = (claim.holders.into_iter().next(), (*claim.as_of).clone());
        Ok(WhoDoes { holder, winner, doers, as_of })
    }
}

impl Claim {
    /// The same claim, read and changed in the session.
    pub(super) fn within(self, session: Within) -> Claim {
        Claim { session, ..self }
    }

    /// What it is a claim to, in NFC.
    pub fn what(&self) -> &Name {
        self.desk.name()
    }

    /// Selects its events: whoever subscribes to it hears when something changes.
    pub fn query(&self) -> Query {
        self.desk.decider().query()
    }

    /// The same claim, on which the next deed is done once; see
    /// [`Account::with_idempotency_key`](crate::Account::with_idempotency_key).
    #[must_use]
    pub fn with_idempotency_key(&self, key: impl AsRef<[u8]>) -> Claim {
        Claim { key: Some(key.as_ref().into()), ..self.clone() }
    }

    /// Creates the claim; this node holds it, or `holder`. Create it where the thing is, once: of
    /// two that were created apart only the one counts whose event sorts first.
    ///
    /// # Errors
    /// `conflict`, reason `exists`: there is one. Those of [`Node::publish`].
    pub fn create(&self, holder: Option<NodeId>) -> Pending<Appended> {
        let once = self.once("create", || [holder.map(id_value)]);
        self.decide(once, |ground| {
            if ground.flights > 0 {
                let message = format!("the claim {} is being created", self.what());
                return Err(Error::new(ErrorKind::Conflict, message).with_reason("exists"));
            }
            let holder = holder.map(|node| ground.lineage.newest(node));
            Ok((ground.state.create(ground.own, holder)?, 0))
        })
    }

    /// The claim as it is known here.
    ///
    /// # Errors
    /// `corrupt`, `storage_failed`: the log cannot be read. `closed`, `forked_process`. A claim
    /// that was not created is no error: nobody holds it.
    pub fn report(&self) -> Result<ClaimReport> {
        self.session.wait(&self.node)?;
        self.desk.decider().read(self.node.log()?, |ground| {
            self.session.sees(ground.as_of);
            let claim = ground.state.first();
            let fence = claim.and_then(|claim| claim.fence(&ground.own));
            ClaimReport {
                holders: claim.map_or_else(Vec::new, |claim| claim.holders()),
                // What is being handed over is not held any more.
                own_fence: fence.filter(|_| ground.in_flight == 0),
                requests: claim.map_or_else(Vec::new, |claim| claim.requests()),
                violations: claim.map_or_else(Vec::new, |claim| claim.violations()),
                rivals: ground.state.rivals(),
                as_of: ground.as_of.clone(),
            }
        })
    }

    /// Hands the claim to another node, which it then holds with a higher fence.
    ///
    /// # Errors
    /// `not_found`, reason `not_held`: this node does not hold it. `not_found`: it was not created,
    /// as far as is known here. `conflict`, reason `stream_changed`: try again. `invalid_argument`:
    /// it is this node. Those of [`Node::publish`].
    pub fn transfer(&self, to: NodeId) -> Pending<Appended> {
        let once = self.once("transfer", || [Some(id_value(to))]);
        self.decide(once, |ground| {
            let to = ground.lineage.newest(to);
            Ok((self.known(ground)?.transfer(ground.own, to, ground.in_flight)?, 1))
        })
    }

    /// Asks for the claim, or takes that back.
    ///
    /// # Errors
    /// As [`Claim::transfer`], without `not_held`.
    pub fn request(&self, wanted: bool) -> Pending<Appended> {
        let once = self.once("request", || [Some(wanted.into())]);
        self.decide(once, |ground| Ok((self.known(ground)?.request(ground.own, wanted), 0)))
    }

    /// Takes the claim over from a former stream of this node; see
    /// [`Account::recover`](crate::Account::recover).
    ///
    /// # Errors
    /// `not_found`: no former stream holds it. `not_yet_visible`: other nodes hold more of that
    /// stream, or, with the reason `nobody_met`, none was met. `conflict`, reason `under_way`:
    /// another decision about it is not durable yet; try again. As [`Claim::request`].
    pub fn recover(&self) -> Pending<Appended> {
        self.take_over(false)
    }

    /// As [`Claim::recover`], also where no other node was met since this opening; see
    /// [`Account::recover_alone`](crate::Account::recover_alone).
    ///
    /// # Errors
    /// As there, without `nobody_met`.
    pub fn recover_alone(&self) -> Pending<Appended> {
        self.take_over(true)
    }

    fn take_over(&self, is_alone: bool) -> Pending<Appended> {
        let once = self.once("recover", || [Some(is_alone.into())]);
        self.decide(once, |ground| {
            ground.check_at_rest()?;
            let (claim, own) = (self.known(ground)?, ground.own);
            let mut former = claim.holders().into_iter().map(|holder| holder.stream);
            let former = former.find(|stream| stream.node == own.node && *stream != own);
            let former = former.ok_or_else(|| {
                let message = format!("the claim {}: no former stream holds it", self.what());
                Error::new(ErrorKind::NotFound, message)
            })?;
            let mut asking = claim.requests().into_iter().map(|request| request.stream.node);
            let has_partners = asking.any(|node| node != own.node);
            ground.check_known(self.node.log()?, former, (is_alone, has_partners))?;
            Ok((claim.recover(own, former)?, 0))
        })
    }

    /// Whether this node hands the claim to whoever asks, from now on and for as long as it is
    /// open. It does not in the beginning: set it while the claim is not needed.
    ///
    /// # Errors
    /// `closed`, `forked_process`.
    pub fn hand_over_when_asked(&self, wanted: bool) -> Result<()> {
        self.node.log()?.check_process()?;
        self.desk.hand_over(self.node.shared(), self.node.app_id(), wanted)
    }

    /// What is done once, where this handle says so.
    fn once<const N: usize>(
        &self,
        deed: &str,
        said: impl FnOnce() -> [Option<Value>; N],
    ) -> Result<Option<Once>> {
        self.desk.decider().once(self.node.app_id(), self.key.as_deref(), deed, said)
    }

    fn decide(
        &self,
        once: Result<Option<Once>>,
        decision: impl FnOnce(&Ground<'_, ClaimFold>) -> Result<(Operation, u64)>,
    ) -> Pending<Appended> {
        let (once, log) = match once.and_then(|once| Ok((once, self.node.log()?))) {
            Ok(both) => both,
            Err(error) => return Pending::ready(Err(error)),
        };
        self.session.write(&self.node, || {
            self.desk.decider().decide(log, self.node.app_id(), once, |ground| {
                let (operation, spends) = decision(ground)?;
                Ok((operation.to_payload()?, spends))
            })
        })
    }

    fn known<'a>(&self, ground: &Ground<'a, ClaimFold>) -> Result<ClaimState<'a>> {
        ground.state.first().ok_or_else(|| {
            let message = format!("no claim {} is known here; create it", self.what());
            Error::new(ErrorKind::NotFound, message)
        })
    }
}
