/// The smallest test frame for C++: claims, and what every test needs to make one.
#ifndef CHECK_HPP
#define CHECK_HPP

#include <millpond.hpp>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <poll.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace std::chrono_literals;
using millpond::Draft;
using millpond::Error;
using millpond::ErrorKind;
using millpond::Node;
using millpond::Payload;
using millpond::Result;
using millpond::StateRef;

/// Translation units with and without exceptions each have their own.
namespace checks {
inline namespace MILLPOND_FACE {

/// What takes longer hangs, also under the sanitizers on a busy machine.
constexpr std::chrono::seconds SOON = 60s;

inline int passed_count, failed_count, failures_here;

#define CHECK(claim)                                                                               \
    do {                                                                                           \
        if (!(claim)) {                                                                            \
            std::printf("  %s:%d: not so: %s\n", __FILE__, __LINE__, #claim);                      \
            failures_here++;                                                                       \
        }                                                                                          \
    } while (0)

/// The call answers this kind of error.
#define FAILS(expected, ...) CHECK(kind_of((__VA_ARGS__)) == ErrorKind::expected)

template <class T>
ErrorKind kind_of(const Result<T> &result) {
    return result ? ErrorKind{} : result.error().kind();
}

/// The value of a result; what it is not ends the program, with its message.
template <class T>
T must(Result<T> result) {
    if (!result) {
        std::printf("  %s\n", result.error().what());
        std::abort();
    }
    if constexpr (!std::is_void_v<T>) return *std::move(result);
}

/// Runs one claim; an error that it throws is its failure.
inline void run(const char *claim, void (*test)()) {
    failures_here = 0;
#if MILLPOND_EXCEPTIONS
    try {
        test();
    } catch (const std::exception &error) {
        std::printf("  it threw: %s\n", error.what());
        failures_here++;
    }
#else
    test();
#endif
    std::printf("%s %s\n", failures_here ? "FAILED" : "ok", claim);
    if (failures_here) failed_count++;
    else passed_count++;
    std::fflush(stdout);
}

inline int summary() {
    std::printf("%d passed, %d failed\n", passed_count, failed_count);
    return failed_count != 0;
}

/// A folder that nobody uses; run.sh gives a base that it removes.
inline std::string fresh_folder() {
    static int number;
    const char *base = std::getenv("MILLPOND_TEST_FOLDER");
    return std::string(base ? base : "/tmp") + "/" + std::to_string(getpid()) + "-" +
           std::to_string(number++);
}

inline const char SECRET[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

inline millpond::NodeOptions options_at(const std::string &path) {
    millpond::NodeOptions options;
    options.path = path;
    options.app_id = "cpp-test";
    options.swarm = SECRET;
    options.network = false;
    return options;
}

inline Node open_node() { return must(Node::try_open(options_at(fresh_folder()), SOON)); }

/// One that talks over loopback, and is found by its ticket only.
inline Node open_online() {
    millpond::NodeOptions options = options_at(fresh_folder());
    options.network = true;
    options.discovery = false;
    options.bind = {"127.0.0.1:0"};
    return must(Node::try_open(options, SOON));
}

inline Draft grain(const std::string &json = "1") {
    Draft draft;
    draft.tags = {"grain"};
    draft.payload = Payload::json(json);
    return draft;
}

inline bool is_readable(int fd) {
    pollfd entry{fd, POLLIN, 0};
    return poll(&entry, 1, static_cast<int>(std::chrono::milliseconds(SOON).count())) == 1;
}

inline bool contains(const std::string &text, const char *part) {
    return text.find(part) != std::string::npos;
}

/// What follows `"name":` in JSON as millpond writes it, up to the quote where it is a text.
inline std::string field(const std::string &json, const std::string &name) {
    std::size_t at = json.find("\"" + name + "\":");
    if (at == std::string::npos) return "";
    at += name.size() + 3;
    if (json[at] == '"') return json.substr(at + 1, json.find('"', at + 1) - at - 1);
    return json.substr(at, json.find_first_of(",}]", at) - at);
}

/// Something that one thread says and another one awaits.
class Board {
  public:
    template <class Change>
    void change(Change &&change) {
        const std::lock_guard<std::mutex> lock(mutex_);
        change();
        changed_.notify_all();
    }
    /// False when it did not become so.
    template <class Claim>
    bool becomes(Claim &&claim) {
        std::unique_lock<std::mutex> lock(mutex_);
        return changed_.wait_for(lock, SOON, claim);
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
};

/// Says on a board that it is no more: for what a callback holds.
struct Freed {
    Board &board;
    int &count;
    Freed(Board &on, int &of) : board(on), count(of) {}
    Freed(const Freed &) = delete;
    Freed &operator=(const Freed &) = delete;
    ~Freed() {
        board.change([&] { count++; });
    }
};

}  // namespace MILLPOND_FACE
}  // namespace checks

using namespace checks;

#endif
