/* One call of every function of millpond.h, with what pick.h picks.
 *
 * Made from the header by ffi/c/tests/functions.rs; not to be edited.
 * Longer than 500 lines because each function of the header has one here. */

static void try_version(struct caller *self) {
    (void)self;
    look_at_text(millpond_version());
}

static void try_abi_check(struct caller *self) {
    uint32_t abi_version = a_number(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_abi_check(abi_version, error));
}

static void try_batch_len(struct caller *self) {
    const millpond_batch_t *batch = a_batch(self);
    (void)millpond_batch_len(batch);
}

static void try_batch_is_end(struct caller *self) {
    const millpond_batch_t *batch = a_batch(self);
    (void)millpond_batch_is_end(batch);
}

static void try_batch_caught_up(struct caller *self) {
    const millpond_batch_t *batch = a_batch(self);
    (void)millpond_batch_caught_up(batch);
}

static void try_batch_is_durable(struct caller *self) {
    const millpond_batch_t *batch = a_batch(self);
    (void)millpond_batch_is_durable(batch);
}

static void try_batch_lag(struct caller *self) {
    const millpond_batch_t *batch = a_batch(self);
    (void)millpond_batch_lag(batch);
}

static void try_batch_is_rewind(struct caller *self) {
    const millpond_batch_t *batch = a_batch(self);
    (void)millpond_batch_is_rewind(batch);
}

static void try_batch_rewind_to(struct caller *self) {
    const millpond_batch_t *batch = a_batch(self);
    look_at_bytes(millpond_batch_rewind_to(batch));
}

static void try_batch_columns(struct caller *self) {
    const millpond_batch_t *batch = a_batch(self);
    (void)millpond_batch_columns(batch);
}

static void try_batch_position(struct caller *self) {
    const millpond_batch_t *batch = a_batch(self);
    millpond_bytes_t *token = place_for_bytes(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_batch_position(batch, token, error));
}

static void try_batch_get(struct caller *self) {
    const millpond_batch_t *batch = a_batch(self);
    uintptr_t index = a_count(self);
    millpond_event_t *event = place_for_event(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_batch_get(batch, index, event, error));
}

static void try_batch_blobs(struct caller *self) {
    const millpond_batch_t *batch = a_batch(self);
    uintptr_t index = a_count(self);
    millpond_bytes_t *json = place_for_bytes(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_batch_blobs(batch, index, json, error));
}

static void try_batch_free(struct caller *self) {
    millpond_batch_t *batch = own_batch(self);
    millpond_batch_free(batch);
}

static void try_blob_add_file(struct caller *self) {
    millpond_node_t node = a_node(self);
    const char *path = a_path(self);
    uintptr_t path_len = their_count(self);
    const millpond_blob_about_t *about = some_blob_about(self);
    millpond_blob_work_t *work = place_for_blob_work(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_blob_add_file(node, path, path_len, about, work, error));
}

static void try_blob_add_bytes(struct caller *self) {
    millpond_node_t node = a_node(self);
    const uint8_t *content = some_bytes(self);
    uintptr_t content_len = their_count(self);
    const millpond_blob_about_t *about = some_blob_about(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_bytes_t *json = place_for_bytes(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_blob_add_bytes(node, content, content_len, about, timeout_ms,
        cancel, json, error));
}

static void try_blob_writer_new(struct caller *self) {
    millpond_node_t node = a_node(self);
    const millpond_blob_about_t *about = some_blob_about(self);
    millpond_blob_writer_t *writer = place_for_blob_writer(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_blob_writer_new(node, about, writer, error));
}

static void try_blob_open(struct caller *self) {
    millpond_node_t node = a_node(self);
    const char *blob_id = a_blob_id(self);
    uintptr_t blob_id_len = their_count(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_blob_reader_t *reader = place_for_blob_reader(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_blob_open(node, blob_id, blob_id_len, timeout_ms, cancel,
        reader, error));
}

static void try_blob_get(struct caller *self) {
    millpond_node_t node = a_node(self);
    const char *blob_id = a_blob_id(self);
    uintptr_t blob_id_len = their_count(self);
    uint64_t bytes_max = a_place(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_bytes_t *content = place_for_bytes(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_blob_get(node, blob_id, blob_id_len, bytes_max, timeout_ms,
        cancel, content, error));
}

static void try_blob_export(struct caller *self) {
    millpond_node_t node = a_node(self);
    const char *blob_id = a_blob_id(self);
    uintptr_t blob_id_len = their_count(self);
    const char *path = a_path(self);
    uintptr_t path_len = their_count(self);
    const millpond_blob_export_options_t *export_options = some_export_options(self);
    millpond_blob_work_t *work = place_for_blob_work(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_blob_export(node, blob_id, blob_id_len, path, path_len,
        export_options, work, error));
}

static void try_blob_has(struct caller *self) {
    millpond_node_t node = a_node(self);
    const char *blob_id = a_blob_id(self);
    uintptr_t blob_id_len = their_count(self);
    int32_t *has = place_for_fd(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_blob_has(node, blob_id, blob_id_len, has, error));
}

static void try_blob_stat(struct caller *self) {
    millpond_node_t node = a_node(self);
    const char *blob_id = a_blob_id(self);
    uintptr_t blob_id_len = their_count(self);
    millpond_bytes_t *json = place_for_bytes(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_blob_stat(node, blob_id, blob_id_len, json, error));
}

static void try_blob_list(struct caller *self) {
    millpond_node_t node = a_node(self);
    const char *after = a_blob_id(self);
    uintptr_t after_len = their_count(self);
    const millpond_text_t *tags = some_texts(self);
    uintptr_t tag_count = their_count(self);
    uintptr_t count_max = a_count(self);
    millpond_bytes_t *json = place_for_bytes(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_blob_list(node, after, after_len, tags, tag_count, count_max,
        json, error));
}

static void try_blob_collect(struct caller *self) {
    millpond_node_t node = a_node(self);
    millpond_blob_work_t *work = place_for_blob_work(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_blob_collect(node, work, error));
}

static void try_blob_verify(struct caller *self) {
    millpond_node_t node = a_node(self);
    const char *blob_id = a_blob_id(self);
    uintptr_t blob_id_len = their_count(self);
    millpond_blob_work_t *work = place_for_blob_work(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_blob_verify(node, blob_id, blob_id_len, work, error));
}

static void try_blob_writer_write(struct caller *self) {
    millpond_blob_writer_t writer = a_blob_writer(self);
    const uint8_t *content = some_bytes(self);
    uintptr_t content_len = their_count(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_blob_writer_write(writer, content, content_len, timeout_ms,
        cancel, error));
}

static void try_blob_writer_finish(struct caller *self) {
    millpond_blob_writer_t writer = a_blob_writer(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_bytes_t *json = place_for_bytes(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_blob_writer_finish(writer, timeout_ms, cancel, json, error));
}

static void try_blob_writer_close(struct caller *self) {
    millpond_blob_writer_t writer = a_blob_writer(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_blob_writer_close(writer, error));
}

static void try_blob_reader_size(struct caller *self) {
    millpond_blob_reader_t reader = a_blob_reader(self);
    uint64_t *size = place_for_number(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_blob_reader_size(reader, size, error));
}

static void try_blob_reader_read(struct caller *self) {
    millpond_blob_reader_t reader = a_blob_reader(self);
    uint8_t *buffer = a_buffer(self);
    uintptr_t buffer_len = its_length(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    uintptr_t *count = place_for_count(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_blob_reader_read(reader, buffer, buffer_len, timeout_ms,
        cancel, count, error));
}

static void try_blob_reader_pread(struct caller *self) {
    millpond_blob_reader_t reader = a_blob_reader(self);
    uint64_t position = a_place(self);
    uint8_t *buffer = a_buffer(self);
    uintptr_t buffer_len = its_length(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    uintptr_t *count = place_for_count(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_blob_reader_pread(reader, position, buffer, buffer_len,
        timeout_ms, cancel, count, error));
}

static void try_blob_reader_seek(struct caller *self) {
    millpond_blob_reader_t reader = a_blob_reader(self);
    int64_t by = a_timeout(self);
    int32_t whence = a_number(self);
    uint64_t *position = place_for_number(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_blob_reader_seek(reader, by, whence, position, error));
}

static void try_blob_reader_next_chunk(struct caller *self) {
    millpond_blob_reader_t reader = a_blob_reader(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_bytes_t *chunk = place_for_bytes(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_blob_reader_next_chunk(reader, timeout_ms, cancel, chunk,
        error));
}

static void try_blob_reader_fd(struct caller *self) {
    millpond_blob_reader_t reader = a_blob_reader(self);
    int32_t *fd = place_for_fd(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_blob_reader_fd(reader, fd, error));
}

static void try_blob_reader_close(struct caller *self) {
    millpond_blob_reader_t reader = a_blob_reader(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_blob_reader_close(reader, error));
}

static void try_blob_work_next(struct caller *self) {
    millpond_blob_work_t work = a_blob_work(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_blob_progress_t *progress = place_for_progress(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_blob_work_next(work, timeout_ms, cancel, progress, error));
}

static void try_blob_work_result(struct caller *self) {
    millpond_blob_work_t work = a_blob_work(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_bytes_t *json = place_for_bytes(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_blob_work_result(work, timeout_ms, cancel, json, error));
}

static void try_blob_work_fd(struct caller *self) {
    millpond_blob_work_t work = a_blob_work(self);
    int32_t *fd = place_for_fd(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_blob_work_fd(work, fd, error));
}

static void try_blob_work_close(struct caller *self) {
    millpond_blob_work_t work = a_blob_work(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_blob_work_close(work, error));
}

static void try_cancel_new(struct caller *self) {
    millpond_cancel_t *cancel = place_for_cancel(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_cancel_new(cancel, error));
}

static void try_cancel_trigger(struct caller *self) {
    millpond_cancel_t cancel = a_cancel(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_cancel_trigger(cancel, error));
}

static void try_cancel_free(struct caller *self) {
    millpond_cancel_t cancel = a_cancel(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_cancel_free(cancel, error));
}

static void try_node_query(struct caller *self) {
    millpond_node_t node = a_node(self);
    const char *query = a_query(self);
    uintptr_t query_len = their_count(self);
    const millpond_query_options_t *query_options = some_query_options(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_cursor_t *cursor = place_for_cursor(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_node_query(node, query, query_len, query_options, timeout_ms,
        cancel, cursor, error));
}

static void try_cursor_next(struct caller *self) {
    millpond_cursor_t cursor = a_cursor(self);
    uintptr_t count_max = a_count(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_batch_t **batch = place_for_batch(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_cursor_next(cursor, count_max, timeout_ms, cancel, batch,
        error));
}

static void try_cursor_explain(struct caller *self) {
    millpond_cursor_t cursor = a_cursor(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_bytes_t *json = place_for_bytes(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_cursor_explain(cursor, timeout_ms, cancel, json, error));
}

static void try_cursor_completeness(struct caller *self) {
    millpond_cursor_t cursor = a_cursor(self);
    millpond_bytes_t *json = place_for_bytes(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_cursor_completeness(cursor, json, error));
}

static void try_cursor_close(struct caller *self) {
    millpond_cursor_t cursor = a_cursor(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_cursor_close(cursor, error));
}

static void try_node_act(struct caller *self) {
    millpond_node_t node = a_node(self);
    const millpond_deed_t *deed = some_deed(self);
    const millpond_read_options_t *read_options = some_read_options(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_published_t *published = place_for_published(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_node_act(node, deed, read_options, timeout_ms, cancel,
        published, error));
}

static void try_node_answer_requests(struct caller *self) {
    millpond_node_t node = a_node(self);
    const char *name = a_text(self);
    uintptr_t name_len = their_count(self);
    int32_t wanted = a_number(self);
    uint64_t reserve = a_reserve(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_node_answer_requests(node, name, name_len, wanted, reserve,
        error));
}

static void try_node_hand_over_when_asked(struct caller *self) {
    millpond_node_t node = a_node(self);
    const char *name = a_text(self);
    uintptr_t name_len = their_count(self);
    int32_t wanted = a_number(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_node_hand_over_when_asked(node, name, name_len, wanted, error));
}

static void try_node_account(struct caller *self) {
    millpond_node_t node = a_node(self);
    const char *name = a_text(self);
    uintptr_t name_len = their_count(self);
    const char *id = a_text(self);
    uintptr_t id_len = their_count(self);
    const char *known = a_token(self);
    uintptr_t known_len = their_count(self);
    const millpond_read_options_t *read_options = some_read_options(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_bytes_t *json = place_for_bytes(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_node_account(node, name, name_len, id, id_len, known,
        known_len, read_options, timeout_ms, cancel, json, error));
}

static void try_node_claim(struct caller *self) {
    millpond_node_t node = a_node(self);
    const char *name = a_text(self);
    uintptr_t name_len = their_count(self);
    const char *known = a_token(self);
    uintptr_t known_len = their_count(self);
    const millpond_read_options_t *read_options = some_read_options(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_bytes_t *json = place_for_bytes(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_node_claim(node, name, name_len, known, known_len,
        read_options, timeout_ms, cancel, json, error));
}

static void try_node_who_does(struct caller *self) {
    millpond_node_t node = a_node(self);
    const char *name = a_text(self);
    uintptr_t name_len = their_count(self);
    const char *known = a_token(self);
    uintptr_t known_len = their_count(self);
    const millpond_read_options_t *read_options = some_read_options(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_bytes_t *json = place_for_bytes(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_node_who_does(node, name, name_len, known, known_len,
        read_options, timeout_ms, cancel, json, error));
}

static void try_fence_admits(struct caller *self) {
    const char *highest = a_text(self);
    uintptr_t highest_len = their_count(self);
    const char *fence = a_text(self);
    uintptr_t fence_len = their_count(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_fence_admits(highest, highest_len, fence, fence_len, error));
}

static void try_node_do_optimistically(struct caller *self) {
    millpond_node_t node = a_node(self);
    const char *name = a_text(self);
    uintptr_t name_len = their_count(self);
    int32_t note_form = a_number(self);
    const uint8_t *note = some_bytes(self);
    uintptr_t note_len = their_count(self);
    const millpond_read_options_t *read_options = some_read_options(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_doing_t *doing = place_for_doing(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_node_do_optimistically(node, name, name_len, note_form, note,
        note_len, read_options, timeout_ms, cancel, doing, error));
}

static void try_node_own_doing(struct caller *self) {
    millpond_node_t node = a_node(self);
    const char *name = a_text(self);
    uintptr_t name_len = their_count(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_doing_t *doing = place_for_doing(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_node_own_doing(node, name, name_len, timeout_ms, cancel,
        doing, error));
}

static void try_doing_key(struct caller *self) {
    millpond_doing_t doing = a_doing(self);
    millpond_bytes_t *key = place_for_bytes(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_doing_key(doing, key, error));
}

static void try_doing_next(struct caller *self) {
    millpond_doing_t doing = a_doing(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_bytes_t *json = place_for_bytes(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_doing_next(doing, timeout_ms, cancel, json, error));
}

static void try_doing_lost(struct caller *self) {
    millpond_doing_t doing = a_doing(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_bytes_t *json = place_for_bytes(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_doing_lost(doing, timeout_ms, cancel, json, error));
}

static void try_doing_fd(struct caller *self) {
    millpond_doing_t doing = a_doing(self);
    int32_t *fd = place_for_fd(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_doing_fd(doing, fd, error));
}

static void try_doing_close(struct caller *self) {
    millpond_doing_t doing = a_doing(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_doing_close(doing, error));
}

static void try_error_number(struct caller *self) {
    const millpond_error_t *error = an_error(self);
    (void)millpond_error_number(error);
}

static void try_error_name(struct caller *self) {
    const millpond_error_t *error = an_error(self);
    look_at_text(millpond_error_name(error));
}

static void try_error_message(struct caller *self) {
    const millpond_error_t *error = an_error(self);
    look_at_text(millpond_error_message(error));
}

static void try_error_reason(struct caller *self) {
    const millpond_error_t *error = an_error(self);
    look_at_text(millpond_error_reason(error));
}

static void try_error_missing(struct caller *self) {
    const millpond_error_t *error = an_error(self);
    look_at_text(millpond_error_missing(error));
}

static void try_error_details(struct caller *self) {
    const millpond_error_t *error = an_error(self);
    look_at_text(millpond_error_details(error));
}

static void try_error_position(struct caller *self) {
    const millpond_error_t *error = an_error(self);
    (void)millpond_error_position(error);
}

static void try_error_is_retryable(struct caller *self) {
    const millpond_error_t *error = an_error(self);
    (void)millpond_error_is_retryable(error);
}

static void try_error_free(struct caller *self) {
    millpond_error_t *error = own_error(self);
    millpond_error_free(error);
}

static void try_status_is_retryable(struct caller *self) {
    int32_t status = a_number(self);
    (void)millpond_status_is_retryable(status);
}

static void try_status_name(struct caller *self) {
    int32_t status = a_number(self);
    look_at_bytes(millpond_status_name(status));
}

static void try_job_fail(struct caller *self) {
    millpond_job_t *job = no_job(self);
    uintptr_t index = a_count(self);
    const char *message = a_text(self);
    uintptr_t message_len = their_count(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_job_fail(job, index, message, message_len, error));
}

static void try_job_reset(struct caller *self) {
    millpond_job_t *job = no_job(self);
    uintptr_t index = a_count(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_job_reset(job, index, error));
}

static void try_job_save(struct caller *self) {
    millpond_job_t *job = no_job(self);
    int32_t form = a_number(self);
    const uint8_t *state = some_bytes(self);
    uintptr_t state_len = their_count(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_job_save(job, form, state, state_len, error));
}

static void try_node_observe_all(struct caller *self) {
    millpond_node_t node = a_node(self);
    const char *query = a_query(self);
    uintptr_t query_len = their_count(self);
    millpond_make_fish_callback_t make_fish = a_make_fish_callback(self);
    void *user_data = some_user_data(self);
    millpond_destroy_t destroy = a_destroy(self);
    const millpond_read_options_t *read_options = some_read_options(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_group_t *group = place_for_group(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_node_observe_all(node, query, query_len, make_fish, user_data,
        destroy, read_options, timeout_ms, cancel, group, error));
}

static void try_node_observe_one(struct caller *self) {
    millpond_node_t node = a_node(self);
    const char *query = a_query(self);
    uintptr_t query_len = their_count(self);
    millpond_make_fish_callback_t make_fish = a_make_fish_callback(self);
    void *user_data = some_user_data(self);
    millpond_destroy_t destroy = a_destroy(self);
    const millpond_read_options_t *read_options = some_read_options(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_group_t *group = place_for_group(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_node_observe_one(node, query, query_len, make_fish, user_data,
        destroy, read_options, timeout_ms, cancel, group, error));
}

static void try_seed_fish(struct caller *self) {
    millpond_seed_t *seed = no_seed(self);
    const millpond_fish_t *fish = some_fish(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_seed_fish(seed, fish, error));
}

static void try_seed_fail(struct caller *self) {
    millpond_seed_t *seed = no_seed(self);
    const char *message = a_text(self);
    uintptr_t message_len = their_count(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_seed_fail(seed, message, message_len, error));
}

static void try_group_next(struct caller *self) {
    millpond_group_t group = a_group(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_states_t **states = place_for_states(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_group_next(group, timeout_ms, cancel, states, error));
}

static void try_group_fd(struct caller *self) {
    millpond_group_t group = a_group(self);
    int32_t *fd = place_for_fd(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_group_fd(group, fd, error));
}

static void try_group_close(struct caller *self) {
    millpond_group_t group = a_group(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_group_close(group, error));
}

static void try_states_len(struct caller *self) {
    const millpond_states_t *states = some_states(self);
    (void)millpond_states_len(states);
}

static void try_states_is_end(struct caller *self) {
    const millpond_states_t *states = some_states(self);
    (void)millpond_states_is_end(states);
}

static void try_states_number(struct caller *self) {
    const millpond_states_t *states = some_states(self);
    (void)millpond_states_number(states);
}

static void try_states_fish_id(struct caller *self) {
    const millpond_states_t *states = some_states(self);
    uintptr_t index = a_count(self);
    look_at_bytes(millpond_states_fish_id(states, index));
}

static void try_states_state(struct caller *self) {
    const millpond_states_t *states = some_states(self);
    uintptr_t index = a_count(self);
    look_at_state(millpond_states_state(states, index));
}

static void try_states_free(struct caller *self) {
    millpond_states_t *states = own_states(self);
    millpond_states_free(states);
}

static void try_log_set(struct caller *self) {
    int32_t level = a_number(self);
    millpond_log_callback_t callback = a_log_callback(self);
    void *user_data = some_user_data(self);
    millpond_destroy_t destroy = a_destroy(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_log_set(level, callback, user_data, destroy, error));
}

static void try_node_open(struct caller *self) {
    const millpond_node_options_t *node_options = some_node_options(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_node_t *node = place_for_node(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_node_open(node_options, timeout_ms, cancel, node, error));
}

static void try_node_close(struct caller *self) {
    millpond_node_t node = a_node(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_node_close(node, timeout_ms, error));
}

static void try_node_id(struct caller *self) {
    millpond_node_t node = a_node(self);
    millpond_bytes_t *node_id = place_for_bytes(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_node_id(node, node_id, error));
}

static void try_node_ticket(struct caller *self) {
    millpond_node_t node = a_node(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_bytes_t *ticket = place_for_bytes(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_node_ticket(node, timeout_ms, cancel, ticket, error));
}

static void try_node_status(struct caller *self) {
    millpond_node_t node = a_node(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_bytes_t *json = place_for_bytes(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_node_status(node, timeout_ms, cancel, json, error));
}

static void try_node_next_status(struct caller *self) {
    millpond_node_t node = a_node(self);
    uint64_t *version = place_for_number(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_bytes_t *json = place_for_bytes(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_node_next_status(node, version, timeout_ms, cancel, json,
        error));
}

static void try_node_metrics(struct caller *self) {
    millpond_node_t node = a_node(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_bytes_t *text = place_for_bytes(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_node_metrics(node, timeout_ms, cancel, text, error));
}

static void try_node_verify(struct caller *self) {
    millpond_node_t node = a_node(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_bytes_t *json = place_for_bytes(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_node_verify(node, timeout_ms, cancel, json, error));
}

static void try_node_compact(struct caller *self) {
    millpond_node_t node = a_node(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_bytes_t *json = place_for_bytes(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_node_compact(node, timeout_ms, cancel, json, error));
}

static void try_node_stats(struct caller *self) {
    millpond_node_t node = a_node(self);
    millpond_bytes_t *json = place_for_bytes(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_node_stats(node, json, error));
}

static void try_node_offsets(struct caller *self) {
    millpond_node_t node = a_node(self);
    millpond_bytes_t *token = place_for_bytes(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_node_offsets(node, token, error));
}

static void try_node_connect(struct caller *self) {
    millpond_node_t node = a_node(self);
    const char *target = a_target(self);
    uintptr_t target_len = their_count(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_node_connect(node, target, target_len, timeout_ms, cancel,
        error));
}

static void try_node_disconnect(struct caller *self) {
    millpond_node_t node = a_node(self);
    const char *node_id = a_text(self);
    uintptr_t node_id_len = their_count(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_node_disconnect(node, node_id, node_id_len, timeout_ms,
        cancel, error));
}

static void try_node_set_network(struct caller *self) {
    millpond_node_t node = a_node(self);
    int32_t enabled = a_number(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_node_set_network(node, enabled, timeout_ms, cancel, error));
}

static void try_node_set_secrets(struct caller *self) {
    millpond_node_t node = a_node(self);
    const char *current = a_text(self);
    uintptr_t current_len = their_count(self);
    const millpond_text_t *former = some_texts(self);
    uintptr_t former_count = their_count(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_node_set_secrets(node, current, current_len, former,
        former_count, timeout_ms, cancel, error));
}

static void try_node_observe(struct caller *self) {
    millpond_node_t node = a_node(self);
    const millpond_fish_t *fish = some_fish(self);
    const millpond_read_options_t *read_options = some_read_options(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_observer_t *observer = place_for_observer(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_node_observe(node, fish, read_options, timeout_ms, cancel,
        observer, error));
}

static void try_node_state(struct caller *self) {
    millpond_node_t node = a_node(self);
    const millpond_fish_t *fish = some_fish(self);
    const millpond_read_options_t *read_options = some_read_options(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_state_t **state = place_for_state(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_node_state(node, fish, read_options, timeout_ms, cancel,
        state, error));
}

static void try_observer_next(struct caller *self) {
    millpond_observer_t observer = an_observer(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_state_t **state = place_for_state(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_observer_next(observer, timeout_ms, cancel, state, error));
}

static void try_observer_state(struct caller *self) {
    millpond_observer_t observer = an_observer(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_state_t **state = place_for_state(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_observer_state(observer, timeout_ms, cancel, state, error));
}

static void try_observer_fd(struct caller *self) {
    millpond_observer_t observer = an_observer(self);
    int32_t *fd = place_for_fd(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_observer_fd(observer, fd, error));
}

static void try_observer_call_back(struct caller *self) {
    millpond_observer_t observer = an_observer(self);
    millpond_state_callback_t callback = a_state_callback(self);
    void *user_data = some_user_data(self);
    millpond_destroy_t destroy = a_destroy(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_observer_call_back(observer, callback, user_data, destroy,
        error));
}

static void try_observer_close(struct caller *self) {
    millpond_observer_t observer = an_observer(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_observer_close(observer, error));
}

static void try_payload_from_json(struct caller *self) {
    const char *json_text = a_text(self);
    uintptr_t json_text_len = their_count(self);
    millpond_bytes_t *payload = place_for_bytes(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_payload_from_json(json_text, json_text_len, payload, error));
}

static void try_payload_to_json(struct caller *self) {
    const uint8_t *payload = some_bytes(self);
    uintptr_t payload_len = their_count(self);
    millpond_bytes_t *json_text = place_for_bytes(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_payload_to_json(payload, payload_len, json_text, error));
}

static void try_swarm_secret_new(struct caller *self) {
    millpond_bytes_t *secret = place_for_bytes(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_swarm_secret_new(secret, error));
}

static void try_swarm_secret_next(struct caller *self) {
    const char *secret = a_text(self);
    uintptr_t secret_len = their_count(self);
    millpond_bytes_t *next = place_for_bytes(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_swarm_secret_next(secret, secret_len, next, error));
}

static void try_ticket_parse(struct caller *self) {
    const char *ticket = a_target(self);
    uintptr_t ticket_len = their_count(self);
    millpond_bytes_t *json = place_for_bytes(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_ticket_parse(ticket, ticket_len, json, error));
}

static void try_node_publish(struct caller *self) {
    millpond_node_t node = a_node(self);
    const millpond_draft_t *drafts = some_drafts(self);
    uintptr_t draft_count = their_count(self);
    const millpond_publish_options_t *publish_options = some_publish_options(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_published_t *published = place_for_published(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_node_publish(node, drafts, draft_count, publish_options,
        timeout_ms, cancel, published, error));
}

static void try_token_merge(struct caller *self) {
    const millpond_text_t *tokens = some_texts(self);
    uintptr_t token_count = their_count(self);
    millpond_bytes_t *token = place_for_bytes(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_token_merge(tokens, token_count, token, error));
}

static void try_node_wait_for(struct caller *self) {
    millpond_node_t node = a_node(self);
    const char *token = a_token(self);
    uintptr_t token_len = their_count(self);
    const char *query = a_query(self);
    uintptr_t query_len = their_count(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_node_wait_for(node, token, token_len, query, query_len,
        timeout_ms, cancel, error));
}

static void try_session_new(struct caller *self) {
    millpond_session_t *session = place_for_session(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_session_new(session, error));
}

static void try_session_token(struct caller *self) {
    millpond_session_t session = a_session(self);
    millpond_bytes_t *token = place_for_bytes(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_session_token(session, token, error));
}

static void try_session_sees(struct caller *self) {
    millpond_session_t session = a_session(self);
    const char *token = a_token(self);
    uintptr_t token_len = their_count(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_session_sees(session, token, token_len, error));
}

static void try_session_close(struct caller *self) {
    millpond_session_t session = a_session(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_session_close(session, error));
}

static void try_state_is_end(struct caller *self) {
    const millpond_state_t *state = a_state(self);
    (void)millpond_state_is_end(state);
}

static void try_state_get(struct caller *self) {
    const millpond_state_t *state = a_state(self);
    millpond_state_view_t *view = place_for_view(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_state_get(state, view, error));
}

static void try_state_json(struct caller *self) {
    const millpond_state_t *state = a_state(self);
    millpond_bytes_t *json = place_for_bytes(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_state_json(state, json, error));
}

static void try_state_free(struct caller *self) {
    millpond_state_t *state = own_state(self);
    millpond_state_free(state);
}

static void try_node_subscribe(struct caller *self) {
    millpond_node_t node = a_node(self);
    const char *query = a_query(self);
    uintptr_t query_len = their_count(self);
    const millpond_subscribe_options_t *subscribe_options = some_subscribe_options(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_subscription_t *subscription = place_for_subscription(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_node_subscribe(node, query, query_len, subscribe_options,
        timeout_ms, cancel, subscription, error));
}

static void try_node_subscribe_callback(struct caller *self) {
    millpond_node_t node = a_node(self);
    const char *query = a_query(self);
    uintptr_t query_len = their_count(self);
    const millpond_subscribe_options_t *subscribe_options = some_subscribe_options(self);
    millpond_batch_callback_t callback = a_batch_callback(self);
    void *user_data = some_user_data(self);
    millpond_destroy_t destroy = a_destroy(self);
    millpond_subscription_t *subscription = place_for_subscription(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_node_subscribe_callback(node, query, query_len,
        subscribe_options, callback, user_data, destroy, subscription, error));
}

static void try_subscription_next(struct caller *self) {
    millpond_subscription_t subscription = a_subscription(self);
    uintptr_t count_max = a_count(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_batch_t **batch = place_for_batch(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_subscription_next(subscription, count_max, timeout_ms, cancel,
        batch, error));
}

static void try_subscription_fd(struct caller *self) {
    millpond_subscription_t subscription = a_subscription(self);
    int32_t *fd = place_for_fd(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_subscription_fd(subscription, fd, error));
}

static void try_subscription_lag(struct caller *self) {
    millpond_subscription_t subscription = a_subscription(self);
    uint64_t *lag = place_for_number(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_subscription_lag(subscription, lag, error));
}

static void try_subscription_position(struct caller *self) {
    millpond_subscription_t subscription = a_subscription(self);
    millpond_bytes_t *token = place_for_bytes(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_subscription_position(subscription, token, error));
}

static void try_subscription_close(struct caller *self) {
    millpond_subscription_t subscription = a_subscription(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_subscription_close(subscription, error));
}

static void try_observer_turn(struct caller *self) {
    millpond_observer_t observer = an_observer(self);
    int32_t kind = a_number(self);
    millpond_session_t session = a_rare_session(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_turn_t *turn = place_for_turn(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_observer_turn(observer, kind, session, timeout_ms, cancel,
        turn, error));
}

static void try_turn_state(struct caller *self) {
    millpond_turn_t turn = a_turn(self);
    millpond_state_t **state = place_for_state(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_turn_state(turn, state, error));
}

static void try_turn_publish(struct caller *self) {
    millpond_turn_t turn = a_turn(self);
    const millpond_draft_t *drafts = some_drafts(self);
    uintptr_t draft_count = their_count(self);
    const millpond_publish_options_t *publish_options = some_publish_options(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_published_t *published = place_for_published(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_turn_publish(turn, drafts, draft_count, publish_options,
        timeout_ms, cancel, published, error));
}

static void try_turn_close(struct caller *self) {
    millpond_turn_t turn = a_turn(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_turn_close(turn, error));
}

static void try_observer_run(struct caller *self) {
    millpond_observer_t observer = an_observer(self);
    int32_t kind = a_number(self);
    millpond_effect_callback_t effect = an_effect_callback(self);
    void *user_data = some_user_data(self);
    const millpond_publish_options_t *publish_options = some_publish_options(self);
    int64_t timeout_ms = a_timeout(self);
    millpond_cancel_t cancel = a_cancel(self);
    millpond_published_t *published = place_for_published(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_observer_run(observer, kind, effect, user_data,
        publish_options, timeout_ms, cancel, published, error));
}

static void try_observer_keep_running(struct caller *self) {
    millpond_observer_t observer = an_observer(self);
    millpond_effect_callback_t effect = an_effect_callback(self);
    void *user_data = some_user_data(self);
    millpond_destroy_t destroy = a_destroy(self);
    const millpond_publish_options_t *publish_options = some_publish_options(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_observer_keep_running(observer, effect, user_data, destroy,
        publish_options, error));
}

static void try_effect_publish(struct caller *self) {
    millpond_effect_t *effect = no_effect(self);
    const millpond_draft_t *drafts = some_drafts(self);
    uintptr_t draft_count = their_count(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_effect_publish(effect, drafts, draft_count, error));
}

static void try_effect_fail(struct caller *self) {
    millpond_effect_t *effect = no_effect(self);
    const char *message = a_text(self);
    uintptr_t message_len = their_count(self);
    millpond_error_t **error = place_for_error(self);
    settle(self, millpond_effect_fail(effect, message, message_len, error));
}

static void try_bytes_free(struct caller *self) {
    millpond_bytes_t *bytes = own_bytes(self);
    millpond_bytes_free(bytes);
}

static const struct attempt attempts[] = {
    {"millpond_version", try_version},
    {"millpond_abi_check", try_abi_check},
    {"millpond_batch_len", try_batch_len},
    {"millpond_batch_is_end", try_batch_is_end},
    {"millpond_batch_caught_up", try_batch_caught_up},
    {"millpond_batch_is_durable", try_batch_is_durable},
    {"millpond_batch_lag", try_batch_lag},
    {"millpond_batch_is_rewind", try_batch_is_rewind},
    {"millpond_batch_rewind_to", try_batch_rewind_to},
    {"millpond_batch_columns", try_batch_columns},
    {"millpond_batch_position", try_batch_position},
    {"millpond_batch_get", try_batch_get},
    {"millpond_batch_blobs", try_batch_blobs},
    {"millpond_batch_free", try_batch_free},
    {"millpond_blob_add_file", try_blob_add_file},
    {"millpond_blob_add_bytes", try_blob_add_bytes},
    {"millpond_blob_writer_new", try_blob_writer_new},
    {"millpond_blob_open", try_blob_open},
    {"millpond_blob_get", try_blob_get},
    {"millpond_blob_export", try_blob_export},
    {"millpond_blob_has", try_blob_has},
    {"millpond_blob_stat", try_blob_stat},
    {"millpond_blob_list", try_blob_list},
    {"millpond_blob_collect", try_blob_collect},
    {"millpond_blob_verify", try_blob_verify},
    {"millpond_blob_writer_write", try_blob_writer_write},
    {"millpond_blob_writer_finish", try_blob_writer_finish},
    {"millpond_blob_writer_close", try_blob_writer_close},
    {"millpond_blob_reader_size", try_blob_reader_size},
    {"millpond_blob_reader_read", try_blob_reader_read},
    {"millpond_blob_reader_pread", try_blob_reader_pread},
    {"millpond_blob_reader_seek", try_blob_reader_seek},
    {"millpond_blob_reader_next_chunk", try_blob_reader_next_chunk},
    {"millpond_blob_reader_fd", try_blob_reader_fd},
    {"millpond_blob_reader_close", try_blob_reader_close},
    {"millpond_blob_work_next", try_blob_work_next},
    {"millpond_blob_work_result", try_blob_work_result},
    {"millpond_blob_work_fd", try_blob_work_fd},
    {"millpond_blob_work_close", try_blob_work_close},
    {"millpond_cancel_new", try_cancel_new},
    {"millpond_cancel_trigger", try_cancel_trigger},
    {"millpond_cancel_free", try_cancel_free},
    {"millpond_node_query", try_node_query},
    {"millpond_cursor_next", try_cursor_next},
    {"millpond_cursor_explain", try_cursor_explain},
    {"millpond_cursor_completeness", try_cursor_completeness},
    {"millpond_cursor_close", try_cursor_close},
    {"millpond_node_act", try_node_act},
    {"millpond_node_answer_requests", try_node_answer_requests},
    {"millpond_node_hand_over_when_asked", try_node_hand_over_when_asked},
    {"millpond_node_account", try_node_account},
    {"millpond_node_claim", try_node_claim},
    {"millpond_node_who_does", try_node_who_does},
    {"millpond_fence_admits", try_fence_admits},
    {"millpond_node_do_optimistically", try_node_do_optimistically},
    {"millpond_node_own_doing", try_node_own_doing},
    {"millpond_doing_key", try_doing_key},
    {"millpond_doing_next", try_doing_next},
    {"millpond_doing_lost", try_doing_lost},
    {"millpond_doing_fd", try_doing_fd},
    {"millpond_doing_close", try_doing_close},
    {"millpond_error_number", try_error_number},
    {"millpond_error_name", try_error_name},
    {"millpond_error_message", try_error_message},
    {"millpond_error_reason", try_error_reason},
    {"millpond_error_missing", try_error_missing},
    {"millpond_error_details", try_error_details},
    {"millpond_error_position", try_error_position},
    {"millpond_error_is_retryable", try_error_is_retryable},
    {"millpond_error_free", try_error_free},
    {"millpond_status_is_retryable", try_status_is_retryable},
    {"millpond_status_name", try_status_name},
    {"millpond_job_fail", try_job_fail},
    {"millpond_job_reset", try_job_reset},
    {"millpond_job_save", try_job_save},
    {"millpond_node_observe_all", try_node_observe_all},
    {"millpond_node_observe_one", try_node_observe_one},
    {"millpond_seed_fish", try_seed_fish},
    {"millpond_seed_fail", try_seed_fail},
    {"millpond_group_next", try_group_next},
    {"millpond_group_fd", try_group_fd},
    {"millpond_group_close", try_group_close},
    {"millpond_states_len", try_states_len},
    {"millpond_states_is_end", try_states_is_end},
    {"millpond_states_number", try_states_number},
    {"millpond_states_fish_id", try_states_fish_id},
    {"millpond_states_state", try_states_state},
    {"millpond_states_free", try_states_free},
    {"millpond_log_set", try_log_set},
    {"millpond_node_open", try_node_open},
    {"millpond_node_close", try_node_close},
    {"millpond_node_id", try_node_id},
    {"millpond_node_ticket", try_node_ticket},
    {"millpond_node_status", try_node_status},
    {"millpond_node_next_status", try_node_next_status},
    {"millpond_node_metrics", try_node_metrics},
    {"millpond_node_verify", try_node_verify},
    {"millpond_node_compact", try_node_compact},
    {"millpond_node_stats", try_node_stats},
    {"millpond_node_offsets", try_node_offsets},
    {"millpond_node_connect", try_node_connect},
    {"millpond_node_disconnect", try_node_disconnect},
    {"millpond_node_set_network", try_node_set_network},
    {"millpond_node_set_secrets", try_node_set_secrets},
    {"millpond_node_observe", try_node_observe},
    {"millpond_node_state", try_node_state},
    {"millpond_observer_next", try_observer_next},
    {"millpond_observer_state", try_observer_state},
    {"millpond_observer_fd", try_observer_fd},
    {"millpond_observer_call_back", try_observer_call_back},
    {"millpond_observer_close", try_observer_close},
    {"millpond_payload_from_json", try_payload_from_json},
    {"millpond_payload_to_json", try_payload_to_json},
    {"millpond_swarm_secret_new", try_swarm_secret_new},
    {"millpond_swarm_secret_next", try_swarm_secret_next},
    {"millpond_ticket_parse", try_ticket_parse},
    {"millpond_node_publish", try_node_publish},
    {"millpond_token_merge", try_token_merge},
    {"millpond_node_wait_for", try_node_wait_for},
    {"millpond_session_new", try_session_new},
    {"millpond_session_token", try_session_token},
    {"millpond_session_sees", try_session_sees},
    {"millpond_session_close", try_session_close},
    {"millpond_state_is_end", try_state_is_end},
    {"millpond_state_get", try_state_get},
    {"millpond_state_json", try_state_json},
    {"millpond_state_free", try_state_free},
    {"millpond_node_subscribe", try_node_subscribe},
    {"millpond_node_subscribe_callback", try_node_subscribe_callback},
    {"millpond_subscription_next", try_subscription_next},
    {"millpond_subscription_fd", try_subscription_fd},
    {"millpond_subscription_lag", try_subscription_lag},
    {"millpond_subscription_position", try_subscription_position},
    {"millpond_subscription_close", try_subscription_close},
    {"millpond_observer_turn", try_observer_turn},
    {"millpond_turn_state", try_turn_state},
    {"millpond_turn_publish", try_turn_publish},
    {"millpond_turn_close", try_turn_close},
    {"millpond_observer_run", try_observer_run},
    {"millpond_observer_keep_running", try_observer_keep_running},
    {"millpond_effect_publish", try_effect_publish},
    {"millpond_effect_fail", try_effect_fail},
    {"millpond_bytes_free", try_bytes_free},
};
