/// Watching a fish, and acting on what it shows: observers, turns and effects. docs/pond.md.
///
/// Begin with `Node::observe`.
#ifndef MILLPOND_OBSERVER_HPP
#define MILLPOND_OBSERVER_HPP

#include "fish.hpp"
#include "session.hpp"
#include "subscription.hpp"

namespace millpond {
inline namespace MILLPOND_FACE {

/// What an effect has decided.
struct Outcome {
    /// What is to be published, all of it together or none; at most 65,536.
    std::vector<Draft> drafts{};
    /// Whether one that is kept running shall not run again.
    bool is_last = false;

    /// Nothing is to be published.
    Outcome() = default;
    /// These are.
    Outcome(std::vector<Draft> given, bool last = false)
        : drafts(std::move(given)), is_last(last) {}
    /// This one is.
    Outcome(Draft draft) { drafts.push_back(std::move(draft)); }
    /// Nothing more is to be done.
    static Outcome last() { return Outcome({}, true); }
};

/// An effect: looks at a state, and says what is to be published. Where it fails nothing is.
using Effect = Callback<Outcome(const StateRef &)>;

/// Called once when an effect is kept running no longer: without an error when the observer or its
/// node was closed or the effect said that it is the last. What it throws or gives is dropped.
using EffectEnded = std::function<void(const std::optional<Error> &)>;

/// Takes states of an observer, or the error that is its end: as `BatchCallback` otherwise.
using StateCallback = Callback<void(const Result<StateRef> &)>;

/// On which states a turn is wanted.
enum class TurnKind : std::int32_t {
    /// On whatever the state is.
    any = MILLPOND_TURN_ANY,
    /// On a state that differs from that of the last turn of the observer.
    changed = MILLPOND_TURN_NEW,
};

namespace detail {

/// The `user_data` of an effect.
struct Acting {
    Effect effect;
    EffectEnded ended;

    static std::int32_t act(void *user_data, const millpond_state_t *state,
                            millpond_effect_t *effect, const millpond_error_t *error) noexcept {
        const Acting &self = *static_cast<const Acting *>(user_data);
        if (!state) {
            self.end(error);
            return 0;
        }
        const Result<Outcome> outcome = caught<Outcome>([&]() -> Result<Outcome> {
            Result<Outcome> decided = self.effect(StateRef(state));
            if (!decided || decided->drafts.empty()) return decided;
            const RawDrafts drafts(decided->drafts);
            const Result<void> said = done([&](millpond_error_t **refused) {
                return millpond_effect_publish(effect, drafts.data(), drafts.size(), refused);
            });
            if (!said) return said.error();
            return decided;
        });
        if (outcome) return outcome->is_last ? MILLPOND_EFFECT_LAST : 0;
        const std::string_view why = outcome.error().message();
        (void)millpond_effect_fail(effect, why.data(), why.size(), nullptr);
        return -1;
    }
    static void destroy(void *user_data) noexcept { delete static_cast<Acting *>(user_data); }

  private:
    void end(const millpond_error_t *error) const noexcept {
        if (!ended) return;
        (void)caught<void>([&]() -> Result<void> {
            std::optional<Error> why;
            if (error) why = Error::from_raw(MILLPOND_ERROR_INTERNAL, error);
            ended(why);
            return {};
        });
    }
};

}  // namespace detail

/// A turn: a state of a fish, and the right to act on it. Until it is used or closed nobody else in
/// this process gets one on this fish.
class Turn : public detail::Handle<millpond_turn_t, millpond_turn_close> {
  public:
    using Handle::Handle;

    /// The state to act on. `closed` also when the turn was used.
    Result<State> try_state() const {
        return detail::made<State, millpond_state_t *>(
            [&](millpond_state_t **out, millpond_error_t **error) {
                return millpond_turn_state(raw(), out, error);
            });
    }
    /// Publishes what follows from the state, 1 to 65,536 events, as `Node::try_publish_all` does,
    /// and ends the turn; arguments that are refused leave it as it is.
    Result<Published> try_publish_all(Span<const Draft> drafts, const PublishOptions &options = {},
                                      Wait wait = {}) const {
        const detail::RawDrafts raws(drafts);
        const millpond_publish_options_t how = options.raw();
        return detail::published([&](millpond_published_t *out, millpond_error_t **error) {
            return millpond_turn_publish(raw(), raws.data(), raws.size(), &how, wait.milliseconds(),
                                         wait.cancel(), out, error);
        });
    }
    /// As `try_publish_all`, of one event.
    Result<Published> try_publish(const Draft &draft, const PublishOptions &options = {},
                                  Wait wait = {}) const {
        return try_publish_all(Span<const Draft>(&draft, 1), options, wait);
    }
#if MILLPOND_EXCEPTIONS
    /// As `try_state`; throws `Error`.
    [[nodiscard]] State state() const { return try_state().value(); }
    /// As `try_publish_all`; throws `Error`.
    Published publish_all(Span<const Draft> drafts, const PublishOptions &options = {},
                          Wait wait = {}) const {
        return try_publish_all(drafts, options, wait).value();
    }
    /// As `try_publish`; throws `Error`.
    Published publish(const Draft &draft, const PublishOptions &options = {},
                      Wait wait = {}) const {
        return try_publish(draft, options, wait).value();
    }
#endif
};

/// Watches a fish. All observers of a fish in a process share one fold, which runs while there is
/// one, with the code of the first. Where that fails each call answers `user_code`, after the last
/// good state.
///
/// A close waits up to 10 s for a callback or an effect to return, and answers `timeout` then: it
/// is closed all the same, but that code still runs. The destructor says nothing of that, so who
/// captures references closes and looks at the answer.
class Observer : public detail::Handle<millpond_observer_t, millpond_observer_close> {
  public:
    using Handle::Handle;

    /// The next state: the newest one, if it was not given yet; `StateRef::is_end` at the end. One
    /// call at a time. `timeout`: there was none in time, and nothing is lost. `user_code`,
    /// `limit_exceeded` (reason "state": more than 16 MiB), `corrupt`, `storage_failed`.
    Result<State> try_next(Wait wait = {}) {
        return detail::made<State, millpond_state_t *>(
            [&](millpond_state_t **out, millpond_error_t **error) {
                return millpond_observer_next(raw(), wait.milliseconds(), wait.cancel(), out,
                                              error);
            });
    }
    /// The state of all that is durable here now, or of more, whether it was given before or not.
    /// Errors as of `try_next`.
    Result<State> try_state(Wait wait = {}) const {
        return detail::made<State, millpond_state_t *>(
            [&](millpond_state_t **out, millpond_error_t **error) {
                return millpond_observer_state(raw(), wait.milliseconds(), wait.cancel(), out,
                                               error);
            });
    }
    /// A descriptor for poll, select or epoll: readable while `try_next` would not wait, seldom
    /// also otherwise. Valid until the close; never read, write or close it.
    Result<int> try_fd() const {
        return detail::made<int, std::int32_t>([&](std::int32_t *out, millpond_error_t **error) {
            return millpond_observer_fd(raw(), out, error);
        });
    }
    /// Has `callback` called with each state, one after the other, on a thread of this observer
    /// alone, until it is closed. `invalid_argument` also when it has a callback, or keeps an
    /// effect running.
    Result<void> try_call_back(StateCallback callback) const {
        using Told = detail::Told<StateRef>;
        const auto call = callback ? Told::call<millpond_state_t> : nullptr;
        auto told = std::make_unique<Told>(std::move(callback));
        return detail::done([&](millpond_error_t **error) {
            return millpond_observer_call_back(raw(), call, told.release(), Told::destroy, error);
        });
    }
    /// The right to act on a state, once all who asked before in this process are done: the state
    /// has all that they have published. One call at a time. Errors as of `try_next`;
    /// `invalid_argument`, reason "nested_effect": an effect runs on this thread.
    Result<Turn> try_turn(TurnKind kind = TurnKind::any, Wait wait = {}) {
        return detail::made<Turn, millpond_turn_t>(
            [&](millpond_turn_t *out, millpond_error_t **error) {
                return millpond_observer_turn(raw(), static_cast<std::int32_t>(kind),
                                              MILLPOND_NO_SESSION, wait.milliseconds(),
                                              wait.cancel(), out, error);
            });
    }
    /// The same on a state that has all that `session` has seen by then, which then has seen the
    /// state; `not_yet_visible` where that does not come within the timeout.
    template <class Of, class = std::enable_if_t<std::is_same_v<Of, Session>>>
    Result<Turn> try_turn(TurnKind kind, const Of &session, Wait wait = {}) {
        return detail::made<Turn, millpond_turn_t>(
            [&](millpond_turn_t *out, millpond_error_t **error) {
                return millpond_observer_turn(raw(), static_cast<std::int32_t>(kind),
                                              detail::session(&session), wait.milliseconds(),
                                              wait.cancel(), out, error);
            });
    }
    /// Waits for a turn, runs `effect` on its state on this thread, and publishes what it gives;
    /// `Published::count` is 0 when there was nothing. The timeout is until `effect` may begin. One
    /// call at a time. Errors as of `try_turn` and `Node::try_publish_all`; `user_code`, reason
    /// "effect": it failed.
    Result<Published> try_run(Effect effect, TurnKind kind = TurnKind::any,
                              const PublishOptions &options = {}, Wait wait = {}) {
        const auto act = effect ? detail::Acting::act : nullptr;
        detail::Acting acting{std::move(effect), nullptr};
        const millpond_publish_options_t how = options.raw();
        return detail::published([&](millpond_published_t *out, millpond_error_t **error) {
            return millpond_observer_run(raw(), static_cast<std::int32_t>(kind),
                                         act, &acting, &how, wait.milliseconds(), wait.cancel(),
                                         out, error);
        });
    }
    /// Runs `effect` on the state, now and whenever it has changed, on a thread of this observer
    /// alone, until it says that it is the last, fails, or the observer is closed; then `ended` is
    /// called. `invalid_argument` also when it has a callback, or keeps another effect running.
    Result<void> try_keep_running(Effect effect, EffectEnded ended = {},
                                  const PublishOptions &options = {}) const {
        const auto act = effect ? detail::Acting::act : nullptr;
        auto acting = std::unique_ptr<detail::Acting>(
            new detail::Acting{std::move(effect), std::move(ended)});
        const millpond_publish_options_t how = options.raw();
        return detail::done([&](millpond_error_t **error) {
            return millpond_observer_keep_running(raw(), act, acting.release(),
                                                  detail::Acting::destroy, &how, error);
        });
    }
#if MILLPOND_EXCEPTIONS
    /// As `try_next`; throws `Error`.
    State next(Wait wait = {}) { return try_next(wait).value(); }
    /// As `try_state`; throws `Error`.
    [[nodiscard]] State state(Wait wait = {}) const { return try_state(wait).value(); }
    /// As `try_fd`; throws `Error`.
    [[nodiscard]] int fd() const { return try_fd().value(); }
    /// As `try_call_back`; throws `Error`.
    void call_back(StateCallback callback) const { try_call_back(std::move(callback)).value(); }
    /// As `try_turn`; throws `Error`.
    Turn turn(TurnKind kind = TurnKind::any, Wait wait = {}) {
        return try_turn(kind, wait).value();
    }
    /// As `try_turn` with a session; throws `Error`.
    template <class Of, class = std::enable_if_t<std::is_same_v<Of, Session>>>
    Turn turn(TurnKind kind, const Of &session, Wait wait = {}) {
        return try_turn(kind, session, wait).value();
    }
    /// As `try_run`; throws `Error`.
    Published run(Effect effect, TurnKind kind = TurnKind::any, const PublishOptions &options = {},
                  Wait wait = {}) {
        return try_run(std::move(effect), kind, options, wait).value();
    }
    /// As `try_keep_running`; throws `Error`.
    void keep_running(Effect effect, EffectEnded ended = {},
                      const PublishOptions &options = {}) const {
        try_keep_running(std::move(effect), std::move(ended), options).value();
    }
#endif
};

}  // namespace MILLPOND_FACE
}  // namespace millpond

#endif
