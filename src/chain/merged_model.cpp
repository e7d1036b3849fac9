#include "chain/merged_model.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "backend/lora.h"
#include "backend/update.h"
#include "model/base_model.h"
#include "model/parameter_spec.h"
#include "model/weight_names.h"

namespace cola {
namespace {

/// The dtype in which most of the decoder's matrices can be left where they are. Converting to f16 is no
/// operation of the engine, so f16 needs all of them.
DType dtype_in_place(const DecoderSpec& config, const TensorSource& source) {
  const DType dtype = dominant_dtype(source);
  if (is_quantized(dtype)) return DType::f32;
  const bool mixed = std::ranges::any_of(match_tensors(config, source), [&](const auto& entry) {
    return entry.second->shape.size() == 2 && entry.second->dtype != dtype;
  });
  return dtype == DType::f16 && mixed ? DType::f32 : dtype;
}

bool has_module(const Link& link, const std::string& name) {
  return std::ranges::find(link.modules, name, &LoraModule::name) != link.modules.end();
}

}  // namespace

double MergeReport::relative_rounding_error() const {
  return delta_norm > 0.0 ? rounding_error_norm / delta_norm : 0.0;
}

MergedModel::MergedModel(ops::Context& context, const std::filesystem::path& model, std::vector<Link> links)
    : context_(context) {
  BaseModel base = open_base_model(model);
  DecoderSpec& config = base.config;
  dtype_in_file_ = dominant_dtype(*base.tensors);
  const DType in_place = dtype_in_place(config, *base.tensors);
  Weights weights(config, std::move(base.tensors), in_place);
  const std::string head = head_spec(config).module();
  report_.notes = std::move(base.notes);
  report_.untied_head = config.tie_word_embeddings &&
                        std::ranges::any_of(links, [&](const Link& link) { return has_module(link, head); });
  if (report_.untied_head) {
    weights.untie_head(config);
    config.tie_word_embeddings = false;
  }
  decoder_.emplace(config, std::move(weights));
  chain_.emplace(*decoder_, TieMode::stack);  // checks the links; stacked, it changes and copies no weight
  for (Link& link : links) chain_->add_tied(context, std::move(link));
  for (const Link& link : chain_->tied()) {
    for (const auto& module : link.modules)
      parts_[&decoder_->weights().at(module.name + ".weight")].push_back(&module);
    for (const auto& bias : link.biases)
      biases_[&decoder_->weights().at(bias.module + ".bias")] = &bias.value;
  }
  report_.modules = static_cast<std::int64_t>(parts_.size());
}

void MergedModel::read(const Parameter& parameter, std::span<float> values) {
  if (const auto bias = biases_.find(&parameter); bias != biases_.end()) {
    std::ranges::copy(bias->second->floats(), values.begin());
    return;
  }
  weights().read_original(parameter, values);
  const auto parts = parts_.find(&parameter);
  if (parts == parts_.end()) return;
  const auto& [rows, cols] = std::pair(parameter.value.plain().rows, parameter.value.plain().cols);
  const MatrixView sum{values.data(), DType::f32, rows, cols, cols};
  delta_.resize(DType::f32, rows, cols);
  delta_.fill_zero();
  for (const LoraModule* part : parts->second) {
    const auto scale = static_cast<float>(part->scale);
    ops::lora_delta(context_, part->a.view(), part->b.view(), scale, sum);
    ops::lora_delta(context_, part->a.view(), part->b.view(), scale, delta_.view());
  }
  squared_deltas_[&parameter] = ops::sum_of_squares(context_, delta_.floats());
}

void MergedModel::add_rounding_error(const Parameter& parameter, double squared) {
  if (parts_.contains(&parameter)) squared_error_ += squared;
}

MergeReport MergedModel::report() const {
  MergeReport report = report_;
  double squared_delta = 0.0;
  for (const auto& parameter : weights().all()) {  // in the model's order: the same sum each time
    if (const auto found = squared_deltas_.find(parameter.get()); found != squared_deltas_.end())
      squared_delta += found->second;
  }
  report.delta_norm = std::sqrt(squared_delta);
  report.rounding_error_norm = std::sqrt(squared_error_);
  return report;
}

}  // namespace cola
