/// What is scarce: escrow accounts, exclusive and optimistic claims. docs/escrow.md.
///
/// Reports are JSON objects, whose fields docs/escrow.md names. An `Account` and a `Claim` borrow
/// their node: once it is closed they answer `closed`. Begin with `Node::account`.
#ifndef MILLPOND_SCARCE_HPP
#define MILLPOND_SCARCE_HPP

#include "deed.hpp"
#include "wait.hpp"

namespace millpond {
inline namespace MILLPOND_FACE {
namespace detail {

inline Result<Published> act(millpond_node_t node, const Deed &deed, const ReadOptions &read,
                             Wait wait) {
    const std::vector<millpond_share_t> shares = deed.raw_shares();
    const millpond_deed_t raw = deed.raw(shares);
    const millpond_read_options_t how = read.raw();
    return published([&](millpond_published_t *out, millpond_error_t **error) {
        return millpond_node_act(node, &raw, &how, wait.milliseconds(), wait.cancel(), out, error);
    });
}

}  // namespace detail

/// A quantity with a floor, divided among nodes: each spends its own rights, offline, at once.
/// Thread-safe; cheap to copy.
///
/// Its deeds are decided at once from what is on this disk; the answer comes when it is durable,
/// and then it counts on every node. After `cancelled` and `timeout` it may have been done all the
/// same: look at the report, or use `Node::act` with an idempotency key. `overdraft`: this node
/// does not hold as much; `Error::details` says what is available here, and who holds the rest.
/// `not_found`, `conflict`, `not_yet_visible`, `storage_full`, `storage_failed`, `corrupt`: see
/// `Node::try_act`.
class Account {
  public:
    /// The account called `name` of a node; with `id`, exactly that one.
    Account(millpond_node_t node, std::string name, std::optional<std::string> id = {})
        : node_(node), name_(std::move(name)), id_(std::move(id)) {}

    /// Its name.
    [[nodiscard]] const std::string &name() const noexcept { return name_; }

    /// It begins: see `Deed::account_create`. `conflict`, reason "exists".
    Result<Published> try_create(std::int64_t amount, std::int64_t floor,
                                 std::vector<Share> shares = {}, Wait wait = {}) const {
        return act(Deed::account_create(name_, amount, floor, std::move(shares)), wait);
    }
    /// Adds to it.
    Result<Published> try_deposit(std::int64_t amount, Wait wait = {}) const {
        return act(Deed::account_deposit(name_, amount), wait);
    }
    /// Takes from it by rights held here. `overdraft`.
    Result<Published> try_withdraw(std::int64_t amount, Wait wait = {}) const {
        return act(Deed::account_withdraw(name_, amount), wait);
    }
    /// Gives rights to the node `to`. `overdraft`.
    Result<Published> try_grant(std::string to, std::int64_t amount, Wait wait = {}) const {
        return act(Deed::account_grant(name_, std::move(to), amount), wait);
    }
    /// Asks for so many rights more, 0 for none.
    Result<Published> try_request(std::int64_t amount, Wait wait = {}) const {
        return act(Deed::account_request(name_, amount), wait);
    }
    /// Takes over what a former stream of this node has left. `not_found`: nothing is left.
    Result<Published> try_recover(Wait wait = {}) const {
        return act(Deed::account_recover(name_, false), wait);
    }
    /// The same where no other node was met, for a person who vouches that nothing else writes it.
    Result<Published> try_recover_alone(Wait wait = {}) const {
        return act(Deed::account_recover(name_, true), wait);
    }
    /// How it is known here, as JSON. `not_found`: it is not. `corrupt`, `storage_failed`.
    Result<std::string> try_report(const ReadOptions &read = {}, Wait wait = {}) const {
        return report({}, read, wait);
    }
    /// The same, once something was said of it beyond `known`, the "as_of" of an earlier report.
    Result<std::string> try_next_report(const Token &known, Wait wait = {}) const {
        return report(known, {}, wait);
    }
    /// From now on, for as long as the node is open, it answers requests for rights of every
    /// account of this name by itself, and keeps `reserve` of each.
    Result<void> try_answer_requests(std::uint64_t reserve) const { return answer(1, reserve); }
    /// From now on it does not, which is how it begins.
    Result<void> try_stop_answering() const { return answer(0, 0); }
#if MILLPOND_EXCEPTIONS
    /// As `try_create`; throws `Error`.
    Published create(std::int64_t amount, std::int64_t floor, std::vector<Share> shares = {},
                     Wait wait = {}) const {
        return try_create(amount, floor, std::move(shares), wait).value();
    }
    /// As `try_deposit`; throws `Error`.
    Published deposit(std::int64_t amount, Wait wait = {}) const {
        return try_deposit(amount, wait).value();
    }
    /// As `try_withdraw`; throws `Error`.
    Published withdraw(std::int64_t amount, Wait wait = {}) const {
        return try_withdraw(amount, wait).value();
    }
    /// As `try_grant`; throws `Error`.
    Published grant(std::string to, std::int64_t amount, Wait wait = {}) const {
        return try_grant(std::move(to), amount, wait).value();
    }
    /// As `try_request`; throws `Error`.
    Published request(std::int64_t amount, Wait wait = {}) const {
        return try_request(amount, wait).value();
    }
    /// As `try_recover`; throws `Error`.
    Published recover(Wait wait = {}) const { return try_recover(wait).value(); }
    /// As `try_recover_alone`; throws `Error`.
    Published recover_alone(Wait wait = {}) const { return try_recover_alone(wait).value(); }
    /// As `try_report`; throws `Error`.
    [[nodiscard]] std::string report(const ReadOptions &read = {}, Wait wait = {}) const {
        return try_report(read, wait).value();
    }
    /// As `try_next_report`; throws `Error`.
    [[nodiscard]] std::string next_report(const Token &known, Wait wait = {}) const {
        return try_next_report(known, wait).value();
    }
    /// As `try_answer_requests`; throws `Error`.
    void answer_requests(std::uint64_t reserve) const { try_answer_requests(reserve).value(); }
    /// As `try_stop_answering`; throws `Error`.
    void stop_answering() const { try_stop_answering().value(); }
#endif

  private:
    Result<Published> act(Deed deed, Wait wait) const {
        deed.id = id_;
        return detail::act(node_, deed, {}, wait);
    }
    Result<std::string> report(const std::optional<Token> &known, const ReadOptions &read,
                               Wait wait) const {
        const millpond_text_t id = detail::said(id_), since = detail::said(known);
        const millpond_read_options_t how = read.raw();
        return detail::copied([&](millpond_bytes_t *out, millpond_error_t **error) {
            return millpond_node_account(node_, name_.data(), name_.size(), id.data, id.len,
                                         since.data, since.len, &how, wait.milliseconds(),
                                         wait.cancel(), out, error);
        });
    }
    Result<void> answer(std::int32_t wanted, std::uint64_t reserve) const {
        return detail::done([&](millpond_error_t **error) {
            return millpond_node_answer_requests(node_, name_.data(), name_.size(), wanted, reserve,
                                                 error);
        });
    }

    millpond_node_t node_;
    std::string name_;
    std::optional<std::string> id_;
};

/// "I do this", exclusively: who holds the claim may act, and shows its fence. Thread-safe; cheap
/// to copy. Errors as of an `Account`; `not_found`, reason "not_held": it is held elsewhere.
class Claim {
  public:
    /// The exclusive claim to `what` of a node.
    Claim(millpond_node_t node, std::string what) : node_(node), what_(std::move(what)) {}

    /// What it is a claim to.
    [[nodiscard]] const std::string &what() const noexcept { return what_; }

    /// It begins; its first holder unsaid is this node. `conflict`, reason "exists".
    Result<Published> try_create(std::optional<std::string> holder = {}, Wait wait = {}) const {
        return detail::act(node_, Deed::claim_create(what_, std::move(holder)), {}, wait);
    }
    /// Hands it to the node `to`.
    Result<Published> try_transfer(std::string to, Wait wait = {}) const {
        return detail::act(node_, Deed::claim_transfer(what_, std::move(to)), {}, wait);
    }
    /// Asks for it, or takes that back.
    Result<Published> try_request(bool is_wanted, Wait wait = {}) const {
        return detail::act(node_, Deed::claim_request(what_, is_wanted), {}, wait);
    }
    /// Takes it over from a former stream of this node.
    Result<Published> try_recover(Wait wait = {}) const {
        return detail::act(node_, Deed::claim_recover(what_, false), {}, wait);
    }
    /// The same where no other node was met, for a person who vouches that nothing else writes it.
    Result<Published> try_recover_alone(Wait wait = {}) const {
        return detail::act(node_, Deed::claim_recover(what_, true), {}, wait);
    }
    /// How it is known here, as JSON; one that was not created has no holder.
    Result<std::string> try_report(const ReadOptions &read = {}, Wait wait = {}) const {
        return report({}, read, wait);
    }
    /// The same, once something was said of it beyond `known`, the "as_of" of an earlier report.
    Result<std::string> try_next_report(const Token &known, Wait wait = {}) const {
        return report(known, {}, wait);
    }
    /// Whether this node hands it to whoever asks, from now on and for as long as it is open. It
    /// begins with not.
    Result<void> try_hand_over_when_asked(bool is_wanted) const {
        return detail::done([&](millpond_error_t **error) {
            return millpond_node_hand_over_when_asked(node_, what_.data(), what_.size(),
                                                      is_wanted ? 1 : 0, error);
        });
    }
#if MILLPOND_EXCEPTIONS
    /// As `try_create`; throws `Error`.
    Published create(std::optional<std::string> holder = {}, Wait wait = {}) const {
        return try_create(std::move(holder), wait).value();
    }
    /// As `try_transfer`; throws `Error`.
    Published transfer(std::string to, Wait wait = {}) const {
        return try_transfer(std::move(to), wait).value();
    }
    /// As `try_request`; throws `Error`.
    Published request(bool is_wanted, Wait wait = {}) const {
        return try_request(is_wanted, wait).value();
    }
    /// As `try_recover`; throws `Error`.
    Published recover(Wait wait = {}) const { return try_recover(wait).value(); }
    /// As `try_recover_alone`; throws `Error`.
    Published recover_alone(Wait wait = {}) const { return try_recover_alone(wait).value(); }
    /// As `try_report`; throws `Error`.
    [[nodiscard]] std::string report(const ReadOptions &read = {}, Wait wait = {}) const {
        return try_report(read, wait).value();
    }
    /// As `try_next_report`; throws `Error`.
    [[nodiscard]] std::string next_report(const Token &known, Wait wait = {}) const {
        return try_next_report(known, wait).value();
    }
    /// As `try_hand_over_when_asked`; throws `Error`.
    void hand_over_when_asked(bool is_wanted) const {
        try_hand_over_when_asked(is_wanted).value();
    }
#endif

  private:
    Result<std::string> report(const std::optional<Token> &known, const ReadOptions &read,
                               Wait wait) const {
        const millpond_text_t since = detail::said(known);
        const millpond_read_options_t how = read.raw();
        return detail::copied([&](millpond_bytes_t *out, millpond_error_t **error) {
            return millpond_node_claim(node_, what_.data(), what_.size(), since.data, since.len,
                                       &how, wait.milliseconds(), wait.cancel(), out, error);
        });
    }

    millpond_node_t node_;
    std::string what_;
};

/// An optimistic claim of this node: nobody was asked, the least event key wins, and who lost
/// learns of it here. Closing it releases nothing: `Deed::doing_release` does.
class Doing : public detail::Handle<millpond_doing_t, millpond_doing_close> {
  public:
    using Handle::Handle;

    /// The event that said so, "<lamport>/<stream id>".
    Result<std::string> try_key() const {
        return detail::copied([&](millpond_bytes_t *out, millpond_error_t **error) {
            return millpond_doing_key(raw(), out, error);
        });
    }
    /// How it stands: first now, then each time that has changed, as one JSON object: "standing"
    /// ("won", "lost" or "released"), "winner", "as_of" and "is_end". One call at a time.
    /// `timeout`: nothing changed in time, and nothing is lost. `corrupt`, `storage_failed`.
    Result<std::string> try_next(Wait wait = {}) {
        return detail::copied([&](millpond_bytes_t *out, millpond_error_t **error) {
            return millpond_doing_next(raw(), wait.milliseconds(), wait.cancel(), out, error);
        });
    }
    /// How it stands once it has lost, is released, or has come to its end: at once if it has.
    /// Takes nothing from `try_next`, beside which it may wait. `timeout`: it had not lost yet.
    Result<std::string> try_lost(Wait wait = {}) const {
        return detail::copied([&](millpond_bytes_t *out, millpond_error_t **error) {
            return millpond_doing_lost(raw(), wait.milliseconds(), wait.cancel(), out, error);
        });
    }
    /// A descriptor for poll, select or epoll: readable while `try_next` may have something, seldom
    /// also otherwise. Valid until the close; never read, write or close it.
    Result<int> try_fd() const {
        return detail::made<int, std::int32_t>([&](std::int32_t *out, millpond_error_t **error) {
            return millpond_doing_fd(raw(), out, error);
        });
    }
#if MILLPOND_EXCEPTIONS
    /// As `try_key`; throws `Error`.
    [[nodiscard]] std::string key() const { return try_key().value(); }
    /// As `try_next`; throws `Error`.
    std::string next(Wait wait = {}) { return try_next(wait).value(); }
    /// As `try_lost`; throws `Error`.
    [[nodiscard]] std::string lost(Wait wait = {}) const { return try_lost(wait).value(); }
    /// As `try_fd`; throws `Error`.
    [[nodiscard]] int fd() const { return try_fd().value(); }
#endif
};

/// Refuses an act whose fence (the "own_fence" of a claim) is below the highest one that was seen:
/// for adapters to machines, which keep the text of the highest. No `highest`: none was seen.
/// `conflict`, reason "fenced": it is below. Thread-safe.
inline Result<void> try_fence_admits(const std::optional<std::string> &highest,
                                     std::string_view fence) {
    const millpond_text_t seen = detail::said(highest);
    return detail::done([&](millpond_error_t **error) {
        return millpond_fence_admits(seen.data, seen.len, fence.data(), fence.size(), error);
    });
}

#if MILLPOND_EXCEPTIONS
/// As `try_fence_admits`; throws `Error`.
inline void fence_admits(const std::optional<std::string> &highest, std::string_view fence) {
    try_fence_admits(highest, fence).value();
}
#endif

}  // namespace MILLPOND_FACE
}  // namespace millpond

#endif
