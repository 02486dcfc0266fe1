//! What a node may publish, given what it holds.
//!
//! Rule: a decision is made on a state that holds everything the deciding stream has written, and
//! what it has decided and not yet written is given as `in_flight`. Then the event it becomes
//! counts on every node.

use crate::error::{Error, ErrorKind, Result};
use crate::event::StreamId;
use crate::event::cbor::Value;
use crate::pond::escrow::operation::check_amount;
use crate::pond::escrow::state::Statement;
use crate::pond::escrow::{AccountState, Action, Change, Operation, Overdraft};

impl AccountState {
    /// Withdraws `amount`, 1 to `AMOUNT_MAX`, by rights of `own`.
    ///
    /// # Errors
    /// `overdraft`, with [`Overdraft`]: `own` does not hold as much. `invalid_argument`,
    /// `limit_exceeded`: there is no such amount.
    pub fn withdraw(
        &self,
        own: StreamId,
        amount: u64,
        in_flight: u64,
        note: Option<Value>,
    ) -> Result<Operation> {
        self.spend(own, amount, in_flight)?;
        Ok(self.change(own, Action::Withdraw(amount), note))
    }

    /// Gives `amount` of the rights of `own` to `to`.
    ///
    /// # Errors
    /// As [`AccountState::withdraw`]; `invalid_argument`: `to` is `own`, a branch, or frozen.
    pub fn grant(
        &self,
        own: StreamId,
        to: StreamId,
        amount: u64,
        in_flight: u64,
    ) -> Result<Operation> {
        if to == own || to.is_branch() || self.is_frozen(&to) {
            let message = format!(
                "account {}: rights granted to {to} could not be spent; its node writes another \
                 stream, or it is our own",
                self.name()
            );
            return Err(Error::new(ErrorKind::InvalidArgument, message).with_reason("frozen"));
        }
        self.spend(own, amount, in_flight)?;
        Ok(self.change(own, Action::Grant { to, amount }, None))
    }

    /// Adds `amount`, 1 to `AMOUNT_MAX`, which `own` may then spend.
    ///
    /// # Errors
    /// `invalid_argument`, `limit_exceeded`: there is no such amount.
    pub fn deposit(&self, own: StreamId, amount: u64, note: Option<Value>) -> Result<Operation> {
        check_amount(amount)?;
        Ok(self.change(own, Action::Deposit(amount), note))
    }

    /// Asks the others for `amount` more rights, up to `AMOUNT_MAX`, in place of what `own` asked
    /// for before; 0 asks for nothing any more.
    ///
    /// # Errors
    /// `limit_exceeded`: there is no such amount.
    pub fn request(&self, own: StreamId, amount: u64) -> Result<Operation> {
        check_amount(amount.max(1))?;
        Ok(self.change(own, Action::Request(amount), None))
    }

    /// Takes over what the stream `from` of the same node has left, up to `AMOUNT_MAX` at a time,
    /// because nothing writes it any more: a backup was restored, a disk replaced. With it the node
    /// signs what it knows that stream to have done. Where a clone that is still alive spends the
    /// same rights, both count, and the two statements are the proof.
    ///
    /// # Errors
    /// `invalid_argument`: `from` is `own` itself or of another node. `not_found`: as far as is
    /// known here, nothing is left of it.
    pub fn recover(&self, own: StreamId, from: StreamId) -> Result<Operation> {
        if from.node != own.node || from.is_branch() || from == own {
            let message = format!(
                "account {}: a node recovers rights of its own former streams only, not of {from}",
                self.name()
            );
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        let stated = self.statement(own, from).filter(|stated| stated.amount > 0);
        let Some(Statement { amount, income, outgo }) = stated else {
            let message = format!("account {}: nothing is left in {from}", self.name());
            return Err(Error::new(ErrorKind::NotFound, message));
        };
        let action = Action::Recover { from: from.number, amount, income, outgo };
        Ok(self.change(own, action, None))
    }

    fn spend(&self, own: StreamId, amount: u64, in_flight: u64) -> Result<()> {
        check_amount(amount)?;
        let available = self.available(&own).saturating_sub(in_flight);
        if amount <= available {
            return Ok(());
        }
        let mut elsewhere = self.holdings();
        elsewhere.retain(|holding| holding.stream != own || holding.is_frozen);
        let former = elsewhere.iter().filter(|holding| holding.stream.node == own.node);
        let former = former.filter(|holding| holding.stream != own).map(|holding| holding.amount);
        let recoverable = former.fold(0, u64::saturating_add);
        let overdraft = Overdraft { wanted: amount, available, recoverable, elsewhere };
        Err(overdraft.into_error(self.name().as_str()))
    }

    fn change(&self, own: StreamId, action: Action, note: Option<Value>) -> Operation {
        Operation::Change(Change { account: self.id(), stream: own.number, action, note })
    }
}
