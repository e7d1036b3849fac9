#include "data/question_batch.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "core/error.h"
#include "data/dataset.h"

namespace cola {
namespace {

std::size_t common_prefix(const std::vector<Example>& candidates) {
  const auto& first = candidates.front().ids;
  std::size_t length = first.size();
  for (const Example& other : candidates) {
    const auto end = first.begin() + static_cast<std::ptrdiff_t>(std::min(length, other.ids.size()));
    length =
        static_cast<std::size_t>(std::mismatch(first.begin(), end, other.ids.begin()).first - first.begin());
  }
  return length;
}

/// How a question's tokens are divided into rows.
struct Division {
  std::size_t shared = 0;      ///< rows of the common prefix; 0 where none is shared
  std::size_t not_needed = 0;  ///< tokens at a candidate's end that have no row

  /// End of the candidate's tokens that have a row, shared ones included.
  [[nodiscard]] std::size_t end(const Example& candidate) const {
    return std::max(shared, candidate.ids.size() - not_needed);
  }
};

Division divide(const Question& question, bool share_prefix) {
  if (!share_prefix) return {};
  if (question.candidates.size() < 2) return {0, 1};
  std::size_t longest = 0;
  for (const Example& candidate : question.candidates) longest = std::max(longest, candidate.ids.size());
  // Every token before another one of some candidate has to be computed, and no other.
  return {std::min(common_prefix(question.candidates), longest - 1), 1};
}

void check_question(const Question& question) {
  const auto count = std::ssize(question.candidates);
  if (question.gold < 0 || question.gold >= count) {
    throw Error(
        fmt::format("a question of {} candidates has number {} as the right one", count, question.gold));
  }
  for (const Example& candidate : question.candidates) {
    if (candidate.labels.size() != candidate.ids.size() || candidate.loss_tokens() == 0) {
      throw Error("a question has a candidate without an answer token to score");
    }
  }
}

/// Appends questions to a batch.
class QuestionPacker {
 public:
  QuestionPacker(QuestionBatch& to, std::int64_t first_sequence)
      : to_(to), first_sequence_(static_cast<std::uint64_t>(first_sequence)) {}

  void add(const Question& question, bool share_prefix) {
    const Division division = divide(question, share_prefix);
    const auto first = static_cast<std::int32_t>(to_.lengths.size());
    std::int32_t prefix = -1;
    if (division.shared > 0) {
      prefix = static_cast<std::int32_t>(to_.batch.sequences());
      add_prefix(question, first, division.shared);
    }
    for (std::size_t c = 0; c < question.candidates.size(); ++c) {
      const Example& candidate = question.candidates[c];
      to_.lengths.push_back(std::ssize(candidate.ids));
      if (division.end(candidate) == division.shared) continue;
      const std::int32_t number = first + static_cast<std::int32_t>(c);
      for (std::size_t t = division.shared; t < division.end(candidate); ++t) {
        add_row(candidate, t, number);
        add_target(candidate, t, number);
      }
      end_sequence(prefix);
    }
    to_.question_offsets.push_back(static_cast<std::int32_t>(to_.lengths.size()));
    to_.gold.push_back(first + question.gold);
  }

 private:
  /// Rows in common; one row may have a target of several candidates.
  void add_prefix(const Question& question, std::int32_t first, std::size_t shared) {
    const auto longest = std::ranges::max_element(
        question.candidates, {}, [](const Example& candidate) { return candidate.ids.size(); });
    for (std::size_t t = 0; t < shared; ++t) {
      add_row(*longest, t, first);
      std::int32_t number = first;
      for (const Example& candidate : question.candidates) add_target(candidate, t, number++);
    }
    end_sequence(-1);
  }

  void add_row(const Example& candidate, std::size_t t, std::int32_t number) {
    to_.batch.ids.push_back(candidate.ids[t]);
    to_.batch.positions.push_back(static_cast<std::int32_t>(t));
    to_.batch.token_keys.push_back(((first_sequence_ + static_cast<std::uint64_t>(number)) << 32) + t);
  }

  /// What the last row, of token t, predicts of the candidate.
  void add_target(const Example& candidate, std::size_t t, std::int32_t number) {
    if (t + 1 >= candidate.ids.size() || candidate.labels[t + 1] == no_label) return;
    to_.batch.loss_rows.push_back(static_cast<std::int32_t>(to_.batch.ids.size()) - 1);
    to_.batch.targets.push_back(candidate.labels[t + 1]);
    to_.candidate_of.push_back(number);
  }

  void end_sequence(std::int32_t prefix) {
    to_.batch.offsets.push_back(static_cast<std::int32_t>(to_.batch.ids.size()));
    to_.batch.prefixes.push_back(prefix);
  }

  QuestionBatch& to_;
  std::uint64_t first_sequence_;
};

}  // namespace

std::int64_t question_tokens(const Question& question, bool share_prefix) {
  check_question(question);
  const Division division = divide(question, share_prefix);
  std::size_t tokens = division.shared;
  for (const Example& candidate : question.candidates) tokens += division.end(candidate) - division.shared;
  return static_cast<std::int64_t>(tokens);
}

QuestionBatch make_question_batch(std::span<const Question* const> questions, bool share_prefix,
                                  std::int64_t first_sequence) {
  std::int64_t tokens = 0;
  for (const Question* question : questions) tokens += question_tokens(*question, share_prefix);
  if (tokens > std::numeric_limits<std::int32_t>::max()) {
    throw Error(fmt::format("a batch of {} tokens is too large: lower --batch-size", tokens));
  }
  QuestionBatch batch;
  QuestionPacker packer(batch, first_sequence);
  for (const Question* question : questions) packer.add(*question, share_prefix);
  if (!batch.lengths.empty()) batch.batch.longest = std::ranges::max(batch.lengths);
  auto& prefixes = batch.batch.prefixes;
  if (std::ranges::all_of(prefixes, [](std::int32_t prefix) { return prefix < 0; })) prefixes.clear();
  return batch;
}

}  // namespace cola
