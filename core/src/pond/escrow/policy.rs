//! Which requests a node answers by itself, and with how much.
//!
//! Rule: a function of the state alone; who waits how long, the driver says.

use crate::event::StreamId;
use crate::pond::escrow::{AccountState, OpenRequest, Share};

/// How a node answers requests for rights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GrantPolicy {
    /// What it keeps for itself, whoever asks.
    pub reserve: u64,
}

impl GrantPolicy {
    /// What `own` is to grant now, when a request has been open for so many `rounds`.
    ///
    /// Of those who could help the one with most does so at once; with each round in which the
    /// request stays open one more joins, so that somebody answers whoever is cut off. Rights
    /// follow demand: who asks for rights itself gives only to whoever asked before it did.
    pub fn grants_due(
        &self,
        state: &AccountState,
        own: StreamId,
        in_flight: u64,
        rounds: impl Fn(&OpenRequest) -> u32,
    ) -> Vec<Share> {
        let available = state.available(&own).saturating_sub(in_flight);
        let mut spare = available.saturating_sub(self.reserve);
        let requests = state.requests();
        let own_request = requests.iter().position(|request| request.stream == own);
        let before = &requests[..own_request.unwrap_or(requests.len())];
        let mut holders = state.holdings();
        holders.retain(|holding| !holding.is_frozen || holding.stream == own);
        let mut grants = Vec::new();
        for request in before {
            if spare == 0 {
                break;
            }
            let mut helpers = holders.iter().filter(|holding| holding.stream != request.stream);
            let rank = helpers.position(|holding| holding.stream == own);
            if rank.is_some_and(|rank| rank <= rounds(request) as usize) {
                let amount = request.outstanding.min(spare);
                spare -= amount;
                grants.push(Share { stream: request.stream, amount });
            }
        }
        grants
    }
}
