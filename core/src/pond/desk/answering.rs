//! Requests of other nodes: which are to be answered now, and when to look again.
//!
//! Rule: what is given is decided again by the decision that gives it, so that nothing is given for
//! a request that was answered or withdrawn meanwhile, as far as is known here.

use crate::error::{Error, ErrorKind, Result};
use crate::event::{EventKey, Payload, StreamId};
use crate::pond::claim::ClaimFold;
use crate::pond::desk::{Decision, Folded, Ground};
use crate::pond::escrow::{
    AccountFold, AccountId, AccountState, GrantPolicy, OpenRequest, PATIENCE_ROUNDS, Share,
};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long the holder with most is given to answer before the next one does.
pub(crate) const ROUND: Duration = Duration::from_millis(500);

/// Since when nothing has come for a request of which so much is outstanding.
#[derive(Debug, Default)]
pub(crate) struct OpenSince(BTreeMap<(EventKey, u64), Instant>);

/// What there is to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// Something is to be given now.
    pub(crate) is_due: bool,
    /// More may be, a round later.
    pub(crate) is_turn_ahead: bool,
}

/// What is to be given, and of which account.
pub(crate) struct Due {
    account: AccountId,
    share: Share,
}

impl OpenSince {
    /// Looks at what is open on this ground at `now`.
    pub(crate) fn look<F: Answering>(
        &mut self,
        ground: &Ground<'_, F>,
        policy: GrantPolicy,
        now: Instant,
    ) -> Look {
        let requests = ground.state.requests(&ground.own);
        let open: BTreeMap<_, _> = requests.iter().map(|own| (named(own), now)).collect();
        self.0.retain(|request, _| open.contains_key(request));
        open.into_iter().for_each(|(request, now)| {
            self.0.entry(request).or_insert(now);
        });
        let rounds = |request: &OpenRequest| self.rounds(request, now);
        let is_own = |request: &OpenRequest| request.stream == ground.own;
        let last = ground.state.rounds();
        let is_ahead = |request: &OpenRequest| match is_own(request) {
            true => rounds(request) < PATIENCE_ROUNDS,
            false => rounds(request) < last,
        };
        let has_others = requests.iter().any(|request| !is_own(request));
        Look {
            is_due: !F::due(ground, policy, &rounds).is_empty(),
            is_turn_ahead: has_others && requests.iter().any(is_ahead),
        }
    }

    /// Gives what is due first.
    ///
    /// # Errors
    /// `not_found`, reason `nothing_due`: nothing is, on this ground. `invalid_argument`: nobody
    /// can spend it any more.
    pub(crate) fn give<F: Answering>(
        &self,
        ground: &Ground<'_, F>,
        policy: GrantPolicy,
        now: Instant,
    ) -> Result<Decision> {
        let rounds = |request: &OpenRequest| self.rounds(request, now);
        let due = F::due(ground, policy, &rounds).into_iter().next().ok_or_else(nothing_due)?;
        Ok(Decision { payload: F::give(ground, &due)?, spends: due.share.amount })
    }

    /// For so many rounds nothing has come for the request.
    fn rounds(&self, request: &OpenRequest, now: Instant) -> u32 {
        let since = self.0.get(&named(request)).copied().unwrap_or(now);
        let open = now.saturating_duration_since(since);
        u32::try_from(open.as_millis() / ROUND.as_millis()).unwrap_or(u32::MAX)
    }
}

fn named(request: &OpenRequest) -> (EventKey, u64) {
    (request.key, request.outstanding)
}

/// What is folded knows who asks, and what to give.
pub(crate) trait Answering: Folded {
    /// Open requests, of whomever, and what `own` asked for last.
    fn requests(&self, own: &StreamId) -> Vec<OpenRequest>;
    /// After so many rounds all who hold something answer.
    fn rounds(&self) -> u32;
    /// What is to be given now.
    fn due(
        ground: &Ground<'_, Self>,
        policy: GrantPolicy,
        rounds: &dyn Fn(&OpenRequest) -> u32,
    ) -> Vec<Due>;
    /// The payload that gives it.
    fn give(ground: &Ground<'_, Self>, due: &Due) -> Result<Payload>;
}

impl Answering for AccountFold {
    fn requests(&self, own: &StreamId) -> Vec<OpenRequest> {
        let of = |account: &AccountState| {
            let mut requests = account.requests();
            requests.retain(|request| request.stream != *own);
            requests.extend(account.request_of(own).cloned());
            requests
        };
        self.accounts().flat_map(of).collect()
    }

    fn rounds(&self) -> u32 {
        let holders = self.accounts().map(|account| account.holdings().len()).max().unwrap_or(0);
        u32::try_from(holders).unwrap_or(u32::MAX)
    }

    fn due(
        ground: &Ground<'_, AccountFold>,
        policy: GrantPolicy,
        rounds: &dyn Fn(&OpenRequest) -> u32,
    ) -> Vec<Due> {
        let of = |state: &AccountState| {
            let shares = policy.grants_due(state, ground.own, ground.in_flight, rounds);
            let account = state.id();
            shares.into_iter().map(move |share| Due { account, share })
        };
        ground.state.accounts().flat_map(of).collect()
    }

    fn give(ground: &Ground<'_, AccountFold>, due: &Due) -> Result<Payload> {
        let account = ground.state.get(&due.account).ok_or_else(nothing_due)?;
        let Share { stream, amount } = due.share;
        account.grant(ground.own, stream, amount, ground.in_flight)?.to_payload()
    }
}

impl Answering for ClaimFold {
    fn requests(&self, own: &StreamId) -> Vec<OpenRequest> {
        let Some(claim) = self.first() else { return Vec::new() };
        let mut requests = claim.requests();
        requests.retain(|request| request.stream != *own);
        requests.extend(claim.request_of(own).cloned());
        requests
    }

    /// There is one holder, who answers at once.
    fn rounds(&self) -> u32 {
        0
    }

    fn due(
        ground: &Ground<'_, ClaimFold>,
        _policy: GrantPolicy,
        rounds: &dyn Fn(&OpenRequest) -> u32,
    ) -> Vec<Due> {
        let Some(claim) = ground.state.first() else { return Vec::new() };
        let to = claim.due(ground.own, ground.in_flight, rounds);
        let account = claim.id();
        to.map(|stream| Due { account, share: Share { stream, amount: 1 } }).into_iter().collect()
    }

    fn give(ground: &Ground<'_, ClaimFold>, due: &Due) -> Result<Payload> {
        let claim = ground.state.first().ok_or_else(nothing_due)?;
        claim.transfer(ground.own, due.share.stream, ground.in_flight)?.to_payload()
    }
}

/// Nobody sees it: it ends an answer.
fn nothing_due() -> Error {
    Error::new(ErrorKind::NotFound, "nothing is due any more").with_reason("nothing_due")
}
