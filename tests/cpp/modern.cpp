// What C++20 and later add: named options, std::span, ranges, and waiting for descriptors.
#include "check.hpp"

#include <algorithm>
#include <coroutine>
#include <ranges>
#include <span>

using millpond::Batch;
using millpond::Cursor;
using millpond::Event;
using millpond::FishCode;

static_assert(std::ranges::contiguous_range<millpond::Bytes>);
static_assert(std::ranges::borrowed_range<millpond::Bytes> && std::ranges::view<millpond::Bytes>);
static_assert(std::convertible_to<millpond::Bytes, std::span<const std::uint8_t>>);
static_assert(std::convertible_to<std::span<const Draft>, millpond::Span<const Draft>>);
static_assert(std::ranges::random_access_range<Batch>);
static_assert(std::ranges::random_access_range<millpond::Tags>);
static_assert(std::ranges::random_access_range<millpond::States>);
static_assert(std::ranges::input_range<millpond::Events<Cursor>>);
static_assert(std::ranges::input_range<millpond::Events<Cursor &>>);
static_assert(std::ranges::input_range<millpond::Batches<millpond::Subscription &>>);
static_assert(!std::convertible_to<Batch, millpond::BatchRef>);
static_assert(!std::convertible_to<millpond::State, StateRef>);
static_assert(std::movable<Node> && !std::copyable<Node>);
static_assert(std::movable<Batch> && !std::copyable<Batch>);
static_assert(std::copyable<Error> && std::is_nothrow_copy_constructible_v<Error>);
static_assert(std::is_nothrow_move_constructible_v<Node>);

namespace {

void options_are_named_and_events_go_through_ranges() {
    Node node = Node::open({.path = fresh_folder(), .app_id = "modern", .swarm = SECRET,
                            .network = false});
    for (int i = 0; i < 6; i++)
        node.publish({.tags = {"grain"}, .payload = Payload::json(std::to_string(i))},
                     {.expected = static_cast<std::uint64_t>(i)});
    Cursor cursor = node.query("FROM 'grain'", {.order = millpond::Order::descending});
    auto even = cursor.events(SOON) |
                std::views::filter([](const Event &event) { return event.offset() % 2 == 0; }) |
                std::views::transform([](const Event &event) { return event.payload_json(); });
    std::string seen;
    for (const std::string &json : even) seen += json;
    CHECK(seen == "420");
    Cursor again = node.query("FROM 'grain'");
    const Batch batch = again.next(SOON);
    CHECK(std::ranges::count_if(batch, [](const Event &e) { return e.offset() > 2; }) == 3);
    CHECK((*std::ranges::max_element(batch, {}, &Event::offset)).offset() == 5);
    const std::span<const std::uint8_t> payload = batch[3].payload();
    CHECK(payload.size() == 1 && payload[0] == 3);
    CHECK(millpond::payload_to_json(payload) == "3");
}

void a_fish_is_said_by_name() {
    Node node = open_node();
    node.publish_all(std::vector<Draft>(3, grain("2")));
    const millpond::Fish<int> fish(FishCode<int>{
        .id = "sum",
        .version = 1,
        .query = "FROM 'grain'",
        .initial = 0,
        .step = [](int &sum, const Event &event) { sum += std::stoi(event.payload_json()); },
        .encode = [](const int &sum) { return Payload::json(std::to_string(sum)); },
        .decode = [](const millpond::SavedState &saved) { return std::stoi(saved.json()); },
    });
    CHECK(fish.value_of(node.state(fish, {}, SOON)) == 6);
}

void events_that_come_late_are_no_plain_range() {
    Node a = open_online(), b = open_online();
    a.publish(grain("1"));
    b.publish(grain("2"));
    auto keyed = b.subscribe("FROM 'grain'", {.order = millpond::SubscribeOrder::key}, SOON);
    b.publish(grain("3"));
    for (std::size_t count = 0; count < 2;) count += keyed.next(SOON).size();
    b.connect(a.ticket(SOON), SOON);
    bool is_refused = false;
    try {
        for (const Event &event : keyed.events(SOON)) CHECK(event.lamport() > 0);
    } catch (const Error &error) {
        is_refused = error.reason() == "rewind";
    }
    CHECK(is_refused);
}

/// The smallest loop over descriptors.
class Loop {
  public:
    void await_readable(int fd, std::function<void()> then) {
        waiting_.push_back({fd, std::move(then)});
    }
    /// Until nobody waits for a descriptor.
    void run() {
        while (!waiting_.empty()) {
            std::vector<pollfd> fds;
            for (const Waiting &one : waiting_) fds.push_back({one.fd, POLLIN, 0});
            CHECK(poll(fds.data(), fds.size(), 60000) > 0);
            std::vector<Waiting> before = std::exchange(waiting_, {});
            for (std::size_t i = 0; i < before.size(); i++) {
                if (fds[i].revents) before[i].then();
                else waiting_.push_back(std::move(before[i]));
            }
        }
    }

  private:
    struct Waiting {
        int fd;
        std::function<void()> then;
    };
    std::vector<Waiting> waiting_;
};

/// A coroutine that begins at once and belongs to nobody.
struct Task {
    struct promise_type {
        Task get_return_object() { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() { std::terminate(); }
    };
};

/// One that begins at once and belongs to whoever has it.
class OwnTask {
  public:
    struct promise_type {
        OwnTask get_return_object() {
            return OwnTask(std::coroutine_handle<promise_type>::from_promise(*this));
        }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() { std::terminate(); }
    };

    explicit OwnTask(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
    OwnTask(const OwnTask &) = delete;
    OwnTask &operator=(const OwnTask &) = delete;
    ~OwnTask() { handle_.destroy(); }

  private:
    std::coroutine_handle<promise_type> handle_;
};

/// Keeps what it is to call, and throws where it is told to.
struct Hand {
    std::vector<std::function<void()>> calls{};
    bool is_full = false;

    void await_readable(int, std::function<void()> then) {
        if (is_full) throw std::runtime_error("no more descriptors");
        calls.push_back(std::move(then));
    }
};

/// Takes one batch, and says how that went.
template <class Reactor>
OwnTask take_one(millpond::Subscription &subscription, Reactor &reactor, std::string &said) {
    try {
        const Result<Batch> batch = co_await millpond::next_of(subscription, reactor);
        said = batch ? "taken" : batch.error().what();
    } catch (const std::exception &error) {
        said = error.what();
    }
}

void a_coroutine_that_is_destroyed_waits_no_longer() {
    Node node = open_node();
    auto subscription = node.subscribe("FROM 'grain'", {}, SOON);
    while (!subscription.next(SOON).caught_up()) {
    }
    Hand hand;
    std::string said = "waiting";
    { const OwnTask task = take_one(subscription, hand, said); }
    CHECK(hand.calls.size() == 1);
    node.publish(grain());
    CHECK(is_readable(subscription.fd()));
    hand.calls[0]();
    CHECK(said == "waiting" && subscription.next(SOON).size() == 1);
}

void what_a_reactor_throws_is_thrown_in_the_coroutine() {
    Node node = open_node();
    auto subscription = node.subscribe("FROM 'grain'", {}, SOON);
    while (!subscription.next(SOON).caught_up()) {
    }
    Hand hand;
    std::string said;
    const OwnTask task = take_one(subscription, hand, said);
    CHECK(hand.calls.size() == 1 && said.empty());
    hand.is_full = true;
    hand.calls[0](); // As of a descriptor that is readable, and nothing is there.
    CHECK(said == "no more descriptors");
    const OwnTask other = take_one(subscription, hand, said = "");
    CHECK(said == "no more descriptors");
}

/// What two coroutines have seen of a node. Once both have seen three events, it is closed.
struct Seen {
    Node node = open_node();
    Loop loop{};
    std::size_t count = 0;
    std::string json{};
    ErrorKind failed{};

    void close_when_done() const {
        if (count == 3 && field(json, "value") == "3") node.close();
    }
};

/// Publishes until it has seen three events.
Task count_events(Seen &seen, millpond::Subscription &subscription) {
    for (;;) {
        const Result<Batch> batch = co_await millpond::next_of(subscription, seen.loop);
        seen.failed = kind_of(batch);
        if (!batch || batch->is_end()) break;
        seen.count += batch->size();
        if (seen.count < 3 && batch->caught_up()) seen.node.publish(grain());
        seen.close_when_done();
    }
}

Task look_at_states(Seen &seen, millpond::Observer &observer) {
    for (;;) {
        const Result<millpond::State> state = co_await millpond::next_of(observer, seen.loop);
        CHECK(state);
        if (!state || state->is_end()) break;
        seen.json = state->json();
        seen.close_when_done();
    }
}

void coroutines_wait_for_descriptors_on_one_thread() {
    Seen seen;
    auto subscription = seen.node.subscribe("FROM 'grain'", {}, SOON);
    auto observer = seen.node.observe(
        millpond::built_in("FROM 'grain'", millpond::folds::count()), {}, SOON);
    look_at_states(seen, observer);
    count_events(seen, subscription);
    seen.loop.run();
    CHECK(seen.count == 3 && field(seen.json, "value") == "3" && seen.failed == ErrorKind{});
    subscription.close();
    count_events(seen, subscription);
    CHECK(seen.count == 3 && seen.failed == ErrorKind::closed);
}

}  // namespace

int main() {
    run("options are named, and events go through ranges",
        options_are_named_and_events_go_through_ranges);
    run("a fish is said by name", a_fish_is_said_by_name);
    run("coroutines wait for descriptors on one thread",
        coroutines_wait_for_descriptors_on_one_thread);
    run("a coroutine that is destroyed waits no longer",
        a_coroutine_that_is_destroyed_waits_no_longer);
    run("what a reactor throws is thrown in the coroutine",
        what_a_reactor_throws_is_thrown_in_the_coroutine);
    run("events that come late are no plain range", events_that_come_late_are_no_plain_range);
    return summary();
}
