/* The press: a PLC gateway's stand-in, publishes a machine's telemetry. One of the demo's three.
 *
 * `press FOLDER SECRET CSV` opens a node, publishes a row of the table every 20 ms, and obeys lines
 * on standard input; see run.py. After a crash it goes on with the row after the last one that its
 * own log holds, so no row is published twice.
 */
#define _POSIX_C_SOURCE 200809L
#include <millpond.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { COLUMNS_MAX = 64, LINE_MAX_BYTES = 8192, ROW_EVERY_MS = 20, STATUS_EVERY_MS = 250 };
enum { PATIENCE_MS = 10000 };

/* A table of text, held whole: telemetry of a shift is small. */
struct table {
    char *columns[COLUMNS_MAX];
    size_t column_count;
    char **cells; /* row after row */
    size_t row_count;
};

/* JSON text that grows. */
struct text {
    char *data;
    size_t len, room;
};

static void fail(const char *what, const char *why) {
    printf("error %s: %s\n", what, why);
    fflush(stdout);
    exit(1);
}

/* Ends the program with the error's own words, unless all is well. */
static void must(int32_t status, const char *what, millpond_error_t *error) {
    if (status != MILLPOND_OK) fail(what, error ? millpond_error_message(error) : "no message");
}

static void put(struct text *text, const char *data, size_t len) {
    if (text->len + len + 1 > text->room) {
        text->room = (text->len + len + 1) * 2;
        text->data = realloc(text->data, text->room);
        if (!text->data) fail("memory", "there is none left");
    }
    memcpy(text->data + text->len, data, len);
    text->len += len;
    text->data[text->len] = 0;
}

static char *copy(const char *text) {
    size_t len = strlen(text) + 1;
    char *made = malloc(len);
    if (!made) fail("memory", "there is none left");
    return memcpy(made, text, len);
}

/* Takes the next cell off `*line`; quoted cells may hold commas, and quotes when doubled. */
static char *take_cell(char **line) {
    char *from = *line, *to = *line, *cell = *line;
    int quoted = *from == '"';
    if (quoted) from++;
    for (; *from; from++) {
        if (quoted && from[0] == '"' && from[1] == '"') from++;
        else if (quoted && *from == '"') { quoted = 0; continue; }
        else if (!quoted && *from == ',') break;
        *to++ = *from;
    }
    *line = *from ? from + 1 : NULL;
    *to = 0;
    return cell;
}

static int read_line(FILE *file, char *line) {
    if (!fgets(line, LINE_MAX_BYTES, file)) return 0;
    size_t len = strcspn(line, "\r\n");
    if (len == LINE_MAX_BYTES - 1) fail("the table", "a line is too long");
    line[len] = 0;
    return 1;
}

/* Whether a cell is a number as JSON writes numbers, short enough to be one exactly. */
static int is_number(const char *cell) {
    const char *at = cell + (*cell == '-');
    size_t digits = strspn(at, "0123456789");
    if (!digits || digits > 15 || (at[0] == '0' && digits > 1)) return 0;
    at += digits;
    if (*at == '.') {
        digits = strspn(++at, "0123456789");
        if (!digits) return 0;
        at += digits;
    }
    return !*at;
}

static struct table read_table(const char *path) {
    struct table table = {{0}, 0, NULL, 0};
    char line[LINE_MAX_BYTES];
    FILE *file = fopen(path, "r");
    if (!file) fail(path, "the table cannot be opened");
    int is_empty = !read_line(file, line) || !line[0];
    if (is_empty) fail(path, "the table is empty; its first line must name the columns");
    for (char *rest = line; rest;) {
        if (table.column_count == COLUMNS_MAX) fail(path, "the table has too many columns");
        char *name = take_cell(&rest);
        int is_name = name[0] && !is_number(name);
        if (!is_name) fail(path, "the table has no header; its first line must name the columns");
        table.columns[table.column_count++] = copy(name);
    }
    while (read_line(file, line)) {
        size_t bytes = (table.row_count + 1) * table.column_count * sizeof *table.cells;
        if (!line[0]) continue;
        if (!(table.cells = realloc(table.cells, bytes))) fail("memory", "there is none left");
        char **row = table.cells + table.row_count++ * table.column_count;
        char *rest = line;
        for (size_t i = 0; i < table.column_count; i++)
            row[i] = copy(rest ? take_cell(&rest) : "");
    }
    fclose(file);
    if (!table.row_count) fail(path, "the table has no rows");
    return table;
}

static void put_string(struct text *json, const char *value) {
    char escape[8];
    put(json, "\"", 1);
    for (; *value; value++) {
        if (*value == '"' || *value == '\\' || (unsigned char)*value < 0x20) {
            snprintf(escape, sizeof escape, "\\u%04x", (unsigned char)*value);
            put(json, escape, 6);
        } else {
            put(json, value, 1);
        }
    }
    put(json, "\"", 1);
}

/* Publishes one row: numbers as numbers, the rest as text. */
static void publish_row(millpond_node_t node, const struct table *table, size_t index) {
    char **row = table->cells + index % table->row_count * table->column_count;
    char machine[300] = "";
    struct text json = {0};
    int is_fault = 0;
    put(&json, "{", 1);
    for (size_t i = 0; i < table->column_count; i++) {
        if (i) put(&json, ",", 1);
        put_string(&json, table->columns[i]);
        put(&json, ":", 1);
        if (is_number(row[i])) put(&json, row[i], strlen(row[i]));
        else put_string(&json, row[i]);
        is_fault |= !strcmp(row[i], "fault");
        if (!strcmp(table->columns[i], "machine"))
            snprintf(machine, sizeof machine, "machine:%.200s", row[i]);
    }
    put(&json, "}", 1);

    millpond_text_t tags[3];
    millpond_draft_t draft = MILLPOND_DRAFT_INIT;
    draft.tags = tags;
    tags[draft.tag_count++] = (millpond_text_t){"kind:telemetry", 14};
    if (is_fault) tags[draft.tag_count++] = (millpond_text_t){"kind:fault", 10};
    if (machine[0]) tags[draft.tag_count++] = (millpond_text_t){machine, strlen(machine)};
    draft.payload_form = MILLPOND_PAYLOAD_JSON;
    draft.payload = (const uint8_t *)json.data;
    draft.payload_len = json.len;
    millpond_error_t *error = NULL;
    must(millpond_node_publish(node, &draft, 1, NULL, PATIENCE_MS, MILLPOND_NO_CANCEL, NULL,
                               &error),
         "publish", error);
    free(json.data);
}

/* Calls `each` for every event of a query, in the one order; returns how many there were. */
static size_t walk(millpond_node_t node, const char *query,
                   void (*each)(FILE *, const millpond_event_t *), FILE *out) {
    millpond_cursor_t cursor = {0};
    millpond_error_t *error = NULL;
    size_t count = 0;
    must(millpond_node_query(node, query, strlen(query), NULL, PATIENCE_MS, MILLPOND_NO_CANCEL,
                             &cursor, &error), "query", error);
    for (int is_end = 0; !is_end;) {
        millpond_batch_t *batch = NULL;
        must(millpond_cursor_next(cursor, 0, PATIENCE_MS, MILLPOND_NO_CANCEL, &batch, &error),
             "next batch", error);
        for (size_t i = 0; i < millpond_batch_len(batch); i++, count++) {
            millpond_event_t event = MILLPOND_EVENT_INIT;
            must(millpond_batch_get(batch, i, &event, &error), "event", error);
            if (each) each(out, &event);
        }
        is_end = millpond_batch_is_end(batch);
        millpond_batch_free(batch);
    }
    must(millpond_cursor_close(cursor, &error), "close cursor", error);
    return count;
}

/* One line of a dump: key, application, tags, payload in hex. */
static void print_event(FILE *out, const millpond_event_t *event) {
    fprintf(out, "%llu/%.*s %.*s ", (unsigned long long)event->lamport, (int)event->stream.len,
            event->stream.data, (int)event->app_id.len, event->app_id.data);
    for (size_t i = 0; i < event->tag_count; i++)
        fprintf(out, "%s%.*s", i ? "," : "", (int)event->tags[i].len, event->tags[i].data);
    fputc(' ', out);
    for (size_t i = 0; i < event->payload_len; i++) fprintf(out, "%02x", event->payload[i]);
    fputc('\n', out);
}

static void dump(millpond_node_t node, const char *path) {
    FILE *out = fopen(path, "w");
    if (!out) fail(path, "the dump cannot be written");
    size_t count = walk(node, "FROM allEvents", print_event, out);
    if (fclose(out)) fail(path, "the dump cannot be written");
    printf("dumped %zu\n", count);
}

/* The number after `"name":` in a JSON text, from `from` on; 0 when there is none. */
static unsigned long long number_of(const char *json, const char *name) {
    const char *at = strstr(json, name);
    return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

static void report(millpond_node_t node) {
    millpond_bytes_t json = {NULL, 0};
    millpond_error_t *error = NULL;
    unsigned peers = 0;
    must(millpond_node_status(node, PATIENCE_MS, MILLPOND_NO_CANCEL, &json, &error), "status",
         error);
    const char *text = (const char *)json.data, *at = text;
    for (; (at = strstr(at, "\"state\":\"connected\"")); at++) peers++;
    printf("status %llu %u %llu\n", number_of(text, "\"events\":"), peers,
           number_of(text, "\"lag\":"));
    millpond_bytes_free(&json);
}

/* Does what one line says; 0 when it is to end. */
static int obey(millpond_node_t node, char *line, int *publishing) {
    char *rest = strchr(line, ' ');
    if (rest) *rest++ = 0;
    if (!strcmp(line, "quit")) return 0;
    if (!strcmp(line, "stop")) {
        *publishing = 0;
        printf("stopped\n");
    } else if (!strcmp(line, "dump") && rest) {
        dump(node, rest);
    } else if (!strcmp(line, "peer") && rest) {
        /* Not waited for: the node goes on trying by itself. */
        millpond_node_connect(node, rest, strlen(rest), 0, MILLPOND_NO_CANCEL, NULL);
    } else if (!strcmp(line, "cut") || !strcmp(line, "heal")) {
        millpond_error_t *error = NULL;
        must(millpond_node_set_network(node, line[0] == 'h', PATIENCE_MS, MILLPOND_NO_CANCEL,
                                       &error),
             line, error);
    }
    fflush(stdout);
    return 1;
}

/* Obeys every whole line that has come; 0 when it is to end. */
static int obey_input(millpond_node_t node, int *publishing) {
    static char held[LINE_MAX_BYTES];
    static size_t held_len;
    ssize_t got = read(STDIN_FILENO, held + held_len, sizeof held - 1 - held_len);
    if (got <= 0) return 0;
    held_len += (size_t)got;
    held[held_len] = 0;
    for (char *end; (end = strchr(held, '\n'));) {
        *end = 0;
        int go_on = obey(node, held, publishing);
        held_len -= (size_t)(end + 1 - held);
        memmove(held, end + 1, held_len + 1);
        if (!go_on) return 0;
    }
    return 1;
}

static long long now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static millpond_node_t open_node(const char *folder, const char *secret) {
    static const millpond_text_t loopback = {"127.0.0.1:0", 11};
    millpond_node_options_t options = MILLPOND_NODE_OPTIONS_INIT;
    millpond_node_t node = {0};
    millpond_error_t *error = NULL;
    must(millpond_abi_check(MILLPOND_ABI_VERSION, &error), "library", error);
    options.path = (millpond_text_t){folder, strlen(folder)};
    options.app_id = (millpond_text_t){"press", 5};
    options.swarm = (millpond_text_t){secret, strlen(secret)};
    options.bind = &loopback;
    options.bind_count = 1;
    options.discovery = 2; /* no: the demo tells every node where the others are */
    must(millpond_node_open(&options, PATIENCE_MS, MILLPOND_NO_CANCEL, &node, &error), "open",
         error);
    return node;
}

int main(int argc, char **argv) {
    if (argc != 4) fail("usage", "press FOLDER SECRET CSV");
    struct table table = read_table(argv[3]);
    millpond_node_t node = open_node(argv[1], argv[2]);
    millpond_error_t *error = NULL;
    millpond_bytes_t ticket = {NULL, 0};
    must(millpond_node_ticket(node, PATIENCE_MS, MILLPOND_NO_CANCEL, &ticket, &error), "ticket",
         error);
    printf("ticket %s\n", (const char *)ticket.data);
    millpond_bytes_free(&ticket);
    size_t row = walk(node, "FROM 'kind:telemetry' & isLocal", NULL, NULL);
    if (row) printf("note the log holds %zu rows; going on with the next\n", row);
    fflush(stdout);

    int publishing = 1;
    long long next_row = now_ms(), next_status = next_row;
    for (int running = 1; running;) {
        long long wait = (next_row < next_status ? next_row : next_status) - now_ms();
        struct pollfd input = {STDIN_FILENO, POLLIN, 0};
        if (poll(&input, 1, wait > 0 ? (int)wait : 0) > 0)
            running = obey_input(node, &publishing);
        if (now_ms() >= next_row) {
            if (publishing) publish_row(node, &table, row++);
            next_row += ROW_EVERY_MS;
        }
        if (now_ms() >= next_status) {
            report(node);
            fflush(stdout);
            next_status = now_ms() + STATUS_EVERY_MS;
        }
    }
    must(millpond_node_close(node, PATIENCE_MS, &error), "close", error);
    for (size_t i = 0; i < table.row_count * table.column_count; i++) free(table.cells[i]);
    for (size_t i = 0; i < table.column_count; i++) free(table.columns[i]);
    free(table.cells);
    return 0;
}
