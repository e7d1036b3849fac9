#include "text/vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <functional>

#include "core/error.h"

namespace cola {

namespace {

std::size_t hash_of(std::string_view text) { return std::hash<std::string_view>{}(text); }

}  // namespace

std::int32_t checked_token_id(std::int64_t id, std::string_view token, const std::string& where) {
  if (id < 0 || id > largest_token_id) {
    throw Error(fmt::format("{}: token {:?} has id {}; ids are 0 to {}", where, token, id, largest_token_id));
  }
  return static_cast<std::int32_t>(id);
}

void Vocabulary::add(std::string token, std::int64_t id, const std::string& where) {
  const std::int32_t checked = checked_token_id(id, token, where);
  if (const std::string* other = this->token(checked))
    throw Error(fmt::format("{}: id {} belongs to both {:?} and {:?}", where, id, *other, token));
  constexpr std::size_t smallest = 1024;
  if (2 * (tokens_.size() + 1) > by_text_.size()) grow(std::max(smallest, 2 * by_text_.size()));
  const std::size_t hash = hash_of(token);
  Slot& slot = by_text_[place(token, hash)];
  if (slot.index >= 0) {
    throw Error(fmt::format("{}: token {:?} has both id {} and {}", where, token,
                            tokens_[static_cast<std::size_t>(slot.index)].id, id));
  }
  slot = {.hash = static_cast<std::uint32_t>(hash), .index = static_cast<std::int32_t>(tokens_.size())};
  if (id >= size_) by_id_.resize(static_cast<std::size_t>(id) + 1, -1);
  by_id_[static_cast<std::size_t>(id)] = slot.index;
  tokens_.push_back({.text = std::move(token), .id = checked});
  size_ = std::max(size_, id + 1);
}

void Vocabulary::reserve(std::size_t count) {
  tokens_.reserve(count);
  by_id_.reserve(count);
  if (2 * count > by_text_.size()) grow(std::bit_ceil(2 * count));
}

std::optional<std::int32_t> Vocabulary::find(std::string_view token) const {
  if (by_text_.empty()) return std::nullopt;
  const Slot& slot = by_text_[place(token, hash_of(token))];
  return slot.index < 0 ? std::nullopt : std::optional(tokens_[static_cast<std::size_t>(slot.index)].id);
}

void Vocabulary::find(std::span<const std::string_view> tokens, std::span<std::int32_t> ids) const {
  std::ranges::fill(ids, -1);
  if (by_text_.empty()) return;
  constexpr std::size_t group = 96;
  std::array<std::size_t, group> hashes{};
  for (std::size_t begin = 0; begin < tokens.size(); begin += group) {
    const std::size_t count = std::min(group, tokens.size() - begin);
    for (std::size_t i = 0; i < count; ++i) {
      hashes[i] = hash_of(tokens[begin + i]);
      __builtin_prefetch(&by_text_[hashes[i] & (by_text_.size() - 1)]);
    }
    for (std::size_t i = 0; i < count; ++i) {
      const Slot& slot = by_text_[hashes[i] & (by_text_.size() - 1)];
      if (slot.index >= 0) __builtin_prefetch(&tokens_[static_cast<std::size_t>(slot.index)]);
    }
    for (std::size_t i = 0; i < count; ++i) {
      const Slot& slot = by_text_[place(tokens[begin + i], hashes[i])];
      ids[begin + i] = slot.index < 0 ? -1 : tokens_[static_cast<std::size_t>(slot.index)].id;
    }
  }
}

const std::string* Vocabulary::token(std::int32_t id) const {
  if (id < 0 || id >= size_) return nullptr;
  const std::int32_t index = by_id_[static_cast<std::size_t>(id)];
  return index < 0 ? nullptr : &tokens_[static_cast<std::size_t>(index)].text;
}

std::size_t Vocabulary::place(std::string_view token, std::size_t hash) const {
  const std::size_t last = by_text_.size() - 1;
  std::size_t at = hash & last;
  for (; by_text_[at].index >= 0; at = (at + 1) & last) {
    if (by_text_[at].hash == static_cast<std::uint32_t>(hash) &&
        tokens_[static_cast<std::size_t>(by_text_[at].index)].text == token)
      break;
  }
  return at;
}

void Vocabulary::grow(std::size_t slots) {
  const std::vector<Slot> old = std::move(by_text_);
  by_text_.assign(slots, Slot());
  const std::size_t last = by_text_.size() - 1;
  for (const Slot& slot : old) {
    if (slot.index < 0) continue;
    std::size_t at = slot.hash & last;
    while (by_text_[at].index >= 0) at = (at + 1) & last;
    by_text_[at] = slot;
  }
}

}  // namespace cola
