/// Fish: folds of the events that a query selects, by code of the program. docs/pond.md.
///
/// Not here: built-in folds (`folds.hpp`), observing (`observer.hpp`). Begin with `FishCode`.
#ifndef MILLPOND_FISH_HPP
#define MILLPOND_FISH_HPP

#include "callback.hpp"
#include "publish.hpp"
#include "state.hpp"

#include <functional>
#include <memory>

namespace millpond {
inline namespace MILLPOND_FACE {

/// A state as it was saved: what `FishCode::decode` makes a value of. Borrowed for the call.
class SavedState {
  public:
    /// These bytes.
    explicit SavedState(Bytes bytes) noexcept : bytes_(bytes) {}

    /// As they were saved: of `Payload::json` the CBOR that was made of it.
    [[nodiscard]] Bytes bytes() const noexcept { return bytes_; }
    /// A state in deterministic CBOR as JSON text; any other: `invalid_argument`.
    Result<std::string> try_json() const { return try_payload_to_json(bytes_); }
#if MILLPOND_EXCEPTIONS
    /// As `try_json`; throws `Error`.
    [[nodiscard]] std::string json() const { return try_json().value(); }
#endif

  private:
    Bytes bytes_;
};

/// What a fish is, by code. Its functions must be functions of their arguments: no clock, no
/// chance, nothing from outside. They run again and again, from any saved state on, under no lock.
/// One fold runs them one at a time; but the folds of other nodes have the same functions, and
/// whoever asks for a value has `decode`, so that they run on several threads at once: what they
/// capture is shared by all of these. They may call every function, but what waits for a state of
/// their own fish waits for them.
template <class Value>
struct FishCode {
    /// Its name, 1 to 255 bytes.
    std::string id{};
    /// Another number whenever the functions or the form of the state change their meaning.
    std::uint64_t version = 0;
    /// Which events it folds: docs/query.md.
    std::string query{};
    /// The state before the first event. Each beginning gets a copy.
    Value initial{};
    /// Changes the state by the next event, in key order.
    Callback<void(Value &, const Event &)> step{};
    /// The state as bytes: at most 16 MiB, of JSON text 1 MiB. Equal states must be equal bytes.
    Callback<Payload(const Value &)> encode{};
    /// The state that was saved so, equal to the one that `encode` was given.
    Callback<Value(const SavedState &)> decode{};
    /// If said: whether this event makes everything before it irrelevant. The state is the initial
    /// one before it is stepped over.
    Callback<bool(const Event &)> is_reset{};
    /// The name of the form that `encode` writes, 1 to 64 bytes. Unsaid: one value in deterministic
    /// CBOR.
    std::optional<std::string> codec{};
    /// Whether the program says that its states only grow.
    bool is_grow_only = false;
};

namespace detail {

/// What makes a fish for C.
struct FishSource {
    FishSource() = default;
    FishSource(const FishSource &) = delete;
    FishSource &operator=(const FishSource &) = delete;
    virtual ~FishSource() = default;
    /// A fish, borrowed from this but for its `user_data`, which C is to free by its `destroy`.
    virtual millpond_fish_t begin() const = 0;
};

/// What one fold of a fish holds: the `user_data` of its callbacks.
template <class Value>
struct Running {
    std::shared_ptr<const FishCode<Value>> code;
    std::optional<Value> value;

    static std::int32_t load(void *user_data, const std::uint8_t *bytes, std::uintptr_t size,
                             millpond_job_t *job) noexcept {
        Running &self = *static_cast<Running *>(user_data);
        return answer(job, nullptr, [&]() -> Result<void> {
            if (!bytes) {
                self.value.emplace(self.code->initial);
                return {};
            }
            Result<Value> decoded = self.code->decode(SavedState(Bytes(bytes, size)));
            if (!decoded) return decoded.error();
            self.value.emplace(*std::move(decoded));
            return {};
        });
    }

    static std::int32_t apply(void *user_data, const millpond_batch_t *batch,
                              millpond_job_t *job) noexcept {
        Running &self = *static_cast<Running *>(user_data);
        const BatchRef events(batch);
        std::size_t index = 0;
        return answer(job, &index, [&]() -> Result<void> {
            for (; index < events.size(); index++) {
                const Result<void> stepped = self.step(events[index], index, job);
                if (!stepped) return stepped.error();
            }
            return {};
        });
    }

    static std::int32_t save(void *user_data, millpond_job_t *job) noexcept {
        const Running &self = *static_cast<Running *>(user_data);
        return answer(job, nullptr, [&]() -> Result<void> {
            const Result<Payload> encoded = self.code->encode(*self.value);
            if (!encoded) return encoded.error();
            return done([&](millpond_error_t **error) {
                return millpond_job_save(job, encoded->form(), bytes_of(encoded->bytes()),
                                         encoded->bytes().size(), error);
            });
        });
    }

    static void destroy(void *user_data) noexcept { delete static_cast<Running *>(user_data); }

  private:
    Result<void> step(const Event &event, std::size_t index, millpond_job_t *job) {
        if (code->is_reset) {
            const Result<bool> resets = code->is_reset(event);
            if (!resets) return resets.error();
            if (*resets) {
                value.emplace(code->initial);
                const Result<void> told = done([&](millpond_error_t **error) {
                    return millpond_job_reset(job, index, error);
                });
                if (!told) return told.error();
            }
        }
        return code->step(*value, event);
    }

    /// Runs `work`; where it fails, says why, and at which event.
    template <class Work>
    static std::int32_t answer(millpond_job_t *job, const std::size_t *index,
                               Work &&work) noexcept {
        const Result<void> worked = caught<void>(work);
        if (worked) return 0;
        const std::string_view why = worked.error().message();
        (void)millpond_job_fail(job, index ? *index : SIZE_MAX, why.data(), why.size(), nullptr);
        return 1;
    }
};

}  // namespace detail

/// What can be observed: a `Fish`, or a built-in fold. Cheap to copy.
class AnyFish {
  public:
    /// Of what makes it, which must be there.
    explicit AnyFish(std::shared_ptr<const detail::FishSource> source) noexcept
        : source_(std::move(source)) {
        detail::require(source_ != nullptr, "a fish was made of nothing");
    }
    // Copied and never moved: so there is no fish of nothing.
    AnyFish(const AnyFish &) noexcept = default;
    AnyFish &operator=(const AnyFish &) noexcept = default;
    ~AnyFish() = default;

    /// A fish as C takes it, borrowed from this but for its `user_data`: whoever takes it has it
    /// freed by its `destroy`, as millpond_node_observe does.
    [[nodiscard]] millpond_fish_t begin() const { return source_->begin(); }

  private:
    std::shared_ptr<const detail::FishSource> source_;
};

/// A fish by code, whose states are of the type `Value`.
template <class Value>
class Fish : public AnyFish {
  public:
    /// A fish of this code. What is wrong with it is told when it is observed.
    explicit Fish(FishCode<Value> code) : Fish(std::make_shared<Source>(std::move(code))) {}
    Fish(const Fish &) noexcept = default;
    Fish &operator=(const Fish &) noexcept = default;
    ~Fish() = default;

    /// The value of a state of this fish: what `decode` makes of its bytes, on this thread.
    /// `user_code`: it failed. `invalid_argument`: `state` is none, as at the end.
    Result<Value> try_value_of(const StateRef &state) const {
        if (!state.raw() || state.is_end())
            return Error(ErrorKind::invalid_argument, "there is no state here");
        return detail::caught<Value>([&]() -> Result<Value> {
            Result<Value> value = code_->decode(SavedState(state.bytes()));
            if (value || value.error().kind() == ErrorKind::user_code) return value;
            return Error(ErrorKind::user_code, std::string(value.error().message()));
        });
    }
#if MILLPOND_EXCEPTIONS
    /// As `try_value_of`; throws `Error`.
    [[nodiscard]] Value value_of(const StateRef &state) const {
        return try_value_of(state).value();
    }
#endif

  private:
    struct Source : detail::FishSource {
        std::shared_ptr<const FishCode<Value>> code;

        explicit Source(FishCode<Value> given)
            : code(std::make_shared<const FishCode<Value>>(std::move(given))) {}

        millpond_fish_t begin() const override {
            using Running = detail::Running<Value>;
            millpond_fish_t raw = MILLPOND_FISH_INIT;
            raw.is_grow_only = code->is_grow_only ? 1 : 0;
            raw.version = code->version;
            raw.id = detail::text(code->id);
            raw.query = detail::text(code->query);
            raw.codec = detail::said(code->codec);
            if (code->decode) raw.load = Running::load;
            if (code->step) raw.apply = Running::apply;
            if (code->encode) raw.save = Running::save;
            raw.user_data = new Running{code, std::nullopt};
            raw.destroy = Running::destroy;
            return raw;
        }
    };

    explicit Fish(std::shared_ptr<const Source> source)
        : AnyFish(source), code_(source->code) {}

    std::shared_ptr<const FishCode<Value>> code_;
};

}  // namespace MILLPOND_FACE
}  // namespace millpond

#endif
