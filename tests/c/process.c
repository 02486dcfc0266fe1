/* What happens to the process: fork, threads that end, traces. */
#include "check.h"
#include <sys/wait.h>

/* Forks; true when the child's `work` gives 0. By pipe, not by exit status: a memory checker may
 * change that, because a forked child never frees what its parent's other threads held. */
static int child_succeeds(int (*work)(void *), void *argument) {
    int ends[2];
    char answer = 1;
    if (pipe(ends)) return 0;
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        answer = work(argument) != 0;
        _exit(write(ends[1], &answer, 1) != 1);
    }
    close(ends[1]);
    ssize_t count = read(ends[0], &answer, 1);
    close(ends[0]);
    return waitpid(child, NULL, 0) == child && count == 1 && answer == 0;
}

struct opened {
    millpond_node_t node;
    millpond_subscription_t subscription;
    millpond_state_t *state;
};

/* Runs in the child; 0 when every call answered forked_process, but for the looks at a state. */
static int every_call_is_refused(void *argument) {
    millpond_node_t node = ((struct opened *)argument)->node;
    millpond_subscription_t subscription = ((struct opened *)argument)->subscription;
    millpond_bytes_t id = {NULL, 0};
    millpond_batch_t *batch = NULL;
    millpond_cancel_t cancel;
    millpond_bytes_t json = {NULL, 0};
    millpond_state_t *state = ((struct opened *)argument)->state;
    millpond_node_t other = {0};
    millpond_node_options_t options = options_at(fresh_folder());
    const int32_t forked = MILLPOND_ERROR_FORKED_PROCESS;
    return publish(node, "grain", "1") != forked || millpond_node_id(node, &id, NULL) != forked ||
           millpond_subscription_next(subscription, 0, NEVER, MILLPOND_NO_CANCEL, &batch, NULL) !=
               forked ||
           millpond_cancel_new(&cancel, NULL) != forked ||
           millpond_token_merge(NULL, 0, &id, NULL) != forked ||
           millpond_state_json(state, &json, NULL) != MILLPOND_OK ||
           strcmp((const char *)json.data, "{\"value\":0,\"skipped\":0}") != 0 ||
           millpond_node_open(&options, SOON, MILLPOND_NO_CANCEL, &other, NULL) != forked ||
           millpond_subscription_close(subscription, NULL) != forked ||
           millpond_node_close(node, SOON, NULL) != forked;
}

static void a_forked_child_is_told_so_and_the_parent_goes_on(void) {
    millpond_node_t node = open_node();
    millpond_subscription_t subscription = subscribe(node);
    millpond_fish_t fish = MILLPOND_FISH_INIT;
    millpond_text_t query = {TEXT("FROM 'sand'")}, fold = {TEXT("{\"fold\":\"count\"}")};
    fish.query = query;
    fish.fold = fold;
    struct opened opened = {node, subscription, NULL};
    OK(millpond_node_state(node, &fish, NULL, SOON, MILLPOND_NO_CANCEL, &opened.state, NULL));
    OK(publish(node, "grain", "1"));
    CHECK(child_succeeds(every_call_is_refused, &opened));
    millpond_state_free(opened.state);
    OK(publish(node, "grain", "2"));
    OK(millpond_subscription_close(subscription, NULL));
    OK(millpond_node_close(node, SOON, NULL));
}

static int opens_and_publishes(void *unused) {
    (void)unused;
    millpond_node_t node = open_node();
    return failures_here || publish(node, "grain", "1") || millpond_node_close(node, SOON, NULL);
}

static void a_child_forked_after_the_last_close_may_open(void) {
    millpond_node_t node = open_node();
    OK(millpond_node_close(node, SOON, NULL));
    CHECK(child_succeeds(opens_and_publishes, NULL));
}

static void no_thread_is_left_after_the_last_close(void) {
    CHECK(is_alone_soon());
    millpond_node_t node = open_node();
    millpond_cursor_t cursor = {0};
    OK(millpond_node_query(node, TEXT("FROM allEvents"), NULL, SOON, MILLPOND_NO_CANCEL, &cursor,
                           NULL));
    CHECK(thread_count() > 1);
    OK(millpond_node_close(node, SOON, NULL));
    CHECK(is_alone_soon());
}

static void count_call(void *user_data) { ++*(int *)user_data; }
static void take_line(void *user_data, const millpond_log_record_t *record) {
    (void)user_data;
    CHECK(record->level >= MILLPOND_LOG_ERROR && record->target.len > 0);
}

static void traces_go_to_one_callback_that_is_freed_once(void) {
    int freed = 0;
    OK(millpond_log_set(MILLPOND_LOG_TRACE, take_line, &freed, count_call, NULL));
    millpond_node_t node = open_node();
    OK(publish(node, "grain", "1"));
    OK(millpond_node_close(node, SOON, NULL));
    CHECK(freed == 0);
    OK(millpond_log_set(MILLPOND_LOG_WARN, NULL, NULL, NULL, NULL));
    CHECK(freed == 1);
    STATUS(MILLPOND_ERROR_INVALID_ARGUMENT,
           millpond_log_set(-1, take_line, &freed, count_call, NULL));
    CHECK(freed == 2);
}

int main(void) {
    use_all();
    run("a forked child is told so, and the parent goes on",
        a_forked_child_is_told_so_and_the_parent_goes_on);
    run("a child forked after the last close may open",
        a_child_forked_after_the_last_close_may_open);
    run("no thread is left after the last close", no_thread_is_left_after_the_last_close);
    run("traces go to one callback that is freed once",
        traces_go_to_one_callback_that_is_freed_once);
    return summary();
}
