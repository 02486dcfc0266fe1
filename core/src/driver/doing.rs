//! An optimistic claim of this node: "I do this".

use crate::driver::coordination::DoingDesk;
use crate::driver::node::Node;
use crate::driver::subscription::Subscription;
use crate::error::Result;
use crate::event::cbor::Value;
use crate::event::{EventKey, OffsetMap, Payload};
use crate::log::Appended;
use crate::pending::Pending;
use crate::pond::Name;
use crate::pond::claim::{Doing, Standing};
use std::sync::Arc;

/// An optimistic claim that this node has published. Dropping it releases nothing. Keeps its node
/// open.
#[derive(Clone)]
pub struct OwnDoing {
    node: Node,
    desk: Arc<DoingDesk>,
    key: EventKey,
}

impl Node {
    /// Says "I do this" of `what`, 1 to 200 bytes of UTF-8. Nobody is asked: of all who say so the
    /// least event key wins, and the others learn that they lost ([`OwnDoing::standing`]).
    ///
    /// # Errors
    /// `invalid_argument`, `limit_exceeded`: there can be no such name, or the note is no payload.
    /// Those of [`Node::publish`].
    pub fn do_optimistically(&self, what: &str, note: Option<Value>) -> Pending<OwnDoing> {
        let desk = match Name::new(what) {
            Ok(what) => self.shared().coordination.doing(what),
            Err(error) => return Pending::ready(Err(error)),
        };
        let own = (self.clone(), desk.clone());
        let said = publish(self, &desk, &Doing::Claim { note });
        said.map(move |appended| {
            let (node, desk) = own;
            Ok(OwnDoing { node, desk, key: appended.receipt(0).key })
        })
    }

    /// Takes back what this node has said of `what`: it gave up, it lost, or it is done.
    ///
    /// # Errors
    /// As [`Node::do_optimistically`].
    pub fn release_doing(&self, what: &str) -> Pending<Appended> {
        match Name::new(what) {
            Ok(what) => publish(self, &self.shared().coordination.doing(what), &Doing::Release),
            Err(error) => Pending::ready(Err(error)),
        }
    }
}

impl OwnDoing {
    /// What it does, in NFC.
    pub fn what(&self) -> &Name {
        self.desk.name()
    }

    /// The event that said so.
    pub fn key(&self) -> EventKey {
        self.key
    }

    /// How it stands now, and as of which point in history: an older claim may still arrive.
    ///
    /// # Errors
    /// `corrupt`, `storage_failed`: the log cannot be read. `closed`, `forked_process`.
    pub fn standing(&self) -> Result<(Standing, Arc<OffsetMap>)> {
        self.desk.decider().read(self.node.log()?, |ground| {
            (ground.state.standing(&self.key), ground.as_of.clone())
        })
    }

    /// What others say of it, from the beginning: look at the standing again after each batch, and
    /// undo what was begun when it is lost.
    ///
    /// # Errors
    /// `closed`, `forked_process`.
    pub fn news(&self) -> Result<Subscription> {
        self.node.subscribe(&self.desk.decider().query(), OffsetMap::new())
    }

    /// Takes it back: it is done, given up, or lost.
    ///
    /// # Errors
    /// Those of [`Node::publish`].
    pub fn release(&self) -> Pending<Appended> {
        publish(&self.node, &self.desk, &Doing::Release)
    }
}

fn publish(node: &Node, desk: &DoingDesk, doing: &Doing) -> Pending<Appended> {
    let log = match node.log() {
        Ok(log) => log,
        Err(error) => return Pending::ready(Err(error)),
    };
    let payload: Result<Payload> = doing.to_payload();
    desk.decider().decide(log, node.app_id(), |_| Ok((payload?, 0)))
}
