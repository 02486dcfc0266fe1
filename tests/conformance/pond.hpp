/// Fish, accounts and claims in the notation of the scenarios, for adapter.cpp.
#ifndef POND_HPP
#define POND_HPP

#include "notation.hpp"

/// The fish of the scenarios, whose state is the text of a JSON array of all payloads.
inline millpond::FishCode<std::string> listing(const std::string &id, std::uint64_t version,
                                               const std::string &query) {
    using millpond::Error, millpond::ErrorKind, millpond::Event, millpond::Result;
    millpond::FishCode<std::string> code;
    code.id = id;
    code.version = version;
    code.query = query;
    code.initial = "[]";
    code.step = [](std::string &list, const Event &event) -> Result<void> {
        const std::string json = CALL(event., payload_json, );
        if (json == "\"boom\"") return Error(ErrorKind::user_code, "boom");
        list.pop_back();
        list += (list.size() > 1 ? "," : "") + json + "]";
        return {};
    };
    code.encode = [](const std::string &list) { return millpond::Payload::json(list); };
    code.decode = [](const millpond::SavedState &saved) -> Result<std::string> {
        return CALL(saved., json, );
    };
    code.is_reset = [](const Event &event) -> Result<bool> {
        return CALL(event., payload_json, ) == "\"reset\"";
    };
    return code;
}

/// The fish that `FISH QUERY` names.
inline millpond::AnyFish fish_of(std::string rest) {
    std::string said = word(rest);
    if (said.compare(0, 5, "code:") != 0) return millpond::built_in(rest, millpond::Fold(said));
    const std::size_t end = said.find(':', 5);
    const bool has_version = end != std::string::npos;
    const std::uint64_t version =
        has_version ? std::strtoull(said.c_str() + end + 1, nullptr, 10) : 1;
    const std::string id = said.substr(5, has_version ? end - 5 : end);
    return millpond::Fish<std::string>(listing(id, version, rest));
}

/// An error, with what is missing, or who holds the rest.
inline Lines explained(const Names &names, const millpond::Error &error) {
    Lines lines = error_lines(error, true);
    if (error.kind() == millpond::ErrorKind::not_yet_visible)
        for (const auto &[stream, count] : Json::parse(error.missing()).members)
            lines.push_back("| missing " + names.stream(stream) + " " + count.text);
    if (error.kind() == millpond::ErrorKind::overdraft) {
        const Json details = Json::parse(error.details());
        lines.push_back("| wanted=" + details["wanted"].text +
                        " available=" + details["available"].text);
        for (const Json &holder : details["elsewhere"].items)
            lines.push_back("| " + names.stream(holder.items[0].text) + " " + holder.items[1].text);
    }
    return lines;
}

/// Streams with a number each.
inline std::string list_of(const Names &names, const Json &list, const char *number) {
    std::string line;
    for (const Json &one : list.items)
        line += (line.empty() ? "" : ",") + names.stream(one["stream"].text) + ":" +
                one[number].text;
    return line.empty() ? "-" : line;
}

inline std::string account_line(const Names &names, const Json &report) {
    return "balance=" + report["balance"].text + " floor=" + report["floor"].text +
           " available=" + report["available"].text +
           " violations=" + std::to_string(report["violations"].items.size()) +
           " holds=" + list_of(names, report["holdings"], "amount") +
           " asks=" + list_of(names, report["requests"], "outstanding");
}

inline std::string claim_line(const Names &names, const Json &report) {
    const Json &holder = report["holder"];
    const bool is_held = !holder.is_null();
    return "holder=" + (is_held ? names.stream(holder["stream"].text) : "-") +
           " fence=" + (is_held ? holder["fence"].text : "-") +
           " own=" + said_bool(!report["own_fence"].is_null()) +
           " asks=" + std::to_string(report["requests"].items.size());
}

inline std::string doers_line(const Names &names, const Json &said) {
    const Json &holder = said["holder"];
    std::string does;
    for (const Json &doer : said["doers"].items)
        does += (does.empty() ? "" : ",") + names.of_key(doer["key"].text);
    return "holder=" + (holder.is_null() ? "-" : names.stream(holder["stream"].text)) +
           " does=" + (does.empty() ? "-" : does);
}

inline std::string standing_line(const Names &names, const Json &told) {
    if (told["standing"].text != "lost") return told["standing"].text;
    return "lost to=" + names.of_key(told["winner"]["key"].text);
}

/// What is done to an account.
inline millpond::Deed account_deed(const std::string &deed, const std::string &name,
                                   const Said &said, const std::optional<std::string> &to) {
    using millpond::Deed;
    const auto amount = static_cast<std::int64_t>(number_of(said, "amount"));
    if (deed == "deposit") return Deed::account_deposit(name, amount);
    if (deed == "withdraw") return Deed::account_withdraw(name, amount);
    if (deed == "grant") return Deed::account_grant(name, to.value_or(""), amount);
    if (deed == "request") return Deed::account_request(name, amount);
    if (deed == "recover") return Deed::account_recover(name, false);
    must(deed == "create", "the deed is known");
    std::vector<millpond::Share> shares;
    if (to) shares.push_back({*to, number_of(said, "share")});
    const auto floor = static_cast<std::int64_t>(number_of(said, "floor"));
    return Deed::account_create(name, amount, floor, std::move(shares));
}

/// What is done to a claim.
inline millpond::Deed claim_deed(const std::string &deed, const std::string &what,
                                 const std::optional<std::string> &to) {
    using millpond::Deed;
    if (deed == "create") return Deed::claim_create(what, to);
    if (deed == "transfer") return Deed::claim_transfer(what, to.value_or(""));
    if (deed == "recover") return Deed::claim_recover(what, false);
    return Deed::claim_request(what, deed == "request");
}

#endif
