//! Blobs: what a node does with them, and what reads, writes and works on them.

use crate::arguments::{Seconds, Whole, limit};
use crate::errors::raise;
use crate::gate::blocking;
use crate::node::OpenNode;
use crate::queue::{Operation, Queue, begin};
use millpond_facade::{
    BlobAbout, BlobExportOptions, BlobProgress, BlobReaderHandle, BlobWorkHandle, BlobWriterHandle,
    NodeHandle, limits,
};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use std::os::fd::IntoRawFd;
use std::path::PathBuf;
use std::sync::Arc;

/// The blobs of a node; made for each call.
#[pyclass(frozen, module = "millpond._native")]
pub(crate) struct Blobs {
    open: Arc<OpenNode>,
}

/// What is said of a blob: its media type, its name, its tags.
type About = (Option<String>, Option<String>, Vec<String>);

/// `(bytes that are done, bytes in all or None, whether it has ended)`.
pub(crate) type ProgressTuple = (u64, Option<u64>, bool);

impl Blobs {
    pub(crate) fn new(open: Arc<OpenNode>) -> Blobs {
        Blobs { open }
    }

    fn handle(&self) -> NodeHandle {
        self.open.handle()
    }

    fn work(
        &self,
        py: Python<'_>,
        begin: impl FnOnce(NodeHandle) -> millpond_facade::Result<BlobWorkHandle> + Send,
    ) -> PyResult<BlobWork> {
        let handle = self.handle();
        let begun = blocking(py, None, move |_| begin(handle)).into_result(py)?;
        Ok(BlobWork { handle: begun, _node: self.open.clone() })
    }
}

fn about((media_type, name, tags): About) -> BlobAbout {
    BlobAbout { media_type, name, tags }
}

#[pymethods]
impl Blobs {
    fn add_path(&self, py: Python<'_>, path: PathBuf, said: About) -> PyResult<BlobWork> {
        self.work(py, move |node| node.blob_add_path(path, about(said)))
    }

    fn add_bytes(
        &self,
        py: Python<'_>,
        data: PyBackedBytes,
        said: About,
        timeout: Option<Seconds>,
    ) -> PyResult<String> {
        let (handle, data) = (self.handle(), data.to_vec());
        let added =
            blocking(py, limit(timeout), move |w| handle.blob_add_bytes(data, about(said), w));
        added.into_result(py)
    }

    fn add_bytes_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        data: PyBackedBytes,
        said: About,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        begin(queue, number, timeout, |limit, done| {
            self.handle().blob_add_bytes_start(data.to_vec(), about(said), limit, done);
        })
    }

    fn writer(
        &self,
        py: Python<'_>,
        said: About,
        size: Option<Whole>,
        timeout: Option<Seconds>,
    ) -> PyResult<BlobWriter> {
        let (handle, size) = (self.handle(), size.map(|size| size.0));
        let begun = blocking(py, limit(timeout), move |wait| {
            let handle = handle.blob_writer(about(said), size, wait)?;
            Ok(BlobWriter { handle })
        });
        begun.into_result(py)
    }

    fn writer_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        said: About,
        size: Option<Whole>,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        let size = size.map(|size| size.0);
        begin(queue, number, timeout, |limit, done| {
            self.handle().blob_writer_start(about(said), size, limit, done);
        })
    }

    fn open(
        &self,
        py: Python<'_>,
        blob_id: String,
        timeout: Option<Seconds>,
    ) -> PyResult<BlobReader> {
        let handle = self.handle();
        let opened = blocking(py, limit(timeout), move |wait| {
            Ok(BlobReader { handle: handle.blob_open(&blob_id, wait)? })
        });
        opened.into_result(py)
    }

    fn open_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        blob_id: &str,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        begin(queue, number, timeout, |limit, done| {
            self.handle().blob_open_start(blob_id, limit, done);
        })
    }

    fn get<'py>(
        &self,
        py: Python<'py>,
        blob_id: String,
        bytes_max: Option<Whole>,
        timeout: Option<Seconds>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let (handle, bytes_max) = (self.handle(), bytes_max.map(|most| most.0));
        let got =
            blocking(py, limit(timeout), move |wait| handle.blob_get(&blob_id, bytes_max, wait));
        Ok(PyBytes::new(py, &got.into_result(py)?))
    }

    fn get_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        blob_id: &str,
        bytes_max: Option<Whole>,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        let bytes_max = bytes_max.map(|most| most.0);
        begin(queue, number, timeout, |limit, done| {
            self.handle().blob_get_start(blob_id, bytes_max, limit, done);
        })
    }

    fn export(
        &self,
        py: Python<'_>,
        blob_id: String,
        path: PathBuf,
        how: Option<String>,
        overwrite: Option<bool>,
    ) -> PyResult<BlobWork> {
        let options = BlobExportOptions { how, overwrite };
        self.work(py, move |node| node.blob_export(&blob_id, path, options))
    }

    fn has(&self, py: Python<'_>, blob_id: String) -> PyResult<bool> {
        let handle = self.handle();
        blocking(py, None, move |_| handle.blob_has(&blob_id)).into_result(py)
    }

    fn stat_json(&self, py: Python<'_>, blob_id: String) -> PyResult<String> {
        let handle = self.handle();
        blocking(py, None, move |_| handle.blob_stat_json(&blob_id)).into_result(py)
    }

    fn list_json(
        &self,
        py: Python<'_>,
        after: Option<String>,
        tags: Vec<String>,
    ) -> PyResult<String> {
        let handle = self.handle();
        blocking(py, None, move |_| handle.blob_list_json(after.as_deref(), &tags, None))
            .into_result(py)
    }

    fn collect(&self, py: Python<'_>) -> PyResult<BlobWork> {
        self.work(py, NodeHandle::blob_collect)
    }

    fn verify(&self, py: Python<'_>, blob_id: Option<String>) -> PyResult<BlobWork> {
        self.work(py, move |node| node.blob_verify(blob_id.as_deref()))
    }
}

/// Work on blobs that is under way. Dropped, it is called off.
#[pyclass(frozen, module = "millpond._native")]
pub(crate) struct BlobWork {
    handle: BlobWorkHandle,
    /// The node stays open as long as it works.
    _node: Arc<OpenNode>,
}

impl Drop for BlobWork {
    fn drop(&mut self) {
        // In a forked child this is refused, and there is nothing to free.
        let _ = self.handle.close();
    }
}

pub(crate) fn progress_tuple(progress: &BlobProgress) -> ProgressTuple {
    (progress.done_bytes, progress.total_bytes, progress.is_end)
}

#[pymethods]
impl BlobWork {
    fn next_progress(&self, py: Python<'_>, timeout: Option<Seconds>) -> PyResult<ProgressTuple> {
        let handle = self.handle;
        let progress = blocking(py, limit(timeout), move |wait| handle.next_progress(wait));
        progress.into_result(py).map(|progress| progress_tuple(&progress))
    }

    fn next_progress_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        begin(queue, number, timeout, |limit, done| {
            self.handle.next_progress_start(limit, done);
        })
    }

    fn result_json(&self, py: Python<'_>, timeout: Option<Seconds>) -> PyResult<String> {
        let handle = self.handle;
        blocking(py, limit(timeout), move |wait| handle.result_json(wait)).into_result(py)
    }

    fn result_json_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        begin(queue, number, timeout, |limit, done| self.handle.result_json_start(limit, done))
    }

    fn fileno(&self, py: Python<'_>) -> PyResult<i32> {
        self.handle.fd().map_err(|error| raise(py, error))
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.handle.close().map(drop).map_err(|error| raise(py, error))
    }
}

/// A blob that is open for reading. Dropped, it is closed.
#[pyclass(frozen, module = "millpond._native")]
pub(crate) struct BlobReader {
    handle: BlobReaderHandle,
}

impl BlobReader {
    pub(crate) fn new(handle: BlobReaderHandle) -> BlobReader {
        BlobReader { handle }
    }
}

impl Drop for BlobReader {
    fn drop(&mut self) {
        // In a forked child this is refused, and there is nothing to free.
        let _ = self.handle.close();
    }
}

#[pymethods]
impl BlobReader {
    fn blob_id(&self, py: Python<'_>) -> PyResult<String> {
        self.handle.blob_id().map_err(|error| raise(py, error))
    }

    fn size(&self, py: Python<'_>) -> PyResult<u64> {
        self.handle.size().map_err(|error| raise(py, error))
    }

    /// Bytes of a chunk, which are verified together.
    #[staticmethod]
    fn chunk_bytes() -> usize {
        limits::BLOB_CHUNK_BYTES
    }

    fn read_at<'py>(
        &self,
        py: Python<'py>,
        position: Whole,
        length: Whole,
        timeout: Option<Seconds>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let handle = self.handle;
        let read = blocking(py, limit(timeout), move |wait| {
            let left = handle.size()?.saturating_sub(position.0);
            let mut buffer = vec![0; Whole(length.0.min(left)).count()];
            let read = handle.read_at(position.0, &mut buffer, wait)?;
            buffer.truncate(read);
            Ok(buffer)
        });
        Ok(PyBytes::new(py, &read.into_result(py)?))
    }

    fn read_at_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        position: Whole,
        length: Whole,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        begin(queue, number, timeout, |limit, done| {
            self.handle.read_at_start(position.0, length.0, limit, done);
        })
    }

    /// A file descriptor that is the caller's.
    fn file(&self, py: Python<'_>) -> PyResult<i32> {
        let handle = self.handle;
        let file = blocking(py, None, move |_| handle.file()).into_result(py)?;
        Ok(file.into_raw_fd())
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.handle.close().map(drop).map_err(|error| raise(py, error))
    }
}

/// A blob whose bytes come one after the other. Dropped, what is not finished is gone.
#[pyclass(frozen, module = "millpond._native")]
pub(crate) struct BlobWriter {
    handle: BlobWriterHandle,
}

impl BlobWriter {
    pub(crate) fn new(handle: BlobWriterHandle) -> BlobWriter {
        BlobWriter { handle }
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        // In a forked child this is refused, and there is nothing to free.
        let _ = self.handle.close();
    }
}

#[pymethods]
impl BlobWriter {
    /// Bytes to take from a source at a time.
    #[staticmethod]
    fn piece_bytes() -> usize {
        limits::BLOB_WRITE_BYTES
    }

    fn write(&self, py: Python<'_>, data: PyBackedBytes, timeout: Option<Seconds>) -> PyResult<()> {
        let (handle, data) = (self.handle, data.to_vec());
        blocking(py, limit(timeout), move |wait| handle.write(&data, wait)).into_result(py)
    }

    fn write_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        data: PyBackedBytes,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        begin(queue, number, timeout, |limit, done| {
            self.handle.write_start(data.to_vec(), limit, done);
        })
    }

    fn finish(&self, py: Python<'_>, timeout: Option<Seconds>) -> PyResult<String> {
        let handle = self.handle;
        blocking(py, limit(timeout), move |wait| handle.finish(wait)).into_result(py)
    }

    fn finish_start(
        &self,
        queue: &Bound<'_, Queue>,
        number: u64,
        timeout: Option<Seconds>,
    ) -> PyResult<Operation> {
        begin(queue, number, timeout, |limit, done| self.handle.finish_start(limit, done))
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let handle = self.handle;
        blocking(py, None, move |_| handle.close()).into_result(py).map(drop)
    }
}
