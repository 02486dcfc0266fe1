//! A peer that says whatever a test wants: a key of its own, bare QUIC, and bytes.
//!
//! Nothing of it is millpond's transport or session, which would not say such things. It passes
//! over messages that may be skipped and channels that it did not open, so that the protocol may
//! grow around it. Begin with [`Puppet::start`] and [`Line::greet`].

use crate::nodes::PATIENCE;
use bytes::Bytes;
use iroh::endpoint::{Connection, ConnectionError, RecvStream, SendStream, presets};
use iroh::{Endpoint, EndpointAddr, PublicKey, RelayMode, SecretKey, TransportAddr};
use millpond::PeerAddress;
use millpond::event::codec::put_varint;
use millpond::event::limits::{
    FRAME_BYTES_MAX, NESTING_MAX, PAYLOAD_BYTES_MAX, RECORD_BYTES_MAX, TAG_BYTES_MAX,
    TAGS_PER_EVENT_MAX,
};
use millpond::event::{NodeId, NodeKey, SwarmSecret};
use millpond::sync::{Message, RefusalReason};
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::time::timeout;

/// Source of these and of [`Line::hello`]: docs/protocol.md.
const ALPN: &[u8] = b"millpond/0";
/// How long bytes may take that are taken at once.
const MOMENT: Duration = Duration::from_millis(20);
const OPENING: [u8; 4] = [0; 4];
const BINDING_LABEL: &[u8] = b"EXPORTER-millpond-swarm";
const PROOF_DOMAIN: &[u8] = b"millpond admission v1";
const HELLO: u8 = 0x01;
const IGNORABLE: u8 = 0x80;
/// What is said of blobs: only to who says that it carries it.
const CARGO: RangeInclusive<u8> = 0x90..=0x97;
/// The extension of a hello that says so.
const CARRIES_CARGO: (u64, &[u8]) = (6, &[1]);
/// What a hello lists, in its order.
pub(super) const LIMITS: [usize; 6] = [
    PAYLOAD_BYTES_MAX,
    TAGS_PER_EVENT_MAX,
    TAG_BYTES_MAX,
    NESTING_MAX,
    RECORD_BYTES_MAX,
    FRAME_BYTES_MAX,
];

/// An endpoint with a node key.
pub(super) struct Puppet {
    endpoint: Endpoint,
    key: NodeKey,
}

/// One connection of a puppet, with its channel.
pub(super) struct Line {
    us: NodeId,
    peer: NodeId,
    dialed: bool,
    connection: Connection,
    send: SendStream,
    frames: Receiver<Bytes>,
    /// What is not read on purpose.
    _unread: Option<(RecvStream, Sender<Bytes>)>,
}

/// All puppets of a test run share two threads.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut threads = tokio::runtime::Builder::new_multi_thread();
        let threads = threads.worker_threads(2).thread_name("puppets").enable_all();
        threads.build().expect("threads can be had")
    })
}

/// A key that no other puppet of this process has.
pub(super) fn fresh_key() -> NodeKey {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let mut seed = [0xba; 32];
    seed[..8].copy_from_slice(&LAST.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    NodeKey::from_seed(&seed)
}

impl Puppet {
    /// A puppet with a key of its own, on loopback.
    pub(super) fn start() -> Puppet {
        Puppet::with(fresh_key(), Ipv4Addr::LOCALHOST)
    }

    /// As `start`, with this key and at this address of loopback.
    pub(super) fn with(key: NodeKey, address: Ipv4Addr) -> Puppet {
        let builder = Endpoint::builder(presets::Minimal)
            .secret_key(SecretKey::from_bytes(&key.to_seed()))
            .relay_mode(RelayMode::Disabled)
            .alpns(vec![ALPN.to_vec()])
            .clear_ip_transports()
            .bind_addr(SocketAddr::from((address, 0)))
            .expect("an address");
        let endpoint = runtime().block_on(builder.bind()).expect("loopback can be bound");
        Puppet { endpoint, key }
    }

    pub(super) fn key(&self) -> &NodeKey {
        &self.key
    }

    pub(super) fn node(&self) -> NodeId {
        self.key.node_id()
    }

    /// Where others can dial it.
    pub(super) fn address(&self) -> PeerAddress {
        PeerAddress { node: self.node(), addresses: self.endpoint.bound_sockets() }
    }

    /// Connects, and opens the channel as the protocol has it.
    pub(super) fn dial(&self, to: &PeerAddress) -> Line {
        self.try_dial(to).expect("the node takes connections")
    }

    /// As `dial`.
    ///
    /// # Errors
    /// Why there is no connection.
    pub(super) fn try_dial(&self, to: &PeerAddress) -> Result<Line, String> {
        self.connect(to).and_then(|connection| self.open(connection, &OPENING))
    }

    /// As `dial`, of a puppet that takes nothing off its channel.
    pub(super) fn dial_deaf(&self, to: &PeerAddress) -> Line {
        let connection = self.connect(to).expect("the node takes connections");
        runtime().block_on(async {
            let (mut send, recv) = connection.open_bi().await.expect("a channel");
            send.write_all(&OPENING).await.expect("the node reads");
            let (us, peer) = (self.node(), NodeId::from_bytes(*connection.remote_id().as_bytes()));
            let (heard, frames) = channel();
            let _unread = Some((recv, heard));
            Line { us, peer, dialed: true, connection, send, frames, _unread }
        })
    }

    /// Opens the channel of a connection with these bytes.
    ///
    /// # Errors
    /// Why that was not taken.
    pub(super) fn open(&self, connection: Connection, opening: &[u8]) -> Result<Line, String> {
        runtime().block_on(async {
            let (mut send, recv) = connection.open_bi().await.map_err(|error| error.to_string())?;
            send.write_all(opening).await.map_err(|error| error.to_string())?;
            Ok(Line::new(self.node(), true, connection, send, recv))
        })
    }

    /// A connection without a channel.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn connect(&self, to: &PeerAddress) -> Result<Connection, String> {
        let key = PublicKey::from_bytes(to.node.as_bytes()).expect("a node id is a key");
        let addresses = to.addresses.iter().copied().map(TransportAddr::Ip);
        let target = EndpointAddr::from_parts(key, addresses);
        let connecting = self.endpoint.connect(target, ALPN);
        let connected = runtime().block_on(async { timeout(PATIENCE, connecting).await });
        connected.expect("an answer comes in time").map_err(|error| format!("{error:#}"))
    }

    /// Takes the next connection and its channel, unless none comes within `patience`.
    pub(super) fn accept(&self, patience: Duration) -> Option<Line> {
        let accepted = async {
            let connection = self.endpoint.accept().await?.await.ok()?;
            let (send, mut recv) = connection.accept_bi().await.ok()?;
            recv.read_exact(&mut [1; 4]).await.ok()?;
            Some(Line::new(self.node(), false, connection, send, recv))
        };
        runtime().block_on(async { timeout(patience, accepted).await }).ok().flatten()
    }
}

impl Line {
    fn new(
        us: NodeId,
        dialed: bool,
        connection: Connection,
        send: SendStream,
        recv: RecvStream,
    ) -> Line {
        let (heard, frames) = channel();
        let peer = NodeId::from_bytes(*connection.remote_id().as_bytes());
        runtime().spawn(read(recv, heard.clone()));
        runtime().spawn(read_further(connection.clone(), heard));
        Line { us, peer, dialed, connection, send, frames, _unread: None }
    }

    /// The hello that the protocol asks for, by who holds `secret`.
    pub(super) fn hello(&self, secret: &SwarmSecret) -> Vec<u8> {
        let limits = LIMITS.map(|limit| limit as u64);
        hello_with(&self.proof(secret), &limits, &[])
    }

    /// The proof that belongs into a hello on this line.
    pub(super) fn proof(&self, secret: &SwarmSecret) -> [u8; 32] {
        let mut binding = [0; 32];
        let exported = self.connection.export_keying_material(&mut binding, BINDING_LABEL, b"");
        assert!(exported.is_ok(), "the TLS session is there");
        let mut hasher = blake3::Hasher::new_keyed(&secret.admission_key());
        hasher.update(PROOF_DOMAIN).update(&binding).update(&[u8::from(!self.dialed)]);
        hasher.update(self.us.as_bytes()).update(self.peer.as_bytes());
        *hasher.finalize().as_bytes()
    }

    /// Becomes a peer: says hello, tells of no stream, and waits until it is admitted.
    pub(super) fn greet(&mut self, secret: &SwarmSecret) {
        let hello = self.hello(secret);
        self.greet_with(&hello);
    }

    /// As `greet`, of one that carries blobs.
    pub(super) fn greet_carrying(&mut self, secret: &SwarmSecret) {
        let limits = LIMITS.map(|limit| limit as u64);
        let hello = hello_with(&self.proof(secret), &limits, &[CARRIES_CARGO]);
        self.greet_with(&hello);
    }

    /// Opens the lane of a backlog, and behind it the one of bulk, which is given: a frame is sent
    /// there as on the other.
    pub(super) fn open_bulk(&mut self) -> Bulk {
        let opened = async {
            let backlog = self.connection.open_uni().await.expect("a member has a lane");
            let bulk = self.connection.open_uni().await.expect("and who carries blobs a second");
            Bulk { _backlog: backlog, bulk }
        };
        runtime().block_on(async { timeout(PATIENCE, opened).await }).expect("they open in time")
    }

    fn greet_with(&mut self, hello: &[u8]) {
        self.say(hello);
        self.tell(&Message::Summary { is_last: true, heads: Vec::new() });
        // Nothing but a hello or a goodbye comes before.
        let admitted = self.hear_until(|frame| frame[0] != HELLO);
        assert!(admitted.is_some_and(|frame| frame[0] != 0x02), "the puppet was not admitted");
    }

    /// Sends a frame; false when the connection is gone.
    pub(super) fn say(&mut self, frame: &[u8]) -> bool {
        let length = u32::try_from(frame.len()).expect("a frame");
        self.push(&[&length.to_le_bytes(), frame].concat())
    }

    /// Sends a message; false when the connection is gone.
    pub(super) fn tell(&mut self, message: &Message) -> bool {
        self.say(&message.encode())
    }

    /// Shows that somebody is there.
    pub(super) fn breathe(&mut self) -> bool {
        self.tell(&Message::Pong(u64::MAX))
    }

    /// Sends bytes as they are; false when the connection is gone, or nobody took them for long.
    pub(super) fn push(&mut self, bytes: &[u8]) -> bool {
        let send = &mut self.send;
        let pushed = runtime().block_on(async { timeout(PATIENCE, send.write_all(bytes)).await });
        pushed.is_ok_and(|written| written.is_ok())
    }

    /// As `push`, of as many bytes as are taken until nothing is taken for `patience`; how many.
    pub(super) fn push_some(&mut self, bytes: &[u8], patience: Duration) -> usize {
        let (send, mut taken) = (&mut self.send, 0);
        runtime().block_on(async {
            while let Ok(Ok(count)) = timeout(patience, send.write(&bytes[taken..])).await {
                taken += count;
                if taken == bytes.len() {
                    break;
                }
            }
        });
        taken
    }

    /// As `push`, of what is taken at once.
    pub(super) fn push_now(&mut self, bytes: &[u8]) {
        let send = &mut self.send;
        // What there is no room for on the way is not sent.
        let _ = runtime().block_on(async { timeout(MOMENT, send.write_all(bytes)).await });
    }

    /// The next frame that came, unless none comes within `patience` or the connection is gone.
    pub(super) fn hear(&self, patience: Duration) -> Option<Bytes> {
        self.frames.recv_timeout(patience).ok()
    }

    /// The first frame that is so; none when the connection ends before.
    pub(super) fn hear_until(&self, is_it: impl Fn(&Bytes) -> bool) -> Option<Bytes> {
        loop {
            let frame = self.hear(PATIENCE)?;
            if is_it(&frame) {
                return Some(frame);
            }
        }
    }

    /// Waits until the node closes the connection; why it did.
    ///
    /// # Errors
    /// The connection ended otherwise.
    pub(super) fn refused(&self) -> Result<RefusalReason, String> {
        let closed = async { timeout(PATIENCE, self.connection.closed()).await };
        match runtime().block_on(closed).expect("the node closes in time") {
            ConnectionError::ApplicationClosed(close) => {
                Ok(RefusalReason::from_code(close.error_code.into()))
            }
            other => Err(other.to_string()),
        }
    }

    /// True while neither side closed the connection.
    pub(super) fn is_open(&self) -> bool {
        self.connection.close_reason().is_none()
    }

    /// Closes the connection at once with this code.
    pub(super) fn close(&self, code: u32) {
        self.connection.close(code.into(), b"");
    }
}

/// The lanes behind the live one.
pub(super) struct Bulk {
    _backlog: SendStream,
    bulk: SendStream,
}

impl Bulk {
    /// Sends a frame, or as much of it as is said: false when the connection is gone.
    pub(super) fn say(&mut self, frame: &[u8]) -> bool {
        let length = u32::try_from(frame.len()).expect("a frame");
        self.push(&[&length.to_le_bytes(), frame].concat())
    }

    /// Sends bytes as they are; false when the connection is gone.
    pub(super) fn push(&mut self, bytes: &[u8]) -> bool {
        let send = &mut self.bulk;
        let pushed = runtime().block_on(async { timeout(PATIENCE, send.write_all(bytes)).await });
        pushed.is_ok_and(|written| written.is_ok())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.close(0);
    }
}

/// A hello of version 1 with these extensions: ids and bytes.
pub(super) fn hello_with(proof: &[u8; 32], limits: &[u64], extensions: &[(u64, &[u8])]) -> Vec<u8> {
    let instance = [0x9b; 8];
    let mut hello = [&[HELLO, 1, 1][..], &instance, proof].concat();
    put_varint(&mut hello, limits.len() as u64);
    limits.iter().for_each(|limit| put_varint(&mut hello, *limit));
    put_varint(&mut hello, extensions.len() as u64);
    for (id, bytes) in extensions {
        put_varint(&mut hello, *id);
        put_varint(&mut hello, bytes.len() as u64);
        hello.extend_from_slice(bytes);
    }
    hello
}

/// Reads frames until the channel ends, and keeps those that must be understood.
async fn read(mut recv: RecvStream, heard: Sender<Bytes>) {
    let mut length = [0; 4];
    while recv.read_exact(&mut length).await.is_ok() {
        let mut frame = vec![0; u32::from_le_bytes(length) as usize];
        if recv.read_exact(&mut frame).await.is_err() {
            return;
        }
        let is_ignorable =
            frame.first().is_none_or(|kind| *kind >= IGNORABLE && !CARGO.contains(kind));
        if !is_ignorable && heard.send(frame.into()).is_err() {
            return;
        }
    }
}

/// Reads the frames that further channels bring, one channel after the other.
async fn read_further(connection: Connection, heard: Sender<Bytes>) {
    while let Ok(recv) = connection.accept_uni().await {
        read(recv, heard.clone()).await;
    }
}

/// Waits until the node has given up a connection.
pub(super) fn until_closed(connection: &Connection) {
    let closed = async { timeout(PATIENCE, connection.closed()).await };
    runtime().block_on(closed).expect("the node closes in time");
}
