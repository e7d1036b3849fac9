#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "text/flat_map.h"

namespace cola {

/// Numbered byte strings, to find the longest that a text begins with.
class TokenTrie {
 public:
  struct Match {
    std::size_t number = 0;
    std::size_t length = 0;  ///< bytes
  };

  /// Adds `text` with `number`. Returns the number that the text has: another one where it was there already.
  /// An empty text is never found.
  std::size_t add(std::string_view text, std::size_t number);

  [[nodiscard]] std::optional<Match> longest(std::string_view text) const;
  [[nodiscard]] bool empty() const { return edges_.empty(); }

 private:
  static constexpr std::size_t no_number = ~std::size_t{0};
  static std::uint64_t edge(std::size_t node, char byte) {
    return (std::uint64_t{node} << 8) | static_cast<unsigned char>(byte);
  }

  FlatMap<std::size_t> edges_;                   // by node and byte: the node behind it
  std::vector<std::size_t> numbers_{no_number};  // of each node; the first is the root
  std::array<bool, 256> first_bytes_{};          // of the texts: most positions are done with these
};

}  // namespace cola
