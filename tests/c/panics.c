/* Longer than 500 lines because each function of the header that can fail is called here.
 *
 * A panic inside is MILLPOND_ERROR_INTERNAL: the node then refuses further work and closes cleanly,
 * and no other node is concerned.
 *
 * Every function that can fail is tried: at its own wall, where no node is concerned yet, and at
 * the walls of the facade that it passes (ffi/facade, `fault`). ffi/c/tests/functions.rs fails when
 * a function or a wall is missing. These have none, because nothing in them can panic:
 *   millpond_version, millpond_status_name, millpond_status_is_retryable: look at constants;
 *   millpond_batch_len, millpond_batch_is_end, millpond_batch_caught_up, millpond_batch_lag,
 *   millpond_batch_columns, millpond_batch_is_durable, millpond_batch_is_rewind,
 *   millpond_batch_rewind_to, millpond_state_is_end, millpond_states_len,
 *   millpond_states_is_end, millpond_states_number, millpond_states_fish_id,
 *   millpond_states_state,
 *   millpond_error_number, millpond_error_name, millpond_error_message, millpond_error_reason,
 *   millpond_error_position, millpond_error_is_retryable, millpond_error_missing,
 *   millpond_error_details: read one field;
 *   millpond_batch_free, millpond_bytes_free, millpond_error_free, millpond_state_free,
 *   millpond_states_free: give back memory. */
#include "check.h"
#include <pthread.h>

#define NC MILLPOND_NO_CANCEL
#define NS MILLPOND_NO_SESSION
#define ALL TEXT("FROM allEvents")

/* One node with everything on it; other nodes are nobody's business. */
struct scene {
    char path[4096];
    millpond_node_t node, opened;
    millpond_subscription_t subscription, followed;
    millpond_cursor_t cursor, asked;
    millpond_cancel_t cancel, token;
    millpond_observer_t observer, observed;
    millpond_turn_t turn, taken;
    millpond_group_t group, grouped;
    millpond_session_t session, made;
    millpond_doing_t doing, done;
    millpond_blob_work_t work, begun;
    millpond_blob_reader_t reader, read;
    millpond_blob_writer_t writer, written;
    int32_t fd;
    millpond_state_t *state, *given;
    millpond_states_t *states;
    millpond_batch_t *batch; /* of one event */
    millpond_batch_t *next;
    millpond_bytes_t bytes;
};

static millpond_node_t other;

typedef int32_t call_t(struct scene *on, millpond_error_t **error);

static int32_t abi_check(struct scene *on, millpond_error_t **error) {
    (void)on;
    return millpond_abi_check(MILLPOND_ABI_VERSION, error);
}
static int32_t batch_position(struct scene *on, millpond_error_t **error) {
    return millpond_batch_position(on->batch, &on->bytes, error);
}
static int32_t batch_get(struct scene *on, millpond_error_t **error) {
    millpond_event_t event = MILLPOND_EVENT_INIT;
    return millpond_batch_get(on->batch, 0, &event, error);
}
static int32_t cancel_new(struct scene *on, millpond_error_t **error) {
    return millpond_cancel_new(&on->token, error);
}
static int32_t cancel_trigger(struct scene *on, millpond_error_t **error) {
    return millpond_cancel_trigger(on->cancel, error);
}
static int32_t cancel_free(struct scene *on, millpond_error_t **error) {
    return millpond_cancel_free(on->cancel, error);
}
static int32_t node_query(struct scene *on, millpond_error_t **error) {
    return millpond_node_query(on->node, ALL, NULL, SOON, NC, &on->asked, error);
}
static millpond_batch_t **next_batch(struct scene *on) {
    millpond_batch_free(on->next);
    on->next = NULL;
    return &on->next;
}
static int32_t cursor_next(struct scene *on, millpond_error_t **error) {
    return millpond_cursor_next(on->cursor, 1, SOON, NC, next_batch(on), error);
}
static int32_t cursor_explain(struct scene *on, millpond_error_t **error) {
    return millpond_cursor_explain(on->cursor, SOON, NC, &on->bytes, error);
}
static int32_t cursor_close(struct scene *on, millpond_error_t **error) {
    return millpond_cursor_close(on->cursor, error);
}
static int32_t log_set(struct scene *on, millpond_error_t **error) {
    (void)on;
    return millpond_log_set(MILLPOND_LOG_WARN, NULL, NULL, NULL, error);
}
static int32_t node_open(struct scene *on, millpond_error_t **error) {
    millpond_node_options_t options = options_at(fresh_folder());
    return millpond_node_open(&options, SOON, NC, &on->opened, error);
}
static int32_t node_close(struct scene *on, millpond_error_t **error) {
    return millpond_node_close(on->node, SOON, error);
}
static int32_t node_id(struct scene *on, millpond_error_t **error) {
    return millpond_node_id(on->node, &on->bytes, error);
}
static int32_t node_ticket(struct scene *on, millpond_error_t **error) {
    return millpond_node_ticket(on->node, SOON, NC, &on->bytes, error);
}
static int32_t node_status(struct scene *on, millpond_error_t **error) {
    return millpond_node_status(on->node, SOON, NC, &on->bytes, error);
}
static int32_t node_next_status(struct scene *on, millpond_error_t **error) {
    uint64_t version = 0;
    return millpond_node_next_status(on->node, &version, SOON, NC, &on->bytes, error);
}
static int32_t cursor_completeness(struct scene *on, millpond_error_t **error) {
    return millpond_cursor_completeness(on->cursor, &on->bytes, error);
}
static int32_t node_metrics(struct scene *on, millpond_error_t **error) {
    return millpond_node_metrics(on->node, SOON, NC, &on->bytes, error);
}
static int32_t node_offsets(struct scene *on, millpond_error_t **error) {
    return millpond_node_offsets(on->node, &on->bytes, error);
}
static int32_t node_connect(struct scene *on, millpond_error_t **error) {
    return millpond_node_connect(on->node, TEXT("nobody"), SOON, NC, error);
}
static int32_t node_disconnect(struct scene *on, millpond_error_t **error) {
    return millpond_node_disconnect(on->node, TEXT("nobody"), SOON, NC, error);
}
static int32_t node_verify(struct scene *on, millpond_error_t **error) {
    return millpond_node_verify(on->node, SOON, NC, &on->bytes, error);
}

static int32_t node_compact(struct scene *on, millpond_error_t **error) {
    return millpond_node_compact(on->node, SOON, NC, &on->bytes, error);
}

static int32_t node_stats(struct scene *on, millpond_error_t **error) {
    return millpond_node_stats(on->node, &on->bytes, error);
}

static int32_t node_set_network(struct scene *on, millpond_error_t **error) {
    return millpond_node_set_network(on->node, 1, SOON, NC, error);
}
static int32_t node_set_secrets(struct scene *on, millpond_error_t **error) {
    return millpond_node_set_secrets(on->node, TEXT("ab"), NULL, 0, SOON, NC, error);
}
static int32_t payload_from_json(struct scene *on, millpond_error_t **error) {
    return millpond_payload_from_json(TEXT("1"), &on->bytes, error);
}
static int32_t payload_to_json(struct scene *on, millpond_error_t **error) {
    return millpond_payload_to_json((const uint8_t *)"\1", 1, &on->bytes, error);
}
static int32_t swarm_secret_new(struct scene *on, millpond_error_t **error) {
    return millpond_swarm_secret_new(&on->bytes, error);
}
static int32_t swarm_secret_next(struct scene *on, millpond_error_t **error) {
    return millpond_swarm_secret_next(TEXT("ab"), &on->bytes, error);
}
static int32_t ticket_parse(struct scene *on, millpond_error_t **error) {
    return millpond_ticket_parse(TEXT("nothing"), &on->bytes, error);
}
static int32_t node_publish(struct scene *on, millpond_error_t **error) {
    millpond_draft_t draft = MILLPOND_DRAFT_INIT;
    draft.payload = (const uint8_t *)"\1";
    draft.payload_len = 1;
    return millpond_node_publish(on->node, &draft, 1, NULL, SOON, NC, NULL, error);
}
static millpond_fish_t counting(void) {
    millpond_fish_t fish = MILLPOND_FISH_INIT;
    millpond_text_t fold = {TEXT("{\"fold\":\"count\"}")}, query = {ALL};
    fish.fold = fold;
    fish.query = query;
    return fish;
}
static millpond_state_t **next_state(struct scene *on) {
    millpond_state_free(on->given);
    on->given = NULL;
    return &on->given;
}
static int32_t node_observe(struct scene *on, millpond_error_t **error) {
    millpond_fish_t fish = counting();
    return millpond_node_observe(on->node, &fish, NULL, SOON, NC, &on->observed, error);
}
static int32_t node_state(struct scene *on, millpond_error_t **error) {
    millpond_fish_t fish = counting();
    return millpond_node_state(on->node, &fish, NULL, SOON, NC, next_state(on), error);
}
static int32_t observer_next(struct scene *on, millpond_error_t **error) {
    return millpond_observer_next(on->observer, SOON, NC, next_state(on), error);
}
static int32_t observer_state(struct scene *on, millpond_error_t **error) {
    return millpond_observer_state(on->observer, SOON, NC, next_state(on), error);
}
static int32_t observer_fd(struct scene *on, millpond_error_t **error) {
    int32_t fd;
    return millpond_observer_fd(on->observer, &fd, error);
}
static void ignore_state(void *user_data, const millpond_state_t *state,
                         const millpond_error_t *error) {
    (void)user_data, (void)state, (void)error;
}
static int32_t observer_call_back(struct scene *on, millpond_error_t **error) {
    return millpond_observer_call_back(on->observer, ignore_state, NULL, NULL, error);
}
static int32_t observer_close(struct scene *on, millpond_error_t **error) {
    return millpond_observer_close(on->observer, error);
}
static int32_t no_effect(void *user_data, const millpond_state_t *state, millpond_effect_t *effect,
                         const millpond_error_t *error) {
    (void)user_data, (void)state, (void)effect, (void)error;
    return 0;
}
static int32_t any_turn(struct scene *on, millpond_error_t **error) {
    return millpond_observer_turn(on->observer, MILLPOND_TURN_ANY, NS, SOON, NC, &on->taken, error);
}
static int32_t observer_run(struct scene *on, millpond_error_t **error) {
    return millpond_observer_run(on->observer, 0, no_effect, NULL, NULL, SOON, NC, NULL, error);
}
static int32_t observer_keep_running(struct scene *on, millpond_error_t **error) {
    return millpond_observer_keep_running(on->observer, no_effect, NULL, NULL, NULL, error);
}
static int32_t no_fish(void *user_data, const millpond_event_t *event, millpond_seed_t *seed) {
    (void)user_data, (void)event, (void)seed;
    return 0;
}
static int32_t node_observe_all(struct scene *on, millpond_error_t **error) {
    return millpond_node_observe_all(on->node, ALL, no_fish, NULL, NULL, NULL, SOON, NC,
                                     &on->grouped, error);
}
static int32_t node_observe_one(struct scene *on, millpond_error_t **error) {
    return millpond_node_observe_one(on->node, ALL, no_fish, NULL, NULL, NULL, SOON, NC,
                                     &on->grouped, error);
}
static int32_t group_next(struct scene *on, millpond_error_t **error) {
    millpond_states_free(on->states);
    on->states = NULL;
    return millpond_group_next(on->group, SOON, NC, &on->states, error);
}
static int32_t group_fd(struct scene *on, millpond_error_t **error) {
    int32_t fd;
    return millpond_group_fd(on->group, &fd, error);
}
static int32_t group_close(struct scene *on, millpond_error_t **error) {
    return millpond_group_close(on->group, error);
}
static int32_t seed_fish(struct scene *on, millpond_error_t **error) {
    (void)on;
    return millpond_seed_fish(NULL, NULL, error);
}
static int32_t seed_fail(struct scene *on, millpond_error_t **error) {
    (void)on;
    return millpond_seed_fail(NULL, TEXT("no"), error);
}
static int32_t turn_state(struct scene *on, millpond_error_t **error) {
    return millpond_turn_state(on->turn, next_state(on), error);
}
static int32_t turn_publish(struct scene *on, millpond_error_t **error) {
    millpond_draft_t draft = MILLPOND_DRAFT_INIT;
    draft.payload = (const uint8_t *)"\1";
    draft.payload_len = 1;
    return millpond_turn_publish(on->turn, &draft, 1, NULL, SOON, NC, NULL, error);
}
static int32_t turn_close(struct scene *on, millpond_error_t **error) {
    return millpond_turn_close(on->turn, error);
}
static int32_t state_get(struct scene *on, millpond_error_t **error) {
    millpond_state_view_t view = MILLPOND_STATE_VIEW_INIT;
    return millpond_state_get(on->state, &view, error);
}
static int32_t state_json(struct scene *on, millpond_error_t **error) {
    return millpond_state_json(on->state, &on->bytes, error);
}
static int32_t effect_publish(struct scene *on, millpond_error_t **error) {
    (void)on;
    return millpond_effect_publish(NULL, NULL, 0, error);
}
static int32_t effect_fail(struct scene *on, millpond_error_t **error) {
    (void)on;
    return millpond_effect_fail(NULL, TEXT("no"), error);
}
static int32_t job_fail(struct scene *on, millpond_error_t **error) {
    (void)on;
    return millpond_job_fail(NULL, 0, TEXT("no"), error);
}
static int32_t job_reset(struct scene *on, millpond_error_t **error) {
    (void)on;
    return millpond_job_reset(NULL, 0, error);
}
static int32_t job_save(struct scene *on, millpond_error_t **error) {
    (void)on;
    return millpond_job_save(NULL, 0, NULL, 0, error);
}
static int32_t token_merge(struct scene *on, millpond_error_t **error) {
    return millpond_token_merge(NULL, 0, &on->bytes, error);
}
static int32_t node_wait_for(struct scene *on, millpond_error_t **error) {
    millpond_bytes_t token = {NULL, 0};
    OK(millpond_token_merge(NULL, 0, &token, NULL));
    int32_t status = millpond_node_wait_for(on->node, (const char *)token.data, token.len, NULL, 0,
                                            SOON, NC, error);
    millpond_bytes_free(&token);
    return status;
}
static int32_t session_new(struct scene *on, millpond_error_t **error) {
    return millpond_session_new(&on->made, error);
}
static int32_t session_token(struct scene *on, millpond_error_t **error) {
    return millpond_session_token(on->session, &on->bytes, error);
}
static int32_t session_sees(struct scene *on, millpond_error_t **error) {
    millpond_bytes_t token = {NULL, 0};
    OK(millpond_token_merge(NULL, 0, &token, NULL));
    int32_t status =
        millpond_session_sees(on->session, (const char *)token.data, token.len, error);
    millpond_bytes_free(&token);
    return status;
}
static int32_t session_close(struct scene *on, millpond_error_t **error) {
    return millpond_session_close(on->session, error);
}
static int32_t node_act(struct scene *on, millpond_error_t **error) {
    millpond_deed_t deed = MILLPOND_DEED_INIT;
    millpond_text_t name = {TEXT("steel")};
    deed.kind = MILLPOND_DEED_ACCOUNT_CREATE;
    deed.name = name;
    return millpond_node_act(on->node, &deed, NULL, SOON, NC, NULL, error);
}
static int32_t node_answer_requests(struct scene *on, millpond_error_t **error) {
    return millpond_node_answer_requests(on->node, TEXT("steel"), 0, 0, error);
}
static int32_t node_hand_over(struct scene *on, millpond_error_t **error) {
    return millpond_node_hand_over_when_asked(on->node, TEXT("M-017"), 0, error);
}
static int32_t node_do(struct scene *on, millpond_error_t **error) {
    return millpond_node_do_optimistically(on->node, TEXT("M-018"), 0, NULL, 0, NULL, SOON, NC,
                                           &on->done, error);
}
static int32_t node_own_doing(struct scene *on, millpond_error_t **error) {
    return millpond_node_own_doing(on->node, TEXT("M-018"), SOON, NC, &on->done, error);
}
static int32_t doing_key(struct scene *on, millpond_error_t **error) {
    return millpond_doing_key(on->doing, &on->bytes, error);
}
static int32_t doing_next(struct scene *on, millpond_error_t **error) {
    return millpond_doing_next(on->doing, SOON, NC, &on->bytes, error);
}
static int32_t doing_lost(struct scene *on, millpond_error_t **error) {
    return millpond_doing_lost(on->doing, SOON, NC, &on->bytes, error);
}
static int32_t doing_fd(struct scene *on, millpond_error_t **error) {
    int32_t fd;
    return millpond_doing_fd(on->doing, &fd, error);
}
static int32_t doing_close(struct scene *on, millpond_error_t **error) {
    return millpond_doing_close(on->doing, error);
}
#define EMPTY TEXT("af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262")
static int32_t batch_blobs(struct scene *on, millpond_error_t **error) {
    return millpond_batch_blobs(on->batch, 0, &on->bytes, error);
}
static int32_t blob_add_file(struct scene *on, millpond_error_t **error) {
    return millpond_blob_add_file(on->node, TEXT("/nowhere"), NULL, &on->begun, error);
}
static int32_t blob_add_bytes(struct scene *on, millpond_error_t **error) {
    return millpond_blob_add_bytes(on->node, NULL, 0, NULL, SOON, NC, &on->bytes, error);
}
static int32_t blob_writer_new(struct scene *on, millpond_error_t **error) {
    return millpond_blob_writer_new(on->node, NULL, &on->written, error);
}
static int32_t blob_open(struct scene *on, millpond_error_t **error) {
    return millpond_blob_open(on->node, EMPTY, SOON, NC, &on->read, error);
}
static int32_t blob_get(struct scene *on, millpond_error_t **error) {
    return millpond_blob_get(on->node, EMPTY, 0, SOON, NC, &on->bytes, error);
}
static int32_t blob_export(struct scene *on, millpond_error_t **error) {
    return millpond_blob_export(on->node, EMPTY, TEXT("/nowhere/at/all"), NULL, &on->begun, error);
}
static int32_t blob_has(struct scene *on, millpond_error_t **error) {
    return millpond_blob_has(on->node, EMPTY, &on->fd, error);
}
static int32_t blob_stat(struct scene *on, millpond_error_t **error) {
    return millpond_blob_stat(on->node, EMPTY, &on->bytes, error);
}
static int32_t blob_list(struct scene *on, millpond_error_t **error) {
    return millpond_blob_list(on->node, NULL, 0, NULL, 0, 0, &on->bytes, error);
}
static int32_t blob_collect(struct scene *on, millpond_error_t **error) {
    return millpond_blob_collect(on->node, &on->begun, error);
}
static int32_t blob_verify(struct scene *on, millpond_error_t **error) {
    return millpond_blob_verify(on->node, NULL, 0, &on->begun, error);
}
static int32_t writer_write(struct scene *on, millpond_error_t **error) {
    return millpond_blob_writer_write(on->writer, (const uint8_t *)"x", 1, SOON, NC, error);
}
static int32_t writer_finish(struct scene *on, millpond_error_t **error) {
    return millpond_blob_writer_finish(on->writer, SOON, NC, &on->bytes, error);
}
static int32_t writer_close(struct scene *on, millpond_error_t **error) {
    return millpond_blob_writer_close(on->writer, error);
}
static int32_t reader_size(struct scene *on, millpond_error_t **error) {
    uint64_t size;
    return millpond_blob_reader_size(on->reader, &size, error);
}
static int32_t reader_read(struct scene *on, millpond_error_t **error) {
    uint8_t buffer[4];
    uintptr_t count;
    return millpond_blob_reader_read(on->reader, buffer, 4, SOON, NC, &count, error);
}
static int32_t reader_pread(struct scene *on, millpond_error_t **error) {
    uint8_t buffer[4];
    uintptr_t count;
    return millpond_blob_reader_pread(on->reader, 0, buffer, 4, SOON, NC, &count, error);
}
static int32_t reader_seek(struct scene *on, millpond_error_t **error) {
    uint64_t position;
    return millpond_blob_reader_seek(on->reader, 0, 0, &position, error);
}
static int32_t reader_next_chunk(struct scene *on, millpond_error_t **error) {
    return millpond_blob_reader_next_chunk(on->reader, SOON, NC, &on->bytes, error);
}
static int32_t reader_fd(struct scene *on, millpond_error_t **error) {
    return millpond_blob_reader_fd(on->reader, &on->fd, error);
}
static int32_t reader_close(struct scene *on, millpond_error_t **error) {
    return millpond_blob_reader_close(on->reader, error);
}
static int32_t work_next(struct scene *on, millpond_error_t **error) {
    millpond_blob_progress_t progress;
    return millpond_blob_work_next(on->work, SOON, NC, &progress, error);
}
static int32_t work_result(struct scene *on, millpond_error_t **error) {
    return millpond_blob_work_result(on->work, SOON, NC, &on->bytes, error);
}
static int32_t work_fd(struct scene *on, millpond_error_t **error) {
    return millpond_blob_work_fd(on->work, &on->fd, error);
}
static int32_t work_close(struct scene *on, millpond_error_t **error) {
    return millpond_blob_work_close(on->work, error);
}
static int32_t fence_admits(struct scene *on, millpond_error_t **error) {
    (void)on;
    return millpond_fence_admits(NULL, 0, TEXT("x"), error);
}
static int32_t node_account(struct scene *on, millpond_error_t **error) {
    return millpond_node_account(on->node, TEXT("steel"), NULL, 0, NULL, 0, NULL, SOON, NC,
                                 &on->bytes, error);
}
static int32_t node_claim(struct scene *on, millpond_error_t **error) {
    return millpond_node_claim(on->node, TEXT("M-017"), NULL, 0, NULL, SOON, NC, &on->bytes, error);
}
static int32_t node_who_does(struct scene *on, millpond_error_t **error) {
    return millpond_node_who_does(on->node, TEXT("M-017"), NULL, 0, NULL, SOON, NC, &on->bytes,
                                  error);
}
static int32_t node_subscribe(struct scene *on, millpond_error_t **error) {
    return millpond_node_subscribe(on->node, ALL, NULL, SOON, NC, &on->followed, error);
}
static void ignore(void *user_data, const millpond_batch_t *batch, const millpond_error_t *error) {
    (void)user_data, (void)batch, (void)error;
}
static int32_t node_subscribe_callback(struct scene *on, millpond_error_t **error) {
    return millpond_node_subscribe_callback(on->node, ALL, NULL, ignore, NULL, NULL, &on->followed,
                                            error);
}
static int32_t subscription_next(struct scene *on, millpond_error_t **error) {
    return millpond_subscription_next(on->subscription, 1, SOON, NC, next_batch(on), error);
}
static int32_t subscription_fd(struct scene *on, millpond_error_t **error) {
    int32_t fd;
    return millpond_subscription_fd(on->subscription, &fd, error);
}
static int32_t subscription_lag(struct scene *on, millpond_error_t **error) {
    uint64_t lag;
    return millpond_subscription_lag(on->subscription, &lag, error);
}
static int32_t subscription_position(struct scene *on, millpond_error_t **error) {
    return millpond_subscription_position(on->subscription, &on->bytes, error);
}
static int32_t subscription_close(struct scene *on, millpond_error_t **error) {
    return millpond_subscription_close(on->subscription, error);
}

#define GOES_ON MILLPOND_OK
#define REFUSES MILLPOND_ERROR_INTERNAL
#define IS_CLOSED MILLPOND_ERROR_CLOSED

/* A function, and the walls inside it with what the node does after a panic there. */
static const struct {
    const char *name;
    call_t *call;
    struct {
        const char *name;
        int32_t then;
    } walls[2];
} functions[] = {
    {"millpond_abi_check", abi_check, {{NULL, 0}}},
    {"millpond_batch_position", batch_position, {{NULL, 0}}},
    {"millpond_batch_get", batch_get, {{NULL, 0}}},
    {"millpond_cancel_new", cancel_new, {{"cancel_new", GOES_ON}}},
    {"millpond_cancel_trigger", cancel_trigger, {{"cancel_cancel", GOES_ON}}},
    {"millpond_cancel_free", cancel_free, {{"cancel_free", GOES_ON}}},
    {"millpond_node_query", node_query, {{"node_query", REFUSES}, {"node_query_work", REFUSES}}},
    {"millpond_cursor_next", cursor_next, {{"cursor_next_batch", REFUSES}, {"read", REFUSES}}},
    {"millpond_cursor_explain", cursor_explain,
     {{"cursor_explain", REFUSES}, {"cursor_explain_work", REFUSES}}},
    {"millpond_cursor_close", cursor_close, {{"cursor_close", REFUSES}}},
    {"millpond_log_set", log_set, {{"log_set_callback", GOES_ON}}},
    {"millpond_node_open", node_open, {{"node_open", GOES_ON}, {"node_open_work", GOES_ON}}},
    {"millpond_node_close", node_close, {{"node_close", REFUSES}, {"node_close_core", IS_CLOSED}}},
    {"millpond_node_id", node_id, {{"node_node_id", REFUSES}}},
    {"millpond_node_ticket", node_ticket, {{"node_ticket", REFUSES}}},
    {"millpond_node_status", node_status, {{"node_status_json", REFUSES}}},
    {"millpond_node_next_status", node_next_status, {{"node_next_status", REFUSES}}},
    {"millpond_cursor_completeness", cursor_completeness, {{"cursor_completeness", REFUSES}}},
    {"millpond_node_metrics", node_metrics, {{"node_metrics", REFUSES}}},
    {"millpond_node_verify", node_verify, {{"node_verify_json", REFUSES}}},
    {"millpond_node_compact", node_compact, {{"node_compact_json", REFUSES}}},
    {"millpond_node_stats", node_stats, {{"node_stats_json", REFUSES}}},
    {"millpond_node_offsets", node_offsets, {{"node_offsets", REFUSES}}},
    {"millpond_node_connect", node_connect, {{"node_connect", REFUSES}}},
    {"millpond_node_disconnect", node_disconnect, {{"node_disconnect", REFUSES}}},
    {"millpond_node_set_network", node_set_network, {{"node_set_network", REFUSES}}},
    {"millpond_node_set_secrets", node_set_secrets, {{"node_set_secrets", REFUSES}}},
    {"millpond_payload_from_json", payload_from_json, {{"json_to_cbor", GOES_ON}}},
    {"millpond_payload_to_json", payload_to_json, {{"json_from_cbor", GOES_ON}}},
    {"millpond_swarm_secret_new", swarm_secret_new, {{"swarm_secret_new", GOES_ON}}},
    {"millpond_swarm_secret_next", swarm_secret_next, {{"swarm_secret_next", GOES_ON}}},
    {"millpond_ticket_parse", ticket_parse, {{"ticket_parse", GOES_ON}}},
    {"millpond_node_publish", node_publish, {{"node_publish", REFUSES}}},
    {"millpond_node_subscribe", node_subscribe,
     {{"node_subscribe", REFUSES}, {"node_subscribe_work", REFUSES}}},
    {"millpond_node_subscribe_callback", node_subscribe_callback, {{"node_subscribe", REFUSES}}},
    {"millpond_subscription_next", subscription_next,
     {{"subscription_next_batch", REFUSES}, {"read", REFUSES}}},
    {"millpond_subscription_fd", subscription_fd, {{"subscription_fd", REFUSES}}},
    {"millpond_subscription_lag", subscription_lag, {{"subscription_lag", REFUSES}}},
    {"millpond_subscription_position", subscription_position, {{"subscription_position", REFUSES}}},
    {"millpond_subscription_close", subscription_close, {{"subscription_close", REFUSES}}},
    {"millpond_node_observe", node_observe,
     {{"node_observe", REFUSES}, {"node_observe_work", REFUSES}}},
    {"millpond_node_state", node_state, {{"node_state", REFUSES}}},
    {"millpond_observer_next", observer_next,
     {{"observer_next_state", REFUSES}, {"read", REFUSES}}},
    {"millpond_observer_state", observer_state,
     {{"observer_state", REFUSES}, {"awaited_answer", REFUSES}}},
    {"millpond_observer_fd", observer_fd, {{"observer_fd", REFUSES}}},
    {"millpond_observer_call_back", observer_call_back, {{"observer_call_back", REFUSES}}},
    {"millpond_observer_close", observer_close, {{"observer_close", REFUSES}}},
    {"millpond_observer_turn", any_turn,
     {{"observer_turn", REFUSES}, {"observer_take_turn", REFUSES}}},
    {"millpond_observer_run", observer_run, {{"observer_run", REFUSES}}},
    {"millpond_observer_keep_running", observer_keep_running,
     {{"observer_keep_running", REFUSES}}},
    {"millpond_node_observe_all", node_observe_all,
     {{"node_observe_group", REFUSES}, {"node_observe_group_work", REFUSES}}},
    {"millpond_node_observe_one", node_observe_one, {{"node_observe_group", REFUSES}}},
    {"millpond_group_next", group_next,
     {{"group_next_view", REFUSES}, {"group_next_step", REFUSES}}},
    {"millpond_group_fd", group_fd, {{"group_fd", REFUSES}}},
    {"millpond_group_close", group_close, {{"group_close", REFUSES}}},
    {"millpond_seed_fish", seed_fish, {{NULL, 0}}},
    {"millpond_seed_fail", seed_fail, {{NULL, 0}}},
    {"millpond_turn_state", turn_state, {{"turn_state", REFUSES}}},
    {"millpond_turn_publish", turn_publish,
     {{"turn_publish", REFUSES}, {"turn_publish_work", REFUSES}}},
    {"millpond_turn_close", turn_close, {{"turn_close", REFUSES}}},
    {"millpond_state_get", state_get, {{NULL, 0}}},
    {"millpond_state_json", state_json, {{NULL, 0}}},
    {"millpond_effect_publish", effect_publish, {{NULL, 0}}},
    {"millpond_effect_fail", effect_fail, {{NULL, 0}}},
    {"millpond_job_fail", job_fail, {{NULL, 0}}},
    {"millpond_job_reset", job_reset, {{NULL, 0}}},
    {"millpond_job_save", job_save, {{NULL, 0}}},
    {"millpond_token_merge", token_merge, {{"offsets_merge", GOES_ON}}},
    {"millpond_node_wait_for", node_wait_for, {{"node_wait_for", REFUSES}}},
    {"millpond_session_new", session_new, {{"session_new", GOES_ON}}},
    {"millpond_session_token", session_token, {{"session_token", GOES_ON}}},
    {"millpond_session_sees", session_sees, {{"session_sees", GOES_ON}}},
    {"millpond_session_close", session_close, {{"session_close", GOES_ON}}},
    {"millpond_node_act", node_act, {{"node_act", REFUSES}}},
    {"millpond_node_answer_requests", node_answer_requests, {{"node_answer_requests", REFUSES}}},
    {"millpond_node_hand_over_when_asked", node_hand_over,
     {{"node_hand_over_when_asked", REFUSES}}},
    {"millpond_node_do_optimistically", node_do, {{"node_do_optimistically", REFUSES}}},
    {"millpond_node_own_doing", node_own_doing,
     {{"node_own_doing", REFUSES}, {"node_own_doing_work", REFUSES}}},
    {"millpond_doing_key", doing_key, {{"doing_key", REFUSES}}},
    {"millpond_doing_next", doing_next, {{"doing_next_standing", REFUSES}, {"read", REFUSES}}},
    {"millpond_doing_lost", doing_lost, {{"doing_lost", REFUSES}}},
    {"millpond_doing_fd", doing_fd, {{"doing_fd", REFUSES}}},
    {"millpond_doing_close", doing_close, {{"doing_close", REFUSES}}},
    {"millpond_batch_blobs", batch_blobs, {{NULL, 0}}},
    {"millpond_blob_add_file", blob_add_file, {{"node_blob_add_path", REFUSES}}},
    {"millpond_blob_add_bytes", blob_add_bytes, {{"node_blob_add_bytes", REFUSES}}},
    {"millpond_blob_writer_new", blob_writer_new,
     {{"node_blob_writer", REFUSES}, {"node_blob_writer_work", REFUSES}}},
    {"millpond_blob_open", blob_open, {{"node_blob_open", REFUSES}, {"awaited_answer", REFUSES}}},
    {"millpond_blob_get", blob_get, {{"node_blob_get", REFUSES}}},
    {"millpond_blob_export", blob_export, {{"node_blob_export", REFUSES}}},
    {"millpond_blob_has", blob_has, {{"node_blob_has", REFUSES}}},
    {"millpond_blob_stat", blob_stat, {{"node_blob_stat", REFUSES}}},
    {"millpond_blob_list", blob_list, {{"node_blob_list", REFUSES}}},
    {"millpond_blob_collect", blob_collect, {{"node_blob_collect", REFUSES}}},
    {"millpond_blob_verify", blob_verify, {{"node_blob_verify", REFUSES}}},
    {"millpond_blob_writer_write", writer_write,
     {{"blob_writer_write", REFUSES}, {"blob_writer_write_work", REFUSES}}},
    {"millpond_blob_writer_finish", writer_finish, {{"blob_writer_finish", REFUSES}}},
    {"millpond_blob_writer_close", writer_close, {{"blob_writer_close", REFUSES}}},
    {"millpond_blob_reader_size", reader_size, {{"blob_reader_size", REFUSES}}},
    {"millpond_blob_reader_read", reader_read, {{"blob_reader_read", REFUSES}}},
    {"millpond_blob_reader_pread", reader_pread, {{"blob_reader_read_at", REFUSES}}},
    {"millpond_blob_reader_seek", reader_seek, {{"blob_reader_seek", REFUSES}}},
    {"millpond_blob_reader_next_chunk", reader_next_chunk, {{"blob_reader_next_chunk", REFUSES}}},
    {"millpond_blob_reader_fd", reader_fd, {{"blob_reader_file", REFUSES}}},
    {"millpond_blob_reader_close", reader_close, {{"blob_reader_close", REFUSES}}},
    {"millpond_blob_work_next", work_next, {{"blob_work_next", REFUSES}}},
    {"millpond_blob_work_result", work_result, {{"blob_work_result", REFUSES}}},
    {"millpond_blob_work_fd", work_fd, {{"blob_work_fd", REFUSES}}},
    {"millpond_blob_work_close", work_close, {{"blob_work_close", REFUSES}}},
    {"millpond_fence_admits", fence_admits, {{"fence_admits", GOES_ON}}},
    {"millpond_node_account", node_account,
     {{"node_account", REFUSES}, {"node_account_work", REFUSES}}},
    {"millpond_node_claim", node_claim, {{"node_claim", REFUSES}, {"node_claim_work", REFUSES}}},
    {"millpond_node_who_does", node_who_does,
     {{"node_who_does", REFUSES}, {"node_who_does_work", REFUSES}}},
};

static struct scene set(void) {
    struct scene scene;
    memset(&scene, 0, sizeof scene);
    snprintf(scene.path, sizeof scene.path, "%s", fresh_folder());
    millpond_node_options_t options = options_at(scene.path);
    OK(millpond_node_open(&options, SOON, NC, &scene.node, NULL));
    OK(publish(scene.node, "grain", "1"));
    scene.subscription = subscribe(scene.node);
    OK(millpond_cancel_new(&scene.cancel, NULL));
    OK(millpond_node_query(scene.node, ALL, NULL, SOON, NC, &scene.cursor, NULL));
    OK(millpond_cursor_next(scene.cursor, 1, SOON, NC, &scene.batch, NULL));
    millpond_fish_t fish = counting();
    OK(millpond_node_observe(scene.node, &fish, NULL, SOON, NC, &scene.observer, NULL));
    OK(millpond_observer_state(scene.observer, SOON, NC, &scene.state, NULL));
    /* On another fish, so that others get turns on this one. */
    millpond_text_t query = {TEXT("FROM 'turn'")};
    fish.query = query;
    OK(millpond_node_observe(scene.node, &fish, NULL, SOON, NC, &scene.observed, NULL));
    OK(millpond_observer_turn(scene.observed, 0, NS, SOON, NC, &scene.turn, NULL));
    OK(millpond_observer_close(scene.observed, NULL));
    scene.observed.id = 0;
    OK(millpond_session_new(&scene.session, NULL));
    OK(millpond_node_observe_all(scene.node, ALL, no_fish, NULL, NULL, NULL, SOON, NC, &scene.group,
                                 NULL));
    OK(millpond_node_do_optimistically(scene.node, TEXT("M-018"), 0, NULL, 0, NULL, SOON, NC,
                                       &scene.doing, NULL));
    OK(millpond_blob_add_bytes(scene.node, NULL, 0, NULL, SOON, NC, &scene.bytes, NULL));
    millpond_bytes_free(&scene.bytes);
    OK(millpond_blob_open(scene.node, EMPTY, SOON, NC, &scene.reader, NULL));
    OK(millpond_blob_writer_new(scene.node, NULL, &scene.writer, NULL));
    OK(millpond_blob_verify(scene.node, NULL, 0, &scene.work, NULL));
    return scene;
}

static void is_over(int32_t status) {
    CHECK(status == MILLPOND_OK || status == MILLPOND_ERROR_CLOSED);
}

/* Everything closes cleanly, whatever happened to it. */
static void clear(struct scene *scene) {
    millpond_batch_free(scene->batch);
    millpond_batch_free(scene->next);
    millpond_bytes_free(&scene->bytes);
    millpond_state_free(scene->state);
    millpond_state_free(scene->given);
    is_over(millpond_turn_close(scene->turn, NULL));
    is_over(millpond_observer_close(scene->observer, NULL));
    millpond_states_free(scene->states);
    is_over(millpond_group_close(scene->group, NULL));
    if (scene->grouped.id) OK(millpond_group_close(scene->grouped, NULL));
    is_over(millpond_session_close(scene->session, NULL));
    is_over(millpond_blob_work_close(scene->work, NULL));
    is_over(millpond_blob_reader_close(scene->reader, NULL));
    is_over(millpond_blob_writer_close(scene->writer, NULL));
    if (scene->begun.id) is_over(millpond_blob_work_close(scene->begun, NULL));
    if (scene->read.id) is_over(millpond_blob_reader_close(scene->read, NULL));
    if (scene->written.id) is_over(millpond_blob_writer_close(scene->written, NULL));
    if (scene->doing.id) is_over(millpond_doing_close(scene->doing, NULL));
    if (scene->done.id) OK(millpond_doing_close(scene->done, NULL));
    if (scene->taken.id) is_over(millpond_turn_close(scene->taken, NULL));
    if (scene->observed.id) OK(millpond_observer_close(scene->observed, NULL));
    if (scene->made.id) OK(millpond_session_close(scene->made, NULL));
    is_over(millpond_cancel_free(scene->cancel, NULL));
    is_over(millpond_cursor_close(scene->cursor, NULL));
    is_over(millpond_subscription_close(scene->subscription, NULL));
    if (scene->token.id) OK(millpond_cancel_free(scene->token, NULL));
    if (scene->asked.id) OK(millpond_cursor_close(scene->asked, NULL));
    if (scene->followed.id) OK(millpond_subscription_close(scene->followed, NULL));
    if (scene->opened.id) OK(millpond_node_close(scene->opened, SOON, NULL));
    is_over(millpond_node_close(scene->node, SOON, NULL));
    STATUS(MILLPOND_ERROR_CLOSED, millpond_node_close(scene->node, SOON, NULL));
}

/* What the store holds once it is opened again. */
static size_t count_again(const char *path) {
    millpond_node_options_t options = options_at(path);
    millpond_node_t node = {0};
    millpond_cursor_t cursor = {0};
    millpond_batch_t *batch = NULL;
    OK(millpond_node_open(&options, SOON, NC, &node, NULL));
    OK(millpond_node_query(node, ALL, NULL, SOON, NC, &cursor, NULL));
    OK(millpond_cursor_next(cursor, 0, SOON, NC, &batch, NULL));
    size_t count = millpond_batch_len(batch);
    millpond_batch_free(batch);
    OK(millpond_cursor_close(cursor, NULL));
    OK(millpond_node_close(node, SOON, NULL));
    return count;
}

/* Calls `call` once with a panic at `wall`; the node then does `then`. */
static void panic_at(const char *wall, call_t *call, int32_t then) {
    struct scene scene = set();
    millpond_error_t *error = NULL;
    int failures_before = failures_here;
    setenv("MILLPOND_PANIC_AT", wall, 1);
    int32_t status = call(&scene, &error);
    unsetenv("MILLPOND_PANIC_AT");
    STATUS(MILLPOND_ERROR_INTERNAL, status);
    CHECK(strcmp(millpond_error_reason(error), "panic") == 0);
    CHECK(strstr(millpond_error_message(error), wall) != NULL);
    millpond_error_free(error);
    STATUS(then, publish(scene.node, "grain", "2"));
    if (then == REFUSES) {
        static call_t *const refused[] = {node_id, node_query, node_status, node_subscribe,
                                          cursor_next, subscription_next, subscription_lag};
        for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
            error = NULL;
            int32_t answer = refused[i](&scene, &error);
            /* What was closed says so first. */
            CHECK(answer == REFUSES || (answer == IS_CLOSED && strstr(wall, "close")));
            if (answer == REFUSES) CHECK(strcmp(millpond_error_reason(error), "poisoned") == 0);
            millpond_error_free(error);
        }
    }
    OK(publish(other, "grain", "1"));
    clear(&scene);
    CHECK(count_again(scene.path) == (then == GOES_ON ? 3 : 2));
    if (failures_here > failures_before) printf("  after a panic at %s\n", wall);
}

static void a_panic_at_any_wall_is_internal_and_concerns_one_node_at_most(void) {
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        panic_at(functions[i].name, functions[i].call, GOES_ON);
        for (size_t wall = 0; wall < 2 && functions[i].walls[wall].name; wall++)
            panic_at(functions[i].walls[wall].name, functions[i].call,
                     functions[i].walls[wall].then);
    }
}

struct listener {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int call_count, destroy_count;
    int32_t number;
};

static void on_batch(void *user_data, const millpond_batch_t *batch,
                     const millpond_error_t *error) {
    struct listener *self = (struct listener *)user_data;
    pthread_mutex_lock(&self->mutex);
    CHECK((batch == NULL) != (error == NULL));
    self->call_count++;
    self->number = millpond_error_number(error);
    pthread_mutex_unlock(&self->mutex);
}

static void on_destroy(void *user_data) {
    struct listener *self = (struct listener *)user_data;
    pthread_mutex_lock(&self->mutex);
    self->destroy_count++;
    pthread_cond_signal(&self->changed);
    pthread_mutex_unlock(&self->mutex);
}

static void a_callback_is_told_of_a_panic_once_and_freed(void) {
    struct listener self = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, 0};
    struct scene scene = set();
    setenv("MILLPOND_PANIC_AT", "read", 1);
    OK(millpond_node_subscribe_callback(scene.node, ALL, NULL, on_batch, &self, on_destroy,
                                        &scene.followed, NULL));
    pthread_mutex_lock(&self.mutex);
    while (self.destroy_count == 0) pthread_cond_wait(&self.changed, &self.mutex);
    CHECK(self.call_count == 1 && self.number == MILLPOND_ERROR_INTERNAL);
    pthread_mutex_unlock(&self.mutex);
    unsetenv("MILLPOND_PANIC_AT");
    STATUS(MILLPOND_ERROR_INTERNAL, publish(scene.node, "grain", "2"));
    OK(publish(other, "grain", "1"));
    clear(&scene);
    CHECK(self.destroy_count == 1 && self.call_count == 1);
}

int main(void) {
    use_all();
    if (getenv("MILLPOND_TEST_NO_FAULTS")) {
        puts("skipped: injected panics need a build with debug assertions");
        return 0;
    }
    setenv("RUST_BACKTRACE", "0", 1); /* a backtrace each would take most of the time */
    other = open_node();
    run("a panic at any wall is internal, and concerns one node at most",
        a_panic_at_any_wall_is_internal_and_concerns_one_node_at_most);
    run("a callback is told of a panic once, and freed",
        a_callback_is_told_of_a_panic_once_and_freed);
    OK(millpond_node_close(other, SOON, NULL));
    return summary();
}
