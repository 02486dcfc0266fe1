//! Accounts and claims: what is done to them as one struct, what is known of them as JSON.

use crate::call::{array, bytes, call, text, text_option, yes_or_no};
use crate::error::millpond_error_t;
use crate::fish::value;
use crate::node::give_text;
use crate::options::millpond_read_options_t;
use crate::publish::{check_published, millpond_published_t, put_published};
use crate::value::{
    millpond_bytes_t, millpond_cancel_t, millpond_node_t, millpond_text_t, options, wait,
};
use millpond_facade::{
    AnswerPolicy, Bytes, Deed, DeedOptions, NodeHandle, ReadOptions, Result, Wait, fence_admits,
    host_error,
};
use std::ffi::c_char;
use std::ptr;

/// An account begins: `name`, `amount`, `floor`, `shares`.
pub const MILLPOND_DEED_ACCOUNT_CREATE: i32 = 1;
/// Adds to an account: `name`, `amount`, `note`.
pub const MILLPOND_DEED_ACCOUNT_DEPOSIT: i32 = 2;
/// Takes from an account by rights held here: `name`, `amount`, `note`.
pub const MILLPOND_DEED_ACCOUNT_WITHDRAW: i32 = 3;
/// Gives rights to another node: `name`, `amount`, `to`.
pub const MILLPOND_DEED_ACCOUNT_GRANT: i32 = 4;
/// Asks for so many rights more, 0 for none: `name`, `amount`.
pub const MILLPOND_DEED_ACCOUNT_REQUEST: i32 = 5;
/// Takes over what a former stream of this node has left: `name`, `is_alone`.
pub const MILLPOND_DEED_ACCOUNT_RECOVER: i32 = 6;
/// An exclusive claim begins: `name`, `to` (its first holder; unsaid: this node).
pub const MILLPOND_DEED_CLAIM_CREATE: i32 = 7;
/// Hands an exclusive claim to another node: `name`, `to`.
pub const MILLPOND_DEED_CLAIM_TRANSFER: i32 = 8;
/// Asks for an exclusive claim: `name`, `amount` 1; takes that back: `amount` 0.
pub const MILLPOND_DEED_CLAIM_REQUEST: i32 = 9;
/// Takes an exclusive claim over from a former stream of this node: `name`, `is_alone`.
pub const MILLPOND_DEED_CLAIM_RECOVER: i32 = 10;
/// Takes back what this node has said of `name` by an optimistic claim.
pub const MILLPOND_DEED_DOING_RELEASE: i32 = 11;

/// What another node may spend of an account from the beginning.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct millpond_share_t {
    /// Which node: 64 hex digits.
    pub node_id: millpond_text_t,
    /// How much, 1 to 2^53 - 1.
    pub amount: u64,
}

/// What is done to an account or a claim.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct millpond_deed_t {
    /// Set by MILLPOND_DEED_INIT.
    pub struct_size: u32,
    /// A MILLPOND_DEED_ number; each says what else is read.
    pub kind: i32,
    /// Of what: 1 to 200 bytes in NFC.
    pub name: millpond_text_t,
    /// Exactly the account with this id, 32 hex digits, a rival say. Unsaid: the one that the name
    /// means. MILLPOND_ERROR_INVALID_ARGUMENT where it is said of a claim.
    pub id: millpond_text_t,
    /// Node id of who gets it: 64 hex digits.
    pub to: millpond_text_t,
    /// 1 to 2^53 - 1, for a request also 0, at the beginning also negative.
    pub amount: i64,
    /// What must remain in an account, within +-(2^53 - 1); negative for a credit.
    pub floor: i64,
    /// What other nodes may spend from the beginning, at most amount - floor together. NULL is
    /// none.
    pub shares: *const millpond_share_t,
    /// How many, at most 1,024.
    pub share_count: usize,
    /// What to remember of it, kept and never looked at. NULL is nothing.
    pub note: *const u8,
    /// How many bytes.
    pub note_len: usize,
    /// MILLPOND_PAYLOAD_CBOR or MILLPOND_PAYLOAD_JSON.
    pub note_form: i32,
    /// 1: recovers also when no other node was met since the store was opened, because a person
    /// vouches that nothing else writes the former stream. Else 0.
    pub is_alone: i32,
    /// 1 to 255 bytes: the same deed again with the same key gets the first answer, whatever has
    /// become of the account since. NULL is unsaid.
    pub idempotency_key: *const u8,
    /// How many bytes.
    pub idempotency_key_len: usize,
}

const UNSAID: millpond_text_t = millpond_text_t { data: ptr::null(), len: 0 };

impl millpond_deed_t {
    const INIT: Self = Self {
        struct_size: size_of::<Self>() as u32,
        kind: 0,
        name: UNSAID,
        id: UNSAID,
        to: UNSAID,
        amount: 0,
        floor: 0,
        shares: ptr::null(),
        share_count: 0,
        note: ptr::null(),
        note_len: 0,
        note_form: 0,
        is_alone: 0,
        idempotency_key: ptr::null(),
        idempotency_key_len: 0,
    };

    /// # Safety
    /// Every pointer in it is NULL or names what the header says, unchanged during the call.
    unsafe fn read(&self) -> Result<Deed> {
        // SAFETY: the same contract, for each field.
        let (name, id, note) = unsafe {
            let id = self.id.read_option("id")?.map(str::to_owned);
            (self.name.read("name")?.to_owned(), id, self.note()?)
        };
        // SAFETY: the same contract.
        let to = || unsafe { self.to.read("to") }.map(str::to_owned);
        let amount = || {
            let refused = |_| host_error(format!("`amount` is {}, below 0", self.amount));
            u64::try_from(self.amount).map_err(refused)
        };
        let is_alone = yes_or_no(self.is_alone, "is_alone")?;
        if id.is_some() && is_of_claims(self.kind) {
            return Err(host_error("`deed.id` is of accounts: a claim has none to be named by"));
        }
        Ok(match self.kind {
            MILLPOND_DEED_ACCOUNT_CREATE => {
                let (amount, floor) = (self.amount, self.floor);
                // SAFETY: the same contract.
                Deed::AccountCreate { name, id, amount, floor, shares: unsafe { self.shares() }? }
            }
            MILLPOND_DEED_ACCOUNT_DEPOSIT => {
                Deed::AccountDeposit { name, id, amount: amount()?, note }
            }
            MILLPOND_DEED_ACCOUNT_WITHDRAW => {
                Deed::AccountWithdraw { name, id, amount: amount()?, note }
            }
            MILLPOND_DEED_ACCOUNT_GRANT => {
                Deed::AccountGrant { name, id, to: to()?, amount: amount()? }
            }
            MILLPOND_DEED_ACCOUNT_REQUEST => Deed::AccountRequest { name, id, amount: amount()? },
            MILLPOND_DEED_ACCOUNT_RECOVER => Deed::AccountRecover { name, id, is_alone },
            MILLPOND_DEED_CLAIM_CREATE => {
                // SAFETY: the same contract.
                let holder = unsafe { self.to.read_option("to") }?.map(str::to_owned);
                Deed::ClaimCreate { what: name, holder }
            }
            MILLPOND_DEED_CLAIM_TRANSFER => Deed::ClaimTransfer { what: name, to: to()? },
            MILLPOND_DEED_CLAIM_REQUEST => {
                let amount = i32::try_from(self.amount).unwrap_or(i32::MAX);
                Deed::ClaimRequest { what: name, is_wanted: yes_or_no(amount, "amount")? }
            }
            MILLPOND_DEED_CLAIM_RECOVER => Deed::ClaimRecover { what: name, is_alone },
            MILLPOND_DEED_DOING_RELEASE => Deed::DoingRelease { what: name },
            other => return Err(host_error(format!("`deed.kind` is {other}, which is none"))),
        })
    }

    /// # Safety
    /// As [`millpond_deed_t::read`].
    unsafe fn note(&self) -> Result<Option<Bytes>> {
        // SAFETY: the same contract.
        let note = unsafe { value(self.note_form, self.note, self.note_len, "note") };
        if self.note.is_null() && self.note_len == 0 { Ok(None) } else { note.map(Some) }
    }

    /// # Safety
    /// As [`millpond_deed_t::read`].
    unsafe fn idempotency_key(&self) -> Result<Option<Vec<u8>>> {
        let (key, len) = (self.idempotency_key, self.idempotency_key_len);
        // SAFETY: the same contract.
        let key_bytes = unsafe { bytes(key, len, "idempotency_key") }?;
        Ok((!key.is_null()).then(|| key_bytes.to_vec()))
    }

    /// # Safety
    /// As [`millpond_deed_t::read`].
    unsafe fn shares(&self) -> Result<Vec<(String, u64)>> {
        // SAFETY: the same contract, for each share.
        let read = |share: &millpond_share_t| unsafe {
            Ok((share.node_id.read("node_id")?.to_owned(), share.amount))
        };
        // SAFETY: the same contract.
        unsafe { array(self.shares, self.share_count, "shares") }?.iter().map(read).collect()
    }
}

fn is_of_claims(kind: i32) -> bool {
    matches!(
        kind,
        MILLPOND_DEED_CLAIM_CREATE
            | MILLPOND_DEED_CLAIM_TRANSFER
            | MILLPOND_DEED_CLAIM_REQUEST
            | MILLPOND_DEED_CLAIM_RECOVER
            | MILLPOND_DEED_DOING_RELEASE
    )
}

/// Does something to an account or a claim. It is decided at once, from what is on this disk, also
/// while cut off; the answer comes when it is durable, and then it counts on every node.
/// `read_options` and `published` may be NULL, the latter as of millpond_node_publish.
///
/// MILLPOND_ERROR_CANCELLED and MILLPOND_ERROR_TIMEOUT: it may have been done all the same. A retry
/// with an idempotency key is safe; without one, look at the account or the claim first. After any
/// other error nothing was done.
///
/// MILLPOND_ERROR_OVERDRAFT: this node does not hold as much; millpond_error_details says what is
/// available here, and who holds the rest. MILLPOND_ERROR_NOT_FOUND: no such account or claim is
/// known here, the claim is held elsewhere (reason "not_held"), or nothing is left to recover.
/// MILLPOND_ERROR_CONFLICT: reason "exists"; "stream_changed" and "under_way", after which to try
/// again; or "idempotency_key": the key was used for something else.
/// MILLPOND_ERROR_NOT_YET_VISIBLE: the log does not cover in time what the options name.
/// MILLPOND_ERROR_STORAGE_FULL, MILLPOND_ERROR_STORAGE_FAILED, MILLPOND_ERROR_CORRUPT. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_node_act(
    node: millpond_node_t,
    deed: *const millpond_deed_t,
    read_options: *const millpond_read_options_t,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    published: *mut millpond_published_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_node_act", error, || {
            check_published(published)?;
            let said = options(deed, millpond_deed_t::INIT, "deed")?;
            let (deed, idempotency_key) = (said.read()?, said.idempotency_key()?);
            let reading = millpond_read_options_t::read(read_options)?;
            let given = DeedOptions { reading, idempotency_key };
            let wait = wait(timeout_ms, cancel);
            put_published(published, NodeHandle::from_id(node.id).act(deed, given, &wait)?)
        })
    }
}

/// Whether this node answers requests for rights of the account `name` by itself, from now on and
/// for as long as it is open: `wanted` 1, keeping `reserve` for itself; 0: not, which is how it
/// begins. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_node_answer_requests(
    node: millpond_node_t,
    name: *const c_char,
    name_len: usize,
    wanted: i32,
    reserve: u64,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_node_answer_requests", error, || {
            let name = text(name, name_len, "name")?;
            let policy = AnswerPolicy { reserve: Some(reserve) };
            let policy = yes_or_no(wanted, "wanted")?.then_some(policy);
            NodeHandle::from_id(node.id).answer_requests(name, policy)
        })
    }
}

/// Whether this node hands the exclusive claim to `name` to whoever asks, from now on and for as
/// long as it is open: `wanted` 1 or 0, which is how it begins. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_node_hand_over_when_asked(
    node: millpond_node_t,
    name: *const c_char,
    name_len: usize,
    wanted: i32,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_node_hand_over_when_asked", error, || {
            let name = text(name, name_len, "name")?;
            let wanted = yes_or_no(wanted, "wanted")?;
            NodeHandle::from_id(node.id).hand_over_when_asked(name, wanted)
        })
    }
}

/// The account called `name` as it is known here, as one JSON object; docs/escrow.md names every
/// field. `id` is NULL, or 32 hex digits: exactly the account with this id, a rival say; else the
/// one that the name means. `known` is NULL, or the "as_of" of an earlier answer: then it waits until something was
/// said of the account beyond that, and `read_options` are not looked at. MILLPOND_ERROR_NOT_FOUND:
/// it is not known here. MILLPOND_ERROR_NOT_YET_VISIBLE: see millpond_error_missing.
/// MILLPOND_ERROR_CORRUPT, MILLPOND_ERROR_STORAGE_FAILED: the log cannot be read. `read_options`
/// may be NULL. Free `*json` with millpond_bytes_free. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_node_account(
    node: millpond_node_t,
    name: *const c_char,
    name_len: usize,
    id: *const c_char,
    id_len: usize,
    known: *const c_char,
    known_len: usize,
    read_options: *const millpond_read_options_t,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    json: *mut millpond_bytes_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: the same contract.
    unsafe {
        give_text("millpond_node_account", json, "json", error, || {
            let id = text_option(id, id_len, "id")?;
            let asked = Asked::read(name, name_len, known, known_len, read_options)?;
            let (node, wait) = (NodeHandle::from_id(node.id), wait(timeout_ms, cancel));
            asked.put(
                |name, options, wait: &Wait<'_>| node.account_json(name, id, options, wait),
                |name, known, wait: &Wait<'_>| node.next_account_json(name, id, known, wait),
                &wait,
            )
        })
    }
}

/// The exclusive claim to `name` as it is known here, as one JSON object; one that was not created
/// has no holder. Everything else as of millpond_node_account.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_node_claim(
    node: millpond_node_t,
    name: *const c_char,
    name_len: usize,
    known: *const c_char,
    known_len: usize,
    read_options: *const millpond_read_options_t,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    json: *mut millpond_bytes_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: the same contract.
    unsafe {
        give_text("millpond_node_claim", json, "json", error, || {
            let asked = Asked::read(name, name_len, known, known_len, read_options)?;
            let (node, wait) = (NodeHandle::from_id(node.id), wait(timeout_ms, cancel));
            asked.put(
                |name, options, wait: &Wait<'_>| node.claim_json(name, options, wait),
                |name, known, wait: &Wait<'_>| node.next_claim_json(name, known, wait),
                &wait,
            )
        })
    }
}

/// Who does `name`, by an exclusive claim or by an optimistic one, as one JSON object. An older
/// claim may still arrive: "as_of" says as of when it is right. Everything else as of
/// millpond_node_account.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_node_who_does(
    node: millpond_node_t,
    name: *const c_char,
    name_len: usize,
    known: *const c_char,
    known_len: usize,
    read_options: *const millpond_read_options_t,
    timeout_ms: i64,
    cancel: millpond_cancel_t,
    json: *mut millpond_bytes_t,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: the same contract.
    unsafe {
        give_text("millpond_node_who_does", json, "json", error, || {
            let asked = Asked::read(name, name_len, known, known_len, read_options)?;
            let (node, wait) = (NodeHandle::from_id(node.id), wait(timeout_ms, cancel));
            asked.put(
                |name, options, wait: &Wait<'_>| node.who_does_json(name, options, wait),
                |name, known, wait: &Wait<'_>| node.next_who_does_json(name, known, wait),
                &wait,
            )
        })
    }
}

/// Refuses an act whose fence (the "own_fence" of a claim) is below the highest one that was seen:
/// for adapters to machines, which keep the text of the highest. `highest` NULL: none was seen.
/// MILLPOND_ERROR_CONFLICT, reason "fenced": it is below. Thread-safe.
///
/// # Safety
/// The laws at the top of millpond.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn millpond_fence_admits(
    highest: *const c_char,
    highest_len: usize,
    fence: *const c_char,
    fence_len: usize,
    error: *mut *mut millpond_error_t,
) -> i32 {
    // SAFETY: pointers are checked; what they point to is valid by the laws of the header.
    unsafe {
        call("millpond_fence_admits", error, || {
            let highest = text_option(highest, highest_len, "highest")?;
            fence_admits(highest, text(fence, fence_len, "fence")?)
        })
    }
}

/// What is asked for, and what is known of it.
struct Asked<'a> {
    name: &'a str,
    known: Option<&'a str>,
    options: ReadOptions,
}

impl<'a> Asked<'a> {
    /// # Safety
    /// The pointers are NULL or name what the header says.
    unsafe fn read(
        name: *const c_char,
        name_len: usize,
        known: *const c_char,
        known_len: usize,
        read_options: *const millpond_read_options_t,
    ) -> Result<Asked<'a>> {
        // SAFETY: the same contract.
        unsafe {
            let name = text(name, name_len, "name")?;
            let known = text_option(known, known_len, "known")?;
            Ok(Asked { name, known, options: millpond_read_options_t::read(read_options)? })
        }
    }

    fn put(
        self,
        now: impl FnOnce(&str, ReadOptions, &Wait<'_>) -> Result<String>,
        next: impl FnOnce(&str, Option<&str>, &Wait<'_>) -> Result<String>,
        wait: &Wait<'_>,
    ) -> Result<String> {
        match self.known {
            None => now(self.name, self.options, wait),
            known => next(self.name, known, wait),
        }
    }
}
