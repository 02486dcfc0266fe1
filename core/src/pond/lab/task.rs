//! What takes code of fish: tasks, pulled job by job, so that the code runs where its owner is.

use crate::error::{Error, ErrorKind, Result};
use crate::planted;
use crate::pond::definition::Definition;
use crate::pond::emission::Emission;
use crate::pond::fold::Prospect;
use crate::pond::job::{Answer, Job};
use crate::pond::lab::chance::Chance;
use crate::pond::lab::fold::{LabFold, Progress};
use crate::pond::lab::judge::Judge;
use crate::pond::lab::lab::{Lab, too_long};
use crate::pond::lab::options::TIME_MAX;
use crate::pond::lab::reader::View;
use std::sync::Arc;
use std::time::Duration;

/// What is to be done in a lab that may need code of fish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabTask {
    /// Let so much time pass: what nodes reach each other with is delivered in pieces, and folds
    /// are at work.
    Advance(Duration),
    /// Let time pass until there is nothing more to deliver.
    Settle,
    /// So many times: cut, heal, crash or start something, or let time pass.
    Chaos {
        /// How many.
        steps: usize,
    },
    /// Have the fold of a fish catch up at a node, and judge its state.
    State {
        /// Its index.
        node: usize,
        /// Its number.
        fish: usize,
    },
    /// The same at each node that runs, and judge more thoroughly.
    Check {
        /// Its number.
        fish: usize,
    },
}

/// A job for the code of a fish.
#[derive(Clone, Debug)]
pub struct LabJob {
    /// The number of the fish.
    pub fish: usize,
    /// Which of the states of the fish's code it is for. Each begins with [`Job::Load`], and any
    /// later one replaces it. There are as many as nodes and one more.
    pub owner: usize,
    /// What to do.
    pub job: Job,
}

/// The owner of the judge's state; those of nodes follow.
const JUDGE: usize = 0;
/// While something else happens, a fold does so many jobs at most.
const JOBS_MAX: u64 = 6;

/// A part of a task.
pub(super) enum Move {
    Advance {
        until: Option<Duration>,
    },
    Chaos {
        left: usize,
    },
    Start {
        node: usize,
        fish: usize,
    },
    /// Has a fold go on; for so many jobs, or until it has caught up.
    Work {
        node: usize,
        fish: usize,
        jobs_left: Option<u64>,
    },
    Summon {
        node: usize,
        fish: usize,
        is_thorough: bool,
    },
    Judge(Box<Judge>),
}

/// What came of a part.
enum Outcome {
    Done,
    /// This first, and then the rest of it.
    After(Vec<Move>),
    Job(Move, LabJob),
}

impl Lab {
    /// The number of a fish, the same for definitions that are the same fish.
    pub fn declare(&mut self, fish: &Arc<Definition>) -> usize {
        let known = self.fish.iter().position(|own| own.is_same(fish));
        known.unwrap_or_else(|| {
            self.fish.push(fish.clone());
            self.fish.len() - 1
        })
    }

    /// Begins a task; what is left of an earlier one is not done. Then [`Lab::next_job`] is to be
    /// called until it gives none.
    ///
    /// # Errors
    /// `invalid_argument`: there is no such node or fish. `closed`: the node does not run, or of a
    /// check no node does. `limit_exceeded`: a century has passed by then. `internal`: an
    /// account or a claim breaks its promise.
    pub fn begin(&mut self, task: LabTask) -> Result<()> {
        self.moves.clear();
        self.state = None;
        self.judged.clear();
        match task {
            LabTask::Advance(duration) => {
                let until = self.elapsed.saturating_add(duration);
                if until > TIME_MAX {
                    return Err(too_long("time advances"));
                }
                self.moves.push_back(Move::Advance { until: Some(until) });
            }
            LabTask::Settle => self.moves.push_back(Move::Advance { until: None }),
            LabTask::Chaos { steps } => self.moves.push_back(Move::Chaos { left: steps }),
            LabTask::State { node, fish } => {
                self.running(node)?;
                self.show(node, fish, false)?;
            }
            LabTask::Check { fish } => {
                if self.members.iter().all(|member| !member.is_up) {
                    let message = "no node runs that could be checked; start one first";
                    return Err(Error::new(ErrorKind::Closed, message));
                }
                self.check_scarce()?;
                for node in 0..self.members.len() {
                    if self.members[node].is_up {
                        self.show(node, fish, true)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes the answer to the last job, and goes on with the task until there is another one;
    /// `None` when the task is done.
    ///
    /// # Errors
    /// `user_code`: code of a fish failed, or the judge found it wrong; the reason says which.
    /// `conflict`: another fish of that id is at work at the node. The task has ended then.
    pub fn next_job(&mut self, answer: Option<Answer>) -> Result<Option<LabJob>> {
        let gone = self.go_on(answer);
        if gone.is_err() {
            self.moves.clear();
        }
        gone
    }

    /// Leaves what is left of the task undone.
    pub fn abandon(&mut self) {
        self.moves.clear();
        // Who has a job in hand has it anew with the next task: it begins with a load.
        self.members.iter_mut().for_each(|member| member.folds.clear());
    }

    /// The state that the last task [`LabTask::State`] came to.
    pub fn shown(&self) -> Option<&Emission> {
        self.state.as_ref()
    }

    fn show(&mut self, node: usize, fish: usize, is_thorough: bool) -> Result<()> {
        if fish >= self.fish.len() {
            let message = format!("there is no fish {fish} in the lab");
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        self.moves.push_back(Move::Start { node, fish });
        self.moves.push_back(Move::Work { node, fish, jobs_left: None });
        self.moves.push_back(Move::Summon { node, fish, is_thorough });
        Ok(())
    }

    fn go_on(&mut self, mut answer: Option<Answer>) -> Result<Option<LabJob>> {
        while let Some(next) = self.moves.pop_front() {
            match self.perform(next, answer.take())? {
                Outcome::Done => {}
                Outcome::After(first) => {
                    first.into_iter().rev().for_each(|own| self.moves.push_front(own));
                }
                Outcome::Job(rest, job) => {
                    self.moves.push_front(rest);
                    return Ok(Some(job));
                }
            }
        }
        Ok(None)
    }

    fn perform(&mut self, next: Move, answer: Option<Answer>) -> Result<Outcome> {
        match next {
            Move::Advance { until } => {
                let is_over = self.step(until)?;
                let rest = (!is_over).then_some(Move::Advance { until });
                let folds = self.works.one_in(2).then(|| self.some_work()).flatten();
                Ok(Outcome::After(folds.into_iter().chain(rest).collect()))
            }
            Move::Chaos { left: 0 } => Ok(Outcome::Done),
            Move::Chaos { left } => {
                let passes = self
                    .befall()
                    .map(|time| Move::Advance { until: Some(self.elapsed.saturating_add(time)) });
                let rest = Move::Chaos { left: left - 1 };
                Ok(Outcome::After(passes.into_iter().chain([rest]).collect()))
            }
            Move::Start { node, fish } => self.start_fold(node, fish),
            Move::Work { node, fish, jobs_left } => self.work(node, fish, jobs_left, answer),
            Move::Summon { node, fish, is_thorough } => Ok(self.summon(node, fish, is_thorough)),
            Move::Judge(mut judge) => match judge.next_job(answer) {
                Ok(Some(job)) => {
                    let fish = judge.fish();
                    Ok(Outcome::Job(Move::Judge(judge), LabJob { fish, owner: JUDGE, job }))
                }
                Ok(None) => self.hear(&judge),
                Err(error) => Err(error),
            },
        }
    }

    /// Hears the judge, and compares what nodes came to with the same events.
    fn hear(&mut self, judge: &Judge) -> Result<Outcome> {
        let (fish, node) = (&self.fish[judge.fish()], judge.node());
        if planted!("lab_judge_is_not_heard") {
            return Ok(Outcome::Done);
        }
        if let Some((reason, what)) = judge.verdict() {
            return Err(self.blame(fish, reason, &format!("at node {node} {what}")));
        }
        let (keys, state) = judge.found();
        match self.judged.get(&keys) {
            Some((other, found)) if *found != state => {
                let what = format!(
                    "has other states at node {other} and node {node}, which hold the same events"
                );
                Err(self.blame(fish, "step", &what))
            }
            Some(_) => Ok(Outcome::Done),
            None => {
                self.judged.insert(keys, (node, state));
                Ok(Outcome::Done)
            }
        }
    }

    /// Some fold goes on a little.
    fn some_work(&mut self) -> Option<Move> {
        let (node, fish) = self.some_fold()?;
        let jobs_left = Some(self.works.between(1, JOBS_MAX));
        Some(Move::Work { node, fish, jobs_left })
    }

    fn start_fold(&mut self, node: usize, fish: usize) -> Result<Outcome> {
        let definition = self.fish[fish].clone();
        let member = &mut self.members[node];
        let same_id = member.folds.values().find(|own| own.fish().id() == definition.id());
        same_id.map_or(Ok(()), |own| own.fish().check_same(&definition))?;
        if let Some(fold) = member.folds.get_mut(&fish) {
            fold.wake();
        } else {
            let snapshots = member.disk.snapshots(definition.hash());
            let mut chance = chance_of(self.seed, node, &definition, member.life);
            let fold = LabFold::new(definition, snapshots, &mut chance);
            member.folds.insert(fish, fold);
        }
        Ok(Outcome::Done)
    }

    fn work(
        &mut self,
        node: usize,
        fish: usize,
        jobs_left: Option<u64>,
        answer: Option<Answer>,
    ) -> Result<Outcome> {
        let looked_at = self.members[node].folds.get(&fish).map_or(0, LabFold::looked_at);
        // Who asks for a state does not wait for what may come.
        let prospect = match jobs_left {
            Some(_) => self.prospect(node, looked_at),
            None => Prospect::default(),
        };
        let now = self.now();
        let member = &mut self.members[node];
        let Some(fold) = member.folds.get_mut(&fish) else { return Ok(Outcome::Done) };
        match answer {
            Some(answer) => fold.answer(answer),
            None => fold.wake(),
        }
        if jobs_left == Some(0) {
            return Ok(Outcome::Done);
        }
        let (streams, held, own_node) = (&self.streams, &member.held, &member.node);
        let definition = self.fish[fish].clone();
        let view = View { streams, held, query: definition.query(), own_node };
        match fold.go_on(&view, &mut member.disk, now, prospect) {
            Progress::Waits => Ok(Outcome::Done),
            Progress::Job(job) => {
                let jobs_left = jobs_left.map(|left| left - 1);
                let job = LabJob { fish, owner: node + 1, job };
                Ok(Outcome::Job(Move::Work { node, fish, jobs_left }, job))
            }
            Progress::Failed(error) => {
                member.folds.remove(&fish);
                Err(self.failed(error))
            }
        }
    }

    /// Asks the judge about what the fold of a fish shows at a node.
    fn summon(&mut self, node: usize, fish: usize, is_thorough: bool) -> Outcome {
        let member = &self.members[node];
        let shown = member.folds.get(&fish).and_then(LabFold::shown).cloned();
        let shown = shown.expect("a fold that has caught up shows a state");
        assert_eq!(shown.offsets, member.held, "it has caught up with all that is held");
        let (streams, held, own_node) = (&self.streams, &member.held, &member.node);
        let view = View { streams, held, query: self.fish[fish].query(), own_node };
        let events = view.all(held);
        let state = shown.state.clone();
        let mut chance = chance_of(self.seed, node, &self.fish[fish], events.len() as u64);
        let judge = Judge::new(fish, node, state, &events, is_thorough, &mut chance);
        self.state = Some(shown);
        Outcome::After(vec![Move::Judge(Box::new(judge))])
    }

    /// What code of an application said, with how to see it again.
    fn failed(&self, error: Error) -> Error {
        if error.kind() != ErrorKind::UserCode {
            return error;
        }
        let message = format!("{}; this is {}", error.message(), self.name());
        let reason = error.reason().unwrap_or("step");
        Error::new(ErrorKind::UserCode, message).with_reason(reason)
    }
}

/// Chance for what a fish does at a node: its own, so that who asks for one changes nothing for
/// others.
fn chance_of(seed: u64, node: usize, fish: &Definition, turn: u64) -> Chance {
    let fish = fish.hash().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    Chance::of([seed, node as u64, fish, turn])
}
