//! The loop that joins clock, transport, log and swarm, on one thread of its own. Decides nothing.
//!
//! Rule: every message is one input to the swarm; then outputs are performed until it waits.
//! Invariant: nothing is offered to a peer before the log says that it is durable.
//! Begin with [`Network::start`] and `Turn::run`.

// The rim: the loop has a thread of its own.
#![allow(clippy::disallowed_methods)]

use crate::blob::exchange;
use crate::driver::blob::BlobRoom;
use crate::driver::contact::{Contact, Tally};
use crate::driver::inbox::Inbox;
use crate::driver::opener::Opened;
use crate::driver::options::{NetworkOptions, PeerAddress};
use crate::driver::turn::Turn;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{NodeId, Preview, SignedHead, StreamId, SwarmSecrets};
use crate::log::{Forked, Log};
use crate::net::NetEvent;
use crate::pending::{Completer, Pending, pending};
use crate::sync::SwarmStatus;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// A node's side of the network: a thread with the swarm, and the transport while it is on.
pub(crate) struct Network {
    inbox: Arc<Inbox<Turn>>,
    /// And what is cut off when it ends.
    thread: Mutex<Option<(JoinHandle<()>, Receiver<()>)>>,
}

/// What reaches the loop.
pub(crate) enum Message {
    Net {
        generation: u64,
        event: NetEvent,
    },
    Opened {
        generation: u64,
        block: Opened,
    },
    Durable,
    /// Own events that are not written yet.
    Preview(Preview),
    /// Somebody here began to want events early, or nobody does any more.
    Live,
    StoreFailed {
        stream: StreamId,
        end: u64,
        error: Error,
    },
    /// The log has found damage.
    Damaged,
    Repaired {
        stream: StreamId,
        first: u64,
        result: Result<()>,
    },
    OwnStream(Result<StreamId>),
    Forked {
        branch: StreamId,
        forked: Result<Forked>,
    },
    Connect {
        peer: PeerAddress,
        done: Completer<()>,
    },
    Disconnect {
        peer: NodeId,
        done: Completer<()>,
    },
    SetNetwork {
        enabled: bool,
        done: Completer<()>,
    },
    SetSecrets {
        secrets: SwarmSecrets,
        done: Completer<()>,
    },
    /// Something that the exchange of blobs is told.
    Blob(exchange::Input),
    Status {
        done: Completer<NetworkStatus>,
    },
    Close {
        deadline: Duration,
    },
}

/// What the loop knows of the network.
pub(crate) struct NetworkStatus {
    pub(crate) swarm: SwarmStatus,
    pub(crate) local_addresses: Vec<SocketAddr>,
    pub(crate) enabled: bool,
    /// Peers that the user named and still wants.
    pub(crate) named: BTreeSet<NodeId>,
    /// Peers that discovery sees now.
    pub(crate) discovered: BTreeSet<NodeId>,
    pub(crate) contacts: BTreeMap<NodeId, Contact>,
    pub(crate) tally: Tally,
    /// The version of what there is to know that this was of.
    pub(crate) version: u64,
}

/// Heads that became durable since the loop last looked: one a stream, however many commits.
#[derive(Default)]
pub(crate) struct Fresh {
    heads: Mutex<BTreeMap<StreamId, SignedHead>>,
}

impl Fresh {
    /// Takes what became durable since the last time.
    pub(crate) fn take(&self) -> impl Iterator<Item = SignedHead> + use<> {
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *heads).into_values()
    }
}

impl Network {
    /// Binds the sockets and starts the loop.
    ///
    /// # Errors
    /// As `IrohTransport::start`, and `invalid_argument` for a peer that cannot be dialled.
    pub(crate) fn start(
        options: NetworkOptions,
        log: Log,
        secrets: SwarmSecrets,
        blobs: Arc<BlobRoom>,
    ) -> Result<Network> {
        let inbox = Arc::new(Inbox::new());
        let fresh = Arc::new(Fresh::default());
        let desk = blobs.desk().clone();
        let parts = (inbox.clone(), fresh.clone(), blobs);
        let mut turn = Turn::new(options, log.clone(), secrets, parts)?;
        turn.switch_on()?;
        let wake = inbox.clone();
        log.on_durable(Arc::new(move |heads: &[SignedHead]| {
            let mut held = fresh.heads.lock().unwrap_or_else(PoisonError::into_inner);
            let was_empty = held.is_empty();
            held.extend(heads.iter().map(|head| (head.stream, head.clone())));
            if was_empty {
                wake.push(Message::Durable);
            }
        }));
        let to = inbox.clone();
        log.live().on_interest(Arc::new(move || to.push(Message::Live)));
        // A change of thread would cost more than all of it. The caller holds the log's writer, so
        // nothing else may be done in its turn.
        let to = inbox.clone();
        log.live().on_preview(Arc::new(move |preview| {
            if !to.try_with(|turn: &mut Turn| turn.preview(&preview)) {
                to.push(Message::Preview(preview));
            }
        }));
        let damaged = inbox.clone();
        log.on_damage(Arc::new(move || damaged.push(Message::Damaged)));
        let theirs = inbox.clone();
        let (running, ended) = channel::<()>();
        let thread = std::thread::Builder::new()
            .name("millpond-sync".into())
            .spawn(move || {
                let _running = running;
                theirs.run(Box::new(turn));
            })
            .map_err(|error| {
                Error::new(ErrorKind::Internal, format!("cannot start the sync thread: {error}"))
            })?;
        let to = inbox.clone();
        desk.open(move |input| to.push(Message::Blob(input)));
        Ok(Network { inbox, thread: Mutex::new(Some((thread, ended))) })
    }

    /// Done when a session with `peer` was admitted, or was refused.
    pub(crate) fn connect(&self, peer: PeerAddress) -> Pending<()> {
        self.ask(|done| Message::Connect { peer, done })
    }

    /// Forgets where `peer` is and ends its session.
    pub(crate) fn disconnect(&self, peer: NodeId) -> Pending<()> {
        self.ask(|done| Message::Disconnect { peer, done })
    }

    /// Takes the node off the network or back on.
    pub(crate) fn set_enabled(&self, enabled: bool) -> Pending<()> {
        self.ask(|done| Message::SetNetwork { enabled, done })
    }

    /// Takes these secrets from now on.
    pub(crate) fn set_secrets(&self, secrets: SwarmSecrets) -> Pending<()> {
        self.ask(|done| Message::SetSecrets { secrets, done })
    }

    /// What the loop knows.
    pub(crate) fn status(&self) -> Pending<NetworkStatus> {
        self.ask(|done| Message::Status { done })
    }

    /// Ends all sessions, the transport and the loop; waits for that until the deadline. Called by
    /// the loop itself, from a callback, it ends after the callback.
    pub(crate) fn close(&self, deadline: Duration) {
        self.inbox.push(Message::Close { deadline });
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((thread, ended)) = thread else { return };
        if thread.thread().id() == std::thread::current().id() {
            return;
        }
        if ended.recv_timeout(deadline) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("the sync thread did not end in time; it ends by itself");
        } else if thread.join().is_err() {
            tracing::error!("the sync thread ended with a panic");
        }
    }

    fn ask<T: Send + 'static>(&self, message: impl FnOnce(Completer<T>) -> Message) -> Pending<T> {
        let (completer, answer) = pending(None);
        // A loop that is gone drops the completer, which answers `closed`.
        self.inbox.push(message(completer));
        answer
    }
}
