// Fish with code in C++, built-in folds, observers, turns, effects and groups.
#include "check.hpp"

#include <stdexcept>

using millpond::AnyFish;
using millpond::Event;
using millpond::Fish;
using millpond::FishCode;
using millpond::Observer;
using millpond::Outcome;
using millpond::SavedState;
using millpond::State;
using millpond::TurnKind;
namespace folds = millpond::folds;

namespace {

/// Sums the numbers of grains; a negative one is refused, and 1000 is a reset.
FishCode<long long> summing(const std::string &id = "sum") {
    FishCode<long long> code;
    code.id = id;
    code.version = 1;
    code.query = "FROM 'grain'";
    code.step = [](long long &sum, const Event &event) {
        const long long number = std::stoll(event.payload_json());
        if (number < 0) throw std::runtime_error("negative grain");
        sum += number;
    };
    code.encode = [](const long long &sum) { return Payload::json(std::to_string(sum)); };
    code.decode = [](const SavedState &saved) { return std::stoll(saved.json()); };
    code.is_reset = [](const Event &event) { return event.payload_json() == "1000"; };
    return code;
}

void a_fish_of_code_folds_resets_and_is_read_by_type() {
    Node node = open_node();
    const Fish<long long> fish(summing());
    Observer observer = node.observe(fish, {}, SOON);
    CHECK(fish.value_of(observer.next(SOON)) == 0);
    const millpond::Published published = node.publish_all({grain("3"), grain("4")});
    millpond::ReadOptions read;
    read.after = published.token;
    const State state = node.state(fish, read, SOON);
    CHECK(fish.value_of(state) == 7 && state.json() == "7" && !state.is_end());
    CHECK(state.number() > 0 && state.token() && state.last() && !state.bytes().empty());
    CHECK(contains(std::string(*state.last()), published.stream.c_str()));
    node.publish_all({grain("1000"), grain("5")});
    CHECK(fish.value_of(observer.state(SOON)) == 1005);
    CHECK(is_readable(observer.fd()));
    while (fish.value_of(observer.next(SOON)) != 1005) {
    }
    node.close(SOON);
    State end = observer.next(SOON);
    while (!end.is_end()) end = observer.next(SOON);
    CHECK(end.is_end() && end.number() == 0 && !end.last() && !end.token());
    FAILS(invalid_argument, end.try_json());
    FAILS(invalid_argument, fish.try_value_of(end));
    FAILS(invalid_argument, fish.try_value_of(StateRef()));
}

/// A value whose copies throw once there were enough of them.
struct Fragile {
    int *copies_left = nullptr;
    explicit Fragile(int *left) : copies_left(left) {}
    Fragile(const Fragile &other) : copies_left(other.copies_left) {
        if (--*copies_left < 0) throw std::runtime_error("worn out");
    }
    Fragile &operator=(const Fragile &) = default;
};

void a_value_that_cannot_be_copied_is_a_user_code_error() {
    Node node = open_node();
    int copies_left = 1000;
    FishCode<Fragile> code{"fragile", 1, "FROM 'grain'", Fragile(&copies_left)};
    code.step = [](Fragile &, const Event &) {};
    code.encode = [](const Fragile &) { return Payload::json("0"); };
    code.decode = [&](const SavedState &) { return Fragile(&copies_left); };
    const Fish<Fragile> fish(code);
    const State state = node.state(fish, {}, SOON);
    // Wherever in the making of a value the copy fails, that is an error of the kind.
    for (int left = 0, is_over = 0; !is_over; left++) {
        copies_left = left;
        const Result<Fragile> value = fish.try_value_of(state);
        is_over = value.has_value();
        CHECK(is_over || value.error().kind() == ErrorKind::user_code);
    }
    copies_left = 0;
    FAILS(user_code, node.try_state(fish, {}, SOON));
    copies_left = 1000;
    Result<Fragile> kept = Fragile(&copies_left);
    copies_left = 0;
    bool has_thrown = false;
    try {
        (void)*std::move(kept);
    } catch (const std::runtime_error &) {
        has_thrown = true;
    }
    CHECK(has_thrown);
}

void an_error_of_millpond_in_decode_is_a_user_code_error() {
    Node node = open_node();
    FishCode<long long> code = summing("decoding");
    code.decode = [](const SavedState &saved) {
        (void)Node().id(); // Throws `invalid_argument`.
        return std::stoll(saved.json());
    };
    const Fish<long long> fish(code);
    const Result<long long> value = fish.try_value_of(node.state(fish, {}, SOON));
    CHECK(kind_of(value) == ErrorKind::user_code && !value.error().message().empty());
}

void a_fish_that_was_moved_from_is_still_a_fish() {
    Node node = open_node();
    node.publish(grain("3"));
    Fish<long long> fish(summing());
    const Fish<long long> other = std::move(fish);
    CHECK(fish.value_of(node.state(fish, {}, SOON)) == 3);
    CHECK(other.value_of(node.state(other, {}, SOON)) == 3);
    Observer observer = node.observe(fish, {}, SOON);
    CHECK(observer.turn(TurnKind::any, {}).state().json() == "3");
}

void code_that_throws_is_a_user_code_error_that_names_its_event() {
    Node node = open_node();
    node.publish(grain("1"));
    const Fish<long long> fish(summing());
    Observer observer = node.observe(fish, {}, SOON);
    CHECK(fish.value_of(observer.next(SOON)) == 1);
    const millpond::Published bad = node.publish(grain("-1"));
    Result<State> failed = observer.try_next(SOON);
    while (failed) failed = observer.try_next(SOON);
    CHECK(failed.error().kind() == ErrorKind::user_code);
    CHECK(contains(failed.error().what(), "negative grain"));
    CHECK(contains(std::string(failed.error().details()), "\"sum\""));
    CHECK(bad.count == 1);

    FishCode<long long> code = summing("encode");
    code.encode = [](const long long &) -> Payload { throw 7; };
    FAILS(user_code, node.try_state(Fish<long long>(code), {}, SOON));
    code = summing("answer");
    code.query = "FROM 'nothing'";
    code.encode = [](const long long &) -> Result<Payload> {
        return Error(ErrorKind::conflict, "not today");
    };
    const Result<State> refused = node.try_state(Fish<long long>(code), {}, SOON);
    CHECK(kind_of(refused) == ErrorKind::user_code);
    CHECK(contains(refused.error().what(), "not today"));
    code.encode = [](const long long &) { return Payload::json("{"); };
    FAILS(user_code, node.try_state(Fish<long long>(code), {}, SOON));
    code.encode = {};
    FAILS(invalid_argument, node.try_state(Fish<long long>(code), {}, SOON));
    CHECK(node.query("FROM 'grain'").next(SOON).size() == 2); // The log does not notice.
}

void a_fish_goes_on_from_the_state_that_it_saved() {
    const std::string folder = fresh_folder();
    const Fish<long long> fish(summing());
    {
        Node node = Node::open(options_at(folder), SOON);
        std::vector<Draft> drafts(4096, grain("1"));
        node.publish_all(drafts);
        CHECK(fish.value_of(node.state(fish, {}, SOON)) == 4096);
        node.close(SOON);
    }
    Node node = Node::open(options_at(folder), SOON);
    node.publish(grain("2"));
    CHECK(fish.value_of(node.state(fish, {}, SOON)) == 4098);
}

void what_a_fish_holds_is_freed_once_whoever_closes() {
    Board board;
    int freed = 0;
    Node node = open_node();
    FishCode<long long> code = summing();
    auto holds = std::make_shared<Freed>(board, freed);
    code.step = [holds](long long &sum, const Event &) { sum++; };
    holds.reset();
    {
        std::optional<Fish<long long>> fish(std::move(code));
        Observer first = node.observe(*fish, {}, SOON), second = node.observe(*fish, {}, SOON);
        fish.reset();
        node.publish(grain());
        first = std::move(second);
        CHECK(first.state(SOON).json() == "1");
        CHECK(freed == 0);
    }
    node.close(SOON);
    CHECK(board.becomes([&] { return freed == 1; }));
}

void built_in_folds_need_no_code() {
    Node node = open_node();
    Draft draft = grain("{\"machine\":\"M \\\"1\\\"\",\"grams\":5}");
    draft.tags.push_back("line:a");
    node.publish_all({draft, draft, grain("{\"machine\":\"M2\",\"grams\":7}")});
    const auto folded = [&](const millpond::Fold &fold) {
        return node.state(millpond::built_in("FROM 'grain'", fold), {}, SOON).json();
    };
    CHECK(field(folded(folds::count()), "value") == "3");
    CHECK(field(folded(folds::count("/none")), "value") == "0");
    CHECK(field(folded(folds::sum("/grams")), "value") == "17");
    CHECK(field(folded(folds::min("/grams")), "value") == "5");
    CHECK(field(folded(folds::max("/grams")), "value") == "7");
    CHECK(field(folded(folds::max_text("/machine")), "value") == "M2");
    CHECK(contains(folded(folds::min_text("/machine")), "M \\\"1\\\""));
    CHECK(field(folded(folds::latest("/grams")), "value") == "7");
    CHECK(field(folded(folds::earliest("/grams")), "value") == "5");
    CHECK(contains(folded(folds::group(folds::By::text("/machine"), folds::count())), "\"M2\":1"));
    CHECK(contains(folded(folds::group(folds::By::integer("/grams"), folds::count())), "\"5\":2"));
    CHECK(contains(folded(folds::group(folds::By::tag("line:"), folds::count())), "\"a\":2"));
    const std::string all = folded(
        folds::all({{"n", folds::count()}, {"o\"", folds::group(folds::By::tag("line:"),
                                                                  folds::sum("/grams"))}}));
    CHECK(contains(all, "\"n\":3") && contains(all, "{\"a\":10}"));
    FAILS(invalid_argument, node.try_state(millpond::built_in("FROM 'grain'", millpond::Fold("{}")),
                                           {}, SOON));
}

void states_go_to_a_callback_until_the_close() {
    Node node = open_node();
    Board board;
    int freed = 0, ends = 0;
    std::string seen;
    const Fish<long long> fish(summing());
    Observer observer = node.observe(fish, {}, SOON);
    auto holds = std::make_shared<Freed>(board, freed);
    observer.call_back([&board, &ends, &seen, holds](const Result<StateRef> &state) {
        board.change([&] {
            if (state && state->is_end()) ends++;
            else if (state) seen = must(state->try_json());
        });
    });
    holds.reset();
    FAILS(invalid_argument, observer.try_call_back([](const Result<StateRef> &) {}));
    node.publish(grain("6"));
    CHECK(board.becomes([&] { return seen == "6"; }));
    observer.close();
    CHECK(freed == 1 && ends == 1);
}

void a_turn_is_used_once_or_given_back() {
    Node node = open_node();
    const Fish<long long> fish(summing());
    Observer observer = node.observe(fish, {}, SOON);
    {
        const millpond::Turn turn = observer.turn(TurnKind::changed, SOON);
        CHECK(fish.value_of(turn.state()) == 0);
        Observer other = node.observe(fish, {}, SOON);
        FAILS(timeout, other.try_turn(TurnKind::any, 1ms));
    } // Given back.
    millpond::Turn turn = observer.turn(TurnKind::any, SOON);
    CHECK(turn.publish(grain("2"), {}, SOON).count == 1);
    FAILS(closed, turn.try_state());
    FAILS(closed, turn.try_close());
    turn = observer.turn(TurnKind::changed, SOON);
    CHECK(fish.value_of(turn.state()) == 2);
    CHECK(turn.publish_all({grain("3"), grain("4")}, {}, SOON).count == 2);
    CHECK(fish.value_of(observer.state(SOON)) == 9);
}

void a_turn_in_a_session_is_on_a_state_of_all_that_it_has_seen() {
    Node node = open_node();
    Node elsewhere = open_node();
    const Fish<long long> fish(summing());
    Observer observer = node.observe(fish, {}, SOON);
    const millpond::Session session = millpond::Session::create();
    millpond::PublishOptions options;
    options.session = &session;
    node.publish(grain("2"), options, SOON);
    millpond::Turn turn = observer.turn(TurnKind::any, session, SOON);
    CHECK(fish.value_of(turn.state()) == 2);
    turn.close();
    session.sees(*elsewhere.publish(grain("3"), {}, SOON).token);
    FAILS(not_yet_visible, observer.try_turn(TurnKind::any, session, 10ms));
}

void an_effect_publishes_what_follows_or_nothing_when_it_throws() {
    Node node = open_node();
    const Fish<long long> fish(summing());
    Observer observer = node.observe(fish, {}, SOON);
    const auto add = [&](const StateRef &state) {
        return std::vector<Draft>{grain(std::to_string(fish.value_of(state) + 1))};
    };
    CHECK(observer.run(add, TurnKind::any, {}, SOON).count == 1);
    CHECK(observer.run(add, TurnKind::any, {}, SOON).first_offset == 1);
    const millpond::Published none =
        observer.run([](const StateRef &) { return Outcome(); }, TurnKind::any, {}, SOON);
    CHECK(none.count == 0 && !none.token);
    const Result<millpond::Published> failed = observer.try_run(
        [](const StateRef &) -> Outcome { throw std::runtime_error("jammed"); }, TurnKind::any, {},
        SOON);
    CHECK(kind_of(failed) == ErrorKind::user_code && failed.error().reason() == "effect");
    CHECK(contains(failed.error().what(), "jammed"));
    ErrorKind nested{};
    (void)observer.run(
        [&](const StateRef &) {
            nested = kind_of(observer.try_turn());
            return Outcome();
        },
        TurnKind::any, {}, SOON);
    CHECK(nested == ErrorKind::invalid_argument);
    FAILS(invalid_argument, observer.try_run({}, TurnKind::any, {}, SOON));
    FAILS(invalid_argument, observer.try_keep_running({}));
    FAILS(invalid_argument, observer.try_call_back({}));
    FAILS(invalid_argument, node.try_observe_all("FROM 'grain'", {}, {}, SOON));
    CHECK(fish.value_of(node.state(fish, {}, SOON)) == 3);
}

void an_effect_is_kept_running_until_it_says_that_it_is_the_last() {
    Node node = open_node();
    Board board;
    int freed = 0, ends = 0;
    bool had_error = false;
    const Fish<long long> fish(summing());
    Observer observer = node.observe(fish, {}, SOON);
    auto holds = std::make_shared<Freed>(board, freed);
    const auto effect = [fish, holds](const StateRef &state) {
        return fish.value_of(state) < 4 ? Outcome(grain()) : Outcome::last();
    };
    const auto ended = [&](const std::optional<Error> &error) {
        board.change([&] { ends++, had_error = error.has_value(); });
    };
    {
        auto given = effect;
        observer.keep_running(std::move(given), ended);
    }
    CHECK(board.becomes([&] { return ends == 1; }));
    CHECK(!had_error && fish.value_of(observer.state(SOON)) == 4);
    observer.close();

    Observer failing = node.observe(fish, {}, SOON);
    failing.keep_running([](const StateRef &) -> Outcome { throw std::runtime_error("jammed"); },
                         ended);
    CHECK(board.becomes([&] { return ends == 2; }));
    CHECK(had_error);
}

void a_group_shows_the_fish_that_are_made_of_events() {
    Node node = open_node();
    const auto make = [](const Event &event) -> std::optional<AnyFish> {
        const std::string json = event.payload_json();
        if (json == "null") return std::nullopt;
        if (json == "false") throw std::runtime_error("as asked");
        return Fish<long long>(summing(json));
    };
    const auto seed = [](const char *json) {
        Draft draft = grain(json);
        draft.tags = {"seed"};
        return draft;
    };
    node.publish_all({seed("\"b\""), seed("\"a\""), seed("null"), grain("5")});
    millpond::Group all = node.observe_all("FROM 'seed'", make, {}, SOON);
    CHECK(is_readable(all.fd()));
    millpond::States states = all.next(SOON);
    CHECK(states.size() == 2 && states.number() == 1 && !states.is_end());
    CHECK(states[0].fish_id == "\"a\"" && states[1].state.json() == "5");
    CHECK(states.find("\"b\"") && !states.find("c"));
    std::size_t shown = 0;
    for (const millpond::Shown &one : states) shown += one.state.json() == "5" ? 1 : 0;
    CHECK(shown == 2);
    millpond::Group one = node.observe_one("FROM 'seed'", make, {}, SOON);
    const millpond::States first = one.next(SOON);
    CHECK(first[0].fish_id == "\"b\"");
    node.publish(seed("false"));
    Result<millpond::States> failed = all.try_next(SOON);
    while (failed) failed = all.try_next(SOON);
    CHECK(failed.error().kind() == ErrorKind::user_code);
    CHECK(failed.error().reason() == "make_fish" && contains(failed.error().what(), "as asked"));
    node.close(SOON);
    while (!one.next(SOON).is_end()) {
    }
    const millpond::States moved = std::move(states);
    CHECK(moved.size() == 2 && states.empty());
}

}  // namespace

int main() {
    run("a fish of code folds, resets, and is read by type",
        a_fish_of_code_folds_resets_and_is_read_by_type);
    run("code that throws is a user_code error that names its event",
        code_that_throws_is_a_user_code_error_that_names_its_event);
    run("a value that cannot be copied is a user_code error",
        a_value_that_cannot_be_copied_is_a_user_code_error);
    run("an error of millpond in decode is a user_code error",
        an_error_of_millpond_in_decode_is_a_user_code_error);
    run("a fish that was moved from is still a fish", a_fish_that_was_moved_from_is_still_a_fish);
    run("a fish goes on from the state that it saved", a_fish_goes_on_from_the_state_that_it_saved);
    run("what a fish holds is freed once, whoever closes",
        what_a_fish_holds_is_freed_once_whoever_closes);
    run("built-in folds need no code", built_in_folds_need_no_code);
    run("states go to a callback until the close", states_go_to_a_callback_until_the_close);
    run("a turn is used once, or given back", a_turn_is_used_once_or_given_back);
    run("a turn in a session is on a state of all that it has seen",
        a_turn_in_a_session_is_on_a_state_of_all_that_it_has_seen);
    run("an effect publishes what follows, or nothing when it throws",
        an_effect_publishes_what_follows_or_nothing_when_it_throws);
    run("an effect is kept running until it says that it is the last, in C++",
        an_effect_is_kept_running_until_it_says_that_it_is_the_last);
    run("a group shows the fish that are made of events",
        a_group_shows_the_fish_that_are_made_of_events);
    return summary();
}
