//! The two channels of a connection, so that what is urgent waits for nothing that is long.

/// One of the two channels. Each keeps the order of its frames; between the two there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// All but answers to requests. Its bytes go first.
    Live,
    /// Events that were asked for, and what goes on from them.
    Backlog,
}

impl Lane {
    /// The more urgent one first.
    pub const ALL: [Lane; 2] = [Lane::Live, Lane::Backlog];

    /// Its place in [`Lane::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}
