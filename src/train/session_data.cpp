#include "train/session_data.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/progress.h"
#include "data/mixture.h"
#include "data/reading_progress.h"
#include "eval/data_options.h"
#include "eval/task_evaluation.h"
#include "tasks/task_set.h"
#include "train/checkpoint.h"

namespace cola {
namespace {

void load_files(const TrainOptions& options, const DecoderSpec& config,
                const std::filesystem::path& tokenizer_folder, bool quiet, SessionData& data) {
  EvaluateOptions reading;  // dev data is read as cola eval reads it
  reading.max_length = options.max_length.value_or(0);
  reading.train_on_prompt = options.train_on_prompt;
  reading.no_eos = options.no_eos;
  reading.chat_template = options.chat_template;
  reading.chat_template_kwargs = options.chat_template_kwargs;
  reading.chat_template_date = options.chat_template_date;
  reading.fields = options.fields;
  const DataOptions form = data_options(reading, config, tokenizer_folder, data.tokenizer.get());
  const auto read = [&](const std::filesystem::path& file) {
    Progress progress(quiet);
    return read_dataset(file, data.tokenizer.get(), config.vocab_size, form,
                        reading_progress(progress, file));
  };
  std::vector<WeightedFile> files;
  for (const auto& file : options.train) files.push_back(parse_weighted_file(file.string()));
  Dataset train;
  for (const WeightedFile& file : files) append(train, read(file.file));
  if (train.report.chats > 0) {
    data.chat = chat_files(*form.chat_format, *data.tokenizer, options.model);
    data.chat_date = form.chat_format->date();
  }
  if (!options.dev.empty()) {
    data.dev = {read(options.dev), {}};
  } else if (options.dev_fraction > 0.0) {
    data.dev = {split_dev(train, options.dev_fraction, options.data_seed.value_or(options.seed)), {}};
  }
  data.train = TrainingData(std::move(train), weights_of(files));
}

/// The texts with their gold answers, for the language-model objective.
Dataset answered_sequences(const std::vector<TaskItem>& items, const TaskEncoding& encoding,
                           std::int64_t vocabulary_size) {
  Dataset data;
  for (const auto& item : items) {
    data.examples.push_back(encode_answered(item, encoding, &data.report.merged_borders));
    require_vocabulary(data.examples.back().ids, vocabulary_size);
    data.report.tokens += std::ssize(data.examples.back().ids);
    data.report.loss_tokens += data.examples.back().loss_tokens();
  }
  data.report.records = data.report.sequences = std::ssize(data.examples);
  return data;
}

void load_task(const TrainOptions& options, const DecoderSpec& config, SessionData& data) {
  if (!data.tokenizer) throw Error("--task needs a tokenizer: give --tokenizer DIR");
  data.task = find_task(options.task);
  data.encoding = task_encoding(*data.task, *data.tokenizer, config, options.max_length.value_or(0),
                                options.bos_token_id);
  auto sets =
      read_training_sets(*data.task, task_folder(*data.task, options.task_data),
                         {options.num_train, options.num_dev, {}}, options.data_seed.value_or(options.seed));
  const bool by_candidates = data.task->objective == TaskObjective::candidates;
  if (by_candidates) {
    std::vector<Question> questions;
    for (const auto& item : sets.train) {
      questions.push_back(encode_question(item, {}, data.encoding));
      for (const auto& candidate : questions.back().candidates)
        require_vocabulary(candidate.ids, config.vocab_size);
    }
    data.train = TrainingData(std::move(questions), !options.no_share_prefix);
  } else {
    data.train = TrainingData(answered_sequences(sets.train, data.encoding, config.vocab_size));
  }
  if (sets.dev.empty()) return;
  data.dev.emplace();
  if (!by_candidates) data.dev->sequences = answered_sequences(sets.dev, data.encoding, config.vocab_size);
  data.dev->items = std::move(sets.dev);
}

}  // namespace

std::string DevSet::summary() const {
  return items.empty() ? sequences.report.summary() : fmt::format("{} examples", items.size());
}

std::string DevSet::digest() const {
  std::vector<Example> text;  // of the examples, as bytes: tokenised only when they are scored
  for (const auto& item : items) {
    Example& bytes = text.emplace_back();
    bytes.ids.assign(item.answered.begin(), item.answered.end());
    for (const auto& candidate : item.candidates)
      bytes.ids.insert(bytes.ids.end(), candidate.begin(), candidate.end());
  }
  return items.empty() ? digest_of(sequences.examples) : digest_of(text);
}

SessionData load_session_data(const TrainOptions& options, const DecoderSpec& config, bool quiet) {
  SessionData data;
  const auto folder = options.tokenizer.empty() ? options.model : options.tokenizer;
  if (!options.tokenizer.empty() || has_tokenizer(folder)) data.tokenizer = open_tokenizer(folder);
  if (options.task.empty()) {
    load_files(options, config, folder, quiet, data);
  } else {
    load_task(options, config, data);
  }
  return data;
}

}  // namespace cola
