//! Requests of other nodes, answered by a thread for as long as a policy says how.
//!
//! Not here: what is to be given, and when (`pond::desk`).
// The thread is this file's, and it reads how long nothing has come for a request.
#![allow(clippy::disallowed_methods)]

use crate::driver::coordination::{AccountDesk, ClaimDesk, Desk};
use crate::driver::decider::lock;
use crate::driver::registry::Shared;
use crate::error::{Error, ErrorKind, Result};
use crate::event::AppId;
use crate::log::Follower;
use crate::pond::desk::{Answering, Ground, Look, OpenSince, ROUND};
use crate::pond::escrow::GrantPolicy;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How requests are answered, if at all.
#[derive(Default)]
pub(crate) struct Answers(Arc<Counter>);

/// Where the thread waits.
#[derive(Default)]
struct Counter {
    wish: Mutex<Wish>,
    bell: Condvar,
}

#[derive(Default)]
struct Wish {
    policy: Option<GrantPolicy>,
    is_running: bool,
    /// Something may have come, or another policy, since the thread looked.
    is_rung: bool,
}

impl AccountDesk {
    /// Answers as `policy` says from now on.
    ///
    /// # Errors
    /// `closed`, `forked_process`; `internal`: the system gives no thread.
    pub(crate) fn answer(
        self: &Arc<AccountDesk>,
        shared: &Arc<Shared>,
        app_id: &AppId,
        policy: Option<GrantPolicy>,
    ) -> Result<()> {
        begin(self, shared, app_id, policy)
    }
}

impl ClaimDesk {
    /// Hands the claim to whoever asks for it from now on, or keeps it.
    ///
    /// # Errors
    /// As [`AccountDesk::answer`].
    pub(crate) fn hand_over(
        self: &Arc<ClaimDesk>,
        shared: &Arc<Shared>,
        app_id: &AppId,
        wanted: bool,
    ) -> Result<()> {
        begin(self, shared, app_id, wanted.then(GrantPolicy::default))
    }
}

fn begin<F: Answering + Send + 'static>(
    desk: &Arc<Desk<F>>,
    shared: &Arc<Shared>,
    app_id: &AppId,
    policy: Option<GrantPolicy>,
) -> Result<()> {
    let log = &shared.log;
    let news = log.subscribe(&desk.decider().query(), (*log.durable_map()?).clone())?;
    let counter = desk.answers().0.clone();
    let mut wish = lock(&counter.wish);
    wish.policy = policy;
    wish.is_rung = true;
    counter.bell.notify_all();
    if policy.is_none() || wish.is_running {
        return Ok(());
    }
    let ringing = counter.clone();
    let (desk, shared, app_id) = (desk.clone(), shared.clone(), app_id.clone());
    let answer = move || {
        news.on_ready(Arc::new(move || ringing.ring()));
        answer_while_wanted(&desk, &shared, &app_id, news);
    };
    let spawned = thread::Builder::new().name("millpond-answers".into()).spawn(answer);
    wish.is_running = spawned.is_ok();
    spawned.map(drop).map_err(|error| {
        Error::new(ErrorKind::Internal, format!("the system gives no thread: {error}"))
    })
}

impl Counter {
    /// There may be more to look at.
    fn ring(&self) {
        lock(&self.wish).is_rung = true;
        self.bell.notify_all();
    }

    /// The policy; none when nobody wants answers any more, and then the thread has ended. What
    /// rings from here on ends the next wait.
    fn wanted(&self) -> Option<GrantPolicy> {
        let mut wish = lock(&self.wish);
        wish.is_rung = false;
        wish.is_running = wish.policy.is_some();
        wish.policy
    }

    /// Waits until it rings, or for `timeout`.
    fn wait(&self, timeout: Option<Duration>) {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        let mut wish = lock(&self.wish);
        while !wish.is_rung {
            wish = match deadline {
                None => self.bell.wait(wish).unwrap_or_else(PoisonError::into_inner),
                Some(at) => {
                    let left = at.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return;
                    }
                    let woken = self.bell.wait_timeout(wish, left);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn stop(&self) {
        lock(&self.wish).is_running = false;
    }
}

fn answer_while_wanted<F: Answering>(
    desk: &Arc<Desk<F>>,
    shared: &Shared,
    app_id: &AppId,
    mut news: Follower,
) {
    let counter = &desk.answers().0;
    let (mut open_since, mut looked) = (OpenSince::default(), None);
    while let Some(policy) = counter.wanted() {
        // Of other events nothing becomes due; time passes in rounds.
        let answered = has_come(&mut news).and_then(|has_come| match looked {
            Some((of, false)) if of == policy && !has_come => Ok(false),
            _ => answer_once(desk, shared, app_id, policy, &mut open_since),
        });
        looked = answered.as_ref().ok().map(|is_turn_ahead| (policy, *is_turn_ahead));
        let timeout = match answered {
            Ok(is_turn_ahead) => is_turn_ahead.then_some(ROUND),
            Err(error) if error.kind() == ErrorKind::Closed => return counter.stop(),
            Err(error) => {
                tracing::warn!(%error, name = %desk.name(), "requests could not be answered");
                Some(ROUND)
            }
        };
        counter.wait(timeout);
    }
}

/// Whether events of the account came.
fn has_come(news: &mut Follower) -> Result<bool> {
    let mut has_come = false;
    while !news.next_batch(1024)?.events.is_empty() {
        has_come = true;
    }
    Ok(has_come)
}

/// Gives what is due. True when more may be due in the next round.
fn answer_once<F: Answering>(
    desk: &Desk<F>,
    shared: &Shared,
    app_id: &AppId,
    policy: GrantPolicy,
    open_since: &mut OpenSince,
) -> Result<bool> {
    let now = Instant::now();
    loop {
        let look = |ground: &Ground<'_, F>| open_since.look(ground, policy, now);
        let Look { is_due, is_turn_ahead } = desk.decider().read(&shared.log, look)?;
        if !is_due {
            return Ok(is_turn_ahead);
        }
        let give = |ground: &Ground<'_, F>| open_since.give(ground, policy, now);
        match desk.decider().decide(&shared.log, app_id, None, give).wait() {
            Err(error) if error.reason() != Some("nothing_due") => return Err(error),
            _ => {}
        }
    }
}
