/* millpond: a decentralised event log for shop floors. The C interface.
 *
 * Made from ffi/c by cbindgen; not to be edited. What each function does stands at it; these are the
 * laws that hold for all of them.
 *
 * STATUS. A function that can fail returns an int32_t: MILLPOND_OK (0) or a MILLPOND_ERROR_ number.
 *   Numbers are never reused; new ones may appear. Its last parameter, `error`, may be NULL. If it is
 *   not, a failure stores an owned millpond_error_t there, to be freed with millpond_error_free;
 *   success leaves it alone. A failure leaves every other output alone too.
 * ERRORS. Any call may answer MILLPOND_ERROR_INVALID_ARGUMENT, MILLPOND_ERROR_CLOSED for a closed
 *   handle, MILLPOND_ERROR_LIMIT_EXCEEDED when no more handles or descriptors can be had, and those of
 *   FORK and BUGS; one with `timeout_ms` or `cancel` also MILLPOND_ERROR_TIMEOUT or
 *   MILLPOND_ERROR_CANCELLED. What else a call may answer stands at it. docs/errors.md says what to do.
 * OWNERSHIP. What a function gives belongs to the caller and is freed by the one function that its
 *   comment names. What a function takes is copied or used only until it returns. What a callback is
 *   given is borrowed until the callback returns.
 * HANDLES are numbers in structs, not pointers. A closed handle answers MILLPOND_ERROR_CLOSED, a made
 *   up one or one of another type MILLPOND_ERROR_INVALID_ARGUMENT; none is ever undefined behaviour.
 *   A batch, a state, an error and bytes are memory: freeing them twice is a mistake that nobody
 *   catches. A job and an effect are memory that lives until their callback returns.
 * POINTERS name memory that is aligned for its type, as C makes it, and that stays valid and unchanged
 *   until the call returns. One that is not aligned answers MILLPOND_ERROR_INVALID_ARGUMENT; `error`
 *   alone is not looked at. Text, bytes and structs read by their `struct_size` are no exception.
 * TEXT is UTF-8 with a length; it need not end in NUL. A NULL pointer where something is needed, a
 *   length that no object can have, and bad UTF-8 answer MILLPOND_ERROR_INVALID_ARGUMENT.
 * OPTIONS begin with `struct_size`, set by the _INIT macro. Fields that are zero are not said. A newer
 *   program may use an older library as long as it says nothing that the library does not know.
 * WAITING. `timeout_ms` bounds a call, all that it waits for together; negative is no bound (for a
 *   close: its default deadline), 0 is not to wait. What code of the program does in a call is not cut
 *   short. `cancel` may be MILLPOND_NO_CANCEL. What stores something may have stored it all the same
 *   when it answers MILLPOND_ERROR_TIMEOUT or MILLPOND_ERROR_CANCELLED; what to do then stands at it.
 * THREADS. Every function may be called from any thread, several at once, also from a callback, where
 *   nothing comes of waiting for what that callback holds up. A thread keeps nothing of millpond but
 *   this: while an effect runs on it, turns are refused to it (reason "nested_effect"). millpond
 *   changes no signal handler and no environment.
 * FORK. In a child that was forked while a node was open, every call answers
 *   MILLPOND_ERROR_FORKED_PROCESS, except millpond_abi_check, those that read or free a batch, a
 *   state, an error or bytes, and those that answer a job or an effect; the parent is not affected.
 * BUGS. A panic inside millpond becomes MILLPOND_ERROR_INTERNAL; the node then refuses further work
 *   and can still be closed.
 * VERSIONS. Call millpond_abi_check(MILLPOND_ABI_VERSION, &error) first. Until 1.0 the ABI may change
 *   with the minor version, and MILLPOND_ABI_VERSION with it.
 */


#ifndef MILLPOND_H
#define MILLPOND_H

#include <stddef.h>
#include <stdint.h>

/**
 * Version of the ABI: rises when a program compiled against an older header would misbehave.
 */
#define MILLPOND_ABI_VERSION 1

/**
 * Major version of the header; millpond_version() tells that of the library.
 */
#define MILLPOND_VERSION_MAJOR 0

/**
 * Minor version of the header.
 */
#define MILLPOND_VERSION_MINOR 1

/**
 * Patch version of the header.
 */
#define MILLPOND_VERSION_PATCH 0

/**
 * Column: what every event has: key, stream, offset, time, app id. Alone: no tags, no payload.
 */
#define MILLPOND_COLUMN_KEY 1

/**
 * Column: the tags.
 */
#define MILLPOND_COLUMN_TAGS 2

/**
 * Column: the payload.
 */
#define MILLPOND_COLUMN_PAYLOAD 4

/**
 * An account begins: `name`, `amount`, `floor`, `shares`.
 */
#define MILLPOND_DEED_ACCOUNT_CREATE 1

/**
 * Adds to an account: `name`, `amount`, `note`.
 */
#define MILLPOND_DEED_ACCOUNT_DEPOSIT 2

/**
 * Takes from an account by rights held here: `name`, `amount`, `note`.
 */
#define MILLPOND_DEED_ACCOUNT_WITHDRAW 3

/**
 * Gives rights to another node: `name`, `amount`, `to`.
 */
#define MILLPOND_DEED_ACCOUNT_GRANT 4

/**
 * Asks for so many rights more, 0 for none: `name`, `amount`.
 */
#define MILLPOND_DEED_ACCOUNT_REQUEST 5

/**
 * Takes over what a former stream of this node has left: `name`, `is_alone`.
 */
#define MILLPOND_DEED_ACCOUNT_RECOVER 6

/**
 * An exclusive claim begins: `name`, `to` (its first holder; unsaid: this node).
 */
#define MILLPOND_DEED_CLAIM_CREATE 7

/**
 * Hands an exclusive claim to another node: `name`, `to`.
 */
#define MILLPOND_DEED_CLAIM_TRANSFER 8

/**
 * Asks for an exclusive claim: `name`, `amount` 1; takes that back: `amount` 0.
 */
#define MILLPOND_DEED_CLAIM_REQUEST 9

/**
 * Takes an exclusive claim over from a former stream of this node: `name`, `is_alone`.
 */
#define MILLPOND_DEED_CLAIM_RECOVER 10

/**
 * Takes back what this node has said of `name` by an optimistic claim.
 */
#define MILLPOND_DEED_DOING_RELEASE 11

/**
 * Nothing.
 */
#define MILLPOND_LOG_OFF 0

/**
 * Bugs and damage.
 */
#define MILLPOND_LOG_ERROR 1

/**
 * What an operator should look at. The default.
 */
#define MILLPOND_LOG_WARN 2

/**
 * What happens seldom: opening, peers coming and going.
 */
#define MILLPOND_LOG_INFO 3

/**
 * What helps to understand one session.
 */
#define MILLPOND_LOG_DEBUG 4

/**
 * Everything.
 */
#define MILLPOND_LOG_TRACE 5

/**
 * In millpond_node_options_t: no state of a fish is kept on disk.
 */
#define MILLPOND_SNAPSHOTS_NONE UINT64_MAX

/**
 * The payload is deterministic CBOR.
 */
#define MILLPOND_PAYLOAD_CBOR 0

/**
 * The payload is JSON text.
 */
#define MILLPOND_PAYLOAD_JSON 1

/**
 * The effect is done, and shall not run again.
 */
#define MILLPOND_EFFECT_LAST 1

/**
 * A turn on whatever the state is.
 */
#define MILLPOND_TURN_ANY 0

/**
 * A turn on a state that differs from that of the last turn of the observer.
 */
#define MILLPOND_TURN_NEW 1

/**
 * Some events, in order. Owned by the caller, unless it came to a callback.
 */
typedef struct millpond_batch_t millpond_batch_t;

/**
 * What an effect answers by: it lives until the callback returns.
 */
typedef struct millpond_effect_t millpond_effect_t;

/**
 * What went wrong in one call. Owned by the caller: free it with millpond_error_free.
 */
typedef struct millpond_error_t millpond_error_t;

/**
 * What a callback of a fish answers by: it lives until the callback returns.
 */
typedef struct millpond_job_t millpond_job_t;

/**
 * What a callback that makes fish answers by: it lives until the callback returns.
 */
typedef struct millpond_seed_t millpond_seed_t;

/**
 * A state of a fish. Owned by the caller, unless it came to a callback.
 */
typedef struct millpond_state_t millpond_state_t;

/**
 * The states of several fish at one moment. Owned by the caller.
 */
typedef struct millpond_states_t millpond_states_t;

/**
 * Borrowed text: `len` bytes of UTF-8 at `data`, not NUL-terminated. `{NULL, 0}` says nothing.
 */
typedef struct {
    /**
     * The first byte.
     */
    const char *data;
    /**
     * How many bytes.
     */
    uintptr_t len;
} millpond_text_t;

/**
 * Owned bytes: free them with millpond_bytes_free. A zero byte follows them that is not counted,
 * so that text can be used as a C string.
 */
typedef struct {
    /**
     * The first byte; never NULL on success.
     */
    uint8_t *data;
    /**
     * How many bytes.
     */
    uintptr_t len;
} millpond_bytes_t;

/**
 * One event, borrowed from its batch: every pointer is valid until the batch is freed.
 */
typedef struct {
    /**
     * Set by MILLPOND_EVENT_INIT.
     */
    uint32_t struct_size;
    /**
     * Always 0.
     */
    uint32_t reserved;
    /**
     * Logical time, from 1 to 2^53 - 1: orders first.
     */
    uint64_t lamport;
    /**
     * Position in its stream: 0 for the first, no gaps.
     */
    uint64_t offset;
    /**
     * The author's wall clock, microseconds since 1970 UTC: a claim, never orders.
     */
    int64_t time_micros;
    /**
     * Its stream: orders events of equal lamport.
     */
    millpond_text_t stream;
    /**
     * The application that published it.
     */
    millpond_text_t app_id;
    /**
     * Its tags, rising and distinct: up to 64 of 1 to 255 bytes. NULL when the query's `columns`
     * leave them out, and only then.
     */
    const millpond_text_t *tags;
    /**
     * How many.
     */
    uintptr_t tag_count;
    /**
     * Its payload: one CBOR value of 1 byte to 1 MiB; see millpond_payload_to_json. NULL when the
     * query's `columns` leave it out, and only then.
     */
    const uint8_t *payload;
    /**
     * How many bytes.
     */
    uintptr_t payload_len;
} millpond_event_t;

/**
 * A node. `{0}` is none.
 */
typedef struct {
    /**
     * Only for millpond to read.
     */
    uint64_t id;
} millpond_node_t;

/**
 * What is said of a blob when it is added.
 */
typedef struct {
    /**
     * Set by MILLPOND_BLOB_ABOUT_INIT.
     */
    uint32_t struct_size;
    /**
     * Whether `size` is said: 1 or 0.
     */
    int32_t has_size;
    /**
     * A media type such as "image/jpeg", of at most 64 bytes. NULL is unsaid.
     */
    millpond_text_t media_type;
    /**
     * A file name of at most 128 bytes, without a "/" or a control character. NULL is unsaid.
     */
    millpond_text_t name;
    /**
     * What it is listed by here: at most 16 tags. NULL is none.
     */
    const millpond_text_t *tags;
    /**
     * How many.
     */
    uintptr_t tag_count;
    /**
     * How many bytes a writer will be given.
     */
    uint64_t size;
} millpond_blob_about_t;

/**
 * Work on blobs that is under way, or has ended. `{0}` is none.
 */
typedef struct {
    /**
     * Only for millpond to read.
     */
    uint64_t id;
} millpond_blob_work_t;

/**
 * A cancel token. `{0}` is none: the call cannot be cancelled.
 */
typedef struct {
    /**
     * Only for millpond to read.
     */
    uint64_t id;
} millpond_cancel_t;

/**
 * A blob whose bytes come one after the other. `{0}` is none.
 */
typedef struct {
    /**
     * Only for millpond to read.
     */
    uint64_t id;
} millpond_blob_writer_t;

/**
 * A blob that is open for reading. `{0}` is none.
 */
typedef struct {
    /**
     * Only for millpond to read.
     */
    uint64_t id;
} millpond_blob_reader_t;

/**
 * A choice that may be left unsaid: 0 is unsaid, 1 is yes, 2 is no. Any other value is refused.
 */
typedef int32_t millpond_choice_t;

/**
 * How a blob becomes a file.
 */
typedef struct {
    /**
     * Set by MILLPOND_BLOB_EXPORT_OPTIONS_INIT.
     */
    uint32_t struct_size;
    /**
     * Whether the file takes the place of one that is there. Unsaid: no.
     */
    millpond_choice_t overwrite;
    /**
     * "auto" (blocks of the disk are shared where the file system can, else copied), "copy", or
     * "link": another name of the store's own file. Who changes that file damages the blob. NULL
     * is unsaid: "auto".
     */
    millpond_text_t how;
} millpond_blob_export_options_t;

/**
 * How far work on blobs is.
 */
typedef struct {
    /**
     * Bytes that are done.
     */
    uint64_t done_bytes;
    /**
     * Bytes that there are to do; 0 when `has_total` is 0.
     */
    uint64_t total_bytes;
    /**
     * 1 when `total_bytes` is known, else 0.
     */
    int32_t has_total;
    /**
     * 1 when the work has ended, whatever came of it; else 0.
     */
    int32_t is_end;
} millpond_blob_progress_t;

/**
 * A session: what its owner has written and read so far. `{0}` is none.
 */
typedef struct {
    /**
     * Only for millpond to read.
     */
    uint64_t id;
} millpond_session_t;

/**
 * How to query.
 */
typedef struct {
    /**
     * Set by MILLPOND_QUERY_OPTIONS_INIT.
     */
    uint32_t struct_size;
    /**
     * What is decoded of the events: MILLPOND_COLUMN_ numbers, joined by |. 0 is unsaid: all. What
     * is left out costs nothing.
     */
    uint32_t columns;
    /**
     * "ascending" (unsaid: this) or "descending" by event key, or "stream" after stream.
     */
    millpond_text_t order;
    /**
     * Only what lies beyond this token. Unsaid: everything.
     */
    millpond_text_t lower;
    /**
     * Only what lies within this token. Unsaid: everything that is durable here now.
     */
    millpond_text_t upper;
    /**
     * Only once the log covers this token. The timeout of the call is how long to wait for that,
     * and MILLPOND_ERROR_NOT_YET_VISIBLE the end of it: see millpond_error_missing.
     */
    millpond_text_t after;
    /**
     * The same for what this session has seen; it then has seen what the query is answered at. {0}
     * is none.
     */
    millpond_session_t session;
} millpond_query_options_t;

/**
 * A cursor: the answer to a query. `{0}` is none.
 */
typedef struct {
    /**
     * Only for millpond to read.
     */
    uint64_t id;
} millpond_cursor_t;

/**
 * What another node may spend of an account from the beginning.
 */
typedef struct {
    /**
     * Which node: 64 hex digits.
     */
    millpond_text_t node_id;
    /**
     * How much, 1 to 2^53 - 1.
     */
    uint64_t amount;
} millpond_share_t;

/**
 * What is done to an account or a claim.
 */
typedef struct {
    /**
     * Set by MILLPOND_DEED_INIT.
     */
    uint32_t struct_size;
    /**
     * A MILLPOND_DEED_ number; each says what else is read.
     */
    int32_t kind;
    /**
     * Of what: 1 to 200 bytes in NFC.
     */
    millpond_text_t name;
    /**
     * Exactly the account with this id, 32 hex digits, a rival say. Unsaid: the one that the name
     * means. MILLPOND_ERROR_INVALID_ARGUMENT where it is said of a claim.
     */
    millpond_text_t id;
    /**
     * Node id of who gets it: 64 hex digits.
     */
    millpond_text_t to;
    /**
     * 1 to 2^53 - 1, for a request also 0, at the beginning also negative.
     */
    int64_t amount;
    /**
     * What must remain in an account, within +-(2^53 - 1); negative for a credit.
     */
    int64_t floor;
    /**
     * What other nodes may spend from the beginning, at most amount - floor together. NULL is
     * none.
     */
    const millpond_share_t *shares;
    /**
     * How many, at most 1,024.
     */
    uintptr_t share_count;
    /**
     * What to remember of it, kept and never looked at. NULL is nothing.
     */
    const uint8_t *note;
    /**
     * How many bytes.
     */
    uintptr_t note_len;
    /**
     * MILLPOND_PAYLOAD_CBOR or MILLPOND_PAYLOAD_JSON.
     */
    int32_t note_form;
    /**
     * 1: recovers also when no other node was met since the store was opened, because a person
     * vouches that nothing else writes the former stream. Else 0.
     */
    int32_t is_alone;
    /**
     * 1 to 255 bytes: the same deed again with the same key gets the first answer, whatever has
     * become of the account since. NULL is unsaid.
     */
    const uint8_t *idempotency_key;
    /**
     * How many bytes.
     */
    uintptr_t idempotency_key_len;
} millpond_deed_t;

/**
 * What a read of a fish, an account or a claim must have seen.
 */
typedef struct {
    /**
     * Set by MILLPOND_READ_OPTIONS_INIT.
     */
    uint32_t struct_size;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Only once the log covers this token. The timeout of the call is how long to wait for that,
     * and MILLPOND_ERROR_NOT_YET_VISIBLE the end of it: see millpond_error_missing.
     */
    millpond_text_t after;
    /**
     * The same for what this session has seen; it then has seen what the answer is as of. {0} is
     * none.
     */
    millpond_session_t session;
} millpond_read_options_t;

/**
 * Where published events stand. Event i has offset `first_offset + i` and lamport
 * `first_lamport + i`.
 */
typedef struct {
    /**
     * Set by MILLPOND_PUBLISHED_INIT; more is written when a later version knows more.
     */
    uint32_t struct_size;
    /**
     * 1 when an earlier call with this idempotency key published them, else 0.
     */
    int32_t replayed;
    /**
     * Offset of the first: its position in the stream, from 0.
     */
    uint64_t first_offset;
    /**
     * Lamport of the first: its logical time, from 1 to 2^53 - 1.
     */
    uint64_t first_lamport;
    /**
     * How many.
     */
    uint64_t count;
    /**
     * This node's wall clock, microseconds since 1970 UTC.
     */
    int64_t time_micros;
    /**
     * The id of their stream. Free it with millpond_bytes_free.
     */
    millpond_bytes_t stream;
    /**
     * What a read must cover to see them. Free it with millpond_bytes_free.
     */
    millpond_bytes_t token;
} millpond_published_t;

/**
 * An optimistic claim of a node. `{0}` is none.
 */
typedef struct {
    /**
     * Only for millpond to read.
     */
    uint64_t id;
} millpond_doing_t;

/**
 * Makes a fish of `event`, by millpond_seed_fish, or none. The event is borrowed for the call,
 * with all columns. 0: done; any other number: it failed, and the group with it. It must be a
 * function of the event, and must not throw or longjmp.
 */
typedef int32_t (*millpond_make_fish_callback_t)(void *user_data,
                                                 const millpond_event_t *event,
                                                 millpond_seed_t *seed);

/**
 * Frees `user_data`: called exactly once, when no callback will be made any more. It is to return
 * soon: the close of a node that calls it waits for it also beyond its deadline.
 */
typedef void (*millpond_destroy_t)(void *user_data);

/**
 * A group of fish that are made of events. `{0}` is none.
 */
typedef struct {
    /**
     * Only for millpond to read.
     */
    uint64_t id;
} millpond_group_t;

/**
 * Replaces the state that the program holds for the fish: by the initial one when `state` is NULL,
 * else by the one that it saved as these bytes. 0: done; any other number: it failed.
 */
typedef int32_t (*millpond_load_callback_t)(void *user_data,
                                            const uint8_t *state,
                                            uintptr_t state_len,
                                            millpond_job_t *job);

/**
 * Steps over the events of `batch`, 1 to 1,024 of them, in their order. Where one is a reset, it
 * begins with the initial state before it steps over it, and says so by millpond_job_reset. 0:
 * done; any other number: it failed.
 */
typedef int32_t (*millpond_apply_callback_t)(void *user_data,
                                             const millpond_batch_t *batch,
                                             millpond_job_t *job);

/**
 * Gives the state as bytes by millpond_job_save. 0: done; any other number: it failed.
 */
typedef int32_t (*millpond_save_callback_t)(void *user_data, millpond_job_t *job);

/**
 * A fish: a fold of the events that a query selects, in key order.
 *
 * By code of the program: `id`, `version`, `query`, the three callbacks. They must be functions of
 * their arguments and of the state that they hold, and run one at a time, on one thread of
 * millpond for the fish, under no lock. They may call every function, but what waits for a state
 * of their own fish waits for them; and must not throw or longjmp. Or built in: `query` and
 * `fold`, and nothing else.
 */
typedef struct {
    /**
     * Set by MILLPOND_FISH_INIT.
     */
    uint32_t struct_size;
    /**
     * 1 when the program says that its states only grow, else 0.
     */
    int32_t is_grow_only;
    /**
     * Another number whenever the code or the form of the state changes its meaning.
     */
    uint64_t version;
    /**
     * Its name, 1 to 255 bytes.
     */
    millpond_text_t id;
    /**
     * Which events it folds.
     */
    millpond_text_t query;
    /**
     * How states are written, 1 to 64 bytes. Unsaid: "cbor", one value in deterministic CBOR.
     */
    millpond_text_t codec;
    /**
     * A built-in fold as JSON, such as {"fold": "count"}: docs/pond.md. Unsaid: by code.
     */
    millpond_text_t fold;
    /**
     * Replaces the state.
     */
    millpond_load_callback_t load;
    /**
     * Steps over events.
     */
    millpond_apply_callback_t apply;
    /**
     * Gives the state.
     */
    millpond_save_callback_t save;
    /**
     * What the callbacks are given.
     */
    void *user_data;
    /**
     * Frees `user_data`: called exactly once, when no callback will be made any more, and to
     * return soon, as any millpond_destroy_t. It is the only sign of that: no call that was given
     * the fish says so by its answer. After millpond_node_observe it comes before that returns, if
     * it fails or the callbacks are not needed because the fish is observed already; else when the
     * last observer of the fish was closed, or before millpond_node_close has answered
     * MILLPOND_OK. Only for a fish that cannot be read, because of its `struct_size` or fields
     * that this version does not know, it is not called.
     */
    millpond_destroy_t destroy;
} millpond_fish_t;

/**
 * One line of trace, borrowed for the call.
 */
typedef struct {
    /**
     * Size of this struct; a later version may append fields.
     */
    uint32_t struct_size;
    /**
     * MILLPOND_LOG_ERROR to MILLPOND_LOG_TRACE.
     */
    int32_t level;
    /**
     * Rises by 1; a gap is what was dropped.
     */
    uint64_t sequence;
    /**
     * Wall clock, microseconds since 1970 UTC.
     */
    int64_t time_micros;
    /**
     * Which part of millpond.
     */
    millpond_text_t target;
    /**
     * What happened. Never user data.
     */
    millpond_text_t message;
} millpond_log_record_t;

/**
 * Takes lines of trace, one after the other, on a thread of their own.
 */
typedef void (*millpond_log_callback_t)(void *user_data, const millpond_log_record_t *record);

/**
 * How to open a node. Set `path`, `app_id`, and one of `swarm` and `ticket`.
 */
typedef struct {
    /**
     * Set by MILLPOND_NODE_OPTIONS_INIT.
     */
    uint32_t struct_size;
    /**
     * Whether to have a network at all. Unsaid: yes.
     */
    millpond_choice_t network;
    /**
     * Whether to look for peers by mDNS, and where other peers say that they are. Unsaid: yes.
     */
    millpond_choice_t discovery;
    /**
     * Whether to open a store on a network file system all the same. Unsaid: no.
     */
    millpond_choice_t allow_network_file_system;
    /**
     * The folder of the store, UTF-8; created when absent.
     */
    millpond_text_t path;
    /**
     * The application, stamped on every event: 1 to 64 of ASCII letters, digits, '.', '-', '_'.
     */
    millpond_text_t app_id;
    /**
     * The swarm's secret: 64 hex digits, or 128 of one that took another's place.
     */
    millpond_text_t swarm;
    /**
     * A ticket: the swarm's secret, and a first peer.
     */
    millpond_text_t ticket;
    /**
     * Addresses to listen on, "<ip>:<port>", at most one of IPv4 and one of IPv6; port 0 is one of
     * the system's choice. NULL is unsaid: every interface, any port.
     */
    const millpond_text_t *bind;
    /**
     * How many.
     */
    uintptr_t bind_count;
    /**
     * Peers to keep a session with, "<node id>@<ip>:<port>[,<ip>:<port>...]": at most 1,024, each
     * with 1 to 16 addresses. NULL is none.
     */
    const millpond_text_t *peers;
    /**
     * How many.
     */
    uintptr_t peer_count;
    /**
     * The only nodes to talk to, by node id. NULL is unsaid: every node that holds the secret.
     */
    const millpond_text_t *allow;
    /**
     * How many.
     */
    uintptr_t allow_count;
    /**
     * Size of each of the two journal segments in bytes, 64 KiB at least. 0 is unsaid: 32 MiB.
     */
    uint64_t segment_bytes;
    /**
     * Most bytes of events in memory before a checkpoint. 0 is unsaid: 64 MiB.
     */
    uint64_t tail_bytes_max;
    /**
     * Most bytes of decoded blocks kept in memory. 0 is unsaid: 16 MiB.
     */
    uint64_t cache_bytes;
    /**
     * Secrets that `swarm` takes the place of and that still admit, too: at most 4. NULL is none.
     */
    const millpond_text_t *former_secrets;
    /**
     * How many.
     */
    uintptr_t former_secret_count;
    /**
     * Most bytes a second sent to all peers together, on average; at least 1,000. 0 is unsaid: no
     * cap.
     */
    uint64_t send_bytes_per_second_max;
    /**
     * The same for each peer.
     */
    uint64_t send_bytes_per_second_per_peer_max;
    /**
     * A query of tags, app ids, allEvents and isLocal (the sender's own events): when there is
     * much to catch up with, peers first send the streams in which they see such events among the
     * next 8,192. At most 1,024 bytes and 16 alternatives. NULL is unsaid: all streams take turns.
     */
    millpond_text_t priority;
    /**
     * Most bytes of the saved states of all fish, on disk. 0 is unsaid: 64 MiB; with
     * MILLPOND_SNAPSHOTS_NONE none is kept.
     */
    uint64_t snapshot_bytes_max;
} millpond_node_options_t;

/**
 * An observer of a fish. `{0}` is none.
 */
typedef struct {
    /**
     * Only for millpond to read.
     */
    uint64_t id;
} millpond_observer_t;

/**
 * Takes states of an observer: `state` with MILLPOND_OK, or NULL with an error. Both are borrowed
 * for the call. The last call has an end (millpond_state_is_end) or an error. It must not throw or
 * longjmp.
 */
typedef void (*millpond_state_callback_t)(void *user_data,
                                          const millpond_state_t *state,
                                          const millpond_error_t *error);

/**
 * One event to be published.
 */
typedef struct {
    /**
     * Set by MILLPOND_DRAFT_INIT; the same in all elements of an array.
     */
    uint32_t struct_size;
    /**
     * MILLPOND_PAYLOAD_CBOR or MILLPOND_PAYLOAD_JSON.
     */
    int32_t payload_form;
    /**
     * What it is to be found by: up to 64 tags of 1 to 255 bytes. NULL is no tag.
     */
    const millpond_text_t *tags;
    /**
     * How many.
     */
    uintptr_t tag_count;
    /**
     * What it says: one value in deterministic CBOR, or JSON text; at most 1 MiB of CBOR.
     */
    const uint8_t *payload;
    /**
     * How many bytes.
     */
    uintptr_t payload_len;
    /**
     * The blobs that it refers to, by id (64 hex digits): at most 16, each of them here whole, or
     * referred to by an event that is. Each takes up to two of the tags. NULL is none.
     */
    const millpond_text_t *blobs;
    /**
     * How many.
     */
    uintptr_t blob_count;
} millpond_draft_t;

/**
 * How to publish.
 */
typedef struct {
    /**
     * Set by MILLPOND_PUBLISH_OPTIONS_INIT.
     */
    uint32_t struct_size;
    /**
     * 1 when `expected` is said, else 0.
     */
    int32_t has_expected;
    /**
     * Publish only if this node's stream has exactly this many events, else
     * MILLPOND_ERROR_CONFLICT.
     */
    uint64_t expected;
    /**
     * "power" (unsaid: this; on disk before the answer) or "process" (survives the process only).
     * With "process", queries, subscriptions and peers see the events once they are on disk: up to
     * 50 ms after the answer, and the time of one sync.
     */
    millpond_text_t durability;
    /**
     * 1 to 255 bytes; a retry with the same key gets the first answer again. NULL is unsaid.
     */
    const uint8_t *idempotency_key;
    /**
     * How many bytes.
     */
    uintptr_t idempotency_key_len;
    /**
     * Publish only once the log covers what this session has seen; it then has seen these events,
     * too. The timeout of the call is also how long to wait for that, and
     * MILLPOND_ERROR_NOT_YET_VISIBLE the end of it. {0} is none.
     */
    millpond_session_t session;
} millpond_publish_options_t;

/**
 * What a state says, borrowed from it: every pointer is valid until it is freed.
 */
typedef struct {
    /**
     * Set by MILLPOND_STATE_VIEW_INIT.
     */
    uint32_t struct_size;
    /**
     * 1 when no state will follow, and this is none: the observer or its node was closed.
     */
    int32_t is_end;
    /**
     * Counts the states that the fish has shown here, from 1; 0 at the end.
     */
    uint64_t number;
    /**
     * The state as its codec wrote it, up to 16 MiB: with the default codec, and of a built-in
     * fold, one value in deterministic CBOR.
     */
    const uint8_t *bytes;
    /**
     * How many bytes.
     */
    uintptr_t bytes_len;
    /**
     * It is the fold of the matching events of this offset map; a read after it has seen what this
     * state has.
     */
    millpond_text_t token;
    /**
     * The key of the last event in it, "<lamport>/<stream id>"; {NULL, 0} when nothing matched.
     */
    millpond_text_t last;
} millpond_state_view_t;

/**
 * How to subscribe.
 */
typedef struct {
    /**
     * Set by MILLPOND_SUBSCRIBE_OPTIONS_INIT.
     */
    uint32_t struct_size;
    /**
     * Most events per call of a callback, 1 to 4,096. 0 is unsaid: 1,024.
     */
    uint32_t batch_count_max;
    /**
     * Where to begin: "beginning" (unsaid: this), "now", or a token.
     */
    millpond_text_t from;
    /**
     * "durable" (unsaid: this): events that are on this node's disk. "live": as soon as they are
     * verified here; a power cut may take such events back, and then what their stream has there
     * instead is delivered. millpond_batch_is_durable says which they are.
     */
    millpond_text_t delivery;
    /**
     * "arrival" (unsaid: this): each stream in its order. "key": in the one order that all nodes
     * agree on, with the way back where an event comes late: millpond_batch_is_rewind. Then
     * `delivery` is "durable", and `from` is "beginning" or the position of such a subscription.
     */
    millpond_text_t order;
    /**
     * Only once the log covers this token. The timeout of the call is how long to wait for that,
     * and MILLPOND_ERROR_NOT_YET_VISIBLE the end of it; with a callback it does not wait.
     */
    millpond_text_t after;
    /**
     * The same for what this session has seen; it then has seen what each batch brings it to. {0}
     * is none.
     */
    millpond_session_t session;
} millpond_subscribe_options_t;

/**
 * A subscription. `{0}` is none.
 */
typedef struct {
    /**
     * Only for millpond to read.
     */
    uint64_t id;
} millpond_subscription_t;

/**
 * Takes batches of a subscription: `batch` with MILLPOND_OK, or NULL with an error. Both are
 * borrowed for the call. The last call has an end (millpond_batch_is_end) or an error. It must not
 * throw or longjmp.
 */
typedef void (*millpond_batch_callback_t)(void *user_data,
                                          const millpond_batch_t *batch,
                                          const millpond_error_t *error);

/**
 * A turn: a state of a fish, and the right to act on it. `{0}` is none.
 */
typedef struct {
    /**
     * Only for millpond to read.
     */
    uint64_t id;
} millpond_turn_t;

/**
 * An effect: looks at `state`, and says by millpond_effect_publish what is to be published. 0: it
 * is done; MILLPOND_EFFECT_LAST: it is done and shall not run again; any other number: it failed,
 * and nothing is published. The last call of one that is kept running has NULL for `state` and
 * `effect`, and its answer does not matter: `error` is NULL when the observer or its node was
 * closed or the effect has said that it is the last, else it says what went wrong. It must not
 * throw or longjmp.
 */
typedef int32_t (*millpond_effect_callback_t)(void *user_data,
                                              const millpond_state_t *state,
                                              millpond_effect_t *effect,
                                              const millpond_error_t *error);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The version of the library, "major.minor.patch". Static. Thread-safe.
 */
const char *millpond_version(void);

/**
 * MILLPOND_OK when this library serves programs compiled with `abi_version`, which is to be
 * MILLPOND_ABI_VERSION. Call it first. Thread-safe.
 */
int32_t millpond_abi_check(uint32_t abi_version, millpond_error_t **error);

/**
 * Number of events; 0 for NULL. Thread-safe.
 */
uintptr_t millpond_batch_len(const millpond_batch_t *batch);

/**
 * 1 when nothing will follow (the batch is then empty): the query is answered, or the subscription
 * or its node was closed. Else 0, also for NULL. Thread-safe.
 */
int32_t millpond_batch_is_end(const millpond_batch_t *batch);

/**
 * 1 when a subscription has passed everything that was there when it began, else 0, also for NULL.
 * Thread-safe.
 */
int32_t millpond_batch_caught_up(const millpond_batch_t *batch);

/**
 * 0 when a live subscription was given these events before they were on this node's disk: then its
 * position does not count them. Else 1, also for NULL. Thread-safe.
 */
int32_t millpond_batch_is_durable(const millpond_batch_t *batch);

/**
 * Events of the log that the subscription had not passed yet when it gave this batch, matching or
 * not; 0 for the batch of a query and for NULL. millpond_subscription_lag tells it as of now.
 * Thread-safe.
 */
uint64_t millpond_batch_lag(const millpond_batch_t *batch);

/**
 * 1 when events of a subscription in key order came late: whatever was delivered behind
 * millpond_batch_rewind_to is to be forgotten, and comes again in order with them; the batch is
 * empty. Else 0, also for NULL. Thread-safe.
 */
int32_t millpond_batch_is_rewind(const millpond_batch_t *batch);

/**
 * Of a rewind: the key of the last event that stays, "<lamport>/<stream id>"; {NULL, 0} when none
 * does, for what is no rewind, and for NULL. Borrowed until the batch is freed. Thread-safe.
 */
millpond_text_t millpond_batch_rewind_to(const millpond_batch_t *batch);

/**
 * Which columns its events have: MILLPOND_COLUMN_ numbers, joined by |; 0 for NULL. Thread-safe.
 */
int32_t millpond_batch_columns(const millpond_batch_t *batch);

/**
 * Where a subscription stands after this batch, to subscribe from in the same order: in arrival
 * order a token, in key order a longer text. For the batch of a query, what the query is answered
 * at. Free `*token` with millpond_bytes_free. Thread-safe.
 */
int32_t millpond_batch_position(const millpond_batch_t *batch,
                                millpond_bytes_t *token,
                                millpond_error_t **error);

/**
 * Looks at event `index`, from 0 to millpond_batch_len - 1. Begin `*event` with
 * MILLPOND_EVENT_INIT. Costs no allocation. Thread-safe.
 */
int32_t millpond_batch_get(const millpond_batch_t *batch,
                           uintptr_t index,
                           millpond_event_t *event,
                           millpond_error_t **error);

/**
 * The blobs to which event `index` refers, by rising id, as one JSON array of objects: "id" (64
 * hex digits), "size" in bytes, "media_type", "name"; null is unknown. Only the ids are sure: the
 * rest is what its publisher said. Free `*json` with millpond_bytes_free. Thread-safe.
 */
int32_t millpond_batch_blobs(const millpond_batch_t *batch,
                             uintptr_t index,
                             millpond_bytes_t *json,
                             millpond_error_t **error);

/**
 * Frees a batch; its events are gone with it. NULL is legal.
 */
void millpond_batch_free(millpond_batch_t *batch);

/**
 * Adds a file. What comes of the work is the blob, as one JSON object: "id" (64 hex digits, what
 * b3sum prints), "size" in bytes, "media_type" and "name" (null where nobody said any). It is
 * durable, and visible here, when the work is done. The same bytes are one blob, however often
 * they are added. `about` may be NULL; a size in it is not looked at. On MILLPOND_OK, `*work` is a
 * new handle; close it with millpond_blob_work_close. Of the work: MILLPOND_ERROR_NOT_FOUND,
 * MILLPOND_ERROR_STORAGE_FAILED: the file cannot be read. MILLPOND_ERROR_CONFLICT, reason
 * "changed_while_added". MILLPOND_ERROR_LIMIT_EXCEEDED: it has more than 2^40 bytes, or blobs take
 * as much as they may (reason "blob_quota"). MILLPOND_ERROR_STORAGE_FULL. Nothing is left then.
 * Thread-safe.
 */
int32_t millpond_blob_add_file(millpond_node_t node,
                               const char *path,
                               uintptr_t path_len,
                               const millpond_blob_about_t *about,
                               millpond_blob_work_t *work,
                               millpond_error_t **error);

/**
 * Adds `content_len` bytes; gives the blob as the work of millpond_blob_add_file does. `about` may
 * be NULL. Free `*json` with millpond_bytes_free. Errors as there. MILLPOND_ERROR_CANCELLED and
 * MILLPOND_ERROR_TIMEOUT: it may have been added all the same. Thread-safe.
 */
int32_t millpond_blob_add_bytes(millpond_node_t node,
                                const uint8_t *content,
                                uintptr_t content_len,
                                const millpond_blob_about_t *about,
                                int64_t timeout_ms,
                                millpond_cancel_t cancel,
                                millpond_bytes_t *json,
                                millpond_error_t **error);

/**
 * Begins a blob whose bytes come one after the other: of the size that `about` says, or of as many
 * as will come. `about` may be NULL. On MILLPOND_OK, `*writer` is a new handle; close it with
 * millpond_blob_writer_close. Errors as of millpond_blob_add_file. Thread-safe.
 */
int32_t millpond_blob_writer_new(millpond_node_t node,
                                 const millpond_blob_about_t *about,
                                 millpond_blob_writer_t *writer,
                                 millpond_error_t **error);

/**
 * Opens the blob with this id (64 hex digits) for reading; every byte that is read is verified.
 * While it is open it is not collected. On MILLPOND_OK, `*reader` is a new handle; close it with
 * millpond_blob_reader_close. MILLPOND_ERROR_NOT_FOUND, reason "blob_not_here".
 * MILLPOND_ERROR_CORRUPT: a file of it is missing. MILLPOND_ERROR_STORAGE_FAILED. Thread-safe.
 */
int32_t millpond_blob_open(millpond_node_t node,
                           const char *blob_id,
                           uintptr_t blob_id_len,
                           int64_t timeout_ms,
                           millpond_cancel_t cancel,
                           millpond_blob_reader_t *reader,
                           millpond_error_t **error);

/**
 * All bytes of a blob of at most `bytes_max`; 0 is unsaid: 16 MiB. Free `*content` with
 * millpond_bytes_free. MILLPOND_ERROR_LIMIT_EXCEEDED: it has more. MILLPOND_ERROR_CORRUPT: it is
 * damaged here. Else as millpond_blob_open. Thread-safe.
 */
int32_t millpond_blob_get(millpond_node_t node,
                          const char *blob_id,
                          uintptr_t blob_id_len,
                          uint64_t bytes_max,
                          int64_t timeout_ms,
                          millpond_cancel_t cancel,
                          millpond_bytes_t *content,
                          millpond_error_t **error);

/**
 * Writes a blob to a file, which is there whole or not at all. What comes of the work is one JSON
 * object: "id", "size". `export_options` may be NULL. On MILLPOND_OK, `*work` is a new handle;
 * close it with millpond_blob_work_close. Of the work: MILLPOND_ERROR_CONFLICT, reason "exists":
 * there is a file, and it is not to be replaced. MILLPOND_ERROR_STORAGE_FULL; and as of
 * millpond_blob_get. The target is as it was then. Thread-safe.
 */
int32_t millpond_blob_export(millpond_node_t node,
                             const char *blob_id,
                             uintptr_t blob_id_len,
                             const char *path,
                             uintptr_t path_len,
                             const millpond_blob_export_options_t *export_options,
                             millpond_blob_work_t *work,
                             millpond_error_t **error);

/**
 * Whether a blob is here whole: `*has` is 1 or 0. Its bytes are not looked at: reading does that.
 * MILLPOND_ERROR_CORRUPT, MILLPOND_ERROR_STORAGE_FAILED. Thread-safe.
 */
int32_t millpond_blob_has(millpond_node_t node,
                          const char *blob_id,
                          uintptr_t blob_id_len,
                          int32_t *has,
                          millpond_error_t **error);

/**
 * What is known of a blob here, as one JSON object: "id", "size", "state" ("inline", "whole" or
 * "part"), "held_bytes", "media_type", "name", "tags", "touched" (microseconds since 1970 UTC).
 * Free `*json` with millpond_bytes_free. MILLPOND_ERROR_NOT_FOUND, reason "blob_not_here"; and as
 * of millpond_blob_has. Thread-safe.
 */
int32_t millpond_blob_stat(millpond_node_t node,
                           const char *blob_id,
                           uintptr_t blob_id_len,
                           millpond_bytes_t *json,
                           millpond_error_t **error);

/**
 * The blobs behind the one with the id `after` (NULL: from the first one) that have all these tags
 * here, by rising id, as one JSON array of what millpond_blob_stat says: at most `count_max`, and
 * at most 1,024; 0 is unsaid: 1,024. It is empty behind the last one. `tags` may be NULL. Free
 * `*json` with millpond_bytes_free. MILLPOND_ERROR_CORRUPT, MILLPOND_ERROR_STORAGE_FAILED.
 * Thread-safe.
 */
int32_t millpond_blob_list(millpond_node_t node,
                           const char *after,
                           uintptr_t after_len,
                           const millpond_text_t *tags,
                           uintptr_t tag_count,
                           uintptr_t count_max,
                           millpond_bytes_t *json,
                           millpond_error_t **error);

/**
 * Removes every blob that nothing keeps. What comes of the work is one JSON object: "blobs",
 * "bytes". On MILLPOND_OK, `*work` is a new handle; close it with millpond_blob_work_close. Of the
 * work: MILLPOND_ERROR_STORAGE_FULL, MILLPOND_ERROR_STORAGE_FAILED. Thread-safe.
 */
int32_t millpond_blob_collect(millpond_node_t node,
                              millpond_blob_work_t *work,
                              millpond_error_t **error);

/**
 * Reads and verifies a blob, or all of them when `blob_id` is NULL. What comes of the work is one
 * JSON object: "whole", "bytes", "damaged" (ids), "strays". Damage is no error. On MILLPOND_OK,
 * `*work` is a new handle; close it with millpond_blob_work_close. Of the work:
 * MILLPOND_ERROR_NOT_FOUND, reason "blob_not_here". MILLPOND_ERROR_STORAGE_FAILED. Thread-safe.
 */
int32_t millpond_blob_verify(millpond_node_t node,
                             const char *blob_id,
                             uintptr_t blob_id_len,
                             millpond_blob_work_t *work,
                             millpond_error_t **error);

/**
 * Takes the next `content_len` bytes of a blob, any number, and writes them to the disk.
 * MILLPOND_ERROR_LIMIT_EXCEEDED (reason "blob_quota": blobs take as much as they may),
 * MILLPOND_ERROR_STORAGE_FULL, MILLPOND_ERROR_STORAGE_FAILED, MILLPOND_ERROR_CONFLICT (reason
 * "changed_while_added": more bytes than were said): each later call answers the same.
 * MILLPOND_ERROR_TIMEOUT, MILLPOND_ERROR_CANCELLED: none of them was taken. One call at a time.
 */
int32_t millpond_blob_writer_write(millpond_blob_writer_t writer,
                                   const uint8_t *content,
                                   uintptr_t content_len,
                                   int64_t timeout_ms,
                                   millpond_cancel_t cancel,
                                   millpond_error_t **error);

/**
 * Makes the bytes a blob, durable and visible here, and gives it as the work of
 * millpond_blob_add_file does. Free `*json` with millpond_bytes_free, and close the handle all the
 * same. MILLPOND_ERROR_TIMEOUT, MILLPOND_ERROR_CANCELLED: it goes on until the handle is closed,
 * and another call gives what comes of it. Else as millpond_blob_writer_write, where
 * "changed_while_added" may also be fewer bytes than were said. Thread-safe.
 */
int32_t millpond_blob_writer_finish(millpond_blob_writer_t writer,
                                    int64_t timeout_ms,
                                    millpond_cancel_t cancel,
                                    millpond_bytes_t *json,
                                    millpond_error_t **error);

/**
 * Closes a writer. What is not a blob by then leaves nothing. A second close answers
 * MILLPOND_ERROR_CLOSED and does nothing. Thread-safe.
 */
int32_t millpond_blob_writer_close(millpond_blob_writer_t writer, millpond_error_t **error);

/**
 * Bytes of the blob. Thread-safe.
 */
int32_t millpond_blob_reader_size(millpond_blob_reader_t reader,
                                  uint64_t *size,
                                  millpond_error_t **error);

/**
 * Reads from where the last such read ended until `buffer` is full or the blob ends; `*count` is
 * how many bytes were read, 0 at the end. MILLPOND_ERROR_CORRUPT: the bytes are damaged here.
 * MILLPOND_ERROR_STORAGE_FAILED. After an error the next read begins where this one did, and what
 * is in the buffer has no meaning. One call at a time.
 */
int32_t millpond_blob_reader_read(millpond_blob_reader_t reader,
                                  uint8_t *buffer,
                                  uintptr_t buffer_len,
                                  int64_t timeout_ms,
                                  millpond_cancel_t cancel,
                                  uintptr_t *count,
                                  millpond_error_t **error);

/**
 * As millpond_blob_reader_read, from byte `position` on. Where the next read without a position
 * begins is not touched. Thread-safe.
 */
int32_t millpond_blob_reader_pread(millpond_blob_reader_t reader,
                                   uint64_t position,
                                   uint8_t *buffer,
                                   uintptr_t buffer_len,
                                   int64_t timeout_ms,
                                   millpond_cancel_t cancel,
                                   uintptr_t *count,
                                   millpond_error_t **error);

/**
 * Says where the next read begins: `by` bytes from the beginning (`whence` 0), from where it would
 * begin now (1), or from the end (2). Behind the end there is nothing to read. `*position` is the
 * new position. One call at a time.
 */
int32_t millpond_blob_reader_seek(millpond_blob_reader_t reader,
                                  int64_t by,
                                  int32_t whence,
                                  uint64_t *position,
                                  millpond_error_t **error);

/**
 * The next bytes, at most 65,536, from where the last read ended; none at the end. Free `*chunk`
 * with millpond_bytes_free. Errors as of millpond_blob_reader_read. One call at a time.
 */
int32_t millpond_blob_reader_next_chunk(millpond_blob_reader_t reader,
                                        int64_t timeout_ms,
                                        millpond_cancel_t cancel,
                                        millpond_bytes_t *chunk,
                                        millpond_error_t **error);

/**
 * A descriptor of the file of the blob, opened anew for reading, with a position of its own: close
 * it. What is read from it nobody verifies. MILLPOND_ERROR_INVALID_ARGUMENT, reason "no_file": the
 * blob is small and lies in a table. MILLPOND_ERROR_NOT_FOUND, reason "blob_not_here": some of it
 * is missing here. MILLPOND_ERROR_STORAGE_FAILED. Thread-safe.
 */
int32_t millpond_blob_reader_fd(millpond_blob_reader_t reader,
                                int32_t *fd,
                                millpond_error_t **error);

/**
 * Closes a reader. A second close answers MILLPOND_ERROR_CLOSED and does nothing. Thread-safe.
 */
int32_t millpond_blob_reader_close(millpond_blob_reader_t reader, millpond_error_t **error);

/**
 * How far the work is: first now, then each time that has changed; at the end the last one, again
 * and again. MILLPOND_ERROR_TIMEOUT: nothing changed in time; nothing is lost. One call at a time.
 */
int32_t millpond_blob_work_next(millpond_blob_work_t work,
                                int64_t timeout_ms,
                                millpond_cancel_t cancel,
                                millpond_blob_progress_t *progress,
                                millpond_error_t **error);

/**
 * What comes of the work, as one JSON object: see the function that began it, also for errors. May
 * be asked again. Free `*json` with millpond_bytes_free. MILLPOND_ERROR_TIMEOUT: the work goes on.
 * MILLPOND_ERROR_CANCELLED: this call was cancelled, or the work was closed meanwhile.
 * Thread-safe.
 */
int32_t millpond_blob_work_result(millpond_blob_work_t work,
                                  int64_t timeout_ms,
                                  millpond_cancel_t cancel,
                                  millpond_bytes_t *json,
                                  millpond_error_t **error);

/**
 * A descriptor for poll, select or epoll: readable while millpond_blob_work_next may have
 * something. It belongs to the handle and is valid until its close; never read, write or close it.
 * Thread-safe.
 */
int32_t millpond_blob_work_fd(millpond_blob_work_t work, int32_t *fd, millpond_error_t **error);

/**
 * Closes work; it is called off if it is under way. A second close answers MILLPOND_ERROR_CLOSED
 * and does nothing. Thread-safe.
 */
int32_t millpond_blob_work_close(millpond_blob_work_t work, millpond_error_t **error);

/**
 * A new cancel token. On MILLPOND_OK, free `*cancel` with millpond_cancel_free. Thread-safe.
 */
int32_t millpond_cancel_new(millpond_cancel_t *cancel, millpond_error_t **error);

/**
 * Calls off every call that names this token, now and later: they answer MILLPOND_ERROR_CANCELLED.
 * Idempotent. Thread-safe.
 */
int32_t millpond_cancel_trigger(millpond_cancel_t cancel, millpond_error_t **error);

/**
 * Frees a token; calls that name it go on and can no longer be cancelled. A second free answers
 * MILLPOND_ERROR_CLOSED and does nothing. Thread-safe.
 */
int32_t millpond_cancel_free(millpond_cancel_t cancel, millpond_error_t **error);

/**
 * Asks `query`, over the log as it is now. `query_options` may be NULL. On MILLPOND_OK, `*cursor`
 * is a new handle; close it with millpond_cursor_close. To learn how it would be answered, call
 * millpond_cursor_explain before anything is read. MILLPOND_ERROR_QUERY_INVALID: see
 * millpond_error_position. MILLPOND_ERROR_NOT_YET_VISIBLE: `upper` reaches beyond what is durable
 * here, or the log does not cover in time what `after` and the session name; see
 * millpond_error_missing. Thread-safe.
 */
int32_t millpond_node_query(millpond_node_t node,
                            const char *query,
                            uintptr_t query_len,
                            const millpond_query_options_t *query_options,
                            int64_t timeout_ms,
                            millpond_cancel_t cancel,
                            millpond_cursor_t *cursor,
                            millpond_error_t **error);

/**
 * The next events, at most `count_max` (0: 1,024; at most 4,096). On MILLPOND_OK, free `*batch`
 * with millpond_batch_free. After the last event millpond_batch_is_end says 1, again and again.
 * Timeout and cancel lose no event. One call at a time; a second one answers
 * MILLPOND_ERROR_INVALID_ARGUMENT. MILLPOND_ERROR_CORRUPT, MILLPOND_ERROR_STORAGE_FAILED: a block
 * cannot be read.
 */
int32_t millpond_cursor_next(millpond_cursor_t cursor,
                             uintptr_t count_max,
                             int64_t timeout_ms,
                             millpond_cancel_t cancel,
                             millpond_batch_t **batch,
                             millpond_error_t **error);

/**
 * How the cursor's query is answered, as one JSON object: `query`, `order`, `alternatives` (what
 * is looked up), `is_exact` (false: each event found is judged by the query), `expected` (for the
 * whole answer, by the index) and `actual` (so far; nothing before the first batch), each a number
 * of `segments`, `blocks`, `frames` and `events`, and `text`, all of it as lines for people. A
 * batch that is read ahead counts when it is read. Costs a look into each segment of the postings.
 * Free `*json` with millpond_bytes_free. MILLPOND_ERROR_CORRUPT: a segment is damaged.
 * MILLPOND_ERROR_STORAGE_FAILED: the disk does not answer. Thread-safe.
 */
int32_t millpond_cursor_explain(millpond_cursor_t cursor,
                                int64_t timeout_ms,
                                millpond_cancel_t cancel,
                                millpond_bytes_t *json,
                                millpond_error_t **error);

/**
 * How complete the cursor's answer is, as one JSON object: `offsets` (a token of how many events
 * of each stream it is read over), `behind` (streams of which more is signed for) and `unheard`
 * (nodes that were heard of and not in reach), all as of when it was asked; docs/status.md names
 * every field. Reads nothing. Free `*json` with millpond_bytes_free. Thread-safe.
 */
int32_t millpond_cursor_completeness(millpond_cursor_t cursor,
                                     millpond_bytes_t *json,
                                     millpond_error_t **error);

/**
 * Closes a cursor; a call that waits for it gets the end. A second close answers
 * MILLPOND_ERROR_CLOSED and does nothing. Thread-safe.
 */
int32_t millpond_cursor_close(millpond_cursor_t cursor, millpond_error_t **error);

/**
 * Does something to an account or a claim. It is decided at once, from what is on this disk, also
 * while cut off; the answer comes when it is durable, and then it counts on every node.
 * `read_options` and `published` may be NULL, the latter as of millpond_node_publish.
 *
 * MILLPOND_ERROR_CANCELLED and MILLPOND_ERROR_TIMEOUT: it may have been done all the same. A retry
 * with an idempotency key is safe; without one, look at the account or the claim first. After any
 * other error nothing was done.
 *
 * MILLPOND_ERROR_OVERDRAFT: this node does not hold as much; millpond_error_details says what is
 * available here, and who holds the rest. MILLPOND_ERROR_NOT_FOUND: no such account or claim is
 * known here, the claim is held elsewhere (reason "not_held"), or nothing is left to recover.
 * MILLPOND_ERROR_CONFLICT: reason "exists"; "stream_changed" and "under_way", after which to try
 * again; or "idempotency_key": the key was used for something else.
 * MILLPOND_ERROR_NOT_YET_VISIBLE: the log does not cover in time what the options name.
 * MILLPOND_ERROR_STORAGE_FULL, MILLPOND_ERROR_STORAGE_FAILED, MILLPOND_ERROR_CORRUPT. Thread-safe.
 */
int32_t millpond_node_act(millpond_node_t node,
                          const millpond_deed_t *deed,
                          const millpond_read_options_t *read_options,
                          int64_t timeout_ms,
                          millpond_cancel_t cancel,
                          millpond_published_t *published,
                          millpond_error_t **error);

/**
 * Whether this node answers requests for rights of the account `name` by itself, from now on and
 * for as long as it is open: `wanted` 1, keeping `reserve` for itself; 0: not, which is how it
 * begins. Thread-safe.
 */
int32_t millpond_node_answer_requests(millpond_node_t node,
                                      const char *name,
                                      uintptr_t name_len,
                                      int32_t wanted,
                                      uint64_t reserve,
                                      millpond_error_t **error);

/**
 * Whether this node hands the exclusive claim to `name` to whoever asks, from now on and for as
 * long as it is open: `wanted` 1 or 0, which is how it begins. Thread-safe.
 */
int32_t millpond_node_hand_over_when_asked(millpond_node_t node,
                                           const char *name,
                                           uintptr_t name_len,
                                           int32_t wanted,
                                           millpond_error_t **error);

/**
 * The account called `name` as it is known here, as one JSON object; docs/escrow.md names every
 * field. `id` is NULL, or 32 hex digits: exactly the account with this id, a rival say; else the
 * one that the name means. `known` is NULL, or the "as_of" of an earlier answer: then it waits
 * until something was said of the account beyond that, and `read_options` are not looked at.
 * MILLPOND_ERROR_NOT_FOUND: it is not known here. MILLPOND_ERROR_NOT_YET_VISIBLE: see
 * millpond_error_missing. MILLPOND_ERROR_CORRUPT, MILLPOND_ERROR_STORAGE_FAILED: the log cannot be
 * read. `read_options` may be NULL. Free `*json` with millpond_bytes_free. Thread-safe.
 */
int32_t millpond_node_account(millpond_node_t node,
                              const char *name,
                              uintptr_t name_len,
                              const char *id,
                              uintptr_t id_len,
                              const char *known,
                              uintptr_t known_len,
                              const millpond_read_options_t *read_options,
                              int64_t timeout_ms,
                              millpond_cancel_t cancel,
                              millpond_bytes_t *json,
                              millpond_error_t **error);

/**
 * The exclusive claim to `name` as it is known here, as one JSON object; one that was not created
 * has no holder. Everything else as of millpond_node_account.
 */
int32_t millpond_node_claim(millpond_node_t node,
                            const char *name,
                            uintptr_t name_len,
                            const char *known,
                            uintptr_t known_len,
                            const millpond_read_options_t *read_options,
                            int64_t timeout_ms,
                            millpond_cancel_t cancel,
                            millpond_bytes_t *json,
                            millpond_error_t **error);

/**
 * Who does `name`, by an exclusive claim or by an optimistic one, as one JSON object. An older
 * claim may still arrive: "as_of" says as of when it is right. Everything else as of
 * millpond_node_account.
 */
int32_t millpond_node_who_does(millpond_node_t node,
                               const char *name,
                               uintptr_t name_len,
                               const char *known,
                               uintptr_t known_len,
                               const millpond_read_options_t *read_options,
                               int64_t timeout_ms,
                               millpond_cancel_t cancel,
                               millpond_bytes_t *json,
                               millpond_error_t **error);

/**
 * Refuses an act whose fence (the "own_fence" of a claim) is below the highest one that was seen:
 * for adapters to machines, which keep the text of the highest. `highest` NULL: none was seen.
 * MILLPOND_ERROR_CONFLICT, reason "fenced": it is below. Thread-safe.
 */
int32_t millpond_fence_admits(const char *highest,
                              uintptr_t highest_len,
                              const char *fence,
                              uintptr_t fence_len,
                              millpond_error_t **error);

/**
 * Says "I do this" of `name`, 1 to 200 bytes. Nobody is asked: of all who say so the least event
 * key wins, and the others learn that they lost by millpond_doing_lost or millpond_doing_next.
 * `note` may be NULL, or is kept with it: as `note_form` says, MILLPOND_PAYLOAD_CBOR or
 * MILLPOND_PAYLOAD_JSON.
 * `read_options` may be NULL. On MILLPOND_OK, `*doing` is a new handle; close it with
 * millpond_doing_close. Take the claim back by MILLPOND_DEED_DOING_RELEASE.
 * MILLPOND_ERROR_CANCELLED and MILLPOND_ERROR_TIMEOUT: it may have been said all the same. Said
 * again while it stands it is the same claim, of which millpond_node_own_doing gives a handle.
 * MILLPOND_ERROR_NOT_YET_VISIBLE: see millpond_error_missing. MILLPOND_ERROR_STORAGE_FULL,
 * MILLPOND_ERROR_STORAGE_FAILED, MILLPOND_ERROR_CORRUPT. Thread-safe.
 */
int32_t millpond_node_do_optimistically(millpond_node_t node,
                                        const char *name,
                                        uintptr_t name_len,
                                        int32_t note_form,
                                        const uint8_t *note,
                                        uintptr_t note_len,
                                        const millpond_read_options_t *read_options,
                                        int64_t timeout_ms,
                                        millpond_cancel_t cancel,
                                        millpond_doing_t *doing,
                                        millpond_error_t **error);

/**
 * The optimistic claim of this node to `name` that stands, also after a restart: `*doing` is a new
 * handle, or {0} when none does. Close it with millpond_doing_close. MILLPOND_ERROR_CORRUPT,
 * MILLPOND_ERROR_STORAGE_FAILED: the log cannot be read. Thread-safe.
 */
int32_t millpond_node_own_doing(millpond_node_t node,
                                const char *name,
                                uintptr_t name_len,
                                int64_t timeout_ms,
                                millpond_cancel_t cancel,
                                millpond_doing_t *doing,
                                millpond_error_t **error);

/**
 * The event that said so, "<lamport>/<stream id>". Free `*key` with millpond_bytes_free.
 * Thread-safe.
 */
int32_t millpond_doing_key(millpond_doing_t doing, millpond_bytes_t *key, millpond_error_t **error);

/**
 * How the claim stands: first now, then each time that has changed, as one JSON object: "standing"
 * ("won", "lost" or "released"), "winner" ("key" and "note" of the claim that counts: this one as
 * it was first said, or the one that it lost to; null once it is released), "as_of" (a token: an
 * older claim may still arrive) and "is_end" (true when the handle or its node was closed). Who
 * has lost undoes what it began, and releases. Free `*json` with millpond_bytes_free.
 * MILLPOND_ERROR_TIMEOUT: nothing changed in time; nothing is lost. MILLPOND_ERROR_CORRUPT,
 * MILLPOND_ERROR_STORAGE_FAILED: the log cannot be read. One call at a time.
 */
int32_t millpond_doing_next(millpond_doing_t doing,
                            int64_t timeout_ms,
                            millpond_cancel_t cancel,
                            millpond_bytes_t *json,
                            millpond_error_t **error);

/**
 * How the claim stands once it has lost, as millpond_doing_next says it: at once if it has, also
 * where that has said so. Or once it is released; or the end. Takes nothing from
 * millpond_doing_next, beside which it may wait, as often as you like. Free `*json` with
 * millpond_bytes_free. MILLPOND_ERROR_TIMEOUT: it had not lost yet. MILLPOND_ERROR_CORRUPT,
 * MILLPOND_ERROR_STORAGE_FAILED: the log cannot be read. Thread-safe.
 */
int32_t millpond_doing_lost(millpond_doing_t doing,
                            int64_t timeout_ms,
                            millpond_cancel_t cancel,
                            millpond_bytes_t *json,
                            millpond_error_t **error);

/**
 * A descriptor for poll, select or epoll: readable while millpond_doing_next may have something.
 * It may be readable although nothing is there, never the other way round. It belongs to the
 * handle and is valid until its close; never read, write or close it. Thread-safe.
 */
int32_t millpond_doing_fd(millpond_doing_t doing, int32_t *fd, millpond_error_t **error);

/**
 * Closes the handle, and releases nothing; a call that waits gets the end. A second close answers
 * MILLPOND_ERROR_CLOSED and does nothing. Thread-safe.
 */
int32_t millpond_doing_close(millpond_doing_t doing, millpond_error_t **error);

/**
 * The number of `error`: a MILLPOND_ERROR_ value. 0 for NULL. Thread-safe.
 */
int32_t millpond_error_number(const millpond_error_t *error);

/**
 * The stable name of `error`, such as "query_invalid"; "ok" for NULL. Borrowed until `error` is
 * freed. Thread-safe.
 */
const char *millpond_error_name(const millpond_error_t *error);

/**
 * Who, what and what to do, in English; "" for NULL. Borrowed until `error` is freed. Thread-safe.
 */
const char *millpond_error_message(const millpond_error_t *error);

/**
 * Typed detail, such as "wrong_secret"; "" when there is none. Borrowed until `error` is freed.
 * Thread-safe.
 */
const char *millpond_error_reason(const millpond_error_t *error);

/**
 * Of MILLPOND_ERROR_NOT_YET_VISIBLE: which streams the log does not cover, and how many events of
 * each are missing, as one JSON object of stream ids; "{}" for other errors and for NULL. Borrowed
 * until `error` is freed. Thread-safe.
 */
const char *millpond_error_missing(const millpond_error_t *error);

/**
 * What a program may want to know of it, as JSON text; "" when there is nothing. Of
 * MILLPOND_ERROR_OVERDRAFT: {"wanted": n, "available": n, "recoverable": n, "elsewhere": [[stream
 * id, n, is frozen], ...]}. Borrowed until `error` is freed. Thread-safe.
 */
const char *millpond_error_details(const millpond_error_t *error);

/**
 * Byte position in the text that was refused, such as a query; -1 when there is none. Thread-safe.
 */
int64_t millpond_error_position(const millpond_error_t *error);

/**
 * 1 when the same call may succeed later without any change, else 0. Thread-safe.
 */
int32_t millpond_error_is_retryable(const millpond_error_t *error);

/**
 * Frees `error`. NULL is legal.
 */
void millpond_error_free(millpond_error_t *error);

/**
 * 1 when a call that answered `status` may succeed later without any change, else 0, also for a
 * number that is no status. Thread-safe.
 */
int32_t millpond_status_is_retryable(int32_t status);

/**
 * The stable name of a status: "ok", "query_invalid", …; "unknown" for any other number. Static.
 * Thread-safe.
 */
millpond_text_t millpond_status_name(int32_t status);

/**
 * Says why a callback of a fish fails, and at which event of its batch; `index` is that of the
 * event, or SIZE_MAX for none. The first 2,000 characters of the message are shown. Only in that
 * callback, on its thread.
 */
int32_t millpond_job_fail(millpond_job_t *job,
                          uintptr_t index,
                          const char *message,
                          uintptr_t message_len,
                          millpond_error_t **error);

/**
 * Says in an apply callback that the event `index` of its batch is a reset, so that nothing before
 * it matters; say it of the last one at least. Only in that callback, on its thread.
 */
int32_t millpond_job_reset(millpond_job_t *job, uintptr_t index, millpond_error_t **error);

/**
 * Gives the state in a save callback: `form` is MILLPOND_PAYLOAD_CBOR for its bytes as they are,
 * or MILLPOND_PAYLOAD_JSON for JSON text of which they are made; at most 16 MiB, and of JSON text
 * 1 MiB. The bytes are copied. Only in that callback, on its thread.
 */
int32_t millpond_job_save(millpond_job_t *job,
                          int32_t form,
                          const uint8_t *state,
                          uintptr_t state_len,
                          millpond_error_t **error);

/**
 * Observes a fish for each event that `query` selects, all of them together: at most 1,024, made
 * by `make_fish`, which is called in millpond_group_next, on its thread. Events that give a fish
 * of the same id give one fish. Code of each fish runs as of millpond_node_observe. `read_options`
 * may be NULL. On MILLPOND_OK, `*group` is a new handle; close it with millpond_group_close, also
 * after its node was closed. `destroy` (may be NULL) is called exactly once, for `user_data` of
 * `make_fish`: by the close of the group, or at the end of a millpond_group_next, or of its node's
 * close, that is under way then, or before this returns if it fails. MILLPOND_ERROR_QUERY_INVALID:
 * see millpond_error_position. MILLPOND_ERROR_NOT_YET_VISIBLE: see millpond_error_missing.
 * Thread-safe.
 */
int32_t millpond_node_observe_all(millpond_node_t node,
                                  const char *query,
                                  uintptr_t query_len,
                                  millpond_make_fish_callback_t make_fish,
                                  void *user_data,
                                  millpond_destroy_t destroy,
                                  const millpond_read_options_t *read_options,
                                  int64_t timeout_ms,
                                  millpond_cancel_t cancel,
                                  millpond_group_t *group,
                                  millpond_error_t **error);

/**
 * Observes the fish that `make_fish` makes of the event with the least key which `query` selects;
 * none until there is one. Where an older one arrives later, the fish of that takes its place: so
 * all nodes end with the same. Where `make_fish` makes none of it, millpond_group_next shows no
 * states, also after those of another fish: millpond_states_len is 0. Everything else as of
 * millpond_node_observe_all.
 */
int32_t millpond_node_observe_one(millpond_node_t node,
                                  const char *query,
                                  uintptr_t query_len,
                                  millpond_make_fish_callback_t make_fish,
                                  void *user_data,
                                  millpond_destroy_t destroy,
                                  const millpond_read_options_t *read_options,
                                  int64_t timeout_ms,
                                  millpond_cancel_t cancel,
                                  millpond_group_t *group,
                                  millpond_error_t **error);

/**
 * Says in a callback that makes fish which one this seed makes; once. `fish` is read only until
 * this returns; its `destroy` stands at millpond_fish_t: also before the group has observed it, if
 * its callbacks are not needed. Only in that callback, on its thread.
 */
int32_t millpond_seed_fish(millpond_seed_t *seed,
                           const millpond_fish_t *fish,
                           millpond_error_t **error);

/**
 * Says why a callback that makes fish fails; its first 2,000 characters are shown. The group ends
 * with MILLPOND_ERROR_USER_CODE, reason "make_fish". Only in that callback, on its thread.
 */
int32_t millpond_seed_fail(millpond_seed_t *seed,
                           const char *message,
                           uintptr_t message_len,
                           millpond_error_t **error);

/**
 * What the fish of a group show: first when all events that were there have been looked at and
 * each fish has shown a state, then whenever that has changed. On MILLPOND_OK, free `*states` with
 * millpond_states_free; millpond_states_is_end says when the group or its node was closed.
 * `timeout_ms` bounds the waiting; `make_fish` is waited for. MILLPOND_ERROR_TIMEOUT: nothing has
 * changed in time; nothing is lost. Each of the following is the end of the group, which answers
 * it to each call from then on. MILLPOND_ERROR_USER_CODE, reason "make_fish": that failed.
 * MILLPOND_ERROR_CONFLICT, reason "other_definition": two events give fish of one id that are not
 * the same, or one is observed that is not. MILLPOND_ERROR_LIMIT_EXCEEDED, reason "fish": more
 * than 1,024. Whatever millpond_node_observe and millpond_observer_next answer for one of the
 * fish. One call at a time, a second one answers MILLPOND_ERROR_INVALID_ARGUMENT.
 */
int32_t millpond_group_next(millpond_group_t group,
                            int64_t timeout_ms,
                            millpond_cancel_t cancel,
                            millpond_states_t **states,
                            millpond_error_t **error);

/**
 * A descriptor for poll, select or epoll: readable while millpond_group_next may have something to
 * do. It may be readable although nothing is there, never the other way round. It belongs to the
 * group and is valid until its close; never read, write or close it. Thread-safe.
 */
int32_t millpond_group_fd(millpond_group_t group, int32_t *fd, millpond_error_t **error);

/**
 * Closes a group; a call that waits gets the end. Each fold ends with the last observer of its
 * fish; `destroy` of a fish says when its callbacks do. A second close answers
 * MILLPOND_ERROR_CLOSED and does nothing. Legal from any thread and callback.
 */
int32_t millpond_group_close(millpond_group_t group, millpond_error_t **error);

/**
 * How many fish show a state; 0 at the end and for NULL. Thread-safe.
 */
uintptr_t millpond_states_len(const millpond_states_t *states);

/**
 * 1 when nothing will follow, and these are none: the group or its node was closed. Else 0, also
 * for NULL. Thread-safe.
 */
int32_t millpond_states_is_end(const millpond_states_t *states);

/**
 * Counts what the group has shown, from 1; 0 at the end and for NULL. Thread-safe.
 */
uint64_t millpond_states_number(const millpond_states_t *states);

/**
 * The id of fish `index`, from 0 to millpond_states_len - 1, by rising id; {NULL, 0} for another
 * number and for NULL. Borrowed until the states are freed. Thread-safe.
 */
millpond_text_t millpond_states_fish_id(const millpond_states_t *states, uintptr_t index);

/**
 * The state of fish `index`, to be looked at by millpond_state_get or millpond_state_json; NULL
 * for another number and for NULL. Borrowed until the states are freed; never free it.
 * Thread-safe.
 */
const millpond_state_t *millpond_states_state(const millpond_states_t *states, uintptr_t index);

/**
 * Frees the states of several fish. NULL is legal.
 */
void millpond_states_free(millpond_states_t *states);

/**
 * Sends traces up to `level`, a MILLPOND_LOG_ number, to `callback` from now on, in the whole
 * process; NULL: to nobody. What does not fit 1,024 waiting lines is dropped. When this returns,
 * the callback before is not called again and its `destroy` was called (unless this is called
 * inside it). `destroy` (may be NULL) is called exactly once, also if this fails.
 */
int32_t millpond_log_set(int32_t level,
                         millpond_log_callback_t callback,
                         void *user_data,
                         millpond_destroy_t destroy,
                         millpond_error_t **error);

/**
 * Opens a node. On MILLPOND_OK, `*node` is a new handle; close it with millpond_node_close. A
 * store that is open in this process already is shared and closes with its last handle.
 * MILLPOND_ERROR_STORE_LOCKED: another process has the store. MILLPOND_ERROR_FORMAT_TOO_NEW,
 * MILLPOND_ERROR_CORRUPT, MILLPOND_ERROR_STORAGE_FULL, MILLPOND_ERROR_STORAGE_FAILED: the store
 * cannot be used; the message says why. Thread-safe.
 */
int32_t millpond_node_open(const millpond_node_options_t *node_options,
                           int64_t timeout_ms,
                           millpond_cancel_t cancel,
                           millpond_node_t *node,
                           millpond_error_t **error);

/**
 * Closes a node: its cursors, turns and calls end; its subscriptions, observers, optimistic claims
 * and what it keeps running come to a normal end (close their handles too); what was published is
 * on disk, its callbacks have returned and their `destroy` was called. Calls that wait for
 * something end with MILLPOND_ERROR_CLOSED. Legal from any thread and callback; from
 * inside a callback of this node it does not wait for that callback. A negative `timeout_ms` is
 * the default deadline of 10 s. A second close answers MILLPOND_ERROR_CLOSED and does nothing.
 * MILLPOND_ERROR_TIMEOUT: the handle is closed all the same and the rest ends by itself.
 * MILLPOND_ERROR_STORAGE_FAILED: the last writes failed.
 */
int32_t millpond_node_close(millpond_node_t node, int64_t timeout_ms, millpond_error_t **error);

/**
 * The node id, 64 hex digits. Free `*node_id` with millpond_bytes_free. Thread-safe.
 */
int32_t millpond_node_id(millpond_node_t node, millpond_bytes_t *node_id, millpond_error_t **error);

/**
 * A text with which other nodes find this one and join its swarm. It holds the secret. Free
 * `*ticket` with millpond_bytes_free. MILLPOND_ERROR_INVALID_ARGUMENT also when the node was
 * opened without a network. Thread-safe.
 */
int32_t millpond_node_ticket(millpond_node_t node,
                             int64_t timeout_ms,
                             millpond_cancel_t cancel,
                             millpond_bytes_t *ticket,
                             millpond_error_t **error);

/**
 * Everything there is to know about the node, as one JSON object: who it is, its peers and their
 * lag, refusals, the store. docs/status.md names every field. Free `*json` with
 * millpond_bytes_free. Thread-safe.
 */
int32_t millpond_node_status(millpond_node_t node,
                             int64_t timeout_ms,
                             millpond_cancel_t cancel,
                             millpond_bytes_t *json,
                             millpond_error_t **error);

/**
 * The status as one JSON object (docs/status.md), once something in it changed: waits until its
 * version is another than `*version`, and sets `*version` to that of the status. Begin with 0,
 * which gives one at once, and call it again with what it set: so no change is missed, and changes
 * that come between two calls are one. What the network does is told at most four times a second.
 * Free `*json` with millpond_bytes_free. MILLPOND_ERROR_CLOSED: the node was closed, also while
 * this waited. On any error `*version` stays, and no change is lost. Thread-safe.
 */
int32_t millpond_node_next_status(millpond_node_t node,
                                  uint64_t *version,
                                  int64_t timeout_ms,
                                  millpond_cancel_t cancel,
                                  millpond_bytes_t *json,
                                  millpond_error_t **error);

/**
 * The node's figures for Prometheus, as text in its exposition format, version 0.0.4: serve it
 * with the content type `text/plain; version=0.0.4`. Names begin with `millpond_` and have their
 * units; what only grows ends in `_total` and begins anew when the node opens. At most 64 peers
 * have series of their own. docs/status.md names every figure. Free `*text` with
 * millpond_bytes_free. Thread-safe.
 */
int32_t millpond_node_metrics(millpond_node_t node,
                              int64_t timeout_ms,
                              millpond_cancel_t cancel,
                              millpond_bytes_t *text,
                              millpond_error_t **error);

/**
 * Reads the whole store once and says what is damaged, as one JSON object: how much was read and a
 * list of damages, each with its table, stream, `first`, `end` and how it shows. Damage is no
 * error. The node goes on meanwhile; costs about what receiving all events costs. Free `*json`
 * with millpond_bytes_free. MILLPOND_ERROR_TIMEOUT, MILLPOND_ERROR_CANCELLED: it ends soon after.
 * MILLPOND_ERROR_STORAGE_FAILED: the disk does not answer. Thread-safe.
 */
int32_t millpond_node_verify(millpond_node_t node,
                             int64_t timeout_ms,
                             millpond_cancel_t cancel,
                             millpond_bytes_t *json,
                             millpond_error_t **error);

/**
 * Writes the store's file of tables anew without its free pages, which is all that makes it
 * smaller. The node goes on meanwhile; publishes wait when the journal is full before the copy is
 * done. `*json` is one JSON object, `bytes_before` and `bytes_after` of the file; free it with
 * millpond_bytes_free. MILLPOND_ERROR_STORAGE_FULL: there is not room for both files.
 * MILLPOND_ERROR_TIMEOUT, MILLPOND_ERROR_CANCELLED: it is called off, unless the new file was
 * about to take its place. MILLPOND_ERROR_STORAGE_FAILED, MILLPOND_ERROR_CORRUPT: the file stays
 * as it was. Thread-safe.
 */
int32_t millpond_node_compact(millpond_node_t node,
                              int64_t timeout_ms,
                              millpond_cancel_t cancel,
                              millpond_bytes_t *json,
                              millpond_error_t **error);

/**
 * How large everything in the store is, as one JSON object: events, blocks, tables, free pages,
 * journal, cache. Reads no block. Free `*json` with millpond_bytes_free. MILLPOND_ERROR_CORRUPT: a
 * segment of the postings is damaged. MILLPOND_ERROR_STORAGE_FAILED: the disk does not answer.
 * Thread-safe.
 */
int32_t millpond_node_stats(millpond_node_t node, millpond_bytes_t *json, millpond_error_t **error);

/**
 * What is durable here, as a token. Of a branch, in which a stream with two histories goes on,
 * what comes before it counts, too. Free `*token` with millpond_bytes_free. Thread-safe.
 */
int32_t millpond_node_offsets(millpond_node_t node,
                              millpond_bytes_t *token,
                              millpond_error_t **error);

/**
 * Connects to a peer ("<node id>@<ip>:<port>[,<ip>:<port>...]", 1 to 16 addresses) or along a
 * ticket, and waits until it admits us. The address is kept and tried again, also after a refusal
 * or a timeout. MILLPOND_ERROR_PEER_REFUSED: millpond_error_reason says why, such as
 * "wrong_secret". MILLPOND_ERROR_INVALID_ARGUMENT also when the node has no network, or the ticket
 * is for another swarm. MILLPOND_ERROR_LIMIT_EXCEEDED: it knows 1,024 other peers, connected or
 * not; disconnect from one. MILLPOND_ERROR_CANCELLED also when it was told to disconnect from this
 * one. Thread-safe.
 */
int32_t millpond_node_connect(millpond_node_t node,
                              const char *target,
                              uintptr_t target_len,
                              int64_t timeout_ms,
                              millpond_cancel_t cancel,
                              millpond_error_t **error);

/**
 * Forgets the addresses of the peer `node_id` (64 hex digits) and ends its session; it may still
 * connect to us. Does nothing for a peer that is not known. MILLPOND_ERROR_INVALID_ARGUMENT also
 * when the node has no network. Thread-safe.
 */
int32_t millpond_node_disconnect(millpond_node_t node,
                                 const char *node_id,
                                 uintptr_t node_id_len,
                                 int64_t timeout_ms,
                                 millpond_cancel_t cancel,
                                 millpond_error_t **error);

/**
 * `enabled` 0: ends all sessions and talks to nobody; 1: to everybody again. The log goes on
 * either way. MILLPOND_ERROR_INVALID_ARGUMENT also when the node was opened without a network, or
 * its addresses cannot be bound any more. Thread-safe.
 */
int32_t millpond_node_set_network(millpond_node_t node,
                                  int32_t enabled,
                                  int64_t timeout_ms,
                                  millpond_cancel_t cancel,
                                  millpond_error_t **error);

/**
 * Replaces the swarm's secret without cutting anybody off: `current` for tickets, and peers that
 * hold it or one of the `former` (at most 4; NULL is none) are admitted from now on. Sessions go
 * on, but for those of peers that have shown neither: they end with "wrong_secret". Not kept in
 * the store: say it when the node is opened again. To replace the secret of a whole swarm, give
 * each node the one of millpond_swarm_secret_next with the old one as a former one; when each
 * peer's "secret" in the status is "current", take the old one from each.
 * MILLPOND_ERROR_INVALID_ARGUMENT also when one of them is of another swarm.
 * MILLPOND_ERROR_LIMIT_EXCEEDED: more than 4 are former ones. Thread-safe.
 */
int32_t millpond_node_set_secrets(millpond_node_t node,
                                  const char *current,
                                  uintptr_t current_len,
                                  const millpond_text_t *former,
                                  uintptr_t former_count,
                                  int64_t timeout_ms,
                                  millpond_cancel_t cancel,
                                  millpond_error_t **error);

/**
 * Observes a fish: its states, each of a moment at which everything that was there is in it, and
 * of several that came meanwhile the newest. All observers of a fish in a process share one fold,
 * which runs while there is one, with the callbacks of the first one; `fish` is read only until
 * this returns. `read_options` may be NULL. On MILLPOND_OK, `*observer` is a new handle; close it
 * with millpond_observer_close. MILLPOND_ERROR_QUERY_INVALID: see millpond_error_position.
 * MILLPOND_ERROR_CONFLICT, reason "other_definition": a fish of this id is observed that is
 * another version of it, or has another query or codec. MILLPOND_ERROR_NOT_YET_VISIBLE: see
 * millpond_error_missing. Thread-safe.
 */
int32_t millpond_node_observe(millpond_node_t node,
                              const millpond_fish_t *fish,
                              const millpond_read_options_t *read_options,
                              int64_t timeout_ms,
                              millpond_cancel_t cancel,
                              millpond_observer_t *observer,
                              millpond_error_t **error);

/**
 * The state of a fish once: of all that is durable here now, or of more. As millpond_node_observe,
 * millpond_observer_state and millpond_observer_close. On MILLPOND_OK, free `*state` with
 * millpond_state_free. When this returns, also with an error, no callback of `fish` is running or
 * will be made, and its `destroy` was called, but for two cases: somebody else has begun to
 * observe the fish meanwhile, or a callback takes 10 s longer to return, which this waits for also
 * beyond `timeout_ms`. Then the callbacks go on until `destroy`, the only sign. Thread-safe.
 */
int32_t millpond_node_state(millpond_node_t node,
                            const millpond_fish_t *fish,
                            const millpond_read_options_t *read_options,
                            int64_t timeout_ms,
                            millpond_cancel_t cancel,
                            millpond_state_t **state,
                            millpond_error_t **error);

/**
 * The next state: the newest one, if the observer did not give it yet. On MILLPOND_OK, free
 * `*state` with millpond_state_free. MILLPOND_ERROR_TIMEOUT: there was none in time; nothing is
 * lost. MILLPOND_ERROR_USER_CODE: a callback of the fish failed; reason and message say where, and
 * it comes at each call, after the last good state; reason "fold_closed": the node handle whose
 * callbacks folded the fish was closed, so observe it again. MILLPOND_ERROR_LIMIT_EXCEEDED, reason
 * "state": the state has more than 16 MiB. MILLPOND_ERROR_CORRUPT, MILLPOND_ERROR_STORAGE_FAILED:
 * the log cannot be read. One call at a time, a second one answers
 * MILLPOND_ERROR_INVALID_ARGUMENT.
 */
int32_t millpond_observer_next(millpond_observer_t observer,
                               int64_t timeout_ms,
                               millpond_cancel_t cancel,
                               millpond_state_t **state,
                               millpond_error_t **error);

/**
 * The state of all that is durable here now, or of more, whether it was given before or not. On
 * MILLPOND_OK, free `*state` with millpond_state_free. Errors as of millpond_observer_next.
 * Thread-safe.
 */
int32_t millpond_observer_state(millpond_observer_t observer,
                                int64_t timeout_ms,
                                millpond_cancel_t cancel,
                                millpond_state_t **state,
                                millpond_error_t **error);

/**
 * A descriptor for poll, select or epoll: readable while millpond_observer_next would not wait. It
 * may rarely be readable although nothing is there, never the other way round. It belongs to the
 * observer and is valid until its close; never read, write or close it. Thread-safe.
 */
int32_t millpond_observer_fd(millpond_observer_t observer, int32_t *fd, millpond_error_t **error);

/**
 * Has `callback` called with each state, one after the other, on a thread of this observer alone.
 * The callback may call every function, also close its own observer or node. `destroy` (may be
 * NULL) is called exactly once: after the last callback, or before this returns if it fails.
 * MILLPOND_ERROR_INVALID_ARGUMENT also when it has a callback, or keeps an effect running.
 */
int32_t millpond_observer_call_back(millpond_observer_t observer,
                                    millpond_state_callback_t callback,
                                    void *user_data,
                                    millpond_destroy_t destroy,
                                    millpond_error_t **error);

/**
 * Closes an observer; a call that waits for a state gets the end. The fold ends with the last
 * observer of its fish. With a callback: when this returns, it is not running and never will
 * again, and its `destroy` was called (unless this is called inside the callback). A second close
 * answers MILLPOND_ERROR_CLOSED and does nothing. MILLPOND_ERROR_TIMEOUT: the callback did not
 * return within 10 s. Legal from any thread and callback.
 */
int32_t millpond_observer_close(millpond_observer_t observer, millpond_error_t **error);

/**
 * JSON text as a payload in deterministic CBOR. Integers keep 64 bits; bytes are
 * {"$bytes":"<base64>"}. MILLPOND_ERROR_LIMIT_EXCEEDED: more than 1 MiB, nested more than 32 deep,
 * or an integer beyond 64 bits. Free `*payload` with millpond_bytes_free. Thread-safe.
 */
int32_t millpond_payload_from_json(const char *json_text,
                                   uintptr_t json_text_len,
                                   millpond_bytes_t *payload,
                                   millpond_error_t **error);

/**
 * A payload, which is one value in deterministic CBOR, as JSON text. Any other bytes answer
 * MILLPOND_ERROR_INVALID_ARGUMENT. Free `*json_text` with millpond_bytes_free. Thread-safe.
 */
int32_t millpond_payload_to_json(const uint8_t *payload,
                                 uintptr_t payload_len,
                                 millpond_bytes_t *json_text,
                                 millpond_error_t **error);

/**
 * A new swarm secret from the system's randomness: 64 hex digits, to be kept secret. Free
 * `*secret` with millpond_bytes_free. Thread-safe.
 */
int32_t millpond_swarm_secret_new(millpond_bytes_t *secret, millpond_error_t **error);

/**
 * A new secret to take the place of `secret` while the swarm stays the same: 128 hex digits, to be
 * kept secret; see millpond_node_set_secrets. Free `*next` with millpond_bytes_free. Thread-safe.
 */
int32_t millpond_swarm_secret_next(const char *secret,
                                   uintptr_t secret_len,
                                   millpond_bytes_t *next,
                                   millpond_error_t **error);

/**
 * What a ticket says, as JSON: swarm_id, node_id, addresses. The secret is left out. Free `*json`
 * with millpond_bytes_free. Thread-safe.
 */
int32_t millpond_ticket_parse(const char *ticket,
                              uintptr_t ticket_len,
                              millpond_bytes_t *json,
                              millpond_error_t **error);

/**
 * Publishes `draft_count` events together, 1 to 65,536 of at most 16 MiB: all of them or none.
 * They get consecutive offsets and lamports, in their order. `publish_options` may be NULL.
 * `published` may be NULL; else begin it with MILLPOND_PUBLISHED_INIT, and on MILLPOND_OK free its
 * two byte fields.
 *
 * MILLPOND_ERROR_CANCELLED and MILLPOND_ERROR_TIMEOUT: the events may be stored all the same; a
 * retry with an idempotency key is safe. After any other error nothing was stored:
 * MILLPOND_ERROR_CONFLICT (`expected` does not hold, or the key was used for other events),
 * MILLPOND_ERROR_NOT_FOUND (reason "blob_not_here": of a blob that it refers to),
 * MILLPOND_ERROR_NOT_YET_VISIBLE (the log does not cover in time what the session has seen),
 * MILLPOND_ERROR_LIMIT_EXCEEDED, MILLPOND_ERROR_STORAGE_FULL, MILLPOND_ERROR_STORAGE_FAILED.
 * Thread-safe.
 */
int32_t millpond_node_publish(millpond_node_t node,
                              const millpond_draft_t *drafts,
                              uintptr_t draft_count,
                              const millpond_publish_options_t *publish_options,
                              int64_t timeout_ms,
                              millpond_cancel_t cancel,
                              millpond_published_t *published,
                              millpond_error_t **error);

/**
 * Several tokens as one, which covers what each of them covers; of none, the beginning of history.
 * Free `*token` with millpond_bytes_free. Thread-safe.
 */
int32_t millpond_token_merge(const millpond_text_t *tokens,
                             uintptr_t token_count,
                             millpond_bytes_t *token,
                             millpond_error_t **error);

/**
 * Waits until the log covers `token`: whatever is read then has seen it. With a query (NULL: none)
 * only for what can match it, where that is known. MILLPOND_ERROR_NOT_YET_VISIBLE, and never
 * MILLPOND_ERROR_TIMEOUT: it does not in time; see millpond_error_missing.
 * MILLPOND_ERROR_QUERY_INVALID: see millpond_error_position. Thread-safe.
 */
int32_t millpond_node_wait_for(millpond_node_t node,
                               const char *token,
                               uintptr_t token_len,
                               const char *query,
                               uintptr_t query_len,
                               int64_t timeout_ms,
                               millpond_cancel_t cancel,
                               millpond_error_t **error);

/**
 * A new session, which has seen nothing: options name it, and then calls read and write after all
 * that it has seen, and it has seen what they gave. It belongs to no node. On MILLPOND_OK, close
 * `*session` with millpond_session_close. Thread-safe.
 */
int32_t millpond_session_new(millpond_session_t *session, millpond_error_t **error);

/**
 * What the session has seen, as a token: take it along to another node, in whatever language. Free
 * `*token` with millpond_bytes_free. Thread-safe.
 */
int32_t millpond_session_token(millpond_session_t session,
                               millpond_bytes_t *token,
                               millpond_error_t **error);

/**
 * The session has seen `token`, too. Thread-safe.
 */
int32_t millpond_session_sees(millpond_session_t session,
                              const char *token,
                              uintptr_t token_len,
                              millpond_error_t **error);

/**
 * Closes a session. A second close answers MILLPOND_ERROR_CLOSED and does nothing. Thread-safe.
 */
int32_t millpond_session_close(millpond_session_t session, millpond_error_t **error);

/**
 * 1 when no state will follow, and this is none: the observer or its node was closed. Else 0, also
 * for NULL. Thread-safe.
 */
int32_t millpond_state_is_end(const millpond_state_t *state);

/**
 * Looks at a state. Begin `*view` with MILLPOND_STATE_VIEW_INIT. Costs no allocation. Thread-safe.
 */
int32_t millpond_state_get(const millpond_state_t *state,
                           millpond_state_view_t *view,
                           millpond_error_t **error);

/**
 * A state in deterministic CBOR as JSON text. MILLPOND_ERROR_INVALID_ARGUMENT also when it has a
 * codec of its own, and at the end. Free `*json` with millpond_bytes_free. Thread-safe.
 */
int32_t millpond_state_json(const millpond_state_t *state,
                            millpond_bytes_t *json,
                            millpond_error_t **error);

/**
 * Frees a state. NULL is legal.
 */
void millpond_state_free(millpond_state_t *state);

/**
 * Subscribes to `query`. `subscribe_options` may be NULL. On MILLPOND_OK, `*subscription` is a new
 * handle; close it with millpond_subscription_close, also after its node was closed.
 * MILLPOND_ERROR_QUERY_INVALID: see millpond_error_position. MILLPOND_ERROR_NOT_YET_VISIBLE: see
 * millpond_error_missing. Thread-safe.
 */
int32_t millpond_node_subscribe(millpond_node_t node,
                                const char *query,
                                uintptr_t query_len,
                                const millpond_subscribe_options_t *subscribe_options,
                                int64_t timeout_ms,
                                millpond_cancel_t cancel,
                                millpond_subscription_t *subscription,
                                millpond_error_t **error);

/**
 * As millpond_node_subscribe, but batches go to `callback`, one after the other, on a thread of
 * this subscription alone. The callback may call every function, also close its own subscription
 * or node. `destroy` (may be NULL) is called exactly once: after the last callback, or before this
 * returns if it fails. `user_data` may be NULL. MILLPOND_ERROR_QUERY_INVALID: see
 * millpond_error_position. MILLPOND_ERROR_NOT_YET_VISIBLE: the log does not cover now what `after`
 * and the session name; it does not wait.
 */
int32_t millpond_node_subscribe_callback(millpond_node_t node,
                                         const char *query,
                                         uintptr_t query_len,
                                         const millpond_subscribe_options_t *subscribe_options,
                                         millpond_batch_callback_t callback,
                                         void *user_data,
                                         millpond_destroy_t destroy,
                                         millpond_subscription_t *subscription,
                                         millpond_error_t **error);

/**
 * The next events, at most `count_max` (0: 1,024; at most 4,096). Waits for an event, for the
 * first moment at which the subscription has caught up (the batch may then be empty), or for the
 * end (millpond_batch_is_end). MILLPOND_ERROR_TIMEOUT: there was nothing in time; nothing is lost.
 * On MILLPOND_OK, free `*batch` with millpond_batch_free. One call at a time, a second one answers
 * MILLPOND_ERROR_INVALID_ARGUMENT; other calls, such as a close, may come from any thread.
 * MILLPOND_ERROR_CORRUPT, MILLPOND_ERROR_STORAGE_FAILED: a block cannot be read.
 */
int32_t millpond_subscription_next(millpond_subscription_t subscription,
                                   uintptr_t count_max,
                                   int64_t timeout_ms,
                                   millpond_cancel_t cancel,
                                   millpond_batch_t **batch,
                                   millpond_error_t **error);

/**
 * A descriptor for poll, select or epoll: readable while millpond_subscription_next would not
 * wait. It may rarely be readable although nothing is there, never the other way round. It belongs
 * to the subscription and is valid until its close; never read, write or close it. Thread-safe.
 */
int32_t millpond_subscription_fd(millpond_subscription_t subscription,
                                 int32_t *fd,
                                 millpond_error_t **error);

/**
 * Events of the log that the subscription has not passed yet, matching or not. Thread-safe.
 */
int32_t millpond_subscription_lag(millpond_subscription_t subscription,
                                  uint64_t *lag,
                                  millpond_error_t **error);

/**
 * Where the subscription stands after the last batch that it gave, to subscribe from in the same
 * order: in arrival order a token. Before the first batch, where it began. Free `*token` with
 * millpond_bytes_free. Thread-safe.
 */
int32_t millpond_subscription_position(millpond_subscription_t subscription,
                                       millpond_bytes_t *token,
                                       millpond_error_t **error);

/**
 * Closes a subscription; a call that waits for it gets the end. With a callback: when this
 * returns, the callback is not running and never will again, and `destroy` was called (unless this
 * is called inside the callback). A second close answers MILLPOND_ERROR_CLOSED and does nothing.
 * MILLPOND_ERROR_TIMEOUT: the callback did not return within 10 s. Legal from any thread and
 * callback.
 */
int32_t millpond_subscription_close(millpond_subscription_t subscription, millpond_error_t **error);

/**
 * The right to act on a state of the observer's fish, once all who asked before in this process
 * are done: the state has all that they have published. `kind` is MILLPOND_TURN_ANY or
 * MILLPOND_TURN_NEW. On MILLPOND_OK, use `*turn` by millpond_turn_publish or end it by
 * millpond_turn_close: until then nobody else in this process gets one on this fish. With a
 * `session` (MILLPOND_NO_SESSION: none) the state has all that this has seen by then, which is
 * waited for without the turn, and MILLPOND_ERROR_NOT_YET_VISIBLE is the end of that: see
 * millpond_error_missing; the session then has seen the state. What it sees meanwhile is waited
 * for twice more at most, however much that is. Errors as of
 * millpond_observer_next; MILLPOND_ERROR_INVALID_ARGUMENT, reason "nested_effect": an effect runs
 * on this thread, and a turn on whichever fish could wait for it. An effect that has another
 * thread ask, and waits for that, is not noticed: nobody gets a turn until it gives up. One call
 * at a time.
 */
int32_t millpond_observer_turn(millpond_observer_t observer,
                               int32_t kind,
                               millpond_session_t session,
                               int64_t timeout_ms,
                               millpond_cancel_t cancel,
                               millpond_turn_t *turn,
                               millpond_error_t **error);

/**
 * The state to act on. On MILLPOND_OK, free `*state` with millpond_state_free.
 * MILLPOND_ERROR_CLOSED also when the turn was used. Thread-safe.
 */
int32_t millpond_turn_state(millpond_turn_t turn,
                            millpond_state_t **state,
                            millpond_error_t **error);

/**
 * Publishes what follows from the state, as millpond_node_publish does, and ends the turn: when it
 * is durable, and at once with an error of the facade, after which the turn is closed. Arguments
 * that are refused leave the turn as it is. What the session of the options has seen is not waited
 * for, since nobody else has a turn meanwhile. Thread-safe.
 */
int32_t millpond_turn_publish(millpond_turn_t turn,
                              const millpond_draft_t *drafts,
                              uintptr_t draft_count,
                              const millpond_publish_options_t *publish_options,
                              int64_t timeout_ms,
                              millpond_cancel_t cancel,
                              millpond_published_t *published,
                              millpond_error_t **error);

/**
 * Ends a turn without publishing. A turn that was used, or a second close, answers
 * MILLPOND_ERROR_CLOSED. Thread-safe.
 */
int32_t millpond_turn_close(millpond_turn_t turn, millpond_error_t **error);

/**
 * Waits for a turn, runs `effect` on its state on this thread, and publishes what it gives.
 * `publish_options` and `published` may be NULL; `published->count` is 0 when there was nothing to
 * publish, and then its two byte fields are {NULL, 0}. The timeout is until `effect` may begin:
 * after MILLPOND_ERROR_TIMEOUT it did not run. Once it has begun it runs, and publishes, to its
 * end. Errors as of millpond_observer_turn and millpond_node_publish: as there, the events may be
 * stored after MILLPOND_ERROR_CANCELLED, and an idempotency key helps only if the effect gives the
 * same again. MILLPOND_ERROR_NOT_YET_VISIBLE also when the session saw something while `effect`
 * ran that is not here: nothing was published. MILLPOND_ERROR_USER_CODE, reason "effect": the
 * effect failed.
 */
int32_t millpond_observer_run(millpond_observer_t observer,
                              int32_t kind,
                              millpond_effect_callback_t effect,
                              void *user_data,
                              const millpond_publish_options_t *publish_options,
                              int64_t timeout_ms,
                              millpond_cancel_t cancel,
                              millpond_published_t *published,
                              millpond_error_t **error);

/**
 * Runs `effect` on the state, now and whenever it has changed, on a thread of this observer alone,
 * each time as millpond_observer_run does, until it says that it is the last, fails, or the
 * observer is closed. `publish_options` may be NULL. `destroy` (may be NULL) is called exactly
 * once: after the last callback, or before this returns if it fails.
 * MILLPOND_ERROR_INVALID_ARGUMENT also when the observer has a callback, or keeps another effect
 * running.
 */
int32_t millpond_observer_keep_running(millpond_observer_t observer,
                                       millpond_effect_callback_t effect,
                                       void *user_data,
                                       millpond_destroy_t destroy,
                                       const millpond_publish_options_t *publish_options,
                                       millpond_error_t **error);

/**
 * Says in an effect what is to be published, 1 to 65,536 events; of several calls all of it,
 * together. Only in that callback, on its thread.
 */
int32_t millpond_effect_publish(millpond_effect_t *effect,
                                const millpond_draft_t *drafts,
                                uintptr_t draft_count,
                                millpond_error_t **error);

/**
 * Says why an effect fails; it is also to answer another number than 0 and MILLPOND_EFFECT_LAST.
 * Only in that callback, on its thread.
 */
int32_t millpond_effect_fail(millpond_effect_t *effect,
                             const char *message,
                             uintptr_t message_len,
                             millpond_error_t **error);

/**
 * Frees what a function gave as millpond_bytes_t, and makes `*bytes` empty, so that a second call
 * does nothing. NULL and empty are legal. Thread-safe for different bytes.
 */
void millpond_bytes_free(millpond_bytes_t *bytes);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

/** Success. */
#define MILLPOND_OK 0

/** An argument is not of the form that the call takes. */
#define MILLPOND_ERROR_INVALID_ARGUMENT 1

/** Something is larger or more than the limit that the message names; nothing was stored. */
#define MILLPOND_ERROR_LIMIT_EXCEEDED 2

/** A query text does not parse. */
#define MILLPOND_ERROR_QUERY_INVALID 3

/** The log is not as `expected`, or an idempotency key was used for other events; nothing was stored. */
#define MILLPOND_ERROR_CONFLICT 4

/** What was asked for does not exist. */
#define MILLPOND_ERROR_NOT_FOUND 5

/** The log does not hold yet what the token names. */
#define MILLPOND_ERROR_NOT_YET_VISIBLE 6

/** The deadline passed first. */
#define MILLPOND_ERROR_TIMEOUT 7

/** The caller cancelled the call. */
#define MILLPOND_ERROR_CANCELLED 8

/** The node, cursor or token is closed. */
#define MILLPOND_ERROR_CLOSED 9

/** Another process owns the store. */
#define MILLPOND_ERROR_STORE_LOCKED 10

/** The disk is full; nothing was stored, reading goes on. */
#define MILLPOND_ERROR_STORAGE_FULL 11

/** The disk refused a read, a write or a sync. */
#define MILLPOND_ERROR_STORAGE_FAILED 12

/** Stored bytes are not what was written. */
#define MILLPOND_ERROR_CORRUPT 13

/** The store was written by a newer millpond. */
#define MILLPOND_ERROR_FORMAT_TOO_NEW 14

/** No session came about; `reason` says why. */
#define MILLPOND_ERROR_PEER_REFUSED 15

/** A peer sent what no honest peer sends; its session was closed. */
#define MILLPOND_ERROR_PEER_MISBEHAVED 16

/** A stream has two different histories. */
#define MILLPOND_ERROR_FORKED 17

/** The process was forked from one with open nodes. */
#define MILLPOND_ERROR_FORKED_PROCESS 18

/** An escrow account does not hold enough rights. */
#define MILLPOND_ERROR_OVERDRAFT 19

/** Code of the application failed inside a call of millpond. */
#define MILLPOND_ERROR_USER_CODE 20

/** A bug in millpond; the node refuses further work. */
#define MILLPOND_ERROR_INTERNAL 21

/** A choice in options: yes. 0 is unsaid. */
#define MILLPOND_YES 1

/** A choice in options: no. 0 is unsaid. */
#define MILLPOND_NO 2

/** The version of this header as one number, for #if: 1.2.3 is 1002003. */
#define MILLPOND_VERSION_NUMBER                                                                    \
    (MILLPOND_VERSION_MAJOR * 1000000 + MILLPOND_VERSION_MINOR * 1000 + MILLPOND_VERSION_PATCH)

/* What a struct begins with: millpond_event_t event = MILLPOND_EVENT_INIT; */
#define MILLPOND_NODE_OPTIONS_INIT                                                                 \
    {                                                                                              \
        (uint32_t)sizeof(millpond_node_options_t), 0, 0, 0, {NULL, 0}, {NULL, 0}, {NULL, 0},       \
            {NULL, 0}, NULL, 0, NULL, 0, NULL, 0, 0, 0, 0, NULL, 0, 0, 0, {NULL, 0}, 0             \
    }
#define MILLPOND_PUBLISH_OPTIONS_INIT                                                              \
    {                                                                                              \
        (uint32_t)sizeof(millpond_publish_options_t), 0, 0, {NULL, 0}, NULL, 0, {0}                \
    }
#define MILLPOND_QUERY_OPTIONS_INIT                                                                \
    {                                                                                              \
        (uint32_t)sizeof(millpond_query_options_t), 0, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, \
            {0}                                                                                    \
    }
#define MILLPOND_SUBSCRIBE_OPTIONS_INIT                                                            \
    {                                                                                              \
        (uint32_t)sizeof(millpond_subscribe_options_t), 0, {NULL, 0}, {NULL, 0}, {NULL, 0},        \
            {NULL, 0}, {0}                                                                         \
    }
#define MILLPOND_READ_OPTIONS_INIT                                                                 \
    {                                                                                              \
        (uint32_t)sizeof(millpond_read_options_t), 0, {NULL, 0}, {0}                               \
    }
#define MILLPOND_FISH_INIT                                                                         \
    {                                                                                              \
        (uint32_t)sizeof(millpond_fish_t), 0, 0, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, NULL, \
            NULL, NULL, NULL, NULL                                                                 \
    }
#define MILLPOND_STATE_VIEW_INIT                                                                   \
    {                                                                                              \
        (uint32_t)sizeof(millpond_state_view_t), 0, 0, NULL, 0, {NULL, 0}, {NULL, 0}               \
    }
#define MILLPOND_DEED_INIT                                                                         \
    {                                                                                              \
        (uint32_t)sizeof(millpond_deed_t), 0, {NULL, 0}, {NULL, 0}, {NULL, 0}, 0, 0, NULL, 0, NULL,\
            0, 0, 0, NULL, 0                                                                       \
    }
#define MILLPOND_DRAFT_INIT                                                                        \
    {                                                                                              \
        (uint32_t)sizeof(millpond_draft_t), MILLPOND_PAYLOAD_CBOR, NULL, 0, NULL, 0, NULL, 0       \
    }
#define MILLPOND_PUBLISHED_INIT                                                                    \
    {                                                                                              \
        (uint32_t)sizeof(millpond_published_t), 0, 0, 0, 0, 0, {NULL, 0}, {NULL, 0}                \
    }
#define MILLPOND_BLOB_ABOUT_INIT                                                                   \
    {                                                                                              \
        (uint32_t)sizeof(millpond_blob_about_t), 0, {NULL, 0}, {NULL, 0}, NULL, 0, 0               \
    }
#define MILLPOND_BLOB_EXPORT_OPTIONS_INIT                                                          \
    {                                                                                              \
        (uint32_t)sizeof(millpond_blob_export_options_t), 0, {NULL, 0}                             \
    }
#define MILLPOND_EVENT_INIT                                                                        \
    {                                                                                              \
        (uint32_t)sizeof(millpond_event_t), 0, 0, 0, 0, {NULL, 0}, {NULL, 0}, NULL, 0, NULL, 0     \
    }

/* No token: the call cannot be cancelled. */
#ifdef __cplusplus
#define MILLPOND_NO_CANCEL (millpond_cancel_t{0})
#else
#define MILLPOND_NO_CANCEL ((millpond_cancel_t){0})
#endif

/* No session. */
#ifdef __cplusplus
#define MILLPOND_NO_SESSION (millpond_session_t{0})
#else
#define MILLPOND_NO_SESSION ((millpond_session_t){0})
#endif

#endif /* MILLPOND_H */
