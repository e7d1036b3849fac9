#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/progress.h"

namespace cola {

/// One row of the demo's table. The learning rates were chosen from a grid for each method (docs/demo.md).
struct DemoMethod {
  std::string name;    ///< "COLA, 2 links"
  std::string folder;  ///< "cola-2": of its runs
  std::string method;  ///< --method
  std::int64_t links = 1;
  double learning_rate = 0.0;
};
[[nodiscard]] std::vector<DemoMethod> demo_methods();

/// The first of the demo's seeds: none of them had a part in choosing task, rates or warm-up (docs/demo.md).
inline constexpr std::int64_t first_seed = 21;

struct DemoOptions {
  std::filesystem::path out;
  std::int64_t seeds = 3;
  std::int64_t epochs = 0;
  int threads = 0;
};

/// What one method measured: a value for each seed.
struct DemoMeasurements {
  DemoMethod method;
  std::int64_t rank = 0;                ///< of the whole chain; 0: all weights
  std::int64_t trained_parameters = 0;  ///< at a time: of one link
  std::vector<double> dev_loss, accuracy, seconds, real_flops;
  std::vector<std::string> runs;  ///< folders
};

struct DemoResult {
  std::int64_t train_items = 0, dev_items = 0;
  double base_dev_loss = 0.0, base_accuracy = 0.0;  ///< of the model before fine-tuning
  std::vector<DemoMeasurements> methods;
};

inline constexpr std::int64_t demo_rank = 1;  ///< r of every link
inline constexpr std::int64_t demo_batch_size = 16;
inline constexpr std::int64_t demo_epochs = 12;
inline constexpr std::int64_t demo_warmup_steps = 60;  ///< about one epoch

/// Writes the embedded model and task into `options.out` and runs every method with every seed there.
[[nodiscard]] DemoResult run_demo(const DemoOptions& options, Progress& progress);

}  // namespace cola
