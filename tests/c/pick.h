/* What a call of the misuse test is given, by chance: handles that are live, closed, made up or of
 * another kind, NULL, bad UTF-8, lengths that no object has, waits of no and of any length, structs
 * older and newer than the library. Begin with misuse.c.
 *
 * Longer than 500 lines because each type of the header has here how it is picked. */
#ifndef PICK_H
#define PICK_H

#include "check.h"
#include <pthread.h>
#include <time.h>

#define CALLERS 4
#define SLOTS 4 /* handles of each kind that are there at a time */
#define KEPT 6  /* batches, errors and bytes of a caller */
#define STORES 3
#define POISON 0xa5
#define BEYOND 16 /* bytes that a struct of a newer header has more */
#define NEWER(type) struct { type known; unsigned char beyond[BEYOND]; }

enum kind { NODE, CURSOR, SUBSCRIPTION, CANCEL, SESSION, OBSERVER, TURN, DOING, GROUP,
            BLOB_WORK, BLOB_READER, BLOB_WRITER, KINDS };

/* What a call may write, as the call finds it. */
struct outputs {
    millpond_node_t node;
    millpond_cursor_t cursor;
    millpond_subscription_t subscription;
    millpond_cancel_t cancel;
    millpond_session_t session;
    millpond_observer_t observer;
    millpond_turn_t turn;
    millpond_doing_t doing;
    millpond_group_t group;
    millpond_blob_work_t blob_work;
    millpond_blob_reader_t blob_reader;
    millpond_blob_writer_t blob_writer;
    millpond_blob_progress_t progress;
    uintptr_t count;
    millpond_bytes_t bytes;
    millpond_batch_t *batch;
    millpond_state_t *state;
    millpond_states_t *states;
    millpond_error_t *error;
    NEWER(millpond_published_t) published;
    NEWER(millpond_event_t) event;
    NEWER(millpond_state_view_t) view;
    uint64_t number;
    int32_t fd;
};

enum output {
    A_NODE = 1, A_CURSOR = 2, A_SUBSCRIPTION = 4, A_CANCEL = 8, BYTES = 16, A_BATCH = 32,
    AN_ERROR = 64, PUBLISHED = 128, AN_EVENT = 256, A_NUMBER = 512, AN_FD = 1024, A_SESSION = 2048,
    AN_OBSERVER = 4096, A_TURN = 8192, A_STATE = 16384, A_VIEW = 32768,
    A_DOING = 65536, A_GROUP = 131072, STATES = 262144, A_BLOB_WORK = 524288,
    A_BLOB_READER = 1048576, A_BLOB_WRITER = 2097152, A_PROGRESS = 4194304, A_COUNT = 8388608
};

struct caller {
    uint64_t random;
    int is_callback; /* then it waits for nobody else */
    const char *function;
    unsigned long call_count, ok_count;
    millpond_batch_t *batches[KEPT];
    millpond_error_t *errors[KEPT];
    millpond_state_t *states[KEPT];
    millpond_states_t *views[KEPT];
    millpond_bytes_t bytes[KEPT];
    /* Of the call under way. */
    int is_careless;
    unsigned asked; /* the outputs that it has a place for */
    struct outputs outputs, before;
    uintptr_t count; /* of the text, bytes or drafts that were picked */
    millpond_text_t tags[3];
    NEWER(millpond_node_options_t) node;
    NEWER(millpond_publish_options_t) publish;
    NEWER(millpond_query_options_t) query;
    NEWER(millpond_subscribe_options_t) subscribe;
    NEWER(millpond_read_options_t) read;
    NEWER(millpond_fish_t) fish;
    NEWER(millpond_deed_t) deed;
    NEWER(millpond_blob_about_t) about;
    NEWER(millpond_blob_export_options_t) exporting;
    uint8_t buffer[64];
    millpond_share_t share;
    void *copies[8];
    size_t copy_count;
};

struct attempt {
    const char *name;
    void (*run)(struct caller *self);
};

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    uint64_t handles[KINDS][SLOTS]; /* a closed one stays until another comes in its place */
    millpond_bytes_t ticket;        /* of a node that is there all the time */
    millpond_bytes_t token;         /* of the beginning of history */
    uint64_t seed;
    int running, destroys_due, destroys;
    unsigned long calls_due;
    char stores[STORES][4096];
    char file[4096];
} world = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, {{0}}, {NULL, 0}, {NULL, 0},
           0, 0, 0, 0, 0, {{0}}, {0}};

#define CLAIM(claim)                                                                               \
    do {                                                                                           \
        if (!(claim)) {                                                                            \
            printf("  %s:%d: seed %llu, call %lu, %s: not so: %s\n", __FILE__, __LINE__,           \
                   (unsigned long long)world.seed, self->call_count, self->function, #claim);      \
            failures_here++;                                                                       \
        }                                                                                          \
    } while (0)

static uint64_t next(struct caller *self) {
    self->random ^= self->random << 13, self->random ^= self->random >> 7;
    return self->random ^= self->random << 17;
}
static size_t below(struct caller *self, size_t end) { return (size_t)(next(self) >> 11) % end; }
static int one_in(struct caller *self, size_t many) { return below(self, many) == 0; }

/* Every other call is careful, so that many succeed; the rest make a mistake one time in many. */
static int slips(struct caller *self, size_t many) {
    return self->is_careless && one_in(self, many);
}

static uint64_t handle(struct caller *self, enum kind kind) {
    if (slips(self, 4)) {
        switch (below(self, 4)) {
        case 0: return next(self);
        case 1: return next(self) & 0x3000003ffu;
        case 2: return 0;
        default: kind = (enum kind)below(self, KINDS);
        }
    }
    pthread_mutex_lock(&world.mutex);
    uint64_t id = world.handles[kind][below(self, SLOTS)];
    pthread_mutex_unlock(&world.mutex);
    return id;
}

static millpond_node_t a_node(struct caller *self) {
    millpond_node_t picked = {handle(self, NODE)};
    return picked;
}
static millpond_cursor_t a_cursor(struct caller *self) {
    millpond_cursor_t picked = {handle(self, CURSOR)};
    return picked;
}
static millpond_subscription_t a_subscription(struct caller *self) {
    millpond_subscription_t picked = {handle(self, SUBSCRIPTION)};
    return picked;
}
static millpond_cancel_t a_cancel(struct caller *self) {
    millpond_cancel_t picked = {slips(self, 2) ? handle(self, CANCEL) : 0};
    return picked;
}

static millpond_session_t a_session(struct caller *self) {
    millpond_session_t picked = {handle(self, SESSION)};
    return picked;
}
static millpond_observer_t an_observer(struct caller *self) {
    millpond_observer_t picked = {handle(self, OBSERVER)};
    return picked;
}
static millpond_turn_t a_turn(struct caller *self) {
    millpond_turn_t picked = {handle(self, TURN)};
    return picked;
}
static millpond_doing_t a_doing(struct caller *self) {
    millpond_doing_t picked = {handle(self, DOING)};
    return picked;
}
static millpond_group_t a_group(struct caller *self) {
    millpond_group_t picked = {handle(self, GROUP)};
    return picked;
}
static millpond_blob_work_t a_blob_work(struct caller *self) {
    millpond_blob_work_t picked = {handle(self, BLOB_WORK)};
    return picked;
}
static millpond_blob_reader_t a_blob_reader(struct caller *self) {
    millpond_blob_reader_t picked = {handle(self, BLOB_READER)};
    return picked;
}
static millpond_blob_writer_t a_blob_writer(struct caller *self) {
    millpond_blob_writer_t picked = {handle(self, BLOB_WRITER)};
    return picked;
}
/* For options: mostly none. */
static millpond_session_t a_rare_session(struct caller *self) {
    millpond_session_t picked = {slips(self, 4) ? handle(self, SESSION) : 0};
    return picked;
}

static int32_t close_handle(enum kind kind, uint64_t id) {
    millpond_node_t node = {id};
    millpond_cursor_t cursor = {id};
    millpond_subscription_t subscription = {id};
    millpond_cancel_t cancel = {id};
    millpond_session_t session = {id};
    millpond_observer_t observer = {id};
    millpond_turn_t turn = {id};
    millpond_doing_t doing = {id};
    millpond_group_t group = {id};
    millpond_blob_work_t blob_work = {id};
    millpond_blob_reader_t blob_reader = {id};
    millpond_blob_writer_t blob_writer = {id};
    switch (kind) {
    case NODE: return millpond_node_close(node, SOON, NULL);
    case CURSOR: return millpond_cursor_close(cursor, NULL);
    case SUBSCRIPTION: return millpond_subscription_close(subscription, NULL);
    case SESSION: return millpond_session_close(session, NULL);
    case OBSERVER: return millpond_observer_close(observer, NULL);
    case TURN: return millpond_turn_close(turn, NULL);
    case DOING: return millpond_doing_close(doing, NULL);
    case GROUP: return millpond_group_close(group, NULL);
    case BLOB_WORK: return millpond_blob_work_close(blob_work, NULL);
    case BLOB_READER: return millpond_blob_reader_close(blob_reader, NULL);
    case BLOB_WRITER: return millpond_blob_writer_close(blob_writer, NULL);
    default: return millpond_cancel_free(cancel, NULL);
    }
}

/* Puts a new handle in the place of another, which is closed. */
static void keep_handle(struct caller *self, enum kind kind, uint64_t id) {
    size_t slot = below(self, SLOTS);
    CLAIM(id != 0);
    pthread_mutex_lock(&world.mutex);
    uint64_t other = world.handles[kind][slot];
    world.handles[kind][slot] = id;
    pthread_mutex_unlock(&world.mutex);
    if (!other) return;
    int32_t status = close_handle(kind, other);
    CLAIM(status == MILLPOND_OK || status == MILLPOND_ERROR_CLOSED);
}

static const struct {
    const char *data;
    size_t len;
} texts[] = {
    {TEXT("FROM allEvents")}, {TEXT("FROM 'grain' & 'x' | isLocal")}, {TEXT("FROM ('grain'")},
    {TEXT("FROM '\xff'")}, {TEXT("\xe2\x82")}, {TEXT("")}, {TEXT("grain")}, {TEXT("ascending")},
    {TEXT("descending")}, {TEXT("stream")}, {TEXT("now")}, {TEXT("beginning")}, {TEXT("power")},
    {TEXT("process")}, {TEXT("127.0.0.1:0")}, {TEXT("{\"a\":[1,-2.5,null,\"\\u00e4\"]}")},
    {TEXT("[1")}, {TEXT("\x01")}, {TEXT("\xa1\x61""a\x83\x01\x02\x03")}, {TEXT("\x9f\x01")},
    {TEXT("ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")},
};

/* Text, or what an earlier call gave, or nothing; `self->count` is its length. */
static const char *a_text(struct caller *self) {
    size_t index = below(self, sizeof texts / sizeof *texts), kept = below(self, KEPT);
    if (one_in(self, 2) && self->bytes[kept].data) {
        self->count = self->bytes[kept].len;
        return (const char *)self->bytes[kept].data;
    }
    self->count = texts[index].len;
    if (slips(self, 4)) {
        switch (below(self, 3)) {
        case 0: self->count = below(self, 3); return NULL;
        case 1: self->count = SIZE_MAX - below(self, SIZE_MAX / 2); break;
        default: self->count = below(self, self->count + 1);
        }
    }
    return texts[index].data;
}

static const millpond_text_t grain = {TEXT("grain")};
static const millpond_text_t grain_query = {TEXT("FROM 'grain'")};

static const char *a_query(struct caller *self) {
    if (self->is_careless) return a_text(self);
    self->count = texts[0].len;
    return texts[0].data;
}

/* The id of no bytes, which are added now and then, or what is none. */
static const char *a_blob_id(struct caller *self) {
    static const char id[] = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
    if (self->is_careless) return a_text(self);
    self->count = sizeof id - 1;
    return id;
}

/* Of a file in the folder of the tests, or of a folder: nothing is written elsewhere. */
static const char *a_path(struct caller *self) {
    self->count = strlen(world.file);
    if (slips(self, 4)) self->count = below(self, self->count + 1);
    return slips(self, 12) ? NULL : world.file;
}

static uint8_t *a_buffer(struct caller *self) { return slips(self, 12) ? NULL : self->buffer; }
static uintptr_t its_length(struct caller *self) {
    if (slips(self, 12)) return SIZE_MAX - below(self, SIZE_MAX / 2);
    return below(self, sizeof self->buffer + 1);
}
static uint64_t a_place(struct caller *self) {
    return one_in(self, 8) ? next(self) : below(self, 70000);
}

/* A token, or what is none. */
static const char *a_token(struct caller *self) {
    if (self->is_careless) return a_text(self);
    self->count = world.token.len;
    return (const char *)world.token.data;
}

/* Where a node is, or what is no such place. */
static const char *a_target(struct caller *self) {
    if (self->is_careless) return a_text(self);
    self->count = world.ticket.len;
    return (const char *)world.ticket.data;
}

static const uint8_t *some_bytes(struct caller *self) { return (const uint8_t *)a_text(self); }
static uintptr_t their_count(struct caller *self) { return self->count; }

static millpond_text_t text(struct caller *self) {
    millpond_text_t picked;
    picked.data = a_text(self);
    picked.len = self->count;
    return picked;
}

static uintptr_t a_count(struct caller *self) {
    static const uintptr_t counts[] = {0, 1, 2, 256, 4096, 4097, SIZE_MAX};
    return counts[below(self, sizeof counts / sizeof *counts)];
}

static int32_t a_number(struct caller *self) {
    static const int32_t numbers[] = {0, 1, 1, 2, 5, 6, 21, -1, INT32_MIN, INT32_MAX};
    return numbers[below(self, sizeof numbers / sizeof *numbers)];
}

/* A wait without end is ended by whoever closes the node meanwhile. */
static int64_t a_timeout(struct caller *self) {
    static const int64_t timeouts[] = {0, 1, 10, 100, INT64_MAX, -1, INT64_MIN};
    size_t short_ones = 3, all = sizeof timeouts / sizeof *timeouts;
    return timeouts[below(self, self->is_callback ? short_ones : all)];
}

/* A copy that ends where it says to end, so that a memory checker sees who reads further. It lives
 * until the next call. */
static void *copied(struct caller *self, const void *from, size_t size) {
    void *copy = malloc(size);
    if (!copy) abort();
    memcpy(copy, from, size);
    self->copies[self->copy_count++] = copy;
    return copy;
}

static void free_copies(struct caller *self) {
    while (self->copy_count > 0) free(self->copies[--self->copy_count]);
}

/* The size that a struct says: its own, that of an older or newer one, or of no version at all. */
static uint32_t a_size(struct caller *self, unsigned char *beyond, size_t known) {
    uint32_t size = (uint32_t)known;
    memset(beyond, 0, BEYOND);
    if (!slips(self, 4)) return size;
    switch (below(self, 4)) {
    case 0: return (uint32_t)below(self, known + BEYOND);
    case 1: return (uint32_t)below(self, 9);
    case 2: beyond[below(self, BEYOND)] = 1;
    }
    return size + BEYOND;
}

/* The options as a program of some version gives them, or NULL. */
#define GIVEN(self, options, is_null)                                                              \
    (is_null ? NULL                                                                                \
             : copied(self, &(options),                                                            \
                      (options).known.struct_size < 4 ? 4 : (options).known.struct_size))

static void put_on_loopback(millpond_node_options_t *options) {
    static const millpond_text_t loopback = {"127.0.0.1:0", 11};
    options->network = MILLPOND_YES;
    options->bind = &loopback;
    options->bind_count = 1;
}

static const millpond_node_options_t *some_node_options(struct caller *self) {
    millpond_node_options_t *options = &self->node.known;
    *options = options_at(world.stores[below(self, STORES)]);
    options->segment_bytes = 65536;
    options->struct_size = a_size(self, self->node.beyond, sizeof *options);
    /* A network only together with the address to listen on, so that nothing leaves loopback. */
    if (one_in(self, 2) && options->struct_size >= sizeof *options) put_on_loopback(options);
    if (slips(self, 12)) options->network = 7;
    if (slips(self, 12)) options->allow_network_file_system = -1;
    if (slips(self, 12)) options->path.len = 0;
    if (slips(self, 12)) options->path.data = NULL;
    if (slips(self, 12)) options->app_id = text(self);
    if (slips(self, 12)) options->swarm = text(self);
    if (slips(self, 12)) options->ticket = text(self);
    if (slips(self, 12)) options->bind_count = SIZE_MAX / 2;
    if (slips(self, 12)) options->peer_count = 1 + below(self, 2);
    if (slips(self, 12)) options->segment_bytes = one_in(self, 2) ? 1 : UINT64_MAX;
    if (slips(self, 12)) options->tail_bytes_max = one_in(self, 2) ? 1 : UINT64_MAX;
    if (slips(self, 12)) options->cache_bytes = one_in(self, 2) ? 1 : UINT64_MAX;
    self->tags[0] = text(self);
    if (slips(self, 12)) options->allow = self->tags, options->allow_count = 1;
    return GIVEN(self, self->node, slips(self, 12));
}

static const millpond_publish_options_t *some_publish_options(struct caller *self) {
    millpond_publish_options_t init = MILLPOND_PUBLISH_OPTIONS_INIT;
    self->publish.known = init;
    if (slips(self, 3)) self->publish.known.durability = text(self);
    if (slips(self, 4)) self->publish.known.expected = next(self) % 64;
    if (slips(self, 4)) self->publish.known.has_expected = a_number(self);
    if (slips(self, 4)) {
        self->publish.known.idempotency_key = some_bytes(self);
        self->publish.known.idempotency_key_len = self->count;
    }
    self->publish.known.session = a_rare_session(self);
    self->publish.known.struct_size = a_size(self, self->publish.beyond, sizeof init);
    return GIVEN(self, self->publish, one_in(self, 4));
}

static const millpond_query_options_t *some_query_options(struct caller *self) {
    millpond_query_options_t init = MILLPOND_QUERY_OPTIONS_INIT;
    self->query.known = init;
    if (slips(self, 3)) self->query.known.columns = 1 + (uint32_t)below(self, 8);
    if (slips(self, 3)) self->query.known.order = text(self);
    if (slips(self, 4)) self->query.known.lower = text(self);
    if (slips(self, 4)) self->query.known.upper = text(self);
    if (slips(self, 4)) self->query.known.after = text(self);
    self->query.known.session = a_rare_session(self);
    self->query.known.struct_size = a_size(self, self->query.beyond, sizeof init);
    return GIVEN(self, self->query, one_in(self, 4));
}

static const millpond_subscribe_options_t *some_subscribe_options(struct caller *self) {
    millpond_subscribe_options_t init = MILLPOND_SUBSCRIBE_OPTIONS_INIT;
    self->subscribe.known = init;
    if (slips(self, 3)) self->subscribe.known.from = text(self);
    if (slips(self, 3)) self->subscribe.known.batch_count_max = (uint32_t)a_count(self);
    if (one_in(self, 3)) {
        self->subscribe.known.order.data = "key";
        self->subscribe.known.order.len = 3;
    }
    if (slips(self, 4)) self->subscribe.known.order = text(self);
    if (slips(self, 4)) self->subscribe.known.after = text(self);
    self->subscribe.known.session = a_rare_session(self);
    self->subscribe.known.struct_size = a_size(self, self->subscribe.beyond, sizeof init);
    return GIVEN(self, self->subscribe, one_in(self, 4));
}

static const millpond_read_options_t *some_read_options(struct caller *self) {
    millpond_read_options_t init = MILLPOND_READ_OPTIONS_INIT;
    self->read.known = init;
    if (slips(self, 4)) self->read.known.after = text(self);
    self->read.known.session = a_rare_session(self);
    self->read.known.struct_size = a_size(self, self->read.beyond, sizeof init);
    return GIVEN(self, self->read, one_in(self, 2));
}

static int32_t on_load(void *user_data, const uint8_t *state, size_t len, millpond_job_t *job);
static int32_t on_apply(void *user_data, const millpond_batch_t *batch, millpond_job_t *job);
static int32_t on_save(void *user_data, millpond_job_t *job);
static millpond_destroy_t a_destroy(struct caller *self);
static void *some_user_data(struct caller *self);

/* A fish by code, or built in, or what is none. */
static const millpond_fish_t *some_fish(struct caller *self) {
    static const millpond_text_t names[] = {{TEXT("one")}, {TEXT("other")}};
    static const millpond_text_t count = {TEXT("{\"fold\":\"count\"}")};
    millpond_fish_t init = MILLPOND_FISH_INIT, *fish = &self->fish.known;
    *fish = init;
    fish->query = grain_query;
    if (one_in(self, 2)) {
        fish->fold = count;
    } else {
        fish->id = names[below(self, 2)];
        fish->version = below(self, 8) == 0;
        fish->load = slips(self, 12) ? NULL : on_load;
        fish->apply = slips(self, 12) ? NULL : on_apply;
        fish->save = slips(self, 12) ? NULL : on_save;
    }
    if (slips(self, 6)) fish->query = text(self);
    if (slips(self, 6)) fish->id = text(self);
    if (slips(self, 6)) fish->fold = text(self);
    if (slips(self, 6)) fish->codec = text(self);
    fish->struct_size = a_size(self, self->fish.beyond, sizeof init);
    int is_null = slips(self, 12);
    /* One that cannot be read is not freed. */
    if (fish->struct_size == sizeof init && !is_null)
        fish->user_data = some_user_data(self), fish->destroy = a_destroy(self);
    return GIVEN(self, self->fish, is_null);
}

/* Something done to one of few accounts and claims, or what cannot be. */
static const millpond_deed_t *some_deed(struct caller *self) {
    static const millpond_text_t names[] = {{TEXT("steel")}, {TEXT("M-017")}};
    static const millpond_text_t nobody = {
        TEXT("abababababababababababababababababababababababababababababababab")};
    millpond_deed_t init = MILLPOND_DEED_INIT, *deed = &self->deed.known;
    *deed = init;
    deed->kind = slips(self, 8) ? a_number(self) : (int32_t)(1 + below(self, 11));
    deed->name = slips(self, 8) ? text(self) : names[below(self, 2)];
    deed->amount = slips(self, 8) ? (int64_t)next(self) : (int64_t)below(self, 100);
    if (one_in(self, 2)) deed->to = slips(self, 4) ? text(self) : nobody;
    if (slips(self, 8)) deed->id = text(self);
    if (slips(self, 8)) deed->floor = (int64_t)next(self);
    if (one_in(self, 4)) {
        self->share.node_id = slips(self, 4) ? text(self) : nobody;
        self->share.amount = below(self, 50);
        deed->shares = &self->share;
        deed->share_count = slips(self, 8) ? SIZE_MAX / 2 : 1;
    }
    if (one_in(self, 4)) {
        deed->note_form = slips(self, 4) ? a_number(self) : MILLPOND_PAYLOAD_JSON;
        deed->note = (const uint8_t *)"[1,2]";
        deed->note_len = 5;
        if (slips(self, 2)) deed->note = some_bytes(self), deed->note_len = self->count;
    }
    deed->struct_size = a_size(self, self->deed.beyond, sizeof init);
    return GIVEN(self, self->deed, slips(self, 12));
}

static const millpond_blob_about_t *some_blob_about(struct caller *self) {
    millpond_blob_about_t init = MILLPOND_BLOB_ABOUT_INIT, *about = &self->about.known;
    *about = init;
    if (slips(self, 4)) about->media_type = text(self);
    if (slips(self, 4)) about->name = text(self);
    self->tags[0] = grain;
    if (slips(self, 4)) self->tags[0] = text(self);
    if (one_in(self, 2)) about->tags = self->tags, about->tag_count = 1;
    if (slips(self, 12)) about->tag_count = SIZE_MAX / 8;
    if (slips(self, 4)) about->size = next(self) % 64, about->has_size = a_number(self);
    about->struct_size = a_size(self, self->about.beyond, sizeof init);
    return GIVEN(self, self->about, one_in(self, 4));
}

static const millpond_blob_export_options_t *some_export_options(struct caller *self) {
    millpond_blob_export_options_t init = MILLPOND_BLOB_EXPORT_OPTIONS_INIT;
    self->exporting.known = init;
    if (slips(self, 4)) self->exporting.known.how = text(self);
    if (slips(self, 4)) self->exporting.known.overwrite = a_number(self);
    self->exporting.known.struct_size = a_size(self, self->exporting.beyond, sizeof init);
    return GIVEN(self, self->exporting, one_in(self, 4));
}

static uint64_t a_reserve(struct caller *self) { return one_in(self, 4) ? next(self) : 0; }
static millpond_job_t *no_job(struct caller *self) { return (void)self, (millpond_job_t *)NULL; }
static millpond_effect_t *no_effect(struct caller *self) {
    return (void)self, (millpond_effect_t *)NULL;
}
static millpond_seed_t *no_seed(struct caller *self) { return (void)self, (millpond_seed_t *)NULL; }

/* None to three texts, or more than there can be. */
static const millpond_text_t *some_texts(struct caller *self) {
    for (size_t i = 0; i < 3; i++) self->tags[i] = text(self);
    self->count = slips(self, 24) ? SIZE_MAX / 8 : below(self, 4);
    return slips(self, 12) ? NULL : self->tags;
}

/* One to four drafts of one size, or of sizes that do not agree. */
static const millpond_draft_t *some_drafts(struct caller *self) {
    static const uint32_t sizes[] = {8, 16, 24, 32, 48, 56, 0, 3, 41};
    const uint32_t known = sizeof(millpond_draft_t);
    uint32_t size = slips(self, 4) ? sizes[below(self, sizeof sizes / sizeof *sizes)] : known;
    size_t tag_count = below(self, 4), draft_count = 1 + below(self, 4);
    char drafts[4 * (sizeof(millpond_draft_t) + BEYOND)] = {0};
    for (size_t i = 0; i < 3; i++) self->tags[i] = text(self);
    if (!self->is_careless) self->tags[0] = grain, tag_count = 1;
    for (size_t i = 0; i < draft_count; i++) {
        millpond_draft_t draft = MILLPOND_DRAFT_INIT;
        /* The first one says how much memory there is. */
        draft.struct_size = i > 0 && slips(self, 8) ? (uint32_t)next(self) : size;
        draft.payload_form = MILLPOND_PAYLOAD_JSON;
        draft.payload = (const uint8_t *)"[1,2]";
        draft.payload_len = 5;
        draft.tags = slips(self, 12) ? NULL : self->tags;
        draft.tag_count = slips(self, 24) ? SIZE_MAX / 8 : tag_count;
        if (slips(self, 2)) {
            draft.payload_form = (int32_t)below(self, 3);
            draft.payload = some_bytes(self);
            draft.payload_len = self->count;
        }
        memcpy(drafts + i * size, &draft, size < known ? size : known);
    }
    self->count = slips(self, 8) ? 0 : draft_count;
    if (slips(self, 8)) self->count = one_in(self, 2) ? SIZE_MAX : 65537;
    if (slips(self, 12)) return NULL;
    return (const millpond_draft_t *)copied(self, drafts, size < 4 ? 4 : draft_count * size);
}

/* What a call that fails has to leave as it is. */
static void remember(struct caller *self) {
    memcpy(&self->before, &self->outputs, sizeof self->outputs);
}

#define PLACE(type, name, output, field)                                                           \
    static type *place_for_##name(struct caller *self) {                                           \
        if (slips(self, 12)) return NULL;                                                          \
        self->asked |= output;                                                                     \
        return &self->outputs.field;                                                               \
    }
PLACE(millpond_node_t, node, A_NODE, node)
PLACE(millpond_cursor_t, cursor, A_CURSOR, cursor)
PLACE(millpond_subscription_t, subscription, A_SUBSCRIPTION, subscription)
PLACE(millpond_cancel_t, cancel, A_CANCEL, cancel)
PLACE(millpond_session_t, session, A_SESSION, session)
PLACE(millpond_observer_t, observer, AN_OBSERVER, observer)
PLACE(millpond_turn_t, turn, A_TURN, turn)
PLACE(millpond_doing_t, doing, A_DOING, doing)
PLACE(millpond_group_t, group, A_GROUP, group)
PLACE(millpond_blob_work_t, blob_work, A_BLOB_WORK, blob_work)
PLACE(millpond_blob_reader_t, blob_reader, A_BLOB_READER, blob_reader)
PLACE(millpond_blob_writer_t, blob_writer, A_BLOB_WRITER, blob_writer)
PLACE(millpond_blob_progress_t, progress, A_PROGRESS, progress)
PLACE(uintptr_t, count, A_COUNT, count)
PLACE(millpond_state_t *, state, A_STATE, state)
PLACE(millpond_states_t *, states, STATES, states)
PLACE(millpond_bytes_t, bytes, BYTES, bytes)
PLACE(millpond_batch_t *, batch, A_BATCH, batch)
PLACE(millpond_error_t *, error, AN_ERROR, error)
PLACE(uint64_t, number, A_NUMBER, number)
PLACE(int32_t, fd, AN_FD, fd)

#define SIZED_PLACE(type, name, output, is_left_out)                                               \
    static type *place_for_##name(struct caller *self) {                                           \
        if (is_left_out) return NULL;                                                              \
        self->asked |= output;                                                                     \
        self->outputs.name.known.struct_size =                                                     \
            a_size(self, self->outputs.name.beyond, sizeof(type));                                 \
        remember(self);                                                                            \
        return &self->outputs.name.known;                                                          \
    }
SIZED_PLACE(millpond_published_t, published, PUBLISHED, one_in(self, 3))
SIZED_PLACE(millpond_event_t, event, AN_EVENT, slips(self, 12))
SIZED_PLACE(millpond_state_view_t, view, A_VIEW, slips(self, 12))

static const millpond_batch_t *a_batch(struct caller *self) {
    return self->batches[below(self, KEPT)];
}
static const millpond_error_t *an_error(struct caller *self) {
    return self->errors[below(self, KEPT)];
}

static const millpond_state_t *a_state(struct caller *self) {
    return self->states[below(self, KEPT)];
}

static const millpond_states_t *some_states(struct caller *self) {
    return self->views[below(self, KEPT)];
}

/* What is given back is not held any more. */
static millpond_states_t *own_states(struct caller *self) {
    millpond_states_t **kept = &self->views[below(self, KEPT)], *states = *kept;
    *kept = NULL;
    return states;
}
static millpond_state_t *own_state(struct caller *self) {
    millpond_state_t **kept = &self->states[below(self, KEPT)], *state = *kept;
    *kept = NULL;
    return state;
}
static millpond_batch_t *own_batch(struct caller *self) {
    millpond_batch_t **kept = &self->batches[below(self, KEPT)], *batch = *kept;
    *kept = NULL;
    return batch;
}
static millpond_error_t *own_error(struct caller *self) {
    millpond_error_t **kept = &self->errors[below(self, KEPT)], *error = *kept;
    *kept = NULL;
    return error;
}
static millpond_bytes_t *own_bytes(struct caller *self) {
    return slips(self, 12) ? NULL : &self->bytes[below(self, KEPT)];
}

#endif
