//! Blobs: large immutable bytes beside the events, each named by its BLAKE3 hash.

use crate::call::{array, bytes, call, output, text, text_option};
use crate::error::millpond_error_t;
use crate::node::give_text;
use crate::options::{choice, millpond_choice_t};
use crate::value::{
    millpond_blob_reader_t, millpond_blob_work_t, millpond_blob_writer_t, millpond_bytes_t,
    millpond_cancel_t, millpond_node_t, millpond_text_t, options, wait,
};
use millpond_facade::{BlobAbout, BlobExportOptions, BlobWorkHandle, NodeHandle, Result, Wait};
use std::ffi::c_char;

/// What is said of a blob when it is added.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct millpond_blob_about_t {
    /// Set by MILLPOND_BLOB_ABOUT_INIT.
    pub struct_size: u32,
    /// Whether `size` is said: 1 or 0.
    pub has_size: i32,
    /// A media type such as "image/jpeg", of at most 64 bytes. NULL is unsaid.
    pub media_type: millpond_text_t,
    /// A file name of at most 128 bytes, without a "/" or a control character. NULL is unsaid.
    pub name: millpond_text_t,
    /// What it is listed by here: at most 16 tags. NULL is none.
    pub tags: *const millpond_text_t,
    /// How many.
    pub tag_count: usize,
    /// How many bytes a writer will be given.
    pub size: u64,
}

/// How a blob becomes a file.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct millpond_blob_export_options_t {
    /// Set by MILLPOND_BLOB_EXPORT_OPTIONS_INIT.
    pub struct_size: u32,
    /// Whether the file takes the place of one that is there. Unsaid: no.
    pub overwrite: millpond_choice_t,
    /// "auto" (blocks of the disk are shared where the file system can, else copied), "copy", or
    /// "link": another name of the store's own file. Who changes that file damages the blob. NULL
    /// is unsaid: "auto".
    pub how: millpond_text_t,
}

const NO_TEXT: millpond_text_t = millpond_text_t { data: std::ptr::null(), len: 0 };

const ABOUT: millpond_blob_about_t = millpond_blob_about_t {
    struct_size: size_of::<millpond_blob_about_t>() as u32,
    has_size: 0,
    media_type: NO_TEXT,
    name: NO_TEXT,
    tags: std::ptr::null(),
    tag_count: 0,
    size: 0,
};

const EXPORT: millpond_blob_export_options_t = millpond_blob_export_options_t {
    struct_size: size_of::<millpond_blob_export_options_t>() as u32,
    overwrite: 0,
    how: NO_TEXT,
};

/// What is said of a blob, and its size.
///
/// # Safety
/// `given` is NULL or points to such a struct as the header says.
unsafe fn read_about(given: *const millpond_blob_about_t) -> Result<(BlobAbout, Option<u64>)> {
    if given.is_null() {
        return Ok((BlobAbout::default(), None));
    }
    // SAFETY: the same contract.
    unsafe {
        let about = options(given, ABOUT, "about")?;
        let has_size = crate::call::yes_or_no(about.has_size, "about.has_size")?;
        let said = BlobAbout {
            media_type: about.media_type.read_option("about.media_type")?.map(str::to_owned),
            name: about.name.read_option("about.name")?.map(str::to_owned),
            tags: read_tags(about.tags, about.tag_count)?,
        };
        Ok((said, has_size.then_some(about.size)))
    }
}

/// # Safety
/// `tags` is NULL or names `count` texts.
unsafe fn read_tags(tags: *const millpond_text_t, count: usize) -> Result<Vec<String>> {
    // SAFETY: the same contract.
    let tags = unsafe { array(tags, count, "tags") }?;
    // SAFETY: the same contract, for each tag.
    tags.iter().map(|tag| unsafe { tag.read("tags") }.map(str::to_owned)).collect()
}

/// Gives a handle of work.
///
/// # Safety
/// The laws at the top of millpond.h.
unsafe fn give_work(
    function: &'static str,
    work: *mut millpond_blob_work_t,
    error: *mut *mut millpond_error_t,
    begin: impl FnOnce() -> Result<BlobWorkHandle>,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call(function, error, || {
            let place = output(work, "work")?;
            place.put(millpond_blob_work_t { id: begin()?.id() });
            Ok(())
        })
    }
}

/// Adds a file. What comes of the work is the blob, as one JSON object: "id" (64 hex digits, what
/// b3sum prints), "size" in bytes, "media_type" and "name" (null where nobody said any). It is
/// durable, and visible here, when the work is done. The same bytes are one blob, however often
/// they are added. `about` may be NULL; a size in it is not looked at. On MILLPOND_OK, `*work` is a
/// new handle; close it with millpond_blob_work_close. Of the work: MILLPOND_ERROR_NOT_FOUND,
/// MILLPOND_ERROR_STORAGE_FAILED: the file cannot be read. MILLPOND_ERROR_CONFLICT, reason
/// "changed_while_added". MILLPOND_ERROR_LIMIT_EXCEEDED: it has more than 2^40 bytes, or blobs take
/// as much as they may (reason "blob_quota"). MILLPOND_ERROR_STORAGE_FULL. Nothing is left then.
/// Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_blob_add_file(
    node: millpond_node_t,
    path: *const c_char,
    path_len: usize,
    about: *const millpond_blob_about_t,
    work: *mut millpond_blob_work_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        give_work("millpond_blob_add_file", work, error, || {
            let path = text(path, path_len, "path")?;
            NodeHandle::from_id(node.id).blob_add_path(path, read_about(about)?.0)
        })
    }
}

/// Adds `content_len` bytes; gives the blob as the work of millpond_blob_add_file does. `about` may
/// be NULL. Free `*json` with millpond_bytes_free. Errors as there. MILLPOND_ERROR_CANCELLED and
/// MILLPOND_ERROR_TIMEOUT: it may have been added all the same. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_blob_add_bytes(
    node: millpond_node_t,
    content: *const u8,
    content_len: usize,
    about: *const millpond_blob_about_t,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    json: *mut millpond_bytes_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        give_text("millpond_blob_add_bytes", json, "json", error, || {
            let content = bytes(content, content_len, "content")?.to_vec();
            let (said, wait) = (read_about(about)?.0, wait(timeout_ms, cancel));
            NodeHandle::from_id(node.id).blob_add_bytes(content, said, &wait)
        })
    }
}

/// Begins a blob whose bytes come one after the other: of the size that `about` says, or of as many
/// as will come. `about` may be NULL. On MILLPOND_OK, `*writer` is a new handle; close it with
/// millpond_blob_writer_close. Errors as of millpond_blob_add_file. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_blob_writer_new(
    node: millpond_node_t,
    about: *const millpond_blob_about_t,
    writer: *mut millpond_blob_writer_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_blob_writer_new", error, || {
            let place = output(writer, "writer")?;
            let (said, size) = read_about(about)?;
            let begun = NodeHandle::from_id(node.id).blob_writer(said, size, &Wait::forever())?;
            place.put(millpond_blob_writer_t { id: begun.id() });
            Ok(())
        })
    }
}

/// Opens the blob with this id (64 hex digits) for reading; every byte that is read is verified.
/// While it is open it is not collected. On MILLPOND_OK, `*reader` is a new handle; close it with
/// millpond_blob_reader_close. MILLPOND_ERROR_NOT_FOUND, reason "blob_not_here".
/// MILLPOND_ERROR_CORRUPT: a file of it is missing. MILLPOND_ERROR_STORAGE_FAILED. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_blob_open(
    node: millpond_node_t,
    blob_id: *const c_char,
    blob_id_len: usize,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    reader: *mut millpond_blob_reader_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_blob_open", error, || {
            let place = output(reader, "reader")?;
            let (id, wait) = (text(blob_id, blob_id_len, "blob_id")?, wait(timeout_ms, cancel));
            let opened = NodeHandle::from_id(node.id).blob_open(id, &wait)?;
            place.put(millpond_blob_reader_t { id: opened.id() });
            Ok(())
        })
    }
}

/// All bytes of a blob of at most `bytes_max`; 0 is unsaid: 16 MiB. Free `*content` with
/// millpond_bytes_free. MILLPOND_ERROR_LIMIT_EXCEEDED: it has more. MILLPOND_ERROR_CORRUPT: it is
/// damaged here. Else as millpond_blob_open. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_blob_get(
    node: millpond_node_t,
    blob_id: *const c_char,
    blob_id_len: usize,
    bytes_max: u64,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    content: *mut millpond_bytes_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_blob_get", error, || {
            let place = output(content, "content")?;
            let (id, wait) = (text(blob_id, blob_id_len, "blob_id")?, wait(timeout_ms, cancel));
            let most = (bytes_max > 0).then_some(bytes_max);
            let got = NodeHandle::from_id(node.id).blob_get(id, most, &wait)?;
            place.put(millpond_bytes_t::owned(got));
            Ok(())
        })
    }
}

/// Writes a blob to a file, which is there whole or not at all. What comes of the work is one JSON
/// object: "id", "size". `export_options` may be NULL. On MILLPOND_OK, `*work` is a new handle;
/// close it with millpond_blob_work_close. Of the work: MILLPOND_ERROR_CONFLICT, reason "exists":
/// there is a file, and it is not to be replaced. MILLPOND_ERROR_STORAGE_FULL; and as of
/// millpond_blob_get. The target is as it was then. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_blob_export(
    node: millpond_node_t,
    blob_id: *const c_char,
    blob_id_len: usize,
    path: *const c_char,
    path_len: usize,
    export_options: *const millpond_blob_export_options_t,
    work: *mut millpond_blob_work_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        give_work("millpond_blob_export", work, error, || {
            let id = text(blob_id, blob_id_len, "blob_id")?;
            let path = text(path, path_len, "path")?;
            let mut said = BlobExportOptions::default();
            if !export_options.is_null() {
                let given = options(export_options, EXPORT, "export_options")?;
                said.how = given.how.read_option("export_options.how")?.map(str::to_owned);
                said.overwrite = choice(given.overwrite, "export_options.overwrite")?;
            }
            NodeHandle::from_id(node.id).blob_export(id, path, said)
        })
    }
}

/// Whether a blob is here whole: `*has` is 1 or 0. Its bytes are not looked at: reading does that.
/// MILLPOND_ERROR_CORRUPT, MILLPOND_ERROR_STORAGE_FAILED. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_blob_has(
    node: millpond_node_t,
    blob_id: *const c_char,
    blob_id_len: usize,
    has: *mut i32,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_blob_has", error, || {
            let place = output(has, "has")?;
            let id = text(blob_id, blob_id_len, "blob_id")?;
            place.put(i32::from(NodeHandle::from_id(node.id).blob_has(id)?));
            Ok(())
        })
    }
}

/// What is known of a blob here, as one JSON object: "id", "size", "state" ("inline", "whole" or
/// "part"), "held_bytes", "media_type", "name", "tags", "touched" (microseconds since 1970 UTC).
/// Free `*json` with millpond_bytes_free. MILLPOND_ERROR_NOT_FOUND, reason "blob_not_here"; and as
/// of millpond_blob_has. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_blob_stat(
    node: millpond_node_t,
    blob_id: *const c_char,
    blob_id_len: usize,
    json: *mut millpond_bytes_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        give_text("millpond_blob_stat", json, "json", error, || {
            NodeHandle::from_id(node.id).blob_stat_json(text(blob_id, blob_id_len, "blob_id")?)
        })
    }
}

/// The blobs behind the one with the id `after` (NULL: from the first one) that have all these tags
/// here, by rising id, as one JSON array of what millpond_blob_stat says: at most `count_max`, and
/// at most 1,024; 0 is unsaid: 1,024. It is empty behind the last one. `tags` may be NULL. Free
/// `*json` with millpond_bytes_free. MILLPOND_ERROR_CORRUPT, MILLPOND_ERROR_STORAGE_FAILED.
/// Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_blob_list(
    node: millpond_node_t,
    after: *const c_char,
    after_len: usize,
    tags: *const millpond_text_t,
    tag_count: usize,
    count_max: usize,
    json: *mut millpond_bytes_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        give_text("millpond_blob_list", json, "json", error, || {
            let after = text_option(after, after_len, "after")?;
            let tags = read_tags(tags, tag_count)?;
            let most = (count_max > 0).then_some(count_max);
            NodeHandle::from_id(node.id).blob_list_json(after, &tags, most)
        })
    }
}

/// Removes every blob that nothing keeps. What comes of the work is one JSON object: "blobs",
/// "bytes". On MILLPOND_OK, `*work` is a new handle; close it with millpond_blob_work_close. Of the
/// work: MILLPOND_ERROR_STORAGE_FULL, MILLPOND_ERROR_STORAGE_FAILED. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_blob_collect(
    node: millpond_node_t,
    work: *mut millpond_blob_work_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    let begin = || NodeHandle::from_id(node.id).blob_collect();
    // SAFETY: the same contract.
    unsafe { give_work("millpond_blob_collect", work, error, begin) }
}

/// Reads and verifies a blob, or all of them when `blob_id` is NULL. What comes of the work is one
/// JSON object: "whole", "bytes", "damaged" (ids), "strays". Damage is no error. On MILLPOND_OK,
/// `*work` is a new handle; close it with millpond_blob_work_close. Of the work:
/// MILLPOND_ERROR_NOT_FOUND, reason "blob_not_here". MILLPOND_ERROR_STORAGE_FAILED. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_blob_verify(
    node: millpond_node_t,
    blob_id: *const c_char,
    blob_id_len: usize,
    work: *mut millpond_blob_work_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        give_work("millpond_blob_verify", work, error, || {
            let id = text_option(blob_id, blob_id_len, "blob_id")?;
            NodeHandle::from_id(node.id).blob_verify(id)
        })
    }
}
