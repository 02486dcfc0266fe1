// What `./dev bench` measures of C++; compiled and started by tests/bench/shells/compiled.rs.
//
// `iterate iterate bytes STORE` reads everything in batches, and each event of them by the range
// that a batch is; `iterate check` does nothing. Says how many seconds the work took, the events,
// and the bytes of their payloads.
#include <millpond.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>

// Bytes are read in batches as large as they may be.
static constexpr std::size_t READ_BATCH = 4096;
// Reading takes 20 ms, which says little once: the median of so many.
static constexpr std::size_t ROUNDS = 5;

struct Round {
    double seconds = 0;
    std::size_t events = 0, bytes = 0;
};

static Round iterate(const millpond::Node &node) {
    Round seen;
    const auto started = std::chrono::steady_clock::now();
    for (const millpond::Batch &batch : node.query("FROM allEvents").batches({}, READ_BATCH))
        for (const millpond::Event &event : batch) {
            seen.events++;
            seen.bytes += event.payload().size();
        }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
    seen.seconds = took.count();
    return seen;
}

int main(int count, char **arguments) {
    if (count != 4) return 0;
    std::array<Round, ROUNDS + 1> rounds;
    millpond::NodeOptions options;
    options.path = std::string(arguments[3]) + "/shell";
    options.app_id = "com.example.bench";
    options.swarm = std::string(64, '3');
    options.network = false;
    for (Round &round : rounds) { // The first time is not measured.
        const millpond::Node node = millpond::Node::open(options);
        round = iterate(node);
        node.close();
    }
    std::sort(rounds.begin() + 1, rounds.end(),
              [](const Round &a, const Round &b) { return a.seconds < b.seconds; });
    const Round &median = rounds[1 + ROUNDS / 2];
    std::printf("%.9f %zu %zu\n", median.seconds, median.events, median.bytes);
}
