#include "cola/language_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <set>

#include "core/error.h"
#include "data/reading_progress.h"
#include "eval/chat_prompt.h"
#include "eval/data_options.h"
#include "eval/generate.h"
#include "eval/loaded_model.h"
#include "eval/loss.h"
#include "eval/preference_evaluation.h"
#include "eval/stop_text.h"
#include "eval/task_evaluation.h"
#include "eval/text_stream.h"
#include "tasks/split.h"
#include "tasks/task_set.h"
#include "text/chat/files.h"
#include "text/tokenizer.h"

namespace cola {

namespace {

ReadingReport report_of(const EvaluateOptions& options, const std::filesystem::path& data) {
  return options.reading ? reading_progress(data, options.reading) : ReadingReport();
}

}  // namespace

struct LanguageModel::Implementation {
  explicit Implementation(LoadedModel model) : loaded(std::move(model)), context(*loaded.backend) {}

  LoadedModel loaded;
  ops::Context context;
  std::unique_ptr<Tokenizer> tokenizer;  ///< null where the folder has none: input_ids data needs none
  DecoderActivations activations;

  /// Tokens that end what is generated: the model's, and those that it learnt to end its turns with.
  [[nodiscard]] std::set<std::int32_t> end_tokens() const;
  void require_tokenizer() const;
  /// The prompt's tokens, BOS first where the tokenizer adds one and the prompt does not have it.
  [[nodiscard]] std::vector<std::int32_t> encode_prompt(std::string_view prompt) const;
  /// What chats are rendered by: of the run or the adapters what they were trained with.
  [[nodiscard]] ChatFormat chat_format(const ChatTemplateOptions& how) const;
  /// Continues tokens up to one of `stops`.
  [[nodiscard]] GenerateResult generate(const std::vector<std::int32_t>& ids, std::set<std::int32_t> stops,
                                        const GenerateOptions& options,
                                        const std::function<void(std::string_view)>& each_piece);
};

LanguageModel::LanguageModel(const ModelSource& source) {
  const ResolvedSource resolved = resolve(source);
  std::unique_ptr<Tokenizer> tokenizer;
  if (!source.tokenizer.empty() || has_tokenizer(resolved.tokenizer))
    tokenizer = open_tokenizer(resolved.tokenizer);
  implementation_ = std::make_unique<Implementation>(load_model(source));
  implementation_->tokenizer = std::move(tokenizer);
}

LanguageModel::~LanguageModel() = default;
LanguageModel::LanguageModel(LanguageModel&&) noexcept = default;
LanguageModel& LanguageModel::operator=(LanguageModel&&) noexcept = default;

EvaluateResult LanguageModel::evaluate(const std::filesystem::path& data, const EvaluateOptions& options) {
  auto& self = *implementation_;
  const DecoderSpec& config = self.loaded.model->spec();
  const auto cache = token_cache(options, self.loaded.resolved.tokenizer);
  const Dataset dataset =
      read_dataset(data, self.tokenizer.get(), config.vocab_size,
                   data_options(options, config, self.loaded.resolved.tokenizer, self.tokenizer.get()),
                   report_of(options, data), cache ? &*cache : nullptr);
  const LossSummary summary = evaluate_loss(self.context, *self.loaded.model, self.activations,
                                            dataset.examples, default_evaluation_tokens, options.progress);
  if (!std::isfinite(summary.loss())) {
    throw Error(fmt::format("{}: the loss is {}: a weight or an adapter is not finite, or too large for {}",
                            data.string(), summary.loss(),
                            name_of(self.loaded.model->weights().compute_dtype())));
  }
  EvaluateResult result;
  result.loss = summary.loss();
  result.perplexity = summary.perplexity();
  result.token_accuracy = summary.token_accuracy();
  result.loss_tokens = summary.loss_tokens;
  result.sequences = summary.sequences;
  result.links = self.loaded.resolved.links;
  result.data_summary = dataset.report.summary();
  return result;
}

PreferenceResult LanguageModel::evaluate_preferences(const std::filesystem::path& data,
                                                     const PreferenceOptions& preference,
                                                     const EvaluateOptions& options) {
  auto& self = *implementation_;
  const auto objective = preference_objective(preference);
  if (!objective) throw UsageError("--objective is needed: dpo, orpo or simpo");
  const DecoderSpec& config = self.loaded.model->spec();
  const auto cache = token_cache(options, self.loaded.resolved.tokenizer);
  PreferenceSet set =
      read_preferences(data, self.tokenizer.get(), config.vocab_size,
                       data_options(options, config, self.loaded.resolved.tokenizer, self.tokenizer.get()),
                       report_of(options, data), cache ? &*cache : nullptr);
  for (PreferencePair& pair : set.pairs) pair = as_trained(std::move(pair), *objective);
  const PreferenceSums sums =
      evaluate_pairs(self.loaded, self.context, self.activations, set.pairs, *objective, options.progress);
  PreferenceResult result;
  result.loss = sums.mean_loss(*objective);
  if (!std::isfinite(result.loss)) {
    throw Error(fmt::format("{}: the loss is {}: a weight or an adapter is not finite, or too large for {}",
                            data.string(), result.loss,
                            name_of(self.loaded.model->weights().compute_dtype())));
  }
  result.reward_chosen = sums.mean_reward(0);
  result.reward_rejected = sums.mean_reward(1);
  result.accuracy = sums.accuracy();
  result.log_probability_chosen = sums.log_probabilities[0] / static_cast<double>(sums.pairs);
  result.log_probability_rejected = sums.log_probabilities[1] / static_cast<double>(sums.pairs);
  result.pairs = sums.pairs;
  result.links = self.loaded.resolved.links;
  result.data_summary = set.report.summary();
  return result;
}

TaskResult LanguageModel::evaluate_task(const TaskOptions& options) {
  auto& self = *implementation_;
  if (options.split != "test" && options.split != "dev") {
    throw UsageError(fmt::format("--split '{}' is not one of: test, dev", options.split));
  }
  if (options.demonstrations < 0) throw UsageError("--demonstrations must be 0 or more");
  if (!self.tokenizer) {
    throw Error(fmt::format("{}: no tokenizer, and a task needs one: give --tokenizer DIR",
                            self.loaded.resolved.tokenizer.string()));
  }
  const Task task = find_task(options.task);
  const auto folder = task_folder(task, options.task_data);
  const TaskSizes sizes{options.num_train, options.num_dev, options.num_test};
  const auto items = options.split == "test" ? read_test_set(task, folder, sizes, options.data_seed)
                                             : read_training_sets(task, folder, sizes, options.data_seed).dev;
  TaskScoring scoring;
  scoring.task = &task;
  scoring.encoding = task_encoding(task, *self.tokenizer, self.loaded.model->spec(), options.max_length,
                                   options.bos_token_id);
  scoring.stop_tokens = self.end_tokens();
  scoring.share_prefix = !options.no_share_prefix;
  scoring.progress = options.progress;
  std::vector<TaskItem> shown;  // the training file, of which each example has demonstrations of its own
  std::vector<std::uint32_t> seeds;
  if (options.demonstrations > 0) {
    shown = task.read(folder, TaskSplit::train);
    seeds = demonstration_seeds(std::ssize(items));
    scoring.demonstrations = [&](std::size_t index) {
      std::vector<std::string> texts;
      for (const std::int64_t i :
           demonstration_indices(std::ssize(shown), options.demonstrations, seeds[index])) {
        texts.push_back(shown[static_cast<std::size_t>(i)].answered);
      }
      return texts;
    };
  }
  TaskResult result = score_task(self.context, *self.loaded.model, self.activations, scoring, items);
  result.links = self.loaded.resolved.links;
  return result;
}

std::set<std::int32_t> LanguageModel::Implementation::end_tokens() const {
  const ResolvedSource& resolved = loaded.resolved;
  std::set<std::int32_t> ids = stop_tokens(resolved.model, tokenizer->special());
  ids.merge(read_chat_files(trained_folders(resolved), tokenizer.get()).end_tokens);
  ids.merge(read_chat_files(resolved.tokenizer, tokenizer.get()).end_tokens);
  return ids;
}

void LanguageModel::Implementation::require_tokenizer() const {
  if (tokenizer) return;
  throw Error(fmt::format("{}: no tokenizer to read a prompt with: give --tokenizer DIR",
                          loaded.resolved.tokenizer.string()));
}

std::vector<std::int32_t> LanguageModel::Implementation::encode_prompt(std::string_view prompt) const {
  require_tokenizer();
  const SpecialTokens& special = tokenizer->special();
  auto ids = tokenizer->encode(prompt);
  const bool has_bos = !ids.empty() && ids.front() == special.bos;
  if (special.add_bos && special.bos && !has_bos) ids.insert(ids.begin(), *special.bos);
  if (ids.empty()) throw UsageError("the prompt is empty, and the tokenizer adds no BOS to begin with");
  require_vocabulary(ids, loaded.model->spec().vocab_size);
  return ids;
}

ChatFormat LanguageModel::Implementation::chat_format(const ChatTemplateOptions& how) const {
  const ChatOptions options{how.chat_template, how.chat_template_kwargs, how.chat_template_date, false};
  if (how.chat_template.empty()) {
    auto folders = trained_folders(loaded.resolved);
    std::ranges::reverse(folders);
    for (const auto& folder : folders) {
      const OwnTemplates own = read_chat_templates(folder);
      if (const NamedTemplate* usual = own.find("default"))
        return {usual->jinja, own.file.string(),
                chat_special_tokens(loaded.resolved.tokenizer, tokenizer.get()), options};
    }
  }
  auto format = ChatFormat::find(options, loaded.resolved.tokenizer, tokenizer.get());
  if (format) return *std::move(format);
  throw UsageError(fmt::format("{}: no chat template: give --chat-template FILE, or {}",
                               loaded.resolved.tokenizer.string(), built_in_template_names));
}

GenerateResult LanguageModel::Implementation::generate(
    const std::vector<std::int32_t>& ids, std::set<std::int32_t> stops, const GenerateOptions& options,
    const std::function<void(std::string_view)>& each_piece) {
  const Sampler sampler(options.temperature, options.top_p, options.seed);
  if (options.max_new_tokens < 1) {
    throw UsageError(fmt::format("--max-new-tokens is {}: it must be 1 or more", options.max_new_tokens));
  }
  const std::int64_t positions = loaded.model->spec().max_position_embeddings;
  const std::int64_t room = positions - static_cast<std::int64_t>(ids.size());
  if (room < 1) {
    throw Error(fmt::format("the prompt has {} tokens: it leaves no room in the model's {} positions",
                            ids.size(), positions));
  }
  StopText stop_text(options.stop);
  for (const std::string& text : options.stop) {  // a special token leaves no text
    const auto token = tokenizer->encode(text);
    if (token.size() == 1 && tokenizer->decode(token).empty()) stops.insert(token.front());
  }
  TextStream stream(*tokenizer, ids);
  GenerateResult result;
  const auto give = [&](const std::string& piece) {
    if (piece.empty()) return;
    result.text += piece;
    if (each_piece) each_piece(piece);
  };
  const auto start = std::chrono::steady_clock::now();
  const auto each = [&](std::int32_t token) {
    result.stopped_at_eos = stops.contains(token);
    if (result.stopped_at_eos) return false;
    ++result.tokens;
    give(stop_text.add(stream.add(token)));
    return stop_text.found().empty() && !(options.interrupted && options.interrupted());
  };
  std::array generations{Generation{ids, std::min(options.max_new_tokens, room), sampler, each}};
  generate_tokens(context, *loaded.model, generations);
  give(stop_text.add(stream.finish()));
  give(stop_text.finish());
  result.stopped_at_text = stop_text.found();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  result.tokens_per_second = static_cast<double>(result.tokens) / seconds;
  result.stopped_at_last_position =
      !result.stopped_at_eos && result.stopped_at_text.empty() && room < options.max_new_tokens;
  return result;
}

GenerateResult LanguageModel::generate(std::string_view prompt, const GenerateOptions& options,
                                       const std::function<void(std::string_view)>& each_piece) {
  auto& self = *implementation_;
  return self.generate(self.encode_prompt(prompt), self.end_tokens(), options, each_piece);
}

GenerateResult LanguageModel::answer(std::string_view chat, const ChatTemplateOptions& how,
                                     const GenerateOptions& options,
                                     const std::function<void(std::string_view)>& each_piece) {
  auto& self = *implementation_;
  self.require_tokenizer();
  const ChatFormat format = self.chat_format(how);
  const std::string prompt = prompt_of_chat(format, chat);
  auto ids = self.tokenizer->encode(prompt);
  if (ids.empty()) throw Error("the chat template makes an empty text of the chat");
  require_vocabulary(ids, self.loaded.model->spec().vocab_size);
  auto stops = self.end_tokens();
  GenerateOptions ended = options;
  if (const auto end = format.end_token(*self.tokenizer)) {
    stops.insert(*end);
  } else if (std::string text = format.end_of_turn(); !text.empty()) {
    ended.stop.push_back(std::move(text));
  }
  return self.generate(ids, std::move(stops), ended, each_piece);
}

std::string LanguageModel::tokenizer_remark() const {
  return implementation_->tokenizer ? implementation_->tokenizer->special().remark : "";
}

std::int64_t LanguageModel::link_count() const { return implementation_->loaded.resolved.links; }

const std::vector<std::string>& LanguageModel::notes() const { return implementation_->loaded.notes; }

double LanguageModel::delta_norm() const {
  const Chain& chain = *implementation_->loaded.chain;
  ops::Context on_host;  // as the one adapter is
  return chain.tied().empty() ? 0.0 : chain.as_one().delta_norm(on_host);
}

}  // namespace cola
