/* Open, publish, query, follow, ask: what a first program does. */
#include "check.h"
#include <poll.h>

static void versions_agree(void) {
    char text[64];
    snprintf(text, sizeof text, "%d.%d.%d", MILLPOND_VERSION_MAJOR, MILLPOND_VERSION_MINOR,
             MILLPOND_VERSION_PATCH);
    CHECK(strcmp(text, millpond_version()) == 0);
    CHECK(MILLPOND_VERSION_NUMBER == MILLPOND_VERSION_MAJOR * 1000000 +
                                         MILLPOND_VERSION_MINOR * 1000 + MILLPOND_VERSION_PATCH);
    OK(millpond_abi_check(MILLPOND_ABI_VERSION, NULL));
    STATUS(MILLPOND_ERROR_INVALID_ARGUMENT, millpond_abi_check(MILLPOND_ABI_VERSION + 1, NULL));
    STATUS(MILLPOND_ERROR_INVALID_ARGUMENT, millpond_abi_check(0, NULL));
}

static void what_is_published_is_found(void) {
    millpond_node_t node = open_node();
    millpond_cursor_t cursor = {0};
    millpond_batch_t *batch = NULL;
    millpond_event_t event = MILLPOND_EVENT_INIT;
    millpond_bytes_t json = {NULL, 0}, id = {NULL, 0};
    OK(publish(node, "grain", "{\"kg\":7}"));
    OK(publish(node, "flour", "{\"kg\":5}"));
    OK(millpond_node_query(node, TEXT("FROM 'grain'"), NULL, SOON, MILLPOND_NO_CANCEL, &cursor,
                           NULL));
    OK(millpond_cursor_next(cursor, 0, SOON, MILLPOND_NO_CANCEL, &batch, NULL));
    CHECK(millpond_batch_len(batch) == 1 && !millpond_batch_is_end(batch));
    OK(millpond_batch_get(batch, 0, &event, NULL));
    CHECK(event.tag_count == 1 && memcmp(event.tags[0].data, "grain", 5) == 0);
    CHECK(event.lamport == 1 && event.offset == 0);
    CHECK(event.app_id.len == 6 && memcmp(event.app_id.data, "c-test", 6) == 0);
    OK(millpond_node_id(node, &id, NULL));
    CHECK(id.len == 64 && strlen((char *)id.data) == 64);
    CHECK(event.stream.len > 64 && memcmp(event.stream.data, id.data, 64) == 0);
    OK(millpond_payload_to_json(event.payload, event.payload_len, &json, NULL));
    CHECK(strcmp((char *)json.data, "{\"kg\":7}") == 0);
    STATUS(MILLPOND_ERROR_INVALID_ARGUMENT, millpond_batch_get(batch, 1, &event, NULL));
    millpond_batch_free(batch);
    for (int again = 0; again < 2; again++) {
        OK(millpond_cursor_next(cursor, 0, SOON, MILLPOND_NO_CANCEL, &batch, NULL));
        CHECK(millpond_batch_is_end(batch) && millpond_batch_len(batch) == 0);
        millpond_batch_free(batch);
    }
    OK(millpond_cursor_close(cursor, NULL));
    OK(millpond_node_close(node, SOON, NULL));
    millpond_bytes_free(&json);
    millpond_bytes_free(&json);
    millpond_bytes_free(&id);
}

static void a_receipt_says_where_and_a_retry_says_it_again(void) {
    millpond_node_t node = open_node();
    millpond_published_t first = MILLPOND_PUBLISHED_INIT, again = MILLPOND_PUBLISHED_INIT;
    millpond_publish_options_t options = MILLPOND_PUBLISH_OPTIONS_INIT;
    millpond_draft_t drafts[3] = {MILLPOND_DRAFT_INIT, MILLPOND_DRAFT_INIT, MILLPOND_DRAFT_INIT};
    millpond_error_t *error = NULL;
    static const uint8_t one[] = {0x01};
    for (int i = 0; i < 3; i++) {
        drafts[i].payload = one;
        drafts[i].payload_len = 1;
    }
    options.idempotency_key = (const uint8_t *)"order 7";
    options.idempotency_key_len = 7;
    OK(millpond_node_publish(node, drafts, 3, &options, SOON, MILLPOND_NO_CANCEL, &first, NULL));
    OK(millpond_node_publish(node, drafts, 3, &options, SOON, MILLPOND_NO_CANCEL, &again, NULL));
    CHECK(first.count == 3 && first.first_offset == 0 && first.first_lamport == 1);
    CHECK(again.count == 3 && again.first_offset == 0 && again.first_lamport == 1);
    CHECK(first.stream.len > 64 && first.token.len > 2);
    options.idempotency_key = NULL;
    options.idempotency_key_len = 0;
    options.has_expected = 1;
    options.expected = 7;
    STATUS(MILLPOND_ERROR_CONFLICT, millpond_node_publish(node, drafts, 1, &options, SOON,
                                                          MILLPOND_NO_CANCEL, NULL, &error));
    CHECK(millpond_error_number(error) == MILLPOND_ERROR_CONFLICT);
    CHECK(strcmp(millpond_error_name(error), "conflict") == 0);
    CHECK(millpond_error_message(error)[0] != 0 && !millpond_error_is_retryable(error));
    millpond_error_free(error);
    millpond_bytes_free(&first.stream);
    millpond_bytes_free(&first.token);
    millpond_bytes_free(&again.stream);
    millpond_bytes_free(&again.token);
    OK(millpond_node_close(node, SOON, NULL));
}

static void a_wrong_query_is_shown_where_it_is_wrong(void) {
    millpond_node_t node = open_node();
    millpond_cursor_t cursor = {42};
    millpond_error_t *error = NULL;
    STATUS(MILLPOND_ERROR_QUERY_INVALID,
           millpond_node_query(node, TEXT("FROM 'grain' &"), NULL, SOON, MILLPOND_NO_CANCEL,
                               &cursor, &error));
    CHECK(millpond_error_position(error) > 0 && cursor.id == 42);
    CHECK(strchr(millpond_error_message(error), '^') != NULL);
    millpond_error_free(error);
    OK(millpond_node_close(node, SOON, NULL));
}

static void what_columns_leave_out_is_null(void) {
    static const int ALL = MILLPOND_COLUMN_KEY | MILLPOND_COLUMN_TAGS | MILLPOND_COLUMN_PAYLOAD;
    millpond_node_t node = open_node();
    millpond_draft_t untagged = MILLPOND_DRAFT_INIT;
    untagged.payload = (const uint8_t *)"\xf6";
    untagged.payload_len = 1;
    OK(millpond_node_publish(node, &untagged, 1, NULL, SOON, MILLPOND_NO_CANCEL, NULL, NULL));
    for (int columns = 0; columns <= ALL; columns++) {
        millpond_query_options_t options = MILLPOND_QUERY_OPTIONS_INIT;
        millpond_cursor_t cursor = {0};
        millpond_batch_t *batch = NULL;
        millpond_event_t event = MILLPOND_EVENT_INIT;
        int expected = columns ? columns | MILLPOND_COLUMN_KEY : ALL;
        options.columns = (uint32_t)columns;
        OK(millpond_node_query(node, TEXT("FROM allEvents"), &options, SOON, MILLPOND_NO_CANCEL,
                               &cursor, NULL));
        OK(millpond_cursor_next(cursor, 0, SOON, MILLPOND_NO_CANCEL, &batch, NULL));
        CHECK(millpond_batch_columns(batch) == expected);
        OK(millpond_batch_get(batch, 0, &event, NULL));
        CHECK(event.lamport == 1 && event.app_id.len == 6 && event.tag_count == 0);
        CHECK((event.tags != NULL) == ((expected & MILLPOND_COLUMN_TAGS) != 0));
        CHECK((event.payload != NULL) == ((expected & MILLPOND_COLUMN_PAYLOAD) != 0));
        CHECK(event.payload_len == (event.payload ? 1u : 0u));
        millpond_batch_free(batch);
        OK(millpond_cursor_close(cursor, NULL));
    }
    millpond_query_options_t options = MILLPOND_QUERY_OPTIONS_INIT;
    millpond_cursor_t cursor = {0};
    millpond_error_t *error = NULL;
    options.columns = 8;
    STATUS(MILLPOND_ERROR_INVALID_ARGUMENT,
           millpond_node_query(node, TEXT("FROM allEvents"), &options, SOON, MILLPOND_NO_CANCEL,
                               &cursor, &error));
    CHECK(strstr(millpond_error_message(error), "MILLPOND_COLUMN_PAYLOAD") != NULL);
    millpond_error_free(error);
    OK(millpond_node_close(node, SOON, NULL));
}

static void a_cursor_tells_how_its_query_is_answered(void) {
    millpond_node_t node = open_node();
    millpond_cursor_t cursor = {0};
    millpond_batch_t *batch = NULL;
    millpond_bytes_t json = {NULL, 0};
    OK(publish(node, "grain", "1"));
    OK(millpond_node_query(node, TEXT("FROM 'grain'"), NULL, SOON, MILLPOND_NO_CANCEL, &cursor,
                           NULL));
    OK(millpond_cursor_completeness(cursor, &json, NULL));
    CHECK(strstr((char *)json.data, "\"behind\":[]") != NULL);
    millpond_bytes_free(&json);
    OK(millpond_cursor_explain(cursor, SOON, MILLPOND_NO_CANCEL, &json, NULL));
    CHECK(strstr((char *)json.data, "\"actual\":{\"blocks\":0,\"events\":0") != NULL);
    CHECK(strstr((char *)json.data, "\"alternatives\":[\"FROM 'grain'\"]") != NULL);
    CHECK(strstr((char *)json.data, "\"text\":\"FROM 'grain', Ascending\\n") != NULL);
    millpond_bytes_free(&json);
    OK(millpond_cursor_next(cursor, 0, SOON, MILLPOND_NO_CANCEL, &batch, NULL));
    millpond_batch_free(batch);
    OK(millpond_cursor_explain(cursor, SOON, MILLPOND_NO_CANCEL, &json, NULL));
    CHECK(strstr((char *)json.data, "\"actual\":{\"blocks\":1,\"events\":1") != NULL);
    millpond_bytes_free(&json);
    OK(millpond_cursor_close(cursor, NULL));
    STATUS(MILLPOND_ERROR_CLOSED,
           millpond_cursor_explain(cursor, SOON, MILLPOND_NO_CANCEL, &json, NULL));
    CHECK(json.data == NULL);
    OK(millpond_node_close(node, SOON, NULL));
}

static int is_readable(int fd, int timeout_ms) {
    struct pollfd entry = {fd, POLLIN, 0};
    return poll(&entry, 1, timeout_ms) == 1;
}

/* Pulls what is there; the number of events. */
static size_t pull_all(millpond_subscription_t subscription) {
    size_t count = 0;
    millpond_batch_t *batch = NULL;
    while (millpond_subscription_next(subscription, 2, 0, MILLPOND_NO_CANCEL, &batch, NULL) == 0) {
        count += millpond_batch_len(batch);
        int is_end = millpond_batch_is_end(batch);
        millpond_batch_free(batch);
        if (is_end) break;
    }
    return count;
}

static void a_descriptor_tells_when_there_is_something(void) {
    millpond_node_t node = open_node();
    millpond_subscription_t subscription = subscribe(node);
    millpond_batch_t *batch = NULL;
    uint64_t lag = 7;
    int fd = -1;
    OK(millpond_subscription_fd(subscription, &fd, NULL));
    pull_all(subscription);
    CHECK(!is_readable(fd, 0));
    for (int round = 0; round < 20; round++) {
        OK(publish(node, "grain", "1"));
        CHECK(is_readable(fd, SOON));
        CHECK(pull_all(subscription) == 1);
    }
    for (int i = 0; i < 5; i++) OK(publish(node, "grain", "1"));
    OK(millpond_subscription_lag(subscription, &lag, NULL));
    CHECK(lag == 5);
    CHECK(is_readable(fd, SOON));
    OK(millpond_subscription_next(subscription, 2, SOON, MILLPOND_NO_CANCEL, &batch, NULL));
    CHECK(millpond_batch_len(batch) == 2);
    millpond_batch_free(batch);
    CHECK(is_readable(fd, 0));
    CHECK(pull_all(subscription) == 3);
    STATUS(MILLPOND_ERROR_TIMEOUT, millpond_subscription_next(subscription, 0, 1,
                                                              MILLPOND_NO_CANCEL, &batch, NULL));
    OK(millpond_node_close(node, SOON, NULL));
    CHECK(is_readable(fd, 0));
    OK(millpond_subscription_next(subscription, 0, SOON, MILLPOND_NO_CANCEL, &batch, NULL));
    CHECK(millpond_batch_is_end(batch));
    millpond_batch_free(batch);
    OK(millpond_subscription_close(subscription, NULL));
}

static void a_subscription_goes_on_where_a_token_says(void) {
    millpond_node_t node = open_node();
    millpond_subscription_t subscription = subscribe(node), next = {0};
    millpond_subscribe_options_t options = MILLPOND_SUBSCRIBE_OPTIONS_INIT;
    millpond_batch_t *batch = NULL;
    millpond_event_t event = MILLPOND_EVENT_INIT;
    millpond_bytes_t token = {NULL, 0}, same = {NULL, 0};
    OK(millpond_subscription_position(subscription, &token, NULL));
    size_t empty = token.len;
    millpond_bytes_free(&token);
    for (int i = 0; i < 3; i++) OK(publish(node, "grain", "1"));
    do {
        millpond_batch_free(batch);
        OK(millpond_subscription_next(subscription, 2, SOON, MILLPOND_NO_CANCEL, &batch, NULL));
    } while (millpond_batch_len(batch) == 0);
    CHECK(millpond_batch_len(batch) == 2 && millpond_batch_lag(batch) == 1);
    OK(publish(node, "grain", "1"));
    CHECK(millpond_batch_lag(batch) == 1);
    OK(millpond_batch_position(batch, &token, NULL));
    OK(millpond_subscription_position(subscription, &same, NULL));
    CHECK(token.len > empty && token.len == same.len);
    CHECK(memcmp(token.data, same.data, token.len) == 0);
    millpond_bytes_free(&same);
    millpond_batch_free(batch);
    OK(millpond_subscription_close(subscription, NULL));
    options.from.data = (char *)token.data;
    options.from.len = token.len;
    OK(millpond_node_subscribe(node, TEXT("FROM allEvents"), &options, SOON, MILLPOND_NO_CANCEL,
                               &next, NULL));
    OK(millpond_subscription_next(next, 0, SOON, MILLPOND_NO_CANCEL, &batch, NULL));
    CHECK(millpond_batch_len(batch) == 2 && millpond_batch_caught_up(batch));
    OK(millpond_batch_get(batch, 0, &event, NULL));
    CHECK(event.offset == 2 && millpond_batch_lag(batch) == 0);
    millpond_batch_free(batch);
    OK(millpond_subscription_close(next, NULL));
    OK(millpond_node_close(node, SOON, NULL));
    millpond_bytes_free(&token);
}

static void a_node_tells_its_state_as_json(void) {
    millpond_node_t node = open_node();
    millpond_bytes_t status = {NULL, 0}, token = {NULL, 0}, secret = {NULL, 0};
    uint64_t version = 0;
    OK(publish(node, "grain", "1"));
    OK(millpond_node_status(node, SOON, MILLPOND_NO_CANCEL, &status, NULL));
    CHECK(strstr((char *)status.data, "\"events\":1") != NULL);
    millpond_bytes_free(&status);
    OK(millpond_node_next_status(node, &version, SOON, MILLPOND_NO_CANCEL, &status, NULL));
    CHECK(version > 0 && strstr((char *)status.data, "\"unheard\":[]") != NULL);
    millpond_bytes_free(&status);
    STATUS(MILLPOND_ERROR_TIMEOUT,
           millpond_node_next_status(node, &version, 1, MILLPOND_NO_CANCEL, &status, NULL));
    OK(millpond_node_metrics(node, SOON, MILLPOND_NO_CANCEL, &status, NULL));
    CHECK(strstr((char *)status.data, "\nmillpond_events_held 1\n") != NULL);
    millpond_bytes_free(&status);
    OK(millpond_node_verify(node, SOON, MILLPOND_NO_CANCEL, &status, NULL));
    CHECK(strstr((char *)status.data, "\"damages\":[]") != NULL);
    millpond_bytes_free(&status);
    OK(millpond_node_compact(node, SOON, MILLPOND_NO_CANCEL, &status, NULL));
    CHECK(strstr((char *)status.data, "\"bytes_after\":") != NULL);
    millpond_bytes_free(&status);
    OK(millpond_node_stats(node, &status, NULL));
    CHECK(strstr((char *)status.data, "\"events\":1") != NULL);
    OK(millpond_node_offsets(node, &token, NULL));
    CHECK(token.len == 52);
    OK(millpond_swarm_secret_new(&secret, NULL));
    CHECK(secret.len == 64);
    STATUS(MILLPOND_ERROR_INVALID_ARGUMENT,
           millpond_node_set_secrets(node, (char *)secret.data, secret.len, NULL, 0, SOON,
                                     MILLPOND_NO_CANCEL, NULL));
    millpond_bytes_free(&token);
    OK(millpond_swarm_secret_next((char *)secret.data, secret.len, &token, NULL));
    CHECK(token.len == 128);
    millpond_bytes_free(&status);
    millpond_bytes_free(&token);
    millpond_bytes_free(&secret);
    OK(millpond_node_close(node, SOON, NULL));
}

static void payloads_keep_every_bit(void) {
    static const char *const texts[] = {"9007199254740991",     "9007199254740993",
                                        "18446744073709551615", "-9223372036854775808",
                                        "{\"$bytes\":\"AAEC\"}", "[1.0,null,true,\"\xc3\xa4\"]"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        millpond_bytes_t payload = {NULL, 0}, json = {NULL, 0};
        OK(millpond_payload_from_json(texts[i], strlen(texts[i]), &payload, NULL));
        OK(millpond_payload_to_json(payload.data, payload.len, &json, NULL));
        CHECK(json.data && strcmp((char *)json.data, texts[i]) == 0);
        millpond_bytes_free(&payload);
        millpond_bytes_free(&json);
    }
}

int main(void) {
    use_all();
    run("versions agree", versions_agree);
    run("what is published is found", what_is_published_is_found);
    run("a receipt says where, and a retry says it again",
        a_receipt_says_where_and_a_retry_says_it_again);
    run("a wrong query is shown where it is wrong", a_wrong_query_is_shown_where_it_is_wrong);
    run("what columns leave out is NULL", what_columns_leave_out_is_null);
    run("a cursor tells how its query is answered", a_cursor_tells_how_its_query_is_answered);
    run("a descriptor tells when there is something", a_descriptor_tells_when_there_is_something);
    run("a subscription goes on where a token says", a_subscription_goes_on_where_a_token_says);
    run("a node tells its state as JSON", a_node_tells_its_state_as_json);
    run("payloads keep every bit", payloads_keep_every_bit);
    return summary();
}
