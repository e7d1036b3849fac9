#include "text/score_merges.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "core/error.h"
#include "text/utf8.h"

namespace cola {
namespace {

void append_merges(std::string_view token, std::uint32_t rank,
                   const std::unordered_set<std::string_view>& texts, ScoreMerges& found) {
  for (std::size_t at = utf8_step(token, 0).length; at < token.size(); at += utf8_step(token, at).length) {
    if (!texts.contains(token.substr(0, at)) || !texts.contains(token.substr(at))) continue;
    found.merges.emplace_back(token.substr(0, at), token.substr(at));
    found.ranks.push_back(rank);
  }
}

}  // namespace

ScoreMerges merges_by_score(std::vector<ScoredToken> tokens,
                            const std::unordered_set<std::string_view>& texts, std::size_t most,
                            const std::string& where) {
  std::ranges::stable_sort(tokens, std::ranges::greater(), &ScoredToken::score);
  ScoreMerges found;
  std::uint32_t rank = 0;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (i > 0 && tokens[i].score < tokens[i - 1].score) ++rank;
    append_merges(tokens[i].text, rank, texts, found);
    if (found.merges.size() > most)
      throw Error(fmt::format("{}: its tokens have more than {} merges", where, most));
  }
  return found;
}

}  // namespace cola
