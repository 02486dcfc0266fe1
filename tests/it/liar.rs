//! A node that lies: swarm, log and transport are real, but every frame that leaves passes a hand.
//!
//! No part of millpond was made for it: these are the rooms' own front doors, joined as the driver
//! joins them. Begin with [`Liar::start`].

use crate::nodes::PATIENCE;
use crate::support::Scratch;
use millpond::PeerAddress;
use millpond::event::{NodeId, NodeKey, SignedHead, SwarmSecret, WallTime};
use millpond::log::{Log, LogOptions};
use millpond::net::{self, ClosedBy, EventSink, IrohTransport, NetEvent, Transport};
use millpond::sync::{
    ConnectionId, Input, Output, PEERS_MAX_DEFAULT, SendCaps, Swarm, SwarmOptions,
};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What becomes of a frame before it leaves.
pub(crate) type Hand = Box<dyn Fn(&mut Vec<u8>) + Send>;

/// A lying node, until dropped.
pub(crate) struct Liar {
    pub(crate) node: NodeId,
    log: Log,
    inbox: Sender<Step>,
    thread: Option<JoinHandle<()>>,
}

enum Step {
    Net(NetEvent),
    Swarm(Input),
    Durable(Vec<SignedHead>),
    End,
}

impl Liar {
    /// A liar with the node key of `seed`, which holds the swarm's secret and nothing else yet.
    pub(crate) fn start(scratch: &Scratch, seed: u8, secret: &SwarmSecret, hand: Hand) -> Liar {
        let key = NodeKey::from_seed(&[seed; 32]);
        let path = scratch.path().join(format!("liar-{seed}"));
        let clock = Arc::new(|| WallTime::from_micros(0));
        let mut options = LogOptions::new(path, secret.swarm_id(), [0; 32], clock);
        options.node_key = Some(key.clone());
        let log = Log::open(options).expect("a log opens");
        let (inbox, steps) = mpsc::channel();
        let (growth, frames) = (inbox.clone(), inbox.clone());
        log.on_durable(Arc::new(move |heads| drop(growth.send(Step::Durable(heads.to_vec())))));
        let sink: EventSink = Arc::new(move |event| drop(frames.send(Step::Net(event))));
        let mut options = net::TransportOptions::new(key.clone());
        options.bind = vec!["127.0.0.1:0".parse().expect("an address")];
        let transport = IrohTransport::start(options, sink).expect("loopback can be bound");
        let options = SwarmOptions {
            node: key.node_id(),
            own_stream: log.own_stream(),
            secrets: secret.clone().into(),
            instance: [seed; 8],
            allowed: None,
            peers_max: PEERS_MAX_DEFAULT,
            send_caps: SendCaps::default(),
            learns: false,
            priority: None,
            carries_cargo: false,
        };
        let swarm = Swarm::new(options, log.heads(), Vec::new(), Instant::now());
        let act = Act { swarm, transport, log: log.clone(), hand, inbox: inbox.clone() };
        let thread = Some(std::thread::spawn(move || act.run(&steps)));
        Liar { node: key.node_id(), log, inbox, thread }
    }

    /// Connects to a node and goes on trying.
    pub(crate) fn connect(&self, to: PeerAddress) {
        let input = Input::AddPeer { peer: to.node, addresses: to.addresses };
        self.inbox.send(Step::Swarm(input)).expect("the liar goes on");
    }

    /// Waits until it holds `count` events.
    pub(crate) fn until_held(&self, count: u128) {
        let deadline = Instant::now() + PATIENCE;
        let mut watch = self.log.watch();
        while self.log.durable_map().expect("the log is open").total() < count {
            assert!(watch.wait_until(deadline), "the liar waited in vain for {count} events");
        }
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        // A thread that has ended by itself has panicked, which joining it tells.
        let _ = self.inbox.send(Step::End);
        let ended = self.thread.take().expect("taken only here").join();
        assert!(ended.is_ok() || std::thread::panicking(), "the liar panicked");
    }
}

/// The loop of the driver, with a hand on what is sent.
struct Act {
    swarm: Swarm,
    transport: IrohTransport,
    log: Log,
    hand: Hand,
    inbox: Sender<Step>,
}

impl Act {
    fn run(mut self, steps: &Receiver<Step>) {
        loop {
            let deadline = self.drain();
            let wait = deadline.map_or(PATIENCE, |at| at.saturating_duration_since(Instant::now()));
            match steps.recv_timeout(wait) {
                Ok(Step::End) | Err(RecvTimeoutError::Disconnected) => {
                    return self.transport.shutdown(Duration::ZERO);
                }
                Ok(Step::Net(event)) => self.take(event),
                Ok(Step::Swarm(input)) => self.give(input),
                Ok(Step::Durable(heads)) => {
                    heads.into_iter().for_each(|head| self.give(Input::Durable(head)));
                }
                Err(RecvTimeoutError::Timeout) => self.give(Input::Tick),
            }
        }
    }

    fn give(&mut self, input: Input) {
        self.swarm.handle(input, Instant::now());
    }

    fn take(&mut self, event: NetEvent) {
        let own = |connection: net::ConnectionId| ConnectionId::new(connection.0);
        match event {
            NetEvent::Connected { connection, peer, binding, dialed, .. } => {
                let connection = own(connection);
                self.give(Input::Connected { connection, peer, binding, dialed });
            }
            NetEvent::Frame { connection, lane, bytes, credit } => {
                self.give(Input::Frame { connection: own(connection), lane, bytes });
                self.drain();
                drop(credit);
            }
            NetEvent::Heard { connection, bytes } => {
                self.give(Input::Heard { connection: own(connection), bytes });
            }
            NetEvent::Sent { connection, lane, bytes } => {
                self.give(Input::Sent { connection: own(connection), lane, bytes });
            }
            NetEvent::Disconnected { connection, code, by, .. } => {
                let code = code.filter(|_| by == ClosedBy::Peer).map(u64::from);
                self.give(Input::Disconnected { connection: own(connection), code });
            }
            NetEvent::DialFailed { peer, .. } => self.give(Input::DialFailed { peer }),
            NetEvent::Discovered { .. } | NetEvent::Lost { .. } => {}
        }
    }

    fn drain(&mut self) -> Option<Instant> {
        let wire = |connection: ConnectionId| net::ConnectionId(connection.value());
        loop {
            match self.swarm.poll(&self.log) {
                Output::Send { connection, lane, bytes } => {
                    let mut bytes = bytes.to_vec();
                    (self.hand)(&mut bytes);
                    self.transport.send(wire(connection), lane, bytes.into());
                }
                Output::Open(block) => self.give(Input::Opened(block.open())),
                Output::Store { range, .. } => {
                    let (stream, end, inbox) =
                        (range.stream(), range.head.count, self.inbox.clone());
                    self.log.append_range(range).on_done(move |stored| {
                        if let Err(error) = stored {
                            drop(inbox.send(Step::Swarm(Input::StoreFailed {
                                stream,
                                end,
                                error,
                            })));
                        }
                    });
                }
                Output::Repair { .. } => {}
                Output::Fork { .. } => unreachable!("a liar's streams do not fork"),
                Output::Dial { peer, named, discovered } => {
                    self.transport.dial(peer, named, discovered);
                }
                Output::Close { connection, reason } => {
                    let code = u32::try_from(reason.code()).expect("codes are small");
                    self.transport.close(wire(connection), code, reason.name());
                }
                Output::Admitted { connection, has_bulk } => {
                    self.transport.admit(wire(connection), has_bulk);
                }
                Output::CargoOpen { .. }
                | Output::Cargo { .. }
                | Output::Carried { .. }
                | Output::CargoEnd { .. } => unreachable!("a liar carries no cargo"),
                Output::Tell(_) | Output::Preview(_) => {}
                Output::Wait(deadline) => return deadline,
            }
        }
    }
}
