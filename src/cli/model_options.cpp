#include "cli/model_options.h"

#include <fmt/format.h>

#include <concepts>

#include "backend/backend.h"
#include "chain/run_folder.h"
#include "core/error.h"
#include "data/token_cache.h"
#include "train/option_fields.h"
#include "train/options_toml.h"

namespace cola {

void add_model_options(CLI::App& verb, ModelOptions& options) {
  verb.add_option("--model", options.model,
                  "Hugging Face model folder or GGUF file (with --run: default the run's base model)")
      ->type_name("PATH");
  verb.add_option("--adapter", options.adapters, "PEFT adapter to apply (repeatable, in order)")
      ->type_name("DIR")
      ->allow_extra_args(false);
  verb.add_option("--run", options.run, "run of cola train to apply")->type_name("RUN");
  verb.add_option("--state", options.state, "best or last of the run (default: best where there is one)");
  verb.add_option("--up-to-link", options.up_to_link, "only links 1 to N of the run")->type_name("N");
  verb.add_option("--dtype", options.dtype, "f32, bf16, or auto")->capture_default_str();
  verb.add_option("--device", options.device, "cpu, cuda, cuda:N, or auto: cuda where there is one")
      ->capture_default_str();
  verb.add_option("--tokenizer", options.tokenizer,
                  "folder of the tokenizer (default: the run's or the model's)")
      ->type_name("DIR");
  verb.add_option("--threads", options.threads, "threads; 0: all cores")
      ->type_name("N")
      ->capture_default_str();
}

void add_base_options(CLI::App& verb, ModelOptions& options) {
  verb.add_option("--base-dtype", options.base_dtype,
                  "quantised weights of a GGUF file: keep, or bf16 or f32, to which they are expanded")
      ->capture_default_str();
  verb.add_option(
      "--quantize-base", options.quantize_base,
      "q8_0, q4_0 or q4_k: the model's matrices become quantised when they are loaded (default: as the "
      "run was trained; none: not)");
  verb.add_flag("--offload-base", options.offload_base,
                "on a GPU: keep the blocks' weights in the host's memory, and bring them block by block");
}

void add_data_options(CLI::App& verb, EvaluateOptions& options) {
  verb.add_option("--max-length", options.max_length,
                  "longest sequence in tokens (default: the model's positions, at most 2048)")
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 30));
  verb.add_flag("--train-on-prompt", options.train_on_prompt, "loss on prompts too");
  verb.add_flag("--no-eos", options.no_eos, "leave out the EOS after a text, completion or assistant turn");
  add_chat_options(verb, options.chat_template, options.chat_template_kwargs);
  for_each_record_field(options.fields, [&](const char* name, std::string& field, const char* help) {
    verb.add_option(fmt::format("--{}", name), field, help)->type_name("NAME");
  });
  add_token_cache_option(verb, options.token_cache);
}

void add_token_cache_option(CLI::App& verb, std::filesystem::path& folder) {
  folder = user_token_cache();
  verb.add_flag_callback(
      "--no-token-cache", [&folder] { folder.clear(); },
      "tokenise anew, and keep nothing (default: cola/tokens in $XDG_CACHE_HOME or ~/.cache)");
}

void add_chat_options(CLI::App& verb, std::string& chat_template, std::string& kwargs) {
  verb.add_option(
          "--chat-template", chat_template,
          "chat template: a file in Jinja, the name of one of the model's, or llama2, llama3, chatml or "
          "plain (default: the model's own)")
      ->type_name("FILE|NAME");
  verb.add_option("--chat-template-kwargs", kwargs,
                  R"(variables for the chat template, a JSON object: {"enable_thinking": false})")
      ->type_name("JSON");
}

void add_preference_options(CLI::App& verb, PreferenceOptions& options) {
  for_each_preference_option(options, [&](const char* name, auto& option, const char* help) {
    const bool is_number = std::same_as<std::remove_reference_t<decltype(option)>, std::optional<double>>;
    verb.add_option(fmt::format("--{}", name), option, help)->type_name(is_number ? "X" : "NAME");
  });
}

void take_preference_options(const std::string& run, PreferenceOptions& options) {
  const auto config = RunFolder{run}.config();
  if (options.objective.empty() || run.empty() || !std::filesystem::exists(config)) return;
  TrainOptions trained;
  read_toml(config, trained);
  if (trained.preference.objective != options.objective) return;
  if (!options.beta) options.beta = trained.preference.beta;
  if (!options.sft_weight) options.sft_weight = trained.preference.sft_weight;
  if (!options.simpo_gamma) options.simpo_gamma = trained.preference.simpo_gamma;
  if (options.reference.empty()) options.reference = trained.preference.reference;
  const bool starts_plain =
      trained.initial_link.empty() && trained.tied_link.empty() && trained.extend.empty();
  if (options.reference == "start" && !starts_plain)
    throw UsageError(
        fmt::format("--reference start: {} began with links of its own, and the reference here is the "
                    "base model: give --reference base",
                    run));
  if (!options.dpo_loss.empty()) return;  // another loss has no smoothing of this one's
  options.dpo_loss = trained.preference.dpo_loss;
  if (!options.label_smoothing) options.label_smoothing = trained.preference.label_smoothing;
}

void take_data_options(const CLI::App& verb, const std::string& run, EvaluateOptions& options) {
  const auto config = RunFolder{run}.config();
  if (run.empty() || !std::filesystem::exists(config)) return;
  TrainOptions trained;
  read_toml(config, trained);
  if (!trained.task.empty()) return;
  const auto is_open = [&](const char* name) { return verb.count(name) == 0; };
  if (is_open("--max-length")) options.max_length = trained.max_length.value_or(0);
  if (is_open("--train-on-prompt")) options.train_on_prompt = trained.train_on_prompt;
  if (is_open("--no-eos")) options.no_eos = trained.no_eos;
  if (is_open("--chat-template")) options.chat_template = trained.chat_template;
  if (is_open("--chat-template-kwargs")) options.chat_template_kwargs = trained.chat_template_kwargs;
  options.chat_template_date = trained.chat_template_date;
  bool names_fields = false;  // all of them: the run's go with each other
  for_each_record_field(options.fields, [&](const char*, const std::string& field, const char*) {
    names_fields = names_fields || !field.empty();
  });
  if (!names_fields) options.fields = trained.fields;
}

void take_chat_options(const CLI::App& verb, const std::string& run, ChatTemplateOptions& options) {
  const auto config = RunFolder{run}.config();
  if (run.empty() || !std::filesystem::exists(config)) return;
  TrainOptions trained;
  read_toml(config, trained);
  // The template itself is the one that the run wrote into its folder.
  if (verb.count("--chat-template-kwargs") == 0) options.chat_template_kwargs = trained.chat_template_kwargs;
  if (verb.count("--chat-template") == 0) options.chat_template_date = trained.chat_template_date;
}

ModelSource model_source(const ModelOptions& options) {
  if (options.model.empty() && options.run.empty())
    throw UsageError("no model: give --model DIR or --run RUN");
  ops::check_device_name(options.device);
  if (options.offload_base && options.device == "cpu") (void)ops::uploads_of(ops::cpu_backend());
  ModelSource source;
  source.model = options.model;
  source.adapters.assign(options.adapters.begin(), options.adapters.end());
  source.run = options.run;
  source.state = options.state;
  source.up_to_link = options.up_to_link;
  source.dtype = options.dtype;
  source.device = options.device;
  source.base_dtype = options.base_dtype;
  source.quantize_base = options.quantize_base;
  source.offload_base = options.offload_base;
  source.tokenizer = options.tokenizer;
  source.threads = options.threads;
  const auto config = RunFolder{options.run}.config();
  if (!options.run.empty() && std::filesystem::exists(config)) {
    TrainOptions trained;
    read_toml(config, trained);
    if (options.tokenizer.empty()) source.tokenizer = trained.tokenizer;
    if (options.model.empty() && options.quantize_base.empty() && options.base_dtype == "keep")
      source.quantize_base = trained.quantize_base;  // what the links were trained beside
  }
  return source;
}

}  // namespace cola
