//! Publishing.

use crate::call::{array, bytes, call, output, text};
use crate::error::millpond_error_t;
use crate::options::millpond_publish_options_t;
use crate::value::{
    millpond_bytes_t, millpond_cancel_t, millpond_node_t, millpond_text_t, options, wait,
};
use millpond_facade::{Draft, NodeHandle, PublishOptions, Published, Result, host_error};

/// One event to be published.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct millpond_draft_t {
    /// Set by MILLPOND_DRAFT_INIT; the same in all elements of an array.
    pub struct_size: u32,
    /// MILLPOND_PAYLOAD_CBOR or MILLPOND_PAYLOAD_JSON.
    pub payload_form: i32,
    /// What it is to be found by: up to 64 tags of 1 to 255 bytes. NULL is no tag.
    pub tags: *const millpond_text_t,
    /// How many.
    pub tag_count: usize,
    /// What it says: one value in deterministic CBOR, or JSON text; at most 1 MiB of CBOR.
    pub payload: *const u8,
    /// How many bytes.
    pub payload_len: usize,
    /// The blobs that it refers to, by id (64 hex digits): at most 16, each of them here whole, or
    /// referred to by an event that is. Each takes up to two of the tags. NULL is none.
    pub blobs: *const millpond_text_t,
    /// How many.
    pub blob_count: usize,
}

/// The payload is deterministic CBOR.
pub const MILLPOND_PAYLOAD_CBOR: i32 = 0;
/// The payload is JSON text.
pub const MILLPOND_PAYLOAD_JSON: i32 = 1;

/// Where published events stand. Event i has offset `first_offset + i` and lamport
/// `first_lamport + i`.
#[repr(C)]
pub struct millpond_published_t {
    /// Set by MILLPOND_PUBLISHED_INIT; more is written when a later version knows more.
    pub struct_size: u32,
    /// 1 when an earlier call with this idempotency key published them, else 0.
    pub replayed: i32,
    /// Offset of the first: its position in the stream, from 0.
    pub first_offset: u64,
    /// Lamport of the first: its logical time, from 1 to 2^53 - 1.
    pub first_lamport: u64,
    /// How many.
    pub count: u64,
    /// This node's wall clock, microseconds since 1970 UTC.
    pub time_micros: i64,
    /// The id of their stream. Free it with millpond_bytes_free.
    pub stream: millpond_bytes_t,
    /// What a read must cover to see them. Free it with millpond_bytes_free.
    pub token: millpond_bytes_t,
}

impl millpond_published_t {
    /// Nothing was published.
    pub(crate) const NOTHING: Self = Self {
        struct_size: size_of::<Self>() as u32,
        replayed: 0,
        first_offset: 0,
        first_lamport: 0,
        count: 0,
        time_micros: 0,
        stream: millpond_bytes_t { data: std::ptr::null_mut(), len: 0 },
        token: millpond_bytes_t { data: std::ptr::null_mut(), len: 0 },
    };
}

const DRAFT: millpond_draft_t = millpond_draft_t {
    struct_size: size_of::<millpond_draft_t>() as u32,
    payload_form: MILLPOND_PAYLOAD_CBOR,
    tags: std::ptr::null(),
    tag_count: 0,
    payload: std::ptr::null(),
    payload_len: 0,
    blobs: std::ptr::null(),
    blob_count: 0,
};

/// Publishes `draft_count` events together, 1 to 65,536 of at most 16 MiB: all of them or none.
/// They get consecutive offsets and lamports, in their order. `publish_options` may be NULL.
/// `published` may be NULL; else begin it with MILLPOND_PUBLISHED_INIT, and on MILLPOND_OK free its
/// two byte fields.
///
/// MILLPOND_ERROR_CANCELLED and MILLPOND_ERROR_TIMEOUT: the events may be stored all the same; a
/// retry with an idempotency key is safe. After any other error nothing was stored:
/// MILLPOND_ERROR_CONFLICT (`expected` does not hold, or the key was used for other events),
/// MILLPOND_ERROR_NOT_FOUND (reason "blob_not_here": of a blob that it refers to),
/// MILLPOND_ERROR_NOT_YET_VISIBLE (the log does not cover in time what the session has seen),
/// MILLPOND_ERROR_LIMIT_EXCEEDED, MILLPOND_ERROR_STORAGE_FULL, MILLPOND_ERROR_STORAGE_FAILED.
/// Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_node_publish(
    node: millpond_node_t,
    drafts: *const millpond_draft_t,
    draft_count: usize,
    publish_options: *const millpond_publish_options_t,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    published: *mut millpond_published_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_node_publish", error, || {
            check_published(published)?;
            let drafts = read_drafts(drafts, draft_count)?;
            let given = read_publish_options(publish_options)?;
            let wait = wait(timeout_ms, cancel);
            let receipt = NodeHandle::from_id(node.id).publish(drafts, given, &wait)?;
            put_published(published, receipt)
        })
    }
}

/// # Safety
/// `given` is NULL or points to options as the header says.
pub(crate) unsafe fn read_publish_options(
    given: *const millpond_publish_options_t,
) -> Result<PublishOptions> {
    if given.is_null() {
        return Ok(PublishOptions::default());
    }
    let init = millpond_publish_options_t::INIT;
    // SAFETY: the same contract.
    unsafe { options(given, init, "publish_options")?.resolve() }
}

/// Writes where events stand, if that was asked for.
///
/// # Safety
/// `published` is NULL or was checked by [`check_published`].
pub(crate) unsafe fn put_published(
    published: *mut millpond_published_t,
    receipt: Published,
) -> Result<()> {
    if published.is_null() {
        return Ok(());
    }
    let value = millpond_published_t {
        struct_size: size_of::<millpond_published_t>() as u32,
        replayed: i32::from(receipt.replayed),
        first_offset: receipt.first_offset,
        first_lamport: receipt.first_lamport,
        count: receipt.count,
        time_micros: receipt.time_micros,
        stream: millpond_bytes_t::owned(receipt.stream),
        token: millpond_bytes_t::owned(receipt.token.token()),
    };
    // SAFETY: the same contract.
    unsafe { output(published, "published")?.put(value) };
    Ok(())
}

/// # Safety
/// `published` is NULL or points to a struct that begins with its size.
pub(crate) unsafe fn check_published(published: *const millpond_published_t) -> Result<()> {
    if published.is_null() {
        return Ok(());
    }
    // SAFETY: the same contract.
    let size = *unsafe { crate::call::borrow(published.cast::<u32>(), "published") }? as usize;
    if size >= size_of::<millpond_published_t>() {
        return Ok(());
    }
    Err(host_error(format!("`published.struct_size` is {size}; begin with the _INIT macro")))
}

/// # Safety
/// `drafts` is NULL or names `count` structs of the size that the first one says.
pub(crate) unsafe fn read_drafts(
    drafts: *const millpond_draft_t,
    count: usize,
) -> Result<Vec<Draft>> {
    if count == 0 {
        return Err(host_error("publish at least one event: `draft_count` is 0"));
    }
    if count > millpond_facade::limits::BATCH_EVENTS_MAX {
        // As the facade says it, before memory is asked for.
        return Err(millpond_facade::too_many_events(count));
    }
    // SAFETY: there is at least one, which begins with its size; the same contract.
    let size = *unsafe { crate::call::borrow(drafts.cast::<u32>(), "drafts") }? as usize;
    let is_whole = size.is_multiple_of(align_of::<millpond_draft_t>());
    if !is_whole || size < size_of::<u32>() * 2 {
        return Err(host_error(format!(
            "`drafts[0].struct_size` is {size}; begin with the _INIT macro"
        )));
    }
    // SAFETY: `count` structs of `size` bytes each can be read; the same contract.
    let all = unsafe { bytes(drafts.cast(), size.saturating_mul(count), "drafts") }?;
    all.chunks_exact(size)
        .map(|one| {
            // SAFETY: each chunk has at least the 4 bytes of its size, aligned as the first one.
            let own = *unsafe { crate::call::borrow(one.as_ptr().cast::<u32>(), "drafts") }?;
            // Before anything is read that it claims to have.
            if own as usize != size {
                return Err(host_error("the drafts do not all have the same `struct_size`"));
            }
            // SAFETY: each chunk is one struct of `size` bytes.
            let draft = unsafe { options(one.as_ptr().cast(), DRAFT, "drafts") }?;
            // SAFETY: its pointers are valid by the laws of the header.
            unsafe { read_draft(&draft) }
        })
        .collect()
}

/// # Safety
/// Every pointer in it is NULL or names what the header says, unchanged during the call.
unsafe fn read_draft(draft: &millpond_draft_t) -> Result<Draft> {
    // SAFETY: the same contract.
    let texts = unsafe { array(draft.tags, draft.tag_count, "tags") }?;
    // SAFETY: the same contract, for each tag.
    let tags = texts.iter().map(|tag| unsafe { tag.read("tags") });
    let tags: Vec<&str> = tags.collect::<Result<_>>()?;
    // SAFETY: the same contract.
    let texts = unsafe { array(draft.blobs, draft.blob_count, "blobs") }?;
    // SAFETY: the same contract, for each id.
    let blobs = texts.iter().map(|blob| unsafe { blob.read("blobs") });
    let blobs: Vec<&str> = blobs.collect::<Result<_>>()?;
    let (payload, len) = (draft.payload, draft.payload_len);
    let made = match draft.payload_form {
        MILLPOND_PAYLOAD_CBOR => {
            // SAFETY: the same contract.
            Draft::from_cbor(tags, unsafe { bytes(payload, len, "payload") }?.to_vec())
        }
        MILLPOND_PAYLOAD_JSON => {
            // SAFETY: the same contract.
            Draft::from_json(tags, unsafe { text(payload.cast(), len, "payload") }?)
        }
        other => Err(host_error(format!("`payload_form` is {other}: CBOR is 0, JSON is 1"))),
    };
    made?.with_blobs(blobs)
}
