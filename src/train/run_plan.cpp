#include "train/run_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "backend/backend.h"
#include "chain/knot_plan.h"
#include "core/error.h"
#include "core/thread_option.h"
#include "eval/preference_loss.h"
#include "model/base_format.h"
#include "model/linear_names.h"
#include "train/option_fields.h"

namespace cola {
namespace {

void require(bool holds, const std::string& message) {
  if (!holds) throw UsageError(message);
}

constexpr std::int64_t most_steps = std::int64_t{1} << 40;  // so that no product of two options overflows
constexpr std::int64_t most_of_an_option = std::int64_t{1} << 30;
constexpr std::int64_t most_links = 1000;
constexpr std::int64_t highest_rank = std::int64_t{1} << 20;

void require_choice(const std::string& option, const std::string& value,
                    std::initializer_list<const char*> choices) {
  std::string names;
  for (const char* choice : choices) {
    if (value == choice) return;
    names += (names.empty() ? "" : ", ") + std::string(choice);
  }
  throw UsageError(fmt::format("--{} '{}' is not one of: {}", option, value, names));
}

void require_at_least(const char* option, std::optional<std::int64_t> value, std::int64_t least) {
  if (value && *value < least)
    throw UsageError(fmt::format("--{} is {}: it must be {} or more", option, *value, least));
}

void require_in(const char* option, std::optional<std::int64_t> value, std::int64_t least,
                std::int64_t most) {
  require_at_least(option, value, least);
  if (value && *value > most)
    throw UsageError(fmt::format("--{} is {}: it must be {} or less", option, *value, most));
}

void check_chain_options(const TrainOptions& options, Method method) {
  require_choice("tie", options.tie, {"auto", "merge", "stack"});
  require_choice("link-init", options.link_init, {"fresh", "same"});
  require_choice("bias", options.bias, {"none", "lora_only"});
  require_at_least("links", options.links, 1);
  require_in("lora-r", options.lora_r, 1, highest_rank);
  for (const std::int64_t rank : options.ranks) require_in("ranks", rank, 1, highest_rank);
  const auto is_scale = [](double alpha) { return std::isfinite(alpha) && alpha > 0.0; };
  require(is_scale(options.lora_alpha.value_or(default_lora_alpha)), "--lora-alpha must be above 0");
  require(std::ranges::all_of(options.alphas, is_scale), "--alphas must be above 0");
  require(options.knots.empty() || !options.links,
          "--knots and --links exclude each other: the knots give the links");
  const bool automatic = options.knots == "auto";
  require(automatic || (!options.max_links && !options.min_link_steps && !options.stall_threshold),
          "--max-links, --min-link-steps and --stall-threshold belong to --knots auto");
  require(!automatic || options.lr_at_knot == "continue",
          "--knots auto with --lr-at-knot restart: a link's length is not known when it begins");
  require_in("max-links", options.max_links, 1, most_links);
  require_in("min-link-steps", options.min_link_steps, 2, most_steps);
  const double threshold = options.stall_threshold.value_or(0.0);
  require(threshold >= 0.0 && threshold < 1.0, "--stall-threshold must be in [0, 1)");
  require(std::isfinite(options.loraplus_lr_ratio) && options.loraplus_lr_ratio > 0.0,
          "--loraplus-lr-ratio must be above 0");
  require(!options.use_rslora || options.initial_link.empty(),
          "--use-rslora and --initial-link exclude each other: an adapter has its own scale");
  if (method != Method::cola) {
    const char* name = method == Method::lora ? "lora" : "full";
    require(options.knots.empty() && options.links.value_or(1) == 1,
            fmt::format("--knots and --links belong to --method cola, not {}", name));
  }
  if (method == Method::full) {
    require(options.initial_link.empty() && options.tied_link.empty() && options.extend.empty(),
            "--initial-link, --tied-link and --extend belong to --method cola or lora");
    require(
        options.bias == "none" && !options.freeze_a && options.ranks.empty() && options.alphas.empty() &&
            options.lora_dropout == 0.0 && !options.use_rslora && options.loraplus_lr_ratio == 1.0,
        "--bias, --freeze-a, --ranks, --alphas, --lora-dropout, --use-rslora and --loraplus-lr-ratio belong "
        "to --method cola or lora");
    require(options.quantize_base.empty() || options.quantize_base == "none",
            "--quantize-base belongs to --method cola or lora: with full every weight is trained");
    require(!options.offload_base,
            "--offload-base belongs to --method cola or lora: with full every weight is trained");
  }
}

void check_optimizer_options(const TrainOptions& options) {
  const auto optimizer = parse_optimizer(options.optimizer);
  (void)parse_schedule(options.lr_scheduler);
  (void)parse_learning_rate_at_knot(options.lr_at_knot);
  const double rate = options.learning_rate.value_or(1.0);
  require(std::isfinite(rate) && rate > 0.0, "--learning-rate must be above 0");
  require(std::isfinite(options.weight_decay) && options.weight_decay >= 0.0,
          "--weight-decay must be 0 or more");
  require(options.momentum >= 0.0 && options.momentum < 1.0, "--momentum must be in [0, 1)");
  require(options.momentum == 0.0 || optimizer == OptimizerKind::sgd,
          "--momentum belongs to --optimizer sgd");
  require(std::isfinite(options.max_grad_norm) && options.max_grad_norm >= 0.0,
          "--max-grad-norm must be 0 or more");
  require_in("warmup-steps", options.warmup_steps, 0, most_steps);
}

void check_dropout(const std::string& dropout) {
  if (dropout == "config") return;
  double value = -1.0;
  const auto [end, error] = std::from_chars(dropout.data(), dropout.data() + dropout.size(), value);
  require(error == std::errc() && end == dropout.data() + dropout.size() && value >= 0.0 && value < 1.0,
          fmt::format("--dropout '{}' is neither a probability in [0, 1) nor 'config'", dropout));
}

void check_loop_options(const TrainOptions& options) {
  require_in("epochs", options.epochs, 1, most_of_an_option);
  require_in("max-steps", options.max_steps, 1, most_steps);
  require_in("batch-size", options.batch_size, 1, most_of_an_option);
  require_in("gradient-accumulation-steps", options.gradient_accumulation_steps, 1, most_of_an_option);
  require_in("micro-batch-size", options.micro_batch_size, 1, most_of_an_option);
  require_at_least("max-length", options.max_length, 2);
  require_at_least("eval-steps", options.eval_steps, 1);
  require_at_least("save-steps", options.save_steps, 1);
  require_at_least("save-total-limit", options.save_total_limit, 1);
  require_at_least("early-stopping-patience", options.early_stopping_patience, 1);
  require_thread_count(options.threads);
  require(options.dev_fraction >= 0.0 && options.dev_fraction < 1.0, "--dev-fraction must be in [0, 1)");
  const bool has_dev = !options.dev.empty() || options.dev_fraction > 0.0 ||
                       (!options.task.empty() && options.num_dev.value_or(1) > 0);
  require(options.dev.empty() || options.dev_fraction == 0.0, "--dev and --dev-fraction exclude each other");
  require(has_dev || (!options.early_stopping_patience && !options.eval_steps),
          "--eval-steps and --early-stopping-patience need --dev or --dev-fraction");
  require(options.lora_dropout >= 0.0 && options.lora_dropout < 1.0, "--lora-dropout must be in [0, 1)");
  check_dropout(options.dropout);
  ops::check_device_name(options.device);
  (void)parse_base_format(options.base_dtype, options.quantize_base);
  (void)compute_dtype_option(options.dtype, options.base_dtype);
  if (options.offload_base && options.device == "cpu") (void)ops::uploads_of(ops::cpu_backend());
  require_choice("dtype", options.dtype, {"auto", "f32", "bf16"});
  require_choice("save-dtype", options.save_dtype, {"auto", "f32", "bf16", "f16"});
}

void check_task_options(const TrainOptions& options) {
  if (options.task.empty()) {
    require(options.task_data.empty() && !options.num_train && !options.num_dev && !options.bos_token_id,
            "--task-data, --num-train, --num-dev and --bos-token-id belong to --task");
    require(!options.no_share_prefix || !options.preference.objective.empty(),
            "--no-share-prefix belongs to --task and --objective");
    return;
  }
  require(options.train.empty() && options.dev.empty() && options.dev_fraction == 0.0,
          "--task excludes --train, --dev and --dev-fraction");
  require(!options.train_on_prompt && !options.no_eos && options.chat_template.empty() &&
              options.chat_template_kwargs.empty() && options.chat_template_date.empty(),
          "--train-on-prompt, --no-eos and --chat-template belong to --train");
  require(options.preference.objective.empty(), "--objective belongs to --train");
  for_each_record_field(options.fields, [](const char* name, const std::string& field, const char*) {
    require(field.empty(), fmt::format("--{} belongs to --train", name));
  });
  require_at_least("num-train", options.num_train, 1);
  require_at_least("num-dev", options.num_dev, 0);
}

std::int64_t links_or_default(const TrainOptions& options, std::int64_t total_steps) {
  constexpr std::int64_t default_links = 2;
  require(
      options.links || total_steps >= default_links,
      fmt::format("--method cola has {} links unless --links says otherwise, and this run is {} step: use "
                  "--method lora, or more steps",
                  default_links, total_steps));
  return options.links.value_or(default_links);
}

std::vector<LinkShape> link_shapes(const TrainOptions& options, std::size_t count) {
  const auto check_list = [&](const char* name, std::size_t size) {
    if (size > 1 && size != count) {
      throw UsageError(fmt::format("--{} has {} values, but the chain has {} links", name, size, count));
    }
  };
  check_list("ranks", options.ranks.size());
  check_list("alphas", options.alphas.size());
  std::vector<LinkShape> shapes;
  for (std::size_t i = 0; i < count; ++i) {
    const auto pick = [i](const auto& list, auto single) {
      return list.empty() ? single : list[list.size() == 1 ? 0 : i];
    };
    const std::int64_t rank = pick(options.ranks, options.lora_r.value_or(default_lora_r));
    const double alpha = pick(options.alphas, options.lora_alpha.value_or(default_lora_alpha));
    // rsLoRA's scale as that of an ordinary LoRA, which every reader of adapters understands.
    shapes.push_back({rank, options.use_rslora ? alpha * std::sqrt(static_cast<double>(rank)) : alpha});
  }
  return shapes;
}

TieMode tie_mode(const std::string& option, DType compute_dtype, bool quantized_base) {
  if (!quantized_base && option == "auto")
    return compute_dtype == DType::f32 ? TieMode::merge : TieMode::stack;
  const TieMode mode = option == "auto" ? TieMode::stack : parse_tie_mode(option);
  if (quantized_base && mode == TieMode::merge) {
    throw UsageError(
        "--tie merge: links cannot be merged into quantised weights; use --tie stack, or --base-dtype bf16 "
        "or "
        "f32 to expand the weights of a file");
  }
  return mode;
}

}  // namespace

Method parse_method(const std::string& name) {
  if (name == "cola") return Method::cola;
  if (name == "lora") return Method::lora;
  if (name == "full") return Method::full;
  throw UsageError(fmt::format("unknown --method '{}': use cola, lora or full", name));
}

bool can_decay_norms(const TrainOptions& options) {
  return options.weight_decay > 0.0 && (options.method == "full" || options.bias != "none");
}

std::vector<std::string> unused_options(const TrainOptions& options) {
  const Method method = parse_method(options.method);
  const bool full = method == Method::full;
  std::vector<std::string> names;
  const auto add = [&](const char* name, bool unused) {
    if (unused) names.emplace_back(name);
  };
  add("lora-r", options.lora_r && (full || !options.ranks.empty()));
  add("lora-alpha", options.lora_alpha && (full || !options.alphas.empty()));
  add("target-modules", full && !options.target_modules.empty());
  add("save-dtype", !full && options.save_dtype != "auto");
  add("tie", full && options.tie != "auto");
  add("link-init", method != Method::cola && options.link_init != "fresh");
  add("decay-norms", options.decay_norms && !can_decay_norms(options));
  add("lr-at-knot", method != Method::cola && options.lr_at_knot != "continue");
  return names;
}

std::vector<std::string> target_modules_of(const TrainOptions& options, const DecoderSpec& config) {
  return options.target_modules.empty() ? default_target_modules(config) : options.target_modules;
}

void check_options(const TrainOptions& options) {
  require(!options.model.empty(), "--model is needed: a Hugging Face model folder or a GGUF file");
  require(!options.train.empty() || !options.task.empty(), "--train is needed: a data file; or --task");
  check_task_options(options);
  const auto objective = preference_objective(options.preference);
  require(!objective || !options.train_on_prompt, "--train-on-prompt makes no sense with --objective");
  require(!options.out.empty(), "--out is needed: the run folder to create");
  check_plan_options(options);
}

void check_plan_options(const TrainOptions& options) {
  check_chain_options(options, parse_method(options.method));
  check_optimizer_options(options);
  check_loop_options(options);
}

RunPlan make_run_plan(const TrainOptions& options, std::int64_t examples, DType compute_dtype,
                      bool quantized_base) {
  RunPlan plan;
  plan.method = parse_method(options.method);
  const std::int64_t step_examples = options.batch_size * options.gradient_accumulation_steps;
  plan.steps_per_epoch = (examples + step_examples - 1) / step_examples;
  plan.total_steps = options.max_steps.value_or(options.epochs * plan.steps_per_epoch);
  const bool automatic = options.knots == "auto";
  if (automatic) {
    StallRule rule;
    rule.min_link_steps =
        options.min_link_steps.value_or(std::max(rule.min_link_steps, plan.steps_per_epoch));
    rule.max_links = options.max_links.value_or(rule.max_links);
    rule.threshold = options.stall_threshold.value_or(rule.threshold);
    plan.stall_rule = rule;
  } else if (plan.method == Method::cola) {
    plan.knots = options.knots.empty() ? even_knots(links_or_default(options, plan.total_steps),
                                                    plan.steps_per_epoch, plan.total_steps)
                                       : parse_knots(options.knots, plan.steps_per_epoch, plan.total_steps);
  }
  const auto links = automatic ? static_cast<std::size_t>(plan.stall_rule->max_links) : plan.knots.size() + 1;
  if (plan.method != Method::full) plan.links = link_shapes(options, links);
  if (options.initial_link.size() > links) {
    throw UsageError(
        fmt::format("{} --initial-link folders for {} links", options.initial_link.size(), links));
  }
  plan.schedule.kind = parse_schedule(options.lr_scheduler);
  plan.schedule.learning_rate = options.learning_rate.value_or(plan.method == Method::full ? 1e-5 : 1e-4);
  plan.schedule.warmup_steps = options.warmup_steps;
  plan.schedule.total_steps = plan.total_steps;
  plan.schedule.at_knot = parse_learning_rate_at_knot(options.lr_at_knot);
  plan.schedule.knots = plan.knots;
  plan.optimizer.kind = parse_optimizer(options.optimizer);
  plan.optimizer.weight_decay = options.weight_decay;
  plan.optimizer.momentum = options.momentum;
  plan.tie = tie_mode(options.tie, compute_dtype, quantized_base);
  return plan;
}

}  // namespace cola
