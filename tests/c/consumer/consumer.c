/* What somebody else's program looks like: opens a node, publishes, reads it back. */
#include <millpond.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    static const char secret[] =
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    millpond_node_options_t options = MILLPOND_NODE_OPTIONS_INIT;
    millpond_draft_t draft = MILLPOND_DRAFT_INIT;
    millpond_node_t node;
    millpond_cursor_t cursor;
    millpond_batch_t *batch = NULL;
    millpond_error_t *error = NULL;
    size_t count = 0;
    if (argc != 2) return 2;
    if (millpond_abi_check(MILLPOND_ABI_VERSION, &error)) goto failed;
    options.path.data = argv[1];
    options.path.len = strlen(argv[1]);
    options.app_id.data = "consumer";
    options.app_id.len = 8;
    options.swarm.data = secret;
    options.swarm.len = 64;
    options.network = MILLPOND_NO;
    if (millpond_node_open(&options, -1, MILLPOND_NO_CANCEL, &node, &error)) goto failed;
    draft.payload_form = MILLPOND_PAYLOAD_JSON;
    draft.payload = (const uint8_t *)"{\"job\":42}";
    draft.payload_len = 10;
    if (millpond_node_publish(node, &draft, 1, NULL, -1, MILLPOND_NO_CANCEL, NULL, &error))
        goto failed;
    if (millpond_node_query(node, "FROM allEvents", 14, NULL, -1, MILLPOND_NO_CANCEL, &cursor,
                            &error))
        goto failed;
    if (millpond_cursor_next(cursor, 0, -1, MILLPOND_NO_CANCEL, &batch, &error)) goto failed;
    count = millpond_batch_len(batch);
    millpond_batch_free(batch);
    if (millpond_node_close(node, -1, &error)) goto failed;
    printf("millpond %s: %zu event\n", millpond_version(), count);
    return count != 1;
failed:
    fprintf(stderr, "%s\n", millpond_error_message(error));
    millpond_error_free(error);
    return 1;
}
