/// Traces of what millpond does, for the log of the program.
#ifndef MILLPOND_LOG_HPP
#define MILLPOND_LOG_HPP

#include "error.hpp"

#include <functional>

namespace millpond {
inline namespace MILLPOND_FACE {

/// How much is to be traced: this, and what is above it.
enum class LogLevel : std::int32_t {
    /// Nothing.
    off = MILLPOND_LOG_OFF,
    /// Bugs and damage.
    error = MILLPOND_LOG_ERROR,
    /// What an operator should look at.
    warn = MILLPOND_LOG_WARN,
    /// What happens seldom: opening, peers coming and going.
    info = MILLPOND_LOG_INFO,
    /// What helps to understand one session.
    debug = MILLPOND_LOG_DEBUG,
    /// Everything.
    trace = MILLPOND_LOG_TRACE,
};

/// One line of trace, borrowed for the call.
struct LogRecord {
    /// Never `off`.
    LogLevel level;
    /// Rises by 1; a gap is what was dropped.
    std::uint64_t sequence;
    /// Wall clock, microseconds since 1970 UTC.
    std::int64_t time_micros;
    /// Which part of millpond.
    std::string_view target;
    /// What happened. Never user data.
    std::string_view message;
};

/// Takes lines of trace, one after the other, on a thread of their own. What it throws or gives is
/// dropped.
using LogCallback = std::function<void(const LogRecord &)>;

namespace detail {

struct Logging {
    LogCallback callback;

    static void call(void *user_data, const millpond_log_record_t *raw) noexcept {
        const Logging &self = *static_cast<const Logging *>(user_data);
        const LogRecord record{static_cast<LogLevel>(raw->level), raw->sequence, raw->time_micros,
                               view(raw->target), view(raw->message)};
        (void)caught<void>([&]() -> Result<void> {
            self.callback(record);
            return {};
        });
    }
    static void destroy(void *user_data) noexcept { delete static_cast<Logging *>(user_data); }
};

}  // namespace detail

/// Sends traces up to `level` to `callback` from now on, in the whole process; an empty one: to
/// nobody. What does not fit 1,024 waiting lines is dropped. When this returns, the callback before
/// is not called again (unless this is called inside it).
inline Result<void> try_set_log(LogLevel level, LogCallback callback) {
    using detail::Logging;
    auto logging = std::unique_ptr<Logging>(callback ? new Logging{std::move(callback)} : nullptr);
    return detail::done([&](millpond_error_t **error) {
        const bool is_told = logging != nullptr;
        return millpond_log_set(static_cast<std::int32_t>(level), is_told ? Logging::call : nullptr,
                                logging.release(), is_told ? Logging::destroy : nullptr, error);
    });
}

#if MILLPOND_EXCEPTIONS
/// As `try_set_log`; throws `Error`.
inline void set_log(LogLevel level, LogCallback callback) {
    try_set_log(level, std::move(callback)).value();
}
#endif

}  // namespace MILLPOND_FACE
}  // namespace millpond

#endif
