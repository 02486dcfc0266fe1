/// What a read must have seen: tokens, and sessions, which are tokens that grow.
///
/// Begin with `ReadOptions::after`. docs/pond.md says what a causal read is.
#ifndef MILLPOND_SESSION_HPP
#define MILLPOND_SESSION_HPP

#include "handle.hpp"

namespace millpond {
inline namespace MILLPOND_FACE {

/// How far the log had come somewhere, as a text: to be kept, sent to another node, and named in a
/// later read in whatever language. The position of a subscription in key order is one, too, but
/// only for `SubscribeOptions::from` of that order.
class Token {
  public:
    /// A token from its text, which is looked at when it is used: `invalid_argument` then.
    explicit Token(std::string text) : text_(std::move(text)) {}

    /// The text.
    [[nodiscard]] const std::string &text() const noexcept { return text_; }
    /// Whether the texts are the same; of the same offset map they are.
    friend bool operator==(const Token &a, const Token &b) { return a.text_ == b.text_; }
    friend bool operator!=(const Token &a, const Token &b) { return a.text_ != b.text_; }

    /// One token that covers what each of `tokens` covers; of none, the beginning of history.
    static Result<Token> try_merge(Span<const Token> tokens);
#if MILLPOND_EXCEPTIONS
    /// As `try_merge`; throws `Error`.
    static Token merge(Span<const Token> tokens) { return try_merge(tokens).value(); }
#endif

  private:
    std::string text_;
};

namespace detail {

inline millpond_text_t said(const std::optional<Token> &token) noexcept {
    if (!token) return {nullptr, 0};
    return {token->text().data(), token->text().size()};
}

/// As `copied`, of a text that is a token.
template <class Call>
Result<Token> copied_token(Call &&call) {
    Result<std::string> text = copied(std::forward<Call>(call));
    if (!text) return text.error();
    return Token(*std::move(text));
}

}  // namespace detail

inline Result<Token> Token::try_merge(Span<const Token> tokens) {
    std::vector<millpond_text_t> texts;
    texts.reserve(tokens.size());
    for (const Token &token : tokens) texts.push_back(detail::text(token.text()));
    return detail::copied_token([&](millpond_bytes_t *out, millpond_error_t **error) {
        return millpond_token_merge(texts.data(), texts.size(), out, error);
    });
}

/// What its owner has written and read so far. Calls whose options name it read and write after all
/// of that, and it has seen what they gave. It belongs to no node, and must outlive those calls,
/// and whatever they opened.
class Session : public detail::Handle<millpond_session_t, millpond_session_close> {
  public:
    using Handle::Handle;

    /// One that has seen nothing. `limit_exceeded`: no more handles can be had.
    static Result<Session> try_create() {
        return detail::made<Session, millpond_session_t>(millpond_session_new);
    }
    /// What it has seen, to be taken along to another node.
    Result<Token> try_token() const {
        return detail::copied_token([&](millpond_bytes_t *out, millpond_error_t **error) {
            return millpond_session_token(raw(), out, error);
        });
    }
    /// It has seen `token`, too.
    Result<void> try_sees(const Token &token) const {
        const millpond_text_t text = detail::text(token.text());
        return detail::done([&](millpond_error_t **error) {
            return millpond_session_sees(raw(), text.data, text.len, error);
        });
    }
#if MILLPOND_EXCEPTIONS
    /// As `try_create`; throws `Error`.
    static Session create() { return try_create().value(); }
    /// As `try_token`; throws `Error`.
    [[nodiscard]] Token token() const { return try_token().value(); }
    /// As `try_sees`; throws `Error`.
    void sees(const Token &token) const { try_sees(token).value(); }
#endif
};

namespace detail {

inline millpond_session_t session(const Session *session) noexcept {
    return session ? named(session->raw()) : MILLPOND_NO_SESSION;
}

}  // namespace detail

/// What a read of a fish, an account or a claim must have seen.
struct ReadOptions {
    /// Only once the log covers this. The timeout of the call is how long to wait for that, and
    /// `not_yet_visible` the end of it. Unsaid: what is durable here now.
    std::optional<Token> after{};
    /// The same for what this session has seen; it then has seen what the answer is as of.
    const Session *session = nullptr;

    /// As C takes it, borrowed from this.
    [[nodiscard]] millpond_read_options_t raw() const noexcept {
        millpond_read_options_t raw = MILLPOND_READ_OPTIONS_INIT;
        raw.after = detail::said(after);
        raw.session = detail::session(session);
        return raw;
    }
};

}  // namespace MILLPOND_FACE
}  // namespace millpond

#endif
