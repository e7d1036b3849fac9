#include "text/bpe.h"

#include <fmt/format.h>

#include <limits>
#include <queue>

#include "core/error.h"
#include "text/utf8.h"

namespace cola {

namespace {

constexpr std::int32_t none = -1;

std::uint64_t pair_key(std::int32_t left, std::int32_t right) {
  return (static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32) |
         static_cast<std::uint32_t>(right);
}

/// A doubly linked list over the word's symbols: merging takes the right one out.
struct Symbol {
  std::int32_t id = none;  // none once merged into its left neighbour
  std::int32_t previous = none;
  std::int32_t next = none;
};

struct Candidate {
  std::uint32_t rank = 0;
  std::int32_t position = 0;  // of the left symbol
  std::int32_t left = 0;      // ids when the candidate was found: if they differ now, it is stale
  std::int32_t right = 0;
  std::int32_t merged = 0;
};

struct LaterCandidate {
  bool operator()(const Candidate& a, const Candidate& b) const {
    return a.rank != b.rank ? a.rank > b.rank : a.position > b.position;
  }
};

}  // namespace

Bpe::Bpe(Vocabulary vocabulary, std::span<const BpeMerge> merges, const BpeOptions& options,
         const std::string& where)
    : vocabulary_(std::move(vocabulary)), options_(options) {
  const auto id_of = [&](const std::string& token, const BpeMerge& merge) {
    const std::optional<std::int32_t> id = vocabulary_.find(token);
    if (id) return *id;
    throw Error(fmt::format("{}: merge {:?} + {:?} needs the token {:?}, which the vocabulary lacks", where,
                            merge.first, merge.second, token));
  };
  if (merges.size() >= std::numeric_limits<std::uint32_t>::max()) throw Error(where + ": too many merges");
  merges_.reserve(merges.size());
  std::uint32_t rank = 0;
  for (const BpeMerge& merge : merges) {
    const std::int32_t merged = id_of(merge.first + merge.second, merge);
    merges_[pair_key(id_of(merge.first, merge), id_of(merge.second, merge))] = {.rank = rank++, .id = merged};
  }
  for (const auto& [id, token] : vocabulary_.tokens()) {
    if (token.empty()) continue;
    const Utf8Step step = utf8_step(token, 0);
    if (step.valid && step.length == token.size()) characters_.emplace(step.code_point, id);
  }
  if (options_.unk_token) {
    unk_ = vocabulary_.find(*options_.unk_token);
    if (!unk_)
      throw Error(fmt::format("{}: the vocabulary lacks unk_token {:?}", where, *options_.unk_token));
  }
  if (options_.byte_fallback) {
    for (unsigned byte = 0; byte < 256; ++byte) {
      byte_tokens_.push_back(vocabulary_.find(fmt::format("<0x{:02X}>", byte)));
    }
  }
}

void Bpe::encode(std::string_view word, std::vector<std::int32_t>& ids) const {
  if (word.empty()) return;
  if (word.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
    throw Error("a text of more than 2 GiB cannot be tokenised; split it into lines");
  }
  if (options_.ignore_merges) {
    if (const std::optional<std::int32_t> whole = vocabulary_.find(word)) {
      ids.push_back(*whole);
      return;
    }
  }
  std::vector<std::int32_t> symbols;
  append_characters(word, symbols);
  merge(symbols);
  ids.insert(ids.end(), symbols.begin(), symbols.end());
}

void Bpe::append_characters(std::string_view word, std::vector<std::int32_t>& ids) const {
  bool after_unk = false;
  for (std::size_t position = 0; position < word.size();) {
    const Utf8Step step = utf8_step(word, position);
    const std::string_view character = word.substr(position, step.length);
    position += step.length;
    const auto entry = characters_.find(step.code_point);
    if (entry != characters_.end()) {
      ids.push_back(entry->second);
      after_unk = false;
    } else if (append_bytes(character, ids)) {
      after_unk = false;
    } else if (unk_) {
      if (!after_unk || !options_.fuse_unk) ids.push_back(*unk_);
      after_unk = true;
    }
  }
}

bool Bpe::append_bytes(std::string_view character, std::vector<std::int32_t>& ids) const {
  if (byte_tokens_.empty()) return false;
  const auto token = [&](char byte) { return byte_tokens_[static_cast<unsigned char>(byte)]; };
  for (const char byte : character) {
    if (!token(byte)) return false;
  }
  for (const char byte : character) ids.push_back(*token(byte));
  return true;
}

const Bpe::Merge* Bpe::find_merge(std::int32_t left, std::int32_t right) const {
  const auto entry = merges_.find(pair_key(left, right));
  return entry == merges_.end() ? nullptr : &entry->second;
}

void Bpe::merge(std::vector<std::int32_t>& ids) const {
  const auto count = static_cast<std::int32_t>(ids.size());
  std::vector<Symbol> symbols(ids.size());
  std::priority_queue<Candidate, std::vector<Candidate>, LaterCandidate> candidates;
  const auto at = [&](std::int32_t position) -> Symbol& {
    return symbols[static_cast<std::size_t>(position)];
  };
  const auto consider = [&](std::int32_t position) {
    if (position == none || at(position).next == none) return;
    const std::int32_t left = at(position).id;
    const std::int32_t right = at(at(position).next).id;
    if (const Merge* merge = find_merge(left, right)) {
      candidates.push(
          {.rank = merge->rank, .position = position, .left = left, .right = right, .merged = merge->id});
    }
  };
  for (std::int32_t i = 0; i < count; ++i) {
    at(i) = {.id = ids[static_cast<std::size_t>(i)], .previous = i - 1, .next = i + 1 < count ? i + 1 : none};
  }
  for (std::int32_t i = 0; i < count; ++i) consider(i);
  while (!candidates.empty()) {
    const Candidate best = candidates.top();
    candidates.pop();
    Symbol& left = at(best.position);
    if (left.id != best.left || left.next == none || at(left.next).id != best.right) continue;
    Symbol& right = at(left.next);
    left.id = best.merged;
    right.id = none;
    left.next = right.next;
    if (left.next != none) at(left.next).previous = best.position;
    consider(left.previous);
    consider(best.position);
  }
  ids.clear();
  for (const Symbol& symbol : symbols) {
    if (symbol.id != none) ids.push_back(symbol.id);
  }
}

}  // namespace cola
