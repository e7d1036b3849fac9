#include "chain/merged_checkpoint.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>

#include "backend/lora.h"
#include "backend/update.h"
#include "chain/chain.h"
#include "core/error.h"
#include "core/rounding.h"
#include "io/files.h"
#include "model/base_model.h"
#include "model/parameter_spec.h"
#include "model/weight_names.h"

namespace cola {
namespace {

/// The dtype in which most of the decoder's matrices can be left where they are. Converting to f16 is no
/// operation of the engine, so f16 needs all of them.
DType dtype_in_place(const DecoderSpec& config, const TensorSource& source) {
  const DType dtype = dominant_dtype(source);
  const bool mixed = std::ranges::any_of(match_tensors(config, source), [&](const auto& entry) {
    return entry.second->shape.size() == 2 && entry.second->dtype != dtype;
  });
  return dtype == DType::f16 && mixed ? DType::f32 : dtype;
}

bool has_module(const Link& link, const std::string& name) {
  return std::ranges::find(link.modules, name, &LoraModule::name) != link.modules.end();
}

/// Gives each parameter its merged values, one at a time, and measures on the way.
class Merger {
 public:
  Merger(ops::Context& context, Decoder& model, const Chain& chain, std::optional<DType> dtype)
      : context_(context), weights_(model.weights()), dtype_(dtype) {
    for (const Link& link : chain.tied()) {
      for (const auto& module : link.modules)
        parts_[&weights_.at(module.name + ".weight")].push_back(&module);
      for (const auto& bias : link.biases) biases_[&weights_.at(bias.module + ".bias")] = &bias.value;
    }
    report_.modules = static_cast<std::int64_t>(parts_.size());
  }

  void values_of(const Parameter& parameter, std::span<float> values) {
    if (const auto bias = biases_.find(&parameter); bias != biases_.end()) {
      std::ranges::copy(bias->second->floats(), values.begin());
      return;
    }
    weights_.read_original(parameter, values);
    if (const auto parts = parts_.find(&parameter); parts != parts_.end())
      add_links(parameter, parts->second, values);
  }

  [[nodiscard]] MergeReport report() const {
    MergeReport report = report_;
    report.delta_norm = std::sqrt(squared_delta_);
    report.rounding_error_norm = std::sqrt(squared_error_);
    return report;
  }

 private:
  void add_links(const Parameter& parameter, const std::vector<const LoraModule*>& parts,
                 std::span<float> values) {
    const auto& [rows, cols] = std::pair(parameter.value.plain().rows, parameter.value.plain().cols);
    const MatrixView sum{values.data(), DType::f32, rows, cols, cols};
    delta_.resize(DType::f32, rows, cols);
    delta_.fill_zero();
    for (const LoraModule* part : parts) {
      const auto scale = static_cast<float>(part->scale);
      ops::lora_delta(context_, part->a.view(), part->b.view(), scale, sum);
      ops::lora_delta(context_, part->a.view(), part->b.view(), scale, delta_.view());
    }
    squared_delta_ += ops::sum_of_squares(context_, delta_.floats());
    squared_error_ += squared_rounding_error(values, dtype_.value_or(weights_.file_dtype(parameter)));
  }

  ops::Context& context_;
  const Weights& weights_;
  std::optional<DType> dtype_;
  std::map<const Parameter*, std::vector<const LoraModule*>> parts_;
  std::map<const Parameter*, const Matrix*> biases_;  ///< of the last link that trained each
  Matrix delta_;
  MergeReport report_;
  double squared_delta_ = 0.0;
  double squared_error_ = 0.0;
};

}  // namespace

double MergeReport::relative_rounding_error() const {
  return delta_norm > 0.0 ? rounding_error_norm / delta_norm : 0.0;
}

MergeReport write_merged_checkpoint(ops::Context& context, const std::filesystem::path& model,
                                    std::vector<Link> links, const MergeOptions& options,
                                    const std::filesystem::path& out) {
  BaseModel base = open_base_model(model);
  DecoderSpec& config = base.config;
  const DType in_file = dominant_dtype(*base.tensors);
  const DType in_place = dtype_in_place(config, *base.tensors);
  Weights weights(config, std::move(base.tensors), in_place);
  const std::string head = head_spec(config).module();
  const bool untie = config.tie_word_embeddings &&
                     std::ranges::any_of(links, [&](const Link& link) { return has_module(link, head); });
  if (untie) {
    weights.untie_head(config);
    config.tie_word_embeddings = false;
  }
  Decoder decoder(config, std::move(weights));
  Chain chain(decoder, TieMode::stack);  // checks the links; stacked, it changes and copies no weight
  for (Link& link : links) chain.add_tied(context, std::move(link));

  Merger merger(context, decoder, chain, options.dtype);
  write_folder(out, [&](const std::filesystem::path& folder) {
    write_huggingface_folder(
        folder, model, decoder.weights(), options.dtype, "--merge-dtype", options.max_shard_bytes,
        [&](const Parameter& parameter, std::span<float> values) { merger.values_of(parameter, values); });
    write_chat_files(folder, options.chat);
  });
  MergeReport report = merger.report();
  report.untied_head = untie;
  report.notes = std::move(base.notes);
  report.dtype = options.dtype.value_or(in_file);
  return report;
}

}  // namespace cola
