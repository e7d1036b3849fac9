#include "train/training_cost.h"

#include <fmt/format.h>

#include <array>
#include <limits>
#include <numeric>

#include "core/error.h"
#include "data/batch_plan.h"
#include "data/question_batch.h"
#include "log/flops.h"
#include "tasks/split.h"
#include "train/run_plan.h"

namespace cola {
namespace {

std::uint64_t split_seed(const TrainOptions& options) { return options.data_seed.value_or(options.seed); }

/// The examples of the run under its seed: indices into the training file.
std::vector<std::int64_t> training_examples(const CostPlan& plan, std::int64_t in_file) {
  const std::uint64_t seed = split_seed(plan.options);
  return make_splits(in_file, 0, plan.num_train, plan.num_dev, 0, static_cast<std::uint32_t>(seed)).train;
}

/// A link with what acts on a step's cost, and what it would be had it the first link's rank.
struct LinkRates {
  std::int64_t parameters = 0;
  double hf_parameters = 0.0, hf_parameters_saved = 0.0;
  StepFlops flops, flops_at_first_rank;
};

LinkRates link_rates(const CostPlan& plan, const RunPlan& run, std::size_t number) {
  const std::int64_t forward_heads = plan.objective == TaskObjective::candidates ? 2 : 1;
  const std::int64_t first_rank = run.links.front().rank;
  LinkInTraining link{target_modules_of(plan.options, plan.config), run.links[number].rank, 0};
  LinkInTraining at_first_rank{target_modules_of(plan.options, plan.config), first_rank, 0};
  if (run.tie == TieMode::stack) {
    for (std::size_t tied = 0; tied < number; ++tied) link.stacked_rank += run.links[tied].rank;
    at_first_rank.stacked_rank = first_rank * static_cast<std::int64_t>(number);
  }
  LinkRates rates;
  const std::int64_t parameters = rates.parameters = link_parameters(plan.config, link);
  rates.hf_parameters = static_cast<double>(hf_flos_parameters(plan.config) + parameters);
  rates.hf_parameters_saved = static_cast<double>(link_parameters(plan.config, at_first_rank) - parameters);
  rates.flops = step_flops(plan.config, link, forward_heads, plan.options.activation_checkpointing);
  rates.flops_at_first_rank =
      step_flops(plan.config, at_first_rank, forward_heads, plan.options.activation_checkpointing);
  return rates;
}

LinkCost step_cost(const std::vector<const ExampleSize*>& batch, const LinkRates& rates) {
  std::vector<std::int64_t> lengths;
  BatchSize computed;
  for (const ExampleSize* example : batch) {
    lengths.insert(lengths.end(), example->lengths.begin(), example->lengths.end());
    computed += example->computed;
  }
  LinkCost cost;
  cost.steps = 1;
  cost.reference_tokens = padded_tokens(lengths);
  cost.unpadded_tokens = std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
  cost.tokens = computed.tokens;
  cost.hf_flos = 6.0 * static_cast<double>(cost.reference_tokens) * rates.hf_parameters;
  cost.hf_flos_saved = 6.0 * static_cast<double>(cost.reference_tokens) * rates.hf_parameters_saved;
  cost.real_flops = rates.flops.of(computed);
  cost.real_flops_saved = rates.flops_at_first_rank.of(computed) - cost.real_flops;
  return cost;
}

}  // namespace

ExampleSize example_size(const Question& question, bool share_prefix, std::span<const std::int64_t> windows) {
  const std::array one{&question};
  const QuestionBatch batch = make_question_batch(one, share_prefix);
  return {batch.lengths, size_of(batch.batch, windows)};
}

ExampleSize example_size(const Example& example, std::span<const std::int64_t> windows) {
  const std::array one{&example};
  return {{std::ssize(example.ids)}, size_of(make_batch(one), windows)};
}

std::vector<ExampleSize> task_example_sizes(const Task& task, const std::filesystem::path& folder,
                                            const TaskEncoding& encoding, bool share_prefix,
                                            std::span<const std::int64_t> windows) {
  std::vector<ExampleSize> sizes;
  for (const TaskItem& item : task.read(folder, TaskSplit::train)) {
    sizes.push_back(task.objective == TaskObjective::candidates
                        ? example_size(encode_question(item, {}, encoding), share_prefix, windows)
                        : example_size(encode_answered(item, encoding), windows));
  }
  return sizes;
}

LinkCost& LinkCost::operator+=(const LinkCost& other) {
  steps += other.steps;
  reference_tokens += other.reference_tokens;
  unpadded_tokens += other.unpadded_tokens;
  tokens += other.tokens;
  hf_flos += other.hf_flos;
  real_flops += other.real_flops;
  hf_flos_saved += other.hf_flos_saved;
  real_flops_saved += other.real_flops_saved;
  return *this;
}

LinkCost TrainingCost::total() const {
  LinkCost sum;
  for (const LinkCost& link : links) sum += link;
  return sum;
}

void check_cost_plan(const CostPlan& plan) {
  check_plan_options(plan.options);
  if (plan.options.method == "full") throw UsageError("--method full has no links to count");
  if (const std::uint64_t seed = split_seed(plan.options); seed > std::numeric_limits<std::uint32_t>::max())
    throw UsageError(fmt::format("--data-seed {}: a task is split by a seed below 2^32", seed));
}

TrainingCost training_cost(const CostPlan& plan, std::span<const ExampleSize> file) {
  const TrainOptions& options = plan.options;
  check_cost_plan(plan);
  const auto examples = training_examples(plan, std::ssize(file));
  const BatchPlan batches(std::ssize(examples), options.batch_size, options.gradient_accumulation_steps,
                          !options.no_shuffle, options.seed);
  const RunPlan run = make_run_plan(options, std::ssize(examples), DType::f32);

  TrainingCost cost{std::ssize(examples), run.steps_per_epoch, {}};
  std::int64_t step = 0;
  for (std::size_t number = 0; number < run.links.size(); ++number) {
    const LinkRates rates = link_rates(plan, run, number);
    LinkCost link;
    link.rank = run.links[number].rank;
    link.parameters = rates.parameters;
    const std::int64_t end = number < run.knots.size() ? run.knots[number] : run.total_steps;
    for (; step < end; ++step) {
      for (const auto& micro_batch : batches.micro_batches(step)) {
        std::vector<const ExampleSize*> batch;
        for (const std::int64_t index : micro_batch) {
          const std::int64_t in_file = examples[static_cast<std::size_t>(index)];
          batch.push_back(&file[static_cast<std::size_t>(in_file)]);
        }
        link += step_cost(batch, rates);
      }
    }
    cost.links.push_back(link);
  }
  return cost;
}

}  // namespace cola
