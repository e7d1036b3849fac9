#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "cli/inspections.h"
#include "core/error.h"
#include "core/progress.h"
#include "data/reading_progress.h"
#include "eval/data_options.h"
#include "eval/loaded_model.h"
#include "eval/preference_loss.h"
#include "io/printable.h"
#include "model/model_config.h"
#include "text/tokenizer.h"

namespace cola {
namespace {

constexpr std::size_t shown_tokens = 32;  // at the start, and where training begins
constexpr std::size_t shown_before = 4;   // untrained ones before those

struct Reader {
  std::unique_ptr<Tokenizer> tokenizer;
  DecoderSpec config;
  std::filesystem::path tokenizer_folder;
};

/// The model's shape and tokenizer, without its weights; a tokenizer alone will do.
Reader open_reader(const ModelSource& source) {
  Reader reader;
  if (source.model.empty() && source.run.empty()) {
    if (source.tokenizer.empty()) throw UsageError("--data needs --model DIR, or --tokenizer DIR");
    reader.tokenizer_folder = source.tokenizer;
    reader.tokenizer = open_tokenizer(source.tokenizer);
    reader.config.vocab_size = reader.tokenizer->vocabulary_size();
    reader.config.max_position_embeddings = 1 << 24;
    return reader;
  }
  const ResolvedSource resolved = resolve(source);
  reader.tokenizer_folder = resolved.tokenizer;
  reader.config = read_model_config(resolved.model);
  if (!source.tokenizer.empty() || has_tokenizer(resolved.tokenizer)) {
    reader.tokenizer = open_tokenizer(resolved.tokenizer);
  }
  return reader;
}

bool is_trained(const Example& example, std::size_t at) { return at > 0 && example.labels[at] != no_label; }

std::string piece_of(const Reader& reader, std::int32_t id) {
  if (!reader.tokenizer || id >= reader.tokenizer->vocabulary_size()) return fmt::format("{}", id);
  return printable(reader.tokenizer->piece(id));
}

std::string pieces_line(const Reader& reader, const Example& example, std::size_t begin, std::size_t end,
                        bool colour) {
  std::string line;
  for (std::size_t at = begin; at < end; ++at) {
    const std::string piece = piece_of(reader, example.ids[at]);
    if (!is_trained(example, at)) {
      line += fmt::format(" {}", piece);
    } else if (colour) {
      line += fmt::format(" \x1b[32m[{}]\x1b[0m", piece);
    } else {
      line += fmt::format(" [{}]", piece);
    }
  }
  return line;
}

/// Where the second stretch of tokens to show begins: at the first trained one, if the first stretch has
/// none.
std::size_t second_stretch(const Example& example) {
  std::size_t at = 0;
  while (at < example.ids.size() && !is_trained(example, at)) ++at;
  return at < shown_tokens ? example.ids.size() : std::max(shown_tokens, at - shown_before);
}

std::string sequence_text(const Reader& reader, const Example& example, const std::string& name,
                          bool colour) {
  const std::size_t length = example.ids.size();
  const auto stretch = [&](std::size_t begin) {
    const std::size_t end = std::min(length, begin + shown_tokens);
    const auto ids = std::span(example.ids).subspan(begin, end - begin);
    return fmt::format("  ids {}-{}: {}{}\n   {}{}\n", begin, end - 1, fmt::join(ids, " "),
                       end < length ? " ..." : "", pieces_line(reader, example, begin, end, colour),
                       end < length ? " ..." : "");
  };
  std::string text =
      fmt::format("{}: {} tokens, {} trained\n", name, length, example.loss_tokens()) + stretch(0);
  if (const std::size_t begin = second_stretch(example); begin < length) text += stretch(begin);
  return text;
}

Json sequence_json(const Reader& reader, const Example& example) {
  Json pieces = Json::array();
  Json trained = Json::array();
  for (std::size_t at = 0; at < example.ids.size(); ++at) {
    pieces.push_back(piece_of(reader, example.ids[at]));
    trained.push_back(is_trained(example, at));
  }
  return {{"tokens", example.ids.size()},
          {"loss_tokens", example.loss_tokens()},
          {"ids", example.ids},
          {"pieces", pieces},
          {"trained", trained}};
}

/// What is shown, with the file's summary first.
Inspection begin_inspection(const std::filesystem::path& data, const DataReport& report, const char* items) {
  Inspection inspection;
  inspection.json = {{"data", data.string()}, {"report", json_of(report)}, {items, Json::array()}};
  inspection.text = fmt::format("data: {}\n{}\nin [brackets]: trained tokens, those that loss falls on\n",
                                data.string(), report.summary());
  return inspection;
}

Inspection inspect_sequences(const std::filesystem::path& data, const Reader& reader, const Dataset& dataset,
                             std::int64_t count, bool colour) {
  Inspection inspection = begin_inspection(data, dataset.report, "sequences");
  const auto shown = std::min(count, std::ssize(dataset.examples));
  for (std::int64_t number = 1; number <= shown; ++number) {
    const Example example = dataset.examples[static_cast<std::size_t>(number - 1)];
    inspection.json["sequences"].push_back(sequence_json(reader, example));
    inspection.text += sequence_text(reader, example, fmt::format("sequence {}", number), colour);
  }
  return inspection;
}

Inspection inspect_pairs(const std::filesystem::path& data, const Reader& reader, const PreferenceSet& set,
                         const PreferenceObjective& objective, std::int64_t count, bool colour) {
  Inspection inspection = begin_inspection(data, set.report, "pairs");
  const auto shown = std::min(count, std::ssize(set.pairs));
  for (std::int64_t number = 1; number <= shown; ++number) {
    const PreferencePair pair = as_trained(set.pairs[static_cast<std::size_t>(number - 1)], objective);
    Json json{{"prompt_tokens", pair.prompt_tokens}};
    const char* names[] = {"chosen", "rejected"};
    for (std::size_t i = 0; i < 2; ++i) {
      const Example& answer = pair.question.candidates[i];
      json[names[i]] = sequence_json(reader, answer);
      inspection.text += sequence_text(reader, answer, fmt::format("pair {}, {}", number, names[i]), colour);
    }
    inspection.json["pairs"].push_back(std::move(json));
  }
  return inspection;
}

}  // namespace

Inspection inspect_data(const std::filesystem::path& data, const ModelSource& source,
                        const EvaluateOptions& options, const PreferenceOptions& preference,
                        std::int64_t count, bool colour) {
  const Reader reader = open_reader(source);
  const auto objective = preference_objective(preference);
  DataOptions form = data_options(options, reader.config, reader.tokenizer_folder, reader.tokenizer.get());
  const bool shown_only = !form.chat_format && !options.chat_template.empty();
  if (shown_only) {
    form.chat_format =
        ChatFormat::find(chat_options(options), reader.tokenizer_folder, reader.tokenizer.get());
  }
  Progress progress(false);
  if (reader.tokenizer && !reader.tokenizer->special().remark.empty())
    progress.note(reader.tokenizer->special().remark);
  const auto each = reading_progress(data, [&](const std::string& text, std::int64_t done,
                                               std::int64_t total) { progress.update(text, done, total); });
  EvaluateOptions caching = options;
  caching.note = [&](const std::string& line) { progress.note(line); };
  const auto cache = token_cache(caching, reader.tokenizer_folder);
  const auto note_refusal = [&](const DataReport& report) {
    if (shown_only && report.chats > 0)
      progress.note("note: train and eval refuse this: " + form.no_chat_template);
  };
  if (objective) {
    const PreferenceSet set = read_preferences(data, reader.tokenizer.get(), reader.config.vocab_size, form,
                                               each, cache ? &*cache : nullptr);
    note_refusal(set.report);
    return inspect_pairs(data, reader, set, *objective, count, colour);
  }
  const Dataset dataset = read_dataset(data, reader.tokenizer.get(), reader.config.vocab_size, form, each,
                                       cache ? &*cache : nullptr);
  note_refusal(dataset.report);
  return inspect_sequences(data, reader, dataset, count, colour);
}

}  // namespace cola
