//! The order in which the events of one answer come.

/// The order in which the events of one answer come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// By event key, smallest first: the total order, the same on all nodes.
    #[default]
    Ascending,
    /// By event key, largest first.
    Descending,
    /// Stream after stream, in ascending stream id, each by ascending offset. Cheapest: nothing
    /// is merged.
    Stream,
}
