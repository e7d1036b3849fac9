#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "backend/cross_entropy.h"
#include "model/linear.h"

namespace cola {

/// The head of a language model: a linear layer without bias, whose logits [L, V] the loss never
/// holds at once. Where the model ties its word embeddings the weight is the token table, which branches and
/// a merged weight leave alone: they act on the logits only. Loss and logits are of transformed logits. A
/// step's batch holds the token keys of the L rows.
class LanguageModelHead {
 public:
  /// `index`: number of the layer in the model, part of its dropout masks' key.
  LanguageModelHead(std::string name, std::uint64_t index, Parameter& weight,
                    const ops::LogitTransform& transform = {})
      : linear_(std::move(name), index, weight, nullptr), transform_(transform) {}

  /// nll [L] of `targets` given x [L, E]; correct [L] may be empty.
  void loss(const StepState& step, ConstMatrixView x, std::span<const std::int32_t> targets,
            std::span<float> nll, std::span<std::uint8_t> correct) const;

  /// The same, and the gradient of the sum of weights[i] * nll[i]: writes dx [L, E], adds to what is trained
  /// here.
  void loss_and_backward(const StepState& step, ConstMatrixView x, std::span<const std::int32_t> targets,
                         std::span<const float> weights, std::span<float> nll, MatrixView dx) const;

  /// logits [L, V] (f32), written.
  void logits(const StepState& step, ConstMatrixView x, MatrixView logits) const;

  [[nodiscard]] Linear& linear() { return linear_; }

 private:
  [[nodiscard]] std::vector<ops::HeadBranch> branches(const StepState& step, ConstMatrixView x) const;

  Linear linear_;
  ops::LogitTransform transform_;
};

}  // namespace cola
