/// Queries that stay open: how to subscribe, and the subscription.
#ifndef MILLPOND_SUBSCRIPTION_HPP
#define MILLPOND_SUBSCRIPTION_HPP

#include "callback.hpp"
#include "cursor.hpp"

#include <functional>
#include <memory>

namespace millpond {
inline namespace MILLPOND_FACE {

/// Where a subscription begins.
class Start {
  public:
    /// As `beginning`.
    Start() noexcept = default;
    /// After what this token covers, or at the position of a subscription of the same order.
    Start(Token token) : said_(token.text()) {
        // Of a token, these are no words but bad texts, as the empty one is.
        if (said_ == "beginning" || said_ == "now") said_.emplace();
    }
    /// With the first event there is.
    static Start beginning() { return Start(std::string("beginning")); }
    /// With what comes from now on. Not in key order.
    static Start now() { return Start(std::string("now")); }

    /// As C takes it, borrowed from this.
    [[nodiscard]] millpond_text_t raw() const noexcept { return detail::said(said_); }

  private:
    explicit Start(std::string said) : said_(std::move(said)) {}

    std::optional<std::string> said_;
};

/// When a subscription delivers.
enum class Delivery {
    /// As `durable`.
    unsaid,
    /// Once events are on this node's disk.
    durable,
    /// As soon as they are verified here: a power cut may take such events back, and then what
    /// their stream has there instead is delivered. `BatchRef::is_durable` says which they are.
    live,
};

/// In which order a subscription delivers.
enum class SubscribeOrder {
    /// As `arrival`.
    unsaid,
    /// Each stream in its own order.
    arrival,
    /// In the one order that all nodes agree on, with the way back where an event comes late:
    /// `BatchRef::is_rewind`. Then `delivery` is `durable`, and `from` the beginning or the
    /// position of such a subscription.
    key,
};

/// How to subscribe.
struct SubscribeOptions {
    /// Where to begin.
    Start from{};
    /// When to deliver.
    Delivery delivery = Delivery::unsaid;
    /// In which order.
    SubscribeOrder order = SubscribeOrder::unsaid;
    /// Most events per call of a callback, 1 to 4,096; of more it is told `invalid_argument`. 0:
    /// 1,024.
    std::uint32_t batch_count_max = 0;
    /// Only once the log covers this. The timeout of the call is how long to wait for that, and
    /// `not_yet_visible` the end of it; with a callback it does not wait.
    std::optional<Token> after{};
    /// The same for what this session has seen; it then has seen what each batch brings it to.
    const Session *session = nullptr;

    /// As C takes it, borrowed from this.
    [[nodiscard]] millpond_subscribe_options_t raw() const noexcept {
        millpond_subscribe_options_t raw = MILLPOND_SUBSCRIBE_OPTIONS_INIT;
        raw.batch_count_max = batch_count_max;
        raw.from = from.raw();
        if (delivery != Delivery::unsaid) raw.delivery = detail::no_choice();
        if (delivery == Delivery::durable) raw.delivery = detail::text("durable");
        if (delivery == Delivery::live) raw.delivery = detail::text("live");
        if (order != SubscribeOrder::unsaid) raw.order = detail::no_choice();
        if (order == SubscribeOrder::arrival) raw.order = detail::text("arrival");
        if (order == SubscribeOrder::key) raw.order = detail::text("key");
        raw.after = detail::said(after);
        raw.session = detail::session(session);
        return raw;
    }
};

/// A query that stays open. Close it, or let it go, also after its node was closed.
///
/// With a callback a close waits up to 10 s for it to return, and answers `timeout` then: it is
/// closed all the same, but the callback still runs. The destructor says nothing of that, so who
/// captures references closes and looks at the answer.
class Subscription : public detail::Handle<millpond_subscription_t, millpond_subscription_close> {
  public:
    using Handle::Handle;

    /// The next events, at most `count_max` (0: 1,024; at most 4,096). Waits for an event, for the
    /// first moment at which it has caught up (the batch may then be empty), or for the end
    /// (`Batch::is_end`). `timeout`: there was nothing in time, and nothing is lost. One call at a
    /// time. `corrupt`, `storage_failed`: a block cannot be read.
    Result<Batch> try_next(Wait wait = {}, std::size_t count_max = 0) {
        return detail::made<Batch, millpond_batch_t *>(
            [&](millpond_batch_t **out, millpond_error_t **error) {
                return millpond_subscription_next(raw(), count_max, wait.milliseconds(),
                                                  wait.cancel(), out, error);
            });
    }
    /// A descriptor for poll, select or epoll: readable while `try_next` would not wait. It may
    /// rarely be readable although nothing is there, never the other way round. Valid until the
    /// close; never read, write or close it.
    Result<int> try_fd() const {
        return detail::made<int, std::int32_t>([&](std::int32_t *out, millpond_error_t **error) {
            return millpond_subscription_fd(raw(), out, error);
        });
    }
    /// Events of the log that it has not passed yet, matching or not.
    Result<std::uint64_t> try_lag() const {
        return detail::made<std::uint64_t, std::uint64_t>(
            [&](std::uint64_t *out, millpond_error_t **error) {
                return millpond_subscription_lag(raw(), out, error);
            });
    }
    /// Where it stands after the last batch that it gave, to subscribe from in the same order.
    /// Before the first batch, where it began.
    Result<Token> try_position() const {
        return detail::copied_token([&](millpond_bytes_t *out, millpond_error_t **error) {
            return millpond_subscription_position(raw(), out, error);
        });
    }
#if MILLPOND_EXCEPTIONS
    /// As `try_next`; throws `Error`.
    Batch next(Wait wait = {}, std::size_t count_max = 0) {
        return try_next(wait, count_max).value();
    }
    /// As `try_fd`; throws `Error`.
    [[nodiscard]] int fd() const { return try_fd().value(); }
    /// As `try_lag`; throws `Error`.
    [[nodiscard]] std::uint64_t lag() const { return try_lag().value(); }
    /// As `try_position`; throws `Error`.
    [[nodiscard]] Token position() const { return try_position().value(); }
    /// What comes, batch by batch, until it is closed.
    Batches<Subscription &> batches(Wait wait = {}, std::size_t count_max = 0) & {
        return {*this, wait, count_max};
    }
    Batches<Subscription> batches(Wait wait = {}, std::size_t count_max = 0) && {
        return {std::move(*this), wait, count_max};
    }
    /// What comes, event by event, until it is closed. Not in key order.
    Events<Subscription &> events(Wait wait = {}) & { return {*this, wait}; }
    Events<Subscription> events(Wait wait = {}) && { return {std::move(*this), wait}; }
#endif
};

/// Takes batches of a subscription, or the error that is its end: the last call has either that, or
/// a batch that `is_end`. Calls come one after the other on a thread of the subscription alone, and
/// may call everything. What it captures is destroyed on a thread of millpond. If it throws, or
/// gives a `Result` that is an error, it is called once more, with `user_code`, reason "callback",
/// and never again; what comes until the subscription is closed is dropped.
using BatchCallback = Callback<void(const Result<BatchRef> &)>;

namespace detail {

/// A callback that is told of things one after the other, and is not called after it failed.
template <class Ref>
struct Told {
    Callback<void(const Result<Ref> &)> callback;
    bool is_over = false;

    explicit Told(Callback<void(const Result<Ref> &)> given) : callback(std::move(given)) {}

    template <class Raw>
    static void call(void *user_data, const Raw *raw, const millpond_error_t *error) noexcept {
        Told &self = *static_cast<Told *>(user_data);
        if (self.is_over) return;
        const auto tell = [&]() -> Result<void> {
            return self.callback(error
                                     ? Result<Ref>(Error::from_raw(MILLPOND_ERROR_INTERNAL, error))
                                     : Result<Ref>(Ref(raw)));
        };
        const Result<void> told = caught<void>(tell);
        if (told) return;
        self.is_over = true;
        const auto tell_why = [&]() -> Result<void> {
            const std::string why(told.error().message());
            return self.callback(Result<Ref>(Error(ErrorKind::user_code, why, "callback")));
        };
        (void)caught<void>(tell_why);
    }
    static void destroy(void *user_data) noexcept { delete static_cast<Told *>(user_data); }
};

}  // namespace detail
}  // namespace MILLPOND_FACE
}  // namespace millpond

#endif
