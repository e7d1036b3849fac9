#pragma once
#include <cstdint>
#include <filesystem>
#include <vector>

#include "data/dataset.h"
#include "data/question.h"
#include "data/record_chunks.h"

namespace cola {

/// Two answers to one prompt: candidate 0 is the chosen one, which is gold, candidate 1 the rejected one.
/// Both begin with the same `prompt_tokens` tokens, or with one more where they begin with none; labels are
/// on the others.
struct PreferencePair {
  Question question;
  std::int64_t prompt_tokens = 0;
};

struct PreferenceSet {
  std::vector<PreferencePair> pairs;
  DataReport report;
  std::vector<std::int64_t> files;  ///< how many pairs each file gave, in order
};

/// Reads a file of preference pairs (preference_record.h). Texts and chats are tokenised with prompt and
/// answer in one; what a prompt alone has in common with both is the prompt, as in TRL 1.16: the shortest of
/// three. EOS follows an answer that is text and does not end in it; a chat ends as its template says. A long
/// prompt is cut from the left; pairs with an answer that does not fit, or with equal answers, are left out
/// and counted. Throws Error as read_dataset does.
[[nodiscard]] PreferenceSet read_preferences(const std::filesystem::path& file, const Tokenizer* tokenizer,
                                             std::int64_t vocabulary_size, const DataOptions& options,
                                             const ReadingReport& each = {},
                                             const TokenCache* cache = nullptr);

/// Adds the pairs of another file behind those of `all`.
void append(PreferenceSet& all, PreferenceSet more);

/// As split_dev of a Dataset.
[[nodiscard]] PreferenceSet split_dev(PreferenceSet& train, double fraction, std::uint64_t seed);

}  // namespace cola
