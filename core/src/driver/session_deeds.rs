//! Accounts and claims in a session: decisions come after all that its owner has seen, and are
//! seen, as is what was looked at.
//!
//! Not here: what a session is (`causal_session`).

use crate::driver::CausalSession;
use crate::driver::account::Account;
use crate::driver::claim::Claim;
use crate::driver::doing::OwnDoing;
use crate::driver::node::Node;
use crate::error::Result;
use crate::event::cbor::Value;
use crate::log::Appended;
use crate::pending::Pending;
use crate::pond::desk::WhoDoes;

impl CausalSession {
    /// As [`Node::account`]: whatever is done by this handle or its clones waits until the node has
    /// what the session has seen by then, and ends with `not_yet_visible` when it does not in time.
    ///
    /// # Errors
    /// As [`Node::account`].
    pub fn account(&self, node: &Node, name: &str) -> Result<Account> {
        Ok(node.account(name)?.within(self.into()))
    }

    /// As [`Node::claim`]; waits as [`CausalSession::account`] says.
    ///
    /// # Errors
    /// As [`Node::claim`].
    pub fn claim(&self, node: &Node, what: &str) -> Result<Claim> {
        Ok(node.claim(what)?.within(self.into()))
    }

    /// Who does `what`, as far as is known at a node that has what the session has seen; and sees
    /// what that is the answer of.
    ///
    /// # Errors
    /// `not_yet_visible`, and those of [`Node::who_does`].
    pub fn who_does(&self, node: &Node, what: &str) -> Result<WhoDoes> {
        self.wait(node, None).wait()?;
        let answer = node.who_does(what)?;
        self.sees(&answer.as_of);
        Ok(answer)
    }

    /// As [`Node::do_optimistically`], after all that the session has seen. The session sees the
    /// claim, and how it stands whenever that is told.
    ///
    /// # Errors
    /// In the answer. `not_yet_visible`, and those of [`Node::do_optimistically`].
    pub fn do_optimistically(
        &self,
        node: &Node,
        what: &str,
        note: Option<Value>,
    ) -> Pending<OwnDoing> {
        if let Err(error) = self.wait(node, None).wait() {
            return Pending::ready(Err(error));
        }
        let session = self.clone();
        node.do_optimistically(what, note).map(move |doing| {
            session.sees(doing.token());
            Ok(doing.within((&session).into()))
        })
    }

    /// As [`Node::own_doing`], at a node that has what the session has seen. The session sees how
    /// it stands whenever that is told.
    ///
    /// # Errors
    /// `not_yet_visible`, and those of [`Node::own_doing`].
    pub fn own_doing(&self, node: &Node, what: &str) -> Result<Option<OwnDoing>> {
        self.wait(node, None).wait()?;
        let own = node.own_doing(what)?;
        if let Some(doing) = &own {
            self.sees(doing.token());
        }
        Ok(own.map(|doing| doing.within(self.into())))
    }

    /// As [`Node::release_doing`], after all that the session has seen, which sees it, too.
    ///
    /// # Errors
    /// In the answer. `not_yet_visible`, and those of [`Node::release_doing`].
    pub fn release_doing(&self, node: &Node, what: &str) -> Pending<Appended> {
        self.write(node, || node.release_doing(what))
    }
}
