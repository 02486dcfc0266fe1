/// Fish that are made of events, and what all of them show. docs/pond.md.
#ifndef MILLPOND_GROUP_HPP
#define MILLPOND_GROUP_HPP

#include "fish.hpp"
#include "wait.hpp"

namespace millpond {
inline namespace MILLPOND_FACE {

/// Makes a fish of an event, or none. It must be a function of the event, which is borrowed for the
/// call and has all columns.
using MakeFish = Callback<std::optional<AnyFish>(const Event &)>;

namespace detail {

/// The `user_data` of a group.
struct Making {
    MakeFish make_fish;

    static std::int32_t call(void *user_data, const millpond_event_t *event,
                             millpond_seed_t *seed) noexcept {
        const Making &self = *static_cast<const Making *>(user_data);
        const Result<void> made = caught<void>([&]() -> Result<void> {
            const Result<std::optional<AnyFish>> fish = self.make_fish(Event(*event));
            if (!fish) return fish.error();
            if (!*fish) return {};
            const millpond_fish_t raw = (*fish)->begin();
            return done([&](millpond_error_t **error) {
                return millpond_seed_fish(seed, &raw, error);
            });
        });
        if (made) return 0;
        const std::string_view why = made.error().message();
        (void)millpond_seed_fail(seed, why.data(), why.size(), nullptr);
        return 1;
    }
    static void destroy(void *user_data) noexcept { delete static_cast<Making *>(user_data); }
};

}  // namespace detail

/// Several fish, made of events: `Node::observe_all` and `Node::observe_one`. Close it, or let it
/// go, also after its node was closed.
class Group : public detail::Handle<millpond_group_t, millpond_group_close> {
  public:
    using Handle::Handle;

    /// What the fish show: first when all events that were there have been looked at and each fish
    /// has shown a state, then whenever that has changed; `States::is_end` at the end. Runs
    /// `make_fish`, on this thread. One call at a time. `timeout`: nothing has changed in time, and
    /// nothing is lost. What follows is the end of the group: `user_code`, reason "make_fish";
    /// `conflict`, reason "other_definition"; `limit_exceeded`, reason "fish": more than 1,024; and
    /// what `Node::try_observe` and `Observer::try_next` answer for one of the fish.
    Result<States> try_next(Wait wait = {}) {
        return detail::made<States, millpond_states_t *>(
            [&](millpond_states_t **out, millpond_error_t **error) {
                return millpond_group_next(raw(), wait.milliseconds(), wait.cancel(), out, error);
            });
    }
    /// A descriptor for poll, select or epoll: readable while `try_next` may have something to do,
    /// seldom also otherwise. Valid until the close; never read, write or close it.
    Result<int> try_fd() const {
        return detail::made<int, std::int32_t>([&](std::int32_t *out, millpond_error_t **error) {
            return millpond_group_fd(raw(), out, error);
        });
    }
#if MILLPOND_EXCEPTIONS
    /// As `try_next`; throws `Error`.
    States next(Wait wait = {}) { return try_next(wait).value(); }
    /// As `try_fd`; throws `Error`.
    [[nodiscard]] int fd() const { return try_fd().value(); }
#endif
};

}  // namespace MILLPOND_FACE
}  // namespace millpond

#endif
