/// What is done to an account or a claim: `Deed`. docs/escrow.md.
#ifndef MILLPOND_DEED_HPP
#define MILLPOND_DEED_HPP

#include "publish.hpp"

namespace millpond {
inline namespace MILLPOND_FACE {

/// What another node may spend of an account from the beginning.
struct Share {
    /// Which node: 64 hex digits.
    std::string node_id{};
    /// How much, 1 to 2^53 - 1.
    std::uint64_t amount = 0;
};

/// What is done to an account or a claim: made by the functions of this name, then filled in. Names
/// are 1 to 200 bytes in NFC; node ids are 64 hex digits; amounts are 1 to 2^53 - 1.
class Deed {
  public:
    /// Exactly the account with this id, 32 hex digits, a rival say. Unsaid: the one that the name
    /// means. `invalid_argument` where it is said of a claim.
    std::optional<std::string> id{};
    /// What to remember of a deposit or a withdrawal, kept and never looked at.
    std::optional<Payload> note{};
    /// 1 to 255 bytes: the same deed again with the same key gets the first answer, whatever has
    /// become of the account since. So a retry after `timeout` and `cancelled` is safe.
    std::optional<std::string> idempotency_key{};

    /// An account begins with `amount`, which may be negative, and keeps at least `floor`, negative
    /// for a credit, within +-(2^53 - 1); other nodes may spend `shares`, at most 1,024 and at most
    /// `amount - floor` together.
    static Deed account_create(std::string name, std::int64_t amount, std::int64_t floor,
                               std::vector<Share> shares = {}) {
        Deed deed(MILLPOND_DEED_ACCOUNT_CREATE, std::move(name), amount);
        deed.floor_ = floor;
        deed.shares_ = std::move(shares);
        return deed;
    }
    /// Adds to an account.
    static Deed account_deposit(std::string name, std::int64_t amount) {
        return Deed(MILLPOND_DEED_ACCOUNT_DEPOSIT, std::move(name), amount);
    }
    /// Takes from an account by rights held here.
    static Deed account_withdraw(std::string name, std::int64_t amount) {
        return Deed(MILLPOND_DEED_ACCOUNT_WITHDRAW, std::move(name), amount);
    }
    /// Gives rights to another node.
    static Deed account_grant(std::string name, std::string to, std::int64_t amount) {
        Deed deed(MILLPOND_DEED_ACCOUNT_GRANT, std::move(name), amount);
        deed.to_ = std::move(to);
        return deed;
    }
    /// Asks for so many rights more, 0 for none.
    static Deed account_request(std::string name, std::int64_t amount) {
        return Deed(MILLPOND_DEED_ACCOUNT_REQUEST, std::move(name), amount);
    }
    /// Takes over what a former stream of this node has left. `is_alone`: also when no other node
    /// was met since the store was opened, because a person vouches that nothing else writes it.
    static Deed account_recover(std::string name, bool is_alone) {
        Deed deed(MILLPOND_DEED_ACCOUNT_RECOVER, std::move(name), 0);
        deed.is_alone_ = is_alone;
        return deed;
    }
    /// An exclusive claim begins; its first holder unsaid is this node.
    static Deed claim_create(std::string what, std::optional<std::string> holder = {}) {
        Deed deed(MILLPOND_DEED_CLAIM_CREATE, std::move(what), 0);
        deed.to_ = std::move(holder);
        return deed;
    }
    /// Hands an exclusive claim to another node.
    static Deed claim_transfer(std::string what, std::string to) {
        Deed deed(MILLPOND_DEED_CLAIM_TRANSFER, std::move(what), 0);
        deed.to_ = std::move(to);
        return deed;
    }
    /// Asks for an exclusive claim, or takes that back.
    static Deed claim_request(std::string what, bool is_wanted) {
        return Deed(MILLPOND_DEED_CLAIM_REQUEST, std::move(what), is_wanted ? 1 : 0);
    }
    /// Takes an exclusive claim over from a former stream of this node; `is_alone` as above.
    static Deed claim_recover(std::string what, bool is_alone) {
        Deed deed(MILLPOND_DEED_CLAIM_RECOVER, std::move(what), 0);
        deed.is_alone_ = is_alone;
        return deed;
    }
    /// Takes back what this node has said by an optimistic claim.
    static Deed doing_release(std::string what) {
        return Deed(MILLPOND_DEED_DOING_RELEASE, std::move(what), 0);
    }

    /// As C takes it; `shares` are borrowed, too, and all else from this.
    [[nodiscard]] millpond_deed_t raw(Span<const millpond_share_t> shares) const noexcept {
        millpond_deed_t raw = MILLPOND_DEED_INIT;
        raw.kind = kind_;
        raw.name = detail::text(name_);
        raw.id = detail::said(id);
        raw.to = detail::said(to_);
        raw.amount = amount_;
        raw.floor = floor_;
        if (!shares.empty()) raw.shares = shares.data();
        raw.share_count = shares.size();
        if (note) {
            raw.note_form = note->form();
            raw.note = detail::bytes_of(note->bytes());
            raw.note_len = note->bytes().size();
        }
        raw.is_alone = is_alone_ ? 1 : 0;
        if (idempotency_key) {
            raw.idempotency_key = detail::bytes_of(*idempotency_key);
            raw.idempotency_key_len = idempotency_key->size();
        }
        return raw;
    }
    /// Its shares as C takes them, borrowed from this.
    [[nodiscard]] std::vector<millpond_share_t> raw_shares() const {
        std::vector<millpond_share_t> raws;
        raws.reserve(shares_.size());
        for (const Share &share : shares_)
            raws.push_back({detail::text(share.node_id), share.amount});
        return raws;
    }

  private:
    Deed(std::int32_t kind, std::string name, std::int64_t amount)
        : kind_(kind), name_(std::move(name)), amount_(amount) {}

    std::int32_t kind_;
    std::string name_;
    std::optional<std::string> to_{};
    std::int64_t amount_;
    std::int64_t floor_ = 0;
    std::vector<Share> shares_{};
    bool is_alone_ = false;
};

}  // namespace MILLPOND_FACE
}  // namespace millpond

#endif
