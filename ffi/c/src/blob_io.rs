//! Reading a blob, writing one piece by piece, and work on blobs that takes time.

use crate::call::{bytes, call, null, output};
use crate::error::millpond_error_t;
use crate::node::{give_text, once};
use crate::value::{
    millpond_blob_reader_t, millpond_blob_work_t, millpond_blob_writer_t, millpond_bytes_t,
    millpond_cancel_t, wait,
};
use millpond_facade::{
    BlobReaderHandle, BlobWorkHandle, BlobWriterHandle, Result, Wait, host_error,
};
use std::os::fd::IntoRawFd;
use std::slice;

/// How far work on blobs is.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct millpond_blob_progress_t {
    /// Bytes that are done.
    pub done_bytes: u64,
    /// Bytes that there are to do; 0 when `has_total` is 0.
    pub total_bytes: u64,
    /// 1 when `total_bytes` is known, else 0.
    pub has_total: i32,
    /// 1 when the work has ended, whatever came of it; else 0.
    pub is_end: i32,
}

/// The `len` bytes at `buffer`, to be written.
///
/// # Safety
/// `buffer` is NULL, or has room for `len` bytes that nobody else uses during the call.
unsafe fn buffer<'a>(buffer: *mut u8, len: usize) -> Result<&'a mut [u8]> {
    if len == 0 {
        return Ok(&mut []);
    }
    if buffer.is_null() {
        return Err(null("buffer"));
    }
    if len > isize::MAX as usize {
        return Err(host_error(format!("the length of `buffer` is {len}, more than memory has")));
    }
    // SAFETY: not NULL, not larger than an object can be, and the caller's by contract. A slice is
    // of bytes that have been written, and those of the caller need not have been.
    Ok(unsafe {
        buffer.write_bytes(0, len);
        slice::from_raw_parts_mut(buffer, len)
    })
}

/// Takes the next `content_len` bytes of a blob, any number, and writes them to the disk.
/// MILLPOND_ERROR_LIMIT_EXCEEDED (reason "blob_quota": blobs take as much as they may),
/// MILLPOND_ERROR_STORAGE_FULL, MILLPOND_ERROR_STORAGE_FAILED, MILLPOND_ERROR_CONFLICT (reason
/// "changed_while_added": more bytes than were said): each later call answers the same.
/// MILLPOND_ERROR_TIMEOUT, MILLPOND_ERROR_CANCELLED: none of them was taken. One call at a time.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_blob_writer_write(
    writer: millpond_blob_writer_t,
    content: *const u8,
    content_len: usize,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_blob_writer_write", error, || {
            let content = bytes(content, content_len, "content")?;
            BlobWriterHandle::from_id(writer.id).write(content, &wait(timeout_ms, cancel))
        })
    }
}

/// Makes the bytes a blob, durable and visible here, and gives it as the work of
/// millpond_blob_add_file does. Free `*json` with millpond_bytes_free, and close the handle all the
/// same. MILLPOND_ERROR_TIMEOUT, MILLPOND_ERROR_CANCELLED: it goes on until the handle is closed,
/// and another call gives what comes of it. Else as millpond_blob_writer_write, where
/// "changed_while_added" may also be fewer bytes than were said. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_blob_writer_finish(
    writer: millpond_blob_writer_t,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    json: *mut millpond_bytes_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    let finish = || BlobWriterHandle::from_id(writer.id).finish(&wait(timeout_ms, cancel));
    // SAFETY: the same contract.
    unsafe { give_text("millpond_blob_writer_finish", json, "json", error, finish) }
}

/// Closes a writer. What is not a blob by then leaves nothing. A second close answers
/// MILLPOND_ERROR_CLOSED and does nothing. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_blob_writer_close(
    writer: millpond_blob_writer_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    let handle = BlobWriterHandle::from_id(writer.id);
    // SAFETY: `error` is valid by the laws of the header.
    unsafe { call("millpond_blob_writer_close", error, || once(handle.close(), "writer")) }
}

/// Bytes of the blob. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_blob_reader_size(
    reader: millpond_blob_reader_t,
    size: *mut u64,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_blob_reader_size", error, || {
            let place = output(size, "size")?;
            place.put(BlobReaderHandle::from_id(reader.id).size()?);
            Ok(())
        })
    }
}

/// Reads from where the last such read ended until `buffer` is full or the blob ends; `*count` is
/// how many bytes were read, 0 at the end. MILLPOND_ERROR_CORRUPT: the bytes are damaged here.
/// MILLPOND_ERROR_STORAGE_FAILED. After an error the next read begins where this one did, and what
/// is in the buffer has no meaning. One call at a time.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_blob_reader_read(
    reader: millpond_blob_reader_t,
    buffer: *mut u8,
    buffer_len: usize,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    count: *mut usize,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_blob_reader_read", error, || {
            let place = output(count, "count")?;
            let (into, wait) = (self::buffer(buffer, buffer_len)?, wait(timeout_ms, cancel));
            place.put(BlobReaderHandle::from_id(reader.id).read(into, &wait)?);
            Ok(())
        })
    }
}

/// As millpond_blob_reader_read, from byte `position` on. Where the next read without a position
/// begins is not touched. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_blob_reader_pread(
    reader: millpond_blob_reader_t,
    position: u64,
    buffer: *mut u8,
    buffer_len: usize,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    count: *mut usize,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_blob_reader_pread", error, || {
            let place = output(count, "count")?;
            let (into, wait) = (self::buffer(buffer, buffer_len)?, wait(timeout_ms, cancel));
            place.put(BlobReaderHandle::from_id(reader.id).read_at(position, into, &wait)?);
            Ok(())
        })
    }
}

/// Says where the next read begins: `by` bytes from the beginning (`whence` 0), from where it would
/// begin now (1), or from the end (2). Behind the end there is nothing to read. `*position` is the
/// new position. One call at a time.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_blob_reader_seek(
    reader: millpond_blob_reader_t,
    by: i64,
    whence: i32,
    position: *mut u64,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_blob_reader_seek", error, || {
            let place = output(position, "position")?;
            place.put(BlobReaderHandle::from_id(reader.id).seek(by, whence)?);
            Ok(())
        })
    }
}

/// The next bytes, at most 65,536, from where the last read ended; none at the end. Free `*chunk`
/// with millpond_bytes_free. Errors as of millpond_blob_reader_read. One call at a time.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_blob_reader_next_chunk(
    reader: millpond_blob_reader_t,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    chunk: *mut millpond_bytes_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_blob_reader_next_chunk", error, || {
            let place = output(chunk, "chunk")?;
            let next = BlobReaderHandle::from_id(reader.id).next_chunk(&wait(timeout_ms, cancel));
            place.put(millpond_bytes_t::owned(next?));
            Ok(())
        })
    }
}

/// A descriptor of the file of the blob, opened anew for reading, with a position of its own: close
/// it. What is read from it nobody verifies. MILLPOND_ERROR_INVALID_ARGUMENT, reason "no_file": the
/// blob is small and lies in a table. MILLPOND_ERROR_NOT_FOUND, reason "blob_not_here": some of it
/// is missing here. MILLPOND_ERROR_STORAGE_FAILED. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_blob_reader_fd(
    reader: millpond_blob_reader_t,
    fd: *mut i32,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_blob_reader_fd", error, || {
            let place = output(fd, "fd")?;
            place.put(BlobReaderHandle::from_id(reader.id).file()?.into_raw_fd());
            Ok(())
        })
    }
}

/// Closes a reader. A second close answers MILLPOND_ERROR_CLOSED and does nothing. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_blob_reader_close(
    reader: millpond_blob_reader_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    let handle = BlobReaderHandle::from_id(reader.id);
    // SAFETY: `error` is valid by the laws of the header.
    unsafe { call("millpond_blob_reader_close", error, || once(handle.close(), "reader")) }
}

/// How far the work is: first now, then each time that has changed; at the end the last one, again
/// and again. MILLPOND_ERROR_TIMEOUT: nothing changed in time; nothing is lost. One call at a time.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_blob_work_next(
    work: millpond_blob_work_t,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    progress: *mut millpond_blob_progress_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_blob_work_next", error, || {
            let place = output(progress, "progress")?;
            let wait: Wait<'_> = wait(timeout_ms, cancel);
            let next = BlobWorkHandle::from_id(work.id).next_progress(&wait)?;
            place.put(millpond_blob_progress_t {
                done_bytes: next.done_bytes,
                // Not a default: the header says what stands for none.
                total_bytes: next.total_bytes.unwrap_or(0),
                has_total: i32::from(next.total_bytes.is_some()),
                is_end: i32::from(next.is_end),
            });
            Ok(())
        })
    }
}

/// What comes of the work, as one JSON object: see the function that began it, also for errors. May
/// be asked again. Free `*json` with millpond_bytes_free. MILLPOND_ERROR_TIMEOUT: the work goes on.
/// MILLPOND_ERROR_CANCELLED: this call was cancelled, or the work was closed meanwhile.
/// Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_blob_work_result(
    work: millpond_blob_work_t,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    json: *mut millpond_bytes_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    let result = || BlobWorkHandle::from_id(work.id).result_json(&wait(timeout_ms, cancel));
    // SAFETY: the same contract.
    unsafe { give_text("millpond_blob_work_result", json, "json", error, result) }
}

/// A descriptor for poll, select or epoll: readable while millpond_blob_work_next may have
/// something. It belongs to the handle and is valid until its close; never read, write or close it.
/// Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_blob_work_fd(
    work: millpond_blob_work_t,
    fd: *mut i32,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_blob_work_fd", error, || {
            let place = output(fd, "fd")?;
            place.put(BlobWorkHandle::from_id(work.id).fd()?);
            Ok(())
        })
    }
}

/// Closes work; it is called off if it is under way. A second close answers MILLPOND_ERROR_CLOSED
/// and does nothing. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_blob_work_close(
    work: millpond_blob_work_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    let handle = BlobWorkHandle::from_id(work.id);
    // SAFETY: `error` is valid by the laws of the header.
    unsafe { call("millpond_blob_work_close", error, || once(handle.close(), "work")) }
}
