#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cola {

/// Ids above this are refused: no published vocabulary comes near, and they index embedding rows.
inline constexpr std::int64_t largest_token_id = 10'000'000;

/// `id` as a token id. Throws Error beginning with `where` if it is negative or above largest_token_id.
[[nodiscard]] std::int32_t checked_token_id(std::int64_t id, std::string_view token,
                                            const std::string& where);

/// Tokens and their ids, one to one.
class Vocabulary {
 public:
  struct Token {
    std::string text;
    std::int32_t id = 0;
  };

  /// Throws Error beginning with `where` for an id out of range, a token or an id that is already there.
  void add(std::string token, std::int64_t id, const std::string& where);

  void reserve(std::size_t count);

  [[nodiscard]] std::optional<std::int32_t> find(std::string_view token) const;
  /// The id of each of `tokens` into `ids`, negative where there is none: faster than one by one, as the
  /// memory behind all of them is asked for first.
  void find(std::span<const std::string_view> tokens, std::span<std::int32_t> ids) const;
  [[nodiscard]] const std::string* token(std::int32_t id) const;  ///< null where no token has this id
  [[nodiscard]] std::int64_t size() const { return size_; }       ///< one more than the largest id
  [[nodiscard]] std::span<const Token> tokens() const { return tokens_; }  ///< in the order of adding

 private:
  /// An entry of the table of texts: open addressing, at most half full.
  struct Slot {
    std::uint32_t hash = 0;
    std::int32_t index = -1;  // into tokens_; negative: free
  };

  [[nodiscard]] std::size_t place(std::string_view token, std::size_t hash) const;
  void grow(std::size_t slots);

  std::vector<Token> tokens_;
  std::vector<Slot> by_text_;        // a power of two of them
  std::vector<std::int32_t> by_id_;  // into tokens_; negative: no token
  std::int64_t size_ = 0;
};

}  // namespace cola
