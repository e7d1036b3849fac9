#include "cli/demo_experiment.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "cli/demo_files.h"
#include "cola/language_model.h"
#include "cola/train.h"
#include "io/files.h"

namespace cola {
namespace {

TrainOptions train_options(const DemoOptions& demo, const DemoMethod& method, std::int64_t seed) {
  TrainOptions options;
  options.model = demo.out / "model";
  options.train = {demo.out / "train.jsonl"};
  options.dev = demo.out / "dev.jsonl";
  options.out = demo.out / method.folder / fmt::format("seed-{}", seed);
  options.method = method.method;
  if (method.method == "cola") options.links = method.links;
  options.lora_r = demo_rank;
  options.lora_alpha = static_cast<double>(demo_rank);
  options.learning_rate = method.learning_rate;
  options.warmup_steps = demo_warmup_steps;
  options.epochs = demo.epochs;
  options.batch_size = demo_batch_size;
  options.no_eos = true;  // an item's answer is one token, so that token accuracy is the task's accuracy
  options.seed = static_cast<std::uint64_t>(seed);
  options.save_steps = std::numeric_limits<std::int64_t>::max();  // at the end and before knots
  options.save_total_limit = 1;
  options.threads = demo.threads;
  return options;
}

EvaluateResult evaluate(const DemoOptions& demo, const ModelSource& source) {
  EvaluateOptions options;
  options.no_eos = true;
  return LanguageModel(source).evaluate(demo.out / "dev.jsonl", options);
}

void measure(const DemoOptions& demo, std::int64_t seed, DemoMeasurements& row) {
  const TrainResult trained = train(train_options(demo, row.method, seed), {.quiet = true});
  ModelSource source;  // the run as it was saved
  source.run = trained.run;
  source.state = "last";
  source.threads = demo.threads;
  const EvaluateResult result = evaluate(demo, source);
  row.trained_parameters = trained.trained_parameters;
  row.rank = row.method.method == "full" ? 0 : demo_rank * trained.links;
  row.dev_loss.push_back(result.loss);
  row.accuracy.push_back(result.token_accuracy);
  row.seconds.push_back(trained.seconds);
  row.real_flops.push_back(trained.real_flops);
  row.runs.push_back(trained.run.string());
}

std::int64_t count_lines(const std::filesystem::path& file) {
  return std::ranges::count(read_text_file(file), '\n');
}

}  // namespace

std::vector<DemoMethod> demo_methods() {
  return {{"LoRA", "lora", "lora", 1, 3e-2},
          {"COLA, 2 links", "cola-2", "cola", 2, 3e-2},
          {"COLA, 3 links", "cola-3", "cola", 3, 3e-2},
          {"full", "full", "full", 1, 1e-2}};
}

DemoResult run_demo(const DemoOptions& options, Progress& progress) {
  write_demo_files(options.out);
  DemoResult result;
  result.train_items = count_lines(options.out / "train.jsonl");
  ModelSource base;
  base.model = options.out / "model";
  base.threads = options.threads;
  const EvaluateResult before = evaluate(options, base);
  result.dev_items = before.sequences;
  result.base_dev_loss = before.loss;
  result.base_accuracy = before.token_accuracy;
  for (const DemoMethod& method : demo_methods()) result.methods.emplace_back().method = method;

  const auto total = options.seeds * static_cast<std::int64_t>(result.methods.size());
  std::int64_t done = 0;
  for (std::int64_t seed = first_seed; seed < first_seed + options.seeds; ++seed) {
    for (DemoMeasurements& row : result.methods) {
      progress.update(fmt::format("run {} of {}: {}, seed {}", done + 1, total, row.method.name, seed), done,
                      total);
      measure(options, seed, row);
      ++done;
      progress.note(fmt::format("run {} of {}: {}, seed {}: dev loss {:.4f}, accuracy {:.1f} %, {:.1f} s",
                                done, total, row.method.name, seed, row.dev_loss.back(),
                                100.0 * row.accuracy.back(), row.seconds.back()));
    }
  }
  return result;
}

}  // namespace cola
