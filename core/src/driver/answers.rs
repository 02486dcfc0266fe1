//! Requests of other nodes, answered by a thread for as long as a policy says how.
// The thread is this file's, and it reads how long a request has been open.
#![allow(clippy::disallowed_methods)]

use crate::driver::coordination::{AccountDesk, ClaimDesk, Desk};
use crate::driver::decider::{Ground, lock};
use crate::driver::key_fold::Folded;
use crate::driver::registry::Shared;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{AppId, EventKey, Payload, StreamId};
use crate::log::Follower;
use crate::pond::claim::ClaimFold;
use crate::pond::escrow::{AccountFold, GrantPolicy, OpenRequest, Share};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How long the holder with most is given to answer before the next one does.
const ROUND: Duration = Duration::from_millis(500);

/// How requests are answered, if at all.
#[derive(Default)]
pub(crate) struct Answers(Mutex<Wish>);

#[derive(Default)]
struct Wish {
    policy: Option<GrantPolicy>,
    is_running: bool,
}

/// What is folded knows who asks, and what to give.
pub(crate) trait Answering: Folded {
    /// Open requests, of whomever.
    fn requests(&self) -> Vec<OpenRequest>;
    /// From this round on time alone changes nothing any more.
    fn rounds(&self) -> u32;
    /// What is to be given now.
    fn due(
        ground: &Ground<'_, Self>,
        policy: GrantPolicy,
        rounds: &dyn Fn(&OpenRequest) -> u32,
    ) -> Vec<Share>;
    /// The payload that gives it.
    fn give(ground: &Ground<'_, Self>, share: &Share) -> Result<Payload>;
}

impl Answering for AccountFold {
    fn requests(&self) -> Vec<OpenRequest> {
        self.first().map_or_else(Vec::new, |account| account.requests())
    }

    fn rounds(&self) -> u32 {
        let holders = self.first().map_or(0, |account| account.holdings().len());
        u32::try_from(holders).unwrap_or(u32::MAX)
    }

    fn due(
        ground: &Ground<'_, AccountFold>,
        policy: GrantPolicy,
        rounds: &dyn Fn(&OpenRequest) -> u32,
    ) -> Vec<Share> {
        let Some(account) = ground.state.first() else { return Vec::new() };
        policy.grants_due(account, ground.own, ground.in_flight, rounds)
    }

    fn give(ground: &Ground<'_, AccountFold>, share: &Share) -> Result<Payload> {
        let account = ground.state.first().ok_or_else(|| gone(&share.stream))?;
        account.grant(ground.own, share.stream, share.amount, ground.in_flight)?.to_payload()
    }
}

impl Answering for ClaimFold {
    fn requests(&self) -> Vec<OpenRequest> {
        self.first().map_or_else(Vec::new, |claim| claim.requests())
    }

    /// There is one holder, who answers at once.
    fn rounds(&self) -> u32 {
        0
    }

    fn due(
        ground: &Ground<'_, ClaimFold>,
        _policy: GrantPolicy,
        _rounds: &dyn Fn(&OpenRequest) -> u32,
    ) -> Vec<Share> {
        let Some(claim) = ground.state.first() else { return Vec::new() };
        let to = claim.due(ground.own, ground.in_flight);
        to.map(|stream| Share { stream, amount: 1 }).into_iter().collect()
    }

    fn give(ground: &Ground<'_, ClaimFold>, share: &Share) -> Result<Payload> {
        let claim = ground.state.first().ok_or_else(|| gone(&share.stream))?;
        claim.transfer(ground.own, share.stream, ground.in_flight)?.to_payload()
    }
}

fn gone(stream: &StreamId) -> Error {
    Error::new(ErrorKind::NotFound, format!("what {stream} asked for is not known any more"))
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
    let mut wish = lock(&desk.answers().0);
    wish.policy = policy;
    if policy.is_none() || wish.is_running {
        return Ok(());
    }
    let (desk, shared, app_id) = (desk.clone(), shared.clone(), app_id.clone());
    let answer = move || answer_while_wanted(&desk, &shared, &app_id, news);
    let spawned = thread::Builder::new().name("millpond-answers".into()).spawn(answer);
    wish.is_running = spawned.is_ok();
    spawned.map(drop).map_err(|error| {
        Error::new(ErrorKind::Internal, format!("the system gives no thread: {error}"))
    })
}

fn answer_while_wanted<F: Answering>(
    desk: &Arc<Desk<F>>,
    shared: &Shared,
    app_id: &AppId,
    mut news: Follower,
) {
    let mut open_since = BTreeMap::new();
    loop {
        let Some(policy) = wanted(desk) else { return };
        // What comes from here on is seen by the answer or ends the wait.
        let waited = drain(&mut news)
            .and_then(|()| answer_once(desk, shared, app_id, policy, &mut open_since))
            .and_then(|is_turn_ahead| news.wait(is_turn_ahead.then_some(ROUND)));
        match waited {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Closed => return stop(desk),
            Err(error) => {
                tracing::warn!(%error, name = %desk.name(), "requests could not be answered");
                if news.wait(Some(ROUND)).is_err() {
                    return stop(desk);
                }
            }
        }
    }
}

fn drain(news: &mut Follower) -> Result<()> {
    while !news.next_batch(1024)?.events.is_empty() {}
    Ok(())
}

/// The policy; none when nobody wants answers any more, and then the thread has ended.
fn wanted<F: Folded>(desk: &Desk<F>) -> Option<GrantPolicy> {
    let mut wish = lock(&desk.answers().0);
    wish.is_running = wish.policy.is_some();
    wish.policy
}

fn stop<F: Folded>(desk: &Desk<F>) {
    lock(&desk.answers().0).is_running = false;
}

/// Gives what is due. True when something may be due in the next round.
fn answer_once<F: Answering>(
    desk: &Desk<F>,
    shared: &Shared,
    app_id: &AppId,
    policy: GrantPolicy,
    open_since: &mut BTreeMap<EventKey, Instant>,
) -> Result<bool> {
    let now = Instant::now();
    let (due, is_turn_ahead) = desk.decider().read(&shared.log, |ground| {
        let requests = ground.state.requests();
        open_since.retain(|key, _| requests.iter().any(|request| request.key == *key));
        requests.iter().for_each(|request| {
            open_since.entry(request.key).or_insert(now);
        });
        let rounds = |request: &OpenRequest| {
            let open = now.saturating_duration_since(open_since[&request.key]);
            u32::try_from(open.as_millis() / ROUND.as_millis()).unwrap_or(u32::MAX)
        };
        let last = ground.state.rounds();
        let mut others = requests.iter().filter(|request| request.stream != ground.own);
        let is_turn_ahead = others.any(|request| rounds(request) < last);
        (F::due(ground, policy, &rounds), is_turn_ahead)
    })?;
    for share in due {
        let give = |ground: &Ground<'_, F>| Ok((F::give(ground, &share)?, share.amount));
        desk.decider().decide(&shared.log, app_id, give).wait()?;
    }
    Ok(is_turn_ahead)
}
