//! Reading groups for peers: a piece is verified before it leaves.
//!
//! Rule: what is given is of the size that the job says, and is held; whoever asked for something
//! else is told why it gets nothing, and nothing is noted as damaged because of that.

use super::files::BlobFile;
use super::read::Pairs;
use super::rows::Content;
use super::store::Store;
use crate::blob::exchange::{ServeFault, ServeJob};
use crate::blob::piece::{self, BytesAt, ReadFault};
use bytes::Bytes;
use std::sync::Arc;

impl Store {
    /// The frame of a piece, for who asked for it.
    ///
    /// # Errors
    /// See `ServeFault`.
    pub(crate) fn give(self: &Arc<Store>, job: &ServeJob) -> Result<Bytes, ServeFault> {
        let _lease = self.lease(job.id);
        let row = self.look(&job.id).map_err(ServeFault::Failed)?.ok_or(ServeFault::Gone)?;
        if row.size != job.size.bytes() {
            return Err(ServeFault::OtherSize);
        }
        let number = match row.content {
            Content::Inline(bytes) => return frame(job, &bytes[..], &[][..]).map_err(inline_fault),
            Content::Whole { number } => number,
            Content::Part { number, .. } => {
                let holds = self.holds(&job.id, number, job.group);
                if !holds.map_err(ServeFault::Failed)? {
                    return Err(ServeFault::Gone);
                }
                number
            }
        };
        let open = |path| BlobFile::open(path).map_err(ServeFault::Failed);
        let has_tree = job.size.groups() > 1;
        let tree = if has_tree { open(self.place.tree(number))? } else { None };
        let lost = match open(self.place.data(number))? {
            Some(data) if tree.is_some() == has_tree => {
                match frame(job, &data, &Pairs(tree.as_ref())) {
                    Ok(frame) => return Ok(frame),
                    Err(ReadFault::Failed(error)) => return Err(ServeFault::Failed(error)),
                    Err(ReadFault::Damaged) => Some(job.group),
                }
            }
            _ => None,
        };
        match self.note_damage(&job.id, number, lost) {
            Ok(true) => Err(ServeFault::Damaged),
            // Another one took its place meanwhile.
            Ok(false) => Err(ServeFault::Gone),
            Err(error) => Err(ServeFault::Failed(error)),
        }
    }
}

fn frame(
    job: &ServeJob,
    data: &(impl BytesAt + ?Sized),
    pairs: &(impl BytesAt + ?Sized),
) -> Result<Bytes, ReadFault> {
    let mut frame = job.begin_frame();
    piece::encode(&job.id, job.size, job.group, (data, pairs), &mut frame)?;
    Ok(Bytes::from(frame))
}

/// A row has a checksum: one that is not its blob was written so.
fn inline_fault(fault: ReadFault) -> ServeFault {
    match fault {
        ReadFault::Failed(error) => ServeFault::Failed(error),
        ReadFault::Damaged => ServeFault::Damaged,
    }
}
