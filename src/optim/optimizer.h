#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backend/context.h"
#include "backend/update.h"
#include "core/matrix.h"

namespace cola {

enum class OptimizerKind : std::uint8_t { adamw, sgd, adagrad };
[[nodiscard]] OptimizerKind parse_optimizer(std::string_view name);  ///< throws UsageError
[[nodiscard]] std::string_view name_of(OptimizerKind kind);

/// A trained tensor and its gradient, f32, owned elsewhere (lora/ or model/), of one length, in the memory
/// that the optimizer is given.
struct TrainableParameter {
  std::string name;
  std::span<float> value;
  std::span<float> gradient;
  double learning_rate_factor = 1.0;  ///< of the run's learning rate
  bool decays = true;                 ///< by OptimizerOptions::weight_decay
};

struct OptimizerOptions {
  OptimizerKind kind = OptimizerKind::adamw;
  double weight_decay = 0.0;
  double momentum = 0.0;  ///< SGD only
  double beta1 = 0.9, beta2 = 0.999;
  double epsilon = 1e-8;  ///< AdamW; AdaGrad uses PyTorch's 1e-10
};

/// Keeps the state of one set of parameters. "Reset" of the chain is a new Optimizer: state 0, step 0.
class Optimizer {
 public:
  Optimizer(const OptimizerOptions& options, std::vector<TrainableParameter> parameters,
            Memory& memory = host_memory());

  void zero_gradients(ops::Context& context) const;
  void update(ops::Context& context, double learning_rate, float gradient_scale);
  [[nodiscard]] std::int64_t steps_done() const { return steps_done_; }
  [[nodiscard]] bool is_fresh() const;  ///< no step done and every state element zero
  [[nodiscard]] const std::vector<TrainableParameter>& parameters() const { return parameters_; }

  /// State arrays by name ("adamw.m.<parameter>", ...), for checkpoints: same names and lengths for the same
  /// set.
  struct NamedState {
    std::string name;
    std::span<float> values;
  };
  [[nodiscard]] std::vector<NamedState> state();
  [[nodiscard]] Memory& memory() const { return *memory_; }  ///< of parameters and state
  void set_steps_done(std::int64_t steps) { steps_done_ = steps; }

 private:
  void update(ops::Context& context, double learning_rate, float gradient_scale, double weight_decay,
              std::span<const ops::UpdatedTensor> tensors) const;

  OptimizerOptions options_;
  std::vector<TrainableParameter> parameters_;
  Memory* memory_;
  std::vector<Matrix> first_, second_;  ///< [1, n]: m / momentum buffer / sum of squares; v
  std::int64_t steps_done_ = 0;
};

/// Bytes of state per trained parameter.
[[nodiscard]] std::int64_t optimizer_bytes_per_parameter(const OptimizerOptions& options);

/// Norm over all gradients in double, deterministic.
[[nodiscard]] double gradient_norm(ops::Context& context, std::span<const TrainableParameter> parameters);

/// torch.nn.utils.clip_grad_norm_'s factor: min(1, max_norm / (norm + 1e-6)); 1 if max_norm is 0 (no
/// clipping).
[[nodiscard]] float clip_factor(double norm, double max_norm);

}  // namespace cola
