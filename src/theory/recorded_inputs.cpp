#include "theory/recorded_inputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "core/error.h"
#include "model/parameter_spec.h"

namespace cola::theory {
namespace {

RaggedBatch batch_of_rows(std::span<const Example> examples, std::int64_t rows) {
  std::vector<const Example*> taken;
  std::int64_t tokens = 0;
  for (const Example& example : examples) {
    if (tokens >= rows) break;
    taken.push_back(&example);
    tokens += example.loss_tokens();
  }
  if (rows < 1 || tokens < rows) {
    throw Error(
        fmt::format("{} inputs of a layer are to be recorded, the text has {} loss tokens", rows, tokens));
  }
  return make_batch(taken);
}

/// Class of each token that has one of its own.
std::map<std::int32_t, Eigen::Index> frequent_tokens(std::span<const std::int32_t> tokens,
                                                     std::int64_t classes) {
  std::map<std::int32_t, std::int64_t> counts;
  for (const std::int32_t token : tokens) ++counts[token];
  if (classes < 2 || static_cast<std::int64_t>(counts.size()) < classes) {
    throw Error(fmt::format("{} classes are asked for, the text has {} different next tokens", classes,
                            counts.size()));
  }
  std::vector<std::pair<std::int32_t, std::int64_t>> order(counts.begin(), counts.end());
  std::ranges::stable_sort(order, std::greater<>{}, [](const auto& entry) { return entry.second; });
  std::map<std::int32_t, Eigen::Index> classes_of;
  for (std::int64_t i = 0; i < classes - 1; ++i) classes_of[order[static_cast<std::size_t>(i)].first] = i;
  return classes_of;
}

}  // namespace

LabelledInputs record_query_inputs(ops::Context& context, Decoder& model, std::span<const Example> examples,
                                   std::int64_t rows, std::int64_t classes) {
  const RaggedBatch batch = batch_of_rows(examples, rows);
  const auto targets = std::span(batch.targets).first(static_cast<std::size_t>(rows));
  const auto class_of = frequent_tokens(targets, classes);

  Weights& weights = model.weights();
  weights.make_trained(weights.at(ParameterRole::query, model.spec().num_hidden_layers() - 1));
  DecoderActivations activations;
  const StepState step{.context = context, .batch = batch, .keep = true};
  model.forward(step, activations);
  const ConstMatrixView kept = model.last_attention_input(step, activations);
  if (kept.dtype != DType::f32) throw Error("the layer's inputs are recorded from a model in f32 only");

  LabelledInputs recorded{Matrix(rows, kept.cols), {}, classes};
  for (std::int64_t i = 0; i < rows; ++i) {
    const std::int64_t row = batch.loss_rows[static_cast<std::size_t>(i)];
    const float* values = kept.as<float>() + row * kept.stride;
    for (std::int64_t j = 0; j < kept.cols; ++j) recorded.x(i, j) = static_cast<double>(values[j]);
    const auto found = class_of.find(targets[static_cast<std::size_t>(i)]);
    recorded.labels.push_back(found != class_of.end() ? found->second : classes - 1);
  }
  return recorded;
}

}  // namespace cola::theory
