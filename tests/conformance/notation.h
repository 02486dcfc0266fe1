/* The notation of commands and answers, for adapter.c. */
#ifndef NOTATION_H
#define NOTATION_H

#include <millpond.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(int is_so, const char *what) {
    if (is_so) return;
    fprintf(stderr, "adapter.c: not so: %s\n", what);
    exit(2);
}

static millpond_text_t text(const char *data, size_t len) {
    millpond_text_t made;
    made.data = data;
    made.len = len;
    return made;
}

#define NAMES_MAX 32
/* What a name stands for: a node, a subscription, a token; in `ids` the node id of a folder. */
typedef struct {
    char name[64];
    millpond_node_t node;
    millpond_subscription_t subscription;
    millpond_session_t session;
    millpond_observer_t observer;
    millpond_doing_t doing;
    char standing[16], winner[128];
    millpond_bytes_t text;
} named_t;
static named_t names[NAMES_MAX], ids[NAMES_MAX];

/* The entry of this name, a new one when there is none. */
static named_t *named(named_t *table, const char *name) {
    named_t *at = table;
    while (at->name[0] && strcmp(at->name, name) != 0) at++;
    must(at < table + NAMES_MAX - 1 && strlen(name) < sizeof at->name, "names fit");
    strcpy(at->name, name);
    return at;
}

/* The words `key=value` in front of the rest. */
typedef struct {
    const char *key, *expected, *token, *order, *lower, *upper;
    const char *from, *folder, *swarm, *ticket, *net, *peers;
    const char *columns, *read, *former, *cap_all, *cap_each;
    const char *priority, *delivery;
    const char *after, *session, *wait, *amount, *floor, *to, *share;
} said_t;

static char *options(char *rest, said_t *said) {
    static const char *const keys[] = {"key=",   "expected=", "token=",  "order=",
                                       "lower=", "upper=",    "from=",   "folder=",
                                       "swarm=", "ticket=",   "net=",    "peers=",
                                       "columns=", "read=",     "former=", "cap_all=",
                                       "cap_each=", "priority=", "delivery=", "after=",
                                       "session=", "wait=", "amount=", "floor=", "to=", "share="};
    const char **values = (const char **)said;
    memset(said, 0, sizeof *said);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (strncmp(rest, keys[i], strlen(keys[i])) != 0) continue;
        values[i] = rest + strlen(keys[i]);
        rest += strcspn(rest, " ");
        if (*rest) *rest++ = 0;
        i = (size_t)-1;
    }
    return rest;
}

/* Cuts the first word off. */
static char *word(char **rest) {
    char *first = *rest;
    *rest += strcspn(*rest, " ");
    if (**rest) *(*rest)++ = 0;
    return first;
}

static void print_stream(const char *stream, size_t len) {
    for (named_t *at = ids; at->name[0]; at++) {
        size_t id = at->text.len;
        if (len > id && memcmp(stream, at->text.data, id) == 0) {
            printf("%s%.*s", at->name, (int)(len - id), stream + id);
            return;
        }
    }
    printf("%.*s", (int)len, stream);
}

static void print_event(const millpond_event_t *event) {
    print_stream(event->stream.data, event->stream.len);
    printf(" offset=%llu lamport=%llu app=%.*s tags=", (unsigned long long)event->offset,
           (unsigned long long)event->lamport, (int)event->app_id.len, event->app_id.data);
    if (!event->tags) printf("-");
    for (size_t i = 0; i < event->tag_count; i++)
        printf("%s%.*s", i ? "|" : "", (int)event->tags[i].len, event->tags[i].data);
    printf(event->payload ? " cbor=" : " cbor=-");
    if (event->payload_len > 128) printf("%lu bytes", (unsigned long)event->payload_len);
    else
        for (size_t i = 0; i < event->payload_len; i++) printf("%02x", event->payload[i]);
    printf("\n");
}

static millpond_event_t event_of(const millpond_batch_t *batch, size_t index) {
    millpond_event_t event = MILLPOND_EVENT_INIT;
    must(millpond_batch_get(batch, index, &event, NULL) == MILLPOND_OK, "a batch has its events");
    return event;
}

/* An error as an answer. A position in the JSON text of a payload is left out: only C has one. */
static void print_error(const millpond_error_t *error, int has_query) {
    const char *message = millpond_error_message(error);
    printf("error %d %s%s", millpond_error_number(error), millpond_error_name(error),
           millpond_error_is_retryable(error) ? " retryable" : "");
    if (*millpond_error_reason(error)) printf(" reason=%s", millpond_error_reason(error));
    if (has_query && millpond_error_position(error) >= 0)
        printf(" position=%lld", (long long)millpond_error_position(error));
    printf("\n");
    while (millpond_error_number(error) == MILLPOND_ERROR_QUERY_INVALID && *message) {
        size_t len = strcspn(message, "\n");
        printf("| %.*s\n", (int)len, message);
        message += len + (message[len] == '\n');
    }
}

/* {"$integer":"N"} is written N in JSON. In place: what is left is shorter. */
static void plain_integers(char *json) {
    static const char open[] = "{\"$integer\":\"";
    char *to = json;
    while (*json) {
        if (strncmp(json, open, sizeof open - 1) != 0) {
            *to++ = *json++;
            continue;
        }
        for (json += sizeof open - 1; *json != '"'; json++) *to++ = *json;
        json += 2;
    }
    *to = 0;
}

/* The columns that a command names; one that there is not is a number that there is not. */
static uint32_t columns_of(const char *names) {
    static const struct {
        const char *name;
        uint32_t number;
    } known[] = {{"-", MILLPOND_COLUMN_KEY},
                 {"tags", MILLPOND_COLUMN_TAGS},
                 {"payload", MILLPOND_COLUMN_PAYLOAD},
                 {"tags,payload", MILLPOND_COLUMN_TAGS | MILLPOND_COLUMN_PAYLOAD}};
    for (size_t i = 0; names && i < sizeof known / sizeof *known; i++)
        if (strcmp(names, known[i].name) == 0) return known[i].number;
    return names ? 64 : 0;
}

/* The lines of a JSON string, each behind a bar. */
static void print_lines(const char *json) {
    for (int is_new = 1; *json != '"'; json++) {
        if (is_new) printf("| ");
        is_new = json[0] == '\\' && json[1] == 'n';
        if (*json == '\\') json++;
        putchar(is_new ? '\n' : *json);
    }
}

/* A head of CBOR, of which this needs small lengths only. */
static size_t head(const uint8_t **at) {
    size_t first = *(*at)++ & 31, bytes = first < 24 ? 0 : (size_t)1 << (first - 24), value = 0;
    for (size_t i = 0; i < bytes; i++) value = value << 8 | *(*at)++;
    return bytes ? value : first;
}

/* The texts of a JSON array, in memory of `*held`. */
static millpond_text_t *texts(const char *json, size_t *count, millpond_bytes_t *held) {
    must(!millpond_payload_from_json(json, strlen(json), held, NULL), "tags are a JSON array");
    const uint8_t *at = held->data;
    *count = head(&at);
    millpond_text_t *made = calloc(*count + 1, sizeof *made);
    for (size_t i = 0; i < *count; i++) {
        made[i].len = head(&at);
        made[i].data = (const char *)at;
        at += made[i].len;
    }
    return made;
}

/* Every status that has a name. */
static void print_table(void) {
    for (int32_t number = 1; millpond_status_name(number).len != 7 ||
                             memcmp(millpond_status_name(number).data, "unknown", 7) != 0;
         number++)
        printf("%d %.*s %s\n", number, (int)millpond_status_name(number).len,
               millpond_status_name(number).data,
               millpond_status_is_retryable(number) ? "true" : "false");
}

#endif
