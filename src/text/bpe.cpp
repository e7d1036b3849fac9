#include "text/bpe.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <queue>

#include "core/error.h"
#include "text/utf8.h"

namespace cola {

namespace {

constexpr std::int32_t none = -1;
constexpr std::uint32_t no_rank = std::numeric_limits<std::uint32_t>::max();
constexpr std::size_t join_bits = std::size_t{1} << 21;
constexpr std::size_t few = 48;  // symbols up to which looking through all of them beats a heap

std::uint64_t pair_key(std::int32_t left, std::int32_t right) {
  return (static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32) |
         static_cast<std::uint32_t>(right);
}

std::size_t join_bit(char32_t last, char32_t first) {
  constexpr std::uint64_t golden_ratio = 0x9E3779B97F4A7C15;
  return (pair_key(static_cast<std::int32_t>(last), static_cast<std::int32_t>(first)) * golden_ratio) >>
         (64 - std::countr_zero(join_bits));
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
         const std::string& where, std::span<const std::uint32_t> ranks)
    : vocabulary_(std::move(vocabulary)), options_(options), joins_(join_bits / 64) {
  add_merges(merges, ranks, where);
  for (const auto& [token, id] : vocabulary_.tokens()) {
    if (token.empty()) continue;
    const Utf8Step step = utf8_step(token, 0);
    if (step.valid && step.length == token.size()) characters_[step.code_point] = id;
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

void Bpe::add_merges(std::span<const BpeMerge> merges, std::span<const std::uint32_t> ranks,
                     const std::string& where) {
  if (merges.size() >= no_rank) throw Error(where + ": too many merges");
  merges_.reserve(merges.size());
  constexpr std::size_t group = 32;  // merges at a time: their memory is fetched at once
  std::array<std::string, group> results;
  std::array<std::string_view, 3 * group> tokens;
  std::array<std::int32_t, 3 * group> ids{};
  std::uint32_t number = 0;
  for (; !merges.empty(); merges = merges.subspan(std::min(group, merges.size()))) {
    const std::span<const BpeMerge> some = merges.first(std::min(group, merges.size()));
    for (std::size_t i = 0; i < some.size(); ++i) {
      results[i].assign(some[i].first).append(some[i].second);
      tokens[3 * i] = some[i].first;
      tokens[3 * i + 1] = some[i].second;
      tokens[3 * i + 2] = results[i];
    }
    vocabulary_.find(std::span(tokens).first(3 * some.size()), ids);
    for (std::size_t i = 0; i < some.size(); ++i) merges_.prefetch(pair_key(ids[3 * i], ids[3 * i + 1]));
    for (std::size_t i = 0; i < some.size(); ++i) {
      for (std::size_t k = 3 * i; k < 3 * i + 3; ++k) {
        if (ids[k] < 0)
          throw Error(fmt::format("{}: merge {:?} + {:?} needs the token {:?}, which the vocabulary lacks",
                                  where, some[i].first, some[i].second, tokens[k]));
      }
      merges_[pair_key(ids[3 * i], ids[3 * i + 1])] = {.rank = ranks.empty() ? number : ranks[number],
                                                       .id = ids[3 * i + 2]};
      ++number;
      add_join(some[i].first, some[i].second);
    }
  }
}

void Bpe::add_join(std::string_view left, std::string_view right) {
  if (left.empty() || right.empty()) return;  // no symbol is
  const char32_t last = utf8_step(left, last_code_point(left)).code_point;
  const std::size_t bit = join_bit(last, utf8_step(right, 0).code_point);
  joins_[bit / 64] |= std::uint64_t{1} << (bit % 64);
}

bool Bpe::may_join(char32_t last, char32_t first) const {
  const std::size_t bit = join_bit(last, first);
  return ((joins_[bit / 64] >> (bit % 64)) & 1) != 0;
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
  // The word is merged part by part: no merge goes across two characters that none ever joins.
  std::size_t begin = ids.size();
  std::optional<char32_t> last;  // the character before, where it is a token
  bool after_unk = false;
  for (std::size_t position = 0; position < word.size();) {
    const Utf8Step step = utf8_step(word, position);
    const std::string_view character = word.substr(position, step.length);
    position += step.length;
    if (const std::int32_t* id = characters_.find(step.code_point)) {
      if (last && !may_join(*last, step.code_point)) {
        merge(ids, begin);
        begin = ids.size();
      }
      ids.push_back(*id);
      last = step.code_point;
      after_unk = false;
      continue;
    }
    last.reset();
    if (append_bytes(character, ids)) {
      after_unk = false;
    } else if (unk_) {
      if (!after_unk || !options_.fuse_unk) ids.push_back(*unk_);
      after_unk = true;
    }
  }
  merge(ids, begin);
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
  return merges_.find(pair_key(left, right));
}

void Bpe::merge(std::vector<std::int32_t>& ids, std::size_t begin) const {
  const std::size_t count = ids.size() - begin;
  if (count < 2) return;
  if (count <= few) {
    merge_few(ids, begin);
  } else {
    merge_many(ids, begin);
  }
}

void Bpe::merge_few(std::vector<std::int32_t>& ids, std::size_t begin) const {
  struct Pair {
    std::uint32_t rank = no_rank;  // of merging a symbol with the next one
    std::int32_t merged = none;
  };
  std::array<Pair, few> pairs;
  std::size_t count = ids.size() - begin;
  std::int32_t* const symbols = ids.data() + begin;
  const auto consider = [&](std::size_t at) {
    const Merge* merge = at + 1 < count ? find_merge(symbols[at], symbols[at + 1]) : nullptr;
    pairs[at] = merge == nullptr ? Pair() : Pair{.rank = merge->rank, .merged = merge->id};
  };
  for (std::size_t at = 0; at < count; ++at) consider(at);
  while (true) {
    const auto end = pairs.begin() + static_cast<std::ptrdiff_t>(count);
    const auto best =
        std::min_element(pairs.begin(), end, [](const Pair& a, const Pair& b) { return a.rank < b.rank; });
    if (best->rank == no_rank) break;
    const auto at = static_cast<std::size_t>(best - pairs.begin());
    symbols[at] = best->merged;
    std::copy(symbols + at + 2, symbols + count, symbols + at + 1);
    std::copy(best + 2, end, best + 1);
    --count;
    consider(at);
    if (at > 0) consider(at - 1);
  }
  ids.resize(begin + count);
}

void Bpe::merge_many(std::vector<std::int32_t>& ids, std::size_t begin) const {
  const auto count = static_cast<std::int32_t>(ids.size() - begin);
  std::vector<Symbol> symbols(ids.size() - begin);
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
    at(i) = {.id = ids[begin + static_cast<std::size_t>(i)],
             .previous = i - 1,
             .next = i + 1 < count ? i + 1 : none};
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
  ids.resize(begin);
  for (const Symbol& symbol : symbols) {
    if (symbol.id != none) ids.push_back(symbol.id);
  }
}

}  // namespace cola
