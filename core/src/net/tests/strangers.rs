use super::*;
use crate::event::limits::FRAME_BYTES_MAX;
use crate::net::code;
use crate::net::endpoint::ALPN;
use crate::net::link::STRANGER_FRAME_BYTES_MAX;
use crate::sync::BULK_FRAME_BYTES_MAX;
use iroh::endpoint::{Connection, ConnectionError, SendStream, presets};
use iroh::{Endpoint, EndpointAddr, PublicKey, RelayMode, SecretKey, TransportAddr};
use tokio::runtime::Runtime;

/// A peer that obeys no rule of ours: a bare QUIC endpoint.
pub(super) struct Stranger {
    runtime: Runtime,
    pub(super) endpoint: Endpoint,
}

impl Stranger {
    fn start(seed: u8) -> Stranger {
        Stranger::start_with(seed, (Ipv4Addr::LOCALHOST, 0).into(), None)
    }

    /// Listens on `bind`, and says that it is also at `elsewhere`.
    pub(super) fn start_with(
        seed: u8,
        bind: SocketAddr,
        elsewhere: Option<SocketAddr>,
    ) -> Stranger {
        let mut threads = tokio::runtime::Builder::new_multi_thread();
        let runtime = threads.worker_threads(1).enable_all().build().unwrap();
        let mut builder = Endpoint::builder(presets::Minimal)
            .secret_key(SecretKey::from_bytes(&[seed; 32]))
            .relay_mode(RelayMode::Disabled)
            .alpns(vec![ALPN.to_vec()])
            .clear_ip_transports()
            .bind_addr(bind)
            .unwrap();
        if let Some(elsewhere) = elsewhere {
            builder = builder.external_addr(elsewhere);
        }
        let endpoint = runtime.block_on(builder.bind()).unwrap();
        Stranger { runtime, endpoint }
    }

    pub(super) fn id(&self) -> NodeId {
        NodeId::from_bytes(*self.endpoint.id().as_bytes())
    }

    /// Takes the next connection and its channel.
    pub(super) fn accept(&self) -> (Connection, SendStream) {
        self.runtime.block_on(async {
            let connection = self.endpoint.accept().await.unwrap().await.unwrap();
            let (send, _recv) = connection.accept_bi().await.unwrap();
            (connection, send)
        })
    }

    pub(super) fn dial(&self, peer: &Peer, alpn: &[u8]) -> Result<Connection, String> {
        let id = PublicKey::from_bytes(peer.id.as_bytes()).unwrap();
        let addresses = peer.addresses().into_iter().map(TransportAddr::Ip);
        let target = EndpointAddr::from_parts(id, addresses);
        let connected = self.runtime.block_on(self.endpoint.connect(target, alpn));
        connected.map_err(|error| format!("{error:#}"))
    }

    /// Opens a channel and writes `bytes`.
    fn write(&self, connection: &Connection, bytes: &[u8]) -> SendStream {
        self.runtime.block_on(async {
            let (mut send, _recv) = connection.open_bi().await.unwrap();
            send.write_all(bytes).await.unwrap();
            send
        })
    }

    fn closed(&self, connection: &Connection) -> (u32, String) {
        match self.runtime.block_on(connection.closed()) {
            ConnectionError::ApplicationClosed(close) => {
                let reason = String::from_utf8_lossy(&close.reason).into_owned();
                (u32::try_from(u64::from(close.error_code)).unwrap(), reason)
            }
            other => panic!("expected a close with a reason, got {other}"),
        }
    }
}

fn hasty(seed: u8) -> Peer {
    let mut options = options(seed);
    options.admission_deadline = Duration::from_millis(300);
    options.handshake_deadline = Duration::from_millis(300);
    Peer::start_with(options)
}

#[test]
fn an_oversized_frame_closes_the_connection_before_it_is_read() {
    let (peer, stranger) = (Peer::start(31), Stranger::start(32));
    let connection = stranger.dial(&peer, ALPN).unwrap();
    let mut bytes = vec![0; 4];
    bytes.extend_from_slice(&u32::try_from(FRAME_BYTES_MAX + 1).unwrap().to_le_bytes());
    let _send = stranger.write(&connection, &bytes);
    let (_, id, ..) = peer.connected();
    assert_eq!(id.as_bytes(), stranger.endpoint.id().as_bytes());
    let (reason, code, by) = peer.disconnected();
    assert_eq!((code, by), (Some(code::OVERSIZED), ClosedBy::Us), "{reason}");
    assert_eq!(stranger.closed(&connection), (code::OVERSIZED, reason));
}

#[test]
fn a_stranger_gets_frames_of_4_kib_through_and_nothing_longer() {
    let (peer, stranger) = (hasty(33), Stranger::start(34));
    let connection = stranger.dial(&peer, ALPN).unwrap();
    let mut bytes = vec![0; 4];
    bytes.extend_from_slice(&u32::try_from(STRANGER_FRAME_BYTES_MAX).unwrap().to_le_bytes());
    bytes.resize(bytes.len() + STRANGER_FRAME_BYTES_MAX, 7);
    bytes.extend_from_slice(&u32::try_from(STRANGER_FRAME_BYTES_MAX + 1).unwrap().to_le_bytes());
    bytes.resize(bytes.len() + STRANGER_FRAME_BYTES_MAX + 1, 8);
    let _send = stranger.write(&connection, &bytes);
    peer.connected();
    assert_eq!(peer.frame().0.len(), STRANGER_FRAME_BYTES_MAX);
    assert_eq!(peer.disconnected().1, Some(code::NOT_ADMITTED));
}

#[test]
fn a_longer_frame_waits_for_the_admission_that_is_on_its_way() {
    let (a, b) = (Peer::start(35), Peer::start(36));
    a.net.dial(b.id, b.addresses(), vec![]);
    let ((here, ..), (there, ..)) = (a.connected(), b.connected());
    a.net.send(here, Lane::Live, Bytes::from_static(b"proof"));
    a.net.send(here, Lane::Live, Bytes::from(vec![9; 100_000]));
    assert_eq!(&b.frame().0[..], b"proof");
    b.net.admit(there, false);
    assert_eq!(b.frame().0.len(), 100_000);
}

#[test]
fn a_peer_that_opens_and_stays_silent_is_dropped() {
    let (peer, stranger) = (hasty(37), Stranger::start(38));
    let connection = stranger.dial(&peer, ALPN).unwrap();
    let _send = stranger.write(&connection, &[0; 4]);
    peer.connected();
    let (reason, code, by) = peer.disconnected();
    assert_eq!((code, by), (Some(code::NOT_ADMITTED), ClosedBy::Us));
    assert_eq!(stranger.closed(&connection), (code::NOT_ADMITTED, reason));
}

#[test]
fn a_peer_that_opens_no_channel_is_dropped_and_never_seen() {
    let (peer, stranger) = (hasty(39), Stranger::start(40));
    let connection = stranger.dial(&peer, ALPN).unwrap();
    let error = stranger.runtime.block_on(connection.closed());
    assert!(!matches!(error, ConnectionError::TimedOut), "{error}");
    assert!(peer.inbox.try_recv().is_err());
}

#[test]
fn a_peer_cannot_fill_our_memory_before_it_is_admitted() {
    let (peer, stranger) = (Peer::start(41), Stranger::start(42));
    let connection = stranger.dial(&peer, ALPN).unwrap();
    let mut bytes = vec![0; 4];
    for _ in 0..100 {
        bytes.extend_from_slice(&4096u32.to_le_bytes());
        bytes.resize(bytes.len() + 4096, 0);
    }
    let written = stranger.runtime.block_on(async {
        let (mut send, _recv) = connection.open_bi().await.unwrap();
        let mut written = 0;
        while let Ok(Ok(count)) =
            tokio::time::timeout(Duration::from_millis(300), send.write(&bytes[written..])).await
        {
            written += count;
            assert!(written < bytes.len(), "all of it was taken");
        }
        written
    });
    assert!(written <= 4 + 2 * (64 << 10) + (16 << 10), "{written} bytes were taken");
    peer.connected();
    let kept: Vec<_> = std::iter::from_fn(|| peer.inbox.try_recv().ok()).collect();
    assert!(kept.len() <= 4, "{} frames", kept.len());
}

#[test]
fn a_longer_frame_on_the_bulk_lane_closes_the_connection_before_it_is_read() {
    let (peer, stranger) = (Peer::start(115), Stranger::start(116));
    let connection = stranger.dial(&peer, ALPN).unwrap();
    let _live = stranger.write(&connection, &[0; 4]);
    let (link, ..) = peer.connected();
    peer.net.admit(link, true);
    let frame = |length: usize| {
        let mut bytes = u32::try_from(length).unwrap().to_le_bytes().to_vec();
        bytes.resize(4 + length, 7);
        bytes
    };
    let _lanes = stranger.runtime.block_on(async {
        let backlog = connection.open_uni().await.unwrap();
        let mut bulk = connection.open_uni().await.unwrap();
        let more = tokio::time::timeout(Duration::from_millis(300), connection.open_uni()).await;
        assert!(more.is_err(), "no third one is granted");
        bulk.write_all(&frame(BULK_FRAME_BYTES_MAX)).await.unwrap();
        bulk.write_all(&frame(BULK_FRAME_BYTES_MAX + 1)[..4]).await.unwrap();
        (backlog, bulk)
    });
    assert_eq!(peer.frame().0.len(), BULK_FRAME_BYTES_MAX);
    assert_eq!(peer.disconnected().1, Some(code::OVERSIZED));
    assert_eq!(stranger.closed(&connection).0, code::OVERSIZED);
}

#[test]
fn a_peer_is_granted_a_bulk_lane_only_if_it_is_to_have_one() {
    let (peer, stranger) = (Peer::start(117), Stranger::start(118));
    let connection = stranger.dial(&peer, ALPN).unwrap();
    let _live = stranger.write(&connection, &[0; 4]);
    let (link, ..) = peer.connected();
    peer.net.admit(link, false);
    stranger.runtime.block_on(async {
        let _backlog = connection.open_uni().await.unwrap();
        let more = tokio::time::timeout(Duration::from_millis(300), connection.open_uni()).await;
        assert!(more.is_err(), "no second one is granted");
    });
}

#[test]
fn a_frame_that_takes_long_is_told_of_while_it_arrives() {
    let (peer, stranger) = (Peer::start(49), Stranger::start(50));
    let connection = stranger.dial(&peer, ALPN).unwrap();
    let mut send = stranger.write(&connection, &[0; 4]);
    let (link, ..) = peer.connected();
    peer.net.admit(link, false);
    let piece = [7; 1000];
    let length = u32::try_from(FRAME_BYTES_MAX).unwrap();
    let mut written = 0;
    let mut write = |bytes: &[u8]| stranger.runtime.block_on(send.write_all(bytes)).unwrap();
    write(&length.to_le_bytes());
    let heard = loop {
        write(&piece);
        written += piece.len();
        match peer.inbox.recv_timeout(Duration::from_millis(20)) {
            Ok(NetEvent::Heard { connection, bytes }) if connection == link => break bytes,
            Ok(other) => panic!("{other:?}"),
            Err(_) => assert!(written < FRAME_BYTES_MAX, "the frame was there and not told of"),
        }
    };
    assert!((1..=written).contains(&heard), "{heard} of {written}");
    while written < FRAME_BYTES_MAX {
        let more = piece.len().min(FRAME_BYTES_MAX - written);
        write(&piece[..more]);
        written += more;
    }
    assert_eq!(peer.frame().0.len(), FRAME_BYTES_MAX);
}

#[test]
fn another_protocol_version_is_refused_in_the_handshake() {
    let (peer, stranger) = (Peer::start(43), Stranger::start(44));
    assert!(stranger.dial(&peer, b"millpond/999").is_err());
    assert!(peer.inbox.try_recv().is_err());
}

#[test]
fn a_peer_that_ends_its_channel_without_closing_is_dropped() {
    let (peer, stranger) = (Peer::start(45), Stranger::start(46));
    let connection = stranger.dial(&peer, ALPN).unwrap();
    let mut send = stranger.write(&connection, &[0; 4]);
    let (link, ..) = peer.connected();
    peer.net.admit(link, false);
    send.finish().unwrap();
    assert_eq!(peer.disconnected().1, Some(code::PROTOCOL));
}

#[test]
fn a_peer_that_stops_our_channel_is_dropped_and_holds_no_place() {
    let (peer, stranger) = (Peer::start(51), Stranger::start(52));
    let connection = stranger.dial(&peer, ALPN).unwrap();
    let (_send, mut recv) = stranger.runtime.block_on(async {
        let (mut send, recv) = connection.open_bi().await.unwrap();
        send.write_all(&[0; 4]).await.unwrap();
        (send, recv)
    });
    let (link, ..) = peer.connected();
    recv.stop(0u32.into()).unwrap();
    let begun = Instant::now();
    // Nothing tells when it has arrived but a frame that goes nowhere.
    let closed = loop {
        assert!(begun.elapsed() < PATIENCE, "the connection stays for ever");
        peer.net.send(link, Lane::Live, Bytes::from_static(b"hello"));
        match peer.inbox.recv_timeout(Duration::from_millis(20)) {
            Ok(NetEvent::Disconnected { reason, code, by, .. }) => break (reason, code, by),
            Ok(other) => panic!("{other:?}"),
            Err(_) => {}
        }
    };
    let (reason, code, by) = closed;
    assert_eq!((code, by), (Some(code::PROTOCOL), ClosedBy::Us), "{reason}");
    assert_eq!(stranger.closed(&connection), (code::PROTOCOL, reason));
}

#[test]
fn a_stranger_that_stops_our_channel_is_dropped_as_late_as_any_other() {
    let (peer, stranger) = (hasty(53), Stranger::start(54));
    let connection = stranger.dial(&peer, ALPN).unwrap();
    let _send = stranger.write(&connection, &[0; 4]);
    let (link, ..) = peer.connected();
    // `write` has dropped its half that reads, which stops our channel.
    peer.net.send(link, Lane::Live, Bytes::from_static(b"hello"));
    let (reason, code, by) = peer.disconnected();
    assert_eq!((code, by), (Some(code::NOT_ADMITTED), ClosedBy::Us), "{reason}");
    assert_eq!(stranger.closed(&connection), (code::NOT_ADMITTED, reason));
}

#[test]
fn a_flood_of_half_open_connections_leaves_room_for_others() {
    let (peer, stranger) = (Peer::start(47), Stranger::start(48));
    let crowd: Vec<_> = (0..40).map(|_| stranger.dial(&peer, ALPN)).collect();
    let connected = crowd.iter().filter(|dialled| dialled.is_ok()).count();
    assert!(connected <= crate::net::gate::HALF_OPEN_PER_ADDRESS_MAX, "{connected}");
    drop(crowd);
    wait_until("a later peer gets in", || stranger.dial(&peer, ALPN).is_ok());
}
