#include "data/dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "core/error.h"
#include "data/dev_split.h"
#include "data/record.h"
#include "data/record_source.h"
#include "data/sequence_builder.h"
#include "data/token_cache.h"

namespace cola {
namespace {

/// Counts the sequences and tokens of `dataset` anew.
void count_sequences(Dataset& dataset) {
  dataset.report.sequences = std::ssize(dataset.examples);
  dataset.report.tokens = dataset.examples.total_tokens();
  dataset.report.loss_tokens = dataset.examples.total_loss_tokens();
}

}  // namespace

Dataset read_dataset(const std::filesystem::path& file, const Tokenizer* tokenizer,
                     std::int64_t vocabulary_size, const DataOptions& options, const ReadingReport& each,
                     const TokenCache* cache) {
  const SequenceBuilder builder(tokenizer, vocabulary_size, options);
  const auto read = [&](const SequenceSink& keep) {
    const DataReport report =
        read_in_chunks<Dataset>(
            file, each,
            [&](const PlacedRecord& record, Dataset& part) {
              builder.add(parse_record(record.text, record.where, options.fields), record.where, part);
            },
            [&](Dataset& all, const Dataset& part) {
              keep(part.examples);
              all.report.add(part.report);
            })
            .report;
    if (report.records == 0) throw Error(fmt::format("{}: no records in the file", file.string()));
    if (report.sequences == 0)
      throw Error(
          fmt::format("{}: no trainable token in the whole file ({})", file.string(), report.summary()));
    return report;
  };
  Dataset dataset = read_through(cache, file, {"sequences", tokenizer, vocabulary_size, options}, each, read);
  dataset.files = {std::ssize(dataset.examples)};
  return dataset;
}

void append(Dataset& all, const Dataset& more) {
  all.files.push_back(std::ssize(more.examples));
  all.examples.append(more.examples);
  all.report.add(more.report);
}

Dataset split_dev(Dataset& train, double fraction, std::uint64_t seed) {
  std::vector<std::int64_t> numbers(train.examples.size());
  std::iota(numbers.begin(), numbers.end(), std::int64_t{0});
  Dataset dev;
  dev.examples = train.examples.select(take_dev(numbers, train.files, fraction, seed));
  train.examples = train.examples.select(std::move(numbers));
  count_sequences(train);
  count_sequences(dev);
  return dev;
}

std::vector<const Example*> pointers_to(std::span<const Example> examples) {
  std::vector<const Example*> pointers;
  for (const Example& example : examples) pointers.push_back(&example);
  return pointers;
}

std::vector<float> loss_weights(std::span<const Example* const> examples) {
  std::vector<float> weights;
  bool given = false;
  for (const Example* example : examples) {
    given = given || !example->weights.empty();
    for (std::size_t at = 1; at < example->labels.size(); ++at) {
      if (example->labels[at] != no_label)
        weights.push_back(example->weights.empty() ? 1.0F : example->weights[at]);
    }
  }
  if (!given) weights.clear();
  return weights;
}

double weighted_sum(std::span<const float> nll, std::span<const float> weights, double sum) {
  for (std::size_t i = 0; i < nll.size(); ++i)
    sum += weights.empty() ? static_cast<double>(nll[i])
                           : static_cast<double>(weights[i]) * static_cast<double>(nll[i]);
  return sum;
}

RaggedBatch make_batch(std::span<const Example* const> examples, std::int64_t first_sequence) {
  std::size_t tokens = 0;
  for (const Example* example : examples) tokens += example->ids.size();
  if (tokens > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
    throw Error(fmt::format("a batch of {} tokens is too large: lower --batch-size", tokens));
  }
  RaggedBatch batch;
  batch.ids.reserve(tokens);
  batch.positions.reserve(tokens);
  batch.token_keys.reserve(tokens);
  auto sequence = static_cast<std::uint64_t>(first_sequence);
  for (const Example* example : examples) {
    const std::int32_t begin = batch.offsets.back();
    const auto length = static_cast<std::int32_t>(example->ids.size());
    for (std::int32_t t = 0; t < length; ++t) {
      const auto at = static_cast<std::size_t>(t);
      batch.ids.push_back(example->ids[at]);
      batch.positions.push_back(t);
      batch.token_keys.push_back((sequence << 32) + static_cast<std::uint64_t>(t));
      if (t > 0 && example->labels[at] != no_label) {
        batch.loss_rows.push_back(begin + t - 1);
        batch.targets.push_back(example->labels[at]);
      }
    }
    batch.offsets.push_back(begin + length);
    ++sequence;
  }
  return batch;
}

}  // namespace cola
