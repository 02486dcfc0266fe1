// The face without exceptions, compiled with -fno-exceptions -fno-rtti: as PLCs and games build.
#include "check.hpp"

using millpond::AnyFish;
using millpond::Batch;
using millpond::Cursor;
using millpond::Event;
using millpond::Fish;
using millpond::FishCode;
using millpond::Observer;
using millpond::Outcome;
using millpond::SavedState;

int run_plain();

namespace {

void calls_answer_by_results() {
    static_assert(!MILLPOND_EXCEPTIONS, "this is the face without exceptions");
    Node node = open_node();
    const millpond::Published published = must(node.try_publish(grain("[1,2]"), {}, SOON));
    Cursor cursor = must(node.try_query("FROM 'grain'"));
    const Batch batch = must(cursor.try_next(SOON));
    CHECK(batch.size() == 1 && batch[0].offset() == published.first_offset);
    for (const Event event : batch) CHECK(must(event.try_payload_json()) == "[1,2]");
    const Result<Cursor> refused = node.try_query("FROM");
    CHECK(!refused && refused.error().kind() == ErrorKind::query_invalid);
    CHECK(refused.error().position() && refused.error().message() == refused.error().what());
    millpond::Subscription subscription = must(node.try_subscribe("FROM 'grain'"));
    CHECK(must(subscription.try_next(SOON)).size() == 1);
    CHECK(must(subscription.try_position()) == must(batch.try_position()));
    must(node.try_close(SOON));
    FAILS(closed, node.try_close(SOON));
}

/// Sums the numbers of grains; answers an error at a text.
FishCode<long long> summing() {
    FishCode<long long> code;
    code.id = "plain";
    code.version = 1;
    code.query = "FROM 'grain'";
    code.step = [](long long &sum, const Event &event) -> Result<void> {
        const Result<std::string> json = event.try_payload_json();
        if (!json) return json.error();
        if ((*json)[0] == '"') return Error(ErrorKind::invalid_argument, "a text is no grain");
        sum += std::strtoll(json->c_str(), nullptr, 10);
        return {};
    };
    code.encode = [](const long long &sum) { return Payload::json(std::to_string(sum)); };
    code.decode = [](const SavedState &saved) -> Result<long long> {
        const Result<std::string> json = saved.try_json();
        if (!json) return json.error();
        return std::strtoll(json->c_str(), nullptr, 10);
    };
    return code;
}

void code_fails_by_what_it_answers() {
    Node node = open_node();
    const Fish<long long> fish(summing());
    Observer observer = must(node.try_observe(fish, {}, SOON));
    must(observer.try_run([](const StateRef &) { return Outcome(grain("4")); },
                          millpond::TurnKind::any, {}, SOON));
    CHECK(must(fish.try_value_of(must(observer.try_state(SOON)))) == 4);
    const auto jam = [](const StateRef &) -> Result<Outcome> {
        return Error(ErrorKind::conflict, "jammed");
    };
    const auto failed = observer.try_run(jam, millpond::TurnKind::any, {}, SOON);
    CHECK(kind_of(failed) == ErrorKind::user_code && contains(failed.error().what(), "jammed"));
    millpond::Group group = must(node.try_observe_all(
        "FROM 'grain'",
        [](const Event &) -> Result<std::optional<AnyFish>> {
            return Error(ErrorKind::not_found, "no such fish");
        },
        {}, SOON));
    const auto shown = group.try_next(SOON);
    CHECK(kind_of(shown) == ErrorKind::user_code && contains(shown.error().what(), "no such fish"));
    (void)must(node.try_publish(grain("\"x\"")));
    Result<millpond::State> state = observer.try_next(SOON);
    while (state) state = observer.try_next(SOON);
    CHECK(state.error().kind() == ErrorKind::user_code);
    CHECK(contains(state.error().what(), "a text is no grain"));
}

// What is about to be gone can be kept by no view of it.
static_assert(!std::is_assignable_v<millpond::BatchRef &, Batch>);
static_assert(!std::is_constructible_v<millpond::BatchRef, Batch>);
static_assert(std::is_assignable_v<millpond::BatchRef &, Batch &>);
static_assert(!std::is_assignable_v<StateRef &, millpond::State>);
static_assert(!std::is_constructible_v<StateRef, millpond::State>);
static_assert(std::is_assignable_v<StateRef &, millpond::State &>);
template <class T, class = void>
constexpr bool has_first = false;
template <class T>
constexpr bool has_first<T, std::void_t<decltype(std::declval<T>()[0])>> = true;
static_assert(has_first<const Batch &> && !has_first<Batch>);
static_assert(has_first<const millpond::States &> && !has_first<millpond::States>);
template <class T, class = void>
constexpr bool has_bytes = false;
template <class T>
constexpr bool has_bytes<T, std::void_t<decltype(std::declval<T>().bytes())>> = true;
static_assert(has_bytes<const millpond::State &> && !has_bytes<millpond::State>);

void a_callback_that_answers_an_error_is_told_so_once_and_not_called_again() {
    Node node = open_node();
    Board board;
    int calls = 0;
    std::optional<Error> told;
    const auto jam = [&](const Result<millpond::BatchRef> &batch) -> Result<void> {
        board.change([&] {
            calls++;
            if (!batch) told = batch.error();
        });
        return Error(ErrorKind::conflict, "jammed");
    };
    millpond::Subscription subscription = must(node.try_subscribe("FROM 'grain'", jam));
    must(node.try_publish(grain(), {}, SOON));
    CHECK(board.becomes([&] { return told.has_value(); }));
    must(node.try_publish(grain(), {}, SOON));
    must(subscription.try_close());
    CHECK(calls == 2 && told->kind() == ErrorKind::user_code && told->reason() == "callback");
    CHECK(told->message() == "jammed");
}

void a_session_or_cancel_that_is_none_is_refused() {
    Node node = open_node();
    const Fish<long long> fish(summing());
    Observer observer = must(node.try_observe(fish, {}, SOON));
    millpond::Session none;
    millpond::Session moved = must(millpond::Session::try_create());
    const millpond::Session kept = std::move(moved);
    millpond::Cancel cancel;
    CHECK(kept && !moved);
    for (const millpond::Session *session : {&none, &moved}) {
        millpond::PublishOptions publish;
        publish.session = session;
        FAILS(invalid_argument, node.try_publish(grain(), publish, SOON));
        millpond::ReadOptions read;
        read.session = session;
        FAILS(invalid_argument, node.try_state(fish, read, SOON));
        FAILS(invalid_argument, observer.try_turn(millpond::TurnKind::any, *session, SOON));
    }
    FAILS(invalid_argument, observer.try_next(cancel));
}

void deeds_answer_by_results() {
    Node node = open_node();
    const millpond::Account account = node.account("steel");
    must(account.try_create(10, 0, {}, SOON));
    FAILS(overdraft, account.try_withdraw(11, SOON));
    CHECK(field(must(account.try_report({}, SOON)), "balance") == "10");
    CHECK(must(node.try_own_doing("welding", SOON)) == std::nullopt);
}

}  // namespace

int run_plain() {
    run("calls answer by results", calls_answer_by_results);
    run("code fails by what it answers", code_fails_by_what_it_answers);
    run("a callback that answers an error is told so once, and not called again",
        a_callback_that_answers_an_error_is_told_so_once_and_not_called_again);
    run("a session or cancel that is none is refused", a_session_or_cancel_that_is_none_is_refused);
    run("deeds answer by results", deeds_answer_by_results);
    return summary();
}
