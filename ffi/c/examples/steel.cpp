// 1,000 t of steel in London and New York, which are cut off from each other: three ways to spend
// it. Two nodes in one process, over loopback; docs/escrow.md tells the story.
//
//   c++ -std=c++17 steel.cpp $(pkg-config --cflags --libs millpond) -o steel && ./steel FOLDER
#include <millpond.hpp>

#include <iostream>

using namespace std::chrono_literals;
using millpond::Error;
using millpond::Node;

namespace {

constexpr auto WAIT = 60s; // After it the nodes count as lost to each other.

Node open_node(const std::string &path, const std::string &secret) {
    millpond::NodeOptions options;
    options.path = path;
    options.app_id = "steel";
    options.swarm = secret;
    options.bind = {"127.0.0.1:0"};
    options.discovery = false;
    return Node::open(options, WAIT);
}

/// Both, and what happens between them.
struct Swarm {
    Node london, york;

    void cut() const { london.set_network(false, WAIT); }
    void heal() const {
        london.set_network(true, WAIT);
        york.connect(london.ticket(WAIT), WAIT);
        york.wait_for(london.offsets(), WAIT);
        london.wait_for(york.offsets(), WAIT);
    }
};

/// The whole number behind a name in JSON, as millpond writes it; `json` has that name.
long long number_in(std::string_view json, const std::string &name) {
    const std::string key = "\"" + name + "\":";
    return std::stoll(std::string(json.substr(json.find(key) + key.size(), 20)));
}

// 1. Available, and wrong: each node withdraws from the balance that it knows.

void book(const Node &node, long long amount) {
    millpond::Draft draft;
    draft.tags = {"stock"};
    draft.payload = millpond::Payload::json(std::to_string(amount));
    node.publish(draft, {}, WAIT);
}

long long balance_at(const Node &node) {
    const millpond::AnyFish sum = millpond::built_in("FROM 'stock'", millpond::folds::sum(""));
    return number_in(node.state(sum, {}, WAIT).json(), "value");
}

const char *take(const Node &node, long long amount) {
    if (balance_at(node) < amount) return "no";
    book(node, -amount);
    return "yes";
}

void available_and_wrong(const Swarm &swarm) {
    book(swarm.london, 1000);
    swarm.heal();
    swarm.cut();
    std::cout << "available: London takes 500: " << take(swarm.london, 500) << "\n";
    std::cout << "available: New York takes 900: " << take(swarm.york, 900) << "\n";
    swarm.heal();
    std::cout << "available: the balance is " << balance_at(swarm.london) << "\n";
}

// 2. Consistent, and refusing: only who has heard of all that London did may withdraw.

void consistent_and_refusing(const Swarm &swarm) {
    swarm.cut();
    book(swarm.london, -100);
    const auto heard = swarm.york.try_wait_for(swarm.london.offsets(), 200ms);
    std::cout << "consistent: New York may take 10: " << (heard ? "yes" : "no") << "\n";
    swarm.heal();
}

// 3. Escrow: the 1,000 are divided beforehand, and each spends its own.

void escrow(const Swarm &swarm) {
    const millpond::Account here = swarm.london.account("steel");
    const millpond::Account there = swarm.york.account("steel");
    here.create(1000, 0, {{swarm.york.id(), 400}}, WAIT);
    swarm.heal();
    swarm.cut();
    here.withdraw(500, WAIT);
    try {
        there.withdraw(900, WAIT);
    } catch (const Error &error) {
        if (error.kind() != millpond::ErrorKind::overdraft) throw;
        const long long available = number_in(error.details(), "available");
        std::cout << "escrow: New York is refused 900; it has " << available << "\n";
        there.withdraw(available, WAIT);
    }
    swarm.heal();
    const std::string report = here.report({}, WAIT);
    std::cout << "escrow: the balance is " << number_in(report, "balance")
              << ", and London may spend " << number_in(report, "available") << "\n";
}

}  // namespace

int main(int count, char **arguments) try {
    if (count != 2) return std::cerr << "usage: steel FOLDER\n", 2;
    const std::string folder = arguments[1], secret = millpond::new_swarm_secret();
    const Swarm swarm{open_node(folder + "/london", secret),
                      open_node(folder + "/new-york", secret)};
    available_and_wrong(swarm);
    consistent_and_refusing(swarm);
    escrow(swarm);
    swarm.york.close(WAIT);
    swarm.london.close(WAIT);
    return 0;
} catch (const std::exception &error) {
    std::cerr << error.what() << "\n";
    return 1;
}
