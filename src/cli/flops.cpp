// cola flops
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "cli/output.h"
#include "cli/target_modules_option.h"
#include "cli/verbs.h"
#include "cli/whole_number.h"
#include "core/error.h"
#include "model/model_config.h"
#include "train/training_cost.h"

namespace cola {
namespace {

struct FlopsVerb {
  std::string task, shape;
  std::filesystem::path task_data, tokenizer;
  TrainOptions options;
  std::string tie = "merge";
  bool json = false;
};

Json link_json(const LinkCost& link) {
  return {{"rank", link.rank},
          {"steps", link.steps},
          {"trained_parameters", link.parameters},
          {"hf_flos", link.hf_flos},
          {"hf_flos_saved", link.hf_flos_saved},
          {"real_flops", link.real_flops},
          {"real_flops_saved", link.real_flops_saved},
          {"reference_tokens", link.reference_tokens},
          {"unpadded_tokens", link.unpadded_tokens},
          {"tokens", link.tokens}};
}

double saved_fraction(double count, double saved) { return saved / (count + saved); }

Json cost_json(const TrainingCost& cost) {
  Json json = link_json(cost.total());
  json.erase("rank");
  json.erase("trained_parameters");
  json["hf_flos_saved_fraction"] = saved_fraction(json.at("hf_flos"), json.at("hf_flos_saved"));
  json["real_flops_saved_fraction"] = saved_fraction(json.at("real_flops"), json.at("real_flops_saved"));
  json["examples"] = cost.examples;
  json["steps_per_epoch"] = cost.steps_per_epoch;
  json["links"] = Json::array();
  for (const LinkCost& link : cost.links) json["links"].push_back(link_json(link));
  return json;
}

std::string cost_text(const TrainingCost& cost) {
  const auto row = [&](const std::string& name, const std::string& rank, const LinkCost& link) {
    const double epochs = static_cast<double>(link.steps) / static_cast<double>(cost.steps_per_epoch);
    const auto an_epoch = [&](std::int64_t tokens) { return static_cast<double>(tokens) / epochs; };
    return fmt::format("{:<6}{:>6}{:>8}{:>12.4g}{:>12.4g}{:>12.4g}{:>12.4g}{:>12.0f}{:>12.0f}{:>12.0f}\n",
                       name, rank, link.steps, link.hf_flos, link.hf_flos_saved, link.real_flops,
                       link.real_flops_saved, an_epoch(link.reference_tokens), an_epoch(link.unpadded_tokens),
                       an_epoch(link.tokens));
  };
  const LinkCost total = cost.total();
  std::string text = fmt::format("{} examples, {} steps an epoch\n", cost.examples, cost.steps_per_epoch);
  text += fmt::format("{:<6}{:>6}{:>8}{:>12}{:>12}{:>12}{:>12}{:>36}\n", "", "", "", "", "", "", "",
                      "tokens an epoch");
  text += fmt::format("{:<6}{:>6}{:>8}{:>12}{:>12}{:>12}{:>12}{:>12}{:>12}{:>12}\n", "link", "rank", "steps",
                      "hf_flos", "saved", "real_flops", "saved", "reference", "unpadded", "here");
  for (std::size_t i = 0; i < cost.links.size(); ++i)
    text += row(fmt::format("{}", i + 1), fmt::format("{}", cost.links[i].rank), cost.links[i]);
  text += row("all", "", total);
  text +=
      fmt::format("saved against the first rank throughout: {:.3g} % of hf_flos, {:.3g} % of real_flops\n",
                  100.0 * saved_fraction(total.hf_flos, total.hf_flos_saved),
                  100.0 * saved_fraction(total.real_flops, total.real_flops_saved));
  return text;
}

void run_flops(FlopsVerb& verb) {
  const Task task = find_task(verb.task);
  CostPlan plan;
  plan.config = spec_of_shape(verb.shape);
  plan.objective = task.objective;
  plan.num_train = verb.options.num_train.value_or(task.train_examples);
  plan.num_dev = verb.options.num_dev.value_or(task.dev_examples);
  plan.options = verb.options;
  plan.options.tie = verb.tie;
  check_cost_plan(plan);
  const std::int64_t positions = plan.config.max_position_embeddings;
  const std::int64_t max_length = verb.options.max_length.value_or(std::min<std::int64_t>(positions, 2048));
  if (max_length > positions) {
    throw UsageError(fmt::format("--max-length {} is above the model's {} positions", max_length, positions));
  }
  const auto tokenizer = open_tokenizer(verb.tokenizer);
  const auto bos = verb.options.bos_token_id ? verb.options.bos_token_id : tokenizer->special().bos;
  const TaskEncoding encoding{tokenizer.get(), bos, task_max_length(task, max_length)};
  const auto sizes = task_example_sizes(task, verb.task_data, encoding, !verb.options.no_share_prefix,
                                        plan.config.windows());
  const TrainingCost cost = training_cost(plan, sizes);
  if (verb.json) {
    print_json(cost_json(cost));
  } else {
    print(cost_text(cost));
  }
}

}  // namespace

void add_flops(CLI::App& app) {
  auto* verb = app.add_subcommand("flops", "what a training plan costs, without training");
  const auto state = std::make_shared<FlopsVerb>();
  TrainOptions& options = state->options;
  verb->add_option("--task", state->task, "sst2 ... drop, or a TOML file of your own")->required();
  verb->add_option("--task-data", state->task_data, "folder of the task's files")->required();
  verb->add_option("--tokenizer", state->tokenizer, "folder of the tokenizer")->required();
  verb->add_option("--shape", state->shape, "opt-125m, llama-2-7b, qwen3-0.6b, ... or a config.json")
      ->required();
  verb->add_option("--links", options.links, "number of links (default 2)");
  verb->add_option("--knots", options.knots, "where links are tied: epochs (3ep) or optimizer steps");
  verb->add_option("--lora-r", options.lora_r, "rank of every link (default 8)");
  verb->add_option("--ranks", options.ranks, "ranks, one per link")->delimiter(',');
  add_target_modules(*verb, options.target_modules,
                     "names of linear layers, all-linear, or a pattern (default: the family's)");
  verb->add_option("--tie", state->tie, "merge or stack")->capture_default_str();
  verb->add_option("--epochs", options.epochs, "passes over the data")->capture_default_str();
  verb->add_option("--batch-size", options.batch_size, "questions in a batch")->capture_default_str();
  verb->add_option("--num-train", options.num_train, "training examples (default: the paper's number)");
  verb->add_option("--num-dev", options.num_dev, "dev examples (default: the paper's number)");
  verb->add_option("--max-length", options.max_length, "longest sequence in tokens");
  verb->add_option("--bos-token-id", options.bos_token_id, "token before every text");
  verb->add_flag("--activation-checkpointing", options.activation_checkpointing,
                 "count what the backward recomputes");
  verb->add_flag("--no-share-prefix", options.no_share_prefix, "run every candidate of a question whole");
  verb->add_option("--seed", options.seed, "seed of split and shuffling")
      ->check(whole_number())
      ->capture_default_str();
  verb->add_option("--data-seed", options.data_seed, "seed of the split alone (default: the seed)")
      ->check(whole_number());
  verb->add_flag("--json", state->json, "print the result as JSON");
  verb->callback([state] { run_flops(*state); });
}

}  // namespace cola
