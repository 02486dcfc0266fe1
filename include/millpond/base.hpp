/// What every part of the C++ interface stands on: spans, and how text crosses into C.
///
/// Not here: errors (`error.hpp`), handles (`handle.hpp`). Begin with `millpond.hpp`.
#ifndef MILLPOND_BASE_HPP
#define MILLPOND_BASE_HPP

#include "../millpond.h"

#if __cplusplus < 201703L && (!defined(_MSVC_LANG) || _MSVC_LANG < 201703L)
#error "millpond.hpp needs C++17"
#endif

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#if __cplusplus >= 202002L
#include <ranges>
#endif

/// 1 where calls that throw are there, else 0. Follows the compiler; never set it.
#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
#define MILLPOND_EXCEPTIONS 1
#else
#define MILLPOND_EXCEPTIONS 0
#endif

/// Translation units with and without exceptions must not share inline code, nor may libraries that
/// were compiled with different versions of these headers: each has its own.
#if MILLPOND_EXCEPTIONS
#define MILLPOND_FACE v0_1_with_exceptions
#else
#define MILLPOND_FACE v0_1_without_exceptions
#endif

/// Of what is thrown, so that whoever catches it in another library knows its type.
#if defined(__GNUC__)
#define MILLPOND_VISIBLE __attribute__((visibility("default")))
#else
#define MILLPOND_VISIBLE
#endif

/// All of millpond.
namespace millpond {
inline namespace MILLPOND_FACE {

/// `size()` elements of type `T` from `data()` on, borrowed. Converts to `std::span` where there is
/// one, and from whatever has `data()` and `size()`; from a braced list only as an argument.
template <class T>
class Span {
  public:
    using element_type = T;
    using value_type = std::remove_cv_t<T>;
    using iterator = T *;

    /// No elements.
    constexpr Span() noexcept = default;
    /// `size` elements from `data` on.
    constexpr Span(T *data, std::size_t size) noexcept : data_(data), size_(size) {}
    /// The elements of a braced list, until the end of the expression that it stands in.
    constexpr Span(std::initializer_list<value_type> list) noexcept : size_(list.size()) {
        data_ = list.begin();
    }
    /// The elements of a vector, an array or another span; of `const char` those of a string, too.
    template <class Container,
              class = std::enable_if_t<
                  !std::is_same_v<std::decay_t<Container>, Span> &&
                  std::is_convertible_v<
                      std::remove_pointer_t<decltype(std::declval<Container &>().data())> (*)[],
                      T (*)[]>>>
    constexpr Span(Container &&container) noexcept
        : data_(container.data()), size_(container.size()) {}

    /// The first element; may be NULL where there are none.
    [[nodiscard]] constexpr T *data() const noexcept { return data_; }
    /// How many.
    [[nodiscard]] constexpr std::size_t size() const noexcept { return size_; }
    /// Whether there are none.
    [[nodiscard]] constexpr bool empty() const noexcept { return size_ == 0; }
    /// Element `index`, which must be below `size()`.
    [[nodiscard]] constexpr T &operator[](std::size_t index) const noexcept { return data_[index]; }
    [[nodiscard]] constexpr T *begin() const noexcept { return data_; }
    [[nodiscard]] constexpr T *end() const noexcept { return data_ + size_; }

  private:
    T *data_ = nullptr;
    std::size_t size_ = 0;
};

/// Borrowed bytes.
using Bytes = Span<const std::uint8_t>;

namespace detail {

/// Ends the program where one of its own promises does not hold, such as a value that is none.
inline void require(bool holds, const char *what) noexcept {
    if (holds) return;
    std::fprintf(stderr, "millpond: %s\n", what);
    std::abort();
}

inline millpond_text_t text(std::string_view text) noexcept { return {text.data(), text.size()}; }

/// What is unsaid is `{NULL, 0}`; what is said and empty is not, and whoever reads it refuses it.
inline millpond_text_t said(const std::optional<std::string> &text) noexcept {
    if (!text) return {nullptr, 0};
    return {text->data(), text->size()};
}

/// What a choice becomes that is none of its enum, as by a cast: said, so that it is refused.
inline millpond_text_t no_choice() noexcept { return {"?", 1}; }

inline std::string_view view(millpond_text_t text) noexcept {
    return text.data ? std::string_view(text.data, text.len) : std::string_view();
}

inline std::vector<millpond_text_t> texts(Span<const std::string> said) {
    std::vector<millpond_text_t> all;
    all.reserve(said.size());
    for (const std::string &one : said) all.push_back(text(one));
    return all;
}

inline const std::uint8_t *bytes_of(std::string_view text) noexcept {
    return reinterpret_cast<const std::uint8_t *>(text.data());
}

/// Bytes that C gave: freed at the end of the scope, whatever ends it.
struct OwnedBytes {
    millpond_bytes_t raw{nullptr, 0};

    OwnedBytes() = default;
    OwnedBytes(const OwnedBytes &) = delete;
    OwnedBytes &operator=(const OwnedBytes &) = delete;
    ~OwnedBytes() { millpond_bytes_free(&raw); }

    [[nodiscard]] std::string copy() const {
        return raw.data ? std::string(reinterpret_cast<const char *>(raw.data), raw.len)
                        : std::string();
    }
};

/// Walks over what has `operator[]` and gives elements by value: random access, as C++20 has it.
template <class Indexed>
class IndexIterator {
  public:
    using value_type = std::decay_t<decltype(std::declval<const Indexed &>()[std::size_t{}])>;
    using difference_type = std::ptrdiff_t;
    using reference = value_type;
    using pointer = void;
    using iterator_category = std::input_iterator_tag;
    /// What C++20 goes by.
    using iterator_concept = std::random_access_iterator_tag;

    IndexIterator() = default;
    IndexIterator(Indexed indexed, std::size_t index) : indexed_(indexed), index_(index) {}

    reference operator*() const { return indexed_[index_]; }
    reference operator[](difference_type n) const { return *(*this + n); }
    IndexIterator &operator++() { return *this += 1; }
    IndexIterator &operator--() { return *this -= 1; }
    IndexIterator operator++(int) {
        IndexIterator before = *this;
        ++*this;
        return before;
    }
    IndexIterator operator--(int) {
        IndexIterator before = *this;
        --*this;
        return before;
    }
    IndexIterator &operator+=(difference_type n) {
        index_ = static_cast<std::size_t>(static_cast<difference_type>(index_) + n);
        return *this;
    }
    IndexIterator &operator-=(difference_type n) { return *this += -n; }
    friend IndexIterator operator+(IndexIterator it, difference_type n) { return it += n; }
    friend IndexIterator operator+(difference_type n, IndexIterator it) { return it += n; }
    friend IndexIterator operator-(IndexIterator it, difference_type n) { return it -= n; }
    friend difference_type operator-(const IndexIterator &a, const IndexIterator &b) {
        return static_cast<difference_type>(a.index_) - static_cast<difference_type>(b.index_);
    }
    friend bool operator==(const IndexIterator &a, const IndexIterator &b) { return a - b == 0; }
    friend bool operator!=(const IndexIterator &a, const IndexIterator &b) { return a - b != 0; }
    friend bool operator<(const IndexIterator &a, const IndexIterator &b) { return a - b < 0; }
    friend bool operator>(const IndexIterator &a, const IndexIterator &b) { return a - b > 0; }
    friend bool operator<=(const IndexIterator &a, const IndexIterator &b) { return a - b <= 0; }
    friend bool operator>=(const IndexIterator &a, const IndexIterator &b) { return a - b >= 0; }

  private:
    Indexed indexed_{};
    std::size_t index_ = 0;
};

}  // namespace detail

/// The version of the library, "major.minor.patch"; that of the header is in the macros
/// `MILLPOND_VERSION_…`. Thread-safe.
inline std::string_view version() noexcept { return millpond_version(); }

}  // namespace MILLPOND_FACE
}  // namespace millpond

#if __cplusplus >= 202002L
template <class T>
inline constexpr bool std::ranges::enable_borrowed_range<millpond::Span<T>> = true;
template <class T>
inline constexpr bool std::ranges::enable_view<millpond::Span<T>> = true;
#endif

#endif
