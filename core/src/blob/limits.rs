//! Every number of blobs, once. Source: docs/format.md, "Limits", and docs/protocol.md, "Blobs".

use std::time::Duration;

/// Bytes of a group: what is asked for, verified and counted. Only the last one may have fewer.
pub const GROUP_BYTES: usize = 64 << 10;
/// Largest blob, in bytes: 2^24 groups, and every language can hold the number exactly.
pub const BLOB_BYTES_MAX: u64 = 1 << 40;
/// Most groups of a blob.
pub const GROUPS_MAX: u32 = (BLOB_BYTES_MAX / GROUP_BYTES as u64) as u32;
/// Bytes of a hash pair.
pub const PAIR_BYTES: usize = 64;
/// Most hash pairs from the root to a group.
pub const PAIRS_MAX: usize = 24;
/// A blob of up to so many bytes is kept in its row, without a file.
pub const INLINE_BYTES_MAX: usize = 16 << 10;
/// Largest frame of a piece: a group, its pairs, and what stands before them.
pub const PIECE_BYTES_MAX: usize = GROUP_BYTES + PAIRS_MAX * PAIR_BYTES + 512;
/// Longest media type, in bytes.
pub const MEDIA_TYPE_BYTES_MAX: usize = 64;
/// Longest name of a file, in bytes of UTF-8.
pub const FILE_NAME_BYTES_MAX: usize = 128;
/// Most blobs that one event refers to.
pub const BLOBS_PER_EVENT_MAX: usize = 16;
/// Most tags that are kept with a blob.
pub const BLOB_TAGS_MAX: usize = 16;
/// Longest name of a pin, in bytes of UTF-8 after normalisation.
pub const PIN_NAME_BYTES_MAX: usize = 200;

/// Most ids in one message.
pub const IDS_PER_MESSAGE_MAX: usize = 64;
/// Most spans of groups that one message tells of a part.
pub const SPANS_MAX: usize = 64;
/// Most other holders that one message names for a blob.
pub const OTHERS_MAX: usize = 8;
/// Most blobs of which one peer is told the changes.
pub const WATCHES_PER_PEER_MAX: usize = 1024;
/// Most groups in one `Ask`, and most that we have asked of one peer and not been given.
pub const ASKED_GROUPS_PER_PEER_MAX: u32 = 12;
/// The same over all peers: 4 MiB.
pub const ASKED_GROUPS_ALL_MAX: u32 = 64;
/// Most groups that a peer may have asked of us and not been given; an honest one stays below.
pub const OWED_GROUPS_MAX: u32 = 32;
/// Most pieces that are read for one peer and have not left for the transport.
pub const SERVE_AHEAD_MAX: u32 = 4;
/// Most that are being made at a time, over all peers. Those that are made wait in their lanes,
/// `SERVE_AHEAD_MAX` for each.
pub const SERVE_AHEAD_ALL_MAX: u32 = 32;
/// Bytes of frames about blobs that may wait for one connection's live lane.
pub const LIVE_UNSENT_BYTES_MAX: usize = 64 << 10;
/// Bytes of pieces that may wait for one connection's bulk lane: four pieces and some stops.
pub const BULK_UNSENT_BYTES_MAX: usize = 4 * PIECE_BYTES_MAX;
/// A message that names many blobs ends when it has so many bytes.
pub const MESSAGE_BYTES_ENOUGH: usize = 8 << 10;
/// Most blobs of which one peer may wait for an answer; what it asks beyond is not answered.
pub const ANSWERS_PER_PEER_MAX: usize = 1024;
/// Most blobs that are held because peers ask for it, and are not whole yet.
pub const KEPT_MAX: usize = 1024;
/// Most of them that one peer asks for.
pub const KEPT_PER_PEER_MAX: usize = 256;
/// So many short messages that one peer does not read make us refuse what it asks us to hold.
pub const UNREAD_MAX: usize = 64;
/// Most nodes of which is known what they have of one blob; those heard of last stay.
pub const SAID_NODES_MAX: usize = 256;
/// Most nodes that are named with a wish as those who may have the blob.
pub const HINTS_MAX: usize = 64;
/// Most other sizes of one blob that are tried at a time.
pub const PROBES_MAX: usize = 4;
/// Most blobs that are fetched at a time; others wait.
pub const WANTS_ACTIVE_MAX: usize = 64;
/// Groups behind the one a reader waits for that are asked for with it: 2 MiB.
pub const READ_AHEAD_GROUPS: u32 = 32;
/// Groups in a row that one provider is asked for at a time.
pub const RUN_GROUPS_MAX: u32 = 4;
/// Most nodes that are kept as liars; those that end last stay.
pub const LIARS_MAX: usize = 1024;

/// Bytes that are fetched or added between two syncs of a file.
pub const SYNC_STEP_BYTES: u64 = 8 << 20;
/// Time between two syncs of a file that has changed.
pub const SYNC_STEP: Duration = Duration::from_secs(1);
/// How long after its last touch nothing collects a blob, unless an option says otherwise.
pub const COLLECT_GRACE: Duration = Duration::from_secs(60 * 60);
/// Space of the file system that blobs leave free, unless an option says otherwise: this …
pub const FREE_BYTES_MIN: u64 = 256 << 20;
/// … or so many percent of the file system, whichever is less.
pub const FREE_PERCENT_MIN: u64 = 5;

/// How long the groups of an ask may bring nothing before another provider is asked for them, too.
pub const ASK_OVERDUE: Duration = Duration::from_secs(2);
/// How long a peer that owes us groups may bring nothing before the ask is taken back.
pub const ASK_TIMEOUT: Duration = Duration::from_secs(10);
/// First pause for a peer that was asked for a blob and brought nothing; doubles up to the next.
pub const ASK_PENALTY: Duration = Duration::from_secs(10);
/// Longest such pause.
pub const ASK_PENALTY_MAX: Duration = Duration::from_secs(60);
/// First pause after a piece found no room on the disk; doubles up to the next.
pub const FULL_RETRY: Duration = Duration::from_secs(1);
/// Longest such pause.
pub const FULL_RETRY_MAX: Duration = Duration::from_secs(30);
/// First time for which a liar is not asked for blobs; doubles up to the next.
pub const LIAR_PAUSE: Duration = Duration::from_secs(10 * 60);
/// Longest such time.
pub const LIAR_PAUSE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a peer's own word that it holds a blob whole is passed on to others.
pub const HEARSAY_MAX: Duration = Duration::from_secs(10 * 60);
/// How long a question who has a blob waits for answers.
pub const QUESTION_TIMEOUT: Duration = Duration::from_secs(1);
/// How long nothing may come before a blob counts as stalled.
pub const STALL_AFTER: Duration = Duration::from_secs(1);
/// How long a blob of which nothing comes keeps its place while others wait for one.
pub const STALLED_TURN: Duration = Duration::from_secs(10);
/// Pause between two dials of a node for one blob.
pub const REACH_PAUSE: Duration = Duration::from_secs(30);
/// Nodes that are to be dialled for one blob at a time.
pub const REACH_MAX: usize = 2;
/// How long a node that is asked to hold a blob may say nothing before another one is asked.
pub const KEEP_ANSWER: Duration = Duration::from_secs(10);
/// How long one that says that it is fetching may have no more than before, until the same.
pub const KEEP_PROGRESS: Duration = Duration::from_secs(60);
/// Pause before a node that would not hold a blob is asked again.
pub const KEEP_RETRY: Duration = Duration::from_secs(60);
/// Least time between two messages about a part that grows.
pub const HAVE_PAUSE: Duration = Duration::from_secs(1);
/// How long the answer to a question may wait for company.
pub const HAVE_DELAY: Duration = Duration::from_millis(50);

const _: () = assert!(GROUPS_MAX == 1 << PAIRS_MAX);
const _: () = assert!(ASKED_GROUPS_PER_PEER_MAX < OWED_GROUPS_MAX);
