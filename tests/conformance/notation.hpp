/// The notation of commands and answers, for adapter.cpp.
///
/// The adapter is built with exceptions and without them: `CALL` is what differs. A function that
/// uses it gives a `Result`.
#ifndef NOTATION_HPP
#define NOTATION_HPP

#include <millpond.hpp>

#include <cstdlib>
#include <map>
#include <string>
#include <vector>

using namespace std::chrono_literals;

/// `CALL(node., publish, draft)` is what the call gives; its error is that of the command.
#if MILLPOND_EXCEPTIONS
#define CALL(of, name, ...) of name(__VA_ARGS__)
#else
#define CALL(of, name, ...)                                                                        \
    ({                                                                                             \
        auto result_ = of try_##name(__VA_ARGS__);                                                 \
        if (!result_) return result_.error();                                                      \
        taken(std::move(result_));                                                                 \
    })
#endif

template <class T>
T taken(millpond::Result<T> result) {
    if constexpr (!std::is_void_v<T>) return *std::move(result);
}

constexpr std::chrono::milliseconds SOON = 60s, SHORT = 100ms;

/// The lines of an answer; none of them is the one line `ok`.
using Lines = std::vector<std::string>;
/// The words `key=value` in front of the rest.
using Said = std::map<std::string, std::string>;

inline void must(bool is_so, const char *what) {
    if (is_so) return;
    std::fprintf(stderr, "adapter.cpp: not so: %s\n", what);
    std::exit(2);
}

/// What is in front of the first space; `rest` is what is behind it.
inline std::string word(std::string &rest) {
    const std::size_t end = rest.find(' ');
    const std::string first = rest.substr(0, end);
    rest = end == std::string::npos ? "" : rest.substr(end + 1);
    return first;
}

inline Said options(std::string &rest) {
    Said said;
    for (;;) {
        const std::size_t end = rest.find_first_not_of("abcdefghijklmnopqrstuvwxyz_");
        if (end == 0 || end == std::string::npos || rest[end] != '=') return said;
        const std::string both = word(rest);
        said[both.substr(0, end)] = both.substr(end + 1);
    }
}

inline std::optional<std::string> said_of(const Said &said, const char *key) {
    const auto found = said.find(key);
    if (found == said.end()) return std::nullopt;
    return found->second;
}

inline std::uint64_t number_of(const Said &said, const char *key) {
    return std::strtoull(said_of(said, key).value_or("0").c_str(), nullptr, 10);
}

inline std::string said_bool(bool is_so) { return is_so ? "true" : "false"; }

/// A value of JSON, as far as this needs it: numbers and words are their text.
struct Json {
    char kind = 'w';
    std::string text{};
    std::vector<Json> items{};
    std::map<std::string, Json> members{};

    static Json parse(std::string_view text) {
        std::size_t at = 0;
        return value(text, at);
    }
    const Json &operator[](const char *name) const {
        const auto found = members.find(name);
        must(found != members.end(), name);
        return found->second;
    }
    [[nodiscard]] bool is_null() const { return kind == 'w' && text == "null"; }

  private:
    static Json value(std::string_view all, std::size_t &at) {
        Json made;
        must(at < all.size(), "JSON goes on");
        const char first = all[at];
        if (first == '"') {
            made.kind = 's';
            made.text = string(all, at);
        } else if (first == '[' || first == '{') {
            made.kind = first;
            const char close = first == '[' ? ']' : '}';
            for (at++; all[at] != close;) {
                if (first == '{') {
                    const std::string name = string(all, at);
                    at++; // The colon.
                    made.members.emplace(name, value(all, at));
                } else {
                    made.items.push_back(value(all, at));
                }
                if (all[at] == ',') at++;
            }
            at++;
        } else {
            const std::size_t end = std::min(all.find_first_of(",]}", at), all.size());
            made.text = all.substr(at, end - at);
            at = end;
        }
        return made;
    }
    static std::string string(std::string_view all, std::size_t &at) {
        std::string text;
        for (at++; all[at] != '"'; at++) {
            if (all[at] != '\\') {
                text += all[at];
                continue;
            }
            const char code = all[++at];
            if (code == 'u') {
                const std::string digits(all.substr(at + 1, 4));
                add_utf8(text, std::strtoul(digits.c_str(), nullptr, 16));
                at += 4;
            } else {
                text += code == 'n' ? '\n' : code == 't' ? '\t' : code;
            }
        }
        at++;
        return text;
    }
    static void add_utf8(std::string &text, unsigned long code) {
        if (code < 0x80) {
            text += static_cast<char>(code);
        } else if (code < 0x800) {
            text += static_cast<char>(0xC0 | (code >> 6));
            text += static_cast<char>(0x80 | (code & 0x3F));
        } else {
            text += static_cast<char>(0xE0 | (code >> 12));
            text += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
            text += static_cast<char>(0x80 | (code & 0x3F));
        }
    }
};

/// Node ids have names, because answers hold no ids.
class Names {
  public:
    void add(const std::string &id, const std::string &name) { by_id_[id] = name; }

    [[nodiscard]] std::string stream(std::string_view stream) const {
        const std::size_t end = stream.rfind('-');
        const auto found = by_id_.find(std::string(stream.substr(0, end)));
        if (found == by_id_.end()) return std::string(stream);
        return found->second + std::string(stream.substr(end));
    }
    /// Of a key: its stream and its lamport.
    [[nodiscard]] std::string of_key(std::string_view key) const {
        const std::size_t slash = key.find('/');
        return stream(key.substr(slash + 1)) + ":" + std::string(key.substr(0, slash));
    }
    [[nodiscard]] std::string event(const millpond::Event &event) const {
        std::string line = stream(event.stream()) + " offset=" + std::to_string(event.offset()) +
                           " lamport=" + std::to_string(event.lamport()) +
                           " app=" + std::string(event.app_id()) + " tags=";
        const char *between = "";
        for (const std::string_view tag : event.tags()) {
            line += between + std::string(tag);
            between = "|";
        }
        if (!event.has_tags()) line += "-";
        line += " cbor=";
        if (!event.has_payload()) return line + "-";
        if (event.payload().size() > 128)
            return line + std::to_string(event.payload().size()) + " bytes";
        static const char digits[] = "0123456789abcdef";
        for (const std::uint8_t byte : event.payload()) {
            line += digits[byte >> 4];
            line += digits[byte & 15];
        }
        return line;
    }
    [[nodiscard]] std::string rewind(const millpond::BatchRef &batch) const {
        const std::optional<std::string_view> to = batch.rewind_to();
        if (!to) return "rewind to=-";
        const std::size_t slash = to->find('/');
        return "rewind to=" + std::string(to->substr(0, slash + 1)) + stream(to->substr(slash + 1));
    }
    [[nodiscard]] std::string published(const millpond::Published &done) const {
        return stream(done.stream) + " offset=" + std::to_string(done.first_offset) +
               " lamport=" + std::to_string(done.first_lamport) +
               " count=" + std::to_string(done.count) + " replayed=" + said_bool(done.replayed);
    }

  private:
    std::map<std::string, std::string> by_id_{};
};

/// An error as an answer. A position in the JSON text of a payload is left out, as in C.
inline Lines error_lines(const millpond::Error &error, bool has_query) {
    std::string line = "error " + std::to_string(static_cast<int>(error.kind())) + " " +
                       std::string(error.name()) + (error.is_retryable() ? " retryable" : "");
    if (!error.reason().empty()) line += " reason=" + std::string(error.reason());
    if (has_query && error.position()) line += " position=" + std::to_string(*error.position());
    Lines lines = {line};
    std::string_view message = error.message();
    while (error.kind() == millpond::ErrorKind::query_invalid && !message.empty()) {
        const std::size_t end = message.find('\n');
        lines.push_back("| " + std::string(message.substr(0, end)));
        message = end == std::string_view::npos ? "" : message.substr(end + 1);
    }
    return lines;
}

/// Every kind that has a name.
inline Lines error_table() {
    Lines lines;
    for (int number = 1;; number++) {
        const auto kind = static_cast<millpond::ErrorKind>(number);
        if (millpond::name_of(kind) == "unknown") return lines;
        lines.push_back(std::to_string(number) + " " + std::string(millpond::name_of(kind)) + " " +
                        said_bool(millpond::is_retryable(kind)));
    }
}

/// {"$integer":"N"} is written N in JSON.
inline std::string plain_integers(std::string json) {
    static const std::string open = "{\"$integer\":\"";
    for (std::size_t at = 0; (at = json.find(open, at)) != std::string::npos;) {
        json.erase(at, open.size());
        json.erase(json.find('"', at), 2);
    }
    return json;
}

inline std::vector<std::string> texts(std::string_view json) {
    std::vector<std::string> made;
    for (const Json &item : Json::parse(json).items) made.push_back(item.text);
    return made;
}

#endif
