//! How complete an answer is: what it was read at, and what was known to be missing then.

use super::cursor::Cursor;
use super::outlook::{Outlook, Unheard};
use crate::event::{Behind, NodeId, OffsetMap};

/// What an answer holds and lacks, as known when its cursor was opened.
///
/// It is complete as of `offsets`. What no signed head accounts for and no missing node is known to
/// have written cannot be named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completeness {
    /// How many events of each stream the answer was read over.
    pub offsets: OffsetMap,
    /// Streams of which more is signed for than that, by rising id, as known a quarter of a second
    /// before at the latest.
    pub behind: Vec<Behind>,
    /// Nodes that were heard of and not in reach, by rising id: what they wrote since then may be
    /// missing.
    pub unheard: Vec<Unheard>,
}

impl Completeness {
    /// Of what `us` reads over `offsets`, knowing of others what `outlook` says.
    pub fn new(us: NodeId, offsets: OffsetMap, outlook: &Outlook) -> Completeness {
        Completeness {
            behind: outlook.behind(&offsets),
            unheard: outlook.unheard(us, &offsets),
            offsets,
        }
    }
}

impl Cursor {
    /// How complete the answer is: the offset map it is read at, streams that were known to be
    /// behind, and nodes that were not in reach, all as of when the cursor was opened. Reads
    /// nothing.
    pub fn completeness(&self) -> Completeness {
        Completeness::new(self.node(), self.upper().clone(), self.outlook())
    }
}
