//! What is said in optimistic claims, and how an own one stands.

use crate::error::Result;
use crate::event::{EventKey, OffsetMap};
use crate::pond::claim::{Doer, Doing, DoingFold, Standing};
use crate::pond::desk::{Asked, ClaimReport, Decision, Ground, WhoDoes};
use std::sync::Arc;

/// How an own claim stands at a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Whether it has won or lost, and to whom.
    pub standing: Standing,
    /// Whose claim counts: this one as it was first said, or the one that it lost to, also when
    /// that is released; none once this one is.
    pub winner: Option<Doer>,
    /// The point in history that this is the answer of: an older claim may still arrive.
    pub as_of: Arc<OffsetMap>,
}

impl Told {
    /// How the claim stands on this ground that was published with `key`.
    pub(crate) fn of(ground: &Ground<'_, DoingFold>, key: &EventKey) -> Told {
        let standing = ground.state.standing(key);
        let winner = match &standing {
            Standing::Won => ground.state.claim_of(key).cloned(),
            Standing::Lost(winner) => Some(winner.clone()),
            Standing::Released => None,
        };
        Told { standing, winner, as_of: ground.as_of.clone() }
    }
}

impl Doing {
    /// What is asked for by taking back, which is what is done once; saying "I do this" again is
    /// the same claim anyway.
    ///
    /// # Errors
    /// None: there is nothing more to say of it.
    pub(crate) fn asked(&self) -> Result<Asked> {
        match self {
            Doing::Claim { note } => Asked::new("claim", [note.clone()]),
            Doing::Release => Asked::new("release", []),
        }
    }

    /// Says it, on whatever ground.
    ///
    /// # Errors
    /// `limit_exceeded`, `invalid_argument`: the note cannot be a payload.
    pub(crate) fn decide(&self) -> Result<Decision> {
        Ok(Decision { payload: self.to_payload()?, spends: 0 })
    }
}

impl WhoDoes {
    /// Of a claim and of optimistic ones that were looked at later, so both answers know at least
    /// as much as the first.
    pub(crate) fn of(claim: ClaimReport, doing: &DoingFold) -> WhoDoes {
        WhoDoes {
            holder: claim.holders.into_iter().next(),
            winner: doing.winner().cloned(),
            doers: doing.doers().cloned().collect(),
            as_of: (*claim.as_of).clone(),
        }
    }
}
