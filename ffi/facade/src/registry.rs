//! The one table from handles to what they stand for.

use crate::blob_reader::BlobReaderState;
use crate::blob_work::BlobWorkState;
use crate::blob_writer::BlobWriterState;
use crate::cancel::CancelState;
use crate::cursor::CursorState;
use crate::doing::DoingState;
use crate::errors::{FacadeError, Result};
use crate::fold::FoldState;
use crate::group::GroupState;
use crate::node::NodeState;
use crate::observer::ObserverState;
use crate::session::SessionState;
use crate::subscription::SubscriptionState;
use crate::table::{Kind, Missing, Table};
use crate::turn::TurnState;
use millpond::ErrorKind;
use std::sync::{Arc, PoisonError, RwLock};

/// What a handle stands for.
#[derive(Clone)]
pub(crate) enum Entry {
    Node(Arc<NodeState>),
    Cursor(Arc<CursorState>),
    Subscription(Arc<SubscriptionState>),
    Cancel(Arc<CancelState>),
    Session(Arc<SessionState>),
    Observer(Arc<ObserverState>),
    Fold(Arc<FoldState>),
    Turn(Arc<TurnState>),
    Group(Arc<GroupState>),
    Doing(Arc<DoingState>),
    BlobWork(Arc<BlobWorkState>),
    BlobReader(Arc<BlobReaderState>),
    BlobWriter(Arc<BlobWriterState>),
}

static TABLE: RwLock<Table<Entry>> = RwLock::new(Table::new());

/// A type that handles stand for.
pub(crate) trait Registered: Sized {
    const KIND: Kind;
    const NOUN: &'static str;
    fn wrap(this: Arc<Self>) -> Entry;
    fn unwrap(entry: Entry) -> Option<Arc<Self>>;
}

macro_rules! registered {
    ($state:ident, $kind:ident, $noun:literal) => {
        impl Registered for $state {
            const KIND: Kind = Kind::$kind;
            const NOUN: &'static str = $noun;
            fn wrap(this: Arc<Self>) -> Entry {
                Entry::$kind(this)
            }
            fn unwrap(entry: Entry) -> Option<Arc<Self>> {
                match entry {
                    Entry::$kind(state) => Some(state),
                    _ => None,
                }
            }
        }
    };
}

registered!(NodeState, Node, "node");
registered!(CursorState, Cursor, "cursor");
registered!(SubscriptionState, Subscription, "subscription");
registered!(CancelState, Cancel, "cancel token");
registered!(SessionState, Session, "session");
registered!(ObserverState, Observer, "observer");
registered!(FoldState, Fold, "fold");
registered!(TurnState, Turn, "turn");
registered!(GroupState, Group, "group of fish");
registered!(DoingState, Doing, "claim of this node");
registered!(BlobWorkState, BlobWork, "work on blobs");
registered!(BlobReaderState, BlobReader, "reader of a blob");
registered!(BlobWriterState, BlobWriter, "writer of a blob");

/// Keeps `state` and gives its handle.
///
/// # Errors
/// `limit_exceeded`: 2^24 handles are open.
pub(crate) fn insert<S: Registered>(state: Arc<S>) -> Result<u64> {
    let mut table = TABLE.write().unwrap_or_else(PoisonError::into_inner);
    table.insert(S::KIND, S::wrap(state)).map_err(|missing| refused::<S>(missing))
}

/// What the handle `id` stands for.
///
/// # Errors
/// `closed`: it was closed. `invalid_argument`: it is no handle, or of another type.
pub(crate) fn get<S: Registered>(id: u64) -> Result<Arc<S>> {
    let table = TABLE.read().unwrap_or_else(PoisonError::into_inner);
    let entry = table.get(id, S::KIND).map_err(|missing| refused::<S>(missing))?.clone();
    Ok(S::unwrap(entry).expect("a table keeps entries under their own kind"))
}

/// Takes what the handle `id` stands for out of the table; `None` when that happened before.
///
/// # Errors
/// `invalid_argument`: it is no handle, or of another type.
pub(crate) fn remove<S: Registered>(id: u64) -> Result<Option<Arc<S>>> {
    let mut table = TABLE.write().unwrap_or_else(PoisonError::into_inner);
    match table.remove(id, S::KIND) {
        Ok(entry) => Ok(S::unwrap(entry)),
        Err(Missing::Closed) => Ok(None),
        Err(missing) => Err(refused::<S>(missing)),
    }
}

/// What the handle `id` stands for, of whatever type.
pub(crate) fn get_any(id: u64) -> Option<Entry> {
    let table = TABLE.read().unwrap_or_else(PoisonError::into_inner);
    table.get_any(id).ok().cloned()
}

impl Entry {
    /// The node that it belongs to, if it belongs to one.
    pub(crate) fn node(&self) -> Option<&Arc<NodeState>> {
        match self {
            Entry::Node(node) => Some(node),
            Entry::Cursor(cursor) => Some(cursor.node()),
            Entry::Subscription(subscription) => Some(subscription.node()),
            Entry::Observer(observer) => Some(observer.node()),
            Entry::Fold(fold) => Some(fold.node()),
            Entry::Turn(turn) => Some(turn.node()),
            Entry::Group(group) => Some(group.node()),
            Entry::Doing(doing) => Some(doing.node()),
            Entry::BlobWork(work) => Some(work.node()),
            Entry::BlobReader(reader) => Some(reader.node()),
            Entry::BlobWriter(writer) => Some(writer.node()),
            Entry::Cancel(_) | Entry::Session(_) => None,
        }
    }
}

/// Poisons the node that the handle `id` belongs to; false if it belongs to none.
pub(crate) fn poison(id: u64) -> bool {
    let entry = get_any(id);
    let node = entry.as_ref().and_then(Entry::node);
    node.is_some_and(|node| {
        node.poison();
        true
    })
}

fn refused<S: Registered>(missing: Missing) -> FacadeError {
    let noun = S::NOUN;
    match missing {
        Missing::Closed => FacadeError::new(ErrorKind::Closed, format!("the {noun} is closed")),
        Missing::Wrong => FacadeError::invalid(format!("this is not the handle of a {noun}")),
        Missing::Full => FacadeError::new(ErrorKind::LimitExceeded, "too many handles are open"),
    }
}
