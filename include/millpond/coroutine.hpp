/// Waiting without a thread, in C++20: `co_await next_of(subscription, reactor)`.
///
/// millpond has descriptors and starts no threads for this: what polls them is the program's.
#ifndef MILLPOND_COROUTINE_HPP
#define MILLPOND_COROUTINE_HPP

#include "base.hpp"

#if __cplusplus >= 202002L && defined(__cpp_impl_coroutine)

#include "error.hpp"
#include "wait.hpp"

#include <coroutine>
#include <exception>
#include <functional>
#include <memory>

namespace millpond {
inline namespace MILLPOND_FACE {

/// What polls descriptors: `await_readable(fd, then)` has `then` called once, when `fd` is
/// readable, from whatever thread it likes, but not before it returns. It is also called within
/// `then`, where a descriptor was readable and nothing was there. It may throw: then the coroutine
/// goes on with that exception.
template <class T>
concept Reactor = requires(T &reactor, int fd, std::function<void()> then) {
    reactor.await_readable(fd, std::move(then));
};

/// What `next_of` gives. To be awaited where it was made, once.
template <class Source, Reactor Polling>
class [[nodiscard]] Next {
  public:
    using Given = decltype(std::declval<Source &>().try_next(Wait()));

    Next(Source &source, Polling &reactor) noexcept : source_(&source), reactor_(&reactor) {}
    Next(const Next &) = delete;
    Next &operator=(const Next &) = delete;
    /// What the reactor still holds of it does nothing any more.
    ~Next() {
        if (self_) *self_ = nullptr;
    }

    bool await_ready() { return has_come(); }
    bool await_suspend(std::coroutine_handle<> waiting) {
        waiting_ = waiting;
        self_ = std::make_shared<Next *>(this);
        return waits();
    }
    Given await_resume() {
#if MILLPOND_EXCEPTIONS
        if (thrown_) std::rethrow_exception(thrown_);
#endif
        return *std::move(given_);
    }

  private:
    /// Looks without waiting. A descriptor may be readable although nothing is there.
    bool has_come() {
        given_.emplace(source_->try_next(std::chrono::milliseconds(0)));
        return *given_ || given_->error().kind() != ErrorKind::timeout;
    }
    /// Has the reactor look again when the descriptor is readable; false where there is none.
    bool waits() {
        const Result<int> fd = source_->try_fd();
        if (!fd) {
            given_.emplace(fd.error());
            return false;
        }
        reactor_->await_readable(*fd, [self = self_]() {
            if (*self) (*self)->look_again();
        });
        return true;
    }
    /// In the reactor's call: what goes wrong here is for the coroutine, not for the reactor.
    void look_again() {
#if MILLPOND_EXCEPTIONS
        try {
            if (!has_come() && waits()) return;
        } catch (...) {
            thrown_ = std::current_exception();
        }
#else
        if (!has_come() && waits()) return;
#endif
        waiting_.resume();
    }

    Source *source_;
    Polling *reactor_;
    std::optional<Given> given_;
    std::coroutine_handle<> waiting_;
    std::shared_ptr<Next *> self_;
#if MILLPOND_EXCEPTIONS
    std::exception_ptr thrown_;
#endif
};

/// What `source` (a `Subscription`, an `Observer`, a `Group` or a `Doing`) gives next, as a result,
/// as soon as there is something: suspends where there is nothing yet. Both must outlive the wait;
/// the coroutine goes on in the reactor's call, and what it throws there is its own to catch. To
/// end the wait close the node, which gives the end; closing the source would take away the
/// descriptor that the reactor polls. A coroutine that is destroyed while it waits waits no longer:
/// on the thread that the reactor calls on, or while it cannot call. There is no timeout.
template <class Source, Reactor Polling>
[[nodiscard]] Next<Source, Polling> next_of(Source &source, Polling &reactor) {
    return {source, reactor};
}

}  // namespace MILLPOND_FACE
}  // namespace millpond

#endif
#endif
