#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backend/ragged_batch.h"
#include "cola/record_fields.h"
#include "data/data_report.h"
#include "data/record_chunks.h"
#include "data/sequences.h"
#include "text/chat/format.h"
#include "text/tokenizer.h"

namespace cola {

class TokenCache;

struct DataOptions {
  std::int64_t max_length = 2048;  ///< tokens, specials included
  bool train_on_prompt = false;
  bool append_eos = true;
  std::optional<ChatFormat> chat_format;
  std::string no_chat_template;  ///< why there is none, and what to do: said where a chat needs one
  RecordFields fields;
};

struct Dataset {
  Sequences examples;
  DataReport report;
  std::vector<std::int64_t> files{};  // NOLINT: as in DataReport. How many examples each file gave, in order
};

/// Reads a file (record_source.h) in the forms of docs/formats.md; each record may be of its own form.
/// `tokenizer` may be null: then only input_ids are taken, and text asks for a tokenizer in the error.
/// Throws Error naming file and line: malformed JSON, unknown form, labels longer or shorter than ids, ids
/// outside [0, vocabulary_size), no records at all, no trainable token in the whole file. `each` is
/// called now and then. What `cache` has of the file, read in the same way, is taken from it.
[[nodiscard]] Dataset read_dataset(const std::filesystem::path& file, const Tokenizer* tokenizer,
                                   std::int64_t vocabulary_size, const DataOptions& options,
                                   const ReadingReport& each = {}, const TokenCache* cache = nullptr);

/// Adds the examples of another file behind those of `all`.
void append(Dataset& all, const Dataset& more);

/// Moves a random `fraction` of the examples (at least one, at most all but one) into the returned set, by
/// `seed`.
[[nodiscard]] Dataset split_dev(Dataset& train, double fraction, std::uint64_t seed);

[[nodiscard]] std::vector<const Example*> pointers_to(std::span<const Example> examples);

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
