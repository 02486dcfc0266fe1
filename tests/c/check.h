/* The smallest test frame: claims, and what every test needs to make one. */
#ifndef CHECK_H
#define CHECK_H

#include <dirent.h>
#include <millpond.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NEVER (-1)
#define SOON 60000 /* ms: what takes longer hangs, also under valgrind on a busy machine */
#define TEXT(literal) literal, sizeof(literal) - 1

static int passed_count, failed_count, failures_here;

#define CHECK(claim)                                                                               \
    do {                                                                                           \
        if (!(claim)) {                                                                            \
            printf("  %s:%d: not so: %s\n", __FILE__, __LINE__, #claim);                           \
            failures_here++;                                                                       \
        }                                                                                          \
    } while (0)

/* The status of a call is `expected`; else its error is shown. */
#define STATUS(expected, ...)                                                                      \
    do {                                                                                           \
        int32_t status_ = (__VA_ARGS__);                                                           \
        if (status_ != (expected)) {                                                               \
            printf("  %s:%d: %s gave %.*s\n", __FILE__, __LINE__, #__VA_ARGS__,                    \
                   (int)millpond_status_name(status_).len, millpond_status_name(status_).data);    \
            failures_here++;                                                                       \
        }                                                                                          \
    } while (0)
#define OK(...) STATUS(MILLPOND_OK, __VA_ARGS__)

static void run(const char *claim, void (*test)(void)) {
    failures_here = 0;
    test();
    printf("%s %s\n", failures_here ? "FAILED" : "ok", claim);
    if (failures_here) failed_count++;
    else passed_count++;
    fflush(stdout);
}

static int summary(void) {
    printf("%d passed, %d failed\n", passed_count, failed_count);
    return failed_count != 0;
}

/* A folder that nobody uses; run.sh gives a base that it removes. */
static const char *fresh_folder(void) {
    static char path[4096];
    static int number;
    const char *base = getenv("MILLPOND_TEST_FOLDER");
    snprintf(path, sizeof path, "%s/%ld-%d", base ? base : "/tmp", (long)getpid(), number++);
    return path;
}

static const char SECRET[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

static millpond_node_options_t options_at(const char *path) {
    millpond_node_options_t options = MILLPOND_NODE_OPTIONS_INIT;
    options.path.data = path;
    options.path.len = strlen(path);
    options.app_id.data = "c-test";
    options.app_id.len = 6;
    options.swarm.data = SECRET;
    options.swarm.len = sizeof SECRET - 1;
    options.network = MILLPOND_NO;
    options.discovery = MILLPOND_NO;
    return options;
}

static millpond_node_t open_node(void) {
    millpond_node_t node = {0};
    millpond_error_t *error = NULL;
    millpond_node_options_t options = options_at(fresh_folder());
    OK(millpond_node_open(&options, SOON, MILLPOND_NO_CANCEL, &node, &error));
    if (error) printf("  %s\n", millpond_error_message(error));
    millpond_error_free(error);
    return node;
}

static int32_t publish(millpond_node_t node, const char *tag, const char *json) {
    millpond_text_t tags[1];
    millpond_draft_t draft = MILLPOND_DRAFT_INIT;
    tags[0].data = tag;
    tags[0].len = strlen(tag);
    draft.tags = tags;
    draft.tag_count = 1;
    draft.payload_form = MILLPOND_PAYLOAD_JSON;
    draft.payload = (const uint8_t *)json;
    draft.payload_len = strlen(json);
    return millpond_node_publish(node, &draft, 1, NULL, NEVER, MILLPOND_NO_CANCEL, NULL, NULL);
}

static millpond_subscription_t subscribe(millpond_node_t node) {
    millpond_subscription_t subscription = {0};
    OK(millpond_node_subscribe(node, TEXT("FROM allEvents"), NULL, SOON, MILLPOND_NO_CANCEL,
                               &subscription, NULL));
    return subscription;
}

static int thread_count(void) {
    int count = 0;
    DIR *folder = opendir("/proc/self/task");
    if (!folder) return -1;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

/* Awaits that the calling thread is the only one; one of a closed node leaves a moment after the
 * close has returned. Polls until the deadline: the kernel tells nobody that a thread has left. */
static int is_alone_soon(void) {
    for (int i = 0; i < SOON && thread_count() > 1; i++) usleep(1000);
    return thread_count() == 1;
}

/* Some tests need only some of these. */
static void use_all(void) {
    (void)run, (void)summary, (void)open_node, (void)publish, (void)subscribe, (void)is_alone_soon;
    (void)use_all;
}

#endif
