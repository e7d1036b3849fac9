#include "data/dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <limits>
#include <utility>

#include "core/error.h"
#include "data/dev_split.h"
#include "data/record.h"
#include "data/record_source.h"
#include "data/sequence_builder.h"

namespace cola {
namespace {

/// Counts the sequences and tokens of `dataset` anew.
void count_sequences(Dataset& dataset) {
  DataReport& report = dataset.report;
  report.sequences = static_cast<std::int64_t>(dataset.examples.size());
  report.tokens = report.loss_tokens = 0;
  for (const Example& example : dataset.examples) {
    report.tokens += static_cast<std::int64_t>(example.ids.size());
    report.loss_tokens += example.loss_tokens();
  }
}

/// "read as ShareGPT: 1000 conversations, 12 without an answer skipped; ".
std::string read_as(const DataReport& report) {
  std::string text;
  for (const auto& [form, count] : report.forms) {
    const bool is_chat = form == "ShareGPT" || form == "messages";
    text += fmt::format("{} {}: {} {}", text.empty() ? "read as" : ", as", form, count,
                        is_chat ? "conversations" : "records");
  }
  if (text.empty() && report.records == 0) return text;  // of a set that was split off another
  if (text.empty()) text = fmt::format("{} records", report.records);
  if (report.without_answer > 0) text += fmt::format(", {} without an answer skipped", report.without_answer);
  return text + "; ";
}

}  // namespace

std::int64_t Example::loss_tokens() const {
  if (labels.empty()) return 0;
  return std::count_if(labels.begin() + 1, labels.end(),
                       [](std::int32_t label) { return label != no_label; });
}

std::string DataReport::summary() const {
  std::string line = fmt::format("{}{} {}, {} tokens, {} trained", read_as(*this), sequences,
                                 of_pairs ? "pairs" : "sequences", tokens, loss_tokens);
  const std::pair<std::int64_t, const char*> remarks[] = {
      {windowed, "texts cut into windows"},
      {truncated, "prompts cut from the left"},
      {skipped_long, "skipped: completion longer than --max-length"},
      {skipped_empty, "sequences skipped: no trained token"},
      {merged_borders, "borders inside a token, which is trained whole"},
      {equal_answers, "pairs skipped: equal answers"},
      {shortened_prompts, "prompts end in a token that an answer changes, which is trained with it"},
      {own_special, "with a BOS or EOS of their own: none added"},
      {parsed_arguments, "with tool calls' arguments as JSON text, which the template is given as objects"},
      {weighted, "sequences weighted: the loss is the sum of weight times loss over trained tokens"},
  };
  for (const auto& [count, what] : remarks) {
    if (count > 0) line += fmt::format("; {} {}", count, what);
  }
  for (const auto& [what, found] : chat_remarks)
    line += fmt::format("; {} times: {}", found.first, found.second);
  return line;
}

Dataset read_dataset(const std::filesystem::path& file, const Tokenizer* tokenizer,
                     std::int64_t vocabulary_size, const DataOptions& options, const ReadingReport& each) {
  const SequenceBuilder builder(tokenizer, vocabulary_size, options);
  Dataset dataset = read_in_chunks<Dataset>(
      file, each,
      [&](const PlacedRecord& record, Dataset& part) {
        builder.add(parse_record(record.text, record.where, options.fields), record.where, part);
      },
      [](Dataset& all, Dataset part) {
        std::ranges::move(part.examples, std::back_inserter(all.examples));
        all.report.add(part.report);
      });
  if (dataset.report.records == 0) throw Error(fmt::format("{}: no records in the file", file.string()));
  dataset.files = {std::ssize(dataset.examples)};
  if (dataset.examples.empty()) {
    throw Error(fmt::format("{}: no trainable token in the whole file ({})", file.string(),
                            dataset.report.summary()));
  }
  return dataset;
}

void DataReport::add(const DataReport& other) {
  static constexpr std::array counts{
      &DataReport::records,          &DataReport::chats,         &DataReport::without_answer,
      &DataReport::sequences,        &DataReport::windowed,      &DataReport::truncated,
      &DataReport::skipped_long,     &DataReport::skipped_empty, &DataReport::merged_borders,
      &DataReport::own_special,      &DataReport::equal_answers, &DataReport::shortened_prompts,
      &DataReport::parsed_arguments, &DataReport::weighted,      &DataReport::tokens,
      &DataReport::loss_tokens};
  of_pairs = of_pairs || other.of_pairs;
  for (const auto count : counts) this->*count += other.*count;
  for (const auto& [form, count] : other.forms) forms[form] += count;
  for (const auto& [what, found] : other.chat_remarks) {
    auto& [count, first] = chat_remarks[what];
    if (count == 0) first = found.second;
    count += found.first;
  }
}

void append(Dataset& all, Dataset more) {
  all.files.push_back(std::ssize(more.examples));
  std::ranges::move(more.examples, std::back_inserter(all.examples));
  all.report.add(more.report);
}

Dataset split_dev(Dataset& train, double fraction, std::uint64_t seed) {
  Dataset dev;
  dev.examples = take_dev(train.examples, train.files, fraction, seed);
  count_sequences(train);
  count_sequences(dev);
  return dev;
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
