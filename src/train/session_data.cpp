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

std::vector<double> file_weights(const TrainOptions& options) {
  std::vector<WeightedFile> files;
  for (const auto& file : options.train) files.push_back(parse_weighted_file(file.string()));
  return weights_of(files);
}

/// Training and dev set, of sequences or pairs, each file read by `read`.
template <class Set, class Read>
std::pair<Set, std::optional<Set>> read_sets(const TrainOptions& options, const Read& read) {
  Set train;
  for (const auto& file : options.train) append(train, read(parse_weighted_file(file.string()).file));
  std::optional<Set> dev;
  if (!options.dev.empty()) {
    dev = read(options.dev);
  } else if (options.dev_fraction > 0.0) {
    dev = split_dev(train, options.dev_fraction, options.data_seed.value_or(options.seed));
  }
  return {std::move(train), std::move(dev)};
}

void load_files(const TrainOptions& options, const DecoderSpec& config,
                const std::filesystem::path& tokenizer_folder, const ReadingMode& mode, SessionData& data) {
  EvaluateOptions reading;  // dev data is read as cola eval reads it
  reading.max_length = options.max_length.value_or(0);
  reading.train_on_prompt = options.train_on_prompt;
  reading.no_eos = options.no_eos;
  reading.chat_template = options.chat_template;
  reading.chat_template_kwargs = options.chat_template_kwargs;
  reading.chat_template_date = options.chat_template_date;
  reading.fields = options.fields;
  const DataOptions form = data_options(reading, config, tokenizer_folder, data.tokenizer.get());
  const auto note_chats = [&](const DataReport& report) {
    if (report.chats == 0) return;
    data.chat = chat_files(*form.chat_format, *data.tokenizer, options.model);
    data.chat_date = form.chat_format->date();
  };
  reading.token_cache = mode.token_cache;
  const auto read_by = [&](const auto& read_file) {
    return [&](const std::filesystem::path& file) {
      Progress progress(mode.quiet);
      reading.note = [&](const std::string& line) { progress.note(line); };
      const auto cache = token_cache(reading, tokenizer_folder);
      const auto each =
          reading_progress(file, [&](const std::string& text, std::int64_t done, std::int64_t total) {
            progress.update(text, done, total);
          });
      return read_file(file, data.tokenizer.get(), config.vocab_size, form, each, cache ? &*cache : nullptr);
    };
  };
  if (const auto objective = preference_objective(options.preference)) {
    auto [train, dev] = read_sets<PreferenceSet>(options, read_by(read_preferences));
    note_chats(train.report);
    if (dev) {
      for (PreferencePair& pair : dev->pairs) pair = as_trained(std::move(pair), *objective);
      const std::size_t count = dev->pairs.size();
      data.dev = {.sequences = {}, .items = {}, .pairs = *std::move(dev), .references = {}};
      data.dev->references.resize(count);
    }
    data.train = TrainingData(std::move(train), *objective, file_weights(options), !options.no_share_prefix);
    return;
  }
  auto [train, dev] = read_sets<Dataset>(options, read_by(read_dataset));
  note_chats(train.report);
  if (dev) data.dev = {.sequences = *std::move(dev), .items = {}, .pairs = {}, .references = {}};
  data.train = TrainingData(std::move(train), file_weights(options));
}

/// The texts with their gold answers, for the language-model objective.
Dataset answered_sequences(const std::vector<TaskItem>& items, const TaskEncoding& encoding,
                           std::int64_t vocabulary_size) {
  Dataset data;
  for (const auto& item : items) {
    const Example example = encode_answered(item, encoding, &data.report.merged_borders);
    require_vocabulary(example.ids, vocabulary_size);
    data.examples.push_back(example);
  }
  data.report.records = data.report.sequences = std::ssize(data.examples);
  data.report.tokens = data.examples.total_tokens();
  data.report.loss_tokens = data.examples.total_loss_tokens();
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
  if (!pairs.pairs.empty()) return pairs.report.summary();
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
  for (const PreferencePair& pair : pairs.pairs)
    text.insert(text.end(), pair.question.candidates.begin(), pair.question.candidates.end());
  return text.empty() ? sequences.examples.digest() : digest_of(text);
}

std::string DevSet::former_digest() const {
  return items.empty() && pairs.pairs.empty() ? former_digest_of(sequences.examples) : digest();
}

SessionData load_session_data(const TrainOptions& options, const DecoderSpec& config,
                              const ReadingMode& mode) {
  SessionData data;
  const auto folder = options.tokenizer.empty() ? options.model : options.tokenizer;
  if (!options.tokenizer.empty() || has_tokenizer(folder)) data.tokenizer = open_tokenizer(folder);
  if (options.task.empty()) {
    load_files(options, config, folder, mode, data);
  } else {
    load_task(options, config, data);
  }
  return data;
}

}  // namespace cola
