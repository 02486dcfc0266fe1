//! An optimistic claim of this node: "I do this".

use crate::driver::causal_session::Within;
use crate::driver::coordination::DoingDesk;
use crate::driver::doing_watch::{self, DoingWatch};
use crate::driver::node::Node;
use crate::driver::subscription::Subscription;
use crate::error::Result;
use crate::event::cbor::Value;
use crate::event::{EventKey, OffsetMap, Once};
use crate::log::{Appended, Log};
use crate::pending::Pending;
use crate::pond::Name;
use crate::pond::claim::{Doer, Doing, Standing};
use std::sync::Arc;

/// An optimistic claim that this node has published. Dropping it releases nothing. Keeps its node
/// open.
#[derive(Clone)]
pub struct OwnDoing {
    node: Node,
    desk: Arc<DoingDesk>,
    key: EventKey,
    token: Arc<OffsetMap>,
    session: Within,
}

impl Node {
    /// Says "I do this" of `what`, 1 to 200 bytes of UTF-8. Nobody is asked: of all who say so the
    /// least event key wins, and the others learn that they lost ([`OwnDoing::watch`],
    /// [`OwnDoing::on_loss`]). Said again while it stands it is the same claim: so who did not see
    /// the answer says it again, or asks [`Node::own_doing`].
    ///
    /// # Errors
    /// `invalid_argument`, `limit_exceeded`: there can be no such name, or the note is no payload.
    /// Those of [`Node::publish`].
    pub fn do_optimistically(&self, what: &str, note: Option<Value>) -> Pending<OwnDoing> {
        let desk = match self.doing_desk(what) {
            Ok(desk) => desk,
            Err(error) => return Pending::ready(Err(error)),
        };
        let own = (self.clone(), desk.clone());
        let said = publish(self, &desk, &Doing::Claim { note }, None);
        said.map(move |appended| {
            let (node, desk) = own;
            let (key, token) = (appended.receipt(0).key, Arc::new(appended.token()));
            Ok(OwnDoing { node, desk, key, token, session: Within::default() })
        })
    }

    /// The claim to `what` of this node that stands, also one from before it was opened; none when
    /// there is none, as far as is durable.
    ///
    /// # Errors
    /// `invalid_argument`, `limit_exceeded`: there can be no such name. `corrupt`,
    /// `storage_failed`: the log cannot be read. `closed`, `forked_process`.
    pub fn own_doing(&self, what: &str) -> Result<Option<OwnDoing>> {
        let desk = self.doing_desk(what)?;
        let own = desk.decider().read(self.log()?, |ground| {
            let own = ground.state.of_node(ground.own.node)?;
            Some((own.key, ground.as_of.clone()))
        })?;
        let session = Within::default();
        Ok(own.map(|(key, token)| OwnDoing { node: self.clone(), desk, key, token, session }))
    }

    /// Takes back what this node has said of `what`: it gave up, it lost, or it is done.
    ///
    /// # Errors
    /// As [`Node::do_optimistically`].
    pub fn release_doing(&self, what: &str) -> Pending<Appended> {
        match Name::new(what) {
            Ok(what) => self.say(&what, &Doing::Release, None),
            Err(error) => Pending::ready(Err(error)),
        }
    }

    /// As [`Node::release_doing`], once: said again with the same key, 1 to 255 bytes, it takes
    /// back nothing that was claimed in between.
    ///
    /// # Errors
    /// As there; `conflict`, reason `idempotency_key`: the key was used for something else.
    pub fn release_doing_with_key(&self, what: &str, key: impl AsRef<[u8]>) -> Pending<Appended> {
        match Name::new(what) {
            Ok(what) => self.say(&what, &Doing::Release, Some(key.as_ref())),
            Err(error) => Pending::ready(Err(error)),
        }
    }

    /// Says it of `what`; with a key, once.
    pub(super) fn say(&self, what: &Name, doing: &Doing, key: Option<&[u8]>) -> Pending<Appended> {
        let desk = self.doing_desk(what.as_str()).and_then(|desk| {
            let once = desk.decider().once(self.app_id(), key, || doing.asked())?;
            Ok((once, desk))
        });
        match desk {
            Ok((once, desk)) => publish(self, &desk, doing, once),
            Err(error) => Pending::ready(Err(error)),
        }
    }

    fn doing_desk(&self, what: &str) -> Result<Arc<DoingDesk>> {
        // In a forked process a thread that is not there may hold what comes next.
        self.log()?.check_process()?;
        Ok(self.shared().coordination.doing(Name::new(what)?))
    }
}

impl OwnDoing {
    /// The same claim, looked at and released in the session.
    pub(super) fn within(self, session: Within) -> OwnDoing {
        OwnDoing { session, ..self }
    }

    /// What it does, in NFC.
    pub fn what(&self) -> &Name {
        self.desk.name()
    }

    /// The event that said so.
    pub fn key(&self) -> EventKey {
        self.key
    }

    /// What a later read must cover to see it, and what it could have been based on.
    pub fn token(&self) -> &OffsetMap {
        &self.token
    }

    /// How it stands now, and as of which point in history: an older claim may still arrive.
    ///
    /// # Errors
    /// `corrupt`, `storage_failed`: the log cannot be read. `closed`, `forked_process`.
    pub fn standing(&self) -> Result<(Standing, Arc<OffsetMap>)> {
        self.session.wait(&self.node)?;
        self.desk.decider().read(self.node.log()?, |ground| {
            self.session.sees(ground.as_of);
            (ground.state.standing(&self.key), ground.as_of.clone())
        })
    }

    /// Tells how it stands whenever that changes, beginning with now.
    ///
    /// # Errors
    /// `closed`, `forked_process`.
    pub fn watch(&self) -> Result<DoingWatch> {
        DoingWatch::new(self)
    }

    /// Calls `hook` with the winner when this claim has lost, at once if it has: to undo what was
    /// begun, and then release it. At most once, on a thread of its own, as long as this handle of
    /// the node or a clone of it is open; never when it was released before. After a restart ask
    /// for it again with [`Node::own_doing`]: a claim that lost and was not released calls it then.
    ///
    /// # Errors
    /// `closed`, `forked_process`; `internal`: the system gives no thread.
    pub fn on_loss(&self, hook: impl FnOnce(Doer) + Send + 'static) -> Result<()> {
        doing_watch::on_loss(self, hook)
    }

    /// What others say of it, from the beginning: look at the standing again after each batch, and
    /// undo what was begun when it is lost.
    ///
    /// # Errors
    /// `closed`, `forked_process`.
    pub fn news(&self) -> Result<Subscription> {
        let news = self.node.subscribe(&self.desk.decider().query(), OffsetMap::new())?;
        Ok(news.within(self.session.clone()))
    }

    /// Takes it back: it is done, given up, or lost.
    ///
    /// # Errors
    /// Those of [`Node::publish`].
    pub fn release(&self) -> Pending<Appended> {
        self.session.write(&self.node, || publish(&self.node, &self.desk, &Doing::Release, None))
    }

    pub(super) fn session(&self) -> &Within {
        &self.session
    }

    pub(super) fn node(&self) -> &Node {
        &self.node
    }

    pub(super) fn desk(&self) -> &Arc<DoingDesk> {
        &self.desk
    }

    pub(super) fn log(&self) -> Result<&Log> {
        self.node.log()
    }
}

fn publish(node: &Node, desk: &DoingDesk, doing: &Doing, once: Option<Once>) -> Pending<Appended> {
    let log = match node.log() {
        Ok(log) => log,
        Err(error) => return Pending::ready(Err(error)),
    };
    desk.decider().decide(log, node.app_id(), once, |_| doing.decide())
}
