/* Two nodes of one swarm, in one process, over loopback. */
#include "check.h"

static millpond_node_t open_networked(const char *secret) {
    static const millpond_text_t loopback = {"127.0.0.1:0", 11};
    millpond_node_t node = {0};
    millpond_error_t *error = NULL;
    millpond_node_options_t options = options_at(fresh_folder());
    options.network = 0;
    options.bind = &loopback;
    options.bind_count = 1;
    options.swarm.data = secret;
    options.swarm.len = 64;
    OK(millpond_node_open(&options, SOON, MILLPOND_NO_CANCEL, &node, &error));
    if (error) printf("  %s\n", millpond_error_message(error));
    millpond_error_free(error);
    return node;
}

/* Takes events until there were `count`, and sums up a hash of their order. */
static uint64_t take(millpond_node_t node, size_t count) {
    uint64_t hash = 14695981039346656037u;
    millpond_cursor_t cursor = {0};
    millpond_subscription_t subscription = subscribe(node);
    millpond_batch_t *batch = NULL;
    millpond_event_t event = MILLPOND_EVENT_INIT;
    for (size_t seen = 0; seen < count && !failures_here; seen += millpond_batch_len(batch)) {
        millpond_batch_free(batch);
        batch = NULL;
        OK(millpond_subscription_next(subscription, 0, SOON, MILLPOND_NO_CANCEL, &batch, NULL));
    }
    millpond_batch_free(batch);
    OK(millpond_subscription_close(subscription, NULL));
    OK(millpond_node_query(node, TEXT("FROM allEvents"), NULL, SOON, MILLPOND_NO_CANCEL, &cursor,
                           NULL));
    for (int is_end = 0; !is_end && !failures_here;) {
        batch = NULL;
        OK(millpond_cursor_next(cursor, 0, SOON, MILLPOND_NO_CANCEL, &batch, NULL));
        for (size_t i = 0; i < millpond_batch_len(batch); i++) {
            OK(millpond_batch_get(batch, i, &event, NULL));
            hash = (hash ^ event.lamport) * 1099511628211u;
            for (size_t b = 0; b < event.stream.len; b++)
                hash = (hash ^ (uint8_t)event.stream.data[b]) * 1099511628211u;
        }
        is_end = millpond_batch_is_end(batch);
        millpond_batch_free(batch);
    }
    OK(millpond_cursor_close(cursor, NULL));
    return hash;
}

static void events_of_two_nodes_end_in_one_order_on_both(void) {
    millpond_node_t a = open_networked(SECRET), b = open_networked(SECRET);
    millpond_bytes_t ticket = {NULL, 0}, parts = {NULL, 0};
    millpond_error_t *error = NULL;
    for (int i = 0; i < 50; i++) {
        OK(publish(a, "from a", "1"));
        OK(publish(b, "from b", "2"));
    }
    OK(millpond_node_ticket(a, SOON, MILLPOND_NO_CANCEL, &ticket, NULL));
    OK(millpond_ticket_parse((char *)ticket.data, ticket.len, &parts, NULL));
    CHECK(strstr((char *)parts.data, "127.0.0.1") != NULL);
    OK(millpond_node_connect(b, (char *)ticket.data, ticket.len, SOON, MILLPOND_NO_CANCEL, &error));
    if (error) printf("  %s\n", millpond_error_message(error));
    millpond_error_free(error);
    uint64_t at_a = take(a, 100), at_b = take(b, 100);
    CHECK(at_a == at_b);
    OK(millpond_node_set_network(b, 0, SOON, MILLPOND_NO_CANCEL, NULL));
    for (int i = 0; i < 50; i++) {
        OK(publish(a, "from a", "3"));
        OK(publish(b, "from b", "4"));
    }
    OK(millpond_node_set_network(b, 1, SOON, MILLPOND_NO_CANCEL, NULL));
    at_a = take(a, 200), at_b = take(b, 200);
    CHECK(at_a == at_b);
    millpond_bytes_free(&ticket);
    millpond_bytes_free(&parts);
    OK(millpond_node_close(a, SOON, NULL));
    OK(millpond_node_close(b, SOON, NULL));
}

static void a_ticket_of_another_swarm_is_refused(void) {
    static const char OTHER[] = "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    millpond_node_t a = open_networked(SECRET), b = open_networked(OTHER);
    millpond_bytes_t ticket = {NULL, 0};
    millpond_error_t *error = NULL;
    OK(millpond_node_ticket(a, SOON, MILLPOND_NO_CANCEL, &ticket, NULL));
    STATUS(MILLPOND_ERROR_INVALID_ARGUMENT,
           millpond_node_connect(b, (char *)ticket.data, ticket.len, SOON, MILLPOND_NO_CANCEL,
                                 &error));
    CHECK(strcmp(millpond_error_reason(error), "other_swarm") == 0);
    millpond_error_free(error);
    millpond_bytes_free(&ticket);
    OK(millpond_node_close(a, SOON, NULL));
    OK(millpond_node_close(b, SOON, NULL));
}

static void meet(millpond_node_t a, millpond_node_t b) {
    millpond_bytes_t ticket = {NULL, 0};
    OK(millpond_node_ticket(a, SOON, MILLPOND_NO_CANCEL, &ticket, NULL));
    OK(millpond_node_connect(b, (char *)ticket.data, ticket.len, SOON, MILLPOND_NO_CANCEL, NULL));
    millpond_bytes_free(&ticket);
}

/* The first text called `name` behind `after` in a JSON object; the whole text is short. */
static void text_in(millpond_bytes_t json, const char *after, const char *name, char *found,
                    size_t size) {
    char quoted[64];
    const char *at = strstr((char *)json.data, after);
    snprintf(quoted, sizeof quoted, "\"%s\":\"", name);
    at = at ? strstr(at, quoted) : NULL;
    CHECK(at != NULL);
    *found = 0;
    if (at) at += strlen(quoted), snprintf(found, size, "%.*s", (int)strcspn(at, "\""), at);
}

static void create_steel(millpond_node_t node, int64_t amount) {
    millpond_deed_t deed = MILLPOND_DEED_INIT;
    deed.kind = MILLPOND_DEED_ACCOUNT_CREATE;
    deed.name.data = "steel", deed.name.len = 5;
    deed.amount = amount;
    OK(millpond_node_act(node, &deed, NULL, SOON, MILLPOND_NO_CANCEL, NULL, NULL));
}

static void a_rival_account_is_read_by_its_id(void) {
    millpond_node_t a = open_networked(SECRET), b = open_networked(SECRET);
    millpond_bytes_t json = {NULL, 0}, own = {NULL, 0}, offsets = {NULL, 0};
    millpond_deed_t deed = MILLPOND_DEED_INIT;
    char id[64] = "", rival[64] = "", known[512] = "";
    create_steel(a, 1000);
    create_steel(b, 2000);
    meet(a, b);
    OK(millpond_node_offsets(a, &offsets, NULL));
    OK(millpond_node_wait_for(b, (char *)offsets.data, offsets.len, NULL, 0, SOON,
                              MILLPOND_NO_CANCEL, NULL));
    millpond_bytes_free(&offsets);
    OK(millpond_node_account(b, TEXT("steel"), NULL, 0, NULL, 0, NULL, SOON, MILLPOND_NO_CANCEL,
                             &own, NULL));
    CHECK(strstr((char *)own.data, "\"floor\":0,") != NULL);
    text_in(own, "\"rivals\":[{", "id", rival, sizeof rival);
    CHECK(strlen(rival) == 32);
    OK(millpond_node_account(b, TEXT("steel"), rival, 32, NULL, 0, NULL, SOON, MILLPOND_NO_CANCEL,
                             &json, NULL));
    text_in(json, "{", "id", id, sizeof id);
    CHECK(strcmp(id, rival) == 0 && strstr((char *)json.data, "\"balance\":1000,") != NULL);
    text_in(json, "{", "as_of", known, sizeof known);
    millpond_bytes_free(&json);
    STATUS(MILLPOND_ERROR_TIMEOUT,
           millpond_node_account(b, TEXT("steel"), rival, 32, known, strlen(known), NULL, 10,
                                 MILLPOND_NO_CANCEL, &json, NULL));
    deed.kind = MILLPOND_DEED_ACCOUNT_DEPOSIT;
    deed.name.data = "steel", deed.name.len = 5;
    deed.amount = 5;
    OK(millpond_node_act(a, &deed, NULL, SOON, MILLPOND_NO_CANCEL, NULL, NULL));
    OK(millpond_node_account(b, TEXT("steel"), rival, 32, known, strlen(known), NULL, SOON,
                             MILLPOND_NO_CANCEL, &json, NULL));
    CHECK(strstr((char *)json.data, "\"balance\":1005,") != NULL);
    millpond_bytes_free(&json);
    /* What the name means to this node is its own one. */
    OK(millpond_node_account(b, TEXT("steel"), NULL, 0, NULL, 0, NULL, SOON, MILLPOND_NO_CANCEL,
                             &json, NULL));
    CHECK(strstr((char *)json.data, "\"balance\":2000,") != NULL);
    millpond_bytes_free(&json);
    millpond_bytes_free(&own);
    OK(millpond_node_close(a, SOON, NULL));
    OK(millpond_node_close(b, SOON, NULL));
}

static millpond_doing_t weld(millpond_node_t node) {
    millpond_doing_t doing = {0};
    OK(millpond_node_do_optimistically(node, TEXT("weld"), 0, NULL, 0, NULL, SOON,
                                       MILLPOND_NO_CANCEL, &doing, NULL));
    return doing;
}

static void who_does_what_another_did_first_is_told_of_the_loss(void) {
    millpond_node_t a = open_networked(SECRET), b = open_networked(SECRET);
    millpond_bytes_t json = {NULL, 0}, key = {NULL, 0};
    char winner[256] = "";
    millpond_doing_t first = weld(a), second;
    OK(publish(b, "x", "1")); /* so what it says has the greater key */
    second = weld(b);
    STATUS(MILLPOND_ERROR_TIMEOUT,
           millpond_doing_lost(second, 20, MILLPOND_NO_CANCEL, &json, NULL));
    OK(millpond_doing_key(first, &key, NULL));
    meet(a, b);
    for (int i = 0; i < 2; i++) { /* at once the second time */
        OK(millpond_doing_lost(second, SOON, MILLPOND_NO_CANCEL, &json, NULL));
        CHECK(strstr((char *)json.data, "\"standing\":\"lost\"") != NULL);
        text_in(json, "\"winner\"", "key", winner, sizeof winner);
        CHECK(strcmp(winner, (char *)key.data) == 0);
        millpond_bytes_free(&json);
    }
    OK(millpond_doing_next(second, SOON, MILLPOND_NO_CANCEL, &json, NULL));
    CHECK(strstr((char *)json.data, "\"standing\":\"lost\"") != NULL);
    millpond_bytes_free(&json);
    OK(millpond_node_close(b, SOON, NULL));
    OK(millpond_doing_lost(second, SOON, MILLPOND_NO_CANCEL, &json, NULL));
    CHECK(strstr((char *)json.data, "\"is_end\":true") != NULL);
    millpond_bytes_free(&json);
    millpond_bytes_free(&key);
    OK(millpond_doing_close(second, NULL));
    OK(millpond_doing_close(first, NULL));
    STATUS(MILLPOND_ERROR_CLOSED,
           millpond_doing_lost(first, SOON, MILLPOND_NO_CANCEL, &json, NULL));
    OK(millpond_node_close(a, SOON, NULL));
}

int main(void) {
    use_all();
    run("events of two nodes end in one order on both",
        events_of_two_nodes_end_in_one_order_on_both);
    run("a ticket of another swarm is refused", a_ticket_of_another_swarm_is_refused);
    run("a rival account is read by its id", a_rival_account_is_read_by_its_id);
    run("who does what another did first is told of the loss",
        who_does_what_another_did_first_is_told_of_the_loss);
    return summary();
}
