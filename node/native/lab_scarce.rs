//! Accounts and claims of a lab, and disks that are restored.

use crate::answer::JsPublished;
use crate::coordination::{JsAccount, JsDeed, policy};
use crate::failure::thrown;
use crate::lab::{Lab, index};
use crate::options::{JsDeedOptions, JsReadOptions};
use millpond_facade as facade;
use napi::bindgen_prelude::Env;
use napi_derive::napi;

/// What was on the disk of a node of a lab.
#[napi]
pub struct LabBackup {
    inner: facade::LabBackup,
}

/// A claim that has lost.
#[napi(object, object_from_js = false)]
pub struct JsLabLoss {
    /// Index of the node.
    pub node: i64,
    /// Key of the event that said so.
    pub key: String,
}

#[napi]
impl Lab {
    /// Does something with an account or a claim.
    #[napi(catch_unwind)]
    pub fn act(
        &self,
        env: Env,
        node: i64,
        deed: JsDeed,
        options: JsDeedOptions,
    ) -> napi::Result<JsPublished> {
        let done = deed
            .to_deed()
            .and_then(|deed| self.inner.act(index(node)?, deed, options.to_options()?));
        thrown(&env, done).map(JsPublished::from)
    }

    /// Answers requests for rights while time passes, or not any more.
    #[napi(catch_unwind)]
    pub fn answer_requests(
        &self,
        env: Env,
        node: i64,
        name: String,
        is_wanted: bool,
        reserve: Option<i64>,
    ) -> napi::Result<()> {
        let answering = policy(is_wanted, reserve)
            .and_then(|policy| self.inner.answer_requests(index(node)?, &name, policy));
        thrown(&env, answering)
    }

    /// Hands a claim over while time passes, or not any more.
    #[napi(catch_unwind)]
    pub fn hand_over_when_asked(
        &self,
        env: Env,
        node: i64,
        what: String,
        is_wanted: bool,
    ) -> napi::Result<()> {
        let handed =
            index(node).and_then(|node| self.inner.hand_over_when_asked(node, &what, is_wanted));
        thrown(&env, handed)
    }

    /// How an account stands, as JSON text.
    #[napi(catch_unwind)]
    pub fn account_report(
        &self,
        env: Env,
        node: i64,
        account: JsAccount,
        options: JsReadOptions,
    ) -> napi::Result<String> {
        let JsAccount { name, id } = account;
        let report = index(node).and_then(|node| {
            self.inner.account_json(node, &name, id.as_deref(), options.to_options()?)
        });
        thrown(&env, report)
    }

    /// How a claim stands, as JSON text.
    #[napi(catch_unwind)]
    pub fn claim_report(
        &self,
        env: Env,
        node: i64,
        what: String,
        options: JsReadOptions,
    ) -> napi::Result<String> {
        let report =
            index(node).and_then(|node| self.inner.claim_json(node, &what, options.to_options()?));
        thrown(&env, report)
    }

    /// Who does something, as JSON text.
    #[napi(catch_unwind)]
    pub fn who_does(
        &self,
        env: Env,
        node: i64,
        what: String,
        options: JsReadOptions,
    ) -> napi::Result<String> {
        let report = index(node)
            .and_then(|node| self.inner.who_does_json(node, &what, options.to_options()?));
        thrown(&env, report)
    }

    /// Says that a node does something; the key of the event that says so.
    #[napi(catch_unwind)]
    pub fn do_optimistically(
        &self,
        env: Env,
        node: i64,
        deed: JsDeed,
        options: JsReadOptions,
    ) -> napi::Result<String> {
        let said = index(node).and_then(|node| {
            self.inner.do_optimistically(node, &deed.name, deed.note(), options.to_options()?)
        });
        thrown(&env, said)
    }

    /// The key of the claim of a node that stands.
    #[napi(catch_unwind)]
    pub fn own_doing(&self, env: Env, node: i64, what: String) -> napi::Result<Option<String>> {
        thrown(&env, index(node).and_then(|node| self.inner.own_doing(node, &what)))
    }

    /// How a claim stands, as JSON text.
    #[napi(catch_unwind)]
    pub fn standing(&self, env: Env, node: i64, what: String, key: String) -> napi::Result<String> {
        let standing = index(node).and_then(|node| self.inner.standing(node, &what, &key));
        Ok(thrown(&env, standing)?.json())
    }

    /// Has the loss of a claim told.
    #[napi(catch_unwind)]
    pub fn tell_loss(&self, env: Env, node: i64, what: String, key: String) -> napi::Result<()> {
        thrown(&env, index(node).and_then(|node| self.inner.tell_loss(node, &what, &key)))
    }

    /// The next claim that has lost.
    #[napi(catch_unwind)]
    pub fn next_loss(&self, env: Env) -> napi::Result<Option<JsLabLoss>> {
        let loss = thrown(&env, self.inner.next_loss())?;
        Ok(loss.map(|loss| JsLabLoss { node: loss.node as i64, key: loss.key }))
    }

    /// Copies the disk of a node.
    #[napi(catch_unwind)]
    pub fn back_up(&self, env: Env, node: i64) -> napi::Result<LabBackup> {
        let inner = index(node).and_then(|node| self.inner.back_up(node));
        Ok(LabBackup { inner: thrown(&env, inner)? })
    }

    /// Puts a copy of its disk back.
    #[napi(catch_unwind)]
    pub fn restore(&self, env: Env, node: i64, backup: &LabBackup) -> napi::Result<()> {
        let restored = index(node).and_then(|node| self.inner.restore(node, &backup.inner));
        thrown(&env, restored)
    }

    /// Judges accounts and claims.
    #[napi(catch_unwind)]
    pub fn check_scarce(&self, env: Env) -> napi::Result<()> {
        thrown(&env, self.inner.check_scarce())
    }
}
