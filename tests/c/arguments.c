/* Every function with every pointer NULL, with bad UTF-8, with huge lengths: an error, never more.
 * ffi/c/tests/functions.rs fails when a pointer of the header is not given as NULL here. */
#include "check.h"

static millpond_node_t node;
static millpond_subscription_t subscription;
static millpond_cursor_t cursor;

static void ignore_batch(void *user_data, const millpond_batch_t *batch,
                         const millpond_error_t *error) {
    (void)user_data, (void)batch, (void)error;
}

#define REFUSED(...) STATUS(MILLPOND_ERROR_INVALID_ARGUMENT, __VA_ARGS__)
#define NC MILLPOND_NO_CANCEL
#define NS MILLPOND_NO_SESSION

static void null_is_an_error_for_every_pointer(void) {
    millpond_node_options_t options = options_at("/nowhere");
    millpond_draft_t draft = MILLPOND_DRAFT_INIT;
    millpond_batch_t *batch = NULL;
    millpond_node_t opened;
    millpond_subscription_t followed;
    millpond_event_t event = MILLPOND_EVENT_INIT;
    millpond_bytes_t bytes = {NULL, 0};
    REFUSED(millpond_node_open(NULL, SOON, NC, &opened, NULL));
    REFUSED(millpond_node_open(&options, SOON, NC, NULL, NULL));
    REFUSED(millpond_node_id(node, NULL, NULL));
    REFUSED(millpond_node_ticket(node, SOON, NC, NULL, NULL));
    REFUSED(millpond_node_status(node, SOON, NC, NULL, NULL));
    REFUSED(millpond_node_metrics(node, SOON, NC, NULL, NULL));
    REFUSED(millpond_node_next_status(node, NULL, SOON, NC, NULL, NULL));
    REFUSED(millpond_node_verify(node, SOON, NC, NULL, NULL));
    REFUSED(millpond_node_compact(node, SOON, NC, NULL, NULL));
    REFUSED(millpond_node_stats(node, NULL, NULL));
    REFUSED(millpond_node_offsets(node, NULL, NULL));
    REFUSED(millpond_node_connect(node, NULL, 0, SOON, NC, NULL));
    REFUSED(millpond_node_disconnect(node, NULL, 0, SOON, NC, NULL));
    REFUSED(millpond_node_publish(node, NULL, 1, NULL, SOON, NC, NULL, NULL));
    REFUSED(millpond_node_publish(node, NULL, 0, NULL, SOON, NC, NULL, NULL));
    REFUSED(millpond_node_publish(node, &draft, 1, NULL, SOON, NC, NULL, NULL));
    REFUSED(millpond_node_query(node, NULL, 0, NULL, SOON, NC, &cursor, NULL));
    REFUSED(millpond_node_query(node, TEXT("FROM allEvents"), NULL, SOON, NC, NULL, NULL));
    REFUSED(millpond_cursor_next(cursor, 0, SOON, NC, NULL, NULL));
    REFUSED(millpond_cursor_explain(cursor, SOON, NC, NULL, NULL));
    REFUSED(millpond_cursor_completeness(cursor, NULL, NULL));
    REFUSED(millpond_node_subscribe(node, NULL, 0, NULL, SOON, NC, &followed, NULL));
    REFUSED(millpond_node_subscribe(node, TEXT("FROM allEvents"), NULL, SOON, NC, NULL, NULL));
    REFUSED(millpond_node_subscribe_callback(node, NULL, 0, NULL, ignore_batch, NULL, NULL,
                                             &followed, NULL));
    REFUSED(millpond_node_subscribe_callback(node, TEXT("FROM allEvents"), NULL, NULL, NULL, NULL,
                                             &followed, NULL));
    REFUSED(millpond_node_subscribe_callback(node, TEXT("FROM allEvents"), NULL, ignore_batch, NULL,
                                             NULL, NULL, NULL));
    REFUSED(millpond_subscription_next(subscription, 0, SOON, NC, NULL, NULL));
    REFUSED(millpond_subscription_fd(subscription, NULL, NULL));
    REFUSED(millpond_subscription_lag(subscription, NULL, NULL));
    REFUSED(millpond_subscription_position(subscription, NULL, NULL));
    REFUSED(millpond_cancel_new(NULL, NULL));
    REFUSED(millpond_batch_get(NULL, 0, &event, NULL));
    REFUSED(millpond_batch_position(NULL, &bytes, NULL));
    CHECK(millpond_batch_len(NULL) == 0 && !millpond_batch_is_end(NULL));
    CHECK(!millpond_batch_caught_up(NULL) && millpond_batch_lag(NULL) == 0);
    CHECK(millpond_batch_is_durable(NULL));
    CHECK(millpond_batch_columns(NULL) == 0);
    OK(millpond_subscription_next(subscription, 0, SOON, NC, &batch, NULL));
    REFUSED(millpond_batch_get(batch, 0, NULL, NULL));
    REFUSED(millpond_batch_position(batch, NULL, NULL));
    millpond_batch_free(batch);
    millpond_batch_free(NULL);
    millpond_bytes_free(NULL);
    millpond_error_free(NULL);
    CHECK(millpond_error_number(NULL) == 0 && strcmp(millpond_error_name(NULL), "ok") == 0);
    CHECK(strcmp(millpond_error_message(NULL), "") == 0);
    CHECK(strcmp(millpond_error_reason(NULL), "") == 0);
    CHECK(millpond_error_position(NULL) == -1 && millpond_error_is_retryable(NULL) == 0);
    CHECK(millpond_version() != NULL && millpond_status_name(12345).len == 7);
    CHECK(!millpond_status_is_retryable(12345) && !millpond_status_is_retryable(-1));
    CHECK(millpond_status_is_retryable(MILLPOND_ERROR_TIMEOUT) == 1);
    CHECK(bytes.data == NULL);
}

static int32_t no_effect(void *user_data, const millpond_state_t *state, millpond_effect_t *effect,
                         const millpond_error_t *error) {
    (void)user_data, (void)state, (void)effect, (void)error;
    return 0;
}

static void null_is_an_error_for_fish_too(void) {
    millpond_observer_t observer = {0}, opened = {0};
    millpond_turn_t turn = {0};
    millpond_state_t *state = NULL;
    millpond_state_view_t view = MILLPOND_STATE_VIEW_INIT;
    millpond_fish_t fish = MILLPOND_FISH_INIT;
    millpond_draft_t draft = MILLPOND_DRAFT_INIT;
    millpond_bytes_t bytes = {NULL, 0};
    millpond_text_t fold = {TEXT("{\"fold\":\"count\"}")}, query = {TEXT("FROM allEvents")};
    fish.query = query;
    REFUSED(millpond_node_observe(node, &fish, NULL, SOON, NC, &opened, NULL)); /* no id, no code */
    fish.fold = fold;
    REFUSED(millpond_node_observe(node, NULL, NULL, SOON, NC, &opened, NULL));
    REFUSED(millpond_node_observe(node, &fish, NULL, SOON, NC, NULL, NULL));
    REFUSED(millpond_node_state(node, NULL, NULL, SOON, NC, &state, NULL));
    REFUSED(millpond_node_state(node, &fish, NULL, SOON, NC, NULL, NULL));
    OK(millpond_node_observe(node, &fish, NULL, SOON, NC, &observer, NULL));
    REFUSED(millpond_observer_next(observer, SOON, NC, NULL, NULL));
    REFUSED(millpond_observer_state(observer, SOON, NC, NULL, NULL));
    REFUSED(millpond_observer_fd(observer, NULL, NULL));
    REFUSED(millpond_observer_call_back(observer, NULL, NULL, NULL, NULL));
    REFUSED(millpond_observer_turn(observer, 0, NS, SOON, NC, NULL, NULL));
    REFUSED(millpond_observer_turn(observer, 7, NS, SOON, NC, &turn, NULL));
    REFUSED(millpond_observer_run(observer, 0, NULL, NULL, NULL, SOON, NC, NULL, NULL));
    OK(millpond_observer_run(observer, 0, no_effect, NULL, NULL, SOON, NC, NULL, NULL));
    REFUSED(millpond_observer_keep_running(observer, NULL, NULL, NULL, NULL, NULL));
    OK(millpond_observer_turn(observer, 0, NS, SOON, NC, &turn, NULL));
    REFUSED(millpond_turn_state(turn, NULL, NULL));
    REFUSED(millpond_turn_publish(turn, NULL, 1, NULL, SOON, NC, NULL, NULL));
    OK(millpond_turn_close(turn, NULL));
    REFUSED(millpond_effect_publish(NULL, NULL, 1, NULL));
    REFUSED(millpond_effect_publish(NULL, &draft, 0, NULL));
    REFUSED(millpond_effect_fail(NULL, NULL, 0, NULL));
    REFUSED(millpond_effect_fail(NULL, TEXT("no"), NULL));
    REFUSED(millpond_job_fail(NULL, 0, NULL, 0, NULL));
    REFUSED(millpond_job_fail(NULL, 0, TEXT("no"), NULL));
    REFUSED(millpond_job_reset(NULL, 0, NULL));
    REFUSED(millpond_job_save(NULL, 0, NULL, 1, NULL));
    REFUSED(millpond_job_save(NULL, 0, (const uint8_t *)"\1", 1, NULL));
    REFUSED(millpond_state_get(NULL, &view, NULL));
    REFUSED(millpond_state_json(NULL, &bytes, NULL));
    OK(millpond_observer_state(observer, SOON, NC, &state, NULL));
    REFUSED(millpond_state_get(state, NULL, NULL));
    REFUSED(millpond_state_json(state, NULL, NULL));
    CHECK(!millpond_state_is_end(NULL) && !millpond_state_is_end(state));
    millpond_state_free(state);
    millpond_state_free(NULL);
    OK(millpond_observer_close(observer, NULL));
    CHECK(bytes.data == NULL);
}

static int32_t refused_load(void *user_data, const uint8_t *state, size_t len,
                            millpond_job_t *job) {
    (void)user_data, (void)state, (void)len, (void)job;
    return 1;
}

static int32_t refused_apply(void *user_data, const millpond_batch_t *batch, millpond_job_t *job) {
    (void)user_data, (void)batch, (void)job;
    return 1;
}

static int32_t refused_save(void *user_data, millpond_job_t *job) {
    (void)user_data, (void)job;
    return 1;
}

static void what_is_yes_or_no_is_1_or_0(void) {
    millpond_observer_t observer = {0};
    millpond_deed_t deed = MILLPOND_DEED_INIT;
    millpond_text_t name = {TEXT("M-017")}, query = {TEXT("FROM allEvents")};
    millpond_fish_t fish = MILLPOND_FISH_INIT;
    fish.id = name;
    fish.query = query;
    fish.load = refused_load;
    fish.apply = refused_apply;
    fish.save = refused_save;
    fish.is_grow_only = 7;
    REFUSED(millpond_node_observe(node, &fish, NULL, SOON, NC, &observer, NULL));
    deed.name = name;
    deed.kind = MILLPOND_DEED_CLAIM_CREATE;
    OK(millpond_node_act(node, &deed, NULL, SOON, NC, NULL, NULL));
    deed.kind = MILLPOND_DEED_CLAIM_REQUEST;
    deed.amount = 2;
    REFUSED(millpond_node_act(node, &deed, NULL, SOON, NC, NULL, NULL));
    deed.amount = -1;
    REFUSED(millpond_node_act(node, &deed, NULL, SOON, NC, NULL, NULL));
    deed.amount = 1;
    OK(millpond_node_act(node, &deed, NULL, SOON, NC, NULL, NULL));
    deed.kind = MILLPOND_DEED_CLAIM_RECOVER;
    deed.is_alone = 7;
    REFUSED(millpond_node_act(node, &deed, NULL, SOON, NC, NULL, NULL));
    deed.is_alone = 1;
    STATUS(MILLPOND_ERROR_NOT_FOUND,
           millpond_node_act(node, &deed, NULL, SOON, NC, NULL, NULL)); /* nothing to recover */
    deed.idempotency_key_len = 1;
    REFUSED(millpond_node_act(node, &deed, NULL, SOON, NC, NULL, NULL)); /* a NULL of 1 byte */
}

static int32_t no_fish(void *user_data, const millpond_event_t *event, millpond_seed_t *seed) {
    millpond_fish_t fish = MILLPOND_FISH_INIT;
    (void)user_data, (void)event;
    REFUSED(millpond_seed_fish(NULL, &fish, NULL));
    REFUSED(millpond_seed_fish(seed, NULL, NULL));
    REFUSED(millpond_seed_fish(seed, &fish, NULL)); /* no query */
    REFUSED(millpond_seed_fail(seed, NULL, 0, NULL));
    return 0;
}

static void null_is_an_error_for_groups_too(void) {
    millpond_group_t group = {0};
    millpond_states_t *states = NULL;
    int32_t fd;
    REFUSED(millpond_node_observe_all(node, NULL, 0, no_fish, NULL, NULL, NULL, SOON, NC, &group,
                                      NULL));
    REFUSED(millpond_node_observe_all(node, TEXT("FROM allEvents"), NULL, NULL, NULL, NULL, SOON,
                                      NC, &group, NULL));
    REFUSED(millpond_node_observe_all(node, TEXT("FROM allEvents"), no_fish, NULL, NULL, NULL, SOON,
                                      NC, NULL, NULL));
    REFUSED(millpond_node_observe_one(node, NULL, 0, no_fish, NULL, NULL, NULL, SOON, NC, &group,
                                      NULL));
    REFUSED(millpond_node_observe_one(node, TEXT("FROM allEvents"), NULL, NULL, NULL, NULL, SOON,
                                      NC, &group, NULL));
    REFUSED(millpond_node_observe_one(node, TEXT("FROM allEvents"), no_fish, NULL, NULL, NULL, SOON,
                                      NC, NULL, NULL));
    CHECK(group.id == 0);
    OK(millpond_node_observe_all(node, TEXT("FROM allEvents"), no_fish, NULL, NULL, NULL, SOON, NC,
                                 &group, NULL));
    REFUSED(millpond_group_next(group, SOON, NC, NULL, NULL));
    REFUSED(millpond_group_fd(group, NULL, NULL));
    OK(millpond_group_fd(group, &fd, NULL));
    OK(millpond_group_next(group, SOON, NC, &states, NULL));
    CHECK(millpond_states_len(states) == 0 && !millpond_states_is_end(states));
    CHECK(millpond_states_number(states) == 1);
    CHECK(millpond_states_fish_id(states, 0).data == NULL);
    CHECK(millpond_states_state(states, SIZE_MAX) == NULL);
    millpond_states_free(states);
    OK(millpond_group_close(group, NULL));
    millpond_states_free(NULL);
    CHECK(millpond_states_len(NULL) == 0 && !millpond_states_is_end(NULL));
    CHECK(millpond_states_number(NULL) == 0 && millpond_states_fish_id(NULL, 0).data == NULL);
    CHECK(millpond_states_state(NULL, 0) == NULL);
    REFUSED(millpond_seed_fail(NULL, TEXT("no"), NULL));
}

static void an_id_names_an_account_and_no_claim(void) {
    static const char ID[] = "abababababababababababababababab";
    millpond_deed_t deed = MILLPOND_DEED_INIT;
    deed.name.data = "x", deed.name.len = 1;
    deed.id.data = ID, deed.id.len = sizeof ID - 1;
    for (deed.kind = MILLPOND_DEED_CLAIM_CREATE; deed.kind <= MILLPOND_DEED_DOING_RELEASE;
         deed.kind++)
        REFUSED(millpond_node_act(node, &deed, NULL, SOON, NC, NULL, NULL));
    deed.kind = MILLPOND_DEED_ACCOUNT_CREATE;
    STATUS(MILLPOND_ERROR_CONFLICT, millpond_node_act(node, &deed, NULL, SOON, NC, NULL, NULL));
    deed.kind = MILLPOND_DEED_ACCOUNT_WITHDRAW, deed.amount = 1;
    STATUS(MILLPOND_ERROR_NOT_FOUND, millpond_node_act(node, &deed, NULL, SOON, NC, NULL, NULL));
}

static void null_is_an_error_for_accounts_and_sessions_too(void) {
    millpond_session_t session = {0};
    millpond_doing_t doing = {0};
    millpond_deed_t deed = MILLPOND_DEED_INIT;
    millpond_bytes_t bytes = {NULL, 0};
    REFUSED(millpond_node_act(node, NULL, NULL, SOON, NC, NULL, NULL));
    REFUSED(millpond_node_act(node, &deed, NULL, SOON, NC, NULL, NULL));
    REFUSED(millpond_node_answer_requests(node, NULL, 0, 1, 0, NULL));
    REFUSED(millpond_node_answer_requests(node, TEXT("x"), 7, 0, NULL));
    REFUSED(millpond_node_hand_over_when_asked(node, NULL, 0, 1, NULL));
    REFUSED(millpond_node_account(node, NULL, 0, NULL, 0, NULL, 0, NULL, SOON, NC, &bytes, NULL));
    REFUSED(millpond_node_account(node, TEXT("x"), NULL, 0, NULL, 0, NULL, SOON, NC, NULL, NULL));
    REFUSED(millpond_node_account(node, TEXT("x"), TEXT("no id"), NULL, 0, NULL, SOON, NC, &bytes,
                                  NULL));
    REFUSED(millpond_node_claim(node, NULL, 0, NULL, 0, NULL, SOON, NC, &bytes, NULL));
    REFUSED(millpond_node_claim(node, TEXT("x"), NULL, 0, NULL, SOON, NC, NULL, NULL));
    REFUSED(millpond_node_who_does(node, NULL, 0, NULL, 0, NULL, SOON, NC, &bytes, NULL));
    REFUSED(millpond_node_who_does(node, TEXT("x"), NULL, 0, NULL, SOON, NC, NULL, NULL));
    REFUSED(millpond_node_do_optimistically(node, NULL, 0, 0, NULL, 0, NULL, SOON, NC, &doing,
                                            NULL));
    REFUSED(millpond_node_do_optimistically(node, TEXT("x"), 0, NULL, 0, NULL, SOON, NC, NULL,
                                            NULL));
    REFUSED(millpond_node_own_doing(node, NULL, 0, SOON, NC, &doing, NULL));
    REFUSED(millpond_node_own_doing(node, TEXT("x"), SOON, NC, NULL, NULL));
    OK(millpond_node_own_doing(node, TEXT("x"), SOON, NC, &doing, NULL));
    CHECK(doing.id == 0);
    OK(millpond_node_do_optimistically(node, TEXT("x"), 0, NULL, 0, NULL, SOON, NC, &doing, NULL));
    REFUSED(millpond_doing_key(doing, NULL, NULL));
    REFUSED(millpond_doing_next(doing, SOON, NC, NULL, NULL));
    REFUSED(millpond_doing_lost(doing, SOON, NC, NULL, NULL));
    REFUSED(millpond_doing_fd(doing, NULL, NULL));
    OK(millpond_doing_close(doing, NULL));
    REFUSED(millpond_fence_admits(NULL, 0, NULL, 0, NULL));
    REFUSED(millpond_fence_admits(NULL, 0, TEXT("x"), NULL));
    REFUSED(millpond_token_merge(NULL, 2, &bytes, NULL));
    REFUSED(millpond_token_merge(NULL, 0, NULL, NULL));
    REFUSED(millpond_node_wait_for(node, NULL, 0, NULL, 0, SOON, NC, NULL));
    REFUSED(millpond_node_wait_for(node, TEXT("x"), NULL, 0, SOON, NC, NULL));
    REFUSED(millpond_session_new(NULL, NULL));
    OK(millpond_session_new(&session, NULL));
    REFUSED(millpond_session_token(session, NULL, NULL));
    REFUSED(millpond_session_sees(session, NULL, 0, NULL));
    OK(millpond_session_close(session, NULL));
    CHECK(!millpond_batch_is_rewind(NULL) && millpond_batch_rewind_to(NULL).data == NULL);
    CHECK(strcmp(millpond_error_missing(NULL), "{}") == 0);
    CHECK(strcmp(millpond_error_details(NULL), "") == 0);
    CHECK(bytes.data == NULL);
}

static void null_is_no_text_and_no_place(void) {
    millpond_bytes_t bytes = {NULL, 0};
    REFUSED(millpond_swarm_secret_new(NULL, NULL));
    REFUSED(millpond_swarm_secret_next(NULL, 0, &bytes, NULL));
    REFUSED(millpond_swarm_secret_next(TEXT("x"), NULL, NULL));
    REFUSED(millpond_node_set_secrets(node, NULL, 0, NULL, 0, SOON, NC, NULL));
    REFUSED(millpond_node_set_secrets(node, TEXT("x"), NULL, 2, SOON, NC, NULL));
    REFUSED(millpond_ticket_parse(NULL, 0, &bytes, NULL));
    REFUSED(millpond_ticket_parse(TEXT("x"), NULL, NULL));
    REFUSED(millpond_payload_from_json(NULL, 0, &bytes, NULL));
    REFUSED(millpond_payload_from_json(TEXT("1"), NULL, NULL));
    REFUSED(millpond_payload_to_json(NULL, 1, &bytes, NULL));
    REFUSED(millpond_payload_to_json((const uint8_t *)"\1", 1, NULL, NULL));
    CHECK(bytes.data == NULL);
}

static void bad_utf8_and_impossible_lengths_are_errors(void) {
    static const char bad[] = "FROM '\xff'";
    millpond_error_t *error = NULL;
    millpond_cursor_t none = {0};
    millpond_bytes_t bytes = {NULL, 0};
    millpond_node_options_t options = options_at("/nowhere");
    millpond_draft_t draft = MILLPOND_DRAFT_INIT;
    millpond_draft_t two[2] = {MILLPOND_DRAFT_INIT, MILLPOND_DRAFT_INIT};
    millpond_text_t tag = {bad, sizeof bad - 1};
    millpond_node_t opened;
    REFUSED(millpond_node_query(node, bad, sizeof bad - 1, NULL, SOON, NC, &none, &error));
    CHECK(strstr(millpond_error_message(error), "UTF-8") != NULL);
    millpond_error_free(error);
    REFUSED(millpond_node_query(node, bad, SIZE_MAX, NULL, SOON, NC, &none, NULL));
    REFUSED(millpond_payload_to_json((const uint8_t *)bad, SIZE_MAX / 2 + 1, &bytes, NULL));
    REFUSED(millpond_node_connect(node, bad, sizeof bad - 1, SOON, NC, NULL));
    options.path.data = bad;
    options.path.len = sizeof bad - 1;
    REFUSED(millpond_node_open(&options, SOON, NC, &opened, NULL));
    draft.payload = (const uint8_t *)"\1";
    draft.payload_len = 1;
    draft.tags = &tag;
    draft.tag_count = 1;
    REFUSED(millpond_node_publish(node, &draft, 1, NULL, SOON, NC, NULL, NULL));
    draft.tag_count = SIZE_MAX / 8;
    REFUSED(millpond_node_publish(node, &draft, 1, NULL, SOON, NC, NULL, NULL));
    STATUS(MILLPOND_ERROR_LIMIT_EXCEEDED,
           millpond_node_publish(node, &draft, SIZE_MAX, NULL, SOON, NC, NULL, NULL));
    draft.tag_count = 0;
    draft.payload_form = 7;
    REFUSED(millpond_node_publish(node, &draft, 1, NULL, SOON, NC, NULL, NULL));
    two[0].payload = two[1].payload = (const uint8_t *)"\1";
    two[0].payload_len = two[1].payload_len = 1;
    two[1].struct_size = UINT32_MAX;
    REFUSED(millpond_node_publish(node, two, 2, NULL, SOON, NC, NULL, NULL));
    REFUSED(millpond_node_set_network(node, 7, SOON, NC, NULL));
    REFUSED(millpond_log_set(7, NULL, NULL, NULL, NULL));
    REFUSED(millpond_subscription_next(subscription, 1 << 20, SOON, NC, (millpond_batch_t **)&error,
                                       NULL));
}

static void null_is_an_error_for_blobs_too(void) {
    static const char id[] = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
    const uintptr_t len = sizeof id - 1;
    millpond_bytes_t bytes = {NULL, 0};
    millpond_blob_work_t work = {0};
    millpond_blob_reader_t reader = {0};
    millpond_blob_writer_t writer = {0};
    millpond_blob_about_t about = MILLPOND_BLOB_ABOUT_INIT;
    millpond_blob_export_options_t exporting = MILLPOND_BLOB_EXPORT_OPTIONS_INIT;
    uint8_t buffer[4];
    uintptr_t count;
    REFUSED(millpond_batch_blobs(NULL, 0, &bytes, NULL));
    REFUSED(millpond_batch_blobs(NULL, 0, NULL, NULL));
    REFUSED(millpond_blob_add_file(node, NULL, 0, &about, &work, NULL));
    REFUSED(millpond_blob_add_file(node, TEXT("/nowhere"), NULL, NULL, NULL));
    REFUSED(millpond_blob_add_bytes(node, NULL, 1, NULL, SOON, NC, &bytes, NULL));
    REFUSED(millpond_blob_add_bytes(node, NULL, 0, NULL, SOON, NC, NULL, NULL));
    REFUSED(millpond_blob_writer_new(node, NULL, NULL, NULL));
    REFUSED(millpond_blob_open(node, NULL, 0, SOON, NC, &reader, NULL));
    REFUSED(millpond_blob_open(node, id, len, SOON, NC, NULL, NULL));
    REFUSED(millpond_blob_get(node, NULL, 0, 0, SOON, NC, &bytes, NULL));
    REFUSED(millpond_blob_get(node, id, len, 0, SOON, NC, NULL, NULL));
    REFUSED(millpond_blob_export(node, NULL, 0, TEXT("/nowhere"), NULL, &work, NULL));
    REFUSED(millpond_blob_export(node, id, len, NULL, 0, &exporting, &work, NULL));
    REFUSED(millpond_blob_export(node, id, len, TEXT("/nowhere"), NULL, NULL, NULL));
    REFUSED(millpond_blob_has(node, NULL, 0, NULL, NULL));
    REFUSED(millpond_blob_has(node, id, len, NULL, NULL));
    REFUSED(millpond_blob_stat(node, NULL, 0, &bytes, NULL));
    REFUSED(millpond_blob_stat(node, id, len, NULL, NULL));
    REFUSED(millpond_blob_list(node, NULL, 1, NULL, 0, 0, &bytes, NULL));
    REFUSED(millpond_blob_list(node, NULL, 0, NULL, 1, 0, &bytes, NULL));
    REFUSED(millpond_blob_list(node, NULL, 0, NULL, 0, 0, NULL, NULL));
    REFUSED(millpond_blob_collect(node, NULL, NULL));
    REFUSED(millpond_blob_verify(node, NULL, 0, NULL, NULL));
    about.has_size = 7;
    REFUSED(millpond_blob_add_bytes(node, NULL, 0, &about, SOON, NC, &bytes, NULL));
    OK(millpond_blob_add_bytes(node, NULL, 0, NULL, SOON, NC, &bytes, NULL));
    millpond_bytes_free(&bytes);
    OK(millpond_blob_open(node, id, len, SOON, NC, &reader, NULL));
    REFUSED(millpond_blob_reader_size(reader, NULL, NULL));
    REFUSED(millpond_blob_reader_read(reader, NULL, 4, SOON, NC, &count, NULL));
    REFUSED(millpond_blob_reader_read(reader, buffer, 4, SOON, NC, NULL, NULL));
    REFUSED(millpond_blob_reader_read(reader, buffer, SIZE_MAX, SOON, NC, &count, NULL));
    REFUSED(millpond_blob_reader_pread(reader, 0, NULL, 4, SOON, NC, &count, NULL));
    REFUSED(millpond_blob_reader_pread(reader, 0, buffer, 4, SOON, NC, NULL, NULL));
    REFUSED(millpond_blob_reader_seek(reader, 0, 0, NULL, NULL));
    REFUSED(millpond_blob_reader_next_chunk(reader, SOON, NC, NULL, NULL));
    REFUSED(millpond_blob_reader_fd(reader, NULL, NULL));
    OK(millpond_blob_reader_close(reader, NULL));
    OK(millpond_blob_writer_new(node, NULL, &writer, NULL));
    REFUSED(millpond_blob_writer_write(writer, NULL, 1, SOON, NC, NULL));
    REFUSED(millpond_blob_writer_finish(writer, SOON, NC, NULL, NULL));
    OK(millpond_blob_writer_close(writer, NULL));
    OK(millpond_blob_verify(node, NULL, 0, &work, NULL));
    REFUSED(millpond_blob_work_next(work, SOON, NC, NULL, NULL));
    REFUSED(millpond_blob_work_result(work, SOON, NC, NULL, NULL));
    REFUSED(millpond_blob_work_fd(work, NULL, NULL));
    OK(millpond_blob_work_close(work, NULL));
}

static void options_may_be_older_and_newer_than_the_library(void) {
    struct {
        millpond_query_options_t known;
        uint64_t unknown;
    } newer = {MILLPOND_QUERY_OPTIONS_INIT, 0};
    millpond_query_options_t older = MILLPOND_QUERY_OPTIONS_INIT;
    millpond_cursor_t opened = {0};
    newer.known.struct_size = sizeof newer;
    OK(millpond_node_query(node, TEXT("FROM allEvents"), &newer.known, SOON, NC, &opened, NULL));
    OK(millpond_cursor_close(opened, NULL));
    newer.unknown = 1;
    REFUSED(
        millpond_node_query(node, TEXT("FROM allEvents"), &newer.known, SOON, NC, &opened, NULL));
    older.struct_size = (uint32_t)offsetof(millpond_query_options_t, lower);
    older.lower.len = 77; /* Beyond what an older program has. */
    OK(millpond_node_query(node, TEXT("FROM allEvents"), &older, SOON, NC, &opened, NULL));
    OK(millpond_cursor_close(opened, NULL));
    older.struct_size += 4; /* In the middle of a field. */
    REFUSED(millpond_node_query(node, TEXT("FROM allEvents"), &older, SOON, NC, &opened, NULL));
    older.struct_size = 0;
    REFUSED(millpond_node_query(node, TEXT("FROM allEvents"), &older, SOON, NC, &opened, NULL));
}

static void the_init_macros_say_nothing(void) {
    millpond_node_options_t options = MILLPOND_NODE_OPTIONS_INIT;
    millpond_node_options_t zero;
    memset(&zero, 0, sizeof zero);
    CHECK(options.struct_size == sizeof options && options.path.data == NULL);
    options.struct_size = 0;
    CHECK(memcmp(&options, &zero, sizeof zero) == 0);
}

int main(void) {
    use_all();
    millpond_cancel_t token = {0};
    node = open_node();
    subscription = subscribe(node);
    OK(millpond_node_query(node, TEXT("FROM allEvents"), NULL, SOON, NC, &cursor, NULL));
    OK(millpond_cancel_new(&token, NULL));
    OK(millpond_cancel_trigger(token, NULL));
    OK(millpond_cancel_free(token, NULL));
    OK(millpond_abi_check(MILLPOND_ABI_VERSION, NULL));
    run("NULL is an error for every pointer", null_is_an_error_for_every_pointer);
    run("NULL is an error for fish, too", null_is_an_error_for_fish_too);
    run("NULL is an error for groups, too", null_is_an_error_for_groups_too);
    run("NULL is an error for blobs, too", null_is_an_error_for_blobs_too);
    run("an id names an account and no claim", an_id_names_an_account_and_no_claim);
    run("NULL is an error for accounts and sessions, too",
        null_is_an_error_for_accounts_and_sessions_too);
    run("what is yes or no is 1 or 0", what_is_yes_or_no_is_1_or_0);
    run("NULL is no text and no place", null_is_no_text_and_no_place);
    run("bad UTF-8 and impossible lengths are errors", bad_utf8_and_impossible_lengths_are_errors);
    run("options may be older and newer than the library",
        options_may_be_older_and_newer_than_the_library);
    run("the _INIT macros say nothing", the_init_macros_say_nothing);
    OK(millpond_cursor_close(cursor, NULL));
    OK(millpond_subscription_close(subscription, NULL));
    OK(millpond_node_close(node, SOON, NULL));
    return summary();
}
