//! An application that reads in key order and keeps its place (I8).

use crate::sim::log::ModelLog;
use crate::sim::pond::reader::{Pull, Reader, Step};
use crate::sim::pond::shown::Shown;
use crate::sim::random::Random;
use millpond::event::{EventKey, KeyPosition};

#[derive(Default)]
pub(super) struct Keyed {
    reader: Reader,
    delivered: Vec<EventKey>,
    saved: (KeyPosition, Vec<EventKey>),
}

impl Keyed {
    /// The process began anew.
    pub(super) fn restart(&mut self) {
        self.delivered.clone_from(&self.saved.1);
        self.reader = Reader::open(self.saved.0.clone());
    }

    /// Takes what is there, and now and then saves its place.
    ///
    /// # Errors
    /// A sentence: it was given something else than it was promised.
    pub(super) fn take(
        &mut self,
        shown: &Shown,
        log: &ModelLog,
        random: &mut Random,
    ) -> Result<(), String> {
        loop {
            let count_max = random.between(1, 8) as usize;
            let pull = Pull { count_max, ignored_before: None, finishes: random.chance(0.3) };
            match self.reader.next(shown, log, &pull) {
                Step::Nothing => break,
                Step::Rewind { to, .. } => {
                    let kept = self.delivered.partition_point(|key| Some(*key) <= to);
                    if to.is_some() && self.delivered[..kept].last().copied() != to {
                        return Err(format!(
                            "is told to go back to {to:?}, which it was not given"
                        ));
                    }
                    self.delivered.truncate(kept);
                }
                Step::Events { keys, .. } => {
                    for key in keys {
                        if self.delivered.last().is_some_and(|last| *last >= key) {
                            return Err(format!("is given {key} in key order, and was beyond it"));
                        }
                        self.delivered.push(key);
                    }
                }
            }
        }
        if random.chance(0.1) {
            self.saved = (self.reader.position(), self.delivered.clone());
        }
        Ok(())
    }

    /// What was delivered and not taken back.
    pub(super) fn delivered(&self) -> &[EventKey] {
        &self.delivered
    }
}
