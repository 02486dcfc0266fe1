//! Which parts of events a reader asks for.

use crate::error::{Error, ErrorKind, Result};

/// The parts of events that are decoded. Key, stream, offset, time and app id always are; queries
/// by tags work with and without them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Columns {
    /// What an event is found by.
    pub tags: bool,
    /// What it says.
    pub payload: bool,
}

impl Columns {
    /// The columns with these names, each `tags` or `payload`, in any order; none is legal.
    ///
    /// # Errors
    /// `invalid_argument`: there is no such column.
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Columns> {
        let mut columns = Columns { tags: false, payload: false };
        for name in names {
            match name {
                "tags" => columns.tags = true,
                "payload" => columns.payload = true,
                other => {
                    let message = format!("there is no column {other:?}; there are tags, payload");
                    return Err(Error::new(ErrorKind::InvalidArgument, message));
                }
            }
        }
        Ok(columns)
    }
}

impl Default for Columns {
    /// All of them.
    fn default() -> Columns {
        Columns { tags: true, payload: true }
    }
}
