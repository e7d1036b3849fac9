#include "train/resolved_options.h"

#include <string>

#include "core/parallel.h"
#include "eval/data_options.h"
#include "model/linear_names.h"
#include "train/options_toml.h"

namespace cola {

TrainOptions resolved_options(const TrainingSession& session) {
  TrainOptions options = session.options;
  const RunPlan& plan = session.plan;
  options.dtype = name_of(session.compute_dtype);
  options.threads = thread_count();
  options.max_length = longest_sequence(options.max_length.value_or(0), session.config);
  options.learning_rate = plan.schedule.learning_rate;
  options.chat_template_date = session.data.chat_date;
  if (plan.method == Method::full) return options;
  options.tie = name_of(plan.tie);
  if (plan.method == Method::cola && options.knots.empty()) options.links = std::ssize(plan.links);
  if (!options.initial_link.empty()) return options;  // rank, alpha and modules are the adapters' own
  if (options.ranks.empty()) options.lora_r = options.lora_r.value_or(default_lora_r);
  if (options.alphas.empty()) options.lora_alpha = options.lora_alpha.value_or(default_lora_alpha);
  if (options.target_modules.empty()) options.target_modules = default_target_modules(session.config);
  return options;
}

TrainOptions options_of_run(const std::filesystem::path& config) {
  TrainOptions options;
  options.decay_norms = true;  // a run without this key began before there was a choice: all decayed
  read_toml(config, options);
  if (!can_decay_norms(options)) options.decay_norms = false;
  return options;
}

void take_resolved(const TrainOptions& saved, TrainOptions& given) {
  const TrainOptions open;
  const auto take = [&](auto TrainOptions::* option) {
    if (given.*option == open.*option) given.*option = saved.*option;
  };
  take(&TrainOptions::dtype);
  take(&TrainOptions::threads);
  take(&TrainOptions::max_length);
  take(&TrainOptions::learning_rate);
  take(&TrainOptions::tie);
  take(&TrainOptions::links);
  take(&TrainOptions::lora_r);
  take(&TrainOptions::lora_alpha);
  take(&TrainOptions::target_modules);
  take(&TrainOptions::chat_template_date);
}

}  // namespace cola
