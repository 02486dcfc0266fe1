/* Fish by callbacks of the program, effects, turns, claims: what the Pond does for C. */
#include "fish.h"

static millpond_observer_t observe(millpond_node_t node, int *destroys) {
    millpond_observer_t observer = {0};
    millpond_fish_t fish = counting(TEXT("count"), destroys);
    OK(millpond_node_observe(node, &fish, NULL, SOON, NC, &observer, NULL));
    return observer;
}

static long long state_now(millpond_observer_t observer) {
    millpond_state_t *state = NULL;
    OK(millpond_observer_state(observer, SOON, NC, &state, NULL));
    long long value = value_of(state);
    millpond_state_free(state);
    return value;
}

/* What a callback was given, for another thread to wait for. */
struct seen {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    long long value;
    int ends, errors, destroys, calls, calls_after_end;
    long long last_at; /* an effect: the value from which on it is the last */
    int32_t last_error;
};
#define SEEN {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, -1, 0, 0, 0, 0, 0, 0, 0}

static void on_state(void *user_data, const millpond_state_t *state,
                     const millpond_error_t *error) {
    struct seen *self = (struct seen *)user_data;
    int is_end = millpond_state_is_end(state);
    long long value = state && !is_end ? value_of(state) : -1;
    pthread_mutex_lock(&self->mutex);
    self->calls_after_end += self->ends + self->errors + self->destroys;
    self->calls++, self->ends += is_end, self->errors += error != NULL;
    if (value >= 0) self->value = value;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->mutex);
}

static void on_destroy(void *user_data) {
    struct seen *self = (struct seen *)user_data;
    pthread_mutex_lock(&self->mutex);
    self->destroys++;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->mutex);
}

static void await_value(struct seen *self, long long value) {
    pthread_mutex_lock(&self->mutex);
    while (self->value < value) pthread_cond_wait(&self->changed, &self->mutex);
    pthread_mutex_unlock(&self->mutex);
}

static void await_destroy(struct seen *self) {
    pthread_mutex_lock(&self->mutex);
    while (self->destroys == 0) pthread_cond_wait(&self->changed, &self->mutex);
    pthread_mutex_unlock(&self->mutex);
}

static void states_go_to_a_callback_until_the_observer_is_closed(void) {
    struct seen seen = SEEN, second = SEEN;
    int destroys = 0;
    millpond_node_t node = open_node();
    millpond_observer_t observer = observe(node, &destroys);
    OK(millpond_observer_call_back(observer, on_state, &seen, on_destroy, NULL));
    await_value(&seen, 0);
    for (int i = 1; i <= 5; i++) {
        OK(publish(node, "grain", "1"));
        await_value(&seen, i);
    }
    STATUS(MILLPOND_ERROR_INVALID_ARGUMENT,
           millpond_observer_call_back(observer, on_state, &second, on_destroy, NULL));
    CHECK(second.destroys == 1 && second.calls == 0);
    OK(millpond_observer_close(observer, NULL));
    CHECK(seen.value == 5 && seen.ends == 1 && seen.errors == 0 && seen.destroys == 1);
    CHECK(seen.calls_after_end == 0);
    CHECK(is_destroyed_soon(&destroys, 1));
    OK(publish(node, "grain", "1"));
    OK(millpond_node_close(node, SOON, NULL));
    CHECK(seen.value == 5 && seen.destroys == 1 && destroys == 1);
}

static void a_fish_is_freed_once_whoever_closes(void) {
    int destroys = 0, others = 0;
    millpond_node_t node = open_node();
    millpond_observer_t first = observe(node, &destroys), second = observe(node, &others);
    CHECK(others == 1); /* the fold of the first one serves both */
    OK(millpond_observer_close(first, NULL));
    OK(publish(node, "grain", "1"));
    CHECK(state_now(second) == 1 && destroys == 0);
    OK(millpond_node_close(node, SOON, NULL));
    CHECK(is_destroyed_soon(&destroys, 1));
    OK(millpond_observer_close(second, NULL));
    CHECK(destroys == 1 && others == 1);
}

/* Publishes an event for each state up to a value, and is the last then. */
static int32_t on_effect(void *user_data, const millpond_state_t *state, millpond_effect_t *effect,
                         const millpond_error_t *error) {
    struct seen *self = (struct seen *)user_data;
    const millpond_text_t grain = {TEXT("grain")};
    millpond_draft_t draft = MILLPOND_DRAFT_INIT;
    pthread_mutex_lock(&self->mutex);
    self->calls_after_end += self->ends + self->destroys;
    self->calls++, self->ends += state == NULL;
    if (error) self->errors++, self->last_error = millpond_error_number(error);
    if (state) self->value = value_of(state);
    int is_last = self->value >= self->last_at;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->mutex);
    if (!state) return 0;
    if (is_last) return MILLPOND_EFFECT_LAST;
    draft.tags = &grain, draft.tag_count = 1;
    draft.payload = (const uint8_t *)"\1", draft.payload_len = 1;
    OK(millpond_effect_publish(effect, &draft, 1, NULL));
    return 0;
}

static void an_effect_is_kept_running_until_it_says_that_it_is_the_last(void) {
    struct seen seen = SEEN;
    int destroys = 0;
    millpond_node_t node = open_node();
    millpond_observer_t observer = observe(node, &destroys);
    seen.last_at = 4;
    OK(millpond_observer_keep_running(observer, on_effect, &seen, on_destroy, NULL, NULL));
    await_destroy(&seen);
    CHECK(seen.value == 4 && seen.calls == 6 && seen.ends == 1 && seen.errors == 0);
    CHECK(seen.destroys == 1 && seen.calls_after_end == 0);
    CHECK(state_now(observer) == 4);
    OK(millpond_observer_close(observer, NULL));
    OK(millpond_node_close(node, SOON, NULL));
    CHECK(seen.destroys == 1);
}

static void a_turn_is_used_once_or_given_back(void) {
    int destroys = 0;
    millpond_node_t node = open_node();
    millpond_observer_t observer = observe(node, &destroys);
    millpond_turn_t turn = {0}, other = {0};
    millpond_state_t *state = NULL;
    millpond_published_t published = MILLPOND_PUBLISHED_INIT;
    millpond_draft_t draft = MILLPOND_DRAFT_INIT;
    const millpond_text_t grain = {TEXT("grain")};
    draft.tags = &grain, draft.tag_count = 1;
    draft.payload = (const uint8_t *)"\1", draft.payload_len = 1;
    OK(millpond_observer_turn(observer, MILLPOND_TURN_NEW, NS, SOON, NC, &turn, NULL));
    OK(millpond_turn_state(turn, &state, NULL));
    CHECK(value_of(state) == 0);
    millpond_state_free(state);
    STATUS(MILLPOND_ERROR_TIMEOUT,
           millpond_observer_turn(observer, MILLPOND_TURN_ANY, NS, 10, NC, &other, NULL));
    OK(millpond_turn_publish(turn, &draft, 1, NULL, SOON, NC, &published, NULL));
    CHECK(published.count == 1 && published.first_offset == 0);
    millpond_bytes_free(&published.stream);
    millpond_bytes_free(&published.token);
    STATUS(MILLPOND_ERROR_CLOSED, millpond_turn_close(turn, NULL));
    OK(millpond_observer_turn(observer, MILLPOND_TURN_NEW, NS, SOON, NC, &turn, NULL));
    OK(millpond_turn_state(turn, &state, NULL));
    CHECK(value_of(state) == 1); /* what the turn before has published is in it */
    millpond_state_free(state);
    OK(millpond_turn_close(turn, NULL));
    STATUS(MILLPOND_ERROR_CLOSED, millpond_turn_close(turn, NULL));
    STATUS(MILLPOND_ERROR_TIMEOUT,
           millpond_observer_turn(observer, MILLPOND_TURN_NEW, NS, 10, NC, &turn, NULL));
    OK(millpond_observer_turn(observer, MILLPOND_TURN_ANY, NS, SOON, NC, &turn, NULL));
    OK(millpond_turn_close(turn, NULL));
    OK(millpond_observer_close(observer, NULL));
    OK(millpond_node_close(node, SOON, NULL));
}

/* What is published elsewhere is seen by the session, and never comes here. */
static void sees_what_is_elsewhere(millpond_session_t session) {
    millpond_node_t there = open_node();
    millpond_bytes_t token = {NULL, 0};
    OK(publish(there, "grain", "1"));
    OK(millpond_node_offsets(there, &token, NULL));
    OK(millpond_session_sees(session, (const char *)token.data, token.len, NULL));
    millpond_bytes_free(&token);
    OK(millpond_node_close(there, SOON, NULL));
}

static void a_turn_in_a_session_is_had_on_what_that_has_seen_and_not_before(void) {
    int destroys = 0;
    millpond_node_t node = open_node();
    millpond_observer_t observer = observe(node, &destroys);
    millpond_session_t session = {0};
    millpond_turn_t turn = {0};
    millpond_state_t *state = NULL;
    millpond_bytes_t seen = {NULL, 0}, held = {NULL, 0};
    OK(millpond_session_new(&session, NULL));
    OK(publish(node, "grain", "1"));
    OK(millpond_node_offsets(node, &held, NULL));
    OK(millpond_session_sees(session, (const char *)held.data, held.len, NULL));
    OK(millpond_observer_turn(observer, MILLPOND_TURN_ANY, session, SOON, NC, &turn, NULL));
    OK(millpond_turn_state(turn, &state, NULL));
    CHECK(value_of(state) == 1);
    millpond_state_free(state);
    OK(millpond_turn_close(turn, NULL));
    millpond_bytes_free(&held);
    OK(publish(node, "grain", "2"));
    OK(millpond_observer_turn(observer, MILLPOND_TURN_NEW, session, SOON, NC, &turn, NULL));
    OK(millpond_turn_close(turn, NULL));
    OK(millpond_session_token(session, &seen, NULL));
    OK(millpond_node_offsets(node, &held, NULL));
    CHECK(seen.len == held.len && memcmp(seen.data, held.data, seen.len) == 0);
    millpond_bytes_free(&seen);
    millpond_bytes_free(&held);
    sees_what_is_elsewhere(session);
    STATUS(MILLPOND_ERROR_NOT_YET_VISIBLE,
           millpond_observer_turn(observer, MILLPOND_TURN_ANY, session, 10, NC, &turn, NULL));
    OK(millpond_observer_turn(observer, MILLPOND_TURN_ANY, NS, SOON, NC, &turn, NULL));
    OK(millpond_turn_close(turn, NULL));
    OK(millpond_session_close(session, NULL));
    STATUS(MILLPOND_ERROR_CLOSED,
           millpond_observer_turn(observer, MILLPOND_TURN_ANY, session, SOON, NC, &turn, NULL));
    OK(millpond_observer_close(observer, NULL));
    OK(millpond_node_close(node, SOON, NULL));
}

static void descriptors_tell_of_states_and_of_how_claims_stand(void) {
    int destroys = 0, fd = -1, end = 0;
    millpond_node_t node = open_node();
    millpond_observer_t observer = observe(node, &destroys);
    millpond_state_t *state = NULL;
    millpond_doing_t doing = {0};
    millpond_bytes_t json = {NULL, 0};
    millpond_deed_t release = MILLPOND_DEED_INIT;
    OK(millpond_observer_fd(observer, &fd, NULL));
    for (int i = 0; i <= 5; i++) {
        long long value = -1;
        if (i) OK(publish(node, "grain", "1"));
        while (value != i && !end) {
            CHECK(is_readable(fd, SOON));
            if (millpond_observer_next(observer, 0, NC, &state, NULL)) continue;
            value = value_of(state);
            end = millpond_state_is_end(state);
            millpond_state_free(state);
        }
    }
    OK(millpond_node_do_optimistically(node, TEXT("welding"), 0, NULL, 0, NULL, SOON, NC, &doing,
                                       NULL));
    OK(millpond_doing_fd(doing, &fd, NULL));
    CHECK(is_readable(fd, SOON));
    OK(millpond_doing_next(doing, SOON, NC, &json, NULL));
    CHECK(strstr((char *)json.data, "\"standing\":\"won\"") != NULL);
    millpond_bytes_free(&json);
    release.kind = MILLPOND_DEED_DOING_RELEASE;
    release.name = text(TEXT("welding"));
    OK(millpond_node_act(node, &release, NULL, SOON, NC, NULL, NULL));
    CHECK(is_readable(fd, SOON));
    OK(millpond_doing_next(doing, SOON, NC, &json, NULL));
    CHECK(strstr((char *)json.data, "\"standing\":\"released\"") != NULL);
    millpond_bytes_free(&json);
    OK(millpond_doing_close(doing, NULL));
    OK(millpond_observer_close(observer, NULL));
    OK(millpond_node_close(node, SOON, NULL));
}

/* The text of "own_fence" of the claim to a machine. */
static void own_fence(millpond_node_t node, char *fence, size_t size) {
    millpond_bytes_t json = {NULL, 0};
    OK(millpond_node_claim(node, TEXT("M-017"), NULL, 0, NULL, SOON, NC, &json, NULL));
    const char *at = strstr((char *)json.data, "\"own_fence\":\"");
    CHECK(at != NULL);
    *fence = 0;
    if (at) {
        at += strlen("\"own_fence\":\"");
        snprintf(fence, size, "%.*s", (int)(strchr(at, '"') - at), at);
    }
    millpond_bytes_free(&json);
}

static void a_machine_refuses_the_fence_of_a_former_holder(void) {
    millpond_node_t node = open_node();
    millpond_deed_t deed = MILLPOND_DEED_INIT;
    millpond_error_t *error = NULL;
    char old[512], newer[512];
    deed.kind = MILLPOND_DEED_CLAIM_CREATE;
    deed.name = text(TEXT("M-017"));
    OK(millpond_node_act(node, &deed, NULL, SOON, NC, NULL, NULL));
    own_fence(node, old, sizeof old);
    /* lamport/stream id/claim id/number/holder: one more is what the next holder has. */
    char *number = old;
    for (int slashes = 0; *number && slashes < 3; number++) slashes += *number == '/';
    CHECK(strncmp(number, "1/", 2) == 0);
    snprintf(newer, sizeof newer, "%.*s2%s", (int)(number - old), old, number + 1);
    OK(millpond_fence_admits(NULL, 0, old, strlen(old), NULL));
    OK(millpond_fence_admits(old, strlen(old), old, strlen(old), NULL));
    OK(millpond_fence_admits(old, strlen(old), newer, strlen(newer), NULL));
    STATUS(MILLPOND_ERROR_CONFLICT,
           millpond_fence_admits(newer, strlen(newer), old, strlen(old), &error));
    CHECK(strcmp(millpond_error_reason(error), "fenced") == 0);
    millpond_error_free(error);
    OK(millpond_node_close(node, SOON, NULL));
}

int main(void) {
    use_fish();
    run("states go to a callback until the observer is closed",
        states_go_to_a_callback_until_the_observer_is_closed);
    run("a fish is freed once, whoever closes", a_fish_is_freed_once_whoever_closes);
    run("an effect is kept running until it says that it is the last",
        an_effect_is_kept_running_until_it_says_that_it_is_the_last);
    run("a turn is used once or given back", a_turn_is_used_once_or_given_back);
    run("a turn in a session is had on what that has seen, and not before",
        a_turn_in_a_session_is_had_on_what_that_has_seen_and_not_before);
    run("descriptors tell of states and of how claims stand",
        descriptors_tell_of_states_and_of_how_claims_stand);
    run("a machine refuses the fence of a former holder",
        a_machine_refuses_the_fence_of_a_former_holder);
    return summary();
}
