#include "text/score_merges.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "core/error.h"
#include "text/utf8.h"

namespace cola {
namespace {

/// Gathers the ways to cut tokens in two, and looks up the parts many at a time.
class MergeFinder {
 public:
  MergeFinder(const Vocabulary& vocabulary, const std::vector<bool>& joins)
      : vocabulary_(vocabulary), joins_(joins) {}

  void add(std::string_view token, std::uint32_t rank) {
    for (std::size_t at = utf8_step(token, 0).length; at < token.size(); at += utf8_step(token, at).length) {
      parts_.push_back(token.substr(0, at));
      parts_.push_back(token.substr(at));
      ranks_.push_back(rank);
    }
    if (parts_.size() >= many) look_up();
  }

  [[nodiscard]] std::size_t size() const { return found_.merges.size(); }
  [[nodiscard]] ScoreMerges take() {
    look_up();
    return std::move(found_);
  }

 private:
  static constexpr std::size_t many = 512;

  void look_up() {
    ids_.resize(parts_.size());
    vocabulary_.find(parts_, ids_);
    const auto is_part = [&](std::int32_t id) { return id >= 0 && joins_[static_cast<std::size_t>(id)]; };
    for (std::size_t i = 0; i < ranks_.size(); ++i) {
      if (!is_part(ids_[2 * i]) || !is_part(ids_[2 * i + 1])) continue;
      found_.merges.emplace_back(parts_[2 * i], parts_[2 * i + 1]);
      found_.ranks.push_back(ranks_[i]);
    }
    parts_.clear();
    ranks_.clear();
  }

  const Vocabulary& vocabulary_;
  const std::vector<bool>& joins_;
  ScoreMerges found_;
  std::vector<std::string_view> parts_;  // two a way
  std::vector<std::uint32_t> ranks_;     // one a way
  std::vector<std::int32_t> ids_;
};

}  // namespace

ScoreMerges merges_by_score(std::vector<ScoredToken> tokens, const Vocabulary& vocabulary,
                            const std::vector<bool>& joins, std::size_t most, const std::string& where) {
  std::ranges::stable_sort(tokens, std::ranges::greater(), &ScoredToken::score);
  MergeFinder finder(vocabulary, joins);
  std::uint32_t rank = 0;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (i > 0 && tokens[i].score < tokens[i - 1].score) ++rank;
    finder.add(tokens[i].text, rank);
    if (finder.size() > most) break;
  }
  ScoreMerges found = finder.take();
  if (found.merges.size() > most)
    throw Error(fmt::format("{}: its tokens have more than {} merges", where, most));
  return found;
}

}  // namespace cola
