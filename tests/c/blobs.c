/* Blobs: added, read at any place and in turn, by their file, exported, referred to by events. */
#include "check.h"
#include <poll.h>

#define NC MILLPOND_NO_CANCEL
#define SIZE 200000

static millpond_node_t node;
static uint8_t content[SIZE];
static char photo[65]; /* the id of `content` */

/* The id that one JSON object says. */
static void id_of(const millpond_bytes_t *json, char *id) {
    const char *found = json->data ? strstr((const char *)json->data, "\"id\":\"") : NULL;
    CHECK(found != NULL);
    id[0] = 0;
    if (found) memcpy(id, found + 6, 64), id[64] = 0;
}

static int says(const millpond_bytes_t *json, const char *what) {
    return json->data && strstr((const char *)json->data, what) != NULL;
}

static int32_t result(millpond_blob_work_t work, millpond_bytes_t *json, millpond_error_t **error) {
    int32_t status = millpond_blob_work_result(work, SOON, NC, json, error);
    OK(millpond_blob_work_close(work, NULL));
    return status;
}

static void bytes_a_file_and_pieces_are_one_blob(void) {
    millpond_blob_about_t about = MILLPOND_BLOB_ABOUT_INIT;
    millpond_text_t tag = {TEXT("press")};
    millpond_bytes_t json = {NULL, 0};
    millpond_blob_work_t work = {0};
    millpond_blob_writer_t writer = {0};
    millpond_blob_progress_t progress;
    char id[65], path[4200];
    int32_t has = 0, fd = -1;
    about.media_type.data = "image/jpeg", about.media_type.len = 10;
    about.name.data = "defect.jpg", about.name.len = 10;
    about.tags = &tag, about.tag_count = 1;
    OK(millpond_blob_add_bytes(node, content, SIZE, &about, SOON, NC, &json, NULL));
    CHECK(says(&json, "\"size\":200000") && says(&json, "\"media_type\":\"image/jpeg\""));
    id_of(&json, photo);
    millpond_bytes_free(&json);

    snprintf(path, sizeof path, "%s-photo", fresh_folder());
    FILE *file = fopen(path, "wb");
    CHECK(file && fwrite(content, 1, SIZE, file) == SIZE);
    if (file) fclose(file);
    OK(millpond_blob_add_file(node, path, strlen(path), NULL, &work, NULL));
    OK(millpond_blob_work_fd(work, &fd, NULL));
    do {
        struct pollfd polled = {fd, POLLIN, 0};
        CHECK(poll(&polled, 1, SOON) == 1);
        OK(millpond_blob_work_next(work, SOON, NC, &progress, NULL));
    } while (!progress.is_end && !failures_here);
    CHECK(progress.done_bytes == SIZE && progress.has_total && progress.total_bytes == SIZE);
    OK(result(work, &json, NULL));
    id_of(&json, id);
    CHECK(strcmp(id, photo) == 0);
    millpond_bytes_free(&json);
    remove(path);
    STATUS(MILLPOND_ERROR_CLOSED, millpond_blob_work_close(work, NULL));

    about.size = SIZE, about.has_size = 1;
    OK(millpond_blob_writer_new(node, &about, &writer, NULL));
    for (size_t at = 0; at < SIZE; at += 10000)
        OK(millpond_blob_writer_write(writer, content + at, 10000, SOON, NC, NULL));
    OK(millpond_blob_writer_finish(writer, SOON, NC, &json, NULL));
    id_of(&json, id);
    CHECK(strcmp(id, photo) == 0);
    millpond_bytes_free(&json);
    OK(millpond_blob_writer_close(writer, NULL));
    STATUS(MILLPOND_ERROR_CLOSED, millpond_blob_writer_close(writer, NULL));

    OK(millpond_blob_has(node, photo, 64, &has, NULL));
    CHECK(has == 1);
    OK(millpond_blob_stat(node, photo, 64, &json, NULL));
    CHECK(says(&json, "\"state\":\"whole\"") && says(&json, "\"tags\":[\"press\"]"));
    millpond_bytes_free(&json);
    OK(millpond_blob_list(node, NULL, 0, &tag, 1, 0, &json, NULL));
    CHECK(says(&json, photo));
    millpond_bytes_free(&json);
    OK(millpond_blob_list(node, photo, 64, &tag, 1, 10, &json, NULL));
    CHECK(strcmp((char *)json.data, "[]") == 0);
    millpond_bytes_free(&json);
}

static void what_is_not_finished_leaves_nothing(void) {
    millpond_blob_about_t about = MILLPOND_BLOB_ABOUT_INIT;
    millpond_blob_writer_t writer = {0};
    millpond_error_t *error = NULL;
    millpond_bytes_t before = {NULL, 0}, after = {NULL, 0};
    OK(millpond_blob_list(node, NULL, 0, NULL, 0, 0, &before, NULL));
    about.size = 3, about.has_size = 1;
    OK(millpond_blob_writer_new(node, &about, &writer, NULL));
    STATUS(MILLPOND_ERROR_CONFLICT,
           millpond_blob_writer_write(writer, content, 4, SOON, NC, &error));
    CHECK(strcmp(millpond_error_reason(error), "changed_while_added") == 0);
    millpond_error_free(error);
    OK(millpond_blob_writer_close(writer, NULL));
    OK(millpond_blob_writer_new(node, NULL, &writer, NULL));
    OK(millpond_blob_writer_write(writer, content, 50000, NEVER, NC, NULL));
    OK(millpond_blob_writer_close(writer, NULL));
    OK(millpond_blob_list(node, NULL, 0, NULL, 0, 0, &after, NULL));
    CHECK(before.len == after.len && memcmp(before.data, after.data, after.len) == 0);
    millpond_bytes_free(&before);
    millpond_bytes_free(&after);
}

static void a_blob_is_read_at_any_place_and_in_turn(void) {
    static const uint64_t places[] = {0, 1, 65535, 65536, 131071, SIZE - 3, SIZE, UINT64_MAX};
    static uint8_t buffer[SIZE + 10];
    millpond_blob_reader_t reader = {0};
    uint64_t size = 0, position = 0;
    uintptr_t count = 0;
    size_t all = 0;
    int32_t fd = -1;
    OK(millpond_blob_open(node, photo, 64, SOON, NC, &reader, NULL));
    OK(millpond_blob_reader_size(reader, &size, NULL));
    CHECK(size == SIZE);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        uint64_t left = places[i] < SIZE ? SIZE - places[i] : 0;
        OK(millpond_blob_reader_pread(reader, places[i], buffer, 70000, SOON, NC, &count, NULL));
        CHECK(count == (left < 70000 ? left : 70000));
        CHECK(count == 0 || memcmp(buffer, content + places[i], count) == 0);
    }
    OK(millpond_blob_reader_read(reader, buffer, 10, SOON, NC, &count, NULL));
    CHECK(count == 10);
    for (all = 10;;) {
        millpond_bytes_t chunk = {NULL, 0};
        OK(millpond_blob_reader_next_chunk(reader, SOON, NC, &chunk, NULL));
        size_t len = chunk.len;
        CHECK(len <= 65536 && all + len <= SIZE);
        if (all + len <= SIZE) memcpy(buffer + all, chunk.data, len);
        all += len;
        millpond_bytes_free(&chunk);
        if (len == 0 || failures_here) break;
    }
    CHECK(all == SIZE && memcmp(buffer, content, SIZE) == 0);
    OK(millpond_blob_reader_seek(reader, -3, 2, &position, NULL));
    CHECK(position == SIZE - 3);
    OK(millpond_blob_reader_read(reader, buffer, 10, SOON, NC, &count, NULL));
    CHECK(count == 3 && memcmp(buffer, content + SIZE - 3, 3) == 0);
    STATUS(MILLPOND_ERROR_INVALID_ARGUMENT,
           millpond_blob_reader_seek(reader, -1, 0, &position, NULL));
    STATUS(MILLPOND_ERROR_INVALID_ARGUMENT,
           millpond_blob_reader_seek(reader, 0, 7, &position, NULL));
    OK(millpond_blob_reader_fd(reader, &fd, NULL));
    for (all = 0; all < SIZE;) {
        ssize_t got = read(fd, buffer + all, SIZE - all);
        CHECK(got > 0);
        if (got <= 0) break;
        all += (size_t)got;
    }
    CHECK(memcmp(buffer, content, SIZE) == 0);
    close(fd);
    OK(millpond_blob_reader_close(reader, NULL));
    STATUS(MILLPOND_ERROR_CLOSED, millpond_blob_reader_close(reader, NULL));
    STATUS(MILLPOND_ERROR_CLOSED, millpond_blob_reader_size(reader, &size, NULL));
}

static void what_is_not_here_or_too_large_is_told(void) {
    static const char missing[] =
        "0000000000000000000000000000000000000000000000000000000000000000";
    millpond_blob_reader_t reader = {0};
    millpond_bytes_t got = {NULL, 0};
    millpond_error_t *error = NULL;
    millpond_cancel_t token = {0};
    uint8_t buffer[4];
    uintptr_t count;
    STATUS(MILLPOND_ERROR_NOT_FOUND,
           millpond_blob_open(node, missing, 64, SOON, NC, &reader, &error));
    CHECK(strcmp(millpond_error_reason(error), "blob_not_here") == 0);
    millpond_error_free(error);
    STATUS(MILLPOND_ERROR_LIMIT_EXCEEDED,
           millpond_blob_get(node, photo, 64, SIZE - 1, SOON, NC, &got, NULL));
    OK(millpond_blob_get(node, photo, 64, 0, SOON, NC, &got, NULL));
    CHECK(got.len == SIZE && memcmp(got.data, content, SIZE) == 0);
    millpond_bytes_free(&got);
    OK(millpond_blob_open(node, photo, 64, SOON, NC, &reader, NULL));
    OK(millpond_cancel_new(&token, NULL));
    OK(millpond_cancel_trigger(token, NULL));
    STATUS(MILLPOND_ERROR_CANCELLED,
           millpond_blob_reader_read(reader, buffer, 4, SOON, token, &count, NULL));
    OK(millpond_cancel_free(token, NULL));
    OK(millpond_blob_reader_read(reader, buffer, 4, SOON, NC, &count, NULL));
    CHECK(count == 4 && memcmp(buffer, content, 4) == 0);
    OK(millpond_blob_reader_close(reader, NULL));
}

static void a_blob_becomes_a_file_and_all_of_them_are_looked_after(void) {
    millpond_blob_export_options_t options = MILLPOND_BLOB_EXPORT_OPTIONS_INIT;
    static uint8_t buffer[SIZE];
    millpond_blob_work_t work = {0};
    millpond_bytes_t json = {NULL, 0};
    millpond_error_t *error = NULL;
    char path[4200];
    snprintf(path, sizeof path, "%s-out", fresh_folder());
    OK(millpond_blob_export(node, photo, 64, path, strlen(path), NULL, &work, NULL));
    OK(result(work, &json, NULL));
    CHECK(says(&json, "\"size\":200000"));
    millpond_bytes_free(&json);
    FILE *file = fopen(path, "rb");
    CHECK(file && fread(buffer, 1, SIZE, file) == SIZE && memcmp(buffer, content, SIZE) == 0);
    if (file) fclose(file);
    OK(millpond_blob_export(node, photo, 64, path, strlen(path), NULL, &work, NULL));
    STATUS(MILLPOND_ERROR_CONFLICT, result(work, &json, &error));
    CHECK(strcmp(millpond_error_reason(error), "exists") == 0);
    millpond_error_free(error);
    options.overwrite = MILLPOND_YES;
    options.how.data = "copy", options.how.len = 4;
    OK(millpond_blob_export(node, photo, 64, path, strlen(path), &options, &work, NULL));
    OK(result(work, &json, NULL));
    millpond_bytes_free(&json);
    remove(path);
    OK(millpond_blob_verify(node, NULL, 0, &work, NULL));
    OK(result(work, &json, NULL));
    CHECK(says(&json, "\"damaged\":[]"));
    millpond_bytes_free(&json);
    OK(millpond_blob_collect(node, &work, NULL));
    OK(result(work, &json, NULL));
    CHECK(says(&json, "\"blobs\":0"));
    millpond_bytes_free(&json);
    OK(millpond_blob_verify(node, photo, 64, &work, NULL));
    OK(millpond_blob_work_close(work, NULL));
    STATUS(MILLPOND_ERROR_CLOSED, millpond_blob_work_result(work, SOON, NC, &json, NULL));
}

static void an_event_refers_to_blobs(void) {
    millpond_draft_t draft = MILLPOND_DRAFT_INIT;
    millpond_text_t tag = {TEXT("defect")}, id = {NULL, 64};
    millpond_batch_t *batch = NULL;
    millpond_cursor_t cursor = {0};
    millpond_bytes_t json = {NULL, 0};
    millpond_error_t *error = NULL;
    id.data = photo;
    draft.tags = &tag, draft.tag_count = 1;
    draft.payload = (const uint8_t *)"\1", draft.payload_len = 1;
    draft.blobs = &id, draft.blob_count = 1;
    OK(millpond_node_publish(node, &draft, 1, NULL, SOON, NC, NULL, NULL));
    OK(millpond_node_query(node, TEXT("FROM 'defect'"), NULL, SOON, NC, &cursor, NULL));
    OK(millpond_cursor_next(cursor, 1, SOON, NC, &batch, NULL));
    OK(millpond_batch_blobs(batch, 0, &json, NULL));
    CHECK(says(&json, photo) && says(&json, "\"name\":\"defect.jpg\""));
    millpond_bytes_free(&json);
    STATUS(MILLPOND_ERROR_INVALID_ARGUMENT, millpond_batch_blobs(batch, 1, &json, NULL));
    millpond_batch_free(batch);
    OK(millpond_cursor_close(cursor, NULL));
    id.data = "0000000000000000000000000000000000000000000000000000000000000000";
    STATUS(MILLPOND_ERROR_NOT_FOUND,
           millpond_node_publish(node, &draft, 1, NULL, SOON, NC, NULL, &error));
    CHECK(strcmp(millpond_error_reason(error), "blob_not_here") == 0);
    millpond_error_free(error);
    id.len = 3;
    STATUS(MILLPOND_ERROR_INVALID_ARGUMENT,
           millpond_node_publish(node, &draft, 1, NULL, SOON, NC, NULL, NULL));
}

int main(void) {
    use_all();
    for (size_t at = 0; at < SIZE; at++) content[at] = (uint8_t)(at * 31 + at / 251);
    node = open_node();
    run("bytes, a file and pieces are one blob", bytes_a_file_and_pieces_are_one_blob);
    run("what is not finished leaves nothing", what_is_not_finished_leaves_nothing);
    run("a blob is read at any place and in turn", a_blob_is_read_at_any_place_and_in_turn);
    run("what is not here or too large is told", what_is_not_here_or_too_large_is_told);
    run("a blob becomes a file, and all of them are looked after",
        a_blob_becomes_a_file_and_all_of_them_are_looked_after);
    run("an event refers to blobs", an_event_refers_to_blobs);
    OK(millpond_node_close(node, SOON, NULL));
    return summary();
}
