/// How to open a node; and the secrets and tickets that let nodes find each other.
#ifndef MILLPOND_OPTIONS_HPP
#define MILLPOND_OPTIONS_HPP

#include "error.hpp"

namespace millpond {
inline namespace MILLPOND_FACE {

/// In `NodeOptions::snapshot_bytes_max`: no state of a fish is kept on disk.
inline constexpr std::uint64_t SNAPSHOTS_NONE = MILLPOND_SNAPSHOTS_NONE;

/// How to open a node. Say `path`, `app_id`, and one of `swarm` and `ticket`.
struct NodeOptions {
    /// The folder of the store, UTF-8; created when absent.
    std::string path{};
    /// The application, stamped on every event: 1 to 64 of ASCII letters, digits, '.', '-', '_'.
    std::string app_id{};
    /// The swarm's secret: 64 hex digits, or 128 of one that took another's place.
    std::optional<std::string> swarm{};
    /// A ticket: the swarm's secret, and a first peer.
    std::optional<std::string> ticket{};
    /// Whether to have a network at all. Unsaid: yes.
    std::optional<bool> network{};
    /// Whether to look for peers by mDNS, and where other peers say that they are. Unsaid: yes.
    std::optional<bool> discovery{};
    /// Whether to open a store on a network file system all the same. Unsaid: no.
    std::optional<bool> allow_network_file_system{};
    /// Addresses to listen on, "<ip>:<port>", at most one of IPv4 and one of IPv6; port 0 is one of
    /// the system's choice. Unsaid: every interface, any port.
    std::optional<std::vector<std::string>> bind{};
    /// Peers to keep a session with, "<node id>@<ip>:<port>[,<ip>:<port>...]": at most 1,024, each
    /// with 1 to 16 addresses.
    std::vector<std::string> peers{};
    /// The only nodes to talk to, by node id. Unsaid: every node that holds the secret.
    std::optional<std::vector<std::string>> allow{};
    /// Size of each of the two journal segments in bytes, 64 KiB at least. 0 is unsaid: 32 MiB.
    std::uint64_t segment_bytes = 0;
    /// Most bytes of events in memory before a checkpoint. 0 is unsaid: 64 MiB.
    std::uint64_t tail_bytes_max = 0;
    /// Most bytes of decoded blocks kept in memory. 0 is unsaid: 16 MiB.
    std::uint64_t cache_bytes = 0;
    /// Secrets that `swarm` takes the place of and that still admit, too: at most 4.
    std::vector<std::string> former_secrets{};
    /// Most bytes a second sent to all peers together, on average; at least 1,000. 0: no cap.
    std::uint64_t send_bytes_per_second_max = 0;
    /// The same for each peer.
    std::uint64_t send_bytes_per_second_per_peer_max = 0;
    /// A query of what peers are to send first when there is much to catch up with: at most 1,024
    /// bytes and 16 alternatives; see `priority` of millpond_node_options_t. Unsaid: streams take
    /// turns.
    std::optional<std::string> priority{};
    /// Most bytes of the saved states of all fish, on disk. 0 is unsaid: 64 MiB; with
    /// `SNAPSHOTS_NONE` none is kept.
    std::uint64_t snapshot_bytes_max = 0;
};

namespace detail {

/// Options as C takes them, borrowed from `options`, which must outlive this.
class RawNodeOptions {
  public:
    explicit RawNodeOptions(const NodeOptions &options)
        : bind_(list(options.bind)), peers_(texts(options.peers)), allow_(list(options.allow)),
          former_(texts(options.former_secrets)) {
        raw_.path = text(options.path);
        raw_.app_id = text(options.app_id);
        raw_.swarm = said(options.swarm);
        raw_.ticket = said(options.ticket);
        raw_.network = choice(options.network);
        raw_.discovery = choice(options.discovery);
        raw_.allow_network_file_system = choice(options.allow_network_file_system);
        if (options.bind) put(bind_, raw_.bind, raw_.bind_count);
        if (!options.peers.empty()) put(peers_, raw_.peers, raw_.peer_count);
        if (options.allow) put(allow_, raw_.allow, raw_.allow_count);
        if (!options.former_secrets.empty())
            put(former_, raw_.former_secrets, raw_.former_secret_count);
        raw_.segment_bytes = options.segment_bytes;
        raw_.tail_bytes_max = options.tail_bytes_max;
        raw_.cache_bytes = options.cache_bytes;
        raw_.send_bytes_per_second_max = options.send_bytes_per_second_max;
        raw_.send_bytes_per_second_per_peer_max = options.send_bytes_per_second_per_peer_max;
        raw_.priority = said(options.priority);
        raw_.snapshot_bytes_max = options.snapshot_bytes_max;
    }
    RawNodeOptions(const RawNodeOptions &) = delete;
    RawNodeOptions &operator=(const RawNodeOptions &) = delete;

    [[nodiscard]] const millpond_node_options_t *raw() const noexcept { return &raw_; }

  private:
    static std::vector<millpond_text_t> list(const std::optional<std::vector<std::string>> &said) {
        return said ? texts(*said) : std::vector<millpond_text_t>();
    }
    static millpond_choice_t choice(std::optional<bool> said) noexcept {
        if (!said) return 0;
        return *said ? MILLPOND_YES : MILLPOND_NO;
    }
    /// A list that is said and empty is not NULL: nobody is allowed then, not everybody.
    void put(const std::vector<millpond_text_t> &texts, const millpond_text_t *&first,
              std::uintptr_t &count) const noexcept {
        first = texts.empty() ? &none_ : texts.data();
        count = texts.size();
    }

    millpond_node_options_t raw_ = MILLPOND_NODE_OPTIONS_INIT;
    std::vector<millpond_text_t> bind_, peers_, allow_, former_;
    millpond_text_t none_{nullptr, 0};
};

}  // namespace detail

/// A new swarm secret from the system's randomness: 64 hex digits, to be kept secret. Thread-safe.
inline Result<std::string> try_new_swarm_secret() {
    return detail::copied(millpond_swarm_secret_new);
}

/// A new secret to take the place of `secret` while the swarm stays the same: 128 hex digits, to be
/// kept secret; see `Node::try_set_secrets`. Thread-safe.
inline Result<std::string> try_next_swarm_secret(std::string_view secret) {
    return detail::copied([&](millpond_bytes_t *out, millpond_error_t **error) {
        return millpond_swarm_secret_next(secret.data(), secret.size(), out, error);
    });
}

/// What a ticket says, as JSON: swarm_id, node_id, addresses. The secret is left out. Thread-safe.
inline Result<std::string> try_parse_ticket(std::string_view ticket) {
    return detail::copied([&](millpond_bytes_t *out, millpond_error_t **error) {
        return millpond_ticket_parse(ticket.data(), ticket.size(), out, error);
    });
}

#if MILLPOND_EXCEPTIONS
/// As `try_new_swarm_secret`; throws `Error`.
inline std::string new_swarm_secret() { return try_new_swarm_secret().value(); }
/// As `try_next_swarm_secret`; throws `Error`.
inline std::string next_swarm_secret(std::string_view secret) {
    return try_next_swarm_secret(secret).value();
}
/// As `try_parse_ticket`; throws `Error`.
inline std::string parse_ticket(std::string_view ticket) {
    return try_parse_ticket(ticket).value();
}
#endif

}  // namespace MILLPOND_FACE
}  // namespace millpond

#endif
