//! Forks that the swarm has found, on their way to the log and back.

use crate::driver::clock;
use crate::driver::network::Message;
use crate::driver::turn::Turn;
use crate::error::Result;
use crate::event::{Branch, EventRange, StreamId};
use crate::log::Forked;
use crate::pending::Pending;
use crate::sync::Input;

impl Turn {
    /// Has the log store a fork.
    pub(crate) fn fork(&self, branch: Branch, range: EventRange) {
        let (stream, inbox) = (branch.stream, self.inbox.clone());
        let forked = match clock::number_step() {
            Ok(step) => self.log.fork(branch, range, step),
            Err(error) => Pending::ready(Err(error)),
        };
        forked.on_done(move |forked| inbox.push(Message::Forked { branch: stream, forked }));
    }

    /// The swarm hears of our new stream first, then of the branches, then how far each is held.
    pub(crate) fn take_forked(&mut self, branch: StreamId, forked: Result<Forked>) {
        let (now, own) = (clock::now(), self.log.own_stream());
        if own != self.own {
            self.own = own;
            self.swarm.handle(Input::OwnStream(own), now);
        }
        let Forked { of, at, branches, .. } = match forked {
            Ok(forked) => forked,
            Err(error) => {
                tracing::warn!(stream = %branch, %error, "a branch could not be stored");
                return self.swarm.handle(Input::ForkFailed { branch, error }, now);
            }
        };
        let heads: Vec<_> =
            branches.iter().filter_map(|branch| self.log.head(&branch.stream)).collect();
        self.swarm.handle(Input::Forked { of, at, branches }, now);
        heads.into_iter().for_each(|head| self.swarm.handle(Input::Durable(head), now));
    }
}
