//! Accounts and claims as shells see them: one JSON object each, as of a point in history.

use crate::core;
use crate::entry::{entry, guard};
use crate::errors::{FacadeError, Result};
use crate::needs::{Needs, call_on_worker, rest};
use crate::node::{NodeHandle, NodeState};
use crate::offsets::Offsets;
use crate::operation::Done;
use crate::options::{ReadOptions, SubscribeOptions};
use crate::publish::refuse_cancelled;
use crate::reports::Report;
use crate::subscription::SubscriptionHandle;
use crate::wait::{Limit, Wait, deadline};
use crate::workers;
use millpond::ErrorKind;
use millpond::pond::Name;
use millpond::pond::claim::{claim_tag, doing_tag};
use millpond::pond::escrow::{AccountId, account_tag};
use millpond::query::{Query, TagExpression};
use std::time::Instant;

/// What is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Matter {
    /// The account that the name means, or exactly the one of this id.
    Account(Option<AccountId>),
    Claim,
    Doing,
}

impl Matter {
    pub(crate) fn account(id: Option<&str>) -> Result<Matter> {
        Ok(Matter::Account(id.map(|id| id.trim().parse()).transpose()?))
    }

    fn look(self, core: &core::Node, name: &str) -> Result<Report> {
        Ok(match self {
            Matter::Account(id) => {
                let named = core.account(name)?;
                let report = id.map_or(named.clone(), |id| named.with_id(id)).report()?;
                Report::of_account(report)
            }
            Matter::Claim => {
                let claim = core.claim(name)?;
                Report::of_claim(claim.what(), claim.report()?)
            }
            Matter::Doing => Report::of_doing(&Name::new(name)?, core.who_does(name)?),
        })
    }

    /// Selects the events that it follows from.
    pub(crate) fn query(self, name: &str) -> Result<Query> {
        let name = Name::new(name)?;
        let tag = |tag: millpond::event::Tag| TagExpression::tag(tag.as_str());
        let expression = match self {
            Matter::Account(_) => tag(account_tag(&name))?,
            Matter::Claim => tag(claim_tag(&name))?,
            Matter::Doing => tag(claim_tag(&name))?.or(tag(doing_tag(&name))?),
        };
        Ok(Query::new(expression)?)
    }

    /// The name of the entry, and of its work.
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Matter::Account(_) => ("node_account", "node_account_work"),
            Matter::Claim => ("node_claim", "node_claim_work"),
            Matter::Doing => ("node_who_does", "node_who_does_work"),
        }
    }
}

impl NodeHandle {
    /// The account called `name` as it is known here, or exactly the one of the id, as one JSON
    /// object: docs/escrow.md names every field.
    ///
    /// # Errors
    /// As [`NodeHandle::node_id`]; `not_found`: it is not known here. `not_yet_visible`: the log
    /// does not cover in time what the options name. `invalid_argument`, `limit_exceeded`: there
    /// can be no such name or id. `corrupt`, `storage_failed`, `timeout`, `cancelled`.
    pub fn account_json(
        self,
        name: &str,
        id: Option<&str>,
        options: ReadOptions,
        wait: &Wait<'_>,
    ) -> Result<String> {
        let matter = entry("node_account", self.id(), || Matter::account(id))?;
        self.look(matter, name, options, wait)
    }

    /// As [`NodeHandle::account_json`], without waiting.
    pub fn account_json_start(
        self,
        name: &str,
        id: Option<&str>,
        options: ReadOptions,
        limit: Limit,
        done: impl FnOnce(Result<String>) + Send + 'static,
    ) {
        match entry("node_account", self.id(), || Matter::account(id)) {
            Ok(matter) => self.look_start(matter, name, options, limit, Box::new(done)),
            Err(error) => done(Err(error)),
        }
    }

    /// The exclusive claim to `what` as it is known here, as one JSON object; one that was not
    /// created has no holder.
    ///
    /// # Errors
    /// As [`NodeHandle::account_json`], without `not_found`.
    pub fn claim_json(self, what: &str, options: ReadOptions, wait: &Wait<'_>) -> Result<String> {
        self.look(Matter::Claim, what, options, wait)
    }

    /// As [`NodeHandle::claim_json`], without waiting.
    pub fn claim_json_start(
        self,
        what: &str,
        options: ReadOptions,
        limit: Limit,
        done: impl FnOnce(Result<String>) + Send + 'static,
    ) {
        self.look_start(Matter::Claim, what, options, limit, Box::new(done));
    }

    /// Who does `what`, by an exclusive claim or by an optimistic one, as one JSON object. An older
    /// claim may still arrive: it says as of when it is right.
    ///
    /// # Errors
    /// As [`NodeHandle::claim_json`].
    pub fn who_does_json(
        self,
        what: &str,
        options: ReadOptions,
        wait: &Wait<'_>,
    ) -> Result<String> {
        self.look(Matter::Doing, what, options, wait)
    }

    /// As [`NodeHandle::who_does_json`], without waiting.
    pub fn who_does_json_start(
        self,
        what: &str,
        options: ReadOptions,
        limit: Limit,
        done: impl FnOnce(Result<String>) + Send + 'static,
    ) {
        self.look_start(Matter::Doing, what, options, limit, Box::new(done));
    }

    /// As [`NodeHandle::account_json`], once something was said of it beyond `known`, which is the
    /// `as_of` of the one before; at once for `None`.
    ///
    /// # Errors
    /// As there; `timeout`, `cancelled`: no change is lost.
    pub fn next_account_json(
        self,
        name: &str,
        id: Option<&str>,
        known: Option<&str>,
        wait: &Wait<'_>,
    ) -> Result<String> {
        let matter = entry("node_account", self.id(), || Matter::account(id))?;
        self.look_again(matter, name, known, wait)
    }

    /// As [`NodeHandle::next_account_json`], without waiting.
    pub fn next_account_json_start(
        self,
        name: &str,
        id: Option<&str>,
        known: Option<&str>,
        limit: Limit,
        done: impl FnOnce(Result<String>) + Send + 'static,
    ) {
        match entry("node_account", self.id(), || Matter::account(id)) {
            Ok(matter) => self.look_again_start(matter, name, known, limit, Box::new(done)),
            Err(error) => done(Err(error)),
        }
    }

    /// As [`NodeHandle::next_account_json`], of the exclusive claim to `what`.
    ///
    /// # Errors
    /// As there, and as [`NodeHandle::claim_json`].
    pub fn next_claim_json(
        self,
        what: &str,
        known: Option<&str>,
        wait: &Wait<'_>,
    ) -> Result<String> {
        self.look_again(Matter::Claim, what, known, wait)
    }

    /// As [`NodeHandle::next_claim_json`], without waiting.
    pub fn next_claim_json_start(
        self,
        what: &str,
        known: Option<&str>,
        limit: Limit,
        done: impl FnOnce(Result<String>) + Send + 'static,
    ) {
        self.look_again_start(Matter::Claim, what, known, limit, Box::new(done));
    }

    /// As [`NodeHandle::next_account_json`], of who does `what`.
    ///
    /// # Errors
    /// As there, and as [`NodeHandle::who_does_json`].
    pub fn next_who_does_json(
        self,
        what: &str,
        known: Option<&str>,
        wait: &Wait<'_>,
    ) -> Result<String> {
        self.look_again(Matter::Doing, what, known, wait)
    }

    /// As [`NodeHandle::next_who_does_json`], without waiting.
    pub fn next_who_does_json_start(
        self,
        what: &str,
        known: Option<&str>,
        limit: Limit,
        done: impl FnOnce(Result<String>) + Send + 'static,
    ) {
        self.look_again_start(Matter::Doing, what, known, limit, Box::new(done));
    }

    fn look(
        self,
        matter: Matter,
        name: &str,
        options: ReadOptions,
        wait: &Wait<'_>,
    ) -> Result<String> {
        let (noun, work) = matter.names();
        entry(noun, self.id(), || {
            refuse_cancelled(wait.limit)?;
            let needs = options.needs()?;
            let query = query_text(matter, name, &needs)?;
            let wait = self.covered(&needs, query.as_deref(), wait)?;
            let name = name.to_owned();
            let job = move || guard(work, self.id(), || self.found(matter, &name, &needs));
            workers::block(&wait, job, drop)
        })
    }

    fn look_start(
        self,
        matter: Matter,
        name: &str,
        options: ReadOptions,
        limit: Limit,
        done: Done<String>,
    ) {
        let (noun, _) = matter.names();
        let own = name.to_owned();
        let read = move |needs: Needs, limit, done: Done<String>| {
            let job = move || entry(noun, self.id(), || self.found(matter, &own, &needs));
            workers::start(limit, done, job, drop);
        };
        let asked = options.needs();
        let asked = asked.and_then(|needs| Ok((query_text(matter, name, &needs)?, needs)));
        let (query, needs) = match asked {
            Ok((query, needs)) => (query, Ok(needs)),
            Err(error) => (None, Err(error)),
        };
        self.covered_start(noun, needs, query.as_deref(), limit, done, read);
    }

    fn found(self, matter: Matter, name: &str, needs: &Needs) -> Result<String> {
        let node = NodeState::usable(self.id())?;
        Ok(matter.look(node.core(), name)?.told(needs))
    }

    fn look_again(
        self,
        matter: Matter,
        name: &str,
        known: Option<&str>,
        wait: &Wait<'_>,
    ) -> Result<String> {
        let Some(known) = known else {
            return self.look(matter, name, ReadOptions::default(), wait);
        };
        let (noun, _) = matter.names();
        entry(noun, self.id(), || {
            let end = deadline(wait.limit.timeout);
            let left = || Wait { limit: rest(wait.limit, end), ..*wait };
            let news = self.news(matter, name, known)?;
            let heard = loop {
                match news.next_batch(Some(1), &left()) {
                    Ok(batch) if batch.is_end() => break Err(closed()),
                    Ok(batch) if batch.is_empty() => {}
                    other => break other.map(drop),
                }
            };
            news.close()?;
            heard?;
            self.look(matter, name, ReadOptions::default(), &left())
        })
    }

    fn look_again_start(
        self,
        matter: Matter,
        name: &str,
        known: Option<&str>,
        limit: Limit,
        done: Done<String>,
    ) {
        let Some(known) = known else {
            return self.look_start(matter, name, ReadOptions::default(), limit, done);
        };
        let ((noun, _), end) = (matter.names(), deadline(limit.timeout));
        let (name, known) = (name.to_owned(), known.to_owned());
        call_on_worker(limit, done, move |done| {
            match entry(noun, self.id(), || self.news(matter, &name, &known)) {
                Ok(news) => self.listen(Listening { news, matter, name, end, limit }, done),
                Err(error) => done(Err(error)),
            }
        });
    }

    fn listen(self, own: Listening, done: Done<String>) {
        let limit = rest(own.limit, own.end);
        own.news.next_batch_start(Some(1), limit, move |heard| match heard {
            Ok(batch) if !batch.is_end() && batch.is_empty() => self.listen(own, done),
            other => {
                let _ = own.news.close();
                match other {
                    Ok(batch) if batch.is_end() => done(Err(closed())),
                    Ok(_) => {
                        let (options, limit) = (ReadOptions::default(), rest(own.limit, own.end));
                        self.look_start(own.matter, &own.name, options, limit, done);
                    }
                    Err(error) => done(Err(error)),
                }
            }
        });
    }

    /// What is said of it beyond `known`.
    fn news(self, matter: Matter, name: &str, known: &str) -> Result<SubscriptionHandle> {
        let from = Some(Offsets::parse(known)?.into());
        let options = SubscribeOptions { from, ..SubscribeOptions::default() };
        self.follow(&matter.query(name)?.to_string(), &options, Needs::default())
    }
}

/// Waiting for news.
struct Listening {
    news: SubscriptionHandle,
    matter: Matter,
    name: String,
    end: Option<Instant>,
    limit: Limit,
}

fn closed() -> FacadeError {
    FacadeError::new(ErrorKind::Closed, "the node is closed")
}

/// What must be there before it is looked at; nothing where nothing is needed.
fn query_text(matter: Matter, name: &str, needs: &Needs) -> Result<Option<String>> {
    match needs.are_said() {
        true => Ok(Some(matter.query(name)?.to_string())),
        false => Ok(None),
    }
}
