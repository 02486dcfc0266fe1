/* What the conformance scenarios say, done in C.
 *
 * Commands and answers: README.md. Run as `adapter FOLDER`, commands on standard input. A payload
 * is JSON text here: the notation is millpond's own JSON but for {"$integer":"…"}.
 * Longer than 500 lines because each command of the scenarios is a function of its own. */
#include "pond.h"
#include <poll.h>
#include <pthread.h>

#define SHORT 100
#define EVENTS_MAX 65600
static const char SECRET[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/* So many peers that are not there. */
static millpond_text_t *made_up(size_t count) {
    enum { LEN = 76 }; /* 64 digits, @127.0.0.1:9 */
    static char texts[1025][LEN + 1];
    static millpond_text_t peers[1025];
    must(count <= 1025, "peers fit");
    for (size_t i = 0; i < count; i++)
        peers[i] = text(texts[i], (size_t)sprintf(texts[i], "%064zx@127.0.0.1:9", i));
    return peers;
}

static int32_t open_node(const char *name, const said_t *said) {
    static const millpond_text_t loopback = {"127.0.0.1:0", 11};
    millpond_node_options_t options = MILLPOND_NODE_OPTIONS_INIT;
    millpond_bytes_t ticket = {NULL, 0};
    const char *stored = said->folder ? said->folder : name;
    char path[4096];
    options.path = text(path, (size_t)snprintf(path, sizeof path, "%s/%s", folder, stored));
    options.app_id = text("conformance", 11);
    if (said->ticket) {
        int32_t status = millpond_node_ticket(node_of(said->ticket), SOON, MILLPOND_NO_CANCEL,
                                              &ticket, &error);
        if (status) return status;
        options.ticket = text((char *)ticket.data, ticket.len);
    } else {
        options.swarm = text(said->swarm ? said->swarm : SECRET, 0);
        options.swarm.len = strlen(options.swarm.data);
    }
    millpond_text_t former = text(said->former, said->former ? strlen(said->former) : 0);
    options.former_secrets = &former;
    options.former_secret_count = said->former != NULL;
    options.network = said->net ? MILLPOND_YES : MILLPOND_NO;
    options.discovery = MILLPOND_NO;
    options.bind = &loopback;
    options.bind_count = 1;
    options.peer_count = said->peers ? strtoull(said->peers, NULL, 10) : 0;
    options.peers = made_up(options.peer_count);
    options.send_bytes_per_second_max = said->cap_all ? strtoull(said->cap_all, NULL, 10) : 0;
    options.send_bytes_per_second_per_peer_max =
        said->cap_each ? strtoull(said->cap_each, NULL, 10) : 0;
    char priority[256];
    if (said->priority) {
        int length = snprintf(priority, sizeof priority, "FROM %s", said->priority);
        options.priority = text(priority, (size_t)length);
    }
    millpond_node_t node = {0};
    int32_t status = millpond_node_open(&options, SOON, MILLPOND_NO_CANCEL, &node, &error);
    millpond_bytes_free(&ticket);
    if (status) return status;
    named(names, name)->node = node;
    millpond_bytes_free(&named(ids, stored)->text);
    return millpond_node_id(node, &named(ids, stored)->text, &error);
}

/* Publishes, says where, and keeps the token. */
static int32_t publish(const char *name, const said_t *said, const millpond_draft_t *drafts,
                       size_t count) {
    millpond_publish_options_t options = MILLPOND_PUBLISH_OPTIONS_INIT;
    millpond_published_t done = MILLPOND_PUBLISHED_INIT;
    if (said->expected) {
        options.has_expected = 1;
        options.expected = strtoull(said->expected, NULL, 10);
    }
    if (said->session) options.session = named(names, said->session)->session;
    options.idempotency_key = (const uint8_t *)said->key;
    options.idempotency_key_len = said->key ? strlen(said->key) : 0;
    int32_t status = millpond_node_publish(node_of(name), drafts, count, &options, SOON,
                                           MILLPOND_NO_CANCEL, &done, &error);
    if (status) return status;
    print_published(&done);
    if (!said->token) millpond_bytes_free(&done.token);
    else named(names, said->token)->text = done.token;
    return MILLPOND_OK;
}

static int32_t publish_words(const char *name, const said_t *said, char *rest) {
    static millpond_draft_t drafts[EVENTS_MAX];
    static millpond_bytes_t held[EVENTS_MAX];
    size_t count = 0;
    for (; *rest; count++) {
        millpond_draft_t draft = MILLPOND_DRAFT_INIT;
        must(count < EVENTS_MAX, "the batch is small");
        held[count].data = NULL;
        draft.tags = texts(word(&rest), &draft.tag_count, &held[count]);
        char *payload = word(&rest);
        plain_integers(payload);
        draft.payload_form = MILLPOND_PAYLOAD_JSON;
        draft.payload = (const uint8_t *)payload;
        draft.payload_len = strlen(payload);
        drafts[count] = draft;
    }
    int32_t status = publish(name, said, drafts, count);
    for (size_t i = 0; i < count; i++) {
        free((void *)drafts[i].tags);
        millpond_bytes_free(&held[i]);
    }
    return status;
}

static int32_t ask(const char *name, const said_t *said, const char *rest,
                   millpond_cursor_t *cursor) {
    millpond_query_options_t options = MILLPOND_QUERY_OPTIONS_INIT;
    if (said->order) options.order = text(said->order, strlen(said->order));
    if (said->lower) options.lower = token_of(said->lower);
    if (said->upper) options.upper = token_of(said->upper);
    if (said->session) options.session = named(names, said->session)->session;
    options.columns = columns_of(said->columns);
    return millpond_node_query(node_of(name), rest, strlen(rest), &options, SOON,
                               MILLPOND_NO_CANCEL, cursor, &error);
}

/* Reads a query: prints its events, or publishes their values again, by way of JSON. */
static int32_t query(const char *name, const said_t *said, const char *rest, int again) {
    millpond_cursor_t cursor = {0};
    millpond_batch_t *batch = NULL;
    int32_t status = ask(name, said, rest, &cursor);
    int is_end = 0;
    while (!status && !is_end) {
        status = millpond_cursor_next(cursor, 1000, SOON, MILLPOND_NO_CANCEL, &batch, &error);
        if (status) break;
        size_t count = millpond_batch_len(batch);
        is_end = millpond_batch_is_end(batch);
        if (again && count) {
            millpond_draft_t *drafts = calloc(count, sizeof *drafts);
            millpond_bytes_t *json = calloc(count, sizeof *json);
            for (size_t i = 0; i < count && !status; i++) {
                millpond_event_t event = event_of(batch, i);
                millpond_draft_t draft = MILLPOND_DRAFT_INIT;
                status = millpond_payload_to_json(event.payload, event.payload_len, &json[i],
                                                  &error);
                draft.payload_form = MILLPOND_PAYLOAD_JSON;
                draft.payload = json[i].data;
                draft.payload_len = json[i].len;
                draft.tags = event.tags;
                draft.tag_count = event.tag_count;
                drafts[i] = draft;
            }
            if (!status) status = publish(name, said, drafts, count);
            for (size_t i = 0; i < count; i++) millpond_bytes_free(&json[i]);
            free(drafts);
            free(json);
        }
        for (size_t i = 0; i < count && !again; i++) {
            millpond_event_t event = event_of(batch, i);
            print_event(&event);
        }
        millpond_batch_free(batch);
    }
    if (!status && !again) printf("end\n");
    millpond_cursor_close(cursor, NULL);
    return status;
}

static int32_t subscribe(const char *name, const said_t *said, char *rest) {
    millpond_subscribe_options_t options = MILLPOND_SUBSCRIBE_OPTIONS_INIT;
    const char *node = word(&rest);
    if (said->from) {
        options.from = token_of(said->from);
        if (!options.from.data) options.from = text(said->from, strlen(said->from));
    }
    if (said->order) options.order = text(said->order, strlen(said->order));
    if (said->delivery) options.delivery = text(said->delivery, strlen(said->delivery));
    return millpond_node_subscribe(node_of(node), rest, strlen(rest), &options, SOON,
                                   MILLPOND_NO_CANCEL, &named(names, name)->subscription, &error);
}

static void print_rewind(const millpond_batch_t *batch) {
    millpond_text_t to = millpond_batch_rewind_to(batch);
    size_t lamport = to.len ? (size_t)((const char *)memchr(to.data, '/', to.len) - to.data) : 0;
    printf("rewind to=");
    if (!to.len) printf("-");
    else printf("%.*s/", (int)lamport, to.data);
    if (to.len) print_stream(to.data + lamport + 1, to.len - lamport - 1);
    printf("\n");
}

/* One batch (`next`), or as many as hold `count` events (`take`). */
static int32_t next(const char *name, size_t count, int64_t timeout_ms, int take) {
    millpond_subscription_t from = named(names, name)->subscription;
    millpond_batch_t *batch = NULL;
    size_t seen = 0;
    int is_end = 0;
    do {
        int32_t status = millpond_subscription_next(from, count - seen, timeout_ms,
                                                    MILLPOND_NO_CANCEL, &batch, &error);
        if (status) return status;
        for (size_t i = 0; i < millpond_batch_len(batch); i++, seen++) {
            millpond_event_t event = event_of(batch, i);
            print_event(&event);
        }
        is_end = millpond_batch_is_end(batch);
        if (millpond_batch_is_rewind(batch)) {
            print_rewind(batch);
            millpond_batch_free(batch);
            if (!take) return MILLPOND_OK;
            continue;
        }
        if (!take && is_end) printf("end\n");
        if (!take && !is_end)
            printf("caught_up=%s lag=%llu\n", millpond_batch_caught_up(batch) ? "true" : "false",
                   (unsigned long long)millpond_batch_lag(batch));
        millpond_batch_free(batch);
    } while (take && !is_end && seen < count);
    if (take) printf("taken\n");
    return MILLPOND_OK;
}

static void *trigger(void *cancel) {
    poll(NULL, 0, SHORT); /* So that the call has begun to wait; cancelled earlier is the same. */
    millpond_cancel_trigger(*(millpond_cancel_t *)cancel, NULL);
    return NULL;
}

/* A call that waits, called off by another thread. */
static int32_t interrupt(const char *name) {
    millpond_cancel_t cancel = {0};
    millpond_batch_t *batch = NULL;
    pthread_t thread;
    must(!millpond_cancel_new(&cancel, NULL), "there is a token");
    must(!pthread_create(&thread, NULL, trigger, &cancel), "there is a thread");
    int32_t status = millpond_subscription_next(named(names, name)->subscription, 1, SOON, cancel,
                                                &batch, NULL);
    millpond_batch_free(batch);
    pthread_join(thread, NULL);
    millpond_cancel_free(cancel, NULL);
    printf(status == MILLPOND_ERROR_CANCELLED ? "cancelled\n" : "ready\n");
    return MILLPOND_OK;
}

/* By a ticket, or by the id and address in it. */
static int32_t connect_to(const char *name, const char *other, int by_address) {
    millpond_bytes_t ticket = {NULL, 0}, parts = {NULL, 0};
    char target[256], *from = target;
    int32_t status =
        millpond_node_ticket(node_of(other), SOON, MILLPOND_NO_CANCEL, &ticket, &error);
    if (status) return status;
    from = (char *)ticket.data;
    if (by_address) {
        must(!millpond_ticket_parse(from, ticket.len, &parts, NULL), "a ticket has parts");
        const char *id = strstr((char *)parts.data, "\"node_id\":\"");
        const char *address = strstr((char *)parts.data, "127.0.0.1:");
        must(id && address, "a ticket has a node id and an address");
        snprintf(target, sizeof target, "%.64s@%.*s", id + 11, (int)strcspn(address, "\""),
                 address);
        from = target;
    }
    status = millpond_node_connect(node_of(name), from, strlen(from), SOON, MILLPOND_NO_CANCEL,
                                   &error);
    millpond_bytes_free(&ticket);
    millpond_bytes_free(&parts);
    return status;
}

/* Whether the status of a node tells of a refusal for this reason. */
static int32_t refusal(const char *name, const char *reason) {
    millpond_bytes_t json = {NULL, 0};
    char wanted[128];
    int32_t status =
        millpond_node_status(node_of(name), SOON, MILLPOND_NO_CANCEL, &json, &error);
    if (status) return status;
    snprintf(wanted, sizeof wanted, "\"reason\":\"%s\"", reason);
    printf(strstr((char *)json.data, wanted) ? "true\n" : "false\n");
    millpond_bytes_free(&json);
    return MILLPOND_OK;
}

/* Replaces the secret: the first word is the current one, the others are former ones. */
static int32_t secrets(const char *name, char *rest) {
    millpond_text_t former[8];
    size_t count = 0;
    const char *current = word(&rest);
    for (const char *one; *rest && count < 8; former[count++] = text(one, strlen(one)))
        one = word(&rest);
    return millpond_node_set_secrets(node_of(name), current, strlen(current), former, count, SOON,
                                     MILLPOND_NO_CANCEL, &error);
}

/* What the status says of a node: which secret it has shown, or (`missed`) whether it is missed. */
static int32_t said_of(const char *name, const char *peer, int missed) {
    millpond_bytes_t json = {NULL, 0}, id = {NULL, 0};
    char wanted[96];
    must(!millpond_node_id(node_of(peer), &id, NULL), "a node has an id");
    int32_t status = millpond_node_status(node_of(name), SOON, MILLPOND_NO_CANCEL, &json, &error);
    if (!status) {
        const char *section = missed ? "\"unheard\":[" : "\"peers\":[";
        snprintf(wanted, sizeof wanted, "\"node_id\":\"%s\"", (const char *)id.data);
        const char *found = strstr(strstr((const char *)json.data, section), wanted);
        const char *field = found ? strstr(found, missed ? "\"since\":" : "\"secret\":") : NULL;
        if (missed) printf(field && strtoll(field + 8, NULL, 10) > 0 ? "true\n" : "false\n");
        else if (!field || field[9] != '"') printf("-\n");
        else printf("%.*s\n", (int)strcspn(field + 10, "\""), field + 10);
    }
    millpond_bytes_free(&id);
    millpond_bytes_free(&json);
    return status;
}

/* The number behind a name in JSON. */
static unsigned long long number_in(const millpond_bytes_t *json, const char *name) {
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\"%s\":", name);
    const char *found = strstr((const char *)json->data, wanted);
    must(found != NULL, name);
    return strtoull(found + strlen(wanted), NULL, 10);
}

static void print_looks(const millpond_bytes_t *json, const char *name) {
    char wanted[32];
    snprintf(wanted, sizeof wanted, "\"%s\":{", name);
    millpond_bytes_t part = {(uint8_t *)strstr((const char *)json->data, wanted), 0};
    must(part.data != NULL, name);
    printf(" %s=%llu/%llu/%llu/%llu", name, number_in(&part, "segments"),
           number_in(&part, "blocks"), number_in(&part, "frames"), number_in(&part, "events"));
}

/* Reads a batch of `count` events, or everything. */
static int32_t read_on(millpond_cursor_t cursor, size_t count, int all) {
    millpond_batch_t *batch = NULL;
    int32_t status = MILLPOND_OK;
    int more = 1;
    while (!status && more) {
        status = millpond_cursor_next(cursor, count, SOON, MILLPOND_NO_CANCEL, &batch, &error);
        more = !status && all && !millpond_batch_is_end(batch);
        if (!status) millpond_batch_free(batch);
    }
    return status;
}

/* Asks, reads as much as is said, and prints how that is answered. */
static int32_t explain(const char *name, const said_t *said, const char *rest) {
    millpond_cursor_t cursor = {0};
    millpond_bytes_t json = {NULL, 0};
    int32_t status = ask(name, said, rest, &cursor);
    int all = said->read && strcmp(said->read, "all") == 0;
    if (!status && said->read)
        status = read_on(cursor, all ? 0 : strtoul(said->read, NULL, 10), all);
    if (!status)
        status = millpond_cursor_explain(cursor, SOON, MILLPOND_NO_CANCEL, &json, &error);
    if (!status) {
        const char *order = strstr((char *)json.data, "\"order\":\"") + 9;
        print_lines(strstr((char *)json.data, "\"text\":\"") + 8);
        printf("%.*s exact=%s", (int)strcspn(order, "\""), order,
               strstr((char *)json.data, "\"is_exact\":true") ? "true" : "false");
        print_looks(&json, "expected");
        print_looks(&json, "actual");
        printf("\n");
    }
    millpond_bytes_free(&json);
    millpond_cursor_close(cursor, NULL);
    return status;
}

static int32_t verify(const char *name) {
    millpond_bytes_t json = {NULL, 0};
    int32_t status =
        millpond_node_verify(node_of(name), SOON, MILLPOND_NO_CANCEL, &json, &error);
    if (status) return status;
    printf("streams=%llu events=%llu damages=%llu\n", number_in(&json, "streams"),
           number_in(&json, "events"), number_in(&json, "damage_count"));
    millpond_bytes_free(&json);
    return MILLPOND_OK;
}

static int32_t compact(const char *name) {
    millpond_bytes_t json = {NULL, 0};
    int32_t status =
        millpond_node_compact(node_of(name), SOON, MILLPOND_NO_CANCEL, &json, &error);
    if (status) return status;
    int some = number_in(&json, "bytes_before") > 0 && number_in(&json, "bytes_after") > 0;
    printf(some ? "true\n" : "false\n");
    millpond_bytes_free(&json);
    return MILLPOND_OK;
}

static int32_t stats(const char *name) {
    millpond_bytes_t json = {NULL, 0};
    int32_t status = millpond_node_stats(node_of(name), &json, &error);
    if (status) return status;
    printf("streams=%llu events=%llu record_bytes=%llu idempotency_keys=%llu\n",
           number_in(&json, "streams"), number_in(&json, "events"),
           number_in(&json, "record_bytes"), number_in(&json, "idempotency_keys"));
    millpond_bytes_free(&json);
    return MILLPOND_OK;
}

static int32_t metric(const char *name, const char *figure) {
    millpond_bytes_t text = {NULL, 0};
    int32_t status = millpond_node_metrics(node_of(name), SOON, MILLPOND_NO_CANCEL, &text, &error);
    if (status) return status;
    size_t len = strlen(figure);
    for (char *line = strtok((char *)text.data, "\n"); line; line = strtok(NULL, "\n"))
        if (strncmp(line, figure, len) == 0 && line[len] == ' ') printf("%s\n", line + len + 1);
    millpond_bytes_free(&text);
    return MILLPOND_OK;
}

static int occurrences(const char *text, const char *part) {
    int count = 0;
    while ((text = strstr(text, part))) count++, text++;
    return count;
}

static int32_t complete(const char *name, const said_t *said, const char *rest) {
    millpond_cursor_t cursor = {0};
    millpond_bytes_t json = {NULL, 0};
    int32_t status = ask(name, said, rest, &cursor);
    if (!status) status = read_on(cursor, 0, 1);
    if (!status) status = millpond_cursor_completeness(cursor, &json, &error);
    if (!status)
        printf("behind=%d unheard=%d\n", occurrences((char *)json.data, "\"missing\":"),
               occurrences((char *)json.data, "\"since\":"));
    millpond_bytes_free(&json);
    millpond_cursor_close(cursor, NULL);
    return status;
}

static int32_t told(const char *name) {
    millpond_bytes_t json = {NULL, 0};
    uint64_t version = 0;
    int32_t status = millpond_node_next_status(node_of(name), &version, SOON, MILLPOND_NO_CANCEL,
                                               &json, &error);
    if (status) return status;
    millpond_bytes_t own = {NULL, 0};
    status = millpond_node_id(node_of(name), &own, &error);
    if (status) return status;
    // Its own id comes first: names are in order.
    const char *id = strstr((char *)json.data, "\"node_id\":\"");
    int is_ours = id && strncmp(id + 11, (char *)own.data, own.len) == 0;
    millpond_bytes_free(&own);
    millpond_bytes_free(&json);
    status = millpond_node_next_status(node_of(name), &version, 100, MILLPOND_NO_CANCEL, &json,
                                       NULL);
    printf(is_ours && status == MILLPOND_ERROR_TIMEOUT ? "true\n" : "false\n");
    if (!status) millpond_bytes_free(&json);
    return MILLPOND_OK;
}

/* A second close of a handle answers `closed` in C and does nothing. */
static int32_t closed(int32_t status) {
    return status == MILLPOND_ERROR_CLOSED ? MILLPOND_OK : status;
}

#define IS(verb_name) (strcmp(verb, verb_name) == 0)
/* Does what a line says; -1 when it has printed its answer. */
static int32_t command(char *rest) {
    const char *verb = word(&rest), *name = word(&rest);
    said_t said;
    uint64_t lag;
    int32_t status;
    rest = options(rest, &said);
    if (pond_command(verb, name, &said, rest, &status)) return status;
    if (IS("open")) return open_node(name, &said);
    if (IS("close")) return closed(millpond_node_close(node_of(name), SOON, &error));
    if (IS("network"))
        return millpond_node_set_network(node_of(name), strcmp(rest, "on") == 0, SOON,
                                         MILLPOND_NO_CANCEL, &error);
    if (IS("secrets")) return secrets(name, rest);
    if (IS("connect")) return connect_to(name, rest, 0);
    if (IS("connect_address")) return connect_to(name, rest, 1);
    if (IS("subscribe")) return subscribe(name, &said, rest);
    if (IS("unsubscribe"))
        return closed(millpond_subscription_close(named(names, name)->subscription, &error));
    if (IS("offsets"))
        return millpond_node_offsets(node_of(name), &named(names, rest)->text, &error);
    if (IS("position"))
        return millpond_subscription_position(named(names, name)->subscription,
                                              &named(names, rest)->text, &error);
    if (IS("token")) { /* A token is read where it is used. */
        millpond_query_options_t reading = MILLPOND_QUERY_OPTIONS_INIT;
        millpond_cursor_t cursor = {0};
        reading.lower = text(rest, strlen(rest));
        return millpond_node_query(named(names, "a")->node, "FROM allEvents", 14, &reading, SOON,
                                   MILLPOND_NO_CANCEL, &cursor, &error);
    }
    if (IS("publish") || IS("publish_all")) status = publish_words(name, &said, rest);
    else if (IS("query") || IS("republish")) status = query(name, &said, rest, IS("republish"));
    else if (IS("next") || IS("take"))
        status = next(name, strtoul(rest, NULL, 10), SOON, IS("take"));
    else if (IS("idle")) status = next(name, 1, SHORT, 0);
    else if (IS("interrupt")) status = interrupt(name);
    else if (IS("explain")) status = explain(name, &said, rest);
    else if (IS("verify")) status = verify(name);
    else if (IS("compact")) status = compact(name);
    else if (IS("stats")) status = stats(name);
    else if (IS("metric")) status = metric(name, rest);
    else if (IS("complete")) status = complete(name, &said, rest);
    else if (IS("told")) status = told(name);
    else if (IS("refusal")) status = refusal(name, rest);
    else if (IS("proved") || IS("missed")) status = said_of(name, rest, IS("missed"));
    else if (IS("lag")) {
        status = millpond_subscription_lag(named(names, name)->subscription, &lag, &error);
        if (!status) printf("%llu\n", (unsigned long long)lag);
    } else if (IS("same")) {
        millpond_text_t one = token_of(name), other = token_of(rest);
        int same = one.len == other.len && memcmp(one.data, other.data, one.len) == 0;
        status = printf(same ? "true\n" : "false\n") < 0;
    } else if (IS("errors")) print_table(), status = 0;
    else status = printf("absent\n") < 0;
    return status ? status : -1;
}

int main(int argc, char **argv) {
    static char line[4 << 20];
    must(argc == 2, "usage: adapter FOLDER");
    must(!millpond_abi_check(MILLPOND_ABI_VERSION, NULL), "header and library fit");
    folder = argv[1];
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        int32_t status = command(line);
        if (status == MILLPOND_OK) printf("ok\n");
        else if (status > 0) print_error(error, strncmp(line, "publish", 7) != 0);
        millpond_error_free(error);
        error = NULL;
        printf(".\n");
        fflush(stdout);
    }
    return 0;
}
