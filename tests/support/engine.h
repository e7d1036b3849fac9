#pragma once
// The engine on one model with whatever is attached to it, and the double reference of the same state.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "chain/chain.h"
#include "model/model_config.h"
#include "support/batches.h"
#include "support/parity.h"
#include "support/reference_model.h"

namespace cola::test {

struct Engine {
  explicit Engine(const std::string& parity_model, DType dtype = DType::f32)
      : Engine(read_json_file(parity_folder(parity_model) / "config.json"), parity_folder(parity_model),
               dtype) {}

  Engine(Json config_json, const std::filesystem::path& folder, DType dtype)
      : json(std::move(config_json)),
        model(parse_model_config(json, "config.json"),
              Weights(parse_model_config(json, "config.json"), open_checkpoint(folder), dtype)) {}

  /// nll of each target.
  std::vector<float> loss(const RaggedBatch& batch) {
    const StepState step{context, batch};
    std::vector<float> nll(static_cast<std::size_t>(batch.loss_tokens()));
    model.forward(step, activations);
    model.loss(step, activations, nll, {});
    return nll;
  }

  /// nll of each target; adds the gradient of their sum / `count` (default: of their mean).
  std::vector<float> loss_and_backward(const RaggedBatch& batch, const ReferenceDropout& dropout = {},
                                       std::int64_t count = 0) {
    const StepState step{
        context,     batch, true, static_cast<float>(dropout.hidden), static_cast<float>(dropout.lora),
        dropout.seed};
    std::vector<float> nll(static_cast<std::size_t>(batch.loss_tokens()));
    model.forward(step, activations);
    const std::vector<float> weights(nll.size(),
                                     1.0F / static_cast<float>(count > 0 ? count : batch.loss_tokens()));
    model.loss_and_backward(step, activations, weights, nll);
    return nll;
  }

  std::vector<float> logits(const RaggedBatch& batch) {
    const StepState step{context, batch};
    std::vector<std::int32_t> rows(batch.ids.size());
    std::iota(rows.begin(), rows.end(), 0);
    const std::int64_t vocabulary = model.spec().vocab_size;
    std::vector<float> result(rows.size() * static_cast<std::size_t>(vocabulary));
    model.forward(step, activations);
    model.logits(step, activations, rows,
                 {result.data(), DType::f32, batch.tokens(), vocabulary, vocabulary});
    return result;
  }

  std::vector<Linear*> targets(const std::vector<std::string>& last_components) {
    std::vector<Linear*> chosen;
    for (Linear* linear : model.linears()) {
      const std::string last = linear->name().substr(linear->name().rfind('.') + 1);
      if (std::ranges::find(last_components, last) != last_components.end()) chosen.push_back(linear);
    }
    return chosen;
  }

  Json json;
  Decoder model;
  ops::Context context;
  DecoderActivations activations;
};

/// A link whose A and B are both random, so that no gradient is zero.
inline Link random_link_on(const std::vector<Linear*>& targets, const LinkShape& shape, std::uint64_t seed,
                           bool biases = false) {
  Link link = make_link(targets, shape, biases);
  std::uint64_t stream = 0;
  for (auto& module : link.modules) {
    for (Matrix* matrix : {&module.a, &module.b}) {
      RandomStream random(seed, RandomPurpose::benchmark, stream++);
      for (float& value : matrix->floats()) value = 0.1F * random.next_normal();
    }
  }
  return link;
}

/// The same link for the reference.
template <class Number = double>
std::map<std::string, ReferenceLora<Number>> reference_lora(const Link& link) {
  std::map<std::string, ReferenceLora<Number>> result;
  for (const auto& module : link.modules) {
    const auto a = module.a.floats();
    const auto b = module.b.floats();
    result[module.name] = {
        {a.begin(), a.end()}, {b.begin(), b.end()}, static_cast<std::size_t>(module.rank()), module.scale};
  }
  return result;
}

inline double largest_of(std::span<const double> values) {
  double largest = 0.0;
  for (const double value : values) largest = std::max(largest, std::abs(value));
  return largest;
}

/// max |actual - expected|; infinite where one is not a number.
template <class Expected>
double largest_difference(std::span<const float> actual, const std::vector<Expected>& expected) {
  if (actual.size() != expected.size()) return INFINITY;
  double largest = 0.0;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const double error = std::abs(static_cast<double>(actual[i]) - static_cast<double>(expected[i]));
    largest = std::isnan(error) ? INFINITY : std::max(largest, error);
  }
  return largest;
}

inline double mean(std::span<const float> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace cola::test
