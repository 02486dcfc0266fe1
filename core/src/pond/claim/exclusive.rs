//! Exclusive claims: one right to act, which moves.

use crate::error::{Error, ErrorKind, Result};
use crate::event::{EventKey, Offset, StreamId, Tag};
use crate::pond::claim::Fence;
use crate::pond::escrow::{
    AccountFold, AccountId, AccountState, Action, Creation, GrantPolicy, OpenRequest, Operation,
    Share, Violation,
};
use crate::pond::{Lineage, Name};
use std::sync::Arc;

/// The tag of the events of exclusive claims to `what`.
pub fn claim_tag(what: &Name) -> Tag {
    what.tag("claim")
}

/// The exclusive claims to one thing, folded in key order. Usually that is one: see
/// [`ClaimFold::first`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimFold {
    accounts: AccountFold,
}

/// An exclusive claim after some events.
#[derive(Clone, Copy, Debug)]
pub struct ClaimState<'a> {
    account: &'a AccountState,
}

/// Who holds a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimHolder {
    /// The stream that holds it; never a branch.
    pub stream: StreamId,
    /// 1 for the first holder, and more with each change of hands; see [`Fence`].
    pub fence: u64,
    /// True when its node goes on in another stream, and has not recovered it.
    pub is_frozen: bool,
}

impl ClaimFold {
    /// Of no events, in a log with these forks and streams.
    pub fn new(what: Name, lineage: Arc<Lineage>) -> ClaimFold {
        ClaimFold { accounts: AccountFold::new(what, lineage) }
    }

    /// Goes on by an event that carries [`claim_tag`].
    ///
    /// # Panics
    /// The keys do not rise.
    pub fn apply(&mut self, key: EventKey, offset: Offset, payload: &[u8]) {
        let operation = Operation::decode(payload).filter(|operation| match operation {
            Operation::Create(creation) => (creation.amount, creation.floor) == (1, 0),
            // There is one, for ever.
            Operation::Change(change) => {
                !matches!(change.action, Action::Deposit(_) | Action::Withdraw(_))
            }
        });
        match operation {
            Some(_) => self.accounts.apply(key, offset, payload),
            None => self.accounts.pass_over(key),
        }
    }

    /// Learns of streams that were not known before; see [`AccountFold::meet`].
    ///
    /// # Panics
    /// As there.
    pub fn meet(&mut self, lineage: &Arc<Lineage>) {
        self.accounts.meet(lineage);
    }

    /// The claim that was created first: by lamport, then by stream, then by id. When two nodes
    /// created one while they were cut off from each other, the other one is void from the moment
    /// its holder learns of this one, whoever acted on it: there is to be one.
    pub fn first(&self) -> Option<ClaimState<'_>> {
        self.accounts.first().map(|account| ClaimState { account })
    }

    /// Other claims to the same thing, which are void, by id.
    pub fn rivals(&self) -> Vec<AccountId> {
        let first = self.first().map(|claim| claim.id());
        let all = self.accounts.accounts().map(AccountState::id);
        all.filter(|id| Some(*id) != first).collect()
    }

    /// What it is a claim to.
    pub fn what(&self) -> &Name {
        self.accounts.name()
    }

    /// The greatest key so far.
    pub fn last(&self) -> Option<EventKey> {
        self.accounts.last()
    }

    /// Creates the claim to what has none yet; `own` holds it, or `holder`.
    ///
    /// # Errors
    /// `conflict`: it exists. `invalid_argument`: `holder` is a branch.
    pub fn create(&self, own: StreamId, holder: Option<StreamId>) -> Result<Operation> {
        if self.first().is_some() {
            let message = format!("the claim {} exists; request it", self.accounts.name());
            return Err(Error::new(ErrorKind::Conflict, message).with_reason("exists"));
        }
        let shares = holder.map(|stream| Share { stream, amount: 1 }).into_iter().collect();
        let creation = Creation { stream: own.number, amount: 1, floor: 0, shares };
        creation.check()?;
        Ok(Operation::Create(creation))
    }
}

impl<'a> ClaimState<'a> {
    /// Which claim this is.
    pub fn id(&self) -> AccountId {
        self.account.id()
    }

    /// Who holds it: with the highest fence, as far as is known here.
    pub fn holder(&self) -> Option<ClaimHolder> {
        self.holders().into_iter().next()
    }

    /// Everybody who holds it: more than one only when a node wrote two histories, which
    /// [`ClaimState::violations`] proves. Highest fence first.
    pub fn holders(&self) -> Vec<ClaimHolder> {
        let holdings = self.account.holdings().into_iter();
        let mut holders: Vec<ClaimHolder> = holdings
            .map(|holding| ClaimHolder {
                stream: holding.stream,
                fence: self.account.fence(&holding.stream),
                is_frozen: holding.is_frozen,
            })
            .collect();
        holders.sort_by_key(|holder| (std::cmp::Reverse(holder.fence), holder.stream));
        holders
    }

    /// With what `stream` may act, if it holds the claim.
    pub fn fence(&self, stream: &StreamId) -> Option<Fence> {
        let (age, author, claim) = self.account.age();
        let number = self.account.fence(stream);
        let fence = Fence { age, author, claim, number, holder: *stream };
        (self.account.available(stream) > 0).then_some(fence)
    }

    /// Who asks for it, oldest first.
    pub fn requests(&self) -> Vec<OpenRequest> {
        self.account.requests()
    }

    /// What should not be, with what proves it.
    pub fn violations(&self) -> Vec<Violation> {
        self.account.violations()
    }

    /// Hands it from `own` to `to`.
    ///
    /// # Errors
    /// `not_found`, reason `not_held`: `own` does not hold it. `invalid_argument`: `to` is `own`, a
    /// branch, or its node writes another stream.
    pub fn transfer(&self, own: StreamId, to: StreamId, in_flight: u64) -> Result<Operation> {
        self.account.grant(own, to, 1, in_flight).map_err(|error| match error.kind() {
            ErrorKind::Overdraft => self.not_held(),
            _ => error,
        })
    }

    /// Asks for it, or takes that back.
    pub fn request(&self, own: StreamId, wanted: bool) -> Operation {
        self.account.request(own, u64::from(wanted)).expect("0 and 1 are amounts")
    }

    /// Takes it over from a stream of the same node that nothing writes any more; see
    /// [`AccountState::recover`].
    ///
    /// # Errors
    /// As there.
    pub fn recover(&self, own: StreamId, from: StreamId) -> Result<Operation> {
        self.account.recover(own, from)
    }

    /// What `stream` asked for last, also when it has got it.
    pub fn request_of(&self, stream: &StreamId) -> Option<&'a OpenRequest> {
        self.account.request_of(stream)
    }

    /// To whom `own` is to hand it now that it does not need it; see [`GrantPolicy::grants_due`].
    pub fn due(
        &self,
        own: StreamId,
        in_flight: u64,
        rounds: impl Fn(&OpenRequest) -> u32,
    ) -> Option<StreamId> {
        let due = GrantPolicy::default().grants_due(self.account, own, in_flight, rounds);
        due.first().map(|share| share.stream)
    }

    fn not_held(&self) -> Error {
        let holder = self.holder().map_or("nobody".to_owned(), |holder| {
            format!("{}-{}", holder.stream.node.short(), holder.stream.number)
        });
        let message = format!(
            "the claim {} is not held here, but by {holder}; request it",
            self.account.name()
        );
        Error::new(ErrorKind::NotFound, message).with_reason("not_held")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Lamport, NodeId};

    fn stream(node: u8) -> StreamId {
        StreamId { node: NodeId::from_bytes([node; 32]), number: 0 }
    }

    struct Played {
        fold: ClaimFold,
        lamport: u64,
    }

    impl Played {
        fn new() -> Played {
            let lineage = Arc::new(Lineage::new(Vec::new(), Vec::new()));
            Played { fold: ClaimFold::new(Name::new("M-017").unwrap(), lineage), lamport: 0 }
        }

        fn write(&mut self, own: StreamId, operation: Result<Operation>) {
            self.lamport += 1;
            let key = EventKey { lamport: Lamport::new(self.lamport).unwrap(), stream: own };
            let payload = operation.unwrap().to_payload().unwrap();
            self.fold.apply(key, Offset::new(self.lamport), payload.as_bytes());
        }

        fn state(&self) -> ClaimState<'_> {
            self.fold.first().unwrap()
        }
    }

    #[test]
    fn a_claim_has_one_holder_and_its_fence_rises_with_each_change_of_hands() {
        let mut played = Played::new();
        assert!(played.fold.first().is_none());
        let (a, b, c) = (stream(1), stream(2), stream(3));
        let create = played.fold.create(a, None);
        played.write(a, create);
        assert_eq!(played.fold.create(b, None).unwrap_err().kind(), ErrorKind::Conflict);
        let mut seen = 0;
        for (from, to) in [(a, b), (b, c), (c, a), (a, c), (c, b)] {
            let fence = played.state().fence(&from).unwrap();
            assert!(fence.number > seen, "the fence rises");
            seen = fence.number;
            assert_eq!(played.state().holders().len(), 1);
            let error = played.state().transfer(to, from, 0).unwrap_err();
            assert_eq!(error.reason(), Some("not_held"));
            let request = played.state().request(to, true);
            played.write(to, Ok(request));
            let due = |in_flight| played.state().due(from, in_flight, |_| u32::MAX);
            assert_eq!(due(0), Some(to));
            assert_eq!(due(1), None, "it is on its way already");
            let transfer = played.state().transfer(from, to, 0);
            played.write(from, transfer);
            assert!(played.state().requests().is_empty());
        }
        let holder = ClaimHolder { stream: b, fence: 6, is_frozen: false };
        assert_eq!(played.state().holder(), Some(holder));
    }

    #[test]
    fn who_does_not_hold_it_cannot_hand_it_on_and_nobody_makes_a_second_one() {
        let mut played = Played::new();
        let (a, b, c) = (stream(1), stream(2), stream(3));
        let create = played.fold.create(a, Some(b));
        played.write(a, create);
        let id = played.state().id();
        let change = |own: StreamId, action| {
            let stream = own.number;
            Ok(Operation::Change(crate::pond::escrow::Change {
                account: id,
                stream,
                action,
                note: None,
            }))
        };
        played.write(c, change(c, Action::Grant { to: a, amount: 1 }));
        played.write(c, change(c, Action::Deposit(1)));
        played.write(b, change(b, Action::Withdraw(1)));
        assert_eq!(played.state().fence(&b).unwrap().number, 1);
        assert_eq!(played.state().holders().len(), 1);
        assert_eq!(played.state().violations().len(), 1);
        let rival = Creation { stream: 0, amount: 1, floor: 0, shares: Vec::new() };
        played.write(c, Ok(Operation::Create(rival)));
        assert_eq!((played.fold.rivals().len(), played.state().id()), (1, id));
    }
}
