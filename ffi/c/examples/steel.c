/* 1,000 t of steel in London and New York, which are cut off from each other: three ways to spend
 * it. Two nodes in one process, over loopback; docs/escrow.md tells the story.
 *
 *   cc steel.c $(pkg-config --cflags --libs millpond) -o steel && ./steel FOLDER */
#include <millpond.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT 60000 /* ms after which the nodes count as lost to each other */
#define TEXT(literal) {literal, sizeof(literal) - 1}

static millpond_error_t *error;
static millpond_node_t london, york;

/* Ends the program unless the call has succeeded. */
static void must(int32_t status) {
    if (status == MILLPOND_OK) return;
    fprintf(stderr, "%s\n", millpond_error_message(error));
    exit(1);
}

static millpond_node_t open_node(const char *folder, const char *name, millpond_bytes_t secret) {
    static const millpond_text_t app = TEXT("steel"), loopback = TEXT("127.0.0.1:0");
    millpond_node_options_t options = MILLPOND_NODE_OPTIONS_INIT;
    millpond_node_t node;
    char path[4096];
    int len = snprintf(path, sizeof path, "%s/%s", folder, name);
    options.path.data = path, options.path.len = (size_t)len;
    options.app_id = app;
    options.swarm.data = (char *)secret.data, options.swarm.len = secret.len;
    options.bind = &loopback, options.bind_count = 1;
    options.discovery = MILLPOND_NO;
    must(millpond_node_open(&options, WAIT, MILLPOND_NO_CANCEL, &node, &error));
    return node;
}

/* Waits until `node` has all that `other` has written or heard of. */
static void catch_up(millpond_node_t node, millpond_node_t other) {
    millpond_bytes_t token;
    must(millpond_node_offsets(other, &token, &error));
    must(millpond_node_wait_for(node, (char *)token.data, token.len, NULL, 0, WAIT,
                                MILLPOND_NO_CANCEL, &error));
    millpond_bytes_free(&token);
}

static void cut(void) {
    must(millpond_node_set_network(london, 0, WAIT, MILLPOND_NO_CANCEL, &error));
}

static void heal(void) {
    millpond_bytes_t ticket;
    must(millpond_node_set_network(london, 1, WAIT, MILLPOND_NO_CANCEL, &error));
    must(millpond_node_ticket(london, WAIT, MILLPOND_NO_CANCEL, &ticket, &error));
    must(millpond_node_connect(york, (char *)ticket.data, ticket.len, WAIT, MILLPOND_NO_CANCEL,
                               &error));
    millpond_bytes_free(&ticket);
    catch_up(york, london);
    catch_up(london, york);
}

/* The whole number behind a name in JSON, as millpond writes it; `json` has that name. */
static long long number_in(const void *json, const char *name) {
    const char *found = strstr((const char *)json, name);
    return found ? strtoll(found + strlen(name), NULL, 10) : 0;
}

/* 1. Available, and wrong: each node withdraws from the balance that it knows. */
static void book(millpond_node_t node, long long amount) {
    static const millpond_text_t tag = TEXT("stock");
    millpond_draft_t draft = MILLPOND_DRAFT_INIT;
    char json[32];
    draft.payload_len = (size_t)snprintf(json, sizeof json, "%lld", amount);
    draft.payload = (const uint8_t *)json, draft.payload_form = MILLPOND_PAYLOAD_JSON;
    draft.tags = &tag, draft.tag_count = 1;
    must(millpond_node_publish(node, &draft, 1, NULL, WAIT, MILLPOND_NO_CANCEL, NULL, &error));
}

static long long balance_at(millpond_node_t node) {
    static const millpond_text_t query = TEXT("FROM 'stock'");
    static const millpond_text_t fold = TEXT("{\"fold\":\"sum\",\"of\":\"\"}");
    millpond_fish_t sum = MILLPOND_FISH_INIT;
    millpond_state_t *state;
    millpond_bytes_t json;
    sum.query = query, sum.fold = fold;
    must(millpond_node_state(node, &sum, NULL, WAIT, MILLPOND_NO_CANCEL, &state, &error));
    must(millpond_state_json(state, &json, &error));
    long long balance = number_in(json.data, "\"value\":");
    millpond_bytes_free(&json);
    millpond_state_free(state);
    return balance;
}

static const char *take(millpond_node_t node, long long amount) {
    if (balance_at(node) < amount) return "no";
    book(node, -amount);
    return "yes";
}

static void available_and_wrong(void) {
    book(london, 1000);
    heal();
    cut();
    printf("available: London takes 500: %s\n", take(london, 500));
    printf("available: New York takes 900: %s\n", take(york, 900));
    heal();
    printf("available: the balance is %lld\n", balance_at(london));
}

/* 2. Consistent, and refusing: only who has heard of all that London did may withdraw. */
static void consistent_and_refusing(void) {
    millpond_bytes_t token;
    cut();
    book(london, -100);
    must(millpond_node_offsets(london, &token, &error));
    int32_t status = millpond_node_wait_for(york, (char *)token.data, token.len, NULL, 0, 200,
                                            MILLPOND_NO_CANCEL, &error);
    printf("consistent: New York may take 10: %s\n", status == MILLPOND_OK ? "yes" : "no");
    millpond_error_free(error);
    error = NULL;
    millpond_bytes_free(&token);
    heal();
}

/* 3. Escrow: the 1,000 are divided beforehand, and each spends its own. */
static millpond_deed_t deed(int32_t kind, long long amount) {
    static const millpond_text_t name = TEXT("steel");
    millpond_deed_t deed = MILLPOND_DEED_INIT;
    deed.kind = kind, deed.name = name, deed.amount = amount;
    return deed;
}

static int32_t act(millpond_node_t node, millpond_deed_t deed) {
    return millpond_node_act(node, &deed, NULL, WAIT, MILLPOND_NO_CANCEL, NULL, &error);
}

static void escrow(void) {
    millpond_deed_t create = deed(MILLPOND_DEED_ACCOUNT_CREATE, 1000);
    millpond_share_t share;
    millpond_bytes_t id, json;
    must(millpond_node_id(york, &id, &error));
    share.node_id.data = (char *)id.data, share.node_id.len = id.len, share.amount = 400;
    create.shares = &share, create.share_count = 1;
    must(act(london, create));
    heal();
    cut();
    must(act(london, deed(MILLPOND_DEED_ACCOUNT_WITHDRAW, 500)));
    if (act(york, deed(MILLPOND_DEED_ACCOUNT_WITHDRAW, 900)) != MILLPOND_ERROR_OVERDRAFT) exit(1);
    long long available = number_in(millpond_error_details(error), "\"available\":");
    printf("escrow: New York is refused 900; it has %lld\n", available);
    millpond_error_free(error);
    error = NULL;
    must(act(york, deed(MILLPOND_DEED_ACCOUNT_WITHDRAW, available)));
    heal();
    must(millpond_node_account(london, "steel", 5, NULL, 0, NULL, 0, NULL, WAIT, MILLPOND_NO_CANCEL,
                               &json, &error));
    printf("escrow: the balance is %lld, and London may spend %lld\n",
           number_in(json.data, "\"balance\":"), number_in(json.data, "\"available\":"));
    millpond_bytes_free(&json);
    millpond_bytes_free(&id);
}

int main(int count, char **arguments) {
    millpond_bytes_t secret;
    if (count != 2) return fprintf(stderr, "usage: steel FOLDER\n"), 2;
    must(millpond_abi_check(MILLPOND_ABI_VERSION, &error));
    must(millpond_swarm_secret_new(&secret, &error));
    london = open_node(arguments[1], "london", secret);
    york = open_node(arguments[1], "new-york", secret);
    available_and_wrong();
    consistent_and_refusing();
    escrow();
    must(millpond_node_close(york, WAIT, &error));
    must(millpond_node_close(london, WAIT, &error));
    millpond_bytes_free(&secret);
    return 0;
}
