//! A lab for fish of Rust code, whose code it has itself.

use crate::error::Result;
use crate::event::cbor::Value;
use crate::pond::builtin::{BuiltIn, Tally};
use crate::pond::definition::Definition;
use crate::pond::fish::Fish;
use crate::pond::job::{Answer, Job};
use crate::pond::lab::lab::Lab;
use crate::pond::lab::task::LabTask;
use crate::pond::owner::Owner;
use crate::query::Query;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

type Worker = Box<dyn FnMut(Job) -> Answer + Send>;

/// Has its turn whenever time has passed, until it says false or fails.
type Turn = Box<dyn FnMut(&mut Lab) -> Result<bool> + Send>;

/// The code of fish, and the states that it works on.
#[derive(Default)]
pub(super) struct Code {
    makers: BTreeMap<usize, Box<dyn Fn() -> Worker + Send>>,
    /// By the numbers of fish and owner.
    workers: BTreeMap<(usize, usize), Worker>,
    /// In the order in which they came.
    turns: Vec<Turn>,
}

impl Lab {
    /// Lets so much virtual time pass. What nodes reach each other with is delivered meanwhile, in
    /// pieces and in an order that chance decides, and what was published becomes durable.
    ///
    /// # Errors
    /// `user_code`: a fish that was asked for before fails. What an effect that is kept running
    /// fails with.
    pub fn advance(&mut self, duration: Duration) -> Result<()> {
        self.pass(LabTask::Advance(duration))
    }

    /// Lets time pass until nodes that reach each other hold the same.
    ///
    /// # Errors
    /// As [`Lab::advance`].
    pub fn settle(&mut self) -> Result<()> {
        self.pass(LabTask::Settle)
    }

    /// So many times: cuts the network, heals it, crashes a node or cuts its power, starts one, or
    /// lets time pass. One node at least goes on running.
    ///
    /// # Errors
    /// As [`Lab::advance`].
    pub fn chaos(&mut self, steps: usize) -> Result<()> {
        self.pass(LabTask::Chaos { steps })
    }

    /// Heals the network, starts all nodes and settles: then all of them hold the same.
    ///
    /// # Errors
    /// As [`Lab::advance`].
    pub fn calm(&mut self) -> Result<()> {
        self.heal();
        (0..self.node_count()).try_for_each(|node| self.start(node))?;
        self.settle()
    }

    /// The state of a fish at a node, of all that is durable there. Its fold goes on from where it
    /// was, or from snapshots after a crash; the judge compares what it shows.
    ///
    /// # Errors
    /// `user_code`: code of the fish failed, reason `initial`, `step`, `is_reset`, `encode` or
    /// `decode`; or the state is wrong, reason `step`, `codec` or `is_reset`, where the message
    /// says why. `conflict`: another fish of this id is at work there. `closed`: the node does not
    /// run. `invalid_argument`: there is no such node.
    pub(crate) fn state<S: Send + 'static>(&mut self, node: usize, fish: &Fish<S>) -> Result<S> {
        let number = self.give(fish);
        fish.decode(&self.shown_by(node, number)?)
    }

    /// As [`Lab::state`], of a fold that takes no code.
    ///
    /// # Errors
    /// As [`Lab::state`].
    pub(crate) fn state_of_builtin(
        &mut self,
        node: usize,
        query: &Query,
        fold: &BuiltIn,
    ) -> Result<Value> {
        let number = self.declare(&Arc::new(Definition::of_builtin(query.clone(), fold.clone())));
        let fold = fold.clone();
        let make = move || {
            let mut tally = Tally::new(fold.clone());
            Box::new(move |job| tally.work(job)) as Worker
        };
        self.code.makers.insert(number, Box::new(make));
        Value::decode(&self.shown_by(node, number)?)
    }

    /// Asks each node that runs for the state of a fish, and the judge more thoroughly than who
    /// asks a node for it: the same events again, in other pieces, with the state saved and loaded
    /// between, and from the last reset on. Nodes that hold the same events must show the same.
    ///
    /// # Errors
    /// As `LabNode::state`.
    pub fn check<S: Send + 'static>(&mut self, fish: &Fish<S>) -> Result<()> {
        let fish = self.give(fish);
        self.drive(LabTask::Check { fish })
    }

    /// Has a turn whenever time has passed from now on.
    pub(crate) fn keep(&mut self, turn: Turn) {
        self.code.turns.push(turn);
    }

    /// Lets time pass, and then each turn that is kept come.
    fn pass(&mut self, task: LabTask) -> Result<()> {
        self.drive(task)?;
        let mut turns = mem::take(&mut self.code.turns).into_iter();
        while let Some(mut turn) = turns.next() {
            let goes_on = turn(self);
            if let Ok(true) = goes_on {
                self.code.turns.push(turn);
            } else if goes_on.is_err() {
                // It is over, and the others are not.
                self.code.turns.extend(turns);
                return goes_on.map(drop);
            }
        }
        Ok(())
    }

    /// Takes the code of a fish, in the place of what it was given before.
    fn give<S: Send + 'static>(&mut self, fish: &Fish<S>) -> usize {
        let number = self.declare(fish.definition());
        let fish = fish.clone();
        let make = move || {
            let mut owner = Owner::new(fish.clone());
            Box::new(move |job| owner.work(job)) as Worker
        };
        self.code.makers.insert(number, Box::new(make));
        number
    }

    fn shown_by(&mut self, node: usize, fish: usize) -> Result<Bytes> {
        self.drive(LabTask::State { node, fish })?;
        Ok(self.shown().expect("the task ended well").state.clone())
    }

    fn drive(&mut self, task: LabTask) -> Result<()> {
        self.begin(task)?;
        let mut answer = None;
        while let Some(own) = self.next_job(answer.take())? {
            let Code { makers, workers, .. } = &mut self.code;
            let make = || makers.get(&own.fish).expect("who declares a fish gives its code")();
            let worker = workers.entry((own.fish, own.owner)).or_insert_with(make);
            // Whoever begins anew has the code that was given last.
            if matches!(own.job, Job::Load(_)) {
                *worker = make();
            }
            answer = Some(worker(own.job));
        }
        Ok(())
    }
}
