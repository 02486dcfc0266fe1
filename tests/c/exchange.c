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

int main(void) {
    use_all();
    run("events of two nodes end in one order on both",
        events_of_two_nodes_end_in_one_order_on_both);
    run("a ticket of another swarm is refused", a_ticket_of_another_swarm_is_refused);
    return summary();
}
