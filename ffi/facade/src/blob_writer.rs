//! Adding a blob whose bytes come one after the other.

use crate::blob_work::{Course, start_result};
use crate::close::Closed;
use crate::core;
use crate::entry::{entry, guard, lock};
use crate::errors::{FacadeError, Result};
use crate::handles::handle;
use crate::node::NodeState;
use crate::operation::cancelled;
use crate::publish::refuse_cancelled;
use crate::wait::{Limit, Wait};
use crate::{registry, workers};
use bytes::Bytes;
use millpond::ErrorKind;
use std::mem;
use std::sync::{Arc, Mutex};

handle! {
    /// A blob whose bytes come one after the other.
    BlobWriterHandle
}

/// What a writer handle stands for.
pub(crate) struct BlobWriterState {
    node: Arc<NodeState>,
    /// Locked while bytes are written.
    stage: Mutex<Stage>,
}

enum Stage {
    Open(Box<core::BlobWriter>),
    Finishing(Arc<Course>),
    Closed,
}

impl NodeState {
    /// A handle of this writer.
    pub(crate) fn keep_writer(
        self: &Arc<Self>,
        writer: core::BlobWriter,
    ) -> Result<BlobWriterHandle> {
        let (node, stage) = (self.clone(), Mutex::new(Stage::Open(Box::new(writer))));
        Ok(BlobWriterHandle::from_id(self.keep_reader(BlobWriterState { node, stage })?))
    }
}

impl BlobWriterState {
    pub(crate) fn node(&self) -> &Arc<NodeState> {
        &self.node
    }

    /// Its node is being closed.
    pub(crate) fn end(&self) {
        self.stop(FacadeError::new(ErrorKind::Closed, "the node is being closed"));
    }

    fn stop(&self, error: FacadeError) {
        let stage = mem::replace(&mut *lock(&self.stage), Stage::Closed);
        if let Stage::Finishing(course) = stage {
            course.end(error);
        }
    }

    fn take(&self, bytes: &[u8]) -> Result<()> {
        match &mut *lock(&self.stage) {
            Stage::Open(writer) => Ok(writer.take(bytes)?),
            Stage::Finishing(_) => Err(FacadeError::invalid("the blob is finished")),
            Stage::Closed => Err(gone()),
        }
    }

    fn finishing(&self) -> Result<Arc<Course>> {
        let mut stage = lock(&self.stage);
        match mem::replace(&mut *stage, Stage::Closed) {
            Stage::Open(writer) => {
                let course = Arc::new(Course::of(writer.finish()));
                *stage = Stage::Finishing(course.clone());
                Ok(course)
            }
            Stage::Finishing(course) => {
                *stage = Stage::Finishing(course.clone());
                Ok(course)
            }
            Stage::Closed => Err(gone()),
        }
    }
}

fn gone() -> FacadeError {
    FacadeError::new(ErrorKind::Closed, "the blob that was written is closed")
}

impl BlobWriterHandle {
    /// Takes the next bytes, any number, and writes them to the disk. One call at a time.
    ///
    /// # Errors
    /// `limit_exceeded` (with the reason `blob_quota`: blobs take as much as they may),
    /// `storage_full`, `storage_failed`, `closed`; `conflict`, reason `changed_while_added`: more
    /// bytes than were said. Each later call answers the same. `timeout`, `cancelled`: none of them
    /// was taken. `invalid_argument`: it is finished.
    pub fn write(self, bytes: &[u8], wait: &Wait<'_>) -> Result<()> {
        entry("blob_writer_write", self.id(), || {
            refuse_cancelled(wait.limit)?;
            let state = self.state()?;
            if wait.is_unbounded() {
                return state.take(bytes);
            }
            let bytes = Bytes::copy_from_slice(bytes);
            let take = move || state.take(&bytes);
            let job = move || guard("blob_writer_write_work", self.id(), take);
            workers::block_to_the_end(wait, job)
        })
    }

    /// As [`BlobWriterHandle::write`], without waiting.
    pub fn write_start(
        self,
        bytes: impl Into<Bytes>,
        limit: Limit,
        done: impl FnOnce(Result<()>) + Send + 'static,
    ) {
        let bytes = bytes.into();
        let take = move || self.state()?.take(&bytes);
        let job = move || entry("blob_writer_write", self.id(), take);
        workers::start_to_the_end(limit, Box::new(done), job);
    }

    /// Makes the bytes a blob, and gives it as [`crate::NodeHandle::blob_add_path`] does: durable,
    /// and visible here. Close the handle all the same.
    ///
    /// # Errors
    /// As for [`BlobWriterHandle::write`], where `changed_while_added` may also be fewer bytes than
    /// were said; `invalid_argument`, `limit_exceeded`: what is said of it. `timeout`, `cancelled`:
    /// it goes on until the handle is closed, and another call gives what comes of it.
    pub fn finish(self, wait: &Wait<'_>) -> Result<String> {
        entry("blob_writer_finish", self.id(), || {
            refuse_cancelled(wait.limit)?;
            let state = self.state()?;
            state.finishing()?.result(&state.node, wait)
        })
    }

    /// As [`BlobWriterHandle::finish`], without waiting.
    pub fn finish_start(self, limit: Limit, done: impl FnOnce(Result<String>) + Send + 'static) {
        let finish = || {
            let state = self.state()?;
            Ok((state.node.clone(), state.finishing()?))
        };
        start_result(entry("blob_writer_finish", self.id(), finish), limit, Box::new(done));
    }

    /// Ends the handle. What is not a blob by then leaves nothing.
    ///
    /// # Errors
    /// `invalid_argument`: it never was a writer.
    pub fn close(self) -> Result<Closed> {
        entry("blob_writer_close", self.id(), || {
            let Some(state) = registry::remove::<BlobWriterState>(self.id())? else {
                return Ok(Closed::Before);
            };
            lock(&state.node.readers).remove(&self.id());
            state.stop(cancelled());
            Ok(Closed::Now)
        })
    }

    fn state(self) -> Result<Arc<BlobWriterState>> {
        let state = registry::get::<BlobWriterState>(self.id())?;
        state.node.check_poison()?;
        Ok(state)
    }
}

/// Nobody waits for the writer any more.
pub(crate) fn close_writer(writer: BlobWriterHandle) {
    let _ = writer.close();
}
