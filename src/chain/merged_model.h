#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backend/context.h"
#include "chain/chain.h"
#include "core/matrix.h"
#include "lora/link.h"
#include "model/decoder.h"

namespace cola {

/// What a merge did to the modules that the adapters change.
struct MergeReport {
  std::int64_t modules = 0;
  double delta_norm = 0.0;  ///< Frobenius norm of the whole weight change, before rounding
  double rounding_error_norm =
      0.0;                   ///< Frobenius norm of what rounding to the written dtype did to those weights
  bool untied_head = false;  ///< the written model has a head of its own, the base model has not
  std::vector<std::string> notes;    ///< see BaseModel::notes
  DType dtype = DType::f32;          ///< of most of the matrices written
  DType changed_dtype = DType::f32;  ///< of most of those that the adapters change

  /// Rounding error as a fraction of the change: at 1 or more the dtype has destroyed it. 0 without a change.
  [[nodiscard]] double relative_rounding_error() const;
};

/// A base model and links, whose merged values are read one parameter after the other: W0 + s_1 B_1 A_1 +
/// s_2 B_2 A_2 + ..., summed in f32 in this order from the values of the file, as a chain that ties by
/// merging does; biases of the links in place of the model's. A link on the head of a model that ties its
/// word embeddings unties them. Needs the mapped file and a few tensors of memory.
class MergedModel {
 public:
  /// Throws Error for a link that does not fit the model, and as open_base_model does. `context` outlives it.
  MergedModel(ops::Context& context, const std::filesystem::path& model, std::vector<Link> links);

  [[nodiscard]] const DecoderSpec& config() const { return decoder_->spec(); }
  [[nodiscard]] const Weights& weights() const { return decoder_->weights(); }
  [[nodiscard]] DType dtype_in_file() const { return dtype_in_file_; }  ///< of most of the matrices
  [[nodiscard]] bool changes(const Parameter& parameter) const {
    return parts_.contains(&parameter) || biases_.contains(&parameter);
  }

  /// A parameter's merged values; the change of a matrix counts for the report, once.
  void read(const Parameter& parameter, std::span<float> values);
  /// Counts what writing did to values of a matrix that links change: the distance, squared.
  void add_rounding_error(const Parameter& parameter, double squared);

  /// Without dtypes; what has been read counts.
  [[nodiscard]] MergeReport report() const;

 private:
  ops::Context& context_;
  DType dtype_in_file_ = DType::f32;
  std::optional<Decoder> decoder_;
  std::optional<Chain> chain_;
  std::map<const Parameter*, std::vector<const LoraModule*>> parts_;
  std::map<const Parameter*, const Matrix*> biases_;  ///< of the last link that trained each
  std::map<const Parameter*, double> squared_deltas_;
  Matrix delta_;
  double squared_error_ = 0.0;
  MergeReport report_;
};

}  // namespace cola
