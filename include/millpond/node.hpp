/// A node: one installation with its own durable log. Everything begins with `Node::open`.
#ifndef MILLPOND_NODE_HPP
#define MILLPOND_NODE_HPP

#include "group.hpp"
#include "observer.hpp"
#include "options.hpp"
#include "scarce.hpp"

namespace millpond {
inline namespace MILLPOND_FACE {
namespace detail {

/// A close by the default deadline.
inline std::int32_t close_node(millpond_node_t node, millpond_error_t **error) {
    return millpond_node_close(node, -1, error);
}

}  // namespace detail

/// A node. What it opens may outlive it, and comes to its end when the node is closed.
///
/// Its destructor closes it as `try_close()` does, which waits up to 10 s for what is under way:
/// but for one that takes longer, its callbacks have returned then, and what they hold was freed.
/// The destructor says nothing of that, so who captures references closes and looks at the answer.
class Node : public detail::Handle<millpond_node_t, detail::close_node> {
  public:
    using Handle::Handle;

    /// Opens a node, and checks the ABI first. A store that is open in this process already is
    /// shared and closes with its last handle. `store_locked`: another process has the store.
    /// `format_too_new`, `corrupt`, `storage_full`, `storage_failed`: it cannot be used.
    static Result<Node> try_open(const NodeOptions &options, Wait wait = {}) {
        const Result<void> served = try_check_abi();
        if (!served) return served.error();
        const detail::RawNodeOptions raw(options);
        return detail::made<Node, millpond_node_t>(
            [&](millpond_node_t *out, millpond_error_t **error) {
                return millpond_node_open(raw.raw(), wait.milliseconds(), wait.cancel(), out,
                                          error);
            });
    }
    /// Closes it: its cursors, turns and calls end, its subscriptions, observers and groups come to
    /// a normal end; what was published is on disk, and its callbacks have returned. Legal from any
    /// thread and callback; from a callback of this node it does not wait for that callback.
    /// Without a bound it waits 10 s, and longer for destructors of what callbacks capture, which
    /// are to return soon; it cannot be cancelled. `timeout`: it is closed all the same, the rest
    /// ends by itself, and callbacks may still run. `storage_failed`: the last writes failed. A
    /// second one: `closed`.
    Result<void> try_close(Wait wait = {}) const {
        return detail::done([&](millpond_error_t **error) {
            return millpond_node_close(raw(), wait.milliseconds(), error);
        });
    }

    /// The node id, 64 hex digits.
    Result<std::string> try_id() const {
        return detail::copied([&](millpond_bytes_t *out, millpond_error_t **error) {
            return millpond_node_id(raw(), out, error);
        });
    }
    /// A text with which other nodes find this one and join its swarm. It holds the secret.
    /// `invalid_argument` also when the node was opened without a network.
    Result<std::string> try_ticket(Wait wait = {}) const {
        return text_by(millpond_node_ticket, wait);
    }
    /// Everything there is to know about the node, as one JSON object: docs/status.md.
    Result<std::string> try_status(Wait wait = {}) const {
        return text_by(millpond_node_status, wait);
    }
    /// The same, once something in it changed: waits until its version is another than `version`,
    /// and sets that. Begin with 0, which gives one at once, and go on with what it set: so no
    /// change is missed. On any error `version` stays. There is no range of these.
    Result<std::string> try_next_status(std::uint64_t &version, Wait wait = {}) const {
        return detail::copied([&](millpond_bytes_t *out, millpond_error_t **error) {
            return millpond_node_next_status(raw(), &version, wait.milliseconds(), wait.cancel(),
                                             out, error);
        });
    }
    /// The node's figures for Prometheus, as text in its exposition format, version 0.0.4:
    /// docs/status.md names every one.
    Result<std::string> try_metrics(Wait wait = {}) const {
        return text_by(millpond_node_metrics, wait);
    }
    /// Reads the whole store once and says what is damaged, as one JSON object. Damage is no error.
    /// The node goes on meanwhile. `storage_failed`: the disk does not answer.
    Result<std::string> try_verify(Wait wait = {}) const {
        return text_by(millpond_node_verify, wait);
    }
    /// Writes the store's file of tables anew without its free pages, and says `bytes_before` and
    /// `bytes_after` as one JSON object. The node goes on meanwhile. `storage_full`: there is not
    /// room for both files. `storage_failed`, `corrupt`: the file stays as it was.
    Result<std::string> try_compact(Wait wait = {}) const {
        return text_by(millpond_node_compact, wait);
    }
    /// How large everything in the store is, as one JSON object. Reads no block. `corrupt`,
    /// `storage_failed`.
    Result<std::string> try_stats() const {
        return detail::copied([&](millpond_bytes_t *out, millpond_error_t **error) {
            return millpond_node_stats(raw(), out, error);
        });
    }
    /// What is durable here.
    Result<Token> try_offsets() const {
        return detail::copied_token([&](millpond_bytes_t *out, millpond_error_t **error) {
            return millpond_node_offsets(raw(), out, error);
        });
    }

    /// Connects to a peer ("<node id>@<ip>:<port>[,<ip>:<port>...]", 1 to 16 addresses) or along a
    /// ticket, and waits until it admits us. The address is kept and tried again, also after a
    /// refusal or a timeout. `peer_refused`: `Error::reason` says why. `invalid_argument` also when
    /// the node has no network, or the ticket is for another swarm. `limit_exceeded`: it knows
    /// 1,024 other peers. `cancelled` also when it was told to disconnect from this one.
    Result<void> try_connect(std::string_view target, Wait wait = {}) const {
        return detail::done([&](millpond_error_t **error) {
            return millpond_node_connect(raw(), target.data(), target.size(), wait.milliseconds(),
                                         wait.cancel(), error);
        });
    }
    /// Forgets the addresses of the peer `node_id` (64 hex digits) and ends its session; it may
    /// still connect to us. Does nothing for a peer that is not known. `invalid_argument` also when
    /// the node was opened without a network.
    Result<void> try_disconnect(std::string_view node_id, Wait wait = {}) const {
        return detail::done([&](millpond_error_t **error) {
            return millpond_node_disconnect(raw(), node_id.data(), node_id.size(),
                                            wait.milliseconds(), wait.cancel(), error);
        });
    }
    /// Not enabled: ends all sessions and talks to nobody; enabled: to everybody again. The log
    /// goes on either way. `invalid_argument` also when the node was opened without a network, or
    /// its addresses cannot be bound any more.
    Result<void> try_set_network(bool enabled, Wait wait = {}) const {
        return detail::done([&](millpond_error_t **error) {
            return millpond_node_set_network(raw(), enabled ? 1 : 0, wait.milliseconds(),
                                             wait.cancel(), error);
        });
    }
    /// Replaces the swarm's secret without cutting anybody off: `current` for tickets, and peers
    /// that hold it or one of the `former`, at most 4, are admitted from now on. Not kept in the
    /// store. See millpond_node_set_secrets. `invalid_argument` also when one of them is of another
    /// swarm. `limit_exceeded`: too many former ones.
    Result<void> try_set_secrets(std::string_view current, Span<const std::string> former,
                                 Wait wait = {}) const {
        const std::vector<millpond_text_t> texts = detail::texts(former);
        return detail::done([&](millpond_error_t **error) {
            return millpond_node_set_secrets(raw(), current.data(), current.size(),
                                             texts.empty() ? nullptr : texts.data(), texts.size(),
                                             wait.milliseconds(), wait.cancel(), error);
        });
    }

    /// Publishes 1 to 65,536 events of at most 16 MiB together: all of them or none. They get
    /// consecutive offsets and lamports, in their order. `cancelled`, `timeout`: they may be stored
    /// all the same, and a retry with an idempotency key is safe. After any other error nothing was
    /// stored: `conflict`, `not_yet_visible`, `limit_exceeded`, `storage_full`, `storage_failed`.
    Result<Published> try_publish_all(Span<const Draft> drafts, const PublishOptions &options = {},
                                      Wait wait = {}) const {
        const detail::RawDrafts raws(drafts);
        const millpond_publish_options_t how = options.raw();
        return detail::published([&](millpond_published_t *out, millpond_error_t **error) {
            return millpond_node_publish(raw(), raws.data(), raws.size(), &how, wait.milliseconds(),
                                         wait.cancel(), out, error);
        });
    }
    /// As `try_publish_all`, of one event.
    Result<Published> try_publish(const Draft &draft, const PublishOptions &options = {},
                                  Wait wait = {}) const {
        return try_publish_all(Span<const Draft>(&draft, 1), options, wait);
    }
    /// Asks `query` (docs/query.md), over the log as it is now. `query_invalid`: see
    /// `Error::position`. `not_yet_visible`: `upper` reaches beyond what is durable here, or the
    /// log does not cover in time what `after` and the session name.
    Result<Cursor> try_query(std::string_view query, const QueryOptions &options = {},
                             Wait wait = {}) const {
        const millpond_query_options_t how = options.raw();
        return detail::made<Cursor, millpond_cursor_t>(
            [&](millpond_cursor_t *out, millpond_error_t **error) {
                return millpond_node_query(raw(), query.data(), query.size(), &how,
                                           wait.milliseconds(), wait.cancel(), out, error);
            });
    }
    /// Subscribes to `query`. `query_invalid`, `not_yet_visible`.
    Result<Subscription> try_subscribe(std::string_view query, const SubscribeOptions &options = {},
                                       Wait wait = {}) const {
        const millpond_subscribe_options_t how = options.raw();
        return detail::made<Subscription, millpond_subscription_t>(
            [&](millpond_subscription_t *out, millpond_error_t **error) {
                return millpond_node_subscribe(raw(), query.data(), query.size(), &how,
                                               wait.milliseconds(), wait.cancel(), out, error);
            });
    }
    /// The same, but batches go to `callback`, whatever makes a `BatchCallback`, until the
    /// subscription is closed. When a close has answered anything but `timeout`, the callback is
    /// not running and never will again, and was freed (unless the close is called inside it).
    /// `not_yet_visible`: the log does not cover now what `after` and the session name; it does not
    /// wait.
    template <class Code, class = std::enable_if_t<std::is_convertible_v<Code, BatchCallback>>>
    Result<Subscription> try_subscribe(std::string_view query, Code callback,
                                       const SubscribeOptions &options = {}) const {
        using Told = detail::Told<BatchRef>;
        const millpond_subscribe_options_t how = options.raw();
        auto told = std::make_unique<Told>(std::move(callback));
        const auto call = told->callback ? Told::call<millpond_batch_t> : nullptr;
        return detail::made<Subscription, millpond_subscription_t>(
            [&](millpond_subscription_t *out, millpond_error_t **error) {
                return millpond_node_subscribe_callback(
                    raw(), query.data(), query.size(), &how, call, told.release(), Told::destroy,
                    out, error);
            });
    }
    /// Waits until the log covers `token`; with a query only for what can match it, where that is
    /// known. `not_yet_visible`, and never `timeout`: it does not in time. `query_invalid`.
    Result<void> try_wait_for(const Token &token, Wait wait = {},
                              const std::optional<std::string> &query = {}) const {
        const std::string &seen = token.text();
        const millpond_text_t of = detail::said(query);
        return detail::done([&](millpond_error_t **error) {
            return millpond_node_wait_for(raw(), seen.data(), seen.size(), of.data, of.len,
                                          wait.milliseconds(), wait.cancel(), error);
        });
    }

    /// Observes a fish. `query_invalid`; `conflict`, reason "other_definition": a fish of this id
    /// is observed that is not the same; `not_yet_visible`.
    Result<Observer> try_observe(const AnyFish &fish, const ReadOptions &read = {},
                                 Wait wait = {}) const {
        const millpond_read_options_t how = read.raw();
        const millpond_fish_t code = fish.begin();
        return detail::made<Observer, millpond_observer_t>(
            [&](millpond_observer_t *out, millpond_error_t **error) {
                return millpond_node_observe(raw(), &code, &how, wait.milliseconds(), wait.cancel(),
                                             out, error);
            });
    }
    /// The state of a fish once: of all that is durable here now, or of more. When this returns, no
    /// code of `fish` is running or will, but for the two cases of millpond_node_state. Errors as
    /// of `try_observe` and `Observer::try_state`.
    Result<State> try_state(const AnyFish &fish, const ReadOptions &read = {},
                            Wait wait = {}) const {
        const millpond_read_options_t how = read.raw();
        const millpond_fish_t code = fish.begin();
        return detail::made<State, millpond_state_t *>(
            [&](millpond_state_t **out, millpond_error_t **error) {
                return millpond_node_state(raw(), &code, &how, wait.milliseconds(), wait.cancel(),
                                           out, error);
            });
    }
    /// Observes a fish for each event that `query` selects, all of them together: at most 1,024.
    /// Events that give a fish of the same id give one. `query_invalid`, `not_yet_visible`.
    Result<Group> try_observe_all(std::string_view query, MakeFish make_fish,
                                  const ReadOptions &read = {}, Wait wait = {}) const {
        return group_by(millpond_node_observe_all, query, std::move(make_fish), read, wait);
    }
    /// Observes the fish of the event with the least key which `query` selects; none until there is
    /// one. Where an older one arrives later, the fish of that takes its place.
    Result<Group> try_observe_one(std::string_view query, MakeFish make_fish,
                                  const ReadOptions &read = {}, Wait wait = {}) const {
        return group_by(millpond_node_observe_one, query, std::move(make_fish), read, wait);
    }

    /// The account called `name`, 1 to 200 bytes; with `id`, exactly that one, 32 hex digits. Asks
    /// nobody, and cannot fail.
    [[nodiscard]] Account account(std::string name, std::optional<std::string> id = {}) const {
        return {raw(), std::move(name), std::move(id)};
    }
    /// The exclusive claim to `what`, 1 to 200 bytes. Asks nobody, and cannot fail.
    [[nodiscard]] Claim claim(std::string what) const { return {raw(), std::move(what)}; }
    /// Does something to an account or a claim: decided at once, answered when it is durable. After
    /// `cancelled` and `timeout` it may have been done all the same; after any other error it was
    /// not: `overdraft`, `not_found`, `conflict`, `not_yet_visible`, `storage_full`,
    /// `storage_failed`, `corrupt`; see millpond_node_act.
    Result<Published> try_act(const Deed &deed, const ReadOptions &read = {},
                              Wait wait = {}) const {
        return detail::act(raw(), deed, read, wait);
    }
    /// Who does `what`, by an exclusive claim or by an optimistic one, as one JSON object:
    /// docs/escrow.md. With `known`, the "as_of" of an earlier answer, once something was said of
    /// it beyond that, and `read` is not looked at. `not_yet_visible`, `corrupt`, `storage_failed`.
    Result<std::string> try_who_does(std::string_view what, const ReadOptions &read = {},
                                     Wait wait = {}, const std::optional<Token> &known = {}) const {
        const millpond_read_options_t how = read.raw();
        const millpond_text_t since = detail::said(known);
        return detail::copied([&](millpond_bytes_t *out, millpond_error_t **error) {
            return millpond_node_who_does(raw(), what.data(), what.size(), since.data, since.len,
                                          &how, wait.milliseconds(), wait.cancel(), out, error);
        });
    }
    /// Says "I do this" of `what`, 1 to 200 bytes, whoever else says so. `cancelled`, `timeout`: it
    /// may have been said all the same; said again it is the same claim. `not_yet_visible`,
    /// `storage_full`, `storage_failed`, `corrupt`.
    Result<Doing> try_do_optimistically(std::string_view what,
                                        const std::optional<Payload> &note = {},
                                        const ReadOptions &read = {}, Wait wait = {}) const {
        const millpond_read_options_t how = read.raw();
        const std::uint8_t *bytes = note ? detail::bytes_of(note->bytes()) : nullptr;
        const std::size_t size = note ? note->bytes().size() : 0;
        return detail::made<Doing, millpond_doing_t>(
            [&](millpond_doing_t *out, millpond_error_t **error) {
                return millpond_node_do_optimistically(
                    raw(), what.data(), what.size(), note ? note->form() : 0, bytes, size, &how,
                    wait.milliseconds(), wait.cancel(), out, error);
            });
    }
    /// The optimistic claim of this node to `what` that stands, also after a restart; none when
    /// none does. `corrupt`, `storage_failed`.
    Result<std::optional<Doing>> try_own_doing(std::string_view what, Wait wait = {}) const {
        Result<Doing> doing = detail::made<Doing, millpond_doing_t>(
            [&](millpond_doing_t *out, millpond_error_t **error) {
                return millpond_node_own_doing(raw(), what.data(), what.size(),
                                               wait.milliseconds(), wait.cancel(), out, error);
            });
        if (!doing) return doing.error();
        if (!*doing) return std::optional<Doing>();
        return std::optional<Doing>(*std::move(doing));
    }
#if MILLPOND_EXCEPTIONS
    /// As `try_open`; throws `Error`.
    [[nodiscard]] static Node open(const NodeOptions &options, Wait wait = {}) {
        return try_open(options, wait).value();
    }
    /// As `try_close`; throws `Error`.
    void close(Wait wait = {}) const { try_close(wait).value(); }
    /// As `try_id`; throws `Error`.
    [[nodiscard]] std::string id() const { return try_id().value(); }
    /// As `try_ticket`; throws `Error`.
    [[nodiscard]] std::string ticket(Wait wait = {}) const { return try_ticket(wait).value(); }
    /// As `try_status`; throws `Error`.
    [[nodiscard]] std::string status(Wait wait = {}) const { return try_status(wait).value(); }
    /// As `try_next_status`; throws `Error`.
    [[nodiscard]] std::string next_status(std::uint64_t &version, Wait wait = {}) const {
        return try_next_status(version, wait).value();
    }
    /// As `try_metrics`; throws `Error`.
    [[nodiscard]] std::string metrics(Wait wait = {}) const { return try_metrics(wait).value(); }
    /// As `try_verify`; throws `Error`.
    [[nodiscard]] std::string verify(Wait wait = {}) const { return try_verify(wait).value(); }
    /// As `try_compact`; throws `Error`.
    std::string compact(Wait wait = {}) const { return try_compact(wait).value(); }
    /// As `try_stats`; throws `Error`.
    [[nodiscard]] std::string stats() const { return try_stats().value(); }
    /// As `try_offsets`; throws `Error`.
    [[nodiscard]] Token offsets() const { return try_offsets().value(); }
    /// As `try_connect`; throws `Error`.
    void connect(std::string_view target, Wait wait = {}) const {
        try_connect(target, wait).value();
    }
    /// As `try_disconnect`; throws `Error`.
    void disconnect(std::string_view node_id, Wait wait = {}) const {
        try_disconnect(node_id, wait).value();
    }
    /// As `try_set_network`; throws `Error`.
    void set_network(bool enabled, Wait wait = {}) const { try_set_network(enabled, wait).value(); }
    /// As `try_set_secrets`; throws `Error`.
    void set_secrets(std::string_view current, Span<const std::string> former,
                     Wait wait = {}) const {
        try_set_secrets(current, former, wait).value();
    }
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
    /// As `try_query`; throws `Error`.
    [[nodiscard]] Cursor query(std::string_view query, const QueryOptions &options = {},
                               Wait wait = {}) const {
        return try_query(query, options, wait).value();
    }
    /// As `try_subscribe`; throws `Error`.
    [[nodiscard]] Subscription subscribe(std::string_view query,
                                         const SubscribeOptions &options = {},
                                         Wait wait = {}) const {
        return try_subscribe(query, options, wait).value();
    }
    /// As `try_subscribe` with a callback; throws `Error`.
    template <class Code, class = std::enable_if_t<std::is_convertible_v<Code, BatchCallback>>>
    [[nodiscard]] Subscription subscribe(std::string_view query, Code callback,
                                         const SubscribeOptions &options = {}) const {
        return try_subscribe(query, std::move(callback), options).value();
    }
    /// As `try_wait_for`; throws `Error`.
    void wait_for(const Token &token, Wait wait = {},
                  const std::optional<std::string> &query = {}) const {
        try_wait_for(token, wait, query).value();
    }
    /// As `try_observe`; throws `Error`.
    [[nodiscard]] Observer observe(const AnyFish &fish, const ReadOptions &read = {},
                                   Wait wait = {}) const {
        return try_observe(fish, read, wait).value();
    }
    /// As `try_state`; throws `Error`.
    [[nodiscard]] State state(const AnyFish &fish, const ReadOptions &read = {},
                              Wait wait = {}) const {
        return try_state(fish, read, wait).value();
    }
    /// As `try_observe_all`; throws `Error`.
    [[nodiscard]] Group observe_all(std::string_view query, MakeFish make_fish,
                                    const ReadOptions &read = {}, Wait wait = {}) const {
        return try_observe_all(query, std::move(make_fish), read, wait).value();
    }
    /// As `try_observe_one`; throws `Error`.
    [[nodiscard]] Group observe_one(std::string_view query, MakeFish make_fish,
                                    const ReadOptions &read = {}, Wait wait = {}) const {
        return try_observe_one(query, std::move(make_fish), read, wait).value();
    }
    /// As `try_act`; throws `Error`.
    Published act(const Deed &deed, const ReadOptions &read = {}, Wait wait = {}) const {
        return try_act(deed, read, wait).value();
    }
    /// As `try_who_does`; throws `Error`.
    [[nodiscard]] std::string who_does(std::string_view what, const ReadOptions &read = {},
                                       Wait wait = {},
                                       const std::optional<Token> &known = {}) const {
        return try_who_does(what, read, wait, known).value();
    }
    /// As `try_do_optimistically`; throws `Error`.
    Doing do_optimistically(std::string_view what, const std::optional<Payload> &note = {},
                            const ReadOptions &read = {}, Wait wait = {}) const {
        return try_do_optimistically(what, note, read, wait).value();
    }
    /// As `try_own_doing`; throws `Error`.
    [[nodiscard]] std::optional<Doing> own_doing(std::string_view what, Wait wait = {}) const {
        return try_own_doing(what, wait).value();
    }
#endif

  private:
    using TextBy = std::int32_t (*)(millpond_node_t, std::int64_t, millpond_cancel_t,
                                    millpond_bytes_t *, millpond_error_t **);
    using GroupBy = decltype(&millpond_node_observe_all);

    Result<std::string> text_by(TextBy function, Wait wait) const {
        return detail::copied([&](millpond_bytes_t *out, millpond_error_t **error) {
            return function(raw(), wait.milliseconds(), wait.cancel(), out, error);
        });
    }
    Result<Group> group_by(GroupBy function, std::string_view query, MakeFish make_fish,
                           const ReadOptions &read, Wait wait) const {
        using detail::Making;
        const millpond_read_options_t how = read.raw();
        const auto call = make_fish ? Making::call : nullptr;
        auto making = std::unique_ptr<Making>(new Making{std::move(make_fish)});
        return detail::made<Group, millpond_group_t>(
            [&](millpond_group_t *out, millpond_error_t **error) {
                return function(raw(), query.data(), query.size(), call, making.release(),
                                Making::destroy, &how, wait.milliseconds(), wait.cancel(), out,
                                error);
            });
    }
};

}  // namespace MILLPOND_FACE
}  // namespace millpond

#endif
