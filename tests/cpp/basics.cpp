// Publishing, queries, subscriptions, errors, ownership: what C++ adds to the C interface.
#include "check.hpp"

#include <algorithm>
#include <sys/wait.h>

using millpond::Batch;
using millpond::Cancel;
using millpond::Cursor;
using millpond::Event;
using millpond::Session;
using millpond::Subscription;
using millpond::Token;
using millpond::Wait;

namespace {

void events_are_published_and_read_back() {
    Node node = open_node();
    Draft draft;
    draft.tags = {"kind:stroke", "machine:M-017"};
    draft.payload = Payload::json("{\"grams\":812}");
    const millpond::Published published = node.publish(draft, {}, SOON);
    CHECK(published.count == 1 && published.first_offset == 0 && published.first_lamport >= 1);
    CHECK(!published.replayed && published.token && !published.stream.empty());
    Cursor cursor = node.query("FROM 'machine:M-017'");
    const Batch batch = cursor.next(SOON);
    CHECK(batch.size() == 1 && !batch.is_end() && batch.is_durable() && !batch.is_rewind());
    const Event event = batch[0];
    CHECK(event.lamport() == published.first_lamport && event.offset() == 0);
    CHECK(event.stream() == published.stream && event.app_id() == "cpp-test");
    CHECK(event.key() == std::to_string(event.lamport()) + "/" + published.stream);
    CHECK(event.time_micros() == published.time_micros);
    CHECK(event.time().time_since_epoch().count() == published.time_micros);
    CHECK(event.tags().size() == 2 && event.tags()[0] == "kind:stroke");
    CHECK(event.tags().contains("machine:M-017") && !event.tags().contains("machine"));
    CHECK(event.payload_json() == "{\"grams\":812}");
    CHECK(millpond::payload_to_json(event.payload()) == event.payload_json());
    const std::string cbor = millpond::payload_from_json(event.payload_json());
    CHECK(event.payload().size() == cbor.size());
    CHECK(std::memcmp(event.payload().data(), cbor.data(), cbor.size()) == 0);
    CHECK(millpond::payload_to_json(millpond::payload_from_json("1")) == "1");
    CHECK(cursor.next(SOON).is_end() && cursor.next(SOON).is_end());
    CHECK(batch.position() == published.token);
}

void tags_of_every_length_come_back() {
    Node node = open_node();
    Draft draft = grain();
    draft.tags.clear();
    for (const std::size_t length : {1U, 2U, 126U, 127U, 128U, 129U, 254U, 255U})
        draft.tags.push_back(std::string(length, static_cast<char>('a' + draft.tags.size())));
    Draft many = grain();
    many.tags.clear();
    for (int i = 10; i < 74; i++) many.tags.push_back(std::to_string(i));
    Draft none = grain();
    none.tags.clear();
    node.publish_all({draft, none, many});
    Cursor cursor = node.query("FROM allEvents");
    const Batch batch = cursor.next(SOON);
    CHECK(batch.size() == 3 && batch[1].has_tags() && batch[1].tags().empty());
    for (const std::size_t event : {0U, 2U}) {
        const std::vector<std::string> &said = event == 0 ? draft.tags : many.tags;
        CHECK(std::equal(said.begin(), said.end(), batch[event].tags().begin(),
                         batch[event].tags().end()));
    }
}

void batches_and_events_are_ranges() {
    Node node = open_node();
    std::vector<Draft> drafts;
    for (int i = 0; i < 10; i++) drafts.push_back(grain(std::to_string(i)));
    CHECK(node.publish_all(drafts).count == 10);
    CHECK(node.publish_all({grain("10"), grain("11")}).first_offset == 10);
    std::string seen;
    Cursor cursor = node.query("FROM 'grain'");
    for (const Event &event : cursor.events(SOON)) seen += event.payload_json() + " ";
    CHECK(seen == "0 1 2 3 4 5 6 7 8 9 10 11 ");
    seen.clear(); // A range keeps the cursor that it was made of.
    for (const Event &event : node.query("FROM 'grain'").events(SOON)) seen += event.payload_json();
    for (const Batch &batch : node.query("FROM 'grain'").batches(SOON, 6))
        seen += std::to_string(batch.size());
    for (const Event &event : *node.query("FROM 'grain'").try_next(SOON, 2))
        seen += event.payload_json();
    CHECK(seen == "012345678910116601");
    std::size_t batches = 0, events = 0;
    Cursor again = node.query("FROM 'grain'");
    for (const Batch &batch : again.batches(SOON, 5)) {
        batches++;
        for (const Event event : batch) events += event.tags().contains("grain") ? 1 : 0;
    }
    CHECK(batches == 3 && events == 12);
    Cursor twice = node.query("FROM 'grain'");
    auto halves = twice.batches(SOON, 6); // A second beginning loses nothing.
    CHECK(halves.begin()->size() == 6 && (*halves.begin())[0].offset() == 0);
    millpond::QueryOptions options;
    options.order = millpond::Order::descending;
    options.columns = millpond::Columns::key | millpond::Columns::tags;
    Cursor descending = node.query("FROM 'grain'", options);
    const Batch batch = descending.next(SOON, 1);
    CHECK(batch[0].offset() == 11 && batch[0].has_tags() && !batch[0].has_payload());
    CHECK(batch.columns() == options.columns);
    FAILS(invalid_argument, batch[0].try_payload_json());
    CHECK(contains(descending.explain(SOON), "\"is_exact\""));
    CHECK(contains(descending.completeness(), "\"offsets\""));
}

void an_error_says_what_c_says_and_outlives_its_call() {
    Node node = open_node();
    std::optional<Error> kept;
    try {
        (void)node.query("FROM 'a' &");
    } catch (const Error &error) {
        kept = error;
    }
    CHECK(kept && kept->kind() == ErrorKind::query_invalid && kept->name() == "query_invalid");
    CHECK(kept->message() == kept->what() && !kept->message().empty());
    CHECK(kept->position() && *kept->position() == 10 && !kept->is_retryable());
    CHECK(kept->missing() == "{}" && kept->details().empty());
    CHECK(millpond::name_of(ErrorKind::timeout) == "timeout");
    CHECK(millpond::is_retryable(ErrorKind::timeout) && !millpond::is_retryable(ErrorKind::closed));
    CHECK(millpond::name_of(ErrorKind{4711}) == "unknown");
    const Token far = *open_node().publish(grain()).token;
    const Result<void> waited = node.try_wait_for(far, 1ms);
    CHECK(!waited && waited.error().kind() == ErrorKind::not_yet_visible);
    CHECK(waited.error().missing().size() > 2 && waited.error().is_retryable());
    const Error own(ErrorKind::conflict, "no", "why");
    CHECK(own.kind() == ErrorKind::conflict && own.reason() == "why" && own.name() == "conflict");
    const Result<int> bad = own;
    CHECK(!bad && Result<int>(bad).value_or(7) == 7);
    try {
        (void)bad.value();
        CHECK(false);
    } catch (const std::exception &error) {
        CHECK(std::string(error.what()) == "no");
    }
}

void what_was_moved_from_is_none_and_what_was_moved_to_lives() {
    Node first = open_node();
    Node second = std::move(first);
    CHECK(!first && second);
    FAILS(invalid_argument, first.try_id());
    CHECK(second.id().size() == 64);
    Node third;
    FAILS(invalid_argument, third.try_offsets());
    third = std::move(second);
    Node &same = third;
    third = std::move(same);
    CHECK(third.id().size() == 64);
    third.publish(grain());
    Cursor cursor = third.query("FROM 'grain'");
    Batch batch = cursor.next(SOON);
    Batch other = std::move(batch);
    CHECK(batch.empty() && batch.raw() == nullptr && other.size() == 1);
    batch = std::move(other);
    CHECK(batch.size() == 1 && other.empty());
    other = cursor.next(SOON);
    other = std::move(batch);
    CHECK(other.size() == 1 && other[0].payload_json() == "1");
    const millpond_node_t raw = third.release();
    CHECK(!third && raw.id != 0);
    Node(raw).close(SOON);
    FAILS(closed, Node(raw).try_id());
}

void things_may_be_destroyed_in_any_order() {
    auto node = std::make_unique<Node>(open_node());
    node->publish(grain());
    auto cursor = std::make_unique<Cursor>(node->query("FROM 'grain'"));
    auto subscription = std::make_unique<Subscription>(node->subscribe("FROM 'grain'"));
    const Batch batch = subscription->next(SOON);
    node.reset();
    CHECK(batch.size() == 1 && batch[0].payload_json() == "1");
    FAILS(closed, cursor->try_next(SOON));
    while (!subscription->next(SOON).is_end()) {
    }
    cursor.reset();
    subscription.reset();
    CHECK(batch[0].tags()[0] == "grain");
}

void a_close_is_told_once_and_a_second_one_is_closed() {
    Node node = open_node();
    Subscription subscription = node.subscribe("FROM 'grain'");
    subscription.close();
    FAILS(closed, subscription.try_close());
    FAILS(closed, subscription.try_lag());
    node.close(SOON);
    FAILS(closed, node.try_close(SOON));
    FAILS(closed, node.try_publish(grain()));
}

void a_wait_rounds_up_and_never_becomes_endless() {
    CHECK(Wait().milliseconds() == -1 && Wait().cancel().id == 0);
    CHECK(Wait(1500us).milliseconds() == 2 && Wait(1ns).milliseconds() == 1);
    CHECK(Wait(2s).milliseconds() == 2000 && Wait(0s).milliseconds() == 0);
    CHECK(Wait(-5s).milliseconds() == 0);
    CHECK(Wait(std::chrono::duration<double>(0.0015)).milliseconds() == 2);
    CHECK(Wait(std::chrono::hours::max()).milliseconds() == std::int64_t{1} << 53);
    Node node = open_node();
    Subscription subscription = node.subscribe("FROM 'grain'");
    while (!subscription.next(SOON).caught_up()) {
    }
    FAILS(timeout, subscription.try_next(0ms));
    FAILS(timeout, subscription.try_next(1ms));
}

void a_cancel_ends_a_call_that_waits_on_another_thread() {
    Node node = open_node();
    Subscription subscription = node.subscribe("FROM 'grain'");
    while (!subscription.next(SOON).caught_up()) {
    }
    const Cancel cancel = Cancel::create();
    ErrorKind kind{};
    std::thread waiting([&] { kind = kind_of(subscription.try_next({SOON, cancel})); });
    cancel.trigger();
    waiting.join();
    CHECK(kind == ErrorKind::cancelled);
    FAILS(cancelled, node.try_status(cancel));
    node.publish(grain());
    CHECK(subscription.next(SOON).size() == 1);
}

void a_subscription_says_where_it_stands() {
    Node node = open_node();
    node.publish(grain("1"));
    Subscription first = node.subscribe("FROM 'grain'");
    CHECK(is_readable(first.fd()));
    CHECK(first.next(SOON).size() == 1);
    const Token position = first.position();
    node.publish(grain("2"));
    millpond::SubscribeOptions options;
    options.from = position;
    Subscription second = node.subscribe("FROM 'grain'", options, SOON);
    const Batch seen = second.next(SOON);
    CHECK(seen[0].payload_json() == "2");
    CHECK(second.lag() == 0);
    options.from = millpond::Start::now();
    Subscription third = node.subscribe("FROM 'grain'", options, SOON);
    node.publish(grain("3"));
    for (const Event &event : third.events(SOON)) {
        CHECK(event.payload_json() == "3");
        break;
    }
    options.from = millpond::Start::beginning();
    options.order = millpond::SubscribeOrder::key;
    Subscription keyed = node.subscribe("FROM 'grain'", options, SOON);
    const Batch batch = keyed.next(SOON);
    CHECK(batch.size() == 3 && !batch.rewind_to());
    CHECK(contains(batch.position().text(), "@"));
    options.order = millpond::SubscribeOrder::arrival;
    options.from = batch.position();
    FAILS(invalid_argument, node.try_subscribe("FROM 'grain'", options, SOON));
    for (const char *word : {"now", "beginning"}) { // Of a token, these are no words.
        options.from = Token(word);
        FAILS(invalid_argument, node.try_subscribe("FROM 'grain'", options, SOON));
    }
}

void batches_go_to_a_callback_until_the_close() {
    Node node = open_node();
    Board board;
    int freed = 0, ends = 0;
    std::size_t events = 0;
    auto holds = std::make_shared<Freed>(board, freed);
    Subscription subscription = node.subscribe(
        "FROM 'grain'", [&board, &ends, &events, holds](const Result<millpond::BatchRef> &batch) {
            board.change([&] {
                if (batch && batch->is_end()) ends++;
                else if (batch) events += batch->size();
            });
        });
    holds.reset();
    node.publish(grain());
    node.publish(grain());
    CHECK(board.becomes([&] { return events == 2; }));
    CHECK(freed == 0);
    subscription.close();
    CHECK(freed == 1 && ends == 1);
}

void a_callback_that_throws_is_told_so_once_and_not_called_again() {
    Node node = open_node();
    Board board;
    int calls = 0;
    std::optional<Error> told;
    Subscription subscription =
        node.subscribe("FROM 'grain'", [&](const Result<millpond::BatchRef> &batch) {
            board.change([&] {
                calls++;
                if (!batch) told = batch.error();
            });
            throw std::runtime_error("as planned");
        });
    node.publish(grain());
    CHECK(board.becomes([&] { return told.has_value(); }));
    node.publish(grain());
    subscription.close();
    CHECK(calls == 2 && told->kind() == ErrorKind::user_code && told->reason() == "callback");
    CHECK(told->message() == "as planned");
}

void a_close_that_does_not_wait_for_a_callback_says_so() {
    Board board;
    int freed = 0;
    bool is_inside = false, may_go = false;
    Node node = open_node();
    auto holds = std::make_shared<Freed>(board, freed);
    Subscription subscription =
        node.subscribe("FROM 'grain'", [&, holds](const Result<millpond::BatchRef> &) {
            board.change([&] { is_inside = true; });
            CHECK(board.becomes([&] { return may_go; }));
        });
    holds.reset();
    node.publish(grain());
    CHECK(board.becomes([&] { return is_inside; }));
    FAILS(timeout, node.try_close(10ms));
    CHECK(freed == 0);
    FAILS(closed, node.try_id());
    board.change([&] { may_go = true; });
    CHECK(board.becomes([&] { return freed == 1; }));
}

void a_forked_child_reads_and_destroys_and_is_refused_all_else() {
    Node node = open_node();
    node.publish(grain());
    auto cursor = std::make_unique<Cursor>(node.query("FROM 'grain'"));
    auto batch = std::make_unique<Batch>(cursor->next(SOON));
    const pid_t child = fork();
    if (child == 0) {
        bool is_so = kind_of(node.try_publish(grain())) == ErrorKind::forked_process;
        is_so = is_so && kind_of(cursor->try_next(SOON)) == ErrorKind::forked_process;
        is_so = is_so && kind_of(node.try_close()) == ErrorKind::forked_process;
        is_so = is_so && (*batch)[0].offset() == 0 && (*batch)[0].tags()[0] == "grain";
        batch.reset();
        cursor.reset();
        node = Node();
        _exit(is_so ? 7 : 8);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    CHECK((*batch)[0].offset() == 0 && cursor->next(SOON).is_end() && node.id().size() == 64);
}

struct Heavy {
    Heavy() = default;
    Heavy(const Heavy &) {} // And no move.
};

// What is said about types is so before anything runs.
static_assert(std::is_nothrow_copy_assignable_v<Error> && std::is_nothrow_move_assignable_v<Error>);
static_assert(std::is_same_v<decltype(std::declval<Result<int>>().error()), Error>);
static_assert(std::is_same_v<decltype(std::declval<Result<void>>().error()), Error>);
static_assert(std::is_same_v<decltype(std::declval<Result<int> &>().error()), const Error &>);
static_assert(noexcept(*std::declval<Result<std::string>>()));
static_assert(!noexcept(*std::declval<Result<Heavy>>()));
static_assert(!std::is_constructible_v<Wait, Cancel>);
static_assert(!std::is_constructible_v<Wait, std::chrono::seconds, Cancel>);
static_assert(std::is_constructible_v<Wait, std::chrono::seconds, Cancel &>);

void an_error_that_was_moved_from_still_says_what_it_says() {
    Error first(ErrorKind::conflict, "no");
    const Error second = std::move(first);
    CHECK(first.message() == "no" && second.message() == "no");
    const Error poor = Error::without_memory();
    CHECK(poor.kind() == ErrorKind::user_code && poor.name() == "user_code");
    CHECK(poor.message() == "out of memory" && poor.missing() == "{}" && poor.details().empty());
    CHECK(poor.reason().empty() && !poor.position() && !poor.is_retryable());
}

void a_callback_of_nothing_is_none() {
    void (*nothing)(const Result<millpond::BatchRef> &) = nullptr;
    CHECK(!millpond::BatchCallback(nothing));
    CHECK(!millpond::BatchCallback(std::function<void(const Result<millpond::BatchRef> &)>()));
    Node node = open_node();
    FAILS(invalid_argument, node.try_subscribe("FROM 'grain'", nothing));
    CHECK(node.subscribe("FROM 'grain'", {}).lag() == 0); // The habit of `{}` for no options.
    // Where nothing is asked for, a value is dropped and an error is not.
    const millpond::Callback<void(int)> counts([](int n) { return n + 1; });
    CHECK(counts(1));
    const millpond::Callback<void(int)> fails(
        [](int) -> Result<int> { return Error(ErrorKind::conflict, "no"); });
    FAILS(conflict, fails(1));
}

void a_session_reads_what_it_wrote() {
    Node node = open_node();
    const Session session = Session::create();
    millpond::PublishOptions publish;
    publish.session = &session;
    publish.idempotency_key = "order 7";
    publish.expected = 0;
    publish.durability = millpond::Durability::power;
    const millpond::Published first = node.publish(grain(), publish, SOON);
    CHECK(session.token() == first.token);
    CHECK(node.publish(grain(), publish, SOON).replayed);
    publish.idempotency_key.reset();
    FAILS(conflict, node.try_publish(grain(), publish, SOON));
    millpond::QueryOptions query;
    query.session = &session;
    CHECK(node.query("FROM 'grain'", query, SOON).next(SOON).size() == 1);
    Node other = open_node();
    const Token both = Token::merge({*first.token, *other.publish(grain()).token});
    FAILS(not_yet_visible, node.try_wait_for(both, 1ms));
    node.wait_for(*first.token, SOON, "FROM 'grain'");
    session.sees(both);
    CHECK(session.token() == both);
    CHECK(Token::merge({}).text() != both.text());
    query.after = Token("no token");
    FAILS(invalid_argument, node.try_query("FROM 'grain'", query, SOON));
    query.after = Token("");
    FAILS(invalid_argument, node.try_query("FROM 'grain'", query, SOON));
    query.session = nullptr, query.after = {}, query.lower = first.token;
    CHECK(node.query("FROM 'grain'", query, SOON).next(SOON).is_end());
}

void every_choice_is_one_that_c_knows() {
    Node node = open_node();
    using millpond::Order, millpond::Durability, millpond::Delivery, millpond::SubscribeOrder;
    millpond::PublishOptions publish;
    for (const Durability durability :
         {Durability::unsaid, Durability::power, Durability::process}) {
        publish.durability = durability;
        CHECK(node.publish(grain(), publish, SOON).count == 1);
    }
    for (const Order order : {Order::unsaid, Order::ascending, Order::descending, Order::stream}) {
        millpond::QueryOptions query;
        query.order = order;
        CHECK(node.query("FROM 'grain'", query, SOON).next(SOON).size() >= 2);
    }
    millpond::SubscribeOptions subscribe;
    for (const Delivery delivery : {Delivery::unsaid, Delivery::durable, Delivery::live}) {
        subscribe.delivery = delivery;
        CHECK(node.subscribe("FROM 'grain'", subscribe, SOON).next(SOON).size() >= 2);
    }
    subscribe.delivery = Delivery::unsaid;
    for (const SubscribeOrder order :
         {SubscribeOrder::unsaid, SubscribeOrder::arrival, SubscribeOrder::key}) {
        subscribe.order = order;
        CHECK(node.subscribe("FROM 'grain'", subscribe, SOON).next(SOON).size() >= 2);
    }
    // What is none of them is not taken for unsaid.
    millpond::PublishOptions no_publish;
    no_publish.durability = static_cast<Durability>(9);
    FAILS(invalid_argument, node.try_publish(grain(), no_publish, SOON));
    millpond::QueryOptions no_query;
    no_query.order = static_cast<Order>(9);
    FAILS(invalid_argument, node.try_query("FROM 'grain'", no_query, SOON));
    millpond::SubscribeOptions no_subscribe;
    no_subscribe.delivery = static_cast<Delivery>(9);
    FAILS(invalid_argument, node.try_subscribe("FROM 'grain'", no_subscribe, SOON));
    no_subscribe.delivery = Delivery::unsaid;
    no_subscribe.order = static_cast<SubscribeOrder>(9);
    FAILS(invalid_argument, node.try_subscribe("FROM 'grain'", no_subscribe, SOON));
    subscribe.batch_count_max = 4097;
    Board board;
    ErrorKind told{};
    const auto tell = [&](const Result<millpond::BatchRef> &batch) {
        board.change([&] { told = kind_of(batch); });
    };
    const millpond::Subscription greedy = node.subscribe("FROM 'grain'", tell, subscribe);
    CHECK(board.becomes([&] { return told == ErrorKind::invalid_argument; }));
    FAILS(invalid_argument, node.try_subscribe("FROM 'grain'", millpond::BatchCallback()));
    CHECK((millpond::Columns::all | millpond::Columns::tags) == millpond::Columns::all);
}

}  // namespace

int main() {
    millpond::check_abi();
    run("events are published and read back", events_are_published_and_read_back);
    run("tags of every length come back", tags_of_every_length_come_back);
    run("batches and events are ranges", batches_and_events_are_ranges);
    run("an error says what C says, and outlives its call",
        an_error_says_what_c_says_and_outlives_its_call);
    run("what was moved from is none, and what was moved to lives",
        what_was_moved_from_is_none_and_what_was_moved_to_lives);
    run("things may be destroyed in any order", things_may_be_destroyed_in_any_order);
    run("a close is told once, and a second one is closed",
        a_close_is_told_once_and_a_second_one_is_closed);
    run("a wait rounds up, and never becomes endless", a_wait_rounds_up_and_never_becomes_endless);
    run("a cancel ends a call that waits on another thread",
        a_cancel_ends_a_call_that_waits_on_another_thread);
    run("a subscription says where it stands", a_subscription_says_where_it_stands);
    run("batches go to a callback until the close", batches_go_to_a_callback_until_the_close);
    run("a callback that throws is told so once, and not called again",
        a_callback_that_throws_is_told_so_once_and_not_called_again);
    run("a close that does not wait for a callback says so",
        a_close_that_does_not_wait_for_a_callback_says_so);
    run("a forked child reads and destroys, and is refused all else",
        a_forked_child_reads_and_destroys_and_is_refused_all_else);
    run("an error that was moved from still says what it says",
        an_error_that_was_moved_from_still_says_what_it_says);
    run("a callback of nothing is none", a_callback_of_nothing_is_none);
    run("a session reads what it wrote", a_session_reads_what_it_wrote);
    run("every choice is one that C knows", every_choice_is_one_that_c_knows);
    return summary();
}
