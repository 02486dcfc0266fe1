/// A handle of C as an object: move-only, closed by its destructor.
#ifndef MILLPOND_HANDLE_HPP
#define MILLPOND_HANDLE_HPP

#include "error.hpp"

namespace millpond {
inline namespace MILLPOND_FACE {
namespace detail {

/// The handle of one that is named but is none, as after a move: no call takes it for unsaid.
template <class Raw>
Raw named(Raw raw) noexcept {
    return raw.id != 0 ? raw : Raw{UINT64_MAX};
}

/// What all handles share. `Close` is the function of C that closes a `Raw`.
template <class Raw, std::int32_t (*Close)(Raw, millpond_error_t **)>
class Handle {
  public:
    /// None: every call answers `invalid_argument` or `closed`.
    Handle() noexcept = default;
    /// Takes over `raw`, which nobody else may close any more.
    explicit Handle(Raw raw) noexcept : raw_(raw) {}
    Handle(Handle &&other) noexcept : raw_(other.release()) {}
    Handle &operator=(Handle &&other) noexcept {
        if (this != &other) {
            drop();
            raw_ = other.release();
        }
        return *this;
    }
    Handle(const Handle &) = delete;
    Handle &operator=(const Handle &) = delete;
    /// Closes it, if that was not done, and keeps quiet about how that went.
    ~Handle() { drop(); }

    /// The handle of C, borrowed.
    [[nodiscard]] Raw raw() const noexcept { return raw_; }
    /// Whether this is a handle at all, open or closed: not after it was moved from.
    explicit operator bool() const noexcept { return raw_.id != 0; }
    /// Gives the handle of C away: whoever has it closes it.
    [[nodiscard]] Raw release() noexcept { return std::exchange(raw_, Raw{}); }

    /// Closes it: calls that wait for it come to their end. A second close answers `closed`.
    /// Thread-safe, also beside a call that waits.
    Result<void> try_close() const {
        return done([&](millpond_error_t **error) { return Close(raw_, error); });
    }
#if MILLPOND_EXCEPTIONS
    /// As `try_close`; throws `Error`.
    void close() const { try_close().value(); }
#endif

  private:
    void drop() noexcept {
        if (raw_.id != 0) (void)Close(raw_, nullptr);
        raw_ = Raw{};
    }

    Raw raw_{};
};

}  // namespace detail
}  // namespace MILLPOND_FACE
}  // namespace millpond

#endif
