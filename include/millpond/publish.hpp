/// Events as they are published: payloads, drafts, how to publish, and what came of it.
#ifndef MILLPOND_PUBLISH_HPP
#define MILLPOND_PUBLISH_HPP

#include "event.hpp"

namespace millpond {
inline namespace MILLPOND_FACE {

/// What an event, a note or a saved state says: bytes, and which form they have. Owns them.
class Payload {
  public:
    /// JSON text, of which deterministic CBOR is made when it is used. Integers keep 64 bits.
    static Payload json(std::string text) {
        return Payload(MILLPOND_PAYLOAD_JSON, std::move(text));
    }
    /// Bytes as they are: of an event, one value in deterministic CBOR.
    static Payload cbor(std::string bytes) {
        return Payload(MILLPOND_PAYLOAD_CBOR, std::move(bytes));
    }
    /// A copy of bytes as they are.
    static Payload cbor(Bytes bytes) {
        return cbor(std::string(reinterpret_cast<const char *>(bytes.data()), bytes.size()));
    }

    /// A `MILLPOND_PAYLOAD_` number.
    [[nodiscard]] std::int32_t form() const noexcept { return form_; }
    /// The bytes, of JSON text those of its UTF-8.
    [[nodiscard]] const std::string &bytes() const noexcept { return bytes_; }

  private:
    Payload(std::int32_t form, std::string bytes) : form_(form), bytes_(std::move(bytes)) {}

    std::int32_t form_;
    std::string bytes_;
};

/// One event to be published.
struct Draft {
    /// What it is to be found by: up to 64 tags of 1 to 255 bytes. They are brought to NFC.
    std::vector<std::string> tags{};
    /// What it says: at most 1 MiB of CBOR.
    Payload payload = Payload::json("null");
    /// The blobs that it refers to, by id (64 hex digits): at most 16, each of them here whole, or
    /// referred to by an event that is; else `not_found`, reason "blob_not_here".
    std::vector<std::string> blobs{};
};

/// Which power cuts an answered publish survives.
enum class Durability {
    /// As `power`.
    unsaid,
    /// It is on disk before the answer.
    power,
    /// It survives the process only; on disk up to 50 ms after the answer, and the time of one
    /// sync. Queries, subscriptions and peers see it then.
    process,
};

/// How to publish.
struct PublishOptions {
    /// Publish only if this node's stream has exactly this many events, else `conflict`.
    std::optional<std::uint64_t> expected{};
    /// What the answer means.
    Durability durability = Durability::unsaid;
    /// 1 to 255 bytes: a retry with the same key gets the first answer again.
    std::optional<std::string> idempotency_key{};
    /// Publish only once the log covers what this session has seen, within the timeout of the call
    /// (`not_yet_visible`); it then has seen these events, too.
    const Session *session = nullptr;

    /// As C takes it, borrowed from this.
    [[nodiscard]] millpond_publish_options_t raw() const noexcept {
        millpond_publish_options_t raw = MILLPOND_PUBLISH_OPTIONS_INIT;
        raw.has_expected = expected ? 1 : 0;
        raw.expected = expected.value_or(0);
        if (durability != Durability::unsaid) raw.durability = detail::no_choice();
        if (durability == Durability::power) raw.durability = detail::text("power");
        if (durability == Durability::process) raw.durability = detail::text("process");
        if (idempotency_key) {
            raw.idempotency_key = detail::bytes_of(*idempotency_key);
            raw.idempotency_key_len = idempotency_key->size();
        }
        raw.session = detail::session(session);
        return raw;
    }
};

/// Where published events stand. Event i has offset `first_offset + i` and lamport
/// `first_lamport + i`.
struct Published {
    /// Whether an earlier call with this idempotency key published them.
    bool replayed = false;
    /// Offset of the first: its position in the stream, from 0.
    std::uint64_t first_offset = 0;
    /// Lamport of the first: its logical time, from 1 to 2^53 - 1.
    std::uint64_t first_lamport = 0;
    /// How many. 0: an effect had nothing to publish, and then `token` and `stream` say nothing.
    std::uint64_t count = 0;
    /// This node's wall clock, microseconds since 1970 UTC.
    std::int64_t time_micros = 0;
    /// The id of their stream.
    std::string stream{};
    /// What a read must cover to see them.
    std::optional<Token> token{};
};

namespace detail {

/// Drafts as C takes them, borrowed from `drafts`, which must outlive this.
class RawDrafts {
  public:
    explicit RawDrafts(Span<const Draft> drafts) {
        std::size_t count = 0;
        for (const Draft &draft : drafts) count += draft.tags.size() + draft.blobs.size();
        texts_.reserve(count); // The drafts point into it.
        drafts_.reserve(drafts.size());
        for (const Draft &draft : drafts) {
            millpond_draft_t raw = MILLPOND_DRAFT_INIT;
            raw.tags = keep(draft.tags);
            raw.tag_count = draft.tags.size();
            raw.blobs = keep(draft.blobs);
            raw.blob_count = draft.blobs.size();
            raw.payload_form = draft.payload.form();
            raw.payload = bytes_of(draft.payload.bytes());
            raw.payload_len = draft.payload.bytes().size();
            drafts_.push_back(raw);
        }
    }

    [[nodiscard]] const millpond_draft_t *data() const noexcept { return drafts_.data(); }
    [[nodiscard]] std::size_t size() const noexcept { return drafts_.size(); }

  private:
    const millpond_text_t *keep(const std::vector<std::string> &said) {
        const std::size_t first = texts_.size();
        for (const std::string &one : said) texts_.push_back(text(one));
        return said.empty() ? nullptr : texts_.data() + first;
    }

    std::vector<millpond_text_t> texts_;
    std::vector<millpond_draft_t> drafts_;
};

/// Frees what C wrote of a publish at the end of the scope.
struct OwnedPublished {
    millpond_published_t raw = MILLPOND_PUBLISHED_INIT;

    OwnedPublished() = default;
    OwnedPublished(const OwnedPublished &) = delete;
    OwnedPublished &operator=(const OwnedPublished &) = delete;
    ~OwnedPublished() {
        millpond_bytes_free(&raw.stream);
        millpond_bytes_free(&raw.token);
    }

    [[nodiscard]] Published copy() const {
        Published published;
        published.replayed = raw.replayed == 1;
        published.first_offset = raw.first_offset;
        published.first_lamport = raw.first_lamport;
        published.count = raw.count;
        published.time_micros = raw.time_micros;
        const auto text = [](millpond_bytes_t bytes) {
            return std::string(reinterpret_cast<const char *>(bytes.data), bytes.len);
        };
        if (raw.stream.data) published.stream = text(raw.stream);
        if (raw.token.data) published.token = Token(text(raw.token));
        return published;
    }
};

/// Calls `call(published, error)`, and copies what was published.
template <class Call>
Result<Published> published(Call &&call) {
    OwnedPublished out;
    const Result<void> status =
        done([&](millpond_error_t **error) { return call(&out.raw, error); });
    if (!status) return status.error();
    return out.copy();
}

}  // namespace detail
}  // namespace MILLPOND_FACE
}  // namespace millpond

#endif
