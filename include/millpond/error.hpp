/// What went wrong in a call: `Error`, and `Result`, which is a value or an error.
///
/// docs/errors.md has the table of kinds that all languages share, and what to do.
#ifndef MILLPOND_ERROR_HPP
#define MILLPOND_ERROR_HPP

#include "base.hpp"

#include <exception>
#include <memory>
#include <variant>

namespace millpond {
inline namespace MILLPOND_FACE {

/// What kind of error; docs/errors.md says of each what to do. A newer library may answer numbers
/// that are not listed here. Numbers are never used anew.
enum class ErrorKind : std::int32_t {
    /// An argument is not of the form that the call takes.
    invalid_argument = MILLPOND_ERROR_INVALID_ARGUMENT,
    /// Something is larger or more than the limit that the message names; nothing was stored.
    limit_exceeded = MILLPOND_ERROR_LIMIT_EXCEEDED,
    /// A query text does not parse; `Error::position` points into it.
    query_invalid = MILLPOND_ERROR_QUERY_INVALID,
    /// The log is not as expected, or an idempotency key was used for something else.
    conflict = MILLPOND_ERROR_CONFLICT,
    /// What was asked for does not exist.
    not_found = MILLPOND_ERROR_NOT_FOUND,
    /// The log does not cover the token yet; see `Error::missing`.
    not_yet_visible = MILLPOND_ERROR_NOT_YET_VISIBLE,
    /// The deadline passed first.
    timeout = MILLPOND_ERROR_TIMEOUT,
    /// The caller cancelled the call.
    cancelled = MILLPOND_ERROR_CANCELLED,
    /// The node, cursor or subscription is closed.
    closed = MILLPOND_ERROR_CLOSED,
    /// Another process owns the store.
    store_locked = MILLPOND_ERROR_STORE_LOCKED,
    /// The disk is full; nothing was stored, reading goes on.
    storage_full = MILLPOND_ERROR_STORAGE_FULL,
    /// The disk refused a read, a write or a sync.
    storage_failed = MILLPOND_ERROR_STORAGE_FAILED,
    /// Stored bytes are not what was written.
    corrupt = MILLPOND_ERROR_CORRUPT,
    /// The store was written by a newer millpond.
    format_too_new = MILLPOND_ERROR_FORMAT_TOO_NEW,
    /// No session came about; `Error::reason` says why.
    peer_refused = MILLPOND_ERROR_PEER_REFUSED,
    /// A peer sent what no honest peer sends; its session was closed.
    peer_misbehaved = MILLPOND_ERROR_PEER_MISBEHAVED,
    /// A stream has two different histories.
    forked = MILLPOND_ERROR_FORKED,
    /// The process was forked from one with open nodes.
    forked_process = MILLPOND_ERROR_FORKED_PROCESS,
    /// An escrow account does not hold enough rights; see `Error::details`.
    overdraft = MILLPOND_ERROR_OVERDRAFT,
    /// Code of the application failed inside a call of millpond.
    user_code = MILLPOND_ERROR_USER_CODE,
    /// A bug in millpond; the node refuses further work.
    internal = MILLPOND_ERROR_INTERNAL,
};

/// The stable name of a kind, such as "query_invalid"; "unknown" for a number that is none.
inline std::string_view name_of(ErrorKind kind) noexcept {
    return detail::view(millpond_status_name(static_cast<std::int32_t>(kind)));
}

/// Whether a call that failed like this may succeed later without any change by the caller.
inline bool is_retryable(ErrorKind kind) noexcept {
    return millpond_status_is_retryable(static_cast<std::int32_t>(kind)) == 1;
}

/// What went wrong in one call. The only type that millpond throws, beside what the standard
/// library does where there is no memory, and then also a `try_` call, and after a publish was
/// stored. There are no others below it: look at `kind`. Copying it never fails; texts that it
/// gives live as long as any copy.
class MILLPOND_VISIBLE Error : public std::exception {
  public:
    /// An error of the program's own, for a callback to answer with.
    Error(ErrorKind kind, std::string message, std::string reason = {})
        : said_(std::make_shared<const Said>(kind, std::move(message), std::move(reason))) {}
    // Copied and never moved: so there is no error that says nothing.
    Error(const Error &) noexcept = default;
    Error &operator=(const Error &) noexcept = default;
    ~Error() override = default;

    /// That code of the program failed, and there is no memory to say how. Needs none itself.
    static Error without_memory() noexcept { return Error(std::shared_ptr<const Said>()); }

    /// A copy of what C says went wrong; `raw` stays with whoever has it and may be NULL.
    static Error from_raw(std::int32_t status, const millpond_error_t *raw) {
        Said said(static_cast<ErrorKind>(status), "", "");
        if (raw) {
            said.kind = static_cast<ErrorKind>(millpond_error_number(raw));
            said.name = millpond_error_name(raw);
            said.message = millpond_error_message(raw);
            said.reason = millpond_error_reason(raw);
            said.missing = millpond_error_missing(raw);
            said.details = millpond_error_details(raw);
            said.position = millpond_error_position(raw);
            said.is_retryable = millpond_error_is_retryable(raw) == 1;
        }
        return Error(std::make_shared<const Said>(std::move(said)));
    }

    /// What kind of error.
    [[nodiscard]] ErrorKind kind() const noexcept {
        return said_ ? said_->kind : ErrorKind::user_code;
    }
    /// The stable name of the kind, such as "query_invalid".
    [[nodiscard]] std::string_view name() const noexcept {
        return said_ ? std::string_view(said_->name) : name_of(kind());
    }
    /// Who, what and what to do, in English.
    [[nodiscard]] std::string_view message() const noexcept { return what(); }
    /// The message as a C string.
    [[nodiscard]] const char *what() const noexcept override {
        return said_ ? said_->message.c_str() : "out of memory";
    }
    /// Typed detail, such as "wrong_secret"; "" when there is none.
    [[nodiscard]] std::string_view reason() const noexcept {
        return said_ ? std::string_view(said_->reason) : std::string_view();
    }
    /// Of `not_yet_visible`: how many events of which streams are missing, as one JSON object of
    /// stream ids; "{}" for other errors.
    [[nodiscard]] std::string_view missing() const noexcept {
        return said_ ? std::string_view(said_->missing) : std::string_view("{}");
    }
    /// What a program may want to know of it, as JSON text (docs/errors.md); "" for nothing.
    [[nodiscard]] std::string_view details() const noexcept {
        return said_ ? std::string_view(said_->details) : std::string_view();
    }
    /// Byte position in the text that was refused, such as a query; none where there is none.
    [[nodiscard]] std::optional<std::size_t> position() const noexcept {
        if (!said_ || said_->position < 0) return std::nullopt;
        return static_cast<std::size_t>(said_->position);
    }
    /// Whether the same call may succeed later without any change by the caller.
    [[nodiscard]] bool is_retryable() const noexcept { return said_ && said_->is_retryable; }

  private:
    struct Said {
        ErrorKind kind;
        std::string name, message, reason, missing = "{}", details;
        std::int64_t position = -1;
        bool is_retryable;

        Said(ErrorKind of, std::string text, std::string detail)
            : kind(of), name(name_of(of)), message(std::move(text)), reason(std::move(detail)),
              is_retryable(millpond::is_retryable(of)) {}
    };

    explicit Error(std::shared_ptr<const Said> said) : said_(std::move(said)) {}

    std::shared_ptr<const Said> said_;
};

/// A value, or the error why there is none. Move-only when `T` is. As C++23's std::expected, but
/// that looking at what is not there ends the program, and `value` throws the error itself.
template <class T>
class [[nodiscard]] Result {
  public:
    using value_type = T;
    using error_type = Error;

    /// A value. Implicit, so that a function that gives a result can return one.
    Result(T value) : said_(std::in_place_index<0>, std::move(value)) {}
    /// An error. Implicit for the same reason.
    Result(Error error) : said_(std::in_place_index<1>, std::move(error)) {}

    /// Whether there is a value.
    [[nodiscard]] bool has_value() const noexcept { return said_.index() == 0; }
    explicit operator bool() const noexcept { return has_value(); }

    /// The value, which must be there.
    [[nodiscard]] T &operator*() & noexcept { return *held(); }
    [[nodiscard]] const T &operator*() const & noexcept { return *held(); }
    [[nodiscard]] T operator*() && noexcept(std::is_nothrow_move_constructible_v<T>) {
        return std::move(*held());
    }
    /// Of the value, which must be there. What it gives may be gone with the result: before C++23 a
    /// `for` loop over `try_query(text)->events()` reads a cursor that is gone already.
    [[nodiscard]] T *operator->() noexcept { return held(); }
    [[nodiscard]] const T *operator->() const noexcept { return held(); }
    /// The error, which must be there; of a temporary by value.
    [[nodiscard]] Error error() && noexcept { return std::as_const(*this).error(); }
    [[nodiscard]] const Error &error() const & noexcept {
        const Error *error = std::get_if<1>(&said_);
        detail::require(error != nullptr, "a Result with a value was asked for its error");
        return *error;
    }
    /// The value, or `other` where there is none.
    template <class U>
    [[nodiscard]] T value_or(U &&other) && {
        return has_value() ? std::move(*held()) : static_cast<T>(std::forward<U>(other));
    }
#if MILLPOND_EXCEPTIONS
    /// The value; throws the error where there is none.
    [[nodiscard]] T value() && {
        if (!has_value()) throw error();
        return std::move(*held());
    }
    [[nodiscard]] const T &value() const & {
        if (!has_value()) throw error();
        return *held();
    }
#endif

  private:
    T *held() noexcept { return const_cast<T *>(std::as_const(*this).held()); }
    const T *held() const noexcept {
        const T *value = std::get_if<0>(&said_);
        detail::require(value != nullptr, "a Result with an error was asked for its value");
        return value;
    }

    std::variant<T, Error> said_;
};

/// Done, or the error why not.
template <>
class [[nodiscard]] Result<void> {
  public:
    using value_type = void;
    using error_type = Error;

    /// Done.
    Result() noexcept = default;
    /// An error. Implicit, so that a function that gives a result can return one.
    Result(Error error) : error_(std::move(error)) {}

    /// Whether it is done.
    [[nodiscard]] bool has_value() const noexcept { return !error_; }
    explicit operator bool() const noexcept { return has_value(); }
    /// The error, which must be there; of a temporary by value.
    [[nodiscard]] Error error() && noexcept { return std::as_const(*this).error(); }
    [[nodiscard]] const Error &error() const & noexcept {
        detail::require(error_.has_value(), "a Result without an error was asked for it");
        return *error_;
    }
#if MILLPOND_EXCEPTIONS
    /// Throws the error, if there is one.
    void value() const {
        if (error_) throw *error_;
    }
#endif

  private:
    std::optional<Error> error_;
};

namespace detail {

/// Frees an error of C at the end of the scope.
struct OwnedError {
    millpond_error_t *raw = nullptr;

    OwnedError() = default;
    OwnedError(const OwnedError &) = delete;
    OwnedError &operator=(const OwnedError &) = delete;
    ~OwnedError() { millpond_error_free(raw); }
};

/// Calls `call(error)`, which gives a status.
template <class Call>
Result<void> done(Call &&call) {
    OwnedError error;
    const std::int32_t status = call(&error.raw);
    if (status == MILLPOND_OK) return {};
    return Error::from_raw(status, error.raw);
}

/// Calls `call(out, error)`, and makes of `out`, a `Raw`, what `T` makes of it.
template <class T, class Raw, class Call>
Result<T> made(Call &&call) {
    Raw raw{};
    const Result<void> status = done([&](millpond_error_t **error) { return call(&raw, error); });
    if (!status) return status.error();
    return T(raw);
}

/// Calls `call(bytes, error)`, and copies the bytes.
template <class Call>
Result<std::string> copied(Call &&call) {
    OwnedBytes bytes;
    const Result<void> status =
        done([&](millpond_error_t **error) { return call(&bytes.raw, error); });
    if (!status) return status.error();
    return bytes.copy();
}

#if MILLPOND_EXCEPTIONS
inline Error user_code_error(const char *message) noexcept {
    try {
        return Error(ErrorKind::user_code, message);
    } catch (...) {
        return Error::without_memory();
    }
}
#endif

/// Runs `code`, which gives a `Result<T>`; what it throws becomes an error of the kind `user_code`.
template <class T, class Code>
Result<T> caught(Code &&code) noexcept {
#if MILLPOND_EXCEPTIONS
    try {
        return code();
    } catch (const std::exception &error) {
        return user_code_error(error.what());
    } catch (...) {
        return user_code_error("it threw what is no std::exception");
    }
#else
    return code();
#endif
}

template <class T>
struct IsResult : std::false_type {};
template <class T>
struct IsResult<Result<T>> : std::true_type {};

/// Calls `code`, which gives a `T` or a `Result<T>`; for `void` anything, of which only an error
/// counts. Always as a result.
template <class T, class Code, class... Arguments>
Result<T> answered(Code &&code, Arguments &&...arguments) {
    using Given = std::invoke_result_t<Code, Arguments...>;
    if constexpr (std::is_void_v<Given>) {
        static_assert(std::is_void_v<T>, "this callback of millpond must return something");
        std::forward<Code>(code)(std::forward<Arguments>(arguments)...);
        return {};
    } else if constexpr (std::is_void_v<T> && IsResult<std::decay_t<Given>>::value) {
        const auto &given = std::forward<Code>(code)(std::forward<Arguments>(arguments)...);
        if (!given) return given.error();
        return {};
    } else if constexpr (std::is_void_v<T> && !std::is_convertible_v<Given, Error>) {
        (void)std::forward<Code>(code)(std::forward<Arguments>(arguments)...);
        return {};
    } else {
        static_assert(std::is_constructible_v<Result<T>, Given>,
                      "this callback of millpond returns what it cannot use");
        return Result<T>(std::forward<Code>(code)(std::forward<Arguments>(arguments)...));
    }
}

}  // namespace detail

/// Whether the library serves programs that were compiled with this header: else
/// `invalid_argument`. `Node::try_open` asks it first. Thread-safe.
inline Result<void> try_check_abi() {
    return detail::done([](millpond_error_t **error) {
        return millpond_abi_check(MILLPOND_ABI_VERSION, error);
    });
}

#if MILLPOND_EXCEPTIONS
/// As `try_check_abi`; throws `Error`.
inline void check_abi() { try_check_abi().value(); }
#endif

}  // namespace MILLPOND_FACE
}  // namespace millpond

#endif
