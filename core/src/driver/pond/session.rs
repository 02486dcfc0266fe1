//! Fish and effects in a session: each state is of all that its owner has seen, and is seen.
//!
//! Not here: what a session is (`causal_session`).

use crate::driver::CausalSession;
use crate::driver::node::Node;
use crate::driver::pond::all::{self, AllObserver};
use crate::driver::pond::effects::{RunOptions, Running, Wanted};
use crate::driver::pond::observer::{Observed, Observer};
use crate::driver::pond::one::{self, OneObserver};
use crate::error::Result;
use crate::event::EventView;
use crate::event::cbor::Value;
use crate::log::Appended;
use crate::pending::Pending;
use crate::pond::Fish;
use crate::pond::builtin::BuiltIn;
use crate::query::Query;

impl CausalSession {
    /// The state of `fish` at `node`, of all that the session has seen and that can match; and sees
    /// what it is the state of.
    ///
    /// # Errors
    /// In the answer, those of [`Node::state`].
    pub fn state<S: Send + 'static>(&self, node: &Node, fish: &Fish<S>) -> Pending<Observed<S>> {
        self.clone().seeing(node.state(fish, &self.after()))
    }

    /// As [`CausalSession::state`], of a fold that takes no code.
    ///
    /// # Errors
    /// In the answer, those of [`Node::state_of_builtin`].
    pub fn state_of_builtin(
        &self,
        node: &Node,
        query: &Query,
        fold: &BuiltIn,
    ) -> Pending<Observed<Value>> {
        self.clone().seeing(node.state_of_builtin(query, fold, &self.after()))
    }

    /// Observes `fish` at `node`: each state is of all that the session has seen by now and that
    /// can match, and the session sees it.
    ///
    /// # Errors
    /// As [`Node::observe`]; in the answer, those of [`Observer::after`].
    pub fn observe<S: Send + 'static>(
        &self,
        node: &Node,
        fish: &Fish<S>,
    ) -> Result<Pending<Observer<S>>> {
        Ok(node.observe(fish)?.within(self.into()).after(node, &self.after()))
    }

    /// As [`CausalSession::observe`], of a fold that takes no code.
    ///
    /// # Errors
    /// As [`Node::observe_builtin`]; in the answer, those of [`Observer::after`].
    pub fn observe_builtin(
        &self,
        node: &Node,
        query: &Query,
        fold: &BuiltIn,
    ) -> Result<Pending<Observer<Value>>> {
        let observer = node.observe_builtin(query, fold)?;
        Ok(observer.within(self.into()).after(node, &self.after()))
    }

    /// As [`Node::observe_all`], at a node that has what the session has seen: the first states are
    /// of all that, and the session sees each set of them.
    ///
    /// # Errors
    /// `not_yet_visible`, and those of [`Node::observe_all`].
    pub fn observe_all<S: Send + 'static>(
        &self,
        node: &Node,
        seeds: &Query,
        make_fish: impl FnMut(EventView<'_>) -> all::Made<S> + Send + 'static,
    ) -> Result<AllObserver<S>> {
        self.wait(node, None).wait()?;
        node.observe_all_within(seeds, make_fish, self.into())
    }

    /// As [`Node::observe_one`], at a node that has what the session has seen: the first state is
    /// of all that, and the session sees each.
    ///
    /// # Errors
    /// `not_yet_visible`, and those of [`Node::observe_one`].
    pub fn observe_one<S: Send + 'static>(
        &self,
        node: &Node,
        seed: &Query,
        make_fish: impl FnMut(EventView<'_>) -> one::Made<S> + Send + 'static,
    ) -> Result<OneObserver<S>> {
        self.wait(node, None).wait()?;
        node.observe_one_within(seed, make_fish, self.into())
    }

    /// As [`Node::run`], on a state of all that the session has seen; the session sees the state
    /// and what is published.
    ///
    /// # Errors
    /// As [`Node::run_with`].
    pub fn run<S: Send + 'static>(
        &self,
        node: &Node,
        fish: &Fish<S>,
        effect: impl FnOnce(&S) -> Wanted,
    ) -> Result<Option<Appended>> {
        self.run_with(node, fish, RunOptions::default(), effect)
    }

    /// As [`CausalSession::run`], as `options` say. The time that they give begins when the node
    /// has what the session has seen.
    ///
    /// # Errors
    /// As [`Node::run_with`]. `not_yet_visible` also when the session saw something while the
    /// effect ran that the node does not have: the effect ran, and nothing was published.
    pub fn run_with<S: Send + 'static>(
        &self,
        node: &Node,
        fish: &Fish<S>,
        options: RunOptions,
        effect: impl FnOnce(&S) -> Wanted,
    ) -> Result<Option<Appended>> {
        node.run_within(fish, options, effect, &self.into())
    }

    /// As [`Node::keep_running`]; each time on a state of all that the session has seen by then.
    /// The session sees the states and what is published.
    ///
    /// # Errors
    /// As [`Node::keep_running`]. It ends with `not_yet_visible` when the node does not have in the
    /// session's time what that has seen elsewhere.
    pub fn keep_running<S: Send + 'static>(
        &self,
        node: &Node,
        fish: &Fish<S>,
        effect: impl FnMut(&S) -> Wanted + Send + 'static,
        cancel_when: impl FnMut(&S) -> bool + Send + 'static,
    ) -> Result<Running> {
        node.keep_running_within(fish, effect, cancel_when, self.into())
    }

    fn seeing<S: Send + 'static>(self, answer: Pending<Observed<S>>) -> Pending<Observed<S>> {
        answer.then(move |observed| {
            if let Ok(observed) = &observed {
                self.sees(&observed.offsets);
            }
            Pending::ready(observed)
        })
    }
}
