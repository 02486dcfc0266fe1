//! Sessions: who reads and writes in turns, at one node or several, and must never go back in time.

use crate::close::Closed;
use crate::core::CausalSession;
use crate::entry::entry;
use crate::errors::Result;
use crate::handles::handle;
use crate::offsets::Offsets;
use crate::registry;
use std::sync::Arc;

handle! {
    /// A session: what its owner has written and read so far. Calls that name it in their options
    /// read and write after that, and add to it what they gave. It belongs to no node.
    SessionHandle
}

/// What a session handle stands for.
pub(crate) struct SessionState(CausalSession);

impl SessionState {
    /// What it has seen.
    pub(crate) fn token(&self) -> millpond::event::OffsetMap {
        self.0.token()
    }

    /// Has seen this, too.
    pub(crate) fn sees(&self, seen: &millpond::event::OffsetMap) {
        self.0.sees(seen);
    }
}

impl SessionHandle {
    /// A session that has seen nothing. End it with [`SessionHandle::close`].
    ///
    /// # Errors
    /// `limit_exceeded`: too many handles are open.
    #[allow(clippy::new_ret_no_self)] // It may fail.
    pub fn new() -> Result<SessionHandle> {
        entry("session_new", 0, || {
            let state = SessionState(CausalSession::new(None));
            registry::insert(Arc::new(state)).map(SessionHandle)
        })
    }

    /// What it has seen: take it along to another node, in whatever language.
    ///
    /// # Errors
    /// `closed`, `invalid_argument`: it is not an open session.
    pub fn token(self) -> Result<Offsets> {
        entry("session_token", 0, || Ok(self.state()?.token().into()))
    }

    /// Has seen this, too: a token from elsewhere.
    ///
    /// # Errors
    /// As [`SessionHandle::token`].
    pub fn sees(self, token: &Offsets) -> Result<()> {
        entry("session_sees", 0, || {
            self.state()?.sees(token.map());
            Ok(())
        })
    }

    /// Ends it. What was opened with it still adds to it, which nobody sees.
    ///
    /// # Errors
    /// `invalid_argument`: it never was a session.
    pub fn close(self) -> Result<Closed> {
        entry("session_close", 0, || {
            Ok(Closed::from_removed(registry::remove::<SessionState>(self.id())?.is_some()))
        })
    }

    pub(crate) fn state(self) -> Result<Arc<SessionState>> {
        registry::get::<SessionState>(self.id())
    }
}
