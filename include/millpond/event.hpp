/// Events as they are read: `Event`, and the batches that they come in.
///
/// Rule: an event points into its batch, and is gone with it. Begin with `BatchRef`.
#ifndef MILLPOND_EVENT_HPP
#define MILLPOND_EVENT_HPP

#include "session.hpp"

#include <chrono>

namespace millpond {
inline namespace MILLPOND_FACE {

/// JSON text as a payload in deterministic CBOR. Integers keep 64 bits; bytes are
/// `{"$bytes": "<base64>"}`. `limit_exceeded`: more than 1 MiB, nested more than 32 deep, or an
/// integer beyond 64 bits. Thread-safe.
inline Result<std::string> try_payload_from_json(std::string_view json) {
    return detail::copied([&](millpond_bytes_t *out, millpond_error_t **error) {
        return millpond_payload_from_json(json.data(), json.size(), out, error);
    });
}

/// A payload, one value in deterministic CBOR, as JSON text; any other bytes: `invalid_argument`.
/// Thread-safe.
inline Result<std::string> try_payload_to_json(Bytes payload) {
    return detail::copied([&](millpond_bytes_t *out, millpond_error_t **error) {
        return millpond_payload_to_json(payload.data(), payload.size(), out, error);
    });
}
/// The same of bytes in a string, as `try_payload_from_json` gives them.
inline Result<std::string> try_payload_to_json(std::string_view payload) {
    return try_payload_to_json(Bytes(detail::bytes_of(payload), payload.size()));
}

#if MILLPOND_EXCEPTIONS
/// As `try_payload_from_json`; throws `Error`.
inline std::string payload_from_json(std::string_view json) {
    return try_payload_from_json(json).value();
}
/// As `try_payload_to_json`; throws `Error`.
inline std::string payload_to_json(Bytes payload) { return try_payload_to_json(payload).value(); }
inline std::string payload_to_json(std::string_view payload) {
    return try_payload_to_json(payload).value();
}
#endif

/// The tags of an event, rising and distinct: up to 64 of 1 to 255 bytes of UTF-8. Borrowed.
class Tags {
  public:
    using iterator = detail::IndexIterator<Tags>;

    Tags() noexcept = default;
    /// `size` tags from `first` on.
    Tags(const millpond_text_t *first, std::size_t size) noexcept : tags_(first, size) {}

    /// How many.
    [[nodiscard]] std::size_t size() const noexcept { return tags_.size(); }
    /// Whether there are none.
    [[nodiscard]] bool empty() const noexcept { return tags_.empty(); }
    /// Tag `index`, which must be below `size()`.
    [[nodiscard]] std::string_view operator[](std::size_t index) const noexcept {
        return detail::view(tags_[index]);
    }
    /// Whether `tag` is among them, byte for byte.
    [[nodiscard]] bool contains(std::string_view tag) const noexcept {
        for (const millpond_text_t &one : tags_)
            if (detail::view(one) == tag) return true;
        return false;
    }
    [[nodiscard]] iterator begin() const noexcept { return {*this, 0}; }
    [[nodiscard]] iterator end() const noexcept { return {*this, size()}; }

  private:
    Span<const millpond_text_t> tags_;
};

/// One event, borrowed from its batch: an immutable fact. Cheap to copy.
class Event {
  public:
    /// The event that C shows.
    explicit Event(const millpond_event_t &raw) noexcept : raw_(raw) {}

    /// Its key, "<lamport>/<stream id>". Sorted by lamport, then by stream: the order everywhere.
    [[nodiscard]] std::string key() const {
        return std::to_string(lamport()).append("/").append(stream());
    }
    /// Logical time, from 1 to 2^53 - 1: orders first.
    [[nodiscard]] std::uint64_t lamport() const noexcept { return raw_.lamport; }
    /// The id of its stream: orders events of equal lamport.
    [[nodiscard]] std::string_view stream() const noexcept { return detail::view(raw_.stream); }
    /// Position in its stream: 0 for the first, no gaps.
    [[nodiscard]] std::uint64_t offset() const noexcept { return raw_.offset; }
    /// The author's wall clock, microseconds since 1970 UTC: a claim, never orders.
    [[nodiscard]] std::int64_t time_micros() const noexcept { return raw_.time_micros; }
    /// The same as a time point.
    [[nodiscard]] std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds>
    time() const noexcept {
        using Point = std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds>;
        return Point(std::chrono::microseconds(time_micros()));
    }
    /// The application that published it: 1 to 64 bytes of ASCII.
    [[nodiscard]] std::string_view app_id() const noexcept { return detail::view(raw_.app_id); }
    /// Whether its tags were read: not when the query's `columns` leave them out.
    [[nodiscard]] bool has_tags() const noexcept { return raw_.tags != nullptr; }
    /// Its tags; none when they were not read.
    [[nodiscard]] Tags tags() const noexcept { return {raw_.tags, raw_.tag_count}; }
    /// Whether its payload was read: not when the query's `columns` leave it out.
    [[nodiscard]] bool has_payload() const noexcept { return raw_.payload != nullptr; }
    /// Its payload, one CBOR value of 1 byte to 1 MiB; empty when it was not read.
    [[nodiscard]] Bytes payload() const noexcept { return {raw_.payload, raw_.payload_len}; }
    /// Its payload as JSON text. `invalid_argument` when it was not read.
    Result<std::string> try_payload_json() const { return try_payload_to_json(payload()); }
#if MILLPOND_EXCEPTIONS
    /// As `try_payload_json`; throws `Error`.
    [[nodiscard]] std::string payload_json() const { return try_payload_json().value(); }
#endif
    /// What C shows.
    [[nodiscard]] const millpond_event_t &raw() const noexcept { return raw_; }

  private:
    millpond_event_t raw_;
};

/// What is decoded of events: or them together. What is left out costs nothing.
enum class Columns : std::uint32_t {
    /// Everything.
    all = 0,
    /// What every event has: key, stream, offset, time, app id. Alone: no tags, no payload.
    key = MILLPOND_COLUMN_KEY,
    /// The tags.
    tags = MILLPOND_COLUMN_TAGS,
    /// The payload.
    payload = MILLPOND_COLUMN_PAYLOAD,
};

/// What either has.
constexpr Columns operator|(Columns a, Columns b) noexcept {
    if (a == Columns::all || b == Columns::all) return Columns::all;
    return static_cast<Columns>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b));
}

class Batch;

/// Some events in order, borrowed: cheap to copy, and gone with the `Batch` that it is of.
/// Everything in it is thread-safe.
class BatchRef {
  public:
    using iterator = detail::IndexIterator<BatchRef>;

    /// No events.
    BatchRef() noexcept = default;
    /// Those of a batch of C, which may be NULL.
    explicit BatchRef(const millpond_batch_t *raw) noexcept : raw_(raw) {}
    BatchRef(const BatchRef &) noexcept = default;
    BatchRef &operator=(const BatchRef &) noexcept = default;
    /// Not of one that is about to be gone.
    BatchRef(Batch &&) = delete;
    BatchRef &operator=(Batch &&) = delete;

    /// How many events: up to 4,096.
    [[nodiscard]] std::size_t size() const noexcept { return millpond_batch_len(raw_); }
    /// Whether there are none: also of a rewind, of the end, or when it has just caught up.
    [[nodiscard]] bool empty() const noexcept { return size() == 0; }
    /// Event `index`, which must be below `size()`. Costs no allocation.
    [[nodiscard]] Event operator[](std::size_t index) const noexcept {
        millpond_event_t event = MILLPOND_EVENT_INIT;
        const std::int32_t status = millpond_batch_get(raw_, index, &event, nullptr);
        detail::require(status == MILLPOND_OK, "a batch was asked for an event beyond its last");
        return Event(event);
    }
    [[nodiscard]] iterator begin() const noexcept { return {*this, 0}; }
    [[nodiscard]] iterator end() const noexcept { return {*this, size()}; }

    /// Whether nothing will follow: the query is answered, or the subscription or its node was
    /// closed. The batch is empty then.
    [[nodiscard]] bool is_end() const noexcept { return millpond_batch_is_end(raw_) == 1; }
    /// Whether a subscription has passed everything that was there when it began.
    [[nodiscard]] bool caught_up() const noexcept { return millpond_batch_caught_up(raw_) == 1; }
    /// Whether its events are on this node's disk: not always when `Delivery::live`.
    [[nodiscard]] bool is_durable() const noexcept { return millpond_batch_is_durable(raw_) == 1; }
    /// Events of the log that the subscription had not passed yet, matching or not; 0 for a query.
    [[nodiscard]] std::uint64_t lag() const noexcept { return millpond_batch_lag(raw_); }
    /// Whether events came late to a subscription in key order: what was delivered behind
    /// `rewind_to` is to be forgotten, and comes again in order with them. The batch is empty.
    [[nodiscard]] bool is_rewind() const noexcept { return millpond_batch_is_rewind(raw_) == 1; }
    /// Of a rewind, the key of the last event that stays, "<lamport>/<stream id>"; none when none
    /// does, and for what is no rewind.
    [[nodiscard]] std::optional<std::string_view> rewind_to() const noexcept {
        const millpond_text_t key = millpond_batch_rewind_to(raw_);
        if (!key.data) return std::nullopt;
        return detail::view(key);
    }
    /// Which columns its events have; `Columns::all` only of a batch that is none.
    [[nodiscard]] Columns columns() const noexcept {
        return static_cast<Columns>(millpond_batch_columns(raw_));
    }
    /// Where a subscription stands after this batch, to subscribe from in the same order. For the
    /// batch of a query, what the query is answered at.
    Result<Token> try_position() const {
        return detail::copied_token([&](millpond_bytes_t *out, millpond_error_t **error) {
            return millpond_batch_position(raw_, out, error);
        });
    }
#if MILLPOND_EXCEPTIONS
    /// As `try_position`; throws `Error`.
    [[nodiscard]] Token position() const { return try_position().value(); }
#endif
    /// The batch of C, borrowed; may be NULL.
    [[nodiscard]] const millpond_batch_t *raw() const noexcept { return raw_; }

  protected:
    const millpond_batch_t *raw_ = nullptr;
};

/// A batch with its events: move-only, and they are gone with it.
class Batch : public BatchRef {
  public:
    /// No events.
    Batch() noexcept = default;
    /// Takes over `raw`, which nobody else may free any more. May be NULL.
    explicit Batch(millpond_batch_t *raw) noexcept : BatchRef(raw), owned_(raw) {}
    Batch(Batch &&other) noexcept : Batch(other.release()) {}
    Batch &operator=(Batch &&other) noexcept {
        if (this != &other) {
            millpond_batch_free(owned_);
            raw_ = owned_ = other.release();
        }
        return *this;
    }
    Batch(const Batch &) = delete;
    Batch &operator=(const Batch &) = delete;
    ~Batch() { millpond_batch_free(owned_); }

    /// Event `index`, which must be below `size()`. Not of a batch that is about to be gone.
    [[nodiscard]] Event operator[](std::size_t index) const & noexcept {
        return BatchRef::operator[](index);
    }
    Event operator[](std::size_t) const && = delete;
    [[nodiscard]] iterator begin() const & noexcept { return BatchRef::begin(); }
    iterator begin() const && = delete;
    [[nodiscard]] iterator end() const & noexcept { return BatchRef::end(); }
    iterator end() const && = delete;
    /// As of any batch, and not of one that is about to be gone.
    [[nodiscard]] std::optional<std::string_view> rewind_to() const & noexcept {
        return BatchRef::rewind_to();
    }
    std::optional<std::string_view> rewind_to() const && = delete;

    /// Gives the batch of C away: whoever has it frees it.
    [[nodiscard]] millpond_batch_t *release() noexcept {
        raw_ = nullptr;
        return std::exchange(owned_, nullptr);
    }

  private:
    millpond_batch_t *owned_ = nullptr;
};

}  // namespace MILLPOND_FACE
}  // namespace millpond

#endif
