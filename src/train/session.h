#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "chain/chain.h"
#include "cola/train.h"
#include "data/batch_plan.h"
#include "dist/ranks.h"
#include "model/decoder.h"
#include "train/memory_plan.h"
#include "train/run_plan.h"
#include "train/saved_weights.h"
#include "train/session_data.h"

namespace cola {

/// Everything that a training run computes with, made from its options alone: model, data, plan. Where the
/// run stands is not here (train/checkpoint.h).
struct TrainingSession {
  std::shared_ptr<ops::Backend> backend;  ///< first: the rest lies in its memory
  TrainOptions options;
  DecoderSpec config;
  std::vector<std::string> notes;  ///< what a user should be told of model and adapter files, a line each
  DType compute_dtype = DType::f32;
  SessionData data;
  RunPlan plan;
  MemoryPlan memory;
  SavedDtype saved_dtype;                 ///< with full
  std::vector<Link> tied_links;           ///< from --tied-link and --extend, before step 1
  std::vector<std::string> tied_origins;  ///< where each came from
  std::vector<Link> initial_links;
  std::unique_ptr<BatchPlan> batches;
  MicroBatchLimit micro_batch;  ///< of them
  std::unique_ptr<Decoder> model;
  std::unique_ptr<Chain> chain;  ///< null with full
  std::vector<Linear*> targets;
  std::vector<std::string>
      target_names;  ///< as adapter_config.json names them; empty: each by its whole name

  [[nodiscard]] float hidden_dropout() const;
  /// Live link number `number` (from 0): read from --initial-link, or fresh.
  [[nodiscard]] Link new_link(std::int64_t number) const;
  /// What the optimizer updates now: the live link, or every weight.
  [[nodiscard]] std::vector<TrainableParameter> trainables();
};

/// Loads and checks everything, for a backend; throws before anything is written. Order: options, data, plan,
/// memory, weights. Collective. `reading`: of the data.
[[nodiscard]] TrainingSession open_session(const TrainOptions& options, std::shared_ptr<ops::Backend> backend,
                                           Ranks& ranks, const ReadingMode& reading = {});

/// Target modules by the shortest names that select just them: "fc1" if every such layer is a target.
[[nodiscard]] std::vector<std::string> short_target_names(const std::vector<Linear*>& linears,
                                                          const std::vector<Linear*>& targets);

}  // namespace cola
