/// States of fish: borrowed and owned.
#ifndef MILLPOND_STATE_HPP
#define MILLPOND_STATE_HPP

#include "event.hpp"

namespace millpond {
inline namespace MILLPOND_FACE {

class State;

/// A state of a fish, borrowed: cheap to copy, and gone with what it is of. Thread-safe.
class StateRef {
  public:
    /// None.
    StateRef() noexcept = default;
    /// A state of C, which may be NULL.
    explicit StateRef(const millpond_state_t *raw) noexcept : raw_(raw) {}
    StateRef(const StateRef &) noexcept = default;
    StateRef &operator=(const StateRef &) noexcept = default;
    /// Not of one that is about to be gone.
    StateRef(State &&) = delete;
    StateRef &operator=(State &&) = delete;

    /// Whether no state will follow, and this is none: the observer or its node was closed.
    [[nodiscard]] bool is_end() const noexcept { return millpond_state_is_end(raw_) == 1; }
    /// Counts the states that the fish has shown here, from 1; 0 at the end.
    [[nodiscard]] std::uint64_t number() const noexcept { return look().number; }
    /// The state as its codec wrote it, up to 16 MiB: by default, and of a built-in fold, one value
    /// in deterministic CBOR. `Fish::try_value_of` makes a value of it.
    [[nodiscard]] Bytes bytes() const noexcept {
        const millpond_state_view_t view = look();
        return {view.bytes, view.bytes_len};
    }
    /// It is the fold of the matching events of this offset map: a read after it has seen what this
    /// state has. None at the end.
    [[nodiscard]] std::optional<Token> token() const {
        const millpond_state_view_t view = look();
        if (view.is_end || !view.token.data) return std::nullopt;
        return Token(std::string(detail::view(view.token)));
    }
    /// The key of the last event in it, "<lamport>/<stream id>"; none when nothing matched.
    [[nodiscard]] std::optional<std::string_view> last() const noexcept {
        const millpond_text_t last = look().last;
        if (!last.data) return std::nullopt;
        return detail::view(last);
    }
    /// A state in deterministic CBOR as JSON text. `invalid_argument` also when it has a codec of
    /// its own, and at the end.
    Result<std::string> try_json() const {
        return detail::copied([&](millpond_bytes_t *out, millpond_error_t **error) {
            return millpond_state_json(raw_, out, error);
        });
    }
#if MILLPOND_EXCEPTIONS
    /// As `try_json`; throws `Error`.
    [[nodiscard]] std::string json() const { return try_json().value(); }
#endif
    /// The state of C, borrowed; may be NULL.
    [[nodiscard]] const millpond_state_t *raw() const noexcept { return raw_; }

  protected:
    const millpond_state_t *raw_ = nullptr;

  private:
    /// Nothing of it where there is no state.
    [[nodiscard]] millpond_state_view_t look() const noexcept {
        millpond_state_view_t view = MILLPOND_STATE_VIEW_INIT;
        (void)millpond_state_get(raw_, &view, nullptr);
        return view;
    }
};

/// A state of a fish: move-only.
class State : public StateRef {
  public:
    /// None.
    State() noexcept = default;
    /// Takes over `raw`, which nobody else may free any more. May be NULL.
    explicit State(millpond_state_t *raw) noexcept : StateRef(raw), owned_(raw) {}
    State(State &&other) noexcept : State(other.release()) {}
    State &operator=(State &&other) noexcept {
        if (this != &other) {
            millpond_state_free(owned_);
            raw_ = owned_ = other.release();
        }
        return *this;
    }
    State(const State &) = delete;
    State &operator=(const State &) = delete;
    ~State() { millpond_state_free(owned_); }

    /// The state as its codec wrote it. Not of one that is about to be gone.
    [[nodiscard]] Bytes bytes() const & noexcept { return StateRef::bytes(); }
    Bytes bytes() const && = delete;
    /// The key of the last event in it. Not of one that is about to be gone.
    [[nodiscard]] std::optional<std::string_view> last() const & noexcept {
        return StateRef::last();
    }
    std::optional<std::string_view> last() const && = delete;

    /// Gives the state of C away: whoever has it frees it.
    [[nodiscard]] millpond_state_t *release() noexcept {
        raw_ = nullptr;
        return std::exchange(owned_, nullptr);
    }

  private:
    millpond_state_t *owned_ = nullptr;
};

/// One fish of a group, and its state. Borrowed from the `States`.
struct Shown {
    /// The id of the fish.
    std::string_view fish_id;
    /// Its state.
    StateRef state;
};

namespace detail {

/// What `States` walks over.
class ShownAt {
  public:
    ShownAt() noexcept = default;
    explicit ShownAt(const millpond_states_t *raw) noexcept : raw_(raw) {}
    [[nodiscard]] Shown operator[](std::size_t index) const noexcept {
        return {view(millpond_states_fish_id(raw_, index)),
                StateRef(millpond_states_state(raw_, index))};
    }

  private:
    const millpond_states_t *raw_ = nullptr;
};

}  // namespace detail

/// The states of several fish at one moment, by rising id: move-only, and they are gone with it.
class States {
  public:
    using iterator = detail::IndexIterator<detail::ShownAt>;

    /// None.
    States() noexcept = default;
    /// Takes over `raw`, which nobody else may free any more. May be NULL.
    explicit States(millpond_states_t *raw) noexcept : raw_(raw) {}
    States(States &&other) noexcept : raw_(other.release()) {}
    States &operator=(States &&other) noexcept {
        if (this != &other) {
            millpond_states_free(raw_);
            raw_ = other.release();
        }
        return *this;
    }
    States(const States &) = delete;
    States &operator=(const States &) = delete;
    ~States() { millpond_states_free(raw_); }

    /// How many fish show a state: up to 1,024; 0 at the end.
    [[nodiscard]] std::size_t size() const noexcept { return millpond_states_len(raw_); }
    /// Whether there are none.
    [[nodiscard]] bool empty() const noexcept { return size() == 0; }
    /// Fish `index`, which must be below `size()`. Like the others that borrow, not of what is
    /// about to be gone.
    [[nodiscard]] Shown operator[](std::size_t index) const & noexcept {
        return detail::ShownAt(raw_)[index];
    }
    Shown operator[](std::size_t) const && = delete;
    /// The state of the fish with this id, if it shows one.
    [[nodiscard]] std::optional<StateRef> find(std::string_view fish_id) const & noexcept {
        for (const Shown &shown : *this)
            if (shown.fish_id == fish_id) return shown.state;
        return std::nullopt;
    }
    std::optional<StateRef> find(std::string_view) const && = delete;
    [[nodiscard]] iterator begin() const & noexcept { return {detail::ShownAt(raw_), 0}; }
    iterator begin() const && = delete;
    [[nodiscard]] iterator end() const & noexcept { return {detail::ShownAt(raw_), size()}; }
    iterator end() const && = delete;

    /// Whether nothing will follow, and these are none: the group or its node was closed.
    [[nodiscard]] bool is_end() const noexcept { return millpond_states_is_end(raw_) == 1; }
    /// Counts what the group has shown, from 1; 0 at the end.
    [[nodiscard]] std::uint64_t number() const noexcept { return millpond_states_number(raw_); }

    /// The states of C, borrowed; may be NULL.
    [[nodiscard]] const millpond_states_t *raw() const noexcept { return raw_; }
    /// Gives the states of C away: whoever has them frees them.
    [[nodiscard]] millpond_states_t *release() noexcept { return std::exchange(raw_, nullptr); }

  private:
    millpond_states_t *raw_ = nullptr;
};

}  // namespace MILLPOND_FACE
}  // namespace millpond

#endif
