/// Queries: how to ask, and the cursor that answers; and ranges over what comes in batches.
#ifndef MILLPOND_CURSOR_HPP
#define MILLPOND_CURSOR_HPP

#include "event.hpp"
#include "wait.hpp"

namespace millpond {
inline namespace MILLPOND_FACE {

/// In which order a query is answered.
enum class Order {
    /// As `ascending`.
    unsaid,
    /// By rising event key: the one order that all nodes agree on.
    ascending,
    /// By falling event key.
    descending,
    /// Stream after stream, each in its own order. The fastest.
    stream,
};

/// How to query.
struct QueryOptions {
    /// In which order.
    Order order = Order::unsaid;
    /// What is decoded of the events.
    Columns columns = Columns::all;
    /// Only what lies beyond this. Unsaid: everything.
    std::optional<Token> lower{};
    /// Only what lies within this. Unsaid: everything that is durable here now.
    std::optional<Token> upper{};
    /// Only once the log covers this. The timeout of the call is how long to wait for that, and
    /// `not_yet_visible` the end of it.
    std::optional<Token> after{};
    /// The same for what this session has seen; it then has seen what the query is answered at.
    const Session *session = nullptr;

    /// As C takes it, borrowed from this.
    [[nodiscard]] millpond_query_options_t raw() const noexcept {
        millpond_query_options_t raw = MILLPOND_QUERY_OPTIONS_INIT;
        if (order != Order::unsaid) raw.order = detail::no_choice();
        if (order == Order::ascending) raw.order = detail::text("ascending");
        if (order == Order::descending) raw.order = detail::text("descending");
        if (order == Order::stream) raw.order = detail::text("stream");
        raw.columns = static_cast<std::uint32_t>(columns);
        raw.lower = detail::said(lower);
        raw.upper = detail::said(upper);
        raw.after = detail::said(after);
        raw.session = detail::session(session);
        return raw;
    }
};

#if MILLPOND_EXCEPTIONS
namespace detail {

/// What a range walks over: its own, or, by a reference, that of somebody else.
template <class Source>
struct Walked {
    Source own;
    Source &get() noexcept { return own; }
};
template <class Source>
struct Walked<Source &> {
    Source *other;
    explicit Walked(Source &source) noexcept : other(&source) {}
    Source &get() noexcept { return *other; }
};

}  // namespace detail

/// The batches that a cursor or a subscription gives until its end, to be walked over once: an
/// input range. A batch is gone when the next one is taken. Throws what taking one throws.
template <class Source>
class Batches {
  public:
    /// The end of the batches.
    struct Sentinel {};

    /// Walks over the batches; all copies stand at the same one.
    class Iterator {
      public:
        using value_type = Batch;
        using difference_type = std::ptrdiff_t;
        using reference = Batch &;
        using pointer = Batch *;
        using iterator_category = std::input_iterator_tag;

        Iterator() = default;
        explicit Iterator(Batches *batches) : batches_(batches) {}
        Batch &operator*() const { return batches_->batch_; }
        Batch *operator->() const { return &batches_->batch_; }
        Iterator &operator++() {
            batches_->take();
            return *this;
        }
        void operator++(int) { ++*this; }
        friend bool operator==(const Iterator &it, Sentinel) { return it.is_over(); }
        friend bool operator!=(const Iterator &it, Sentinel) { return !it.is_over(); }

      private:
        [[nodiscard]] bool is_over() const { return batches_->batch_.is_end(); }

        Batches *batches_ = nullptr;
    };

    /// Those of `source`, which must outlive this if it is a reference; each within `wait`.
    Batches(Source &&source, Wait wait, std::size_t count_max)
        : source_{std::forward<Source>(source)}, wait_(wait), count_max_(count_max) {}
    /// Takes the first batch; called again, begins with the one at hand.
    Iterator begin() {
        if (!has_begun_) take();
        has_begun_ = true;
        return Iterator(this);
    }
    [[nodiscard]] Sentinel end() const { return {}; }

  private:
    void take() { batch_ = source_.get().next(wait_, count_max_); }

    detail::Walked<Source> source_;
    Wait wait_;
    std::size_t count_max_;
    Batch batch_;
    bool has_begun_ = false;
};

/// The events that a cursor or a subscription gives until its end, to be walked over once: an input
/// range. An event is gone when the iterator has gone on. Throws what taking a batch throws; and
/// `invalid_argument`, reason "rewind", when events come late to a subscription in key order, which
/// is to be read by `batches`.
template <class Source>
class Events {
  public:
    /// The end of the events.
    struct Sentinel {};

    /// Walks over the events; all copies stand at the same one.
    class Iterator {
      public:
        using value_type = Event;
        using difference_type = std::ptrdiff_t;
        using reference = Event;
        using pointer = void;
        using iterator_category = std::input_iterator_tag;

        Iterator() = default;
        explicit Iterator(Events *events) : events_(events) {}
        Event operator*() const { return events_->batch_[events_->index_]; }
        Iterator &operator++() {
            events_->index_++;
            events_->settle();
            return *this;
        }
        void operator++(int) { ++*this; }
        friend bool operator==(const Iterator &it, Sentinel) { return it.is_over(); }
        friend bool operator!=(const Iterator &it, Sentinel) { return !it.is_over(); }

      private:
        [[nodiscard]] bool is_over() const { return events_->is_over_; }

        Events *events_ = nullptr;
    };

    /// Those of `source`, which must outlive this if it is a reference; each batch within `wait`.
    Events(Source &&source, Wait wait)
        : source_{std::forward<Source>(source)}, wait_(wait) {}
    /// Takes the first batch that has events.
    Iterator begin() {
        settle();
        return Iterator(this);
    }
    [[nodiscard]] Sentinel end() const { return {}; }

  private:
    /// Goes on to a batch that has event `index_`, or to the end.
    void settle() {
        while (index_ >= size_ && !is_over_) {
            batch_ = source_.get().next(wait_);
            index_ = 0;
            size_ = batch_.size();
            is_over_ = batch_.is_end();
            if (!batch_.is_rewind()) continue;
            throw Error(ErrorKind::invalid_argument, "events came late; read batches", "rewind");
        }
    }

    detail::Walked<Source> source_;
    Wait wait_;
    Batch batch_;
    /// Of the batch, asked for once: a step of a loop calls no more than what shows its event.
    std::size_t size_ = 0, index_ = 0;
    bool is_over_ = false;
};
#endif

/// The answer to a query over one consistent view of the log.
class Cursor : public detail::Handle<millpond_cursor_t, millpond_cursor_close> {
  public:
    using Handle::Handle;

    /// The next events, at most `count_max` (0: 1,024; at most 4,096). After the last one
    /// `Batch::is_end` holds, again and again. Timeout and cancel lose no event. One call at a
    /// time. `corrupt`, `storage_failed`: a block cannot be read.
    Result<Batch> try_next(Wait wait = {}, std::size_t count_max = 0) {
        return detail::made<Batch, millpond_batch_t *>(
            [&](millpond_batch_t **out, millpond_error_t **error) {
                return millpond_cursor_next(raw(), count_max, wait.milliseconds(), wait.cancel(),
                                            out, error);
            });
    }
    /// How the query is answered, as one JSON object: `query`, `order`, `alternatives`, `is_exact`,
    /// `expected`, `actual` and `text`; see millpond_cursor_explain. `corrupt`, `storage_failed`.
    Result<std::string> try_explain(Wait wait = {}) const {
        return detail::copied([&](millpond_bytes_t *out, millpond_error_t **error) {
            return millpond_cursor_explain(raw(), wait.milliseconds(), wait.cancel(), out, error);
        });
    }
    /// How complete the answer is, as one JSON object: `offsets`, `behind` and `unheard`, as of
    /// when it was asked; docs/status.md names every field. Reads nothing.
    Result<std::string> try_completeness() const {
        return detail::copied([&](millpond_bytes_t *out, millpond_error_t **error) {
            return millpond_cursor_completeness(raw(), out, error);
        });
    }
#if MILLPOND_EXCEPTIONS
    /// As `try_next`; throws `Error`.
    Batch next(Wait wait = {}, std::size_t count_max = 0) {
        return try_next(wait, count_max).value();
    }
    /// As `try_explain`; throws `Error`.
    [[nodiscard]] std::string explain(Wait wait = {}) const { return try_explain(wait).value(); }
    /// As `try_completeness`; throws `Error`.
    [[nodiscard]] std::string completeness() const { return try_completeness().value(); }
    /// What is left, batch by batch; of a temporary the range keeps it.
    Batches<Cursor &> batches(Wait wait = {}, std::size_t count_max = 0) & {
        return {*this, wait, count_max};
    }
    Batches<Cursor> batches(Wait wait = {}, std::size_t count_max = 0) && {
        return {std::move(*this), wait, count_max};
    }
    /// What is left, event by event; of a temporary the range keeps it.
    Events<Cursor &> events(Wait wait = {}) & { return {*this, wait}; }
    Events<Cursor> events(Wait wait = {}) && { return {std::move(*this), wait}; }
#endif
};

}  // namespace MILLPOND_FACE
}  // namespace millpond

#endif
