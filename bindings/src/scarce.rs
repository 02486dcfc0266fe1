//! Calls of accounts, of claims, and of who does what.

use crate::answer::Completion;
use crate::bridge::Bridge;
use crate::deed::Deed;
use crate::options::{DeedOptions, ReadOptions};
use millpond_facade::{Bytes, DoingHandle, NodeHandle};

#[uniffi::export]
impl Bridge {
    /// Does something with an account or a claim.
    pub fn act(
        &self,
        ticket: u64,
        node: u64,
        deed: Deed,
        options: DeedOptions,
        limit_ms: Option<u64>,
    ) -> Option<Completion> {
        self.start("bridge_act", ticket, limit_ms, |limit, done| {
            let options = options.to_facade()?;
            NodeHandle::from_id(node).act_start(deed.into_facade(), options, limit, done);
            Ok(())
        })
    }

    /// How an account stands, as JSON text.
    pub fn account(
        &self,
        ticket: u64,
        node: u64,
        name: String,
        id: Option<String>,
        options: ReadOptions,
        limit_ms: Option<u64>,
    ) -> Option<Completion> {
        self.start("bridge_account", ticket, limit_ms, |limit, done| {
            let options = options.to_facade()?;
            NodeHandle::from_id(node).account_json_start(
                &name,
                id.as_deref(),
                options,
                limit,
                done,
            );
            Ok(())
        })
    }

    /// The same, once events came that the token `known` does not count.
    pub fn next_account(
        &self,
        ticket: u64,
        node: u64,
        name: String,
        id: Option<String>,
        known: Option<String>,
        limit_ms: Option<u64>,
    ) -> Option<Completion> {
        self.start("bridge_next_account", ticket, limit_ms, |limit, done| {
            let (id, known) = (id.as_deref(), known.as_deref());
            NodeHandle::from_id(node).next_account_json_start(&name, id, known, limit, done);
            Ok(())
        })
    }

    /// How a claim stands, as JSON text.
    pub fn claim(
        &self,
        ticket: u64,
        node: u64,
        what: String,
        options: ReadOptions,
        limit_ms: Option<u64>,
    ) -> Option<Completion> {
        self.start("bridge_claim", ticket, limit_ms, |limit, done| {
            let options = options.to_facade()?;
            NodeHandle::from_id(node).claim_json_start(&what, options, limit, done);
            Ok(())
        })
    }

    /// The same, once events came that the token `known` does not count.
    pub fn next_claim(
        &self,
        ticket: u64,
        node: u64,
        what: String,
        known: Option<String>,
        limit_ms: Option<u64>,
    ) -> Option<Completion> {
        self.start("bridge_next_claim", ticket, limit_ms, |limit, done| {
            NodeHandle::from_id(node).next_claim_json_start(&what, known.as_deref(), limit, done);
            Ok(())
        })
    }

    /// Who does something, as JSON text.
    pub fn who_does(
        &self,
        ticket: u64,
        node: u64,
        what: String,
        options: ReadOptions,
        limit_ms: Option<u64>,
    ) -> Option<Completion> {
        self.start("bridge_who_does", ticket, limit_ms, |limit, done| {
            let options = options.to_facade()?;
            NodeHandle::from_id(node).who_does_json_start(&what, options, limit, done);
            Ok(())
        })
    }

    /// The same, once events came that the token `known` does not count.
    pub fn next_who_does(
        &self,
        ticket: u64,
        node: u64,
        what: String,
        known: Option<String>,
        limit_ms: Option<u64>,
    ) -> Option<Completion> {
        self.start("bridge_next_who_does", ticket, limit_ms, |limit, done| {
            NodeHandle::from_id(node).next_who_does_json_start(
                &what,
                known.as_deref(),
                limit,
                done,
            );
            Ok(())
        })
    }

    /// Says that this node does something; comes to the handle of that claim. The note is one CBOR
    /// value.
    pub fn do_optimistically(
        &self,
        ticket: u64,
        node: u64,
        what: String,
        note: Option<Vec<u8>>,
        options: ReadOptions,
        limit_ms: Option<u64>,
    ) -> Option<Completion> {
        self.start("bridge_do_optimistically", ticket, limit_ms, |limit, done| {
            let (note, options) = (note.map(Bytes::from), options.to_facade()?);
            NodeHandle::from_id(node).do_optimistically_start(&what, note, options, limit, done);
            Ok(())
        })
    }

    /// The claim of this node that stands, if one does.
    pub fn own_doing(
        &self,
        ticket: u64,
        node: u64,
        what: String,
        limit_ms: Option<u64>,
    ) -> Option<Completion> {
        self.start("bridge_own_doing", ticket, limit_ms, |limit, done| {
            NodeHandle::from_id(node).own_doing_start(&what, limit, done);
            Ok(())
        })
    }

    /// How a claim stands first, then each change.
    pub fn next_standing(
        &self,
        ticket: u64,
        doing: u64,
        limit_ms: Option<u64>,
    ) -> Option<Completion> {
        self.start("bridge_next_standing", ticket, limit_ms, |limit, done| {
            DoingHandle::from_id(doing).next_standing_start(limit, done);
            Ok(())
        })
    }

    /// How a claim stands once it has lost or is released, or the end.
    pub fn lost(&self, ticket: u64, doing: u64, limit_ms: Option<u64>) -> Option<Completion> {
        self.start("bridge_lost", ticket, limit_ms, |limit, done| {
            DoingHandle::from_id(doing).lost_start(limit, done);
            Ok(())
        })
    }
}
