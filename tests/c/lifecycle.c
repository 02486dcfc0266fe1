/* Handles, closing, cancelling, callbacks: in any order, from any thread. */
#include "check.h"
#include <pthread.h>

static void closed_handles_answer_closed(void) {
    millpond_node_t node = open_node();
    millpond_subscription_t subscription = subscribe(node);
    millpond_cursor_t cursor = {0}, none = {0}, other_type;
    millpond_cancel_t cancel = {0};
    millpond_bytes_t id = {NULL, 0};
    millpond_batch_t *batch = NULL;
    OK(millpond_node_query(node, TEXT("FROM allEvents"), NULL, SOON, MILLPOND_NO_CANCEL, &cursor,
                           NULL));
    OK(millpond_cancel_new(&cancel, NULL));
    OK(millpond_cancel_free(cancel, NULL));
    STATUS(MILLPOND_ERROR_CLOSED, millpond_cancel_free(cancel, NULL));
    STATUS(MILLPOND_ERROR_CLOSED, millpond_cancel_trigger(cancel, NULL));
    OK(millpond_cursor_close(cursor, NULL));
    STATUS(MILLPOND_ERROR_CLOSED, millpond_cursor_close(cursor, NULL));
    STATUS(MILLPOND_ERROR_CLOSED,
           millpond_cursor_next(cursor, 0, SOON, MILLPOND_NO_CANCEL, &batch, NULL));
    OK(millpond_subscription_close(subscription, NULL));
    STATUS(MILLPOND_ERROR_CLOSED, millpond_subscription_close(subscription, NULL));
    other_type.id = node.id;
    STATUS(MILLPOND_ERROR_INVALID_ARGUMENT, millpond_cursor_close(other_type, NULL));
    STATUS(MILLPOND_ERROR_INVALID_ARGUMENT, millpond_cursor_close(none, NULL));
    OK(millpond_node_close(node, SOON, NULL));
    STATUS(MILLPOND_ERROR_CLOSED, millpond_node_close(node, SOON, NULL));
    STATUS(MILLPOND_ERROR_CLOSED, millpond_node_id(node, &id, NULL));
    STATUS(MILLPOND_ERROR_CLOSED, publish(node, "grain", "1"));
    CHECK(id.data == NULL && batch == NULL);
}

static void made_up_handles_are_refused(void) {
    uint64_t number = 88172645463325252u;
    for (int i = 0; i < 20000; i++) {
        millpond_node_t node;
        millpond_subscription_t subscription;
        millpond_bytes_t id = {NULL, 0};
        uint64_t lag;
        int32_t status;
        number ^= number << 13, number ^= number >> 7, number ^= number << 17;
        node.id = i % 2 ? number : number & 0x3000003ffu;
        subscription.id = node.id;
        status = millpond_node_id(node, &id, NULL);
        CHECK(status == MILLPOND_ERROR_INVALID_ARGUMENT || status == MILLPOND_ERROR_CLOSED);
        status = millpond_subscription_lag(subscription, &lag, NULL);
        CHECK(status == MILLPOND_ERROR_INVALID_ARGUMENT || status == MILLPOND_ERROR_CLOSED);
    }
}

struct follower {
    millpond_subscription_t subscription;
    millpond_cancel_t cancel;
    int32_t status;
    int is_end;
    int batches; /* where a byte goes for each batch that was taken; 0: nowhere */
};

/* Follows until something ends it. */
static void *follow(void *argument) {
    struct follower *self = (struct follower *)argument;
    millpond_batch_t *batch = NULL;
    for (;;) {
        self->status =
            millpond_subscription_next(self->subscription, 0, NEVER, self->cancel, &batch, NULL);
        if (self->status != MILLPOND_OK) return NULL;
        self->is_end = millpond_batch_is_end(batch);
        millpond_batch_free(batch);
        if (self->is_end) return NULL;
        if (self->batches) CHECK(write(self->batches, "b", 1) == 1);
    }
}

static void closing_a_subscription_ends_a_blocked_next(void) {
    for (int round = 0; round < 20; round++) {
        millpond_node_t node = open_node();
        struct follower follower = {{0}, {0}, -1, 0, 0};
        pthread_t thread;
        int batches[2];
        char byte;
        CHECK(pipe(batches) == 0);
        follower.batches = batches[1];
        follower.subscription = subscribe(node);
        pthread_create(&thread, NULL, follow, &follower);
        if (round % 2) {
            OK(publish(node, "grain", "1"));
            CHECK(read(batches[0], &byte, 1) == 1);
        }
        OK(millpond_subscription_close(follower.subscription, NULL));
        pthread_join(thread, NULL);
        CHECK((follower.status == MILLPOND_OK && follower.is_end) ||
              follower.status == MILLPOND_ERROR_CLOSED);
        close(batches[0]);
        close(batches[1]);
        OK(millpond_node_close(node, SOON, NULL));
    }
}

static void closing_a_node_ends_a_blocked_next_normally(void) {
    millpond_node_t node = open_node();
    struct follower follower = {{0}, {0}, -1, 0, 0};
    pthread_t thread;
    follower.subscription = subscribe(node);
    pthread_create(&thread, NULL, follow, &follower);
    OK(publish(node, "grain", "1"));
    OK(millpond_node_close(node, SOON, NULL));
    pthread_join(thread, NULL);
    STATUS(MILLPOND_OK, follower.status);
    CHECK(follower.is_end);
    OK(millpond_subscription_close(follower.subscription, NULL));
}

static void a_cancel_token_ends_a_blocked_next_and_every_later_call(void) {
    millpond_node_t node = open_node();
    struct follower follower = {{0}, {0}, -1, 0, 0};
    pthread_t thread;
    millpond_cursor_t cursor = {0};
    OK(millpond_cancel_new(&follower.cancel, NULL));
    follower.subscription = subscribe(node);
    pthread_create(&thread, NULL, follow, &follower);
    OK(publish(node, "grain", "1"));
    OK(millpond_cancel_trigger(follower.cancel, NULL));
    OK(millpond_cancel_trigger(follower.cancel, NULL));
    pthread_join(thread, NULL);
    STATUS(MILLPOND_ERROR_CANCELLED, follower.status);
    STATUS(MILLPOND_ERROR_CANCELLED,
           millpond_node_query(node, TEXT("FROM allEvents"), NULL, SOON, follower.cancel, &cursor,
                               NULL));
    OK(millpond_cancel_free(follower.cancel, NULL));
    OK(millpond_subscription_close(follower.subscription, NULL));
    OK(millpond_node_close(node, SOON, NULL));
}

struct listener {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    millpond_node_t node;
    millpond_subscription_t subscription;
    int event_count, end_count, destroy_count, close_from_inside;
};

static void on_batch(void *user_data, const millpond_batch_t *batch,
                     const millpond_error_t *error) {
    struct listener *self = (struct listener *)user_data;
    pthread_mutex_lock(&self->mutex);
    CHECK(self->destroy_count == 0 && self->end_count == 0);
    if (error) printf("  %s\n", millpond_error_message(error));
    self->event_count += (int)millpond_batch_len(batch);
    self->end_count += error != NULL || millpond_batch_is_end(batch);
    int do_close = millpond_batch_len(batch) > 0 ? self->close_from_inside : 0;
    millpond_subscription_t subscription = self->subscription;
    millpond_node_t node = self->node;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->mutex);
    if (do_close == 1) OK(millpond_subscription_close(subscription, NULL));
    if (do_close == 2) OK(millpond_node_close(node, SOON, NULL));
}

static void on_destroy(void *user_data) {
    struct listener *self = (struct listener *)user_data;
    pthread_mutex_lock(&self->mutex);
    self->destroy_count++;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->mutex);
}

static void listen_and_close(int close_from_inside) {
    struct listener self = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, {0}, {0}, 0, 0, 0,
                            close_from_inside};
    self.node = open_node();
    pthread_mutex_lock(&self.mutex);
    OK(millpond_node_subscribe_callback(self.node, TEXT("FROM 'grain'"), NULL, on_batch, &self,
                                        on_destroy, &self.subscription, NULL));
    pthread_mutex_unlock(&self.mutex);
    OK(publish(self.node, "grain", "1"));
    pthread_mutex_lock(&self.mutex);
    while (close_from_inside ? self.destroy_count == 0 : self.event_count == 0)
        pthread_cond_wait(&self.changed, &self.mutex);
    pthread_mutex_unlock(&self.mutex);
    if (!close_from_inside) OK(millpond_subscription_close(self.subscription, NULL));
    if (close_from_inside == 2) OK(millpond_subscription_close(self.subscription, NULL));
    pthread_mutex_lock(&self.mutex);
    CHECK(self.destroy_count == 1 && self.event_count == 1 && self.end_count == 1);
    pthread_mutex_unlock(&self.mutex);
    if (close_from_inside != 2) OK(millpond_node_close(self.node, SOON, NULL));
    CHECK(self.destroy_count == 1);
}

static void a_callback_is_not_called_after_close(void) { listen_and_close(0); }
static void a_callback_may_close_its_subscription(void) { listen_and_close(1); }
static void a_callback_may_close_its_node(void) { listen_and_close(2); }

static void user_data_is_freed_once_also_when_subscribing_fails(void) {
    struct listener self = {
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, {0}, {0}, 0, 0, 0, 0};
    millpond_node_t none = {0}, node = open_node();
    STATUS(MILLPOND_ERROR_INVALID_ARGUMENT,
           millpond_node_subscribe_callback(none, TEXT("FROM allEvents"), NULL, on_batch, &self,
                                            on_destroy, &self.subscription, NULL));
    CHECK(self.destroy_count == 1);
    STATUS(MILLPOND_ERROR_QUERY_INVALID,
           millpond_node_subscribe_callback(node, TEXT("FROM ("), NULL, on_batch, &self, on_destroy,
                                            &self.subscription, NULL));
    CHECK(self.destroy_count == 2);
    OK(millpond_node_close(node, SOON, NULL));
}

static void two_handles_of_one_store_close_one_by_one(void) {
    char path[4096];
    snprintf(path, sizeof path, "%s", fresh_folder());
    millpond_node_options_t options = options_at(path);
    millpond_node_t first = {0}, second = {0};
    OK(millpond_node_open(&options, SOON, MILLPOND_NO_CANCEL, &first, NULL));
    OK(millpond_node_open(&options, SOON, MILLPOND_NO_CANCEL, &second, NULL));
    CHECK(first.id != second.id);
    millpond_subscription_t subscription = subscribe(first);
    OK(millpond_node_close(first, SOON, NULL));
    OK(publish(second, "grain", "1"));
    STATUS(MILLPOND_ERROR_CLOSED, publish(first, "grain", "1"));
    OK(millpond_subscription_close(subscription, NULL));
    OK(millpond_node_close(second, NEVER, NULL));
}

static void *close_it(void *argument) {
    int32_t status = millpond_node_close(*(millpond_node_t *)argument, SOON, NULL);
    CHECK(status == MILLPOND_OK || status == MILLPOND_ERROR_CLOSED);
    return NULL;
}

static void *publish_until_closed(void *argument) {
    while (publish(*(millpond_node_t *)argument, "grain", "1") == MILLPOND_OK) {}
    return NULL;
}

static void many_threads_may_close_and_publish_at_once(void) {
    for (int round = 0; round < 10; round++) {
        millpond_node_t node = open_node();
        pthread_t threads[6];
        for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, publish_until_closed, &node);
        for (int i = 3; i < 6; i++) pthread_create(&threads[i], NULL, close_it, &node);
        for (int i = 0; i < 6; i++) pthread_join(threads[i], NULL);
    }
}

int main(void) {
    use_all();
    run("closed handles answer closed", closed_handles_answer_closed);
    run("made up handles are refused", made_up_handles_are_refused);
    run("closing a subscription ends a blocked next", closing_a_subscription_ends_a_blocked_next);
    run("closing a node ends a blocked next normally", closing_a_node_ends_a_blocked_next_normally);
    run("a cancel token ends a blocked next and every later call",
        a_cancel_token_ends_a_blocked_next_and_every_later_call);
    run("a callback is not called after close", a_callback_is_not_called_after_close);
    run("a callback may close its subscription", a_callback_may_close_its_subscription);
    run("a callback may close its node", a_callback_may_close_its_node);
    run("user data is freed once, also when subscribing fails",
        user_data_is_freed_once_also_when_subscribing_fails);
    run("two handles of one store close one by one", two_handles_of_one_store_close_one_by_one);
    run("many threads may close and publish at once", many_threads_may_close_and_publish_at_once);
    return summary();
}
