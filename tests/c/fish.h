/* A fish of callbacks, for the tests of what is done with fish. */
#ifndef FISH_H
#define FISH_H

#include "check.h"
#include <poll.h>
#include <pthread.h>
#include <time.h>

#define NC MILLPOND_NO_CANCEL
#define NS MILLPOND_NO_SESSION

static millpond_text_t text(const char *data, size_t len) {
    millpond_text_t text = {data, len};
    return text;
}

/* The fish of these tests counts its events; `destroys` counts how often it was freed. */
struct counter {
    long long count;
    int *destroys;
};

static pthread_mutex_t destroy_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t destroyed = PTHREAD_COND_INITIALIZER;

static int32_t load(void *user_data, const uint8_t *state, size_t len, millpond_job_t *job) {
    struct counter *self = (struct counter *)user_data;
    millpond_bytes_t json = {NULL, 0};
    (void)job;
    self->count = 0;
    if (!state) return 0;
    if (millpond_payload_to_json(state, len, &json, NULL)) return 1;
    self->count = strtoll((char *)json.data, NULL, 10);
    millpond_bytes_free(&json);
    return 0;
}

static int32_t apply(void *user_data, const millpond_batch_t *batch, millpond_job_t *job) {
    (void)job;
    ((struct counter *)user_data)->count += (long long)millpond_batch_len(batch);
    return 0;
}

static int32_t save(void *user_data, millpond_job_t *job) {
    char json[32];
    int len = snprintf(json, sizeof json, "%lld", ((struct counter *)user_data)->count);
    return millpond_job_save(job, MILLPOND_PAYLOAD_JSON, (uint8_t *)json, (size_t)len, NULL);
}

static void destroy(void *user_data) {
    struct counter *self = (struct counter *)user_data;
    pthread_mutex_lock(&destroy_mutex);
    ++*self->destroys;
    pthread_cond_broadcast(&destroyed);
    pthread_mutex_unlock(&destroy_mutex);
    free(self);
}

/* Code of a fish leaves a moment after its last observer; nobody but `destroy` tells. */
static int is_destroyed_soon(const int *destroys, int expected) {
    struct timespec until;
    int waited = clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += SOON / 1000;
    pthread_mutex_lock(&destroy_mutex);
    while (!waited && *destroys < expected)
        waited = pthread_cond_timedwait(&destroyed, &destroy_mutex, &until);
    int count = *destroys;
    pthread_mutex_unlock(&destroy_mutex);
    return count == expected;
}

static millpond_fish_t counting(const char *id, size_t id_len, int *destroys) {
    millpond_fish_t fish = MILLPOND_FISH_INIT;
    struct counter *self = (struct counter *)calloc(1, sizeof *self);
    if (!self) abort();
    self->destroys = destroys;
    fish.id = text(id, id_len);
    fish.version = 1;
    fish.query = text(TEXT("FROM 'grain'"));
    fish.load = load, fish.apply = apply, fish.save = save, fish.destroy = destroy;
    fish.user_data = self;
    return fish;
}

static long long value_of(const millpond_state_t *state) {
    millpond_bytes_t json = {NULL, 0};
    OK(millpond_state_json(state, &json, NULL));
    long long value = json.data ? strtoll((char *)json.data, NULL, 10) : -1;
    millpond_bytes_free(&json);
    return value;
}

static int is_readable(int fd, int timeout_ms) {
    struct pollfd entry = {fd, POLLIN, 0};
    return poll(&entry, 1, timeout_ms) == 1;
}

/* Not every test needs all of these. */
static void use_fish(void) {
    use_all();
    (void)text, (void)counting, (void)is_destroyed_soon, (void)value_of, (void)is_readable;
    (void)use_fish;
}

#endif
