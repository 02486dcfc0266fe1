//! One connection from its first event to its last.
//!
//! Three tasks: this one reads all lanes and ends it, one writes the live lane, one the others. The
//! backlog lane and the bulk lane are channels of their own in each direction, which are there once
//! the peer is admitted: the first that a side opens is its backlog lane, the second its bulk lane.
//! Invariant: `Connected` comes first, `Disconnected` comes last, both exactly once.

use crate::event::NodeId;
use crate::net::close::{Closing, Ended, code};
use crate::net::credit::ReadBudget;
use crate::net::endpoint::WINDOW_BYTES;
use crate::net::frame_reader::{FrameReader, Progress};
use crate::net::frame_writer::FrameWriter;
use crate::net::gate::Slot;
use crate::net::iroh_transport::Shared;
use crate::net::outbox::{Next, Outbox};
use crate::net::transport::{ConnectionId, NetEvent};
use crate::sync::Lane;
use iroh::endpoint::{Connection, LocalTransportAddr, RecvStream, SendStream, VarInt};
use std::future::pending;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// Longest frame from a peer that is not admitted.
pub(crate) const STRANGER_FRAME_BYTES_MAX: usize = 4 << 10;
/// Bytes of frames that the driver may hold before a lane is not read: admitted, stranger.
const READ_AHEAD_BYTES: usize = 1 << 20;
const STRANGER_READ_AHEAD_BYTES: usize = 16 << 10;
/// The driver is told what left in steps of at least this: it counts much larger amounts, and to
/// be told of every small frame costs a change of thread each.
pub(crate) const SENT_BYTES_MIN: usize = 32 << 10;
/// Below that of the live lane, which is 0.
const BACKLOG_PRIORITY: i32 = -1;
/// Below both.
const BULK_PRIORITY: i32 = -2;
/// How long a close waits for queued frames to leave.
const FLUSH_DEADLINE: Duration = Duration::from_secs(1);
/// How long a peer may take to close after it ended its channel.
const PEER_CLOSE_DEADLINE: Duration = Duration::from_secs(2);
/// The label of the session's binding in the TLS exporter.
const BINDING_LABEL: &[u8] = b"EXPORTER-millpond-swarm";

/// What the rest of the transport holds of a connection.
pub(crate) struct Link {
    id: ConnectionId,
    connection: Connection,
    pub(crate) outbox: Outbox,
    budgets: [Arc<ReadBudget>; 3],
    admitted: watch::Sender<bool>,
    /// Counts as half open until admitted; `None` for connections that we dialled.
    slot: Mutex<Option<Slot>>,
    ended: watch::Sender<bool>,
}

/// A connection with its open channel, as dialling or accepting leaves it.
pub(crate) struct Opened {
    pub(crate) connection: Connection,
    pub(crate) send: SendStream,
    pub(crate) recv: RecvStream,
    pub(crate) remote: SocketAddr,
    pub(crate) dialed: bool,
    pub(crate) slot: Option<Slot>,
}

impl Link {
    /// Opens the windows for a peer that has proved its membership.
    pub(crate) fn admit(&self, has_bulk: bool) {
        if !self.admitted.send_replace(true) {
            let lanes = 1 + u32::from(has_bulk);
            self.connection.set_receive_window(VarInt::from_u32(WINDOW_BYTES));
            self.connection.set_max_concurrent_uni_streams(VarInt::from_u32(lanes));
            self.slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
    }

    /// Ends the connection if our address of its path `is_gone`.
    pub(crate) fn end_if(&self, is_gone: impl Fn(&IpAddr) -> bool) {
        let paths = self.connection.paths();
        let path = paths.iter().find(|path| path.is_selected()).or_else(|| paths.iter().next());
        if let Some(LocalTransportAddr::Ip(Some(address))) =
            path.map(|path| path.local_addr().clone())
            && is_gone(&address.to_canonical())
        {
            self.connection.close(VarInt::from_u32(code::CLOSED), b"the address is gone");
        }
    }

    /// Waits until the connection is closed and taken off the list.
    pub(crate) async fn ended(&self) {
        let mut ended = self.ended.subscribe();
        // The sender is ours, so the wait cannot fail.
        let _ = ended.wait_for(|ended| *ended).await;
    }
}

/// Tells of the connection, moves its frames, and tells of its end.
pub(crate) async fn run(shared: Arc<Shared>, opened: Opened) {
    let Opened { connection, send, recv, remote, dialed, slot } = opened;
    let mut binding = [0; 32];
    if connection.export_keying_material(&mut binding, BINDING_LABEL, b"").is_err() {
        connection.close(VarInt::from_u32(code::INTERNAL), b"no session binding");
        return;
    }
    let peer = NodeId::from_bytes(*connection.remote_id().as_bytes());
    let link = Arc::new(Link {
        id: shared.next_connection_id(),
        connection,
        outbox: Outbox::default(),
        budgets: Default::default(),
        admitted: watch::Sender::new(false),
        slot: Mutex::new(slot),
        ended: watch::Sender::new(false),
    });
    shared.insert(link.id, Arc::clone(&link));
    shared.emit(NetEvent::Connected { connection: link.id, peer, binding, dialed, remote });
    let behind = tokio::spawn(write_behind(Arc::clone(&shared), Arc::clone(&link)));
    let ended = drive(&shared, &link, send, recv).await;
    behind.abort();
    // It was told to stop, and has nothing more to say.
    let _ = behind.await;
    shared.remove(link.id);
    link.ended.send_replace(true);
    shared.emit(NetEvent::Disconnected {
        connection: link.id,
        reason: ended.reason,
        code: ended.code,
        by: ended.by,
    });
}

async fn drive(
    shared: &Arc<Shared>,
    link: &Arc<Link>,
    send: SendStream,
    recv: RecvStream,
) -> Ended {
    let mut writer = tokio::spawn(write(Arc::clone(shared), Arc::clone(link), send));
    let mut reader = pin!(read_lanes(shared, link, recv));
    let mut late = pin!(not_admitted(link, shared.options.admission_deadline));
    let (mut reading, mut writing, mut waiting) = (true, true, true);
    loop {
        tokio::select! {
            written = &mut writer, if writing => {
                writing = false;
                let failed = || Some(Closing::new(code::INTERNAL, "the writer stopped"));
                if let Some(closing) = written.unwrap_or_else(|_| failed()) {
                    let code = VarInt::from_u32(closing.code);
                    link.connection.close(code, closing.reason.as_bytes());
                    return Ended::by_us(closing);
                }
                // The connection is lost; what had arrived is still read.
            }
            read = &mut reader, if reading => match read {
                ReadEnd::Lost(ended) => return ended,
                ReadEnd::Refused(closing) => {
                    reading = false;
                    link.outbox.close(closing);
                }
            },
            () = &mut late, if waiting => waiting = false,
            _ = link.outbox.closing(), if reading => reading = false,
        }
        if !reading && !writing {
            // It is lost: else the writer would still wait.
            let error = link.connection.closed().await;
            return Ended::from_error(&error);
        }
    }
}

/// Writes the live lane until it is to end; gives the wish to close, or `None` when the connection
/// is lost. A wish is waited for until the deadline and no longer, whatever the peer does.
async fn write(shared: Arc<Shared>, link: Arc<Link>, send: SendStream) -> Option<Closing> {
    let overdue = async {
        let closing = link.outbox.closing().await;
        sleep(FLUSH_DEADLINE).await;
        closing
    };
    let written = async {
        let mut writer = FrameWriter::new(send);
        match write_frames(&shared, &link, Lane::Live, &mut writer).await {
            Some(closing) => {
                writer.finish().await;
                Some(closing)
            }
            None => stopped_by_peer(&link, Lane::Live).await,
        }
    };
    tokio::select! {
        biased;
        closing = written => closing,
        closing = overdue => Some(closing),
    }
}

/// Writes the lanes behind the live one until the connection ends or is to end. Their channels are
/// opened with the first frame: before the peer admits us it grants none, and asks for nothing.
async fn write_behind(shared: Arc<Shared>, link: Arc<Link>) {
    let has_more = async {
        tokio::select! {
            () = link.outbox.filled(Lane::Backlog) => {}
            () = link.outbox.filled(Lane::Bulk) => {}
        }
    };
    if !comes_in_time(&link, has_more).await {
        return;
    }
    // Its place says what it is: so it comes first, also where only bulk has something.
    let Some(backlog) = open_lane(&link, BACKLOG_PRIORITY).await else { return };
    let bulk = async {
        if comes_in_time(&link, link.outbox.filled(Lane::Bulk)).await
            && let Some(bulk) = open_lane(&link, BULK_PRIORITY).await
        {
            write_lane(&shared, &link, Lane::Bulk, bulk).await;
        }
    };
    tokio::join!(write_lane(&shared, &link, Lane::Backlog, backlog), bulk);
}

/// Waits for `something` while the connection stands and is not to end.
async fn comes_in_time(link: &Link, something: impl Future<Output = ()>) -> bool {
    tokio::select! {
        () = something => true,
        _ = link.outbox.closing() => false,
        _ = link.connection.closed() => false,
    }
}

async fn open_lane(link: &Link, priority: i32) -> Option<SendStream> {
    let send = link.connection.open_uni().await.ok()?;
    send.set_priority(priority).ok()?;
    Some(send)
}

/// Writes a lane behind the live one until the connection ends.
async fn write_lane(shared: &Shared, link: &Link, lane: Lane, send: SendStream) {
    let mut writer = FrameWriter::new(send);
    let written = write_frames(shared, link, lane, &mut writer).await;
    if written.is_none() {
        stopped_by_peer(link, lane).await;
    }
    // It ends with the connection: an end before that would be a breach of the rules.
    link.connection.closed().await;
}

/// Writes the frames of a lane; gives the wish to close, or `None` when the channel is lost.
async fn write_frames(
    shared: &Shared,
    link: &Link,
    lane: Lane,
    writer: &mut FrameWriter,
) -> Option<Closing> {
    let mut bytes = 0;
    loop {
        match link.outbox.next(lane).await {
            Next::Frames(frames) => {
                bytes += writer.write(frames).await.ok()?;
                if bytes >= SENT_BYTES_MIN {
                    shared.emit(NetEvent::Sent { connection: link.id, lane, bytes });
                    bytes = 0;
                }
            }
            Next::Close(closing) => return Some(closing),
        }
    }
}

async fn not_admitted(link: &Link, deadline: Duration) {
    let mut admitted = link.admitted.subscribe();
    let in_time = timeout(deadline, admitted.wait_for(|admitted| *admitted)).await;
    if in_time.is_err() {
        let reason = format!("the peer was not admitted within {deadline:?}");
        link.outbox.close(Closing::new(code::NOT_ADMITTED, reason));
    }
}

enum ReadEnd {
    Lost(Ended),
    Refused(Closing),
}

/// Reads all lanes until the first of them ends.
async fn read_lanes(shared: &Shared, link: &Link, recv: RecvStream) -> ReadEnd {
    tokio::select! {
        end = read(shared, link, Lane::Live, recv) => end,
        refused = read_behind(shared, link) => ReadEnd::Refused(refused),
    }
}

/// Reads the lanes behind the live one, of which the peer has as many as it was granted. When they
/// are lost, what had arrived on the live lane is still read.
async fn read_behind(shared: &Shared, link: &Link) -> Closing {
    let mut admitted = link.admitted.subscribe();
    // The sender is ours, so the wait cannot fail.
    let _ = admitted.wait_for(|admitted| *admitted).await;
    let Ok(backlog) = link.connection.accept_uni().await else { return pending().await };
    let bulk = async {
        match link.connection.accept_uni().await {
            Ok(recv) => read(shared, link, Lane::Bulk, recv).await,
            Err(_) => pending().await,
        }
    };
    let (mut backlog, mut bulk) = (pin!(read(shared, link, Lane::Backlog, backlog)), pin!(bulk));
    let (mut is_reading, mut is_bulk_reading) = (true, true);
    loop {
        let end = tokio::select! {
            end = &mut backlog, if is_reading => {
                is_reading = false;
                end
            }
            end = &mut bulk, if is_bulk_reading => {
                is_bulk_reading = false;
                end
            }
            else => pending().await,
        };
        if let ReadEnd::Refused(closing) = end {
            return closing;
        }
    }
}

async fn read(shared: &Shared, link: &Link, lane: Lane, recv: RecvStream) -> ReadEnd {
    let mut reader = FrameReader::new(recv);
    let mut admitted = link.admitted.subscribe();
    let mut limits = (STRANGER_FRAME_BYTES_MAX, STRANGER_READ_AHEAD_BYTES);
    loop {
        let length = match reader.length().await {
            Ok(Some(length)) => length,
            Ok(None) => return ended_by_peer(link).await,
            Err(error) => return broken(link, &error.to_string()),
        };
        if limits.0 < lane.frame_bytes_max() && *admitted.borrow() {
            limits = (lane.frame_bytes_max(), READ_AHEAD_BYTES);
            reader.widen();
        }
        if length > limits.0 {
            let length_max = lane.frame_bytes_max();
            if length > length_max {
                let reason = format!("a frame of {length} bytes; the limit is {length_max}");
                return ReadEnd::Refused(Closing::new(code::OVERSIZED, reason));
            }
            // The driver may be about to admit it. Until then nothing more is read.
            if admitted.wait_for(|admitted| *admitted).await.is_err() {
                return broken(link, "closed");
            }
            limits = (length_max, READ_AHEAD_BYTES);
            reader.widen();
        }
        let credit = link.budgets[lane.index()].take(length, limits.1).await;
        let mut progress = Progress::new(Instant::now());
        let arrived = |bytes| {
            if let Some(bytes) = progress.arrived(bytes, Instant::now()) {
                shared.emit(NetEvent::Heard { connection: link.id, bytes });
            }
        };
        match reader.body(length, arrived).await {
            Ok(bytes) => {
                shared.emit(NetEvent::Frame { connection: link.id, lane, bytes, credit });
            }
            Err(error) => return broken(link, &error.to_string()),
        }
    }
}

/// The channel of a lane takes nothing more. Who refuses what we said stops it, and then closes.
/// Gives the wish to close, or `None` when the connection is gone.
async fn stopped_by_peer(link: &Link, lane: Lane) -> Option<Closing> {
    if timeout(PEER_CLOSE_DEADLINE, link.connection.closed()).await.is_ok() {
        return None;
    }
    let reason = format!("the peer stopped the {} channel", lane.name());
    link.outbox.close(Closing::new(code::PROTOCOL, reason));
    Some(link.outbox.closing().await)
}

async fn ended_by_peer(link: &Link) -> ReadEnd {
    match timeout(PEER_CLOSE_DEADLINE, link.connection.closed()).await {
        Ok(error) => ReadEnd::Lost(Ended::from_error(&error)),
        Err(_) => {
            let reason = "the peer ended its channel without closing the connection";
            ReadEnd::Refused(Closing::new(code::PROTOCOL, reason))
        }
    }
}

fn broken(link: &Link, what: &str) -> ReadEnd {
    match link.connection.close_reason() {
        Some(error) => ReadEnd::Lost(Ended::from_error(&error)),
        None => ReadEnd::Refused(Closing::new(code::PROTOCOL, format!("channel: {what}"))),
    }
}
