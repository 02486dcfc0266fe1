//! A stream of events out of batches: what cursors and subscriptions have in common, for threads
//! and for asyncio.
//!
//! Rule: a batch that arrived is held here before anything else can happen, and an event leaves by
//! being returned from native code. So neither an interrupt nor a cancelled task loses one.

use crate::arguments::{Seconds, Whole};
use crate::batch::Batch;
use crate::errors::refuse;
use crate::event::{Event, Held};
use crate::event_key::EventKey;
use crate::gate::{Waited, blocking};
use crate::queue::{Operation, Queue};
use crate::reader::Reader;
use crate::rewind::Rewind;
use millpond_facade as facade;
use pyo3::prelude::*;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Batches that arrived and how far they have been consumed. Dropped, it closes its reader.
#[pyclass(frozen, module = "millpond._native")]
pub(crate) struct Flow {
    reader: Reader,
    /// Locked only for moments, never across a wait.
    state: Mutex<State>,
}

impl Drop for Flow {
    fn drop(&mut self) {
        // In a forked child this is refused, and there is nothing to free.
        let _ = self.reader.close();
    }
}

struct State {
    held: Option<Arc<Held>>,
    next: usize,
    /// The offset map before the held batch, or after it when all of it is consumed.
    before: facade::Offsets,
    /// In key order: the text of the position at `before`.
    before_text: Option<String>,
    waiting: bool,
    caught_up: bool,
    ended: bool,
}

/// For asyncio: what never waits, and a start of what does.
#[pymethods]
impl Flow {
    /// The next event or rewind, if one is here.
    #[pyo3(name = "pop")]
    fn pop_step(&self) -> Option<Step> {
        match self.pop() {
            Ready::Step(step) => Some(step),
            Ready::Nothing | Ready::End => None,
        }
    }

    /// True when nothing is left and nothing will come.
    #[getter(ended)]
    fn has_ended(&self) -> bool {
        self.ended()
    }

    /// As `next_batch`, but never waits and gives None then.
    #[pyo3(name = "take", signature = (count_max))]
    fn take_batch(&self, count_max: Option<Whole>) -> Option<Batch> {
        self.take(count_max.map(Whole::count))
    }

    /// Starts to fetch a batch; `keep` must get what it ends with.
    #[pyo3(signature = (queue, number, count_max, timeout))]
    fn fetch(
        &self,
        py: Python<'_>,
        queue: &Bound<'_, Queue>,
        number: u64,
        count_max: Option<Whole>,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        self.begin_wait(py)?;
        let operation = Operation::new(py).inspect_err(|_| self.end_wait())?;
        let (limit, done) = (operation.limit(timeout), queue.get().done(number));
        self.reader.next_batch_start(count_max.map(Whole::count), limit, done);
        Ok(operation)
    }

    /// Keeps a batch that arrived, or only notes that the fetch is over.
    fn keep(&self, batch: Option<&Bound<'_, Batch>>) {
        if let Some(held) = batch.and_then(|batch| batch.get().held.as_ref()) {
            self.hold(held);
        }
        self.end_wait();
    }
}

/// One thing that a flow gives: an event, or in key order the way back.
#[derive(IntoPyObject)]
pub(crate) enum Step {
    Event(Event),
    Rewind(Rewind),
}

/// What can be had without waiting.
pub(crate) enum Ready {
    Step(Step),
    Nothing,
    End,
}

impl Flow {
    /// What `reader` gives from `before` on.
    pub(crate) fn new(reader: Reader, before: facade::Offsets) -> Flow {
        let state = State {
            held: None,
            next: 0,
            before,
            before_text: None,
            waiting: false,
            caught_up: false,
            ended: false,
        };
        Flow { reader, state: Mutex::new(state) }
    }

    /// The same in key order; `before` is a position as text.
    pub(crate) fn by_key(reader: Reader, before: String) -> Flow {
        let flow = Flow::new(reader, facade::Offsets::default());
        flow.state().before_text = Some(before);
        flow
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next event or rewind, if one is here.
    pub(crate) fn pop(&self) -> Ready {
        let mut state = self.state();
        let State { held: Some(held), next, .. } = &mut *state else {
            return if state.ended { Ready::End } else { Ready::Nothing };
        };
        if held.batch.is_rewind() {
            let to = held.batch.rewind_to();
            state.consumed();
            let to = to.as_deref().and_then(EventKey::parse);
            return Ready::Step(Step::Rewind(Rewind { to }));
        }
        let event = Event::new(held.clone(), *next);
        *next += 1;
        if *next == held.batch.len() {
            state.consumed();
        }
        Ready::Step(Step::Event(event))
    }

    /// Up to `count_max` events at once, if some are here; at the end a batch that says so.
    fn take(&self, count_max: Option<usize>) -> Option<Batch> {
        if count_max == Some(0) {
            return None; // Asking on, it is refused as everywhere.
        }
        let mut state = self.state();
        let Some(held) = state.held.clone() else {
            return state.ended.then(|| Batch::empty(None, state.before.clone()));
        };
        let first = state.next;
        let end = first.saturating_add(count_max.unwrap_or(usize::MAX)).min(held.batch.len());
        let before = state.before.clone();
        state.next = end;
        if end == held.batch.len() {
            state.consumed();
        }
        Some(Batch { held: Some(held), first, end, before })
    }

    /// Keeps a batch that arrived; what was before it has been consumed.
    fn hold(&self, held: &Arc<Held>) {
        let mut state = self.state();
        state.ended |= held.batch.is_end();
        (state.held, state.next) = (Some(held.clone()), 0);
        if held.batch.is_empty() && !held.batch.is_rewind() {
            state.consumed();
        }
    }

    /// Marks that someone waits for the next batch; only one may.
    fn begin_wait(&self, py: Python<'_>) -> PyResult<()> {
        let mut state = self.state();
        if state.waiting {
            return Err(refuse(
                py,
                "someone else waits for the next events of this object already",
            ));
        }
        state.waiting = true;
        Ok(())
    }

    fn end_wait(&self) {
        self.state().waiting = false;
    }

    /// The offset map after the last event that was handed out.
    pub(crate) fn position(&self) -> facade::Offsets {
        let state = self.state();
        match &state.held {
            Some(held) => held.position(&state.before, state.next),
            None => state.before.clone(),
        }
    }

    /// In key order: where it stands after the last event that was handed out, as text.
    pub(crate) fn position_text(&self) -> Option<String> {
        let state = self.state();
        let Some(held) = state.held.as_ref().filter(|_| state.next > 0) else {
            return state.before_text.clone();
        };
        // The same log was looked at, and less of it handed out.
        let last = held.view(state.next - 1).key();
        Some(format!("{last}@{}", held.batch.position().token()))
    }

    /// True when everything up to the end of the log has been handed out once.
    pub(crate) fn caught_up(&self) -> bool {
        self.state().caught_up
    }

    /// True when nothing is left and nothing will come.
    fn ended(&self) -> bool {
        let state = self.state();
        state.ended && state.held.is_none()
    }

    /// Closes the reader and lets go of what arrived and was not handed out. `as_end`: then this is
    /// a normal end.
    pub(crate) fn close(&self, py: Python<'_>, as_end: bool) -> PyResult<()> {
        let (position, text) = (self.position(), self.position_text());
        let mut state = self.state();
        (state.before, state.before_text) = (position, text);
        state.held = None;
        state.ended = as_end;
        drop(state);
        let reader = self.reader;
        blocking(py, None, move |_| reader.close()).into_result(py).map(drop)
    }

    /// How many events have arrived and were not handed out.
    pub(crate) fn unread_count(&self) -> u64 {
        let state = self.state();
        let Some(held) = &state.held else { return 0 };
        (held.batch.len() - state.next) as u64
    }

    /// Waits for one batch and holds it; `None` when it was closed as an end meanwhile.
    pub(crate) fn wait_for_batch(
        &self,
        py: Python<'_>,
        count_max: Option<usize>,
        timeout: Option<Duration>,
    ) -> PyResult<Option<Arc<Held>>> {
        self.begin_wait(py)?;
        let reader = self.reader;
        let waited = blocking(py, timeout, move |wait| reader.next_batch(count_max, wait));
        let Waited { result, interrupt } = waited;
        let held = match result {
            Ok(batch) => {
                let held = Arc::new(Held::new(py, batch));
                self.hold(&held);
                Ok(Some(held))
            }
            // Closed by another thread on the way here: as good as closed during the wait.
            Err(_) if self.ended() => Ok(None),
            Err(error) => Err(error),
        };
        self.end_wait();
        Waited { result: held, interrupt }.into_result(py)
    }

    /// The next event or rewind, waiting for batches as long as it takes; `None` at the end.
    pub(crate) fn next_step(
        &self,
        py: Python<'_>,
        timeout: Option<Duration>,
    ) -> PyResult<Option<Step>> {
        let deadline = Deadline::of(timeout);
        loop {
            match self.pop() {
                Ready::Step(step) => return Ok(Some(step)),
                Ready::End => return Ok(None),
                // An empty batch says that a subscription has caught up: wait for what follows.
                Ready::Nothing => drop(self.wait_for_batch(py, None, deadline.left())?),
            }
        }
    }

    /// Events that are here, or else the next batch, which may be empty.
    pub(crate) fn next_batch(
        &self,
        py: Python<'_>,
        count_max: Option<usize>,
        timeout: Option<Duration>,
    ) -> PyResult<Batch> {
        if let Some(batch) = self.take(count_max) {
            return Ok(batch);
        }
        let held = self.wait_for_batch(py, count_max, timeout)?;
        Ok(self.take(None).unwrap_or_else(|| Batch::empty(held, self.position())))
    }
}

/// When a call of several waits is over.
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// `timeout` from now; none, also when it is too far away to be told.
    pub(crate) fn of(timeout: Option<Duration>) -> Deadline {
        Deadline(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    pub(crate) fn left(&self) -> Option<Duration> {
        self.0.map(|at| at.saturating_duration_since(Instant::now()))
    }
}

impl State {
    fn consumed(&mut self) {
        if let Some(held) = self.held.take() {
            self.before = held.batch.position().clone();
            if let Some(text) = &mut self.before_text {
                *text = held.batch.position_text();
            }
            self.caught_up = match held.batch.is_rewind() {
                true => false,
                false => self.caught_up || held.batch.caught_up(),
            };
        }
    }
}
