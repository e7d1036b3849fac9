#pragma once
#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cola/language_model.h"

namespace cola {

/// What the options common to eval, generate, merge, export and inspect were set to.
struct ModelOptions {
  std::string model;
  std::vector<std::string> adapters;
  std::string run;
  std::string state;
  std::optional<std::int64_t> up_to_link;
  std::string dtype = "auto";
  std::string device = "auto";
  std::string base_dtype = "keep";
  std::string quantize_base;
  bool offload_base = false;
  std::string tokenizer;
  int threads = 0;
};

/// Adds --model, --adapter, --run, --state, --up-to-link, --dtype, --device, --tokenizer and --threads to a
/// verb; `options` outlives the parsing.
void add_model_options(CLI::App& verb, ModelOptions& options);

/// Adds --chat-template and --chat-template-kwargs.
void add_preference_options(CLI::App& verb, PreferenceOptions& options);
/// Those that the command line leaves open become the run's, if that was trained by the same objective.
void take_preference_options(const std::string& run, PreferenceOptions& options);
void add_chat_options(CLI::App& verb, std::string& chat_template, std::string& kwargs);

/// Adds --base-dtype, --quantize-base and --offload-base, to a verb that computes.
void add_base_options(CLI::App& verb, ModelOptions& options);

/// Adds --max-length, --train-on-prompt, --no-eos and --chat-template: how a data file becomes sequences.
void add_data_options(CLI::App& verb, EvaluateOptions& options);
/// Adds --no-token-cache; `folder` is the user's without it.
void add_token_cache_option(CLI::App& verb, std::filesystem::path& folder);

/// Data for a run is read as the run read its own: what the command line leaves out is the run's. Nothing is
/// taken from a run that was trained on a task.
void take_data_options(const CLI::App& verb, const std::string& run, EvaluateOptions& options);

/// What the command line leaves out of a chat's template options is the run's.
void take_chat_options(const CLI::App& verb, const std::string& run, ChatTemplateOptions& options);

/// The options as resolve() and LanguageModel take them; a run brings the tokenizer it was trained with.
/// Throws UsageError if neither --model nor --run is given.
[[nodiscard]] ModelSource model_source(const ModelOptions& options);

}  // namespace cola
