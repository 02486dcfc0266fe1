//! The blobs of a node: adding, opening, exporting, looking through.
//!
//! Not here: work that takes time (`blob_work`), reading (`blob_reader`), bytes that come one after
//! the other (`blob_writer`), forms (`blob_view`).

use crate::awaited::{self, Asked, Place};
use crate::blob_reader::BlobReaderHandle;
use crate::blob_view::{
    BlobAbout, BlobExportOptions, Told, blob_id, said_here, stat_json, stats_json, tags_of,
};
use crate::blob_work::BlobWorkHandle;
use crate::blob_writer::{BlobWriterHandle, close_writer};
use crate::core;
use crate::defaults::{BLOB_GET_BYTES_MAX, BLOBS_LISTED_MAX};
use crate::entry::{entry, guard};
use crate::errors::Result;
use crate::node::{NodeHandle, NodeState};
use crate::operation::Operation;
use crate::publish::refuse_cancelled;
use crate::wait::{Limit, Wait};
use crate::workers;
use bytes::Bytes;
use millpond::{BlobId, BlobRef, BlobWork, Blobs, OpenBlob, Pending};
use std::path::PathBuf;
use std::sync::Arc;

impl NodeHandle {
    /// Adds a file. What comes of it is a blob as one JSON object: `id`, `size` in bytes,
    /// `media_type` and `name` (null where nobody said any). Durable, and visible here, when the
    /// work is done. The same bytes are one blob, however often they are added.
    ///
    /// # Errors
    /// `closed`, `invalid_argument`, `limit_exceeded`: what is said of it has no such form. Of the
    /// work: `not_found`, `storage_failed`: the file cannot be read. `invalid_argument`: it is no
    /// regular file. `conflict`, reason `changed_while_added`. `limit_exceeded`: it has more than
    /// 2^40 bytes, or blobs take as much as they may (reason `blob_quota`). `storage_full`,
    /// `cancelled`. Nothing is left then.
    pub fn blob_add_path(
        self,
        path: impl Into<PathBuf>,
        about: BlobAbout,
    ) -> Result<BlobWorkHandle> {
        let path = path.into();
        self.begin_work("node_blob_add_path", |blobs| Ok(blobs.add_path(path, about.read()?)))
    }

    /// Adds these bytes; gives the blob as [`NodeHandle::blob_add_path`] does.
    ///
    /// # Errors
    /// As there. After `timeout` or `cancelled` it may have been added all the same.
    pub fn blob_add_bytes(
        self,
        bytes: impl Into<Bytes>,
        about: BlobAbout,
        wait: &Wait<'_>,
    ) -> Result<String> {
        let bytes = bytes.into();
        self.wait_while("node_blob_add_bytes", wait, |core, _| add_bytes(core, bytes, about))
    }

    /// As [`NodeHandle::blob_add_bytes`], without waiting.
    pub fn blob_add_bytes_start(
        self,
        bytes: impl Into<Bytes>,
        about: BlobAbout,
        limit: Limit,
        done: impl FnOnce(Result<String>) + Send + 'static,
    ) {
        let bytes = bytes.into();
        self.start_while("node_blob_add_bytes", limit, done, |core, _| {
            add_bytes(core, bytes, about)
        });
    }

    /// Begins a blob whose bytes come one after the other: `size` of them, or as many as will come.
    /// Close it with [`BlobWriterHandle::close`]; it also ends with its node.
    ///
    /// # Errors
    /// As for [`NodeHandle::blob_add_path`].
    pub fn blob_writer(
        self,
        about: BlobAbout,
        size: Option<u64>,
        wait: &Wait<'_>,
    ) -> Result<BlobWriterHandle> {
        entry("node_blob_writer", self.id(), || {
            refuse_cancelled(wait.limit)?;
            let begin = move || self.begin_blob(about, size);
            let job = move || guard("node_blob_writer_work", self.id(), begin);
            workers::block(wait, job, close_writer)
        })
    }

    /// As [`NodeHandle::blob_writer`], without waiting.
    pub fn blob_writer_start(
        self,
        about: BlobAbout,
        size: Option<u64>,
        limit: Limit,
        done: impl FnOnce(Result<BlobWriterHandle>) + Send + 'static,
    ) {
        let begin = move || self.begin_blob(about, size);
        let job = move || entry("node_blob_writer", self.id(), begin);
        workers::start(limit, Box::new(done), job, close_writer);
    }

    fn begin_blob(self, about: BlobAbout, size: Option<u64>) -> Result<BlobWriterHandle> {
        let node = NodeState::usable(self.id())?;
        let writer = node.core().blobs().writer(about.read()?, size)?;
        node.keep_writer(writer)
    }

    /// Opens a blob (64 hex digits) for reading; what is missing here is fetched when it is read.
    /// While it is open it is not collected. Close it with [`BlobReaderHandle::close`]; it also
    /// ends with its node.
    ///
    /// # Errors
    /// `not_found`, reason `blob_not_here`: the node has no network to fetch it.
    /// `invalid_argument`: the text is no id. `corrupt`: a file of it is missing. `storage_full`,
    /// `storage_failed`, `timeout`, `cancelled`, `closed`.
    pub fn blob_open(self, id: &str, wait: &Wait<'_>) -> Result<BlobReaderHandle> {
        entry("node_blob_open", self.id(), || {
            refuse_cancelled(wait.limit)?;
            let node = NodeState::usable(self.id())?;
            let (own, (_, opening)) = (node.clone(), node.open_blob(id)?);
            let calls = [&node.calls];
            awaited::block_within(&calls, &node, opening, wait, move |reader| own.keep_blob(reader))
        })
    }

    /// As [`NodeHandle::blob_open`], without waiting.
    pub fn blob_open_start(
        self,
        id: &str,
        limit: Limit,
        done: impl FnOnce(Result<BlobReaderHandle>) + Send + 'static,
    ) {
        let then = |node: Arc<NodeState>, reader| node.keep_blob(reader);
        let open = |node: &Arc<NodeState>| node.open_blob(id);
        self.start_asked("node_blob_open", limit, done, open, then);
    }

    /// All bytes of a blob of at most `bytes_max` (default 16 MiB).
    ///
    /// # Errors
    /// As for [`NodeHandle::blob_open`]; `corrupt`: the blob is damaged here. `limit_exceeded`: it
    /// has more.
    pub fn blob_get(self, id: &str, bytes_max: Option<u64>, wait: &Wait<'_>) -> Result<Bytes> {
        entry("node_blob_get", self.id(), || {
            refuse_cancelled(wait.limit)?;
            let node = NodeState::usable(self.id())?;
            let (_, getting) = node.all_bytes(id, bytes_max)?;
            awaited::block_within(&[&node.calls], &node, getting, wait, Ok)
        })
    }

    /// As [`NodeHandle::blob_get`], without waiting.
    pub fn blob_get_start(
        self,
        id: &str,
        bytes_max: Option<u64>,
        limit: Limit,
        done: impl FnOnce(Result<Bytes>) + Send + 'static,
    ) {
        let get = |node: &Arc<NodeState>| node.all_bytes(id, bytes_max);
        let then = |_: Arc<NodeState>, bytes| Ok(bytes);
        self.start_asked("node_blob_get", limit, done, get, then);
    }

    /// Writes a blob to a file, which is there whole or not at all. What comes of it is one JSON
    /// object: `id`, `size`.
    ///
    /// # Errors
    /// `closed`, `invalid_argument`: the text is no id, or there is no such way. Of the work: as
    /// for [`NodeHandle::blob_get`]; `conflict`, reason `exists`: there is a file, and it is not to
    /// be replaced. `storage_full`, `storage_failed`, `cancelled`. The target is as it was then.
    pub fn blob_export(
        self,
        id: &str,
        path: impl Into<PathBuf>,
        options: BlobExportOptions,
    ) -> Result<BlobWorkHandle> {
        let path = path.into();
        self.begin_work("node_blob_export", |blobs| {
            Ok(blobs.export(blob_id(id)?, path, options.read()?))
        })
    }

    /// Whether a blob is here whole. Its bytes are not looked at: reading does that.
    ///
    /// # Errors
    /// `invalid_argument`: the text is no id. `corrupt`, `storage_failed`, `closed`.
    pub fn blob_has(self, id: &str) -> Result<bool> {
        self.ask("node_blob_has", |core| Ok(core.blobs().has(&blob_id(id)?)?))
    }

    /// What is known of a blob here, as one JSON object: `id`, `size`, `state` (`inline`, `whole`
    /// or `part`), `held_bytes`, `media_type`, `name`, `tags`, `touched` (µs since 1970 UTC).
    ///
    /// # Errors
    /// As [`NodeHandle::blob_has`]; `not_found`, reason `blob_not_here`.
    pub fn blob_stat_json(self, id: &str) -> Result<String> {
        self.ask("node_blob_stat", |core| Ok(stat_json(&core.blobs().stat(&blob_id(id)?)?)))
    }

    /// The blobs behind `after` that have all these tags, by rising id, as one JSON array of what
    /// [`NodeHandle::blob_stat_json`] says: at most `count_max` (default and most 1,024). It is
    /// empty behind the last one.
    ///
    /// # Errors
    /// As [`NodeHandle::blob_has`]; `invalid_argument`: a tag.
    pub fn blob_list_json<T: AsRef<str>>(
        self,
        after: Option<&str>,
        tags: &[T],
        count_max: Option<usize>,
    ) -> Result<String> {
        self.ask("node_blob_list", |core| {
            let after = after.map(blob_id).transpose()?;
            let count_max = count_max.unwrap_or(BLOBS_LISTED_MAX);
            Ok(stats_json(&core.blobs().list(after, &tags_of(tags)?, count_max)?))
        })
    }

    /// Removes every blob that nothing keeps. What comes of it is one JSON object: `blobs`,
    /// `bytes`.
    ///
    /// # Errors
    /// `closed`. Of the work: `storage_full`, `storage_failed`, `cancelled`. What was removed by
    /// then is gone.
    pub fn blob_collect(self) -> Result<BlobWorkHandle> {
        self.begin_work("node_blob_collect", |blobs| Ok(blobs.collect()))
    }

    /// Reads and verifies a blob, or all of them. What comes of it is one JSON object: `whole`,
    /// `bytes`, `damaged` (ids), `strays`. Damage is no error.
    ///
    /// # Errors
    /// `closed`, `invalid_argument`: the text is no id. Of the work: `not_found`, reason
    /// `blob_not_here`. `storage_failed`, `cancelled`.
    pub fn blob_verify(self, id: Option<&str>) -> Result<BlobWorkHandle> {
        self.begin_work("node_blob_verify", |blobs| Ok(blobs.verify(id.map(blob_id).transpose()?)))
    }

    /// Ends `done` with what `then` makes of what `ask` is answered. The answer is let go of when
    /// the call ends, so that nothing is fetched for nobody.
    fn start_asked<T: Send + 'static, U: Send + 'static>(
        self,
        name: &'static str,
        limit: Limit,
        done: impl FnOnce(Result<U>) + Send + 'static,
        ask: impl FnOnce(&Arc<NodeState>) -> Result<Asked<T>>,
        then: impl FnOnce(Arc<NodeState>, T) -> Result<U> + Send + 'static,
    ) {
        let place = Place::default();
        let held = place.clone();
        let ending = Box::new(move |answer| {
            held.let_go();
            done(answer);
        });
        let operation = Operation::begin(limit, ending);
        if !operation.is_waiting() {
            return;
        }
        let asked = entry(name, self.id(), || {
            let node = NodeState::usable(self.id())?;
            node.calls.watch(&operation);
            ask(&node)
        });
        match asked {
            Ok((node, pending)) => {
                let own = node.clone();
                let then = move |answer| then(own, answer);
                awaited::start(&operation, &place, then, || Ok((node, pending)));
            }
            Err(error) => drop(operation.complete(Err(error))),
        }
    }

    fn begin_work<T: Told>(
        self,
        name: &'static str,
        begin: impl FnOnce(&Blobs) -> Result<BlobWork<T>>,
    ) -> Result<BlobWorkHandle> {
        entry(name, self.id(), || {
            let node = NodeState::usable(self.id())?;
            let work = begin(&node.core().blobs())?;
            node.keep_work(work)
        })
    }
}

impl NodeState {
    fn open_blob(self: &Arc<Self>, id: &str) -> Result<Asked<millpond::BlobReader>> {
        let opening = self.core().blobs().open(blob_id(id)?, OpenBlob::default());
        Ok((self.clone(), opening))
    }

    fn all_bytes(self: &Arc<Self>, id: &str, bytes_max: Option<u64>) -> Result<Asked<Bytes>> {
        let bytes_max = bytes_max.unwrap_or(BLOB_GET_BYTES_MAX);
        let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        Ok((self.clone(), self.core().blobs().get(blob_id(id)?, bytes_max)))
    }

    /// A blob as an event is to speak of it.
    pub(crate) fn blob_said(&self, id: &BlobId) -> Result<BlobRef> {
        said_here(&self.core().blobs(), id)
    }
}

fn add_bytes(core: &core::Node, bytes: Bytes, about: BlobAbout) -> Result<Pending<String>> {
    Ok(core.blobs().add_bytes(bytes, about.read()?).map(|blob| Ok(blob.told())))
}
