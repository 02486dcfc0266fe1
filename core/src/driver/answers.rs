//! Requests of other nodes, answered by a thread for as long as a policy says how.
//!
//! Rule: what is given is decided again by the decision that gives it, so that nothing is given for
//! a request that was answered or withdrawn meanwhile, as far as is known here.
// The thread is this file's, and it reads how long nothing has come for a request.
#![allow(clippy::disallowed_methods)]

use crate::driver::coordination::{AccountDesk, ClaimDesk, Desk};
use crate::driver::decider::{Ground, lock};
use crate::driver::key_fold::Folded;
use crate::driver::registry::Shared;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{AppId, EventKey, Payload, StreamId};
use crate::log::Follower;
use crate::pond::claim::ClaimFold;
use crate::pond::escrow::{
    AccountFold, AccountId, AccountState, GrantPolicy, OpenRequest, PATIENCE_ROUNDS, Share,
};
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long the holder with most is given to answer before the next one does.
const ROUND: Duration = Duration::from_millis(500);

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

/// Since when nothing has come for a request of which so much is outstanding.
type OpenSince = BTreeMap<(EventKey, u64), Instant>;

/// What is to be given, and of which account.
pub(crate) struct Due {
    account: AccountId,
    share: Share,
}

/// What is folded knows who asks, and what to give.
pub(crate) trait Answering: Folded {
    /// Open requests, of whomever, and what `own` asked for last.
    fn requests(&self, own: &StreamId) -> Vec<OpenRequest>;
    /// After so many rounds all who hold something answer.
    fn rounds(&self) -> u32;
    /// What is to be given now.
    fn due(
        ground: &Ground<'_, Self>,
        policy: GrantPolicy,
        rounds: &dyn Fn(&OpenRequest) -> u32,
    ) -> Vec<Due>;
    /// The payload that gives it.
    fn give(ground: &Ground<'_, Self>, due: &Due) -> Result<Payload>;
}

impl Answering for AccountFold {
    fn requests(&self, own: &StreamId) -> Vec<OpenRequest> {
        let of = |account: &AccountState| {
            let mut requests = account.requests();
            requests.retain(|request| request.stream != *own);
            requests.extend(account.request_of(own).cloned());
            requests
        };
        self.accounts().flat_map(of).collect()
    }

    fn rounds(&self) -> u32 {
        let holders = self.accounts().map(|account| account.holdings().len()).max().unwrap_or(0);
        u32::try_from(holders).unwrap_or(u32::MAX)
    }

    fn due(
        ground: &Ground<'_, AccountFold>,
        policy: GrantPolicy,
        rounds: &dyn Fn(&OpenRequest) -> u32,
    ) -> Vec<Due> {
        let of = |state: &AccountState| {
            let shares = policy.grants_due(state, ground.own, ground.in_flight, rounds);
            let account = state.id();
            shares.into_iter().map(move |share| Due { account, share })
        };
        ground.state.accounts().flat_map(of).collect()
    }

    fn give(ground: &Ground<'_, AccountFold>, due: &Due) -> Result<Payload> {
        let account = ground.state.get(&due.account).ok_or_else(nothing_due)?;
        let Share { stream, amount } = due.share;
        account.grant(ground.own, stream, amount, ground.in_flight)?.to_payload()
    }
}

impl Answering for ClaimFold {
    fn requests(&self, own: &StreamId) -> Vec<OpenRequest> {
        let Some(claim) = self.first() else { return Vec::new() };
        let mut requests = claim.requests();
        requests.retain(|request| request.stream != *own);
        requests.extend(claim.request_of(own).cloned());
        requests
    }

    /// There is one holder, who answers at once.
    fn rounds(&self) -> u32 {
        0
    }

    fn due(
        ground: &Ground<'_, ClaimFold>,
        _policy: GrantPolicy,
        rounds: &dyn Fn(&OpenRequest) -> u32,
    ) -> Vec<Due> {
        let Some(claim) = ground.state.first() else { return Vec::new() };
        let to = claim.due(ground.own, ground.in_flight, rounds);
        let account = claim.id();
        to.map(|stream| Due { account, share: Share { stream, amount: 1 } }).into_iter().collect()
    }

    fn give(ground: &Ground<'_, ClaimFold>, due: &Due) -> Result<Payload> {
        let claim = ground.state.first().ok_or_else(nothing_due)?;
        claim.transfer(ground.own, due.share.stream, ground.in_flight)?.to_payload()
    }
}

/// Nobody sees it: it ends an answer.
fn nothing_due() -> Error {
    Error::new(ErrorKind::NotFound, "nothing is due any more").with_reason("nothing_due")
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
    let (mut open_since, mut looked) = (OpenSince::new(), None);
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
    let since = |request: &OpenRequest| (request.key, request.outstanding);
    loop {
        let (is_due, is_turn_ahead) = desk.decider().read(&shared.log, |ground| {
            let requests = ground.state.requests(&ground.own);
            let open: BTreeMap<_, _> = requests.iter().map(|own| (since(own), now)).collect();
            open_since.retain(|request, _| open.contains_key(request));
            open.into_iter().for_each(|(request, now)| {
                open_since.entry(request).or_insert(now);
            });
            let rounds = |request: &OpenRequest| rounds(open_since, since(request), now);
            let is_own = |request: &OpenRequest| request.stream == ground.own;
            let last = ground.state.rounds();
            let is_ahead = |request: &OpenRequest| match is_own(request) {
                true => rounds(request) < PATIENCE_ROUNDS,
                false => rounds(request) < last,
            };
            let has_others = requests.iter().any(|request| !is_own(request));
            let is_turn_ahead = has_others && requests.iter().any(is_ahead);
            (!F::due(ground, policy, &rounds).is_empty(), is_turn_ahead)
        })?;
        if !is_due {
            return Ok(is_turn_ahead);
        }
        let give = |ground: &Ground<'_, F>| {
            let rounds = |request: &OpenRequest| rounds(open_since, since(request), now);
            let due = F::due(ground, policy, &rounds).into_iter().next().ok_or_else(nothing_due)?;
            Ok((F::give(ground, &due)?, due.share.amount))
        };
        match desk.decider().decide(&shared.log, app_id, None, give).wait() {
            Err(error) if error.reason() != Some("nothing_due") => return Err(error),
            _ => {}
        }
    }
}

/// For so many rounds nothing has come for the request.
fn rounds(open_since: &OpenSince, request: (EventKey, u64), now: Instant) -> u32 {
    let since = open_since.get(&request).copied().unwrap_or(now);
    let open = now.saturating_duration_since(since);
    u32::try_from(open.as_millis() / ROUND.as_millis()).unwrap_or(u32::MAX)
}
