/// Built-in folds: fish that need no code. docs/pond.md says what each of them comes to.
///
/// A path is a JSON Pointer into the payload: "" for all of it, else "/" and a step, such as
/// "/grams". The state of a built-in fold is `{"value": …, "skipped": n}`: `StateRef::try_json`.
#ifndef MILLPOND_FOLDS_HPP
#define MILLPOND_FOLDS_HPP

#include "fish.hpp"

namespace millpond {
inline namespace MILLPOND_FACE {

/// A built-in fold: made by the functions in `folds`. Nested at most 8 deep, at most 64 in one.
class Fold {
  public:
    /// A fold as JSON, such as `{"fold": "count"}`; looked at when it is observed.
    explicit Fold(std::string json) : json_(std::move(json)) {}

    /// The fold as JSON.
    [[nodiscard]] const std::string &json() const noexcept { return json_; }

  private:
    std::string json_;
};

namespace detail {

inline std::string json_text(std::string_view text) {
    static const char digits[] = "0123456789abcdef";
    std::string json = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20) {
            json.append("\\u00").append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
        } else {
            if (c == '"' || c == '\\') json += '\\';
            json += c;
        }
    }
    return json += '"';
}

inline Fold fold_of(std::string_view name, const std::optional<std::string> &of,
                    std::string_view type = {}) {
    std::string json = "{\"fold\":" + json_text(name);
    if (of) json.append(",\"of\":").append(json_text(*of));
    if (!type.empty()) json.append(",\"type\":").append(json_text(type));
    return Fold(json += '}');
}

struct BuiltInSource : FishSource {
    std::string query, fold;

    BuiltInSource(std::string of, std::string json) : query(std::move(of)), fold(std::move(json)) {}
    millpond_fish_t begin() const override {
        millpond_fish_t raw = MILLPOND_FISH_INIT;
        raw.query = text(query);
        raw.fold = text(fold);
        return raw;
    }
};

}  // namespace detail

/// What built-in folds are made of.
namespace folds {

/// By what `group` tells events apart.
class By {
  public:
    /// By the text at this path.
    static By text(std::string_view path) { return By(detail::json_text(path)); }
    /// By the whole number at this path, as decimal text.
    static By integer(std::string_view path) {
        return By(detail::json_text(path) + ",\"type\":\"integer\"");
    }
    /// By what follows `prefix` in the one tag that has it.
    static By tag(std::string_view prefix) {
        return By("{\"tag\":" + detail::json_text(prefix) + "}");
    }
    /// The part of JSON that follows `"by":`.
    [[nodiscard]] const std::string &json() const noexcept { return json_; }

  private:
    explicit By(std::string json) : json_(std::move(json)) {}

    std::string json_;
};

/// The number of events; with a path, only of those that have a value there.
inline Fold count(const std::optional<std::string> &of = {}) {
    return detail::fold_of("count", of);
}
/// The sum of the numbers at `of`; 0 for none.
inline Fold sum(std::string of) { return detail::fold_of("sum", std::move(of)); }
/// The least number at `of`, null for none.
inline Fold min(std::string of) { return detail::fold_of("min", std::move(of)); }
/// The least text at `of`, by its bytes, null for none.
inline Fold min_text(std::string of) { return detail::fold_of("min", std::move(of), "text"); }
/// The greatest number at `of`, null for none.
inline Fold max(std::string of) { return detail::fold_of("max", std::move(of)); }
/// The greatest text at `of`, by its bytes, null for none.
inline Fold max_text(std::string of) { return detail::fold_of("max", std::move(of), "text"); }
/// The value of the last event that has one at `of`, null for none; without it the whole payload.
inline Fold latest(const std::optional<std::string> &of = {}) {
    return detail::fold_of("latest", of);
}
/// The value of the first event that has one at `of`, null for none; without it the whole payload.
inline Fold earliest(const std::optional<std::string> &of = {}) {
    return detail::fold_of("earliest", of);
}
/// A map: for each key the fold of the events that have it.
inline Fold group(const By &by, const Fold &each) {
    return Fold("{\"fold\":\"group\",\"by\":" + by.json() + ",\"each\":" + each.json() + "}");
}
/// A map: several folds of the same events by name.
inline Fold all(Span<const std::pair<std::string, Fold>> folds) {
    std::string json = "{\"fold\":\"all\",\"folds\":{";
    for (const auto &[name, fold] : folds) {
        if (json.back() != '{') json += ',';
        json.append(detail::json_text(name)).append(":").append(fold.json());
    }
    return Fold(json += "}}");
}

}  // namespace folds

/// The fish of a built-in fold of the events that `query` selects. Two that fold the same are one.
inline AnyFish built_in(std::string query, const Fold &fold) {
    return AnyFish(std::make_shared<detail::BuiltInSource>(std::move(query), fold.json()));
}

}  // namespace MILLPOND_FACE
}  // namespace millpond

#endif
