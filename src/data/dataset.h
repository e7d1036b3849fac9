#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backend/ragged_batch.h"
#include "cola/record_fields.h"
#include "data/record_chunks.h"
#include "text/chat/format.h"
#include "text/tokenizer.h"

namespace cola {

inline constexpr std::int32_t no_label = -100;

/// One tokenised sequence. labels[t] is token t as a target (predicted at t-1), or no_label; labels[0] is
/// ignored.
struct Example {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> labels;  ///< as long as ids
  /// What each target's loss is multiplied by, as long as ids; empty: 1.
  std::vector<float> weights{};  // NOLINT(readability-redundant-member-init): GCC warns where it is left out

  [[nodiscard]] std::int64_t loss_tokens() const;  ///< labels after the first that are not no_label
};

struct DataOptions {
  std::int64_t max_length = 2048;  ///< tokens, specials included
  bool train_on_prompt = false;
  bool append_eos = true;
  std::optional<ChatFormat> chat_format;
  std::string no_chat_template;  ///< why there is none, and what to do: said where a chat needs one
  RecordFields fields;
};

/// What became of files' records; printed before training.
struct DataReport {
  std::int64_t records = 0;
  std::map<std::string_view, std::int64_t> forms{};  // NOLINT: as in Example. By DataRecord::form_name
  std::int64_t chats = 0;                            ///< records that are rendered as chats
  std::int64_t without_answer = 0;     ///< skipped: chats without an assistant's turn, empty answers
  std::int64_t sequences = 0;          ///< examples made
  std::int64_t windowed = 0;           ///< texts longer than max_length, cut into windows
  std::int64_t truncated = 0;          ///< prompts cut from the left
  std::int64_t skipped_long = 0;       ///< completions that do not fit
  std::int64_t skipped_empty = 0;      ///< sequences without a trainable token
  std::int64_t merged_borders = 0;     ///< borders of what is trained inside a token, which is trained
  std::int64_t own_special = 0;        ///< records whose text has the BOS or EOS that would be added
  std::int64_t weighted = 0;           ///< sequences with weights other than 1
  bool of_pairs = false;               ///< sequences are preference pairs
  std::int64_t equal_answers = 0;      ///< skipped: pairs whose answers are the same
  std::int64_t shortened_prompts = 0;  ///< pairs whose prompt alone has other last tokens than with an answer
  std::int64_t parsed_arguments = 0;   ///< chats whose tool calls' arguments were text
  std::int64_t tokens = 0;
  std::int64_t loss_tokens = 0;
  /// What the chat template did to messages, by ChatRemark::what: how many, and the first one in words.
  std::map<std::string_view, std::pair<std::int64_t, std::string>> chat_remarks{};  // NOLINT: as in Example

  [[nodiscard]] std::string summary() const;  ///< one line
  /// Adds what became of another file's.
  void add(const DataReport& other);
};

struct Dataset {
  std::vector<Example> examples;
  DataReport report;
  std::vector<std::int64_t> files{};  // NOLINT: as in Example. How many examples each file gave, in order
};

/// Reads a file (record_source.h) in the forms of docs/formats.md; each record may be of its own form.
/// `tokenizer` may be null: then only input_ids are taken, and text asks for a tokenizer in the error.
/// Throws Error naming file and line: malformed JSON, unknown form, labels longer or shorter than ids, ids
/// outside [0, vocabulary_size), no records at all, no trainable token in the whole file. `each` is
/// called now and then.
[[nodiscard]] Dataset read_dataset(const std::filesystem::path& file, const Tokenizer* tokenizer,
                                   std::int64_t vocabulary_size, const DataOptions& options,
                                   const ReadingReport& each = {});

/// Adds the examples of another file behind those of `all`.
void append(Dataset& all, Dataset more);

/// Moves a random `fraction` of the examples (at least one, at most all but one) into the returned set, by
/// `seed`.
[[nodiscard]] Dataset split_dev(Dataset& train, double fraction, std::uint64_t seed);

/// The weights of the loss rows of make_batch of the same examples; empty where all are 1.
[[nodiscard]] std::vector<float> loss_weights(std::span<const Example* const> examples);

/// `sum` and weights[i] nll[i], added in order; weights empty: 1.
[[nodiscard]] double weighted_sum(std::span<const float> nll, std::span<const float> weights,
                                  double sum = 0.0);

/// Packs examples into one ragged batch; `first_sequence` is the number of the first one within its optimizer
/// step.
[[nodiscard]] RaggedBatch make_batch(std::span<const Example* const> examples,
                                     std::int64_t first_sequence = 0);

}  // namespace cola
