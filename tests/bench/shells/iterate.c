/* What `./dev bench` measures of C; compiled and started by tests/bench/shells/compiled.rs.
 *
 * `iterate iterate bytes STORE` reads everything in batches, and each event of them; `iterate
 * check` does nothing. Says how many seconds the work took, the events, and the bytes of their
 * payloads. */
#include <millpond.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Bytes are read in batches as large as they may be. */
#define READ_BATCH 4096
/* Reading takes 20 ms, which says little once: the median of so many. */
#define ROUNDS 5

typedef struct {
    double seconds;
    size_t events, bytes;
} round_t;

static void must(int32_t status, const char *what) {
    if (status == MILLPOND_OK) return;
    fprintf(stderr, "%s: error %d\n", what, (int)status);
    exit(1);
}

static millpond_text_t text(const char *data) {
    millpond_text_t made;
    made.data = data;
    made.len = strlen(data);
    return made;
}

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static round_t iterate(millpond_node_t node) {
    static const char all[] = "FROM allEvents";
    round_t seen = {0, 0, 0};
    millpond_cursor_t cursor = {0};
    int is_end = 0;
    double started = now();
    must(millpond_node_query(node, all, sizeof all - 1, NULL, -1, MILLPOND_NO_CANCEL, &cursor,
                             NULL),
         "query");
    while (!is_end) {
        millpond_batch_t *batch = NULL;
        must(millpond_cursor_next(cursor, READ_BATCH, -1, MILLPOND_NO_CANCEL, &batch, NULL),
             "next");
        is_end = millpond_batch_is_end(batch);
        size_t count = millpond_batch_len(batch);
        for (size_t i = 0; i < count; i++) {
            millpond_event_t event = MILLPOND_EVENT_INIT;
            must(millpond_batch_get(batch, i, &event, NULL), "get");
            seen.events++;
            seen.bytes += event.payload_len;
        }
        millpond_batch_free(batch);
    }
    seen.seconds = now() - started;
    must(millpond_cursor_close(cursor, NULL), "close");
    return seen;
}

static int by_seconds(const void *a, const void *b) {
    double one = ((const round_t *)a)->seconds, other = ((const round_t *)b)->seconds;
    return (one > other) - (one < other);
}

int main(int count, char **arguments) {
    round_t rounds[ROUNDS + 1];
    char swarm[65], path[4096];
    millpond_node_options_t options = MILLPOND_NODE_OPTIONS_INIT;
    if (count != 4) return 0;
    snprintf(path, sizeof path, "%s/shell", arguments[3]);
    memset(swarm, '3', 64);
    swarm[64] = 0;
    options.path = text(path);
    options.app_id = text("com.example.bench");
    options.swarm = text(swarm);
    options.network = MILLPOND_NO;
    for (int i = 0; i <= ROUNDS; i++) { /* The first time is not measured. */
        millpond_node_t node = {0};
        must(millpond_node_open(&options, -1, MILLPOND_NO_CANCEL, &node, NULL), "open");
        rounds[i] = iterate(node);
        must(millpond_node_close(node, -1, NULL), "close");
    }
    qsort(rounds + 1, ROUNDS, sizeof *rounds, by_seconds);
    round_t median = rounds[1 + ROUNDS / 2];
    printf("%.9f %zu %zu\n", median.seconds, median.events, median.bytes);
    return 0;
}
