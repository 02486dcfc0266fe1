// What the conformance scenarios say, done in C++.
//
// Commands and answers: README.md. Run as `adapter FOLDER`, commands on standard input. Built
// twice: with exceptions, by calls that throw, and with -fno-exceptions -fno-rtti, by those that
// give a `Result`. A payload is JSON text here, as in C.
// Longer than 500 lines because each command of the scenarios is a function of its own.
#include "pond.hpp"

#include <iostream>
#include <poll.h>
#include <thread>

namespace {

using millpond::Batch;
using millpond::Cancel;
using millpond::Cursor;
using millpond::Draft;
using millpond::Error;
using millpond::ErrorKind;
using millpond::Event;
using millpond::Node;
using millpond::Payload;
using millpond::Published;
using millpond::Result;
using millpond::Token;

const char SECRET[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

class Adapter {
  public:
    explicit Adapter(std::string folder) : folder_(std::move(folder)) {}

    /// Does what a line says; nothing is `ok`.
    Lines answer(std::string line) {
        has_query_ = line.compare(0, 7, "publish") != 0;
        const std::string verb = word(line), name = word(line);
        const Said said = options(line);
        is_explained_ = verb == "wait_for" || verb == "state" || verb == "account";
        const auto found = commands().find(verb);
        if (found == commands().end()) return {"absent"};
#if MILLPOND_EXCEPTIONS
        try {
            return told((this->*found->second)(name, said, line));
        } catch (const Error &error) {
            return told(error);
        }
#else
        return told((this->*found->second)(name, said, line));
#endif
    }

  private:
    using Answer = Result<Lines>;
    using Command = Answer (Adapter::*)(const std::string &, const Said &, std::string);
    static const std::map<std::string, Command> &commands();

    [[nodiscard]] Lines told(const Answer &answer) const {
        if (answer) return answer->empty() ? Lines{"ok"} : *answer;
        if (is_explained_) return explained(names_, answer.error());
        return error_lines(answer.error(), has_query_);
    }

    const Node &node(const std::string &name) { return nodes_[name]; }
    std::optional<Token> token_of(const Said &said, const char *key) const {
        const std::optional<std::string> name = said_of(said, key);
        if (!name) return std::nullopt;
        const auto found = tokens_.find(*name);
        return found == tokens_.end() ? Token(*name) : found->second;
    }
    const millpond::Session *session_of(const Said &said) {
        const std::optional<std::string> name = said_of(said, "session");
        return name ? &sessions_[*name] : nullptr;
    }
    void keep(const std::string &name, Token token) {
        tokens_.insert_or_assign(name, std::move(token));
    }
    static millpond::Wait wait_of(const Said &said) {
        if (said.count("wait") == 0) return SOON;
        return std::chrono::milliseconds(number_of(said, "wait"));
    }

    Answer open(const std::string &name, const Said &said, std::string) {
        const std::string stored = said_of(said, "folder").value_or(name);
        millpond::NodeOptions options;
        options.path = folder_ + "/" + stored;
        options.app_id = "conformance";
        if (const auto other = said_of(said, "ticket"))
            options.ticket = CALL(node(*other)., ticket, SOON);
        else
            options.swarm = said_of(said, "swarm").value_or(SECRET);
        if (const auto former = said_of(said, "former")) options.former_secrets = {*former};
        options.network = said.count("net") != 0;
        options.discovery = false;
        options.bind = {"127.0.0.1:0"};
        for (std::uint64_t i = 0; i < number_of(said, "peers"); i++) {
            char peer[80];
            std::snprintf(peer, sizeof peer, "%064llx@127.0.0.1:9", static_cast<long long>(i));
            options.peers.emplace_back(peer);
        }
        options.send_bytes_per_second_max = number_of(said, "cap_all");
        options.send_bytes_per_second_per_peer_max = number_of(said, "cap_each");
        if (const auto priority = said_of(said, "priority")) options.priority = "FROM " + *priority;
        Node opened = CALL(Node::, open, options, SOON);
        names_.add(CALL(opened., id, ), stored);
        nodes_[name] = std::move(opened);
        return Lines();
    }
    /// A second close answers `closed`, and does nothing.
    static Answer closed(const Result<void> &result) {
        if (result || result.error().kind() == ErrorKind::closed) return Lines();
        return result.error();
    }
    Answer close(const std::string &name, const Said &, std::string) {
        return closed(node(name).try_close(SOON));
    }

    Answer publish(const std::string &name, const Said &said, std::string rest) {
        std::vector<Draft> drafts;
        while (!rest.empty()) {
            Draft draft;
            draft.tags = texts(word(rest));
            draft.payload = Payload::json(plain_integers(word(rest)));
            drafts.push_back(std::move(draft));
        }
        return publish_drafts(name, said, drafts);
    }
    Answer publish_drafts(const std::string &name, const Said &said,
                          const std::vector<Draft> &drafts) {
        millpond::PublishOptions options;
        options.session = session_of(said);
        options.idempotency_key = said_of(said, "key");
        if (said.count("expected")) options.expected = number_of(said, "expected");
        const Published done = CALL(node(name)., publish_all, drafts, options, SOON);
        if (const auto token = said_of(said, "token")) keep(*token, *done.token);
        return Lines{names_.published(done)};
    }

    Result<Cursor> ask(const std::string &name, const Said &said, const std::string &query) {
        using millpond::Columns, millpond::Order;
        static const std::map<std::string, Order> orders = {{"ascending", Order::ascending},
                                                            {"descending", Order::descending},
                                                            {"stream", Order::stream}};
        static const std::map<std::string, Columns> all_columns = {
            {"-", Columns::key},
            {"tags", Columns::tags},
            {"payload", Columns::payload},
            {"tags,payload", Columns::tags | Columns::payload}};
        millpond::QueryOptions options;
        if (const auto order = said_of(said, "order")) {
            const auto found = orders.find(*order);
            options.order = found == orders.end() ? static_cast<Order>(64) : found->second;
        }
        if (const auto columns = said_of(said, "columns")) {
            const auto found = all_columns.find(*columns);
            options.columns =
                found == all_columns.end() ? static_cast<Columns>(64) : found->second;
        }
        options.lower = token_of(said, "lower");
        options.upper = token_of(said, "upper");
        options.session = session_of(said);
        return CALL(node(name)., query, query, options, SOON);
    }
    Answer query(const std::string &name, const Said &said, std::string rest) {
        Result<Cursor> cursor = ask(name, said, rest);
        if (!cursor) return cursor.error();
        Lines lines;
#if MILLPOND_EXCEPTIONS
        for (const Event &event : cursor->events(SOON)) lines.push_back(names_.event(event));
#else
        for (bool is_end = false; !is_end;) {
            const Batch batch = CALL(cursor->, next, SOON, 1000);
            for (const Event &event : batch) lines.push_back(names_.event(event));
            is_end = batch.is_end();
        }
#endif
        lines.emplace_back("end");
        return lines;
    }
    Answer republish(const std::string &name, const Said &said, std::string rest) {
        Result<Cursor> cursor = ask(name, said, rest);
        if (!cursor) return cursor.error();
        std::vector<Draft> drafts;
        for (bool is_end = false; !is_end;) {
            const Batch batch = CALL(cursor->, next, SOON);
            for (const Event &event : batch) {
                Draft draft;
                for (const std::string_view tag : event.tags()) draft.tags.emplace_back(tag);
                draft.payload = Payload::json(CALL(event., payload_json, ));
                drafts.push_back(std::move(draft));
            }
            is_end = batch.is_end();
        }
        return publish_drafts(name, said, drafts);
    }
    /// Reads a batch of `count` events, or everything.
    static Result<void> read_on(Cursor &cursor, std::size_t count, bool is_all) {
        for (bool is_end = false; !is_end;)
            is_end = CALL(cursor., next, SOON, count).is_end() || !is_all;
        return {};
    }
    Answer explain(const std::string &name, const Said &said, std::string rest) {
        Result<Cursor> cursor = ask(name, said, rest);
        if (!cursor) return cursor.error();
        const bool is_all = said_of(said, "read") == std::string("all");
        if (said.count("read")) {
            const Result<void> read =
                read_on(*cursor, is_all ? 0 : number_of(said, "read"), is_all);
            if (!read) return read.error();
        }
        const Json json = Json::parse(CALL(cursor->, explain, SOON));
        Lines lines;
        std::string text = json["text"].text;
        for (std::size_t end; !text.empty(); text.erase(0, end)) {
            end = text.find('\n');
            lines.push_back("| " + text.substr(0, end));
            end = end == std::string::npos ? text.size() : end + 1;
        }
        std::string line = json["order"].text + " exact=" + json["is_exact"].text;
        for (const char *which : {"expected", "actual"}) {
            const Json &looks = json[which];
            line += " " + std::string(which) + "=" + looks["segments"].text + "/" +
                    looks["blocks"].text + "/" + looks["frames"].text + "/" + looks["events"].text;
        }
        lines.push_back(line);
        return lines;
    }
    Answer complete(const std::string &name, const Said &said, std::string rest) {
        Result<Cursor> cursor = ask(name, said, rest);
        if (!cursor) return cursor.error();
        const Result<void> read = read_on(*cursor, 0, true);
        if (!read) return read.error();
        const Json json = Json::parse(CALL(cursor->, completeness, ));
        return Lines{"behind=" + std::to_string(json["behind"].items.size()) +
                     " unheard=" + std::to_string(json["unheard"].items.size())};
    }

    Answer subscribe(const std::string &name, const Said &said, std::string rest) {
        using millpond::Delivery, millpond::Start, millpond::SubscribeOrder;
        millpond::SubscribeOptions options;
        const std::string on = word(rest);
        if (said_of(said, "from") == std::string("now")) options.from = Start::now();
        else if (const auto from = token_of(said, "from")) options.from = *from;
        if (const auto order = said_of(said, "order"))
            options.order = *order == "key" ? SubscribeOrder::key : static_cast<SubscribeOrder>(64);
        if (const auto delivery = said_of(said, "delivery"))
            options.delivery = *delivery == "live"      ? Delivery::live
                               : *delivery == "durable" ? Delivery::durable
                                                        : static_cast<Delivery>(64);
        follows_[name] = CALL(node(on)., subscribe, rest, options, SOON);
        return Lines();
    }
    Answer unsubscribe(const std::string &name, const Said &, std::string) {
        return closed(follows_[name].try_close());
    }
    Answer next_within(const std::string &name, std::size_t count, std::chrono::milliseconds wait) {
        const Batch batch = CALL(follows_[name]., next, wait, count);
        if (batch.is_end()) return Lines{"end"};
        if (batch.is_rewind()) return Lines{names_.rewind(batch)};
        Lines lines;
        for (const Event &event : batch) lines.push_back(names_.event(event));
        lines.push_back("caught_up=" + said_bool(batch.caught_up()) +
                        " lag=" + std::to_string(batch.lag()));
        return lines;
    }
    Answer next(const std::string &name, const Said &, std::string rest) {
        return next_within(name, std::strtoul(rest.c_str(), nullptr, 10), SOON);
    }
    Answer idle(const std::string &name, const Said &, std::string) {
        return next_within(name, 1, SHORT);
    }
    Answer take(const std::string &name, const Said &, std::string rest) {
        Lines lines;
        for (std::size_t left = std::strtoul(rest.c_str(), nullptr, 10); left > 0;) {
            const Batch batch = CALL(follows_[name]., next, SOON, left);
            if (batch.is_end()) break;
            if (batch.is_rewind()) lines.push_back(names_.rewind(batch));
            for (const Event &event : batch) lines.push_back(names_.event(event));
            left -= batch.size();
        }
        lines.emplace_back("taken");
        return lines;
    }
    /// A call that waits, called off by another thread.
    Answer interrupt(const std::string &name, const Said &, std::string) {
        const Cancel cancel = CALL(Cancel::, create, );
        std::thread trigger([&] {
            poll(nullptr, 0, static_cast<int>(SHORT.count())); // Cancelled earlier is the same.
            (void)cancel.try_trigger();
        });
        const Result<Batch> batch = follows_[name].try_next({SOON, cancel}, 1);
        trigger.join();
        const bool is_so = !batch && batch.error().kind() == ErrorKind::cancelled;
        return Lines{is_so ? "cancelled" : "ready"};
    }
    Answer lag(const std::string &name, const Said &, std::string) {
        return Lines{std::to_string(CALL(follows_[name]., lag, ))};
    }
    Answer position(const std::string &name, const Said &, std::string rest) {
        keep(rest, CALL(follows_[name]., position, ));
        return Lines();
    }

    Answer offsets(const std::string &name, const Said &, std::string rest) {
        keep(rest, CALL(node(name)., offsets, ));
        return Lines();
    }
    Answer same(const std::string &name, const Said &, std::string rest) {
        return Lines{said_bool(tokens_.at(name) == tokens_.at(rest))};
    }
    /// A token is read where it is used.
    Answer token(const std::string &, const Said &, std::string rest) {
        millpond::QueryOptions options;
        options.lower = Token(rest);
        (void)CALL(node("a")., query, "FROM allEvents", options, SOON);
        return Lines();
    }
    Answer merge(const std::string &name, const Said &, std::string rest) {
        std::vector<Token> all;
        while (!rest.empty()) all.push_back(tokens_.at(word(rest)));
        keep(name, CALL(Token::, merge, all));
        return Lines();
    }
    Answer wait_for(const std::string &name, const Said &said, std::string rest) {
        const Token token = tokens_.at(word(rest));
        std::optional<std::string> query;
        if (!rest.empty()) query = rest;
        CALL(node(name)., wait_for, token, wait_of(said), query);
        return Lines();
    }
    Answer session(const std::string &name, const Said &, std::string) {
        sessions_[name] = CALL(millpond::Session::, create, );
        return Lines();
    }
    Answer seen(const std::string &name, const Said &, std::string rest) {
        keep(rest, CALL(sessions_[name]., token, ));
        return Lines();
    }

    Answer connect(const std::string &name, const Said &, std::string rest) {
        const std::string ticket = CALL(node(rest)., ticket, SOON);
        CALL(node(name)., connect, ticket, SOON);
        return Lines();
    }
    Answer connect_address(const std::string &name, const Said &, std::string rest) {
        const std::string ticket = CALL(node(rest)., ticket, SOON);
        const Json parts = Json::parse(CALL(millpond::, parse_ticket, ticket));
        std::string target = parts["node_id"].text;
        char between = '@';
        for (const Json &address : parts["addresses"].items) {
            target += between + address.text;
            between = ',';
        }
        CALL(node(name)., connect, target, SOON);
        return Lines();
    }
    Answer network(const std::string &name, const Said &, std::string rest) {
        CALL(node(name)., set_network, rest == "on", SOON);
        return Lines();
    }
    Answer secrets(const std::string &name, const Said &, std::string rest) {
        const std::string current = word(rest);
        std::vector<std::string> former;
        while (!rest.empty()) former.push_back(word(rest));
        CALL(node(name)., set_secrets, current, former, SOON);
        return Lines();
    }
    Answer refusal(const std::string &name, const Said &, std::string rest) {
        const Json status = Json::parse(CALL(node(name)., status, SOON));
        bool is_told = false;
        for (const Json &one : status["refusals"].items)
            is_told = is_told || one["reason"].text == rest;
        return Lines{said_bool(is_told)};
    }
    Answer proved(const std::string &name, const Said &, std::string rest) {
        const std::string peer = CALL(node(rest)., id, );
        const Json status = Json::parse(CALL(node(name)., status, SOON));
        for (const Json &one : status["peers"].items)
            if (one["node_id"].text == peer)
                return Lines{one["secret"].is_null() ? "-" : one["secret"].text};
        return Lines{"-"};
    }
    Answer missed(const std::string &name, const Said &, std::string rest) {
        const std::string peer = CALL(node(rest)., id, );
        const Json status = Json::parse(CALL(node(name)., status, SOON));
        bool is_missed = false;
        for (const Json &one : status["unheard"].items)
            is_missed = is_missed || (one["node_id"].text == peer &&
                                      std::strtoll(one["since"].text.c_str(), nullptr, 10) > 0);
        return Lines{said_bool(is_missed)};
    }
    Answer told_once(const std::string &name, const Said &, std::string) {
        std::uint64_t version = 0;
        const std::string id = CALL(node(name)., id, );
        const Json status = Json::parse(CALL(node(name)., next_status, version, SOON));
        const Result<std::string> other = node(name).try_next_status(version, SHORT);
        const bool is_quiet = !other && other.error().kind() == ErrorKind::timeout;
        return Lines{said_bool(status["node_id"].text == id && is_quiet)};
    }
    Answer verify(const std::string &name, const Said &, std::string) {
        const Json json = Json::parse(CALL(node(name)., verify, SOON));
        return Lines{"streams=" + json["streams"].text + " events=" + json["events"].text +
                     " damages=" + json["damage_count"].text};
    }
    Answer compact(const std::string &name, const Said &, std::string) {
        const Json json = Json::parse(CALL(node(name)., compact, SOON));
        return Lines{
            said_bool(json["bytes_before"].text != "0" && json["bytes_after"].text != "0")};
    }
    Answer stats(const std::string &name, const Said &, std::string) {
        const Json json = Json::parse(CALL(node(name)., stats, ));
        std::string line;
        for (const char *each : {"streams", "events", "record_bytes", "idempotency_keys"})
            line += (line.empty() ? "" : " ") + std::string(each) + "=" + json[each].text;
        return Lines{line};
    }
    Answer metric(const std::string &name, const Said &, std::string rest) {
        const std::string text = "\n" + CALL(node(name)., metrics, SOON);
        const std::string wanted = "\n" + rest + " ";
        const std::size_t at = text.find(wanted);
        must(at != std::string::npos, "the figure is there");
        const std::size_t from = at + wanted.size();
        return Lines{text.substr(from, text.find('\n', from) - from)};
    }
    Answer errors(const std::string &, const Said &, std::string) { return error_table(); }

    millpond::ReadOptions reading(const Said &said) {
        millpond::ReadOptions options;
        options.after = token_of(said, "after");
        options.session = session_of(said);
        return options;
    }
    Answer observe(const std::string &name, const Said &said, std::string rest) {
        const std::string on = word(rest);
        const millpond::AnyFish fish = fish_of(rest);
        observers_[name] = CALL(node(on)., observe, fish, reading(said), wait_of(said));
        shown_[name] = "-";
        return Lines();
    }
    Answer unobserve(const std::string &name, const Said &, std::string) {
        return closed(observers_[name].try_close());
    }
    Answer shown(const std::string &name, const Said &, std::string) {
        for (;;) {
            const Result<millpond::State> state = observers_[name].try_next(0ms);
            if (!state && state.error().kind() == ErrorKind::timeout) return Lines{shown_[name]};
            if (!state) return state.error();
            if (state->is_end()) return Lines{"end"};
            shown_[name] = CALL(state->, json, );
        }
    }
    Answer state(const std::string &name, const Said &said, std::string rest) {
        const millpond::AnyFish fish = fish_of(rest);
        const millpond::State state =
            CALL(node(name)., state, fish, reading(said), wait_of(said));
        if (const auto token = said_of(said, "token")) keep(*token, *state.token());
        return Lines{CALL(state., json, )};
    }
    Answer effect(const std::string &name, const Said &, std::string rest) {
        Draft draft;
        draft.tags = texts(word(rest));
        const millpond::AnyFish fish = fish_of(rest);
        millpond::Observer observer = CALL(node(name)., observe, fish, {}, SOON);
        const auto act = [&](const millpond::StateRef &state) {
            draft.payload = Payload::cbor(state.bytes());
            return millpond::Outcome(draft);
        };
        const Published done =
            CALL(observer., run, act, millpond::TurnKind::any, {}, SOON);
        return Lines{names_.published(done)};
    }

    Result<std::optional<std::string>> id_of(const Said &said) {
        const auto to = said_of(said, "to");
        if (!to) return std::optional<std::string>();
        return std::optional<std::string>(CALL(node(*to)., id, ));
    }
    Answer act(const std::string &name, const Said &said, millpond::Deed deed) {
        deed.idempotency_key = said_of(said, "key");
        return Lines{names_.published(CALL(node(name)., act, deed, {}, SOON))};
    }
    Answer account(const std::string &name, const Said &said, std::string rest) {
        const std::string deed = word(rest);
        const auto to = id_of(said);
        return to ? act(name, said, account_deed(deed, rest, said, *to)) : to.error();
    }
    Answer claim(const std::string &name, const Said &said, std::string rest) {
        const std::string deed = word(rest);
        const auto to = id_of(said);
        return to ? act(name, said, claim_deed(deed, rest, *to)) : to.error();
    }
    Answer report(const std::string &name, const Said &, std::string rest) {
        const millpond::Account account = node(name).account(rest);
        return Lines{account_line(names_, Json::parse(CALL(account., report, {}, SOON)))};
    }
    Answer policy(const std::string &name, const Said &, std::string rest) {
        const millpond::Account account = node(name).account(word(rest));
        if (rest == "off") CALL(account., stop_answering, );
        else CALL(account., answer_requests, std::strtoull(rest.c_str(), nullptr, 10));
        return Lines();
    }
    Answer holder(const std::string &name, const Said &, std::string rest) {
        const millpond::Claim claim = node(name).claim(rest);
        return Lines{claim_line(names_, Json::parse(CALL(claim., report, {}, SOON)))};
    }
    Answer hand_over(const std::string &name, const Said &, std::string rest) {
        const millpond::Claim claim = node(name).claim(word(rest));
        CALL(claim., hand_over_when_asked, rest == "on");
        return Lines();
    }
    Answer who_does(const std::string &name, const Said &, std::string rest) {
        const std::string json = CALL(node(name)., who_does, rest, {}, SOON);
        return Lines{doers_line(names_, Json::parse(json))};
    }
    Answer say(const std::string &name, const Said &, std::string rest) {
        doings_[name + " " + rest] =
            CALL(node(name)., do_optimistically, rest, {}, {}, SOON);
        return Lines();
    }
    Answer release(const std::string &name, const Said &said, std::string rest) {
        return act(name, said, millpond::Deed::doing_release(rest));
    }
    /// What was told last, once there is nothing newer.
    Answer standing(const std::string &name, const Said &, std::string rest) {
        const std::string both = name + " " + rest;
        for (;;) {
            const Result<std::string> told = doings_[both].try_next(SHORT);
            if (!told && told.error().kind() == ErrorKind::timeout) break;
            if (!told) return told.error();
            shown_[both] = standing_line(names_, Json::parse(*told));
        }
        return Lines{shown_[both]};
    }

    std::string folder_;
    /// How the errors of the command at hand are told.
    bool has_query_ = true, is_explained_ = false;
    Names names_{};
    std::map<std::string, Node> nodes_{};
    std::map<std::string, Token> tokens_{};
    std::map<std::string, millpond::Session> sessions_{};
    std::map<std::string, millpond::Subscription> follows_{};
    std::map<std::string, millpond::Observer> observers_{};
    std::map<std::string, millpond::Doing> doings_{};
    std::map<std::string, std::string> shown_{};
};

const std::map<std::string, Adapter::Command> &Adapter::commands() {
    static const std::map<std::string, Command> all = {
        {"open", &Adapter::open},
        {"close", &Adapter::close},
        {"publish", &Adapter::publish},
        {"publish_all", &Adapter::publish},
        {"query", &Adapter::query},
        {"republish", &Adapter::republish},
        {"explain", &Adapter::explain},
        {"complete", &Adapter::complete},
        {"subscribe", &Adapter::subscribe},
        {"unsubscribe", &Adapter::unsubscribe},
        {"next", &Adapter::next},
        {"idle", &Adapter::idle},
        {"take", &Adapter::take},
        {"interrupt", &Adapter::interrupt},
        {"lag", &Adapter::lag},
        {"position", &Adapter::position},
        {"offsets", &Adapter::offsets},
        {"same", &Adapter::same},
        {"token", &Adapter::token},
        {"merge", &Adapter::merge},
        {"wait_for", &Adapter::wait_for},
        {"session", &Adapter::session},
        {"seen", &Adapter::seen},
        {"connect", &Adapter::connect},
        {"connect_address", &Adapter::connect_address},
        {"network", &Adapter::network},
        {"secrets", &Adapter::secrets},
        {"refusal", &Adapter::refusal},
        {"proved", &Adapter::proved},
        {"missed", &Adapter::missed},
        {"told", &Adapter::told_once},
        {"verify", &Adapter::verify},
        {"compact", &Adapter::compact},
        {"stats", &Adapter::stats},
        {"metric", &Adapter::metric},
        {"errors", &Adapter::errors},
        {"observe", &Adapter::observe},
        {"unobserve", &Adapter::unobserve},
        {"shown", &Adapter::shown},
        {"state", &Adapter::state},
        {"effect", &Adapter::effect},
        {"account", &Adapter::account},
        {"claim", &Adapter::claim},
        {"report", &Adapter::report},
        {"policy", &Adapter::policy},
        {"holder", &Adapter::holder},
        {"hand_over", &Adapter::hand_over},
        {"who_does", &Adapter::who_does},
        {"do", &Adapter::say},
        {"release", &Adapter::release},
        {"standing", &Adapter::standing},
    };
    return all;
}

}  // namespace

int main(int count, char **arguments) {
    must(count == 2, "usage: adapter FOLDER");
    must(millpond::try_check_abi().has_value(), "header and library fit");
    Adapter adapter(arguments[1]);
    for (std::string line; std::getline(std::cin, line);) {
        for (const std::string &one : adapter.answer(line)) std::cout << one << "\n";
        std::cout << ".\n" << std::flush;
    }
}
