/// A function of the program that millpond calls.
#ifndef MILLPOND_CALLBACK_HPP
#define MILLPOND_CALLBACK_HPP

#include "error.hpp"

#include <functional>
#include <type_traits>
#include <utility>

namespace millpond {
inline namespace MILLPOND_FACE {

template <class Signature>
class Callback;

namespace detail {

/// Whether there may be none of it, as of a pointer to a function.
template <class Code>
struct IsNullable : std::bool_constant<std::is_pointer_v<Code> || std::is_member_pointer_v<Code>> {
};
template <class Signature>
struct IsNullable<std::function<Signature>> : std::true_type {};
template <class Signature>
struct IsNullable<Callback<Signature>> : std::true_type {};

}  // namespace detail

/// A function of the program that millpond calls. It gives an `R`, or a `Result<R>`, or throws:
/// what it fails with becomes an error of the kind `user_code`, and goes no further. Where `R` is
/// void it may give anything, and only an error counts.
template <class R, class... Arguments>
class Callback<R(Arguments...)> {
  public:
    /// None.
    Callback() = default;
    /// Whatever can be called so, and be copied. Of a null pointer to a function, or an empty
    /// `std::function`: none.
    template <class Code, class = std::enable_if_t<
                              !std::is_same_v<std::decay_t<Code>, Callback> &&
                              std::is_invocable_v<std::decay_t<Code> &, Arguments...>>>
    Callback(Code code) {
        if constexpr (detail::IsNullable<Code>::value)
            if (!code) return;
        code_ = [code = std::move(code)](Arguments... arguments) mutable -> Result<R> {
            return detail::answered<R>(code, std::forward<Arguments>(arguments)...);
        };
    }

    /// Whether there is one.
    explicit operator bool() const noexcept { return static_cast<bool>(code_); }
    /// Calls it. Throws what it throws.
    Result<R> operator()(Arguments... arguments) const {
        return code_(std::forward<Arguments>(arguments)...);
    }

  private:
    std::function<Result<R>(Arguments...)> code_;
};

}  // namespace MILLPOND_FACE
}  // namespace millpond

#endif
