/// Blobs: large immutable bytes beside the events, each named by its BLAKE3 hash. docs/blobs.md.
#ifndef MILLPOND_BLOB_HPP
#define MILLPOND_BLOB_HPP

#include "node.hpp"

namespace millpond {
inline namespace MILLPOND_FACE {

/// What is said of a blob when it is added.
struct BlobAbout {
    /// A media type such as "image/jpeg", of at most 64 bytes.
    std::optional<std::string> media_type{};
    /// A file name of at most 128 bytes, without a "/" or a control character.
    std::optional<std::string> name{};
    /// What it is listed by here: at most 16.
    std::vector<std::string> tags{};
    /// How many bytes a writer will be given.
    std::optional<std::uint64_t> size{};
};

/// How a blob becomes a file.
enum class BlobExport {
    /// As `automatic`.
    unsaid,
    /// Blocks of the disk are shared where the file system can, else copied.
    automatic,
    /// Its bytes are copied.
    copy,
    /// Another name of the store's own file, where that is possible: who changes that file damages
    /// the blob.
    link,
};

/// How far work on blobs is.
struct BlobProgress {
    /// Bytes that are done.
    std::uint64_t done_bytes = 0;
    /// Bytes that there are to do, when that is known.
    std::optional<std::uint64_t> total_bytes{};
    /// Whether the work has ended, whatever came of it.
    bool is_end = false;

    BlobProgress() = default;
    /// Of what C wrote.
    explicit BlobProgress(const millpond_blob_progress_t &raw) noexcept
        : done_bytes(raw.done_bytes), is_end(raw.is_end == 1) {
        if (raw.has_total == 1) total_bytes = raw.total_bytes;
    }
};

namespace detail {

/// What is said of a blob as C takes it, borrowed from `about`, which must outlive this.
class RawAbout {
  public:
    explicit RawAbout(const BlobAbout &about) : tags_(texts(about.tags)) {
        raw_.media_type = said(about.media_type);
        raw_.name = said(about.name);
        raw_.tags = tags_.empty() ? nullptr : tags_.data();
        raw_.tag_count = tags_.size();
        raw_.has_size = about.size ? 1 : 0;
        raw_.size = about.size.value_or(0);
    }

    [[nodiscard]] const millpond_blob_about_t *get() const noexcept { return &raw_; }

  private:
    std::vector<millpond_text_t> tags_;
    millpond_blob_about_t raw_ = MILLPOND_BLOB_ABOUT_INIT;
};

}  // namespace detail

/// Work on blobs: `Blobs`. Closed or let go, it is called off if it is under way.
class BlobWork : public detail::Handle<millpond_blob_work_t, millpond_blob_work_close> {
  public:
    using Handle::Handle;

    /// How far it is: first now, then each time that has changed; at the end the last one, again
    /// and again. One call at a time. `timeout`: nothing changed in time; nothing is lost.
    Result<BlobProgress> try_progress(Wait wait = {}) {
        return detail::made<BlobProgress, millpond_blob_progress_t>(
            [&](millpond_blob_progress_t *out, millpond_error_t **error) {
                return millpond_blob_work_next(raw(), wait.milliseconds(), wait.cancel(), out,
                                               error);
            });
    }
    /// What comes of it, as one JSON object: see the call that began it. May be asked again.
    /// `timeout`: the work goes on.
    Result<std::string> try_result(Wait wait = {}) const {
        return detail::copied([&](millpond_bytes_t *out, millpond_error_t **error) {
            return millpond_blob_work_result(raw(), wait.milliseconds(), wait.cancel(), out, error);
        });
    }
    /// A descriptor for poll, select or epoll: readable while `try_progress` may have something.
    /// Valid until the close; never read, write or close it.
    Result<int> try_fd() const {
        return detail::made<int, std::int32_t>([&](std::int32_t *out, millpond_error_t **error) {
            return millpond_blob_work_fd(raw(), out, error);
        });
    }
#if MILLPOND_EXCEPTIONS
    /// As `try_progress`; throws `Error`.
    BlobProgress progress(Wait wait = {}) { return try_progress(wait).value(); }
    /// As `try_result`; throws `Error`.
    [[nodiscard]] std::string result(Wait wait = {}) const { return try_result(wait).value(); }
    /// As `try_fd`; throws `Error`.
    [[nodiscard]] int fd() const { return try_fd().value(); }
#endif
};

/// A blob whose bytes come one after the other. Closed or let go before it is finished, it leaves
/// nothing.
class BlobWriter : public detail::Handle<millpond_blob_writer_t, millpond_blob_writer_close> {
  public:
    using Handle::Handle;

    /// Takes the next bytes, any number, and writes them to the disk. `limit_exceeded` (reason
    /// "blob_quota"), `storage_full`, `storage_failed`, `conflict` (reason "changed_while_added":
    /// more than were said): each later call answers the same.
    Result<void> try_write(Bytes content, Wait wait = {}) {
        return detail::done([&](millpond_error_t **error) {
            return millpond_blob_writer_write(raw(), content.data(), content.size(),
                                              wait.milliseconds(), wait.cancel(), error);
        });
    }
    /// Makes the bytes a blob, durable and visible here, as one JSON object: see
    /// `Blobs::try_add_file`. `timeout`, `cancelled`: it goes on until this is closed.
    Result<std::string> try_finish(Wait wait = {}) const {
        return detail::copied([&](millpond_bytes_t *out, millpond_error_t **error) {
            return millpond_blob_writer_finish(raw(), wait.milliseconds(), wait.cancel(), out,
                                               error);
        });
    }
#if MILLPOND_EXCEPTIONS
    /// As `try_write`; throws `Error`.
    void write(Bytes content, Wait wait = {}) { try_write(content, wait).value(); }
    /// As `try_finish`; throws `Error`.
    std::string finish(Wait wait = {}) const { return try_finish(wait).value(); }
#endif
};

/// A blob that is open for reading: every byte that it gives was verified. While it is open the
/// blob is not collected.
class BlobReader : public detail::Handle<millpond_blob_reader_t, millpond_blob_reader_close> {
  public:
    using Handle::Handle;

    /// Bytes of the blob.
    Result<std::uint64_t> try_size() const {
        return detail::made<std::uint64_t, std::uint64_t>(
            [&](std::uint64_t *out, millpond_error_t **error) {
                return millpond_blob_reader_size(raw(), out, error);
            });
    }
    /// Reads from where the last such read ended until `buffer` is full or the blob ends; gives how
    /// many bytes, 0 at the end. `corrupt`: they are damaged here. `storage_failed`.
    Result<std::size_t> try_read(Span<std::uint8_t> buffer, Wait wait = {}) {
        return detail::made<std::size_t, std::uintptr_t>(
            [&](std::uintptr_t *out, millpond_error_t **error) {
                return millpond_blob_reader_read(raw(), buffer.data(), buffer.size(),
                                                 wait.milliseconds(), wait.cancel(), out, error);
            });
    }
    /// As `try_read`, from byte `position` on, also several at once. Where the next read begins is
    /// not touched.
    Result<std::size_t> try_pread(std::uint64_t position, Span<std::uint8_t> buffer,
                                  Wait wait = {}) const {
        return detail::made<std::size_t, std::uintptr_t>(
            [&](std::uintptr_t *out, millpond_error_t **error) {
                return millpond_blob_reader_pread(raw(), position, buffer.data(), buffer.size(),
                                                  wait.milliseconds(), wait.cancel(), out, error);
            });
    }
    /// Says where the next read begins: `by` bytes from the beginning (`whence` 0), from where it
    /// would begin now (1), or from the end (2). Gives the new position.
    Result<std::uint64_t> try_seek(std::int64_t by, int whence = 0) {
        return detail::made<std::uint64_t, std::uint64_t>(
            [&](std::uint64_t *out, millpond_error_t **error) {
                return millpond_blob_reader_seek(raw(), by, whence, out, error);
            });
    }
    /// The next bytes, at most 65,536, from where the last read ended; none at the end.
    Result<std::string> try_next_chunk(Wait wait = {}) {
        return detail::copied([&](millpond_bytes_t *out, millpond_error_t **error) {
            return millpond_blob_reader_next_chunk(raw(), wait.milliseconds(), wait.cancel(), out,
                                                   error);
        });
    }
    /// A descriptor of the file of the blob, opened anew: close it. What is read from it nobody
    /// verifies. `invalid_argument`, reason "no_file": the blob is small and lies in a table.
    Result<int> try_open_file() const {
        return detail::made<int, std::int32_t>([&](std::int32_t *out, millpond_error_t **error) {
            return millpond_blob_reader_fd(raw(), out, error);
        });
    }
#if MILLPOND_EXCEPTIONS
    /// As `try_size`; throws `Error`.
    [[nodiscard]] std::uint64_t size() const { return try_size().value(); }
    /// As `try_read`; throws `Error`.
    std::size_t read(Span<std::uint8_t> buffer, Wait wait = {}) {
        return try_read(buffer, wait).value();
    }
    /// As `try_pread`; throws `Error`.
    std::size_t pread(std::uint64_t position, Span<std::uint8_t> buffer, Wait wait = {}) const {
        return try_pread(position, buffer, wait).value();
    }
    /// As `try_seek`; throws `Error`.
    std::uint64_t seek(std::int64_t by, int whence = 0) { return try_seek(by, whence).value(); }
    /// As `try_next_chunk`; throws `Error`.
    std::string next_chunk(Wait wait = {}) { return try_next_chunk(wait).value(); }
    /// As `try_open_file`; throws `Error`.
    [[nodiscard]] int open_file() const { return try_open_file().value(); }
#endif
};

/// The blobs of a node, which must outlive this. Ids are 64 hex digits, what `b3sum` prints.
class Blobs {
  public:
    explicit Blobs(const Node &node) noexcept : node_(node.raw()) {}
    /// Not of one that is about to be gone.
    explicit Blobs(Node &&) = delete;

    /// Adds a file. What comes of the work is one JSON object: "id", "size" in bytes, "media_type"
    /// and "name" (null where nobody said any); durable, and visible here, then. The same bytes are
    /// one blob. Of the work: `not_found`, `storage_failed`, `conflict` (reason
    /// "changed_while_added"), `limit_exceeded` (also with the reason "blob_quota"),
    /// `storage_full`.
    Result<BlobWork> try_add_file(std::string_view path, const BlobAbout &about = {}) const {
        const detail::RawAbout said(about);
        return work([&](millpond_blob_work_t *out, millpond_error_t **error) {
            return millpond_blob_add_file(node_, path.data(), path.size(), said.get(), out, error);
        });
    }
    /// Adds bytes, and gives the blob as the work of `try_add_file` does.
    Result<std::string> try_add_bytes(Bytes content, const BlobAbout &about = {},
                                      Wait wait = {}) const {
        const detail::RawAbout said(about);
        return detail::copied([&](millpond_bytes_t *out, millpond_error_t **error) {
            return millpond_blob_add_bytes(node_, content.data(), content.size(), said.get(),
                                           wait.milliseconds(), wait.cancel(), out, error);
        });
    }
    /// Begins a blob whose bytes come one after the other.
    Result<BlobWriter> try_writer(const BlobAbout &about = {}) const {
        const detail::RawAbout said(about);
        return detail::made<BlobWriter, millpond_blob_writer_t>(
            [&](millpond_blob_writer_t *out, millpond_error_t **error) {
                return millpond_blob_writer_new(node_, said.get(), out, error);
            });
    }
    /// Opens a blob for reading. `not_found`, reason "blob_not_here"; `corrupt`: a file of it is
    /// missing.
    Result<BlobReader> try_open(std::string_view id, Wait wait = {}) const {
        return detail::made<BlobReader, millpond_blob_reader_t>(
            [&](millpond_blob_reader_t *out, millpond_error_t **error) {
                return millpond_blob_open(node_, id.data(), id.size(), wait.milliseconds(),
                                          wait.cancel(), out, error);
            });
    }
    /// All bytes of a blob of at most `bytes_max`, without it 16 MiB. `limit_exceeded`: it has
    /// more.
    Result<std::string> try_get(std::string_view id, std::optional<std::uint64_t> bytes_max = {},
                                Wait wait = {}) const {
        return detail::copied([&](millpond_bytes_t *out, millpond_error_t **error) {
            return millpond_blob_get(node_, id.data(), id.size(), bytes_max.value_or(0),
                                     wait.milliseconds(), wait.cancel(), out, error);
        });
    }
    /// Writes a blob to a file, which is there whole or not at all. What comes of the work is one
    /// JSON object: "id", "size". Of the work: `conflict`, reason "exists", unless `overwrite`.
    Result<BlobWork> try_export_to(std::string_view id, std::string_view path,
                                   BlobExport how = BlobExport::unsaid,
                                   bool overwrite = false) const {
        millpond_blob_export_options_t options = MILLPOND_BLOB_EXPORT_OPTIONS_INIT;
        if (how == BlobExport::automatic) options.how = detail::text("auto");
        if (how == BlobExport::copy) options.how = detail::text("copy");
        if (how == BlobExport::link) options.how = detail::text("link");
        options.overwrite = overwrite ? MILLPOND_YES : MILLPOND_NO;
        return work([&](millpond_blob_work_t *out, millpond_error_t **error) {
            return millpond_blob_export(node_, id.data(), id.size(), path.data(), path.size(),
                                        &options, out, error);
        });
    }
    /// Whether a blob is here whole. Its bytes are not looked at: reading does that.
    Result<bool> try_has(std::string_view id) const {
        return detail::made<bool, std::int32_t>([&](std::int32_t *out, millpond_error_t **error) {
            return millpond_blob_has(node_, id.data(), id.size(), out, error);
        });
    }
    /// What is known of a blob here, as one JSON object: see millpond_blob_stat. `not_found`.
    Result<std::string> try_stat(std::string_view id) const {
        return detail::copied([&](millpond_bytes_t *out, millpond_error_t **error) {
            return millpond_blob_stat(node_, id.data(), id.size(), out, error);
        });
    }
    /// The blobs behind the one with the id `after`, or from the first one, that have all these
    /// tags here, by rising id, as one JSON array: at most 1,024. Empty behind the last one.
    Result<std::string> try_list(std::optional<std::string_view> after = {},
                                 Span<const std::string> tags = {},
                                 std::size_t count_max = 0) const {
        const std::vector<millpond_text_t> texts = detail::texts(tags);
        return detail::copied([&](millpond_bytes_t *out, millpond_error_t **error) {
            return millpond_blob_list(node_, after ? after->data() : nullptr,
                                      after ? after->size() : 0,
                                      texts.empty() ? nullptr : texts.data(), texts.size(),
                                      count_max, out, error);
        });
    }
    /// Removes every blob that nothing keeps. What comes of the work is one JSON object: "blobs",
    /// "bytes".
    Result<BlobWork> try_collect() const {
        return work([&](millpond_blob_work_t *out, millpond_error_t **error) {
            return millpond_blob_collect(node_, out, error);
        });
    }
    /// Reads and verifies a blob, or all of them. What comes of the work is one JSON object:
    /// "whole", "bytes", "damaged" (ids), "strays". Damage is no error.
    Result<BlobWork> try_verify(std::optional<std::string_view> id = {}) const {
        return work([&](millpond_blob_work_t *out, millpond_error_t **error) {
            return millpond_blob_verify(node_, id ? id->data() : nullptr, id ? id->size() : 0, out,
                                        error);
        });
    }
#if MILLPOND_EXCEPTIONS
    /// As `try_add_file`; throws `Error`.
    [[nodiscard]] BlobWork add_file(std::string_view path, const BlobAbout &about = {}) const {
        return try_add_file(path, about).value();
    }
    /// As `try_add_bytes`; throws `Error`.
    std::string add_bytes(Bytes content, const BlobAbout &about = {}, Wait wait = {}) const {
        return try_add_bytes(content, about, wait).value();
    }
    /// As `try_writer`; throws `Error`.
    [[nodiscard]] BlobWriter writer(const BlobAbout &about = {}) const {
        return try_writer(about).value();
    }
    /// As `try_open`; throws `Error`.
    [[nodiscard]] BlobReader open(std::string_view id, Wait wait = {}) const {
        return try_open(id, wait).value();
    }
    /// As `try_get`; throws `Error`.
    [[nodiscard]] std::string get(std::string_view id, std::optional<std::uint64_t> bytes_max = {},
                                  Wait wait = {}) const {
        return try_get(id, bytes_max, wait).value();
    }
    /// As `try_export_to`; throws `Error`.
    [[nodiscard]] BlobWork export_to(std::string_view id, std::string_view path,
                                     BlobExport how = BlobExport::unsaid,
                                     bool overwrite = false) const {
        return try_export_to(id, path, how, overwrite).value();
    }
    /// As `try_has`; throws `Error`.
    [[nodiscard]] bool has(std::string_view id) const { return try_has(id).value(); }
    /// As `try_stat`; throws `Error`.
    [[nodiscard]] std::string stat(std::string_view id) const { return try_stat(id).value(); }
    /// As `try_list`; throws `Error`.
    [[nodiscard]] std::string list(std::optional<std::string_view> after = {},
                                   Span<const std::string> tags = {},
                                   std::size_t count_max = 0) const {
        return try_list(after, tags, count_max).value();
    }
    /// As `try_collect`; throws `Error`.
    [[nodiscard]] BlobWork collect() const { return try_collect().value(); }
    /// As `try_verify`; throws `Error`.
    [[nodiscard]] BlobWork verify(std::optional<std::string_view> id = {}) const {
        return try_verify(id).value();
    }
#endif

  private:
    template <class Call>
    static Result<BlobWork> work(Call &&call) {
        return detail::made<BlobWork, millpond_blob_work_t>(call);
    }

    millpond_node_t node_;
};

/// The blobs to which event `index` of a batch refers, by rising id, as one JSON array of objects:
/// "id", "size" in bytes, "media_type", "name"; null is unknown. `invalid_argument`: there is no
/// such event, or the query's columns leave the tags out.
inline Result<std::string> try_event_blobs(const BatchRef &batch, std::size_t index) {
    return detail::copied([&](millpond_bytes_t *out, millpond_error_t **error) {
        return millpond_batch_blobs(batch.raw(), index, out, error);
    });
}

#if MILLPOND_EXCEPTIONS
/// As `try_event_blobs`; throws `Error`.
inline std::string event_blobs(const BatchRef &batch, std::size_t index) {
    return try_event_blobs(batch, index).value();
}
#endif

}  // namespace MILLPOND_FACE
}  // namespace millpond

#endif
