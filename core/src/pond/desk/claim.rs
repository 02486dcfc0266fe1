//! What is done to an exclusive claim, and what is told of it.

use crate::error::{Error, ErrorKind, Result};
use crate::event::NodeId;
use crate::pond::claim::{ClaimFold, ClaimState};
use crate::pond::desk::asked::{Asked, id_value};
use crate::pond::desk::{ClaimReport, Decision, Ground};
use crate::pond::escrow::Operation;

/// What is done to an exclusive claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ClaimDeed {
    Create {
        /// Its first holder; this node without one.
        holder: Option<NodeId>,
    },
    Transfer {
        to: NodeId,
    },
    Request {
        wanted: bool,
    },
    Recover {
        /// A person vouches that nobody knows more of the former stream.
        is_alone: bool,
    },
}

impl ClaimDeed {
    /// What is asked for by it.
    ///
    /// # Errors
    /// None: ids and truth values can be said.
    pub(crate) fn asked(&self) -> Result<Asked> {
        match self {
            ClaimDeed::Create { holder } => Asked::new("create", [holder.map(id_value)]),
            ClaimDeed::Transfer { to } => Asked::new("transfer", [Some(id_value(*to))]),
            ClaimDeed::Request { wanted } => Asked::new("request", [Some((*wanted).into())]),
            ClaimDeed::Recover { is_alone } => Asked::new("recover", [Some((*is_alone).into())]),
        }
    }

    /// Does it to the claim that is known on this ground.
    ///
    /// # Errors
    /// As the calls of `Claim` say.
    pub(crate) fn decide(self, ground: &Ground<'_, ClaimFold>) -> Result<Decision> {
        let own = ground.own;
        let (operation, spends) = match self {
            ClaimDeed::Create { holder } => (create(ground, holder)?, 0),
            ClaimDeed::Transfer { to } => {
                let to = ground.lineage.newest(to);
                (known(ground)?.transfer(own, to, ground.in_flight)?, 1)
            }
            ClaimDeed::Request { wanted } => (known(ground)?.request(own, wanted), 0),
            ClaimDeed::Recover { is_alone } => (recover(ground, is_alone)?, 0),
        };
        Ok(Decision { payload: operation.to_payload()?, spends })
    }
}

impl ClaimReport {
    /// Of the claim as it is known on this ground; one that was not created has no holder.
    pub(crate) fn of(ground: &Ground<'_, ClaimFold>) -> ClaimReport {
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
    }
}

fn known<'a>(ground: &Ground<'a, ClaimFold>) -> Result<ClaimState<'a>> {
    ground.state.first().ok_or_else(|| {
        let message = format!("no claim {} is known here; create it", ground.state.what());
        Error::new(ErrorKind::NotFound, message)
    })
}

fn create(ground: &Ground<'_, ClaimFold>, holder: Option<NodeId>) -> Result<Operation> {
    if ground.flights > 0 {
        let message = format!("the claim {} is being created", ground.state.what());
        return Err(Error::new(ErrorKind::Conflict, message).with_reason("exists"));
    }
    let holder = holder.map(|node| ground.lineage.newest(node));
    ground.state.create(ground.own, holder)
}

fn recover(ground: &Ground<'_, ClaimFold>, is_alone: bool) -> Result<Operation> {
    ground.check_at_rest()?;
    let (claim, own) = (known(ground)?, ground.own);
    let mut former = claim.holders().into_iter().map(|holder| holder.stream);
    let former = former.find(|stream| stream.node == own.node && *stream != own);
    let former = former.ok_or_else(|| {
        let message = format!("the claim {}: no former stream holds it", ground.state.what());
        Error::new(ErrorKind::NotFound, message)
    })?;
    let mut asking = claim.requests().into_iter().map(|request| request.stream.node);
    let has_partners = asking.any(|node| node != own.node);
    ground.check_known(former, (is_alone, has_partners))?;
    claim.recover(own, former)
}
