/// How long a call may take, and what calls it off: `Wait` and `Cancel`.
#ifndef MILLPOND_WAIT_HPP
#define MILLPOND_WAIT_HPP

#include "handle.hpp"

#include <chrono>
#include <cmath>

namespace millpond {
inline namespace MILLPOND_FACE {

/// Calls off calls. Any number of calls may name one, and it may be triggered from any thread.
class Cancel : public detail::Handle<millpond_cancel_t, millpond_cancel_free> {
  public:
    using Handle::Handle;

    /// A new one, which has called off nothing. `limit_exceeded`: no more handles can be had.
    static Result<Cancel> try_create() {
        return detail::made<Cancel, millpond_cancel_t>(millpond_cancel_new);
    }
    /// Calls off every call that names it, now and later: they answer `cancelled`. Idempotent.
    Result<void> try_trigger() const {
        return detail::done(
            [&](millpond_error_t **error) { return millpond_cancel_trigger(raw(), error); });
    }
#if MILLPOND_EXCEPTIONS
    /// As `try_create`; throws `Error`.
    static Cancel create() { return try_create().value(); }
    /// As `try_trigger`; throws `Error`.
    void trigger() const { try_trigger().value(); }
#endif
};

/// How long a call may take and what calls it off, all that it waits for together. Said nothing, it
/// has no bound (a close its default deadline of 10 s) and is not called off.
class Wait {
  public:
    /// No bound, and not to be called off.
    Wait() noexcept = default;
    /// At most so long, rounded up to milliseconds, and 2^53 ms at most. Zero, less, or no number:
    /// not to wait.
    template <class Rep, class Period>
    Wait(std::chrono::duration<Rep, Period> timeout) : milliseconds_(rounded(timeout)) {}
    /// Until `cancel` is triggered. It must live as long as the call.
    Wait(const Cancel &cancel) noexcept : cancel_(detail::named(cancel.raw())) {}
    /// Nobody could trigger that one.
    Wait(const Cancel &&) = delete;
    /// Whichever comes first.
    template <class Rep, class Period>
    Wait(std::chrono::duration<Rep, Period> timeout, const Cancel &cancel)
        : milliseconds_(rounded(timeout)), cancel_(detail::named(cancel.raw())) {}
    template <class Rep, class Period>
    Wait(std::chrono::duration<Rep, Period> timeout, const Cancel &&) = delete;

    /// As C takes it: milliseconds, or -1 for no bound.
    [[nodiscard]] std::int64_t milliseconds() const noexcept { return milliseconds_; }
    /// As C takes it: `{0}` for none.
    [[nodiscard]] millpond_cancel_t cancel() const noexcept { return cancel_; }

  private:
    template <class Rep, class Period>
    static std::int64_t rounded(std::chrono::duration<Rep, Period> timeout) {
        const long double exact = std::chrono::duration<long double, std::milli>(timeout).count();
        if (!(exact > 0)) return 0;
        if (exact > 9007199254740992.0L) return 9007199254740992;
        return static_cast<std::int64_t>(std::ceil(exact));
    }

    std::int64_t milliseconds_ = -1;
    millpond_cancel_t cancel_{0};
};

}  // namespace MILLPOND_FACE
}  // namespace millpond

#endif
