//! One turn of the loop: an input, then every output until the swarm waits. Decides nothing.

use crate::driver::blob::{BlobRoom, BlobTurn};
use crate::driver::cargo;
use crate::driver::clock;
use crate::driver::inbox::{Inbox, Loop};
use crate::driver::ledger::Ledger;
use crate::driver::network::{Fresh, Message, NetworkStatus};
use crate::driver::opener::Opener;
use crate::driver::options::{NetworkOptions, PeerAddress};
use crate::driver::pacer::Pacer;
use crate::driver::parts::{discover, named_peers, new_swarm};
use crate::error::{Error, ErrorKind, Result};
use crate::event::limits::STREAMS_PER_NODE_MAX;
use crate::event::{EventRange, NodeId, Preview, StreamEnd, StreamId, SwarmSecrets};
use crate::log::{Log, OpeningReason};
use crate::net::{
    self, ClosedBy, Discovery, EventSink, IrohTransport, NetEvent, Transport, TransportOptions,
};
use crate::pending::{Completer, Pending};
use crate::sync::{
    self, ConnectionId, Input, Lane, LinkState, Output, RefusalReason, Swarm, SwarmEvent,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Most bytes of a frame that a network thread deals with itself.
const SHORT_FRAME_BYTES_MAX: usize = 16 << 10;

/// The swarm, the transport while the network is on, and who waits for what.
pub(crate) struct Turn {
    options: NetworkOptions,
    pub(crate) log: Log,
    secrets: SwarmSecrets,
    pub(crate) inbox: Arc<Inbox<Turn>>,
    fresh: Arc<Fresh>,
    pub(crate) swarm: Swarm,
    /// Our stream as far as the swarm was told.
    pub(crate) own: StreamId,
    opener: Opener,
    wire: Option<Wire>,
    /// Counts how often the network was switched on: what an earlier wire still says is dropped.
    generation: u64,
    /// Every peer the user named and still wants, for when the network comes back.
    peers: BTreeMap<NodeId, PeerAddress>,
    connecting: BTreeMap<NodeId, Vec<Completer<()>>>,
    /// Ranges went to the log's queue since the loop last waited.
    has_stored: bool,
    ledger: Ledger,
    pacer: Pacer,
    pub(crate) blobs: BlobTurn,
}

/// What is there only while the network is on.
struct Wire {
    transport: IrohTransport,
    discovery: Option<Discovery>,
}

impl Turn {
    pub(crate) fn new(
        options: NetworkOptions,
        log: Log,
        secrets: SwarmSecrets,
        (inbox, fresh, room): (Arc<Inbox<Turn>>, Arc<Fresh>, Arc<BlobRoom>),
    ) -> Result<Turn> {
        let peers = named_peers(&options)?;
        let own = log.own_stream();
        let swarm = new_swarm(&options, &log, &secrets)?;
        let (connecting, to) = (BTreeMap::new(), inbox.clone());
        let ledger = Ledger::new(&log);
        let blobs = cargo::blobs(&log, room, &inbox);
        let opener = Opener::new(move |generation, block| {
            to.push_or_take(Message::Opened { generation, block }, Turn::is_for_openers);
        });
        Ok(Turn {
            options,
            log,
            secrets,
            inbox,
            fresh,
            swarm,
            own,
            opener,
            wire: None,
            generation: 0,
            peers,
            connecting,
            has_stored: false,
            ledger,
            pacer: Pacer::default(),
            blobs,
        })
    }

    /// A network thread takes a few live events, and what became durable: that takes less than a
    /// millisecond and waits for no thread, and others wait for it. All of the network waits while
    /// it does.
    fn is_for_the_network(&self, message: &Message) -> bool {
        match message {
            Message::Net { event: NetEvent::Frame { bytes, .. }, .. } => {
                let is_short = bytes.len() <= SHORT_FRAME_BYTES_MAX && sync::carries_events(bytes);
                is_short && self.log.has_queue_room()
            }
            Message::Durable | Message::StoreFailed { .. } => true,
            _ => false,
        }
    }

    /// A thread that opens blocks also takes what comes of them: whole ranges, for which it may
    /// wait until the log has room.
    fn is_for_openers(&self, message: &Message) -> bool {
        matches!(message, Message::Opened { .. }) || self.is_for_the_network(message)
    }

    /// Binds the sockets, begins to look for peers, and dials those that the user named.
    pub(crate) fn switch_on(&mut self) -> Result<()> {
        if self.wire.is_some() {
            return Ok(());
        }
        self.generation += 1;
        let (generation, inbox) = (self.generation, self.inbox.clone());
        let sink: EventSink = Arc::new(move |event| {
            inbox.push_or_take(Message::Net { generation, event }, Turn::is_for_the_network);
        });
        let mut options = TransportOptions::new(self.log.node_key().clone());
        if !self.options.bind.is_empty() {
            options.bind = self.options.bind.clone();
        }
        let transport = IrohTransport::start(options, sink.clone())?;
        let addresses = transport.local_addresses();
        // The same ports next time, so that peers find us where they knew us.
        self.options.bind = transport.bound_addresses();
        let discovery = match self.options.discovery {
            true => Some(discover(&self.log, &self.options.bind, sink)?),
            false => None,
        };
        tracing::info!(node = %self.log.node_id().short(), ?addresses, "the network is on");
        self.wire = Some(Wire { transport, discovery });
        self.swarm = new_swarm(&self.options, &self.log, &self.secrets)?;
        self.look_at_damage();
        for peer in self.peers.values() {
            let (peer, addresses) = (peer.node, peer.addresses.clone());
            self.swarm.handle(Input::AddPeer { peer, addresses }, clock::now());
        }
        Ok(())
    }

    fn switch_off(&mut self, deadline: Duration) {
        let Some(wire) = self.wire.take() else { return };
        self.generation += 1;
        if let Some(discovery) = wire.discovery {
            discovery.shutdown(deadline);
        }
        wire.transport.shutdown(deadline);
        self.blobs.all_ended();
        self.ledger.switched_off(self.swarm.reach(), &self.log);
        tracing::info!(node = %self.log.node_id().short(), "the network is off");
    }

    fn close(mut self, deadline: Duration) {
        self.swarm.handle(Input::Shutdown, clock::now());
        self.rest(false);
        self.switch_off(deadline);
    }

    fn perform(&mut self, message: Message) {
        self.ledger.lookout.note(&message, clock::now());
        match message {
            Message::Net { generation, event } if generation == self.generation => {
                self.take_net(event);
            }
            Message::Opened { generation, block } => {
                let block = block.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                if generation == self.generation {
                    self.swarm.handle(Input::Opened(block), clock::now());
                }
            }
            Message::Net { .. } | Message::Close { .. } => {}
            Message::Durable => {
                for head in self.fresh.take() {
                    self.ledger.grew(&head, clock::now());
                    self.swarm.handle(Input::Durable(head), clock::now());
                }
            }
            Message::Preview(preview) => self.preview(&preview),
            Message::Live => {
                let wanted = self.log.live().is_wanted();
                self.swarm.handle(Input::Live(wanted), clock::now());
            }
            Message::StoreFailed { stream, end, error } => {
                tracing::warn!(%stream, %error, "a received range could not be stored");
                self.swarm.handle(Input::StoreFailed { stream, end, error }, clock::now());
            }
            Message::Forked { branch, forked } => self.take_forked(branch, forked),
            Message::Damaged => self.look_at_damage(),
            Message::Repaired { stream, first, result } => {
                self.swarm.handle(Input::Repaired { stream, first, result }, clock::now());
            }
            Message::OwnStream(Ok(stream)) => {
                self.own = stream;
                self.swarm.handle(Input::OwnStream(stream), clock::now());
            }
            Message::OwnStream(Err(error)) => {
                tracing::error!(%error, "the next stream could not be opened");
                let own = self.log.own_stream();
                if own.number >= STREAMS_PER_NODE_MAX {
                    self.swarm.handle(Input::OwnStream(own), clock::now());
                }
            }
            Message::Connect { peer, done } => self.connect(peer, done),
            Message::Disconnect { peer, done } => {
                self.peers.remove(&peer);
                self.ledger.given_up(&peer);
                self.swarm.handle(Input::RemovePeer { peer }, clock::now());
                let message = "the node was told to disconnect from this peer";
                self.answer(peer, &Err(Error::new(ErrorKind::Cancelled, message)));
                done.complete(Ok(()));
            }
            Message::SetNetwork { enabled: true, done } => done.complete(self.switch_on()),
            Message::SetNetwork { enabled: false, done } => {
                // No farewell: to the peers this is a cable that was pulled.
                self.switch_off(Duration::ZERO);
                let fresh = new_swarm(&self.options, &self.log, &self.secrets);
                done.complete(fresh.map(|swarm| self.swarm = swarm));
            }
            Message::SetSecrets { secrets, done } => {
                self.secrets = secrets.clone();
                self.swarm.handle(Input::Secrets(secrets), clock::now());
                done.complete(Ok(()));
            }
            Message::Blob(input) => self.blobs.handle(input),
            Message::Status { done } => done.complete(Ok(self.status())),
        }
    }

    fn take_net(&mut self, event: NetEvent) {
        let now = clock::now();
        let own = |connection: net::ConnectionId| ConnectionId::new(connection.0);
        match event {
            NetEvent::Connected { connection, peer, binding, dialed, remote } => {
                let connection = own(connection);
                self.ledger.connected(connection, peer, now);
                self.swarm.handle(Input::Connected { connection, peer, binding, dialed }, now);
                self.swarm.handle(Input::Seen { connection, address: remote }, now);
            }
            NetEvent::Frame { connection, lane, bytes, credit } => {
                let connection = own(connection);
                self.ledger.received(connection, bytes.len(), now);
                self.swarm.handle(Input::Frame { connection, lane, bytes: bytes.clone() }, now);
                self.drain();
                let waste = self.swarm.take_waste(connection);
                self.pacer.dealt_with(connection, lane, &bytes, waste, credit, now);
            }
            NetEvent::Heard { connection, bytes } => {
                self.swarm.handle(Input::Heard { connection: own(connection), bytes }, now);
            }
            NetEvent::Sent { connection, lane, bytes } => {
                let connection = own(connection);
                self.swarm.handle(Input::Sent { connection, lane, bytes }, now);
            }
            NetEvent::Disconnected { connection, code, by, .. } => {
                let connection = own(connection);
                let code = code.filter(|_| by == ClosedBy::Peer).map(u64::from);
                self.swarm.handle(Input::Disconnected { connection, code }, now);
                self.ledger.disconnected(connection);
                self.pacer.ended(connection);
            }
            NetEvent::DialFailed { peer, reason } => {
                tracing::debug!(peer = %peer.short(), reason, "a dial failed");
                self.swarm.handle(Input::DialFailed { peer }, now);
            }
            NetEvent::Discovered { peer, addresses } => {
                self.swarm.handle(Input::Discovered { peer, addresses }, now);
            }
            NetEvent::Lost { peer } => {
                self.swarm.handle(Input::Discovered { peer, addresses: Vec::new() }, now);
            }
        }
    }

    /// Performs outputs until the swarm waits; the deadline it waits for.
    pub(crate) fn drain_swarm(&mut self) -> Option<Instant> {
        loop {
            match self.swarm.poll(&self.log) {
                Output::Send { connection, lane, bytes } => {
                    self.ledger.sent(connection, bytes.len());
                    let to = net::ConnectionId(connection.value());
                    self.on_wire(|wire| wire.send(to, lane, bytes));
                }
                Output::Open(block) => self.opener.open(self.generation, block),
                Output::Store { range, before, .. } => self.store(range, before),
                Output::Preview(preview) => self.log.show(&preview),
                Output::Fork { branch, range, .. } => self.fork(branch, range),
                Output::Repair { range } => self.repair(range),
                Output::Dial { peer, named, discovered } => {
                    self.ledger.dialed(peer, clock::now());
                    self.on_wire(|wire| wire.dial(peer, named, discovered));
                }
                Output::Close { connection, reason } => {
                    let code = u32::try_from(reason.code()).expect("codes are small");
                    let connection = net::ConnectionId(connection.value());
                    self.on_wire(|wire| wire.close(connection, code, reason.name()));
                }
                Output::Admitted { connection, has_bulk } => {
                    self.ledger.admitted(connection);
                    let connection = net::ConnectionId(connection.value());
                    self.on_wire(|wire| wire.admit(connection, has_bulk));
                }
                cargo @ (Output::CargoOpen { .. }
                | Output::Cargo { .. }
                | Output::Carried { .. }
                | Output::CargoEnd { .. }) => cargo::take(&mut self.blobs, cargo),
                Output::Tell(event) => self.tell(event),
                Output::Wait(deadline) => return deadline,
            }
        }
    }

    /// Shows own events to the peers that want them early. Calls no log.
    pub(crate) fn preview(&mut self, preview: &Preview) {
        for (connection, bytes) in self.swarm.preview(preview) {
            self.ledger.sent(connection, bytes.len());
            let connection = net::ConnectionId(connection.value());
            self.on_wire(|wire| wire.send(connection, Lane::Live, bytes));
        }
    }

    fn on_wire(&self, act: impl FnOnce(&IrohTransport)) {
        if let Some(wire) = &self.wire {
            act(&wire.transport);
        }
    }

    fn store(&mut self, range: EventRange, before: StreamEnd) {
        self.has_stored = true;
        let (stream, end, inbox) = (range.stream(), range.head.count, self.inbox.clone());
        // The swarm gives out no range that it has not verified.
        self.log.queue_verified_range(range, before).on_done(move |stored| {
            if let Err(error) = stored {
                inbox.push(Message::StoreFailed { stream, end, error });
            }
        });
    }

    fn repair(&self, range: EventRange) {
        let (stream, first, inbox) = (range.stream(), range.first, self.inbox.clone());
        self.log
            .repair_block(range)
            .on_done(move |result| inbox.push(Message::Repaired { stream, first, result }));
    }

    /// Tells the swarm which blocks of the log are damaged.
    fn look_at_damage(&mut self) {
        let Ok(damaged) = self.log.damaged_blocks() else { return };
        let blocks = damaged.into_iter().map(|block| (block.stream, block.first, block.end));
        self.swarm.handle(Input::Damaged(blocks.collect()), clock::now());
    }

    fn connect(&mut self, peer: PeerAddress, done: Completer<()>) {
        if self.wire.is_none() {
            let message = "the network of this node is switched off; switch it on first";
            return done.complete(Err(
                Error::new(ErrorKind::PeerRefused, message).with_reason("network_off")
            ));
        }
        if peer.node == self.log.node_id() {
            let message = "a node cannot connect to itself: this is its own node id";
            return done.complete(Err(Error::new(ErrorKind::InvalidArgument, message)));
        }
        let room = || self.swarm.check_room_for(&peer.node);
        if let Err(error) = peer.check(self.options.discovery).and_then(|()| room()) {
            return done.complete(Err(error));
        }
        let (node, addresses) = (peer.node, peer.addresses.clone());
        if self.is_connected(&node) {
            done.complete(Ok(()));
        } else {
            let waiting = self.connecting.entry(node).or_default();
            waiting.retain(Completer::is_awaited);
            waiting.push(done);
        }
        self.peers.insert(node, peer);
        self.swarm.handle(Input::AddPeer { peer: node, addresses }, clock::now());
    }

    fn tell(&mut self, event: SwarmEvent) {
        match event {
            SwarmEvent::PeerUp(peer) => {
                tracing::info!(peer = %peer.short(), "a session began");
                self.answer(peer, &Ok(()));
            }
            SwarmEvent::PeerDown { peer, reason } => {
                tracing::info!(peer = %peer.short(), ?reason, "a session ended");
            }
            SwarmEvent::Refused(refused) => {
                self.ledger.refused(&refused, clock::now());
                if refused.reason != RefusalReason::DuplicateConnection {
                    tracing::warn!(error = %refused.error, "a session was refused");
                    self.answer(refused.peer, &Err(refused.error));
                }
            }
            SwarmEvent::Misbehaved { peer, error } => {
                tracing::warn!(peer = %peer.short(), %error, "a peer misbehaved");
            }
            SwarmEvent::OwnStreamElsewhere { number, head } => {
                tracing::error!(
                    stream = %head.stream, count = head.count,
                    "our own stream has grown elsewhere: this store is a copy or was restored"
                );
                let (inbox, reason) = (self.inbox.clone(), OpeningReason::GrownElsewhere);
                let begun = match clock::number_step() {
                    Ok(step) => self.log.begin_stream(reason, number + 1, step),
                    Err(error) => Pending::ready(Err(error)),
                };
                begun.on_done(move |begun| {
                    inbox.push(Message::OwnStream(begun));
                });
            }
            SwarmEvent::Forked(fork) => {
                let message = "a stream has several histories; all are kept";
                tracing::error!(stream = %fork.of, offset = fork.at, message);
            }
            SwarmEvent::Quarantined { stream, required } => {
                tracing::warn!(%stream, required, "a stream is held back: its lamport runs ahead");
            }
            SwarmEvent::TooNew(stream) => {
                tracing::warn!(%stream, "a later millpond wrote a stream; upgrade this node");
            }
        }
    }

    fn is_connected(&self, peer: &NodeId) -> bool {
        let status = self.swarm.status();
        let known = |known: &&crate::sync::PeerStatus| known.peer == *peer;
        status.peers.iter().find(known).is_some_and(|peer| peer.state == LinkState::Connected)
    }

    fn answer(&mut self, peer: NodeId, result: &Result<()>) {
        for done in self.connecting.remove(&peer).unwrap_or_default() {
            done.complete(result.clone());
        }
    }

    fn status(&mut self) -> NetworkStatus {
        let reach = self.swarm.reach();
        let discovered = reach.discovered.clone();
        let shown = reach.clone();
        self.ledger.look(reach, &self.log);
        self.ledger.show(&shown);
        let version = self.log.news_version();
        NetworkStatus {
            swarm: self.swarm.status(),
            named: self.peers.keys().copied().collect(),
            discovered,
            contacts: self.ledger.contacts(),
            tally: self.ledger.tally(),
            version,
            local_addresses: self
                .wire
                .as_ref()
                .map_or_else(Vec::new, |wire| wire.transport.local_addresses()),
            enabled: self.wire.is_some(),
        }
    }
}

impl Loop for Turn {
    type Message = Message;

    fn take(mut self: Box<Turn>, message: Message) -> Option<Box<Turn>> {
        if let Message::Close { deadline } = message {
            self.close(deadline);
            return None;
        }
        self.perform(message);
        self.drain();
        Some(self)
    }

    fn tick(&mut self) {
        self.ledger.lookout.note_time(clock::now());
        self.swarm.handle(Input::Tick, clock::now());
    }

    /// What was received is on its way to the disk before we wait.
    fn rest(&mut self, idle: bool) -> Option<Instant> {
        let deadline = self.drain();
        if std::mem::take(&mut self.has_stored) {
            self.log.commit_soon(idle);
        }
        self.log.live().watch(self.swarm.wants_previews());
        if self.ledger.lookout.is_due(clock::now()) {
            self.ledger.look_around(self.swarm.reach(), &self.log);
        }
        let paced = self.pacer.release(clock::now());
        [deadline, self.ledger.lookout.next(), paced].into_iter().flatten().min()
    }
}
