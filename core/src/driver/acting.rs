//! Deeds of all kinds at one door, for languages.

use crate::driver::node::Node;
use crate::log::Appended;
use crate::pending::Pending;
use crate::pond::desk::{Deed, Reading};

impl Node {
    /// Does something to an account or a claim, as the calls of [`Account`](crate::Account),
    /// [`Claim`](crate::Claim) and [`Node::release_doing`] do; with a key, 1 to 255 bytes, once, as
    /// [`Account::with_idempotency_key`](crate::Account::with_idempotency_key) says.
    ///
    /// # Errors
    /// In the answer. Those of the calls; `invalid_argument`, `limit_exceeded`: a name, an id or a
    /// note cannot be.
    pub fn act(&self, deed: Deed, idempotency_key: Option<&[u8]>) -> Pending<Appended> {
        let done = deed.read().and_then(|deed| match deed {
            Reading::Account { name, id, deed } => {
                let account = self.account(name.as_str())?;
                let account = id.map_or(account.clone(), |id| account.with_id(id));
                let once = idempotency_key.map(|key| account.with_idempotency_key(key));
                Ok(once.unwrap_or(account).act(deed))
            }
            Reading::Claim { what, deed } => {
                let claim = self.claim(what.as_str())?;
                let once = idempotency_key.map(|key| claim.with_idempotency_key(key));
                Ok(once.unwrap_or(claim).act(deed))
            }
            Reading::Doing { what, doing } => Ok(self.say(&what, &doing, idempotency_key)),
        });
        done.unwrap_or_else(|error| Pending::ready(Err(error)))
    }
}
