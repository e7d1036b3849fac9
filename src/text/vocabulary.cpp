#include "text/vocabulary.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"

namespace cola {

std::int32_t checked_token_id(std::int64_t id, std::string_view token, const std::string& where) {
  if (id < 0 || id > largest_token_id) {
    throw Error(fmt::format("{}: token {:?} has id {}; ids are 0 to {}", where, token, id, largest_token_id));
  }
  return static_cast<std::int32_t>(id);
}

void Vocabulary::reserve(std::size_t tokens) {
  tokens_.reserve(tokens);
  ids_.reserve(tokens);
}

void Vocabulary::add(std::string token, std::int64_t id, const std::string& where) {
  const std::int32_t checked = checked_token_id(id, token, where);
  const auto [entry, is_new_id] = tokens_.try_emplace(checked, token);
  if (!is_new_id)
    throw Error(fmt::format("{}: id {} belongs to both {:?} and {:?}", where, id, entry->second, token));
  const auto [other, is_new_token] = ids_.try_emplace(std::move(token), checked);
  if (!is_new_token) {
    throw Error(fmt::format("{}: token {:?} has both id {} and {}", where, other->first, other->second, id));
  }
  size_ = std::max(size_, id + 1);
}

std::optional<std::int32_t> Vocabulary::find(std::string_view token) const {
  const auto entry = ids_.find(token);
  return entry == ids_.end() ? std::nullopt : std::optional(entry->second);
}

const std::string* Vocabulary::token(std::int32_t id) const {
  const auto entry = tokens_.find(id);
  return entry == tokens_.end() ? nullptr : &entry->second;
}

}  // namespace cola
