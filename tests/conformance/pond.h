/* Fish, accounts and claims, for adapter.c. Begin with pond_command. */
#ifndef POND_H
#define POND_H

#include "notation.h"

static const char *folder;
/* What the last call went wrong with. */
static millpond_error_t *error;

#define SOON 60000
static millpond_node_t node_of(const char *name) { return named(names, name)->node; }
static millpond_text_t token_of(const char *name) {
    millpond_bytes_t held = named(names, name)->text;
    return text((const char *)held.data, held.len);
}

/* Where an event stands. */
static void print_published(millpond_published_t *done) {
    print_stream((char *)done->stream.data, done->stream.len);
    printf(" offset=%llu lamport=%llu count=%llu replayed=%s\n",
           (unsigned long long)done->first_offset, (unsigned long long)done->first_lamport,
           (unsigned long long)done->count, done->replayed ? "true" : "false");
    millpond_bytes_free(&done->stream);
}

/* The state of the fish in C: the payloads so far, as the text of a JSON array. */
struct list {
    char *json;
    size_t len;
};

static void set(struct list *list, const char *json, size_t len) {
    list->json = realloc(list->json, len + 1);
    must(list->json != NULL, "there is memory");
    memcpy(list->json, json, len);
    list->json[list->len = len] = 0;
}

static void add(struct list *list, const millpond_bytes_t *value) {
    size_t comma = list->len > 2, len = list->len + comma + value->len;
    list->json = realloc(list->json, len + 1);
    must(list->json != NULL, "there is memory");
    char *end = list->json + list->len - 1;
    if (comma) *end++ = ',';
    memcpy(end, value->data, value->len);
    memcpy(end + value->len, "]", 2);
    list->len = len;
}

static int32_t load(void *user_data, const uint8_t *state, size_t len, millpond_job_t *job) {
    struct list *list = (struct list *)user_data;
    millpond_bytes_t json = {NULL, 0};
    (void)job;
    if (!state) return set(list, "[]", 2), 0;
    if (millpond_payload_to_json(state, len, &json, NULL)) return 1;
    set(list, (char *)json.data, json.len);
    millpond_bytes_free(&json);
    return 0;
}

static int32_t apply(void *user_data, const millpond_batch_t *batch, millpond_job_t *job) {
    struct list *list = (struct list *)user_data;
    for (size_t i = 0; i < millpond_batch_len(batch); i++) {
        millpond_event_t event = event_of(batch, i);
        millpond_bytes_t json = {NULL, 0};
        if (millpond_payload_to_json(event.payload, event.payload_len, &json, NULL)) return 1;
        if (strcmp((char *)json.data, "\"boom\"") == 0) {
            millpond_bytes_free(&json);
            return millpond_job_fail(job, i, "boom", 4, NULL) || 1;
        }
        if (strcmp((char *)json.data, "\"reset\"") == 0) {
            set(list, "[]", 2);
            must(!millpond_job_reset(job, i, NULL), "a job takes a reset");
        }
        add(list, &json);
        millpond_bytes_free(&json);
    }
    return 0;
}

static int32_t save(void *user_data, millpond_job_t *job) {
    struct list *list = (struct list *)user_data;
    return millpond_job_save(job, MILLPOND_PAYLOAD_JSON, (uint8_t *)list->json, list->len, NULL);
}

static void destroy(void *user_data) {
    struct list *list = (struct list *)user_data;
    free(list->json);
    free(list);
}

/* The fish that the rest of a command names: its word, and its query. */
static millpond_fish_t fish_of(char *rest) {
    millpond_fish_t fish = MILLPOND_FISH_INIT;
    char *said = word(&rest);
    fish.query = text(rest, strlen(rest));
    if (strncmp(said, "code:", 5) != 0) {
        fish.fold = text(said, strlen(said));
        return fish;
    }
    char *id = said + 5, *version = strchr(id, ':');
    if (version) *version++ = 0;
    fish.id = text(id, strlen(id));
    fish.version = version ? strtoull(version, NULL, 10) : 1;
    fish.load = load, fish.apply = apply, fish.save = save, fish.destroy = destroy;
    fish.user_data = calloc(1, sizeof(struct list));
    must(fish.user_data != NULL, "there is memory");
    return fish;
}

static millpond_read_options_t reading(const said_t *said) {
    millpond_read_options_t options = MILLPOND_READ_OPTIONS_INIT;
    if (said->after) options.after = token_of(said->after);
    if (said->session) options.session = named(names, said->session)->session;
    return options;
}
static int64_t wait_of(const said_t *said) {
    return said->wait ? strtoll(said->wait, NULL, 10) : SOON;
}

/* What an error says beyond its kind: printed with it, so that nothing is left to be said. */
static int32_t explained(int32_t status) {
    if (status != MILLPOND_ERROR_NOT_YET_VISIBLE && status != MILLPOND_ERROR_OVERDRAFT)
        return status;
    print_error(error, 1);
    const char *at = millpond_error_missing(error);
    while ((at = strchr(at, '"')) != NULL) {
        const char *stream = at + 1, *end = strchr(stream, '"');
        printf("| missing ");
        print_stream(stream, (size_t)(end - stream));
        printf(" %llu\n", strtoull(end + 2, NULL, 10));
        at = end + 1;
    }
    if (status == MILLPOND_ERROR_OVERDRAFT) {
        const char *details = millpond_error_details(error);
        const char *wanted = strstr(details, "\"wanted\":");
        const char *available = strstr(details, "\"available\":");
        at = strstr(details, "\"elsewhere\":[");
        must(wanted && available && at, "an overdraft has details");
        printf("| wanted=%llu available=%llu\n", strtoull(wanted + 9, NULL, 10),
               strtoull(available + 12, NULL, 10));
        for (at += 13; *at == '[' || *at == ','; at = strchr(at, ']') + 1) {
            const char *stream = strchr(at, '"') + 1, *end = strchr(stream, '"');
            printf("| ");
            print_stream(stream, (size_t)(end - stream));
            printf(" %llu\n", strtoull(end + 2, NULL, 10));
        }
    }
    return -1;
}

static int32_t merge(const char *name, char *rest) {
    millpond_text_t tokens[NAMES_MAX];
    size_t count = 0;
    while (*rest) tokens[count++] = token_of(word(&rest));
    return millpond_token_merge(tokens, count, &named(names, name)->text, &error);
}

static int32_t wait_for(const char *name, const said_t *said, char *rest) {
    millpond_text_t token = token_of(word(&rest));
    return explained(millpond_node_wait_for(node_of(name), token.data, token.len,
                                            *rest ? rest : NULL, strlen(rest), wait_of(said),
                                            MILLPOND_NO_CANCEL, &error));
}

static int32_t observe(const char *name, const said_t *said, char *rest) {
    const char *node = word(&rest);
    millpond_fish_t fish = fish_of(rest);
    millpond_read_options_t options = reading(said);
    named(names, name)->text.data = NULL;
    return millpond_node_observe(node_of(node), &fish, &options, wait_of(said),
                                 MILLPOND_NO_CANCEL, &named(names, name)->observer, &error);
}

/* The last state that there is, without waiting. */
static int32_t shown(const char *name) {
    named_t *own = named(names, name);
    millpond_state_t *state = NULL;
    int32_t status;
    while (!(status = millpond_observer_next(own->observer, 0, MILLPOND_NO_CANCEL, &state,
                                             &error))) {
        int is_end = millpond_state_is_end(state);
        if (!is_end) {
            millpond_bytes_free(&own->text);
            must(!millpond_state_json(state, &own->text, NULL), "a state is JSON");
        }
        millpond_state_free(state);
        if (is_end) return printf("end\n"), -1;
    }
    if (status != MILLPOND_ERROR_TIMEOUT) return status;
    printf("%s\n", own->text.data ? (char *)own->text.data : "-");
    return -1;
}

static int32_t state_once(const char *name, const said_t *said, char *rest) {
    millpond_fish_t fish = fish_of(rest);
    millpond_read_options_t options = reading(said);
    millpond_state_t *state = NULL;
    millpond_state_view_t view = MILLPOND_STATE_VIEW_INIT;
    millpond_bytes_t json = {NULL, 0};
    int32_t status = millpond_node_state(node_of(name), &fish, &options, wait_of(said),
                                         MILLPOND_NO_CANCEL, &state, &error);
    if (status) return explained(status);
    must(!millpond_state_get(state, &view, NULL), "a state can be looked at");
    must(!millpond_state_json(state, &json, NULL), "a state is JSON");
    printf("%s\n", (char *)json.data);
    if (said->token) {
        millpond_bytes_t *place = &named(names, said->token)->text;
        must(!millpond_token_merge(&view.token, 1, place, NULL), "a state has a token");
    }
    millpond_bytes_free(&json);
    millpond_state_free(state);
    return -1;
}

/* Publishes the state that it sees under some tags. */
static int32_t republish_state(void *user_data, const millpond_state_t *state,
                               millpond_effect_t *effect, const millpond_error_t *failure) {
    millpond_draft_t draft = *(millpond_draft_t *)user_data;
    millpond_state_view_t view = MILLPOND_STATE_VIEW_INIT;
    (void)failure;
    if (millpond_state_get(state, &view, NULL)) return 2;
    draft.payload = view.bytes;
    draft.payload_len = view.bytes_len;
    return millpond_effect_publish(effect, &draft, 1, NULL) ? 2 : 0;
}

static int32_t effect(const char *name, char *rest) {
    millpond_bytes_t held = {NULL, 0};
    millpond_draft_t draft = MILLPOND_DRAFT_INIT;
    millpond_text_t *tags = texts(word(&rest), &draft.tag_count, &held);
    millpond_fish_t fish = fish_of(rest);
    millpond_observer_t observer = {0};
    millpond_published_t done = MILLPOND_PUBLISHED_INIT;
    draft.tags = tags;
    int32_t status = millpond_node_observe(node_of(name), &fish, NULL, SOON, MILLPOND_NO_CANCEL,
                                           &observer, &error);
    if (!status)
        status = millpond_observer_run(observer, MILLPOND_TURN_ANY, republish_state, &draft, NULL,
                                       SOON, MILLPOND_NO_CANCEL, &done, &error);
    if (!status) {
        print_published(&done);
        millpond_bytes_free(&done.token);
    }
    (void)millpond_observer_close(observer, NULL);
    free(tags);
    millpond_bytes_free(&held);
    return status ? status : -1;
}

/* Does something to an account or a claim: a deed, and its name. */
static int32_t act(const char *name, const said_t *said, char *rest, int is_claim) {
    static const struct {
        const char *name;
        int32_t account, claim;
    } deeds[] = {{"create", MILLPOND_DEED_ACCOUNT_CREATE, MILLPOND_DEED_CLAIM_CREATE},
                 {"deposit", MILLPOND_DEED_ACCOUNT_DEPOSIT, 0},
                 {"withdraw", MILLPOND_DEED_ACCOUNT_WITHDRAW, 0},
                 {"grant", MILLPOND_DEED_ACCOUNT_GRANT, 0},
                 {"transfer", 0, MILLPOND_DEED_CLAIM_TRANSFER},
                 {"request", MILLPOND_DEED_ACCOUNT_REQUEST, MILLPOND_DEED_CLAIM_REQUEST},
                 {"unrequest", 0, MILLPOND_DEED_CLAIM_REQUEST},
                 {"recover", MILLPOND_DEED_ACCOUNT_RECOVER, MILLPOND_DEED_CLAIM_RECOVER},
                 {"release", MILLPOND_DEED_DOING_RELEASE, MILLPOND_DEED_DOING_RELEASE}};
    const char *deed_name = word(&rest);
    millpond_deed_t deed = MILLPOND_DEED_INIT;
    millpond_published_t done = MILLPOND_PUBLISHED_INIT;
    millpond_bytes_t to = {NULL, 0};
    millpond_share_t share;
    for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++)
        if (strcmp(deeds[i].name, deed_name) == 0)
            deed.kind = is_claim ? deeds[i].claim : deeds[i].account;
    deed.name = text(rest, strlen(rest));
    deed.amount = said->amount ? strtoll(said->amount, NULL, 10) : 0;
    deed.idempotency_key = (const uint8_t *)said->key;
    deed.idempotency_key_len = said->key ? strlen(said->key) : 0;
    if (is_claim) deed.amount = strcmp(deed_name, "request") == 0;
    if (said->floor) deed.floor = strtoll(said->floor, NULL, 10);
    if (said->to) {
        must(!millpond_node_id(node_of(said->to), &to, NULL), "a node has an id");
        deed.to = text((char *)to.data, to.len);
        share.node_id = deed.to;
        share.amount = said->share ? strtoull(said->share, NULL, 10) : 0;
        deed.shares = said->share ? &share : NULL;
        deed.share_count = said->share != NULL;
    }
    int32_t status = millpond_node_act(node_of(name), &deed, NULL, SOON, MILLPOND_NO_CANCEL, &done,
                                       &error);
    millpond_bytes_free(&to);
    if (status) return explained(status);
    print_published(&done);
    millpond_bytes_free(&done.token);
    return -1;
}

/* The number behind a name in JSON, from `at` on. */
static long long amount_in(const char *at, const char *name) {
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\"%s\":", name);
    const char *found = strstr(at, wanted);
    must(found != NULL, name);
    return strtoll(found + strlen(wanted), NULL, 10);
}

static int count_of(const char *json, const char *list) {
    char wanted[64];
    int count = 0, depth = 0;
    snprintf(wanted, sizeof wanted, "\"%s\":[", list);
    const char *at = strstr(json, wanted);
    must(at != NULL, list);
    for (at += strlen(wanted); *at != ']' || depth; at++) {
        count += *at == '{' && depth == 0;
        depth += (*at == '{') - (*at == '}');
    }
    return count;
}

/* The entries of a list, each as its stream and a number: the stream is behind `text`, the number
 * behind `number`, or, of a key, in front of the slash in it. */
static void print_list(const char *json, const char *list, const char *name, const char *number) {
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\"%s\":[", list);
    const char *at = strstr(json, wanted) + strlen(wanted);
    int count = count_of(json, list);
    if (!count) printf("-");
    snprintf(wanted, sizeof wanted, "\"%s\":\"", name);
    for (int i = 0; i < count; i++) {
        at = strchr(at, '{');
        const char *stream = strstr(at, wanted) + strlen(wanted);
        const char *end = strchr(stream, '"');
        const char *slash = memchr(stream, '/', (size_t)(end - stream));
        long long value = slash ? strtoll(stream, NULL, 10) : amount_in(at, number);
        if (slash) stream = slash + 1;
        printf(i ? "," : "");
        print_stream(stream, (size_t)(end - stream));
        printf(":%lld", value);
        at = strchr(end, '}');
    }
}

typedef int32_t question_t(millpond_node_t node, const char *name, uintptr_t name_len,
                           const char *known, uintptr_t known_len,
                           const millpond_read_options_t *options, int64_t timeout_ms,
                           millpond_cancel_t cancel, millpond_bytes_t *json,
                           millpond_error_t **failure);

static int32_t ask_of(question_t *question, const char *name, const char *of,
                      millpond_bytes_t *json) {
    return question(node_of(name), of, strlen(of), NULL, 0, NULL, SOON, MILLPOND_NO_CANCEL, json,
                    &error);
}

static int32_t report(const char *name, const char *account) {
    millpond_bytes_t json = {NULL, 0};
    int32_t status =
        millpond_node_account(node_of(name), account, strlen(account), NULL, 0, NULL, 0, NULL, SOON,
                              MILLPOND_NO_CANCEL, &json, &error);
    if (status) return status;
    const char *all = (char *)json.data;
    printf("balance=%lld floor=%lld available=%lld violations=%d holds=", amount_in(all, "balance"),
           amount_in(all, "floor"), amount_in(all, "available"), count_of(all, "violations"));
    print_list(all, "holdings", "stream", "amount");
    printf(" asks=");
    print_list(all, "requests", "stream", "outstanding");
    printf("\n");
    millpond_bytes_free(&json);
    return -1;
}

/* The stream of the holder, or - for nobody; its fence if there is a place for it. */
static void print_holder(const char *json, int has_fence) {
    const char *at = strstr(json, "\"holder\":");
    must(at != NULL, "an answer names the holder");
    int is_held = at[9] == '{';
    const char *stream = is_held ? strstr(at, "\"stream\":\"") + 10 : "-";
    print_stream(stream, strcspn(stream, "\""));
    if (has_fence && is_held) printf(" fence=%lld", amount_in(at, "fence"));
    else if (has_fence) printf(" fence=-");
}

static int32_t holder(const char *name, const char *what) {
    millpond_bytes_t json = {NULL, 0};
    int32_t status = ask_of(millpond_node_claim, name, what, &json);
    if (status) return status;
    printf("holder=");
    print_holder((char *)json.data, 1);
    printf(" own=%s asks=%d\n", strstr((char *)json.data, "\"own_fence\":null") ? "false" : "true",
           count_of((char *)json.data, "requests"));
    millpond_bytes_free(&json);
    return -1;
}

static int32_t who_does(const char *name, const char *what) {
    millpond_bytes_t json = {NULL, 0};
    int32_t status = ask_of(millpond_node_who_does, name, what, &json);
    if (status) return status;
    printf("holder=");
    print_holder((char *)json.data, 0);
    printf(" does=");
    print_list((char *)json.data, "doers", "key", "");
    printf("\n");
    millpond_bytes_free(&json);
    return -1;
}

/* What a node does, under the name of both. */
static named_t *doing_of(const char *name, const char *what) {
    char both[64];
    must(snprintf(both, sizeof both, "%s does %s", name, what) < (int)sizeof both, "names fit");
    return named(names, both);
}

static int32_t say(const char *name, const char *what) {
    return millpond_node_do_optimistically(node_of(name), what, strlen(what), 0, NULL, 0, NULL,
                                           SOON, MILLPOND_NO_CANCEL,
                                           &doing_of(name, what)->doing, &error);
}

/* How it stands: what was told last, once there is nothing newer. */
static int32_t standing(const char *name, const char *what) {
    named_t *own = doing_of(name, what);
    millpond_bytes_t json = {NULL, 0};
    int32_t status;
    while (!(status = millpond_doing_next(own->doing, 100, MILLPOND_NO_CANCEL, &json, &error))) {
        const char *at = strstr((char *)json.data, "\"standing\":\"") + 12;
        snprintf(own->standing, sizeof own->standing, "%.*s", (int)strcspn(at, "\""), at);
        at = strstr((char *)json.data, "\"winner\":{\"key\":\"");
        at = at ? at + 17 : "";
        snprintf(own->winner, sizeof own->winner, "%.*s", (int)strcspn(at, "\""), at);
        millpond_bytes_free(&json);
    }
    if (status != MILLPOND_ERROR_TIMEOUT) return status;
    printf("%s", own->standing);
    if (strcmp(own->standing, "lost") == 0) {
        const char *slash = strchr(own->winner, '/');
        must(slash != NULL, "who has lost learns to whom");
        printf(" to=");
        print_stream(slash + 1, strlen(slash + 1));
        printf(":%.*s", (int)(slash - own->winner), own->winner);
    }
    printf("\n");
    return -1;
}

static int32_t release(const char *name, char *what) {
    char rest[256];
    said_t said = {0};
    snprintf(rest, sizeof rest, "release %s", what);
    return act(name, &said, rest, 1);
}

static int32_t policy(const char *name, char *rest) {
    const char *account = word(&rest);
    int is_wanted = strcmp(rest, "off") != 0;
    return millpond_node_answer_requests(node_of(name), account, strlen(account), is_wanted,
                                         is_wanted ? strtoull(rest, NULL, 10) : 0, &error);
}

static int32_t hand_over(const char *name, char *rest) {
    const char *what = word(&rest);
    return millpond_node_hand_over_when_asked(node_of(name), what, strlen(what),
                                              strcmp(rest, "on") == 0, &error);
}

/* Does what a line of the Pond says, as `command` does; 0 is no command of the Pond's. */
static int pond_command(const char *verb, const char *name, const said_t *said, char *rest,
                        int32_t *status) {
#define POND(verb_name, does) if (strcmp(verb, verb_name) == 0) return *status = (does), 1
    POND("merge", merge(name, rest));
    POND("wait_for", wait_for(name, said, rest));
    POND("session", millpond_session_new(&named(names, name)->session, &error));
    POND("seen", millpond_session_token(named(names, name)->session, &named(names, rest)->text,
                                        &error));
    POND("observe", observe(name, said, rest));
    POND("unobserve", millpond_observer_close(named(names, name)->observer, &error));
    POND("shown", shown(name));
    POND("state", state_once(name, said, rest));
    POND("effect", effect(name, rest));
    POND("account", act(name, said, rest, 0));
    POND("report", report(name, rest));
    POND("policy", policy(name, rest));
    POND("claim", act(name, said, rest, 1));
    POND("holder", holder(name, rest));
    POND("hand_over", hand_over(name, rest));
    POND("do", say(name, rest));
    POND("standing", standing(name, rest));
    POND("release", release(name, rest));
    POND("who_does", who_does(name, rest));
#undef POND
    return 0;
}

#endif
