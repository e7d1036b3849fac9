#include "text/token_trie.h"

namespace cola {

std::size_t TokenTrie::add(std::string_view text, std::size_t number) {
  if (text.empty()) return number;
  first_bytes_[static_cast<unsigned char>(text.front())] = true;
  std::size_t node = 0;
  for (const char byte : text) {
    std::size_t& next = edges_[edge(node, byte)];
    if (next == 0) {  // the root is behind no byte
      next = numbers_.size();
      numbers_.push_back(no_number);
    }
    node = next;
  }
  if (numbers_[node] == no_number) numbers_[node] = number;
  return numbers_[node];
}

std::optional<TokenTrie::Match> TokenTrie::longest(std::string_view text) const {
  std::optional<Match> match;
  if (text.empty() || !first_bytes_[static_cast<unsigned char>(text.front())]) return match;
  std::size_t node = 0;
  for (std::size_t length = 0; length < text.size();) {
    const std::size_t* next = edges_.find(edge(node, text[length]));
    if (next == nullptr) break;
    node = *next;
    ++length;
    if (numbers_[node] != no_number) match = {.number = numbers_[node], .length = length};
  }
  return match;
}

}  // namespace cola
