//! What goes into the exchange and what comes out: the whole of its world.

use crate::blob::groups::GroupSet;
use crate::blob::id::BlobId;
use crate::blob::message::piece_head;
use crate::blob::size::{BlobSize, GroupIndex, GroupRange};
use crate::error::{Error, Result};
use crate::event::NodeId;
use bytes::Bytes;
use std::time::Instant;

macro_rules! number {
    ($(#[doc = $doc:literal])+ $name:ident) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// The one with this number.
            pub const fn new(number: u64) -> $name {
                $name(number)
            }

            /// The number.
            pub const fn value(self) -> u64 {
                self.0
            }
        }
    };
}

number! {
    /// One connection to an admitted peer. The driver numbers them and never uses a number again.
    ConnectionNumber
}
number! {
    /// One caller, reader or rule that waits for groups. Numbered by the driver, never used again.
    FetchNumber
}
number! {
    /// One question who has a blob. Numbered by the driver, never used again.
    QuestionNumber
}
number! {
    /// One job for a worker. Numbered by the exchange, never used again.
    JobNumber
}

/// Why groups are wanted: what goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// A reader waits for them.
    Reading,
    /// Somebody asked for the blob.
    Asked,
    /// A standing rule wants it, or a peer asked us to hold it.
    Rule,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// A peer that carries blobs was admitted.
    Opened {
        /// Its connection.
        connection: ConnectionNumber,
        /// Who it is.
        peer: NodeId,
    },
    /// A connection ended.
    Ended {
        /// Which.
        connection: ConnectionNumber,
    },
    /// A frame about blobs came, without its length prefix.
    Frame {
        /// On which connection.
        connection: ConnectionNumber,
        /// On its bulk lane; else on the live one.
        bulk: bool,
        /// The frame.
        bytes: Bytes,
    },
    /// Bytes of frames left for the transport.
    Shipped {
        /// On which connection.
        connection: ConnectionNumber,
        /// On its bulk lane; else on the live one.
        bulk: bool,
        /// How many.
        bytes: usize,
    },
    /// Groups of a blob are wanted. A number that is known already gets new groups.
    Fetch {
        /// Who waits for them.
        fetch: FetchNumber,
        /// Which blob.
        id: BlobId,
        /// Its size, as a reference says.
        size: Option<BlobSize>,
        /// Which groups; none for all of them. What is behind the end of the blob is left out.
        groups: Option<GroupRange>,
        /// How urgently.
        urgency: Urgency,
        /// Nodes that may have it, such as the author of an event that refers to it.
        hints: Vec<NodeId>,
    },
    /// Nobody waits for a fetch any more.
    Release {
        /// Which.
        fetch: FetchNumber,
    },
    /// Who has this blob?
    Ask {
        /// The number of the question.
        question: QuestionNumber,
        /// Which blob.
        id: BlobId,
    },
    /// So many nodes shall hold this blob, this one included.
    Copies {
        /// Which blob.
        id: BlobId,
        /// How many.
        wanted: u32,
    },
    /// Nobody cares any more how many nodes hold this blob.
    CopiesEnd {
        /// Which blob.
        id: BlobId,
    },
    /// The store holds other groups of a blob than before; `Holdings` says which.
    Changed {
        /// Which blob.
        id: BlobId,
    },
    /// A piece was verified and written, or not.
    Verified {
        /// Which job.
        job: JobNumber,
        /// How it ended.
        result: std::result::Result<(), PieceFault>,
    },
    /// A piece was read, verified and encoded, or not.
    Encoded {
        /// Which job.
        job: JobNumber,
        /// The frame: what [`ServeJob::begin_frame`] gave, and the piece behind it.
        result: std::result::Result<Bytes, ServeFault>,
    },
    /// Time has passed.
    Tick,
}

/// Why a piece was not written.
#[derive(Clone, Debug, PartialEq)]
pub enum PieceFault {
    /// It is not of this blob.
    Forged,
    /// There is no room for it.
    Full,
    /// Writing failed.
    Failed(Error),
}

/// Why a piece was not encoded.
#[derive(Clone, Debug, PartialEq)]
pub enum ServeFault {
    /// It is not held any more.
    Gone,
    /// What is held is not the blob.
    Damaged,
    /// What is held has another size than the job says: it began anew since.
    OtherSize,
    /// Reading failed.
    Failed(Error),
}

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send this frame. Room comes back with `Shipped`.
    Ship {
        /// On which connection.
        connection: ConnectionNumber,
        /// On its bulk lane; else on the live one.
        bulk: bool,
        /// The frame, without length prefix.
        bytes: Bytes,
    },
    /// Verify and write a group, on any thread; answer with `Verified`, also when the thread ends
    /// or panics: until then the group is asked of nobody else.
    Take(PieceJob),
    /// Read, verify and encode a group, on any thread; answer with `Encoded`, as above.
    Give(ServeJob),
    /// End this session: its peer did what no honest one does. Nothing more of it is heard.
    Blame {
        /// Which connection.
        connection: ConnectionNumber,
        /// Who is at its other end.
        peer: NodeId,
        /// What for.
        reason: BlameReason,
        /// For our own people.
        error: Error,
    },
    /// This node may have what nobody who is connected has: dial it, if its address is known.
    Reach {
        /// Who.
        peer: NodeId,
    },
    /// Something that callers wait for.
    Tell(BlobNews),
    /// Nothing until the next input, or until this instant: then `Tick`.
    Wait(Option<Instant>),
}

/// What a peer is blamed for; the words are those of a session's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlameReason {
    /// It sent a group that is not of its blob.
    Forged,
    /// It sent what it was not asked for, or asked for too much.
    Unexpected,
    /// It sent a frame of another form.
    Malformed,
}

/// A group to verify and to write. Holds the bytes of one piece.
#[derive(Clone, Debug, PartialEq)]
pub struct PieceJob {
    /// Its number.
    pub job: JobNumber,
    /// Which blob.
    pub id: BlobId,
    /// Its size, as the sender stated it. A last group that verifies proves it: a part of another
    /// size begins anew.
    pub size: BlobSize,
    /// Which group.
    pub group: GroupIndex,
    /// See `blob::piece`; of the right length.
    pub piece: Bytes,
}

/// A group to read and to encode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServeJob {
    /// Its number.
    pub job: JobNumber,
    /// The number of the peer's ask.
    pub transfer: u64,
    /// Which blob.
    pub id: BlobId,
    /// Its size, as it was when the ask was looked at: to be compared with what is held now,
    /// before anything that does not verify counts as damaged.
    pub size: BlobSize,
    /// Which group.
    pub group: GroupIndex,
}

impl ServeJob {
    /// The beginning of the frame, with room for the piece that is to be appended.
    pub fn begin_frame(&self) -> Vec<u8> {
        piece_head(self.transfer, self.group, self.size.piece_bytes(self.group))
    }
}

/// What callers wait for.
#[derive(Clone, Debug, PartialEq)]
pub enum BlobNews {
    /// A group was written.
    Progress {
        /// Of which blob.
        id: BlobId,
        /// Its size, as far as it is known.
        size: BlobSize,
        /// Whether the size is proven.
        is_proven: bool,
        /// The group.
        group: GroupIndex,
        /// Groups that are held now.
        held: u32,
    },
    /// All groups of a fetch are held; where they reach the end of the blob its size is proven.
    Fetched {
        /// Which fetch.
        fetch: FetchNumber,
        /// Which blob.
        id: BlobId,
        /// Its size.
        size: BlobSize,
    },
    /// Nothing of a blob comes, or something comes again.
    Stalled {
        /// Which blob.
        id: BlobId,
        /// Why; none when it goes on.
        why: Option<Stall>,
    },
    /// The answer to a question: all who have said something or of whom it was said, by rising id.
    Answer {
        /// Which question.
        question: QuestionNumber,
        /// Which blob.
        id: BlobId,
        /// The nodes, without this one.
        providers: Vec<Provider>,
    },
    /// How many nodes hold a blob.
    CopiesNow {
        /// Which blob.
        id: BlobId,
        /// Nodes that said themselves that they hold it whole and durable, this one included.
        confirmed: u32,
        /// Those of them that are connected, this one included.
        connected: u32,
        /// Nodes that said that they are fetching it.
        fetching: Vec<NodeId>,
        /// Nodes that will not, and whether it is for want of room.
        refused: Vec<(NodeId, bool)>,
    },
    /// A peer sent a group that is not of its blob.
    Misbehaved {
        /// Who.
        peer: NodeId,
        /// Of which blob.
        id: BlobId,
        /// Which group.
        group: GroupIndex,
    },
}

/// Why nothing of a blob comes.
#[derive(Clone, Debug, PartialEq)]
pub enum Stall {
    /// Nobody who is connected has what is missing.
    NoProvider,
    /// There is no room for it.
    StorageFull,
    /// Writing fails.
    StorageFailed(Error),
}

/// A node that has, or may have, something of a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// Who.
    pub node: NodeId,
    /// What it has.
    pub state: ProviderState,
    /// Whether it is connected.
    pub is_connected: bool,
    /// When it said so; of hearsay, when that came.
    pub since: Instant,
}

/// What a node has of a blob, and who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProviderState {
    /// It said that it has nothing.
    Nothing,
    /// Another node said that this one holds it whole. Never counted as a copy.
    Hearsay,
    /// It said that it has a part.
    Part,
    /// It said that it holds it whole and durable.
    Whole,
}

/// What a node is asked about what it holds.
pub trait Holdings {
    /// What is held of a blob; none when that is nothing. With the groups that are written and
    /// would not survive a power cut yet: they are not asked for again. Peers choose how often this
    /// is called, so parts are kept in memory.
    ///
    /// # Errors
    /// What reading failed with; the blob then counts as not held.
    fn held(&self, id: &BlobId) -> Result<Option<Held>>;

    /// Whether to hold a blob because a peer asks for it.
    fn may_keep(&self, id: &BlobId) -> MayKeep;
}

/// What is held of a blob.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// Its size.
    pub size: BlobSize,
    /// Whether the size is proven: the last group is held, or the blob was added here.
    pub is_proven: bool,
    /// The groups.
    pub groups: GroupSet,
    /// Whether they would survive a power cut.
    pub is_durable: bool,
}

impl Held {
    /// Whether the whole blob is held and would survive a power cut.
    pub fn is_whole(&self) -> bool {
        self.is_proven && self.is_durable && self.groups.is_full()
    }
}

/// Whether to hold a blob because a peer asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MayKeep {
    /// Something that is held here refers to it, and there is room.
    Yes,
    /// There is no room for it.
    NoRoom,
    /// Nothing that is held here refers to it.
    NotKnown,
}
