//! Every timer and bound of the protocol, once. Source: docs/protocol.md.

use crate::event::limits::{
    FRAME_BYTES_MAX, NESTING_MAX, PAYLOAD_BYTES_MAX, RECORD_BYTES_MAX, TAG_BYTES_MAX,
    TAGS_PER_EVENT_MAX,
};
use std::time::Duration;

/// Oldest protocol version this code speaks.
pub const VERSION_MIN: u8 = 1;
/// Newest protocol version this code speaks.
pub const VERSION_MAX: u8 = 1;
/// Largest frame before the sender was admitted.
pub const STRANGER_FRAME_BYTES_MAX: usize = 4096;
/// What both sides of a session must be able to receive, in the order of the hello.
pub(crate) const LIMITS: [u64; 6] = [
    PAYLOAD_BYTES_MAX as u64,
    TAGS_PER_EVENT_MAX as u64,
    TAG_BYTES_MAX as u64,
    NESTING_MAX as u64,
    RECORD_BYTES_MAX as u64,
    FRAME_BYTES_MAX as u64,
];
/// Most limits a hello may list; a newer version may add some.
pub(crate) const LIMITS_COUNT_MAX: u64 = 32;
/// Most heads in one summary.
pub(crate) const SUMMARY_HEADS_MAX: usize = 256;
/// Most streams in one progress message.
pub(crate) const PROGRESS_STREAMS_MAX: usize = 512;
/// Most streams in one `Prune`.
pub(crate) const PRUNE_STREAMS_MAX: usize = 512;
/// Most streams of which one session remembers who passes them on.
pub(crate) const LEARNED_STREAMS_MAX: usize = 1024;
/// Most nodes of which one message says where they are.
pub(crate) const ADDRESSES_LISTED_MAX: usize = 256;
/// Most addresses of each.
pub(crate) const ADDRESSES_TOLD_MAX: usize = 4;
/// Least time between two such messages to one peer.
pub(crate) const ADDRESSES_PAUSE: Duration = Duration::from_secs(10);
/// Most node ids in one list of peers.
pub(crate) const PEERS_LISTED_MAX: usize = 1024;

/// How long a peer may take for its hello.
pub(crate) const ADMISSION_DEADLINE: Duration = Duration::from_secs(5);
/// Silence after which we ask whether the peer is there.
pub(crate) const PING_AFTER: Duration = Duration::from_secs(1);
/// The same when nothing but such questions and their answers passed for at least as long.
pub(crate) const PING_AFTER_MAX: Duration = Duration::from_secs(8);
/// How long a peer may owe a sign of life before the session is closed and dialled again …
pub(crate) const SILENCE_MIN: Duration = Duration::from_secs(3);
/// … or so many round trips, if that is longer …
pub(crate) const SILENCE_ROUND_TRIPS: u32 = 5;
/// … but never longer than this.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(12);
/// Bytes of an unfinished frame that count as a sign of life; fewer are a drip. So a link of
/// 10 kbit/s will do, and after 45 minutes the largest frame is there or the session has ended.
pub(crate) const PART_BYTES_MIN: usize = 2 << 10;
/// How long acknowledgements, deltas of the summary and lists of peers wait for company.
pub(crate) const FLUSH_DELAY: Duration = Duration::from_millis(50);
/// How long a relay leaves it to a better placed one. Longer than `FLUSH_DELAY` and a slow disk's
/// sync, so that the better one's success is known by then.
pub(crate) const RELAY_DELAY: Duration = Duration::from_millis(250);
/// Most places in the row of relays that make a difference.
pub(crate) const RELAY_RANK_MAX: u32 = 4;
/// How long a stream that a peer merely mentioned is left to live pushes before it is asked for.
pub(crate) const FETCH_GRACE: Duration = Duration::from_millis(600);
/// How long a request may bring nothing before another peer is asked.
pub(crate) const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
/// Ranges of other streams that may overtake a request before it counts as withheld.
pub(crate) const FETCH_OVERTAKEN_MAX: u64 = 256;
/// Longest pause before a peer that did not deliver a stream is asked for it again.
pub(crate) const FETCH_PENALTY_MAX: Duration = Duration::from_secs(60);
/// First pause after the log could not store a range; doubles up to the next.
pub(crate) const STORE_RETRY: Duration = Duration::from_secs(1);
/// Longest pause after the log could not store a range.
pub(crate) const STORE_RETRY_MAX: Duration = Duration::from_secs(30);

/// Events asked of a peer beyond which another one takes over some: fewer may all be on their way.
pub(crate) const FETCH_SHARED_MIN: u64 = 32_768;
/// Streams asked of one peer at a time.
pub(crate) const FETCHES_PER_SESSION_MAX: usize = 64;
/// Bytes of events that a peer may have on their way to us, unless we fetch from it. Each session
/// starts with it.
pub(crate) const CREDIT_BYTES_INITIAL: i64 = 256 << 10;
/// The same for a peer from which we fetch.
pub(crate) const CREDIT_BYTES_FETCHING: i64 = 4 << 20;
/// Peers that may have the larger credit at a time; so all credit is bounded, whatever the number
/// of peers.
pub(crate) const FETCHING_SESSIONS_MAX: usize = 4;
/// Credit that only live events may use, so that a backlog cannot hold them up.
pub(crate) const CREDIT_BYTES_LIVE: i64 = 64 << 10;
/// A frame with events that brings nothing counts as so many bytes of talk …
pub(crate) const WASTE_PER_FRAME: usize = 256;
/// … and its bytes as one part in so many: most of them are never looked at.
pub(crate) const WASTE_SHARE: usize = 16;
/// Unsent bytes at which a session makes no further frame. It may exceed this by one frame.
pub const SEND_QUEUE_BYTES_MAX: usize = 1 << 20;
/// Unsent bytes at which a session makes no further frame of a backlog.
pub(crate) const SEND_QUEUE_BYTES_BACKLOG: usize = 512 << 10;
/// Unsent bytes at which a session gives no further frame of the bulk lane to the transport. It
/// may exceed this by one frame.
pub const SEND_QUEUE_BYTES_BULK: usize = 256 << 10;

/// Largest frame of the bulk lane: 64 KiB, 24 pairs of hashes, and what stands before them.
pub const BULK_FRAME_BYTES_MAX: usize = (64 << 10) + 24 * 64 + 512;
/// Bytes of cargo that a session keeps for its live lane until there is room in the transport.
pub const CARGO_BYTES_LIVE_MAX: usize = 64 << 10;
/// The same for its bulk lane: four of the largest frames, and short ones.
pub const CARGO_BYTES_BULK_MAX: usize = 4 * BULK_FRAME_BYTES_MAX + (4 << 10);

/// How long after the last of a backlog has left what goes on from there waits for the peer to have
/// it: who asked for the past, or drops what comes, never says so. Longer than the connection takes
/// at 64 kbit/s to send what it has taken, a window of 1,000,000 bytes.
pub(crate) const TRAILING_MAX: Duration = Duration::from_secs(180);

/// Events at most of an answer that goes on the live lane.
pub(crate) const SHORT_ANSWER_EVENTS_MAX: u64 = 64;
/// Bytes at most of the frame of such an answer.
pub(crate) const SHORT_ANSWER_BYTES_MAX: usize = 4 << 10;
/// Such answers at most that wait or are not acknowledged.
pub(crate) const SHORT_ANSWERS_MAX: usize = 8;

/// Most streams that one peer may tell us of before we hold any event of them.
pub const STREAMS_PER_PEER_MAX: usize = 10_000;
/// Most streams that we keep account of.
pub const STREAMS_MAX: usize = 50_000;
/// Events of a stream that a signed head accounts for beyond what we hold: one block, since blocks
/// are stored whole.
pub(crate) const CLAIM_EVENTS_MAX: u64 = crate::event::limits::BLOCK_EVENTS_MAX;
/// Lamports per second by which the bound of a quarantined stream grows, so that events whose
/// causes are lost are only delayed.
pub(crate) const QUARANTINE_RELIEF_PER_SECOND: u64 = 100_000;
/// Ends of a stream's past that are kept to tell what a push goes on from, and what is held.
pub(crate) const RECENT_ENDS_MAX: usize = 16;

/// Most streams of which one session examines the past at a time. What is beyond is told again in
/// the next session, or healed from the other side.
pub(crate) const DISPUTES_PER_SESSION_MAX: usize = 1024;
/// Pause between two questions about the past of a stream.
pub(crate) const PROBE_PAUSE: Duration = FLUSH_DELAY;
/// How long a stream that is sealed here is left to branches, which may come by themselves.
pub(crate) const PROBE_GRACE: Duration = FETCH_GRACE;
/// First pause after a question about the past that led nowhere; doubles up to the next.
pub(crate) const PROBE_RETRY: Duration = Duration::from_secs(1);
/// Longest pause after such a question.
pub(crate) const PROBE_RETRY_MAX: Duration = Duration::from_secs(60);

/// Messages that a stranger may send and that may be skipped.
pub(crate) const STRANGER_SKIPS_MAX: u32 = 16;
/// Most strangers in the book: those whose penalty ends last stay.
pub(crate) const STRANGERS_KEPT_MAX: usize = 64;
/// A session that lasted this long was of use: its peer is dialled again at once.
pub(crate) const SESSION_OF_USE: Duration = Duration::from_secs(1);
/// Dials that count of those whose session was not, so that a bad link is not given up for long:
/// pauses of up to 2 s.
pub(crate) const USELESS_DIALS_MAX: u32 = 3;
/// Streams of one peer whose end with all previews is kept; when there are more, all are forgotten.
pub(crate) const PREVIEWED_STREAMS_MAX: usize = 16;

/// Most connections that are not admitted yet.
pub(crate) const STRANGERS_MAX: usize = 256;
/// Most peers in the book; hints beyond it are dropped.
pub(crate) const BOOK_PEERS_MAX: usize = 1024;
/// Most peers in the book of which only one peer has told.
pub(crate) const HEARSAY_PER_PEER_MAX: usize = 128;
/// Most addresses of one kind kept for a peer; the newest stay.
pub(crate) const ADDRESSES_PER_PEER_MAX: usize = 16;
/// Sessions that a node has without anybody naming peers, as long as there are so many.
pub(crate) const MESH_DEGREE: usize = 8;
/// Sessions beyond which it ends some.
pub(crate) const MESH_DEGREE_MAX: usize = 12;
/// Dials at a time of found nodes that never had a session, where more wait than are needed …
pub(crate) const MESH_DIALS_MAX: usize = 4;
/// … of those that are no older than this: later hardly anybody answers.
pub(crate) const UNMET_DIAL_ANSWER: Duration = Duration::from_secs(1);
/// How long a node lacks peers before every other such dial goes to who waits longest.
pub(crate) const UNMET_PATIENCE: Duration = Duration::from_secs(10);
/// Of found nodes that never had a session no more than one is dialled in this time, on average …
pub(crate) const UNMET_DIAL_PACE: Duration = Duration::from_millis(100);
/// … and so many at once.
pub(crate) const UNMET_DIAL_BURST: u32 = 32;
/// First pause, about, between two dials of nodes that no peer tells of; doubles up to the next.
pub(crate) const MESH_PROBE: Duration = Duration::from_secs(60);
/// Longest pause between two such dials.
pub(crate) const MESH_PROBE_MAX: Duration = Duration::from_secs(960);
/// Pause, about, between two ends of sessions that are too many.
pub(crate) const MESH_TRIM: Duration = Duration::from_secs(1);
/// First pause between two dials; doubles up to the next.
pub(crate) const DIAL_RETRY: Duration = Duration::from_millis(250);
/// Longest pause between two dials.
pub(crate) const DIAL_RETRY_MAX: Duration = Duration::from_secs(15);
/// Least time between two dials of a peer that had a session, or was named, because its addresses
/// are said to be others.
pub(crate) const DIAL_ELSEWHERE: Duration = Duration::from_secs(1);
/// How long a dial may take before it counts as failed.
pub(crate) const DIAL_TIMEOUT: Duration = Duration::from_secs(10);
/// Dials of a peer that we know only from a session that was lost, or from other peers.
pub(crate) const SEEN_DIALS_MAX: u32 = 8;
/// By how much the node with the larger id lets the other dial first when both were discovered.
pub(crate) const DIAL_COURTESY: Duration = Duration::from_millis(250);
/// First pause for a peer that misbehaved; doubles up to the next.
pub(crate) const PENALTY: Duration = Duration::from_secs(1);
/// Longest pause for a peer that misbehaved, and the pause after a refusal that only people can
/// mend.
pub(crate) const PENALTY_MAX: Duration = Duration::from_secs(60);
/// A session that lasted this long clears its peer's record.
pub(crate) const GOOD_CONDUCT: Duration = Duration::from_secs(60);
/// Refusals kept for the status; the newest stay.
pub(crate) const REFUSALS_KEPT_MAX: usize = 64;

const _: () = assert!(CREDIT_BYTES_LIVE * 2 < CREDIT_BYTES_INITIAL);
const _: () =
    assert!(FRAME_BYTES_MAX as u64 / PART_BYTES_MIN as u64 * SILENCE_MIN.as_secs() < 45 * 60);
const _: () = assert!(FLUSH_DELAY.as_millis() * 2 < RELAY_DELAY.as_millis());
