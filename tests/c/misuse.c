/* Any function, in any order, with anything, from several threads and callbacks: an answer that the
 * header lists, and nothing else.
 *
 * The calls are made from the header (calls.h), so that none can be forgotten; what they are given
 * is picked by pick.h. Memory is only given as the laws of the header allow. MILLPOND_SEED repeats
 * what each thread picks, MILLPOND_CALLS says how often it calls; how the threads interleave is up
 * to the system. */
#include "pick.h"

static pthread_mutex_t callback_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct caller callback_caller;

static volatile unsigned seen; /* so that what is read is read */

static void look_at_bytes(millpond_text_t bytes) {
    for (size_t i = 0; i < bytes.len; i++) seen += (unsigned char)bytes.data[i];
}
static void look_at_text(const char *text) { seen += (unsigned)strlen(text); }

static void look_at_memory(const void *data, size_t len) {
    millpond_text_t bytes;
    bytes.data = (const char *)data;
    bytes.len = len;
    look_at_bytes(bytes);
}

static void look_at_event(const millpond_event_t *event) {
    for (size_t i = 0; i < event->tag_count; i++) look_at_bytes(event->tags[i]);
    look_at_bytes(event->stream);
    look_at_bytes(event->app_id);
    look_at_memory(event->payload, event->payload_len);
}

/* An error is the one of its status, and says something. */
static void look_at_error(struct caller *self, const millpond_error_t *error, int32_t status) {
    millpond_text_t name = millpond_status_name(status);
    const char *message = millpond_error_message(error);
    CLAIM(millpond_error_number(error) == status && status != MILLPOND_OK);
    CLAIM(strlen(millpond_error_name(error)) == name.len);
    CLAIM(memcmp(millpond_error_name(error), name.data, name.len) == 0);
    CLAIM(*message && millpond_error_position(error) >= -1);
    CLAIM(millpond_error_is_retryable(error) == millpond_status_is_retryable(status));
    look_at_text(millpond_error_reason(error));
    look_at_text(millpond_error_missing(error));
    look_at_text(millpond_error_details(error));
}

static void keep_bytes(struct caller *self, millpond_bytes_t bytes) {
    millpond_bytes_t *kept = &self->bytes[below(self, KEPT)];
    CLAIM(bytes.data != NULL && bytes.data[bytes.len] == 0);
    look_at_memory(bytes.data, bytes.len);
    millpond_bytes_free(kept);
    CLAIM(kept->data == NULL && kept->len == 0);
    *kept = bytes;
}

static void attempt_one(struct caller *self);

static void on_batch(void *user_data, const millpond_batch_t *batch,
                     const millpond_error_t *error) {
    struct caller *self = &callback_caller;
    millpond_event_t event = MILLPOND_EVENT_INIT;
    (void)user_data;
    if (error) seen += (unsigned)millpond_error_number(error);
    for (size_t i = 0; i < millpond_batch_len(batch); i++)
        if (millpond_batch_get(batch, i, &event, NULL) == MILLPOND_OK) look_at_event(&event);
    /* One callback at a time goes on to call whatever it likes. */
    if (pthread_mutex_trylock(&callback_mutex)) return;
    CLAIM((batch == NULL) != (error == NULL));
    if (self->is_callback) attempt_one(self);
    pthread_mutex_unlock(&callback_mutex);
}

static void on_line(void *user_data, const millpond_log_record_t *record) {
    (void)user_data;
    look_at_bytes(record->target);
    look_at_bytes(record->message);
}

static void on_destroy(void *user_data) {
    (void)user_data;
    pthread_mutex_lock(&world.mutex);
    world.destroys++;
    pthread_mutex_unlock(&world.mutex);
}

static void look_at_state(const millpond_state_t *state) {
    millpond_state_view_t view = MILLPOND_STATE_VIEW_INIT;
    if (millpond_state_get(state, &view, NULL) != MILLPOND_OK) return;
    look_at_memory(view.bytes, view.bytes_len);
    look_at_bytes(view.token);
    look_at_bytes(view.last);
}

static void on_state(void *user_data, const millpond_state_t *state,
                     const millpond_error_t *error) {
    (void)user_data;
    if (error) seen += (unsigned)millpond_error_number(error);
    look_at_state(state);
}

/* Now and then it fails, and now and then it publishes or has run for the last time. */
static int32_t on_effect(void *user_data, const millpond_state_t *state, millpond_effect_t *effect,
                         const millpond_error_t *error) {
    millpond_draft_t draft = MILLPOND_DRAFT_INIT;
    (void)user_data;
    if (error) seen += (unsigned)millpond_error_number(error);
    if (!state) return 0;
    look_at_state(state);
    draft.payload = (const uint8_t *)"\1";
    draft.payload_len = 1;
    if (seen % 3 == 0) (void)millpond_effect_publish(effect, &draft, 1, NULL);
    if (seen % 7 == 0) (void)millpond_effect_fail(effect, TEXT("no"), NULL);
    return seen % 5 == 0 ? MILLPOND_EFFECT_LAST : seen % 11 == 0;
}

static int32_t on_load(void *user_data, const uint8_t *state, size_t len, millpond_job_t *job) {
    (void)user_data;
    look_at_memory(state, len);
    if (seen % 97 == 0) (void)millpond_job_fail(job, SIZE_MAX, TEXT("no"), NULL);
    return 0;
}

static int32_t on_apply(void *user_data, const millpond_batch_t *batch, millpond_job_t *job) {
    millpond_event_t event = MILLPOND_EVENT_INIT;
    (void)user_data;
    for (size_t i = 0; i < millpond_batch_len(batch); i++) {
        if (millpond_batch_get(batch, i, &event, NULL) == MILLPOND_OK) look_at_event(&event);
        if (seen % 31 == 0) (void)millpond_job_reset(job, seen % 2 ? i : SIZE_MAX, NULL);
        if (seen % 211 == 0) (void)millpond_job_fail(job, i, TEXT("no"), NULL);
    }
    return seen % 101 == 0;
}

static int32_t on_save(void *user_data, millpond_job_t *job) {
    (void)user_data;
    if (seen % 103 == 0) return 0; /* saves nothing */
    if (seen % 107 == 0) return millpond_job_save(job, 0, (const uint8_t *)"\377", 1, NULL);
    return millpond_job_save(job, MILLPOND_PAYLOAD_JSON, (const uint8_t *)"[1,2]", 5, NULL);
}

/* One of two fish by code, a built-in one, or none; now and then it fails, or says nonsense. */
static int32_t on_seed(void *user_data, const millpond_event_t *event, millpond_seed_t *seed) {
    millpond_fish_t fish = MILLPOND_FISH_INIT;
    static const millpond_text_t ids[] = {{TEXT("one")}, {TEXT("three")}};
    static const millpond_text_t fold = {TEXT("{\"fold\":\"count\"}")};
    (void)user_data;
    look_at_event(event);
    fish.query = grain_query;
    if (seen % 3 == 0) fish.fold = fold;
    else fish.id = ids[seen % 2], fish.load = on_load, fish.apply = on_apply, fish.save = on_save;
    if (seen % 5 == 0) return 0;
    (void)millpond_seed_fish(seed, seen % 41 == 0 ? NULL : &fish, NULL);
    if (seen % 43 == 0) (void)millpond_seed_fish(seed, &fish, NULL);
    if (seen % 47 == 0) (void)millpond_seed_fail(seed, TEXT("no"), NULL);
    return seen % 53 == 0;
}

static millpond_make_fish_callback_t a_make_fish_callback(struct caller *self) {
    return slips(self, 12) ? NULL : on_seed;
}
static millpond_state_callback_t a_state_callback(struct caller *self) {
    return slips(self, 12) ? NULL : on_state;
}
static millpond_effect_callback_t an_effect_callback(struct caller *self) {
    return slips(self, 12) ? NULL : on_effect;
}
static millpond_batch_callback_t a_batch_callback(struct caller *self) {
    return slips(self, 12) ? NULL : on_batch;
}
static millpond_log_callback_t a_log_callback(struct caller *self) {
    return one_in(self, 4) ? NULL : on_line;
}
static void *some_user_data(struct caller *self) { return one_in(self, 2) ? NULL : &world; }

/* Exactly one call of it is due, whatever becomes of the call that takes it. */
static millpond_destroy_t a_destroy(struct caller *self) {
    if (one_in(self, 4)) return NULL;
    pthread_mutex_lock(&world.mutex);
    world.destroys_due++;
    pthread_mutex_unlock(&world.mutex);
    return on_destroy;
}

static void take_outputs(struct caller *self) {
    const struct outputs *given = &self->outputs;
    if (self->asked & A_NODE) keep_handle(self, NODE, given->node.id);
    if (self->asked & A_CURSOR) keep_handle(self, CURSOR, given->cursor.id);
    if (self->asked & A_SUBSCRIPTION) keep_handle(self, SUBSCRIPTION, given->subscription.id);
    if (self->asked & A_CANCEL) keep_handle(self, CANCEL, given->cancel.id);
    if (self->asked & A_SESSION) keep_handle(self, SESSION, given->session.id);
    if (self->asked & AN_OBSERVER) keep_handle(self, OBSERVER, given->observer.id);
    if (self->asked & A_TURN) keep_handle(self, TURN, given->turn.id);
    /* There may be no claim. */
    if (self->asked & A_DOING && given->doing.id) keep_handle(self, DOING, given->doing.id);
    if (self->asked & A_GROUP) keep_handle(self, GROUP, given->group.id);
    if (self->asked & A_BLOB_WORK) keep_handle(self, BLOB_WORK, given->blob_work.id);
    if (self->asked & A_BLOB_READER) keep_handle(self, BLOB_READER, given->blob_reader.id);
    if (self->asked & A_BLOB_WRITER) keep_handle(self, BLOB_WRITER, given->blob_writer.id);
    if (self->asked & A_COUNT) CLAIM(given->count <= sizeof self->buffer);
    if (self->asked & STATES) {
        millpond_states_t **kept = &self->views[below(self, KEPT)];
        size_t count = millpond_states_len(given->states);
        CLAIM(millpond_states_is_end(given->states) == !millpond_states_number(given->states));
        for (size_t i = 0; i < count; i++) {
            CLAIM(millpond_states_fish_id(given->states, i).len > 0);
            look_at_state(millpond_states_state(given->states, i));
        }
        millpond_states_free(*kept);
        *kept = given->states;
    }
    if (self->asked & A_VIEW) look_at_bytes(given->view.known.token);
    if (self->asked & A_STATE) {
        millpond_state_t **kept = &self->states[below(self, KEPT)];
        millpond_state_free(*kept);
        *kept = given->state;
    }
    if (self->asked & BYTES) keep_bytes(self, given->bytes);
    if (self->asked & AN_EVENT) look_at_event(&given->event.known);
    if (self->asked & AN_FD) CLAIM(given->fd >= 0);
    if (strcmp(self->function, "millpond_blob_reader_fd") == 0) close(given->fd);
    if (self->asked & PUBLISHED) {
        CLAIM(given->published.known.struct_size == sizeof(millpond_published_t));
        int is_nothing = given->published.known.count == 0; /* of an effect */
        CLAIM(is_nothing == (given->published.known.first_lamport == 0));
        CLAIM(!is_nothing || strcmp(self->function, "millpond_observer_run") == 0);
        if (!is_nothing) keep_bytes(self, given->published.known.stream);
        if (!is_nothing) keep_bytes(self, given->published.known.token);
    }
    if (self->asked & A_BATCH) {
        millpond_batch_t **kept = &self->batches[below(self, KEPT)];
        millpond_batch_free(*kept);
        *kept = given->batch;
    }
}

/* What can be answered to a program that makes mistakes on a machine that makes none. */
static int is_expected(int32_t status) {
    switch (status) {
    case MILLPOND_OK:
    case MILLPOND_ERROR_INVALID_ARGUMENT:
    case MILLPOND_ERROR_LIMIT_EXCEEDED:
    case MILLPOND_ERROR_QUERY_INVALID:
    case MILLPOND_ERROR_CONFLICT:
    case MILLPOND_ERROR_NOT_FOUND:
    case MILLPOND_ERROR_NOT_YET_VISIBLE:
    case MILLPOND_ERROR_TIMEOUT:
    case MILLPOND_ERROR_CANCELLED:
    case MILLPOND_ERROR_CLOSED:
    case MILLPOND_ERROR_STORE_LOCKED: /* by a close of this process that takes long */
    case MILLPOND_ERROR_OVERDRAFT:
    case MILLPOND_ERROR_USER_CODE:
    case MILLPOND_ERROR_PEER_REFUSED: return 1;
    default: return 0;
    }
}

static void settle(struct caller *self, int32_t status) {
    millpond_error_t *error = self->outputs.error;
    if (!is_expected(status)) {
        printf("  status %d, %s\n", (int)status,
               self->asked & AN_ERROR ? millpond_error_message(error) : "");
        CLAIM(is_expected(status));
    }
    if (status == MILLPOND_OK) {
        self->ok_count++;
        CLAIM(error == self->before.error);
        take_outputs(self);
        return;
    }
    self->outputs.error = self->before.error;
    CLAIM(memcmp(&self->outputs, &self->before, sizeof self->outputs) == 0);
    if (!(self->asked & AN_ERROR)) {
        CLAIM(error == self->before.error);
        return;
    }
    look_at_error(self, error, status);
    millpond_error_t **kept = &self->errors[below(self, KEPT)];
    millpond_error_free(*kept);
    *kept = error;
}

#include "calls.h"

#define ATTEMPTS (sizeof attempts / sizeof *attempts)

static void attempt_one(struct caller *self) {
    const struct attempt *attempt = &attempts[below(self, ATTEMPTS)];
    /* Closings are rarer, so that there is something open. */
    if (strstr(attempt->name, "_close") && !one_in(self, 8)) return;
    self->is_careless = one_in(self, 2);
    self->asked = 0;
    free_copies(self);
    memset(&self->outputs, POISON, sizeof self->outputs);
    remember(self);
    self->function = attempt->name;
    attempt->run(self);
    self->call_count++;
}

/* Else the calls would only show how arguments are refused. */
static int has_succeeded_enough(const struct caller *self) {
    return self->ok_count > world.calls_due / 10;
}

/* Where nodes open slowly, for a while most calls are answered by closed handles: so a caller goes
   on until enough of its calls succeeded, at most ten times as long. */
static void *call_at_random(void *argument) {
    struct caller *self = (struct caller *)argument;
    unsigned long most = 10 * world.calls_due;
    while (self->call_count < world.calls_due ||
           (!has_succeeded_enough(self) && self->call_count < most))
        attempt_one(self);
    pthread_mutex_lock(&world.mutex);
    world.running--;
    pthread_cond_signal(&world.changed);
    pthread_mutex_unlock(&world.mutex);
    return NULL;
}

static void free_all(struct caller *self) {
    free_copies(self);
    for (size_t i = 0; i < KEPT; i++) {
        millpond_batch_free(self->batches[i]);
        millpond_error_free(self->errors[i]);
        millpond_state_free(self->states[i]);
        millpond_states_free(self->views[i]);
        millpond_bytes_free(&self->bytes[i]);
    }
}

/* Until the callers are done: closes one node after the other, so that no wait is without end. */
static void close_nodes_until_done(struct caller *self, const struct caller *callers) {
    unsigned long count = 0, before = 0;
    int idle = 0;
    pthread_mutex_lock(&world.mutex);
    while (world.running > 0) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 50 * 1000 * 1000;
        until.tv_sec += until.tv_nsec / 1000000000, until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&world.changed, &world.mutex, &until);
        millpond_node_t node = {world.handles[NODE][below(self, SLOTS)]};
        pthread_mutex_unlock(&world.mutex);
        (void)millpond_node_close(node, SOON, NULL);
        count = 0;
        for (int i = 0; i < CALLERS; i++) count += callers[i].call_count;
        idle = count == before ? idle + 1 : 0;
        before = count;
        if (idle > 3 * SOON / 50) {
            for (int i = 0; i < CALLERS; i++) printf("  hangs in %s\n", callers[i].function);
            fflush(stdout);
            abort();
        }
        pthread_mutex_lock(&world.mutex);
    }
    pthread_mutex_unlock(&world.mutex);
}

static void close_all(struct caller *self) {
    pthread_mutex_lock(&callback_mutex);
    callback_caller.is_callback = 0; /* it calls nothing any more */
    pthread_mutex_unlock(&callback_mutex);
    for (int kind = 0; kind < KINDS; kind++)
        for (int i = 0; i < SLOTS; i++) {
            if (world.handles[kind][i] == 0) continue;
            int32_t status = close_handle((enum kind)kind, world.handles[kind][i]);
            CLAIM(status == MILLPOND_OK || status == MILLPOND_ERROR_CLOSED);
        }
    OK(millpond_log_set(MILLPOND_LOG_WARN, NULL, NULL, NULL, NULL));
}

/* A node that is there all the time, for others to connect to. */
static millpond_node_t open_anchor(void) {
    millpond_node_t node = {0};
    millpond_node_options_t options = options_at(fresh_folder());
    put_on_loopback(&options);
    OK(millpond_node_open(&options, SOON, MILLPOND_NO_CANCEL, &node, NULL));
    OK(millpond_node_ticket(node, SOON, MILLPOND_NO_CANCEL, &world.ticket, NULL));
    OK(millpond_token_merge(NULL, 0, &world.token, NULL));
    return node;
}

static void whatever_is_called_gets_an_answer_that_the_header_lists(void) {
    static struct caller callers[CALLERS], self_;
    struct caller *self = &self_;
    pthread_t threads[CALLERS];
    const char *seed = getenv("MILLPOND_SEED"), *count = getenv("MILLPOND_CALLS");
    world.seed = seed ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL) * 1000003 + getpid();
    world.calls_due = getenv("MILLPOND_LONG") ? 200000 : 4000;
    if (count) world.calls_due = strtoul(count, NULL, 10);
    printf("  MILLPOND_SEED=%llu\n", (unsigned long long)world.seed);
    fflush(stdout);
    for (int i = 0; i < STORES; i++)
        snprintf(world.stores[i], sizeof world.stores[i], "%s", fresh_folder());
    snprintf(world.file, sizeof world.file, "%s", fresh_folder());
    millpond_node_t anchor = open_anchor();
    self->random = world.seed * 2 + 1;
    callback_caller.random = self->random * 31;
    callback_caller.is_callback = 1;
    self->function = callback_caller.function = "";
    for (int i = 0; i < CALLERS; i++) {
        callers[i].random = self->random * (uint64_t)(37 + 2 * i);
        callers[i].function = "";
        world.running++;
    }
    for (int i = 0; i < CALLERS; i++)
        CHECK(pthread_create(&threads[i], NULL, call_at_random, &callers[i]) == 0);
    close_nodes_until_done(self, callers);
    for (int i = 0; i < CALLERS; i++) pthread_join(threads[i], NULL);
    close_all(self);
    OK(millpond_node_close(anchor, SOON, NULL));
    millpond_bytes_free(&world.ticket);
    millpond_bytes_free(&world.token);
    for (int i = 0; i < CALLERS; i++) free_all(&callers[i]);
    free_all(&callback_caller);
    for (int i = 0; i < CALLERS; i++) CHECK(has_succeeded_enough(&callers[i]));
    CHECK(is_alone_soon());
    CHECK(world.destroys == world.destroys_due);
}

int main(void) {
    use_all();
    run("whatever is called gets an answer that the header lists",
        whatever_is_called_gets_an_answer_that_the_header_lists);
    return summary();
}
