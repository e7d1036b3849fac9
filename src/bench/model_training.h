#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "chain/chain.h"
#include "model/base_format.h"
#include "model/decoder.h"
#include "optim/optimizer.h"
#include "train/step_part.h"

namespace cola {

/// What is trained of a model of random weights.
struct TrainedPart {
  bool full = false;            ///< all weights, else one link of LoRA ...
  std::int64_t tied_links = 0;  ///< ... on so many that are tied already, of the same rank
  TieMode tie = TieMode::merge;
  std::int64_t lora_r = 8;
  double lora_alpha = 16.0;
  std::vector<std::string> target_modules;  ///< empty: the family's
  bool activation_checkpointing = false;
  BaseFormat base{};          ///< how the frozen matrices lie in memory
  bool offload_base = false;  ///< of a device: the frozen weights of the blocks stay in the host's memory
};

/// A model of random weights in training: the smallest that does what a step of `cola train` does, with
/// AdamW and clipping.
class ModelTraining {
 public:
  ModelTraining(ops::Backend& backend, const DecoderSpec& config, DType dtype, const TrainedPart& part);

  /// Forward and backward of each micro-batch, and an update. Returns the mean loss, over tokens or
  /// questions.
  double step(const StepPart& part);

  [[nodiscard]] std::uint64_t flops() const { return context_.flops(); }
  void start_profile() { context_.start_profile(); }
  [[nodiscard]] const ops::Profile& profile() { return *context_.profile(); }  ///< since start_profile()
  [[nodiscard]] std::int64_t trained_parameters() const;

 private:
  [[nodiscard]] Link fresh_link(const TrainedPart& part);
  [[nodiscard]] std::vector<TrainableParameter> trainables();

  bool recompute_;
  ops::Context context_;
  Decoder model_;
  std::optional<Chain> chain_;
  std::optional<Optimizer> optimizer_;
  DecoderActivations activations_;
};

}  // namespace cola
