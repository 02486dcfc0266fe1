//! One thread that does the work of many folds.
//!
//! Not here: folds that are observed one by one, which have a thread each. Rule: each member has
//! one job done at a time, in turns; one that sleeps costs nothing.

// The rim: a thread of its own.
#![allow(clippy::disallowed_methods)]

use crate::driver::clock;
use crate::driver::pond::pump::{Pump, PumpStep};
use crate::error::{Error, ErrorKind, Result};
use crate::pond::{Answer, Job};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Does a job of one fish.
pub(super) type Work = Box<dyn FnMut(Job) -> Answer + Send>;

/// Folds that share a thread, which lives as long as one of them. Clones are the same crew.
#[derive(Clone, Default)]
pub(super) struct Crew {
    desk: Arc<Desk>,
}

/// What the thread is told.
#[derive(Default)]
struct Desk {
    told: Mutex<Told>,
    rung: Condvar,
}

#[derive(Default)]
struct Told {
    new: Vec<Member>,
    /// Numbers of members with something to do.
    ready: BTreeSet<u64>,
    /// Members there ever were.
    count: u64,
    is_running: bool,
}

struct Member {
    number: u64,
    pump: Pump,
    work: Work,
    answer: Option<Answer>,
    until: Option<Instant>,
}

impl Crew {
    /// Has the fold pulled.
    ///
    /// # Errors
    /// `internal`: the system gives no thread. Observers of the fish get
    /// `user_code`, reason `fold_closed`, then.
    pub(super) fn add(&self, pump: Pump, work: Work) -> Result<()> {
        let mut told = self.desk.lock();
        let number = told.count;
        told.count += 1;
        drop(told);
        let desk = self.desk.clone();
        pump.on_ready(Arc::new(move || desk.tell(number)));
        let member = Member { number, pump, work, answer: None, until: None };
        let mut told = self.desk.lock();
        told.ready.insert(number);
        if !told.is_running {
            let desk = self.desk.clone();
            let thread = thread::Builder::new().name("millpond-crew".into());
            let started = thread.spawn(move || desk.run());
            if let Err(error) = started {
                drop(told);
                let message = format!("the system gives no thread for fish: {error}");
                return Err(Error::new(ErrorKind::Internal, message));
            }
            told.is_running = true;
        }
        told.new.push(member);
        drop(told);
        self.desk.rung.notify_one();
        Ok(())
    }
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// That a member has something to do.
    fn tell(&self, number: u64) {
        self.lock().ready.insert(number);
        self.rung.notify_one();
    }

    fn run(&self) {
        let mut members = BTreeMap::new();
        while let Some(ready) = self.next(&mut members) {
            for number in ready {
                let Some(member) = members.get_mut(&number) else { continue };
                match member.step() {
                    Step::Again => self.tell(number),
                    Step::Later => {}
                    Step::Ended => drop(members.remove(&number)),
                }
            }
        }
    }

    /// Who has something to do, once somebody has; none when the thread is to end.
    fn next(&self, members: &mut BTreeMap<u64, Member>) -> Option<BTreeSet<u64>> {
        let mut told = self.lock();
        loop {
            let new = std::mem::take(&mut told.new);
            members.extend(new.into_iter().map(|member| (member.number, member)));
            if members.is_empty() {
                told.is_running = false;
                return None;
            }
            let now = clock::now();
            let due = members.values().filter(|own| own.until.is_some_and(|until| until <= now));
            told.ready.extend(due.map(|member| member.number));
            if !told.ready.is_empty() {
                return Some(std::mem::take(&mut told.ready));
            }
            let first = members.values().filter_map(|member| member.until).min();
            let left = first.map_or(Duration::from_secs(3600), |at| at.duration_since(now));
            let woken = self.rung.wait_timeout(told, left);
            told = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

enum Step {
    Again,
    Later,
    Ended,
}

impl Member {
    fn step(&mut self) -> Step {
        self.until = None;
        match self.pump.next_step(self.answer.take()) {
            PumpStep::Run(job) => {
                self.answer = Some((self.work)(job));
                Step::Again
            }
            PumpStep::Wait(left) => {
                self.until = left.and_then(|left| clock::now().checked_add(left));
                Step::Later
            }
            PumpStep::Ended => Step::Ended,
        }
    }
}
