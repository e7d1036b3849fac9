#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace cola {

/// Ids above this are refused: no published vocabulary comes near, and they index embedding rows.
inline constexpr std::int64_t largest_token_id = 10'000'000;

/// `id` as a token id. Throws Error beginning with `where` if it is negative or above largest_token_id.
[[nodiscard]] std::int32_t checked_token_id(std::int64_t id, std::string_view token,
                                            const std::string& where);

/// Tokens and their ids, one to one.
class Vocabulary {
 public:
  /// Room for so many tokens: large vocabularies are read faster with it.
  void reserve(std::size_t tokens);
  /// Throws Error beginning with `where` for an id out of range, a token or an id that is already there.
  void add(std::string token, std::int64_t id, const std::string& where);

  [[nodiscard]] std::optional<std::int32_t> find(std::string_view token) const;
  [[nodiscard]] const std::string* token(std::int32_t id) const;  ///< null where no token has this id
  [[nodiscard]] std::int64_t size() const { return size_; }       ///< one more than the largest id
  [[nodiscard]] const std::unordered_map<std::int32_t, std::string>& tokens() const { return tokens_; }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  std::unordered_map<std::string, std::int32_t, Hash, std::equal_to<>> ids_;
  std::unordered_map<std::int32_t, std::string> tokens_;
  std::int64_t size_ = 0;
};

}  // namespace cola
