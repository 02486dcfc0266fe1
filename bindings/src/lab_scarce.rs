//! Accounts and claims of a lab, and disks that are restored.

use crate::answer::Published;
use crate::deed::Deed;
use crate::failure::{Answer, call};
use crate::lab::Lab;
use crate::options::{DeedOptions, ReadOptions};
use millpond_facade::{self as facade, AnswerPolicy, Bytes};
use std::sync::Arc;

/// What was on the disk of a node of a lab.
#[derive(uniffi::Object)]
pub struct LabBackup {
    inner: facade::LabBackup,
}

/// A claim that has lost.
#[derive(Clone, Debug, uniffi::Record)]
pub struct LabLoss {
    /// Index of the node.
    pub node: u64,
    /// What it does not do.
    pub what: String,
    /// Key of the event that said so.
    pub key: String,
}

#[uniffi::export]
impl Lab {
    /// Does something with an account or a claim.
    pub fn act(&self, node: u64, deed: Deed, options: DeedOptions) -> Answer<Published> {
        call("bridge_lab_act", || {
            Ok(self.inner.act(node, deed.into_facade(), options.to_facade()?)?.into())
        })
    }

    /// Answers requests for rights while time passes, or not any more.
    pub fn answer_requests(
        &self,
        node: u64,
        name: String,
        is_wanted: bool,
        reserve: Option<u64>,
    ) -> Answer<()> {
        call("bridge_lab_answer_requests", || {
            let policy = is_wanted.then_some(AnswerPolicy { reserve });
            self.inner.answer_requests(node, &name, policy)
        })
    }

    /// Hands a claim over while time passes, or not any more.
    pub fn hand_over_when_asked(&self, node: u64, what: String, is_wanted: bool) -> Answer<()> {
        call("bridge_lab_hand_over_when_asked", || {
            self.inner.hand_over_when_asked(node, &what, is_wanted)
        })
    }

    /// How an account stands, as JSON text.
    pub fn account(
        &self,
        node: u64,
        name: String,
        id: Option<String>,
        options: ReadOptions,
    ) -> Answer<String> {
        call("bridge_lab_account", || {
            self.inner.account_json(node, &name, id.as_deref(), options.to_facade()?)
        })
    }

    /// How a claim stands, as JSON text.
    pub fn claim(&self, node: u64, what: String, options: ReadOptions) -> Answer<String> {
        call("bridge_lab_claim", || self.inner.claim_json(node, &what, options.to_facade()?))
    }

    /// Who does something, as JSON text.
    pub fn who_does(&self, node: u64, what: String, options: ReadOptions) -> Answer<String> {
        call("bridge_lab_who_does", || self.inner.who_does_json(node, &what, options.to_facade()?))
    }

    /// Says that a node does something; the key of the event that says so. The note is one CBOR
    /// value.
    pub fn do_optimistically(
        &self,
        node: u64,
        what: String,
        note: Option<Vec<u8>>,
        options: ReadOptions,
    ) -> Answer<String> {
        call("bridge_lab_do_optimistically", || {
            self.inner.do_optimistically(node, &what, note.map(Bytes::from), options.to_facade()?)
        })
    }

    /// The key of the claim of a node that stands.
    pub fn own_doing(&self, node: u64, what: String) -> Answer<Option<String>> {
        call("bridge_lab_own_doing", || self.inner.own_doing(node, &what))
    }

    /// How a claim stands, as JSON text.
    pub fn standing(&self, node: u64, what: String, key: String) -> Answer<String> {
        call("bridge_lab_standing", || Ok(self.inner.standing(node, &what, &key)?.json()))
    }

    /// Has the loss of a claim told.
    pub fn tell_loss(&self, node: u64, what: String, key: String) -> Answer<()> {
        call("bridge_lab_tell_loss", || self.inner.tell_loss(node, &what, &key))
    }

    /// The next claim that has lost.
    pub fn next_loss(&self) -> Answer<Option<LabLoss>> {
        call("bridge_lab_next_loss", || {
            let plain = |loss: facade::LabLoss| {
                let facade::LabLoss { node, what, key } = loss;
                LabLoss { node, what, key }
            };
            Ok(self.inner.next_loss()?.map(plain))
        })
    }

    /// Copies the disk of a node.
    pub fn back_up(&self, node: u64) -> Answer<Arc<LabBackup>> {
        call("bridge_lab_back_up", || Ok(Arc::new(LabBackup { inner: self.inner.back_up(node)? })))
    }

    /// Puts a copy of its disk back.
    pub fn restore(&self, node: u64, backup: &LabBackup) -> Answer<()> {
        call("bridge_lab_restore", || self.inner.restore(node, &backup.inner))
    }

    /// Judges accounts and claims.
    pub fn check_scarce(&self) -> Answer<()> {
        call("bridge_lab_check_scarce", || self.inner.check_scarce())
    }
}
