// cola train
#include "train/train.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <concepts>
#include <map>
#include <memory>

#include "chain/run_folder.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/processes.h"
#include "cli/profile_table.h"
#include "cli/target_modules_option.h"
#include "cli/verbs.h"
#include "cli/whole_number.h"
#include "core/error.h"
#include "core/progress.h"
#include "core/system_memory.h"
#include "train/option_fields.h"
#include "train/options_toml.h"
#include "train/resolved_options.h"

namespace cola {
namespace {

template <class T>
inline constexpr bool is_list = false;
template <class T>
inline constexpr bool is_list<std::vector<T>> = true;
template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;

struct TrainVerb {
  std::map<std::string, CLI::Option*> options;  ///< by TrainOptions' names
  std::string config;
  TrainMode mode;
  bool json = false;
};

/// The value that the command line gives, in the field's type.
template <class T>
T value_of(const CLI::Option& option) {
  if constexpr (is_optional<T>) {
    return value_of<typename T::value_type>(option);
  } else if constexpr (std::same_as<T, std::filesystem::path>) {
    return value_of<std::string>(option);
  } else if constexpr (std::same_as<T, std::vector<std::filesystem::path>>) {
    return {option.results().begin(), option.results().end()};
  } else if constexpr (std::same_as<T, std::vector<std::string>>) {
    return split_target_modules(option.results());  // the one list of names
  } else {
    T value{};
    option.results(value);
    return value;
  }
}

template <class T>
std::string type_name() {
  if constexpr (is_optional<T> || is_list<T>) {
    const std::string one = type_name<typename T::value_type>();
    return is_list<T> && one != "PATH" ? one + "," + one + ",..." : one;
  } else if constexpr (std::same_as<T, std::filesystem::path>) {
    return "PATH";
  } else if constexpr (std::integral<T>) {
    return "N";
  } else if constexpr (std::floating_point<T>) {
    return "X";
  } else {
    return "NAME";
  }
}

template <class T>
std::string default_text(const T& value) {
  if constexpr (std::same_as<T, std::vector<std::string>>) {
    return fmt::format("{}", fmt::join(value, ","));
  } else if constexpr (std::same_as<T, std::string> || (std::is_arithmetic_v<T> && !std::same_as<T, bool>)) {
    return fmt::format("{}", value);
  } else {
    return {};
  }
}

template <class T>
CLI::Option* add_field(CLI::App& verb, const std::string& name, const T& value, const std::string& help) {
  if constexpr (std::same_as<T, bool>) {
    return verb.add_flag(name, help);
  } else {
    CLI::Option* option = verb.add_option(name, help)->expected(1)->type_name(type_name<T>());
    if constexpr (is_list<T>) {
      option->take_all();
      if (std::is_arithmetic_v<typename T::value_type>) option->delimiter(',');
    }
    if constexpr (std::same_as<T, std::uint64_t> || std::same_as<T, std::optional<std::uint64_t>>) {
      option->check(whole_number());  // CLI11 would let -1 wrap
    }
    if (const std::string text = default_text(value); !text.empty()) option->default_str(text);
    return option;
  }
}

/// Overwrites what the command line gives.
void apply_command_line(const TrainVerb& verb, TrainOptions& options) {
  for_each_train_option(options, [&](const char* name, auto& field, const char*) {
    const CLI::Option& option = *verb.options.at(name);
    if (option.count() > 0) field = value_of<std::remove_reference_t<decltype(field)>>(option);
  });
}

TrainOptions resumed_options(const TrainVerb& verb) {
  TrainOptions given;
  apply_command_line(verb, given);
  if (given.out.empty()) throw UsageError("--resume needs --out RUN, the run to go on with");
  const RunFolder run{given.out};
  if (!std::filesystem::exists(run.config())) {
    throw UsageError(
        fmt::format("--resume: {} has no config.toml: there is no run to resume", given.out.string()));
  }
  TrainOptions options = options_of_run(run.config());
  options.out = given.out;  // the run may have been moved
  apply_command_line(verb, options);
  return options;
}

TrainOptions options_of(const TrainVerb& verb) {
  if (verb.mode.resume) return resumed_options(verb);
  TrainOptions options;
  if (!verb.config.empty()) read_toml(verb.config, options);
  apply_command_line(verb, options);
  return options;
}

Json json_of(const TrainResult& result) {
  const auto number_or_null = [](const std::optional<double>& value) {
    return value ? Json(*value) : Json(nullptr);
  };
  return {{"run", result.run.string()},
          {"steps", result.steps},
          {"links", result.links},
          {"train_loss", result.train_loss},
          {"dev_loss", number_or_null(result.dev_loss)},
          {"best_dev_loss", number_or_null(result.best_dev_loss)},
          {"dev_score", number_or_null(result.dev_score)},
          {"best_dev_score", number_or_null(result.best_dev_score)},
          {"relative_rounding_error", number_or_null(result.relative_rounding_error)},
          {"seconds", result.seconds},
          {"tokens", result.tokens},
          {"trained_parameters", result.trained_parameters},
          {"hf_flos", result.hf_flos},
          {"real_flops", result.real_flops},
          {"planned_bytes", result.planned_bytes},
          {"peak_rss_bytes", result.peak_rss_bytes}};
}

std::string summary_of(const TrainResult& result) {
  std::string text = fmt::format("run:        {}\n", result.run.string());
  text += fmt::format("trained:    {} steps, {} tokens, {} in {}\n", result.steps, result.tokens,
                      result.links > 0 ? fmt::format("{} link{}", result.links, result.links == 1 ? "" : "s")
                                       : std::string("all weights"),
                      format_duration(result.seconds));
  text += fmt::format("train loss: {:.5f}\n", result.train_loss);
  if (result.dev_loss) text += fmt::format("dev loss:   {:.5f}", *result.dev_loss);
  if (result.best_dev_loss) text += fmt::format(", best {:.5f}", *result.best_dev_loss);
  if (result.dev_loss) text += "\n";
  if (result.dev_score) text += fmt::format("dev score:  {:.2f} %", 100.0 * *result.dev_score);
  if (result.best_dev_score)
    text += fmt::format(", {:.2f} % at the best loss", 100.0 * *result.best_dev_score);
  if (result.dev_score) text += "\n";
  text += fmt::format("memory:     {} at most\n", format_bytes(result.peak_rss_bytes));
  return text;
}

/// Nothing in the processes beside rank 0.
std::optional<TrainResult> trained(const TrainVerb& verb) {
  const std::unique_ptr<Ranks> ranks = join_ranks();
  try {
    TrainResult result = train(options_of(verb), verb.mode, *ranks);
    if (ranks->rank() == 0) return result;
    return std::nullopt;
  } catch (const std::exception&) {
    if (ranks->size() == 1) throw;
    fail_together(*ranks);
  }
}

void run_train(const TrainVerb& verb) {
  const auto found = trained(verb);
  if (!found) return;
  const TrainResult& result = *found;
  if (verb.json) {
    Json json = json_of(result);
    if (verb.mode.profile) json["profile"] = profile_json(result.profile);
    print_json(json);
  } else {
    print(summary_of(result) + (verb.mode.profile ? "\n" + profile_table(result.profile) : ""));
  }
}

}  // namespace

void add_train(CLI::App& app) {
  CLI::App& verb = *app.add_subcommand("train", "fine-tune a model: cola (chain of LoRA), lora or full");
  const auto state = std::make_shared<TrainVerb>();
  const TrainOptions defaults;
  for_each_train_option(defaults, [&](const std::string& name, const auto& field, const char* help) {
    state->options[name] = add_field(verb, "--" + name, field, help);
  });
  CLI::Option* config = verb.add_option("--config", state->config, "options as TOML; the command line wins");
  config->type_name("FILE");
  verb.add_flag("--resume", state->mode.resume, "go on with the run in --out, with its own options")
      ->excludes(config);
  verb.add_flag("--quiet", state->mode.quiet, "no progress on standard error");
  verb.add_flag("--profile", state->mode.profile, "print where the time goes, op by op");
  add_token_cache_option(verb, state->mode.token_cache);
  verb.add_flag("--json", state->json, "print the result as JSON");
  verb.callback([state] { run_train(*state); });
}

}  // namespace cola
