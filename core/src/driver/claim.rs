//! An exclusive claim, as applications use it, and who does what.
//!
//! Not here: who holds a claim (`pond::claim`, `pond::desk`).

use crate::driver::causal_session::Within;
use crate::driver::coordination::ClaimDesk;
use crate::driver::node::Node;
use crate::error::Result;
use crate::event::NodeId;
use crate::log::Appended;
use crate::pending::Pending;
use crate::pond::Name;
use crate::pond::desk::{ClaimDeed, ClaimReport, WhoDoes};
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
        // The claim was read first, so both answers know at least as much.
        doing.decider().read(self.log()?, |ground| WhoDoes::of(claim, ground.state))
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
        self.act(ClaimDeed::Create { holder })
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
            ClaimReport::of(ground)
        })
    }

    /// Hands the claim to another node, which it then holds with a higher fence.
    ///
    /// # Errors
    /// `not_found`, reason `not_held`: this node does not hold it. `not_found`: it was not created,
    /// as far as is known here. `conflict`, reason `stream_changed`: try again. `invalid_argument`:
    /// it is this node. Those of [`Node::publish`].
    pub fn transfer(&self, to: NodeId) -> Pending<Appended> {
        self.act(ClaimDeed::Transfer { to })
    }

    /// Asks for the claim, or takes that back.
    ///
    /// # Errors
    /// As [`Claim::transfer`], without `not_held`.
    pub fn request(&self, wanted: bool) -> Pending<Appended> {
        self.act(ClaimDeed::Request { wanted })
    }

    /// Takes the claim over from a former stream of this node; see
    /// [`Account::recover`](crate::Account::recover).
    ///
    /// # Errors
    /// `not_found`: no former stream holds it. `not_yet_visible`: other nodes hold more of that
    /// stream, or, with the reason `nobody_met`, none was met. `conflict`, reason `under_way`:
    /// another decision about it is not durable yet; try again. As [`Claim::request`].
    pub fn recover(&self) -> Pending<Appended> {
        self.act(ClaimDeed::Recover { is_alone: false })
    }

    /// As [`Claim::recover`], also where no other node was met since this opening; see
    /// [`Account::recover_alone`](crate::Account::recover_alone).
    ///
    /// # Errors
    /// As there, without `nobody_met`.
    pub fn recover_alone(&self) -> Pending<Appended> {
        self.act(ClaimDeed::Recover { is_alone: true })
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

    pub(super) fn act(&self, deed: ClaimDeed) -> Pending<Appended> {
        let decider = self.desk.decider();
        let once = decider.once(self.node.app_id(), self.key.as_deref(), || deed.asked());
        let (once, log) = match once.and_then(|once| Ok((once, self.node.log()?))) {
            Ok(both) => both,
            Err(error) => return Pending::ready(Err(error)),
        };
        self.session.write(&self.node, || {
            decider.decide(log, self.node.app_id(), once, |ground| deed.decide(ground))
        })
    }
}
