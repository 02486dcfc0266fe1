//! Does the jobs of a fish of Rust code.

use crate::event::EventBatch;
use crate::pond::code::{guarded, let_go};
use crate::pond::fish::Fish;
use crate::pond::job::{Answer, Failure, Function, Job};
use bytes::Bytes;
use std::cell::Cell;

/// The one state that a fish's code works on.
pub struct Owner<S> {
    fish: Fish<S>,
    state: Option<S>,
}

impl<S: Send + 'static> Owner<S> {
    /// Without a state: the first job loads one.
    pub fn new(fish: Fish<S>) -> Owner<S> {
        Owner { fish, state: None }
    }

    /// Does a job. A panic in the fish's code is a failure.
    pub fn work(&mut self, job: Job) -> Answer {
        // Where the code is, for a panic.
        let (function, index) = (Cell::new(Function::Initial), Cell::new(None));
        let place = (&function, &index);
        let done = guarded(|| match job {
            Job::Load(state) => self.load(state, place),
            Job::Apply(events) => self.apply(&events, place),
            Job::Save => self.save(place),
        });
        let message = match done {
            Ok(answer) => return answer,
            Err(message) => message,
        };
        // Whatever is left of it is not a state.
        let_go(self.state.take());
        Answer::Failed(Failure { function: function.get(), index: index.get(), message })
    }

    fn load(&mut self, state: Option<Bytes>, (function, _): Place<'_>) -> Done {
        self.state = Some(match state {
            None => (self.fish.initial)(),
            Some(bytes) => {
                function.set(Function::Decode);
                (self.fish.decode)(&bytes).map_err(|error| error.to_string())?
            }
        });
        Ok(Answer::Loaded)
    }

    fn apply(&mut self, events: &EventBatch, (function, place): Place<'_>) -> Done {
        let mut last_reset = None;
        let state = self.state.as_mut().ok_or("there is no state")?;
        for (index, event) in events.iter().enumerate() {
            place.set(Some(index));
            if let Some(is_reset) = &self.fish.is_reset {
                function.set(Function::IsReset);
                if is_reset(event) {
                    function.set(Function::Initial);
                    *state = (self.fish.initial)();
                    last_reset = Some(index);
                }
            }
            function.set(Function::Step);
            (self.fish.step)(state, event).map_err(|error| error.to_string())?;
        }
        Ok(Answer::Applied { last_reset })
    }

    fn save(&mut self, (function, _): Place<'_>) -> Done {
        function.set(Function::Encode);
        let state = self.state.as_ref().ok_or("there is no state")?;
        let bytes = (self.fish.encode)(state).map_err(|error| error.to_string())?;
        Ok(Answer::Saved(bytes.into()))
    }
}

type Place<'a> = (&'a Cell<Function>, &'a Cell<Option<usize>>);
type Done = Result<Answer, String>;

impl<S> Drop for Owner<S> {
    fn drop(&mut self) {
        let_go(self.state.take());
    }
}
