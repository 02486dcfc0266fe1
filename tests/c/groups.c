/* Groups: fish that a callback of the program makes of events. */
#include "fish.h"

/* What makes the fish of a group. */
struct maker {
    int calls, destroys, fish_destroys, made;
    millpond_group_t closes; /* the group that it closes, if any */
};

#define MAKER {0, 0, 0, 0, {0}}

/* A counting fish named by the payload of the seed; none for null, a failure for false. */
static int32_t make_fish(void *user_data, const millpond_event_t *event, millpond_seed_t *seed) {
    struct maker *self = (struct maker *)user_data;
    millpond_bytes_t json = {NULL, 0};
    int32_t status = 0;
    self->calls++;
    CHECK(event->struct_size == sizeof *event && event->tag_count == 1);
    OK(millpond_payload_to_json(event->payload, event->payload_len, &json, NULL));
    if (self->closes.id) OK(millpond_group_close(self->closes, NULL));
    if (strcmp((char *)json.data, "false") == 0) {
        OK(millpond_seed_fail(seed, TEXT("as asked"), NULL));
        status = 1;
    } else if (strcmp((char *)json.data, "null") != 0) {
        millpond_fish_t fish = counting((char *)json.data, json.len, &self->fish_destroys);
        OK(millpond_seed_fish(seed, &fish, NULL));
        self->made++;
        fish = counting(TEXT("second"), &self->fish_destroys);
        STATUS(MILLPOND_ERROR_INVALID_ARGUMENT, millpond_seed_fish(seed, &fish, NULL));
        self->made++;
    }
    millpond_bytes_free(&json);
    return status;
}

static void on_maker_destroy(void *user_data) { ((struct maker *)user_data)->destroys++; }

/* Waits for states as "id=value id=value"; the last ones that came are shown if they do not. */
static void await_states(millpond_group_t group, const char *expected) {
    char shown[256] = "";
    while (strcmp(shown, expected) != 0) {
        millpond_states_t *states = NULL;
        size_t len = 0;
        int32_t status = millpond_group_next(group, SOON, NC, &states, NULL);
        if (status) {
            printf("  expected %s, last %s\n", expected, shown);
            STATUS(MILLPOND_OK, status);
            return;
        }
        for (size_t i = 0; i < millpond_states_len(states); i++) {
            millpond_text_t id = millpond_states_fish_id(states, i);
            len += (size_t)snprintf(shown + len, sizeof shown - len, "%s%.*s=%lld", i ? " " : "",
                                    (int)id.len, id.data,
                                    value_of(millpond_states_state(states, i)));
        }
        shown[len] = 0;
        CHECK(!millpond_states_is_end(states) && millpond_states_number(states) > 0);
        millpond_states_free(states);
    }
}

static void a_group_shows_the_fish_of_all_its_seeds(void) {
    struct maker maker = MAKER;
    millpond_node_t node = open_node();
    millpond_group_t group = {0};
    millpond_states_t *states = NULL;
    millpond_error_t *error = NULL;
    int fd = -1;
    OK(publish(node, "seed", "1"));
    OK(publish(node, "seed", "null"));
    OK(millpond_node_observe_all(node, TEXT("FROM 'seed'"), make_fish, &maker, on_maker_destroy,
                                 NULL, SOON, NC, &group, NULL));
    OK(millpond_group_fd(group, &fd, NULL));
    CHECK(is_readable(fd, SOON) && maker.calls == 0);
    await_states(group, "1=0");
    OK(publish(node, "grain", "1"));
    await_states(group, "1=1");
    OK(publish(node, "seed", "2"));
    OK(publish(node, "seed", "1"));
    CHECK(is_readable(fd, SOON));
    await_states(group, "1=1 2=1");
    STATUS(MILLPOND_ERROR_TIMEOUT, millpond_group_next(group, 10, NC, &states, NULL));
    OK(publish(node, "seed", "false"));
    STATUS(MILLPOND_ERROR_USER_CODE, millpond_group_next(group, SOON, NC, &states, &error));
    CHECK(strcmp(millpond_error_reason(error), "make_fish") == 0);
    CHECK(strstr(millpond_error_message(error), "as asked") != NULL);
    millpond_error_free(error);
    CHECK(maker.calls == 5 && maker.destroys == 0);
    OK(millpond_group_close(group, NULL));
    STATUS(MILLPOND_ERROR_CLOSED, millpond_group_close(group, NULL));
    CHECK(maker.destroys == 1);
    CHECK(is_destroyed_soon(&maker.fish_destroys, maker.made));
    OK(millpond_node_close(node, SOON, NULL));
    CHECK(states == NULL && maker.destroys == 1 && maker.fish_destroys == maker.made);
}

static void a_group_of_one_shows_the_fish_of_its_first_seed(void) {
    struct maker maker = MAKER;
    millpond_node_t node = open_node();
    millpond_group_t group = {0};
    millpond_states_t *states = NULL;
    OK(millpond_node_observe_one(node, TEXT("FROM 'seed'"), make_fish, &maker, on_maker_destroy,
                                 NULL, SOON, NC, &group, NULL));
    STATUS(MILLPOND_ERROR_TIMEOUT, millpond_group_next(group, 10, NC, &states, NULL));
    OK(publish(node, "seed", "1"));
    OK(publish(node, "seed", "2"));
    OK(publish(node, "grain", "1"));
    await_states(group, "1=1");
    OK(millpond_node_close(node, SOON, NULL));
    OK(millpond_group_next(group, SOON, NC, &states, NULL));
    CHECK(millpond_states_is_end(states) && millpond_states_len(states) == 0);
    millpond_states_free(states);
    OK(millpond_group_close(group, NULL));
    CHECK(maker.destroys == 1 && is_destroyed_soon(&maker.fish_destroys, maker.made));
}

static millpond_group_t observe_seeds(millpond_node_t node, struct maker *maker) {
    millpond_group_t group = {0};
    OK(millpond_node_observe_all(node, TEXT("FROM 'seed'"), make_fish, maker, on_maker_destroy,
                                 NULL, SOON, NC, &group, NULL));
    return group;
}

/* The call gives the end, and nothing of the group is left but what `fish_destroys` still waits
 * for. */
static void is_end_of(millpond_group_t group, const struct maker *maker) {
    millpond_states_t *states = NULL;
    OK(millpond_group_next(group, SOON, NC, &states, NULL));
    CHECK(millpond_states_is_end(states) && millpond_states_len(states) == 0);
    millpond_states_free(states);
    CHECK(maker->destroys == 1);
    STATUS(MILLPOND_ERROR_CLOSED, millpond_group_next(group, SOON, NC, &states, NULL));
}

static void what_makes_fish_may_close_its_group(void) {
    struct maker maker = MAKER;
    millpond_node_t node = open_node();
    OK(publish(node, "seed", "1"));
    millpond_group_t group = observe_seeds(node, &maker);
    maker.closes = group;
    is_end_of(group, &maker);
    CHECK(maker.calls == 1 && is_destroyed_soon(&maker.fish_destroys, maker.made));
    STATUS(MILLPOND_ERROR_CLOSED, millpond_group_close(group, NULL));
    OK(millpond_node_close(node, SOON, NULL));
    CHECK(maker.destroys == 1 && maker.fish_destroys == maker.made);
}

/* A thread that waits for states of a group. */
struct waiter {
    millpond_group_t group;
    int32_t status;
    int is_end;
};

static void *wait_for_states(void *user_data) {
    struct waiter *self = (struct waiter *)user_data;
    millpond_states_t *states = NULL;
    self->status = millpond_group_next(self->group, NEVER, NC, &states, NULL);
    while (self->status == MILLPOND_ERROR_INVALID_ARGUMENT) { /* the other thread had a look */
        sched_yield();
        self->status = millpond_group_next(self->group, NEVER, NC, &states, NULL);
    }
    self->is_end = states && millpond_states_is_end(states);
    millpond_states_free(states);
    return NULL;
}

static void who_waits_for_a_group_gets_the_end_when_another_thread_closes_it(void) {
    struct maker maker = MAKER;
    struct waiter waiter = {{0}, 0, 0};
    millpond_states_t *states = NULL;
    pthread_t thread;
    int32_t status;
    millpond_node_t node = open_node();
    OK(publish(node, "seed", "1"));
    waiter.group = observe_seeds(node, &maker);
    await_states(waiter.group, "1=0");
    CHECK(pthread_create(&thread, NULL, wait_for_states, &waiter) == 0);
    do {
        sched_yield(); /* to the other thread, which has to begin */
        status = millpond_group_next(waiter.group, 0, NC, &states, NULL);
    } while (status == MILLPOND_ERROR_TIMEOUT);
    STATUS(MILLPOND_ERROR_INVALID_ARGUMENT, status); /* it is in its call */
    OK(millpond_group_close(waiter.group, NULL));
    CHECK(pthread_join(thread, NULL) == 0);
    STATUS(MILLPOND_OK, waiter.status);
    CHECK(waiter.is_end && maker.destroys == 1);
    CHECK(is_destroyed_soon(&maker.fish_destroys, maker.made));
    OK(millpond_node_close(node, SOON, NULL));
    CHECK(maker.destroys == 1 && maker.fish_destroys == maker.made);
}

/* A fish whose code is held up. */
static pthread_mutex_t gate_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_changed = PTHREAD_COND_INITIALIZER;
static int is_at_gate, is_gate_open;

static int32_t load_at_gate(void *user_data, const uint8_t *state, size_t len,
                            millpond_job_t *job) {
    pthread_mutex_lock(&gate_mutex);
    is_at_gate = 1;
    pthread_cond_broadcast(&gate_changed);
    while (!is_gate_open) pthread_cond_wait(&gate_changed, &gate_mutex);
    pthread_mutex_unlock(&gate_mutex);
    return load(user_data, state, len, job);
}

static int32_t make_held_up(void *user_data, const millpond_event_t *event, millpond_seed_t *seed) {
    struct maker *self = (struct maker *)user_data;
    millpond_fish_t fish = counting(TEXT("held up"), &self->fish_destroys);
    (void)event;
    fish.load = load_at_gate;
    self->made++;
    return millpond_seed_fish(seed, &fish, NULL);
}

static void *close_node(void *user_data) {
    OK(millpond_node_close(*(millpond_node_t *)user_data, SOON, NULL));
    return NULL;
}

static void a_group_is_closed_after_its_node_while_code_of_its_fish_is_under_way(void) {
    struct maker maker = MAKER;
    millpond_states_t *states = NULL;
    millpond_group_t group = {0};
    pthread_t thread;
    millpond_node_t node = open_node();
    OK(publish(node, "seed", "1"));
    OK(millpond_node_observe_all(node, TEXT("FROM 'seed'"), make_held_up, &maker, on_maker_destroy,
                                 NULL, SOON, NC, &group, NULL));
    while (maker.made == 0)
        STATUS(MILLPOND_ERROR_TIMEOUT, millpond_group_next(group, 10, NC, &states, NULL));
    /* Its fold begins with the call that waits for its state. */
    pthread_mutex_lock(&gate_mutex);
    while (!is_at_gate) {
        pthread_mutex_unlock(&gate_mutex);
        STATUS(MILLPOND_ERROR_TIMEOUT, millpond_group_next(group, 10, NC, &states, NULL));
        pthread_mutex_lock(&gate_mutex);
    }
    pthread_mutex_unlock(&gate_mutex);
    CHECK(pthread_create(&thread, NULL, close_node, &node) == 0);
    OK(millpond_group_next(group, SOON, NC, &states, NULL));
    CHECK(millpond_states_is_end(states));
    millpond_states_free(states);
    OK(millpond_group_close(group, NULL));
    CHECK(maker.destroys <= 1 && maker.fish_destroys == 0); /* the node's close may have it */
    pthread_mutex_lock(&gate_mutex);
    is_gate_open = 1;
    pthread_cond_broadcast(&gate_changed);
    pthread_mutex_unlock(&gate_mutex);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(is_destroyed_soon(&maker.fish_destroys, maker.made) && maker.destroys == 1);
}

int main(void) {
    use_fish();
    run("a group shows the fish of all its seeds", a_group_shows_the_fish_of_all_its_seeds);
    run("a group of one shows the fish of its first seed",
        a_group_of_one_shows_the_fish_of_its_first_seed);
    run("what makes fish may close its group", what_makes_fish_may_close_its_group);
    run("who waits for a group gets the end when another thread closes it",
        who_waits_for_a_group_gets_the_end_when_another_thread_closes_it);
    run("a group is closed after its node while code of its fish is under way",
        a_group_is_closed_after_its_node_while_code_of_its_fish_is_under_way);
    return summary();
}
