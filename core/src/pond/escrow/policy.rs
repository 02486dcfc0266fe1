//! Which requests a node answers by itself, and with how much.
//!
//! Rule: a function of the state, and of how long nothing has come for each request, which the
//! driver says.

use crate::event::StreamId;
use crate::planted;
use crate::pond::escrow::{AccountState, OpenRequest, Share};
use std::collections::BTreeMap;

/// For so many rounds a node that has got what it asked for gives nothing, so that it can use it,
/// and one that waits for more gives nothing to who asks later.
pub(crate) const PATIENCE_ROUNDS: u32 = 20;

/// How a node answers requests for rights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GrantPolicy {
    /// What it keeps for itself, whoever asks.
    pub reserve: u64,
}

impl GrantPolicy {
    /// What `own` is to grant now, when for so many `rounds` nothing has come for a request.
    ///
    /// Requests are served oldest first, but for those that want more than all others hold: these
    /// come last, so that nobody starves beside them. Of those who could help the one with most
    /// does so at once; with each round one more joins, so that somebody answers whoever is cut
    /// off. Rights follow demand: who waits for rights itself gives only to whoever comes before
    /// it, and who has got all it asked for gives nothing until it has used that. Either only for
    /// a while.
    pub fn grants_due(
        &self,
        state: &AccountState,
        own: StreamId,
        in_flight: u64,
        rounds: impl Fn(&OpenRequest) -> u32,
    ) -> Vec<Share> {
        let mut requests = state.requests();
        let mut spare =
            state.available(&own).saturating_sub(in_flight).saturating_sub(self.reserve);
        if spare == 0 || requests.iter().all(|request| request.stream == own) {
            return Vec::new();
        }
        let mut holders = state.holdings();
        holders.retain(|holding| !holding.is_frozen || holding.stream == own);
        let held = holders.iter().enumerate();
        let held: BTreeMap<StreamId, (usize, u64)> =
            held.map(|(place, own)| (own.stream, (place, own.amount))).collect();
        let all = holders.iter().fold(0u64, |all, own| all.saturating_add(own.amount));
        let is_too_much = |request: &OpenRequest| {
            let here = held.get(&request.stream).map_or(0, |(_, amount)| *amount);
            request.outstanding > all.saturating_sub(here)
        };
        requests.sort_by_cached_key(|request| (is_too_much(request), request.key));
        let is_fresh = |request: &&OpenRequest| rounds(request) < PATIENCE_ROUNDS;
        match state.request_of(&own).filter(is_fresh) {
            Some(mine) if mine.outstanding > 0 => {
                let place = requests.iter().position(|request| request.key == mine.key);
                requests.truncate(place.unwrap_or(requests.len()));
            }
            Some(mine) if mine.used < mine.asked => return Vec::new(),
            _ => {}
        }
        requests.retain(|request| request.stream != own);
        let place = held.get(&own).map_or(holders.len(), |(place, _)| *place);
        let mut grants = Vec::new();
        for request in requests {
            let is_before = held.get(&request.stream).is_some_and(|(other, _)| *other < place);
            let rank = place - usize::from(is_before);
            let is_turn = rank <= rounds(&request) as usize;
            if spare > 0 && is_turn && !(rank > 0 && planted!("escrow_only_the_first_answers")) {
                let amount = request.outstanding.min(spare);
                spare -= amount;
                grants.push(Share { stream: request.stream, amount });
            }
        }
        grants
    }
}
