//! Calls of fish: observing them, working their folds, acting on their states.

use crate::answer::Completion;
use crate::bridge::Bridge;
use crate::fish::{FishSpec, GroupAnswer, JobAnswer};
use crate::options::{PublishOptions, ReadOptions, of_session};
use millpond_facade::{
    FoldHandle, GroupHandle, NodeHandle, ObserverHandle, TurnHandle, TurnKind, drafts_from_packed,
};

#[uniffi::export]
impl Bridge {
    /// Observes a fish; comes to an observer's handle, and maybe a fold to work.
    pub fn observe(
        &self,
        ticket: u64,
        node: u64,
        fish: FishSpec,
        options: ReadOptions,
        limit_ms: Option<u64>,
    ) -> Option<Completion> {
        self.start("bridge_observe", ticket, limit_ms, |limit, done| {
            let options = options.to_facade()?;
            NodeHandle::from_id(node).observe_start(fish.into(), options, limit, done);
            Ok(())
        })
    }

    /// The state of a fold that takes no code, once.
    pub fn state(
        &self,
        ticket: u64,
        node: u64,
        fish: FishSpec,
        options: ReadOptions,
        limit_ms: Option<u64>,
    ) -> Option<Completion> {
        self.start("bridge_state", ticket, limit_ms, |limit, done| {
            let options = options.to_facade()?;
            NodeHandle::from_id(node).state_start(fish.into(), options, limit, done);
            Ok(())
        })
    }

    /// A state that this observer was not given yet.
    pub fn next_state(
        &self,
        ticket: u64,
        observer: u64,
        limit_ms: Option<u64>,
    ) -> Option<Completion> {
        self.start("bridge_next_state", ticket, limit_ms, |limit, done| {
            ObserverHandle::from_id(observer).next_state_start(limit, done);
            Ok(())
        })
    }

    /// The state of all that is durable now, given before or not.
    pub fn observer_state(
        &self,
        ticket: u64,
        observer: u64,
        limit_ms: Option<u64>,
    ) -> Option<Completion> {
        self.start("bridge_observer_state", ticket, limit_ms, |limit, done| {
            ObserverHandle::from_id(observer).state_start(limit, done);
            Ok(())
        })
    }

    /// The right to act on a state; comes to its handle. With `is_new` only on one that differs
    /// from that of the turn before.
    pub fn turn(
        &self,
        ticket: u64,
        observer: u64,
        is_new: bool,
        session: Option<u64>,
        limit_ms: Option<u64>,
    ) -> Option<Completion> {
        self.start("bridge_turn", ticket, limit_ms, |limit, done| {
            let kind = if is_new { TurnKind::New } else { TurnKind::Any };
            let session = of_session(session);
            ObserverHandle::from_id(observer).turn_start(kind, session, limit, done);
            Ok(())
        })
    }

    /// Publishes on the state of a turn, and ends it; `drafts` as for [`Bridge::publish`].
    pub fn turn_publish(
        &self,
        ticket: u64,
        turn: u64,
        drafts: Vec<u8>,
        options: PublishOptions,
        limit_ms: Option<u64>,
    ) -> Option<Completion> {
        self.start("bridge_turn_publish", ticket, limit_ms, |limit, done| {
            let drafts = drafts_from_packed(&drafts)?;
            TurnHandle::from_id(turn).publish_start(drafts, options.into(), limit, done);
            Ok(())
        })
    }

    /// Answers the last job of a fold and takes the next one.
    pub fn next_job(
        &self,
        ticket: u64,
        fold: u64,
        answer: Option<JobAnswer>,
        limit_ms: Option<u64>,
    ) -> Option<Completion> {
        self.start("bridge_next_job", ticket, limit_ms, |limit, done| {
            let answer = answer.map(JobAnswer::into_facade).transpose()?;
            FoldHandle::from_id(fold).next_job_start(answer, limit, done);
            Ok(())
        })
    }

    /// Observes a fish for each seed, or only for the first; comes to a group's handle.
    pub fn observe_group(
        &self,
        ticket: u64,
        node: u64,
        seeds: String,
        only_first: bool,
        options: ReadOptions,
        limit_ms: Option<u64>,
    ) -> Option<Completion> {
        self.start("bridge_observe_group", ticket, limit_ms, |limit, done| {
            let options = options.to_facade()?;
            NodeHandle::from_id(node).observe_group_start(&seeds, only_first, options, limit, done);
            Ok(())
        })
    }

    /// Answers the last seeds of a group, if they were the last step, and takes the next step.
    pub fn next_step(
        &self,
        ticket: u64,
        group: u64,
        answer: Option<GroupAnswer>,
        limit_ms: Option<u64>,
    ) -> Option<Completion> {
        self.start("bridge_next_step", ticket, limit_ms, |limit, done| {
            GroupHandle::from_id(group).next_step_start(answer.map(Into::into), limit, done);
            Ok(())
        })
    }
}
