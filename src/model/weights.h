#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "backend/backend.h"
#include "backend/context.h"
#include "backend/linear.h"
#include "core/matrix.h"
#include "io/safetensors_writer.h"
#include "io/tensor_source.h"
#include "model/base_format.h"
#include "model/parameter_spec.h"
#include "model/weight_names.h"
#include "model/weight_values.h"

namespace cola {

/// What a parameter has while it is trained: f32, of its values' shape.
struct TrainedValues {
  Matrix master;    ///< what updates change; none where a chain's link holds the values, a bias
  Matrix gradient;  ///< backward passes add to it
};

/// One weight as the engine computes with it.
struct Parameter {
  ParameterSpec spec;
  /// Matrix [out, in] of the compute dtype or quantised, or vector [1, n] (norm, bias) in f32: borrowed from
  /// the file where its dtype is the same and `memory` is host_memory(), from the master where that has it.
  WeightValues value;
  std::optional<TrainedValues> training;
  Memory* memory = &host_memory();  ///< where all of these lie

  /// A vector's values; valid as a view of `value` is.
  [[nodiscard]] std::span<const float> vector() const {
    const ConstMatrixView plain = value.plain();
    return {plain.as<float>(), static_cast<std::size_t>(plain.cols)};
  }
  /// A vector as the bias of a product.
  [[nodiscard]] ops::BiasView bias() const {
    return {vector(), static_cast<const BFloat16*>(value.rounded().data)};
  }
  [[nodiscard]] bool trained() const { return training.has_value(); }
  /// Empty if it is not trained; valid as long as it is.
  [[nodiscard]] MatrixView gradient() { return training ? training->gradient.view() : MatrixView(); }
};

/// All weights of a model. Movable, not copyable; parameters keep their addresses.
class Weights {
 public:
  /// Takes the file's tensors, in place where possible, into `memory`; the matrices of the decoder blocks
  /// into `block_matrices` where that is another (ops::Uploads::memory() for a Decoder that streams them).
  /// Throws Error as match_tensors does, and for values that are not finite or too large for compute_dtype.
  Weights(const DecoderSpec& config, std::unique_ptr<TensorSource> source, DType compute_dtype,
          Memory& memory = host_memory(), Memory* block_matrices = nullptr, const BaseFormat& format = {});
  /// Random weights N(0, 0.02), zero biases, norms that multiply by 1, keyed by (seed, name's place): for
  /// `init` and `bench`.
  Weights(const DecoderSpec& config, std::uint64_t seed, DType compute_dtype, Memory& memory = host_memory(),
          Memory* block_matrices = nullptr, const BaseFormat& format = {});

  [[nodiscard]] Parameter& at(const std::string& name) { return *by_name_.at(name); }
  [[nodiscard]] const Parameter& at(const std::string& name) const { return *by_name_.at(name); }
  [[nodiscard]] Parameter& at(ParameterRole role, std::int64_t block = -1) {
    return *by_role_.at({role, block, false});
  }
  /// Null if the model has none.
  [[nodiscard]] Parameter* find(ParameterRole role, std::int64_t block = -1, bool bias = false);
  [[nodiscard]] const std::vector<std::unique_ptr<Parameter>>& all() const { return parameters_; }
  [[nodiscard]] DType compute_dtype() const { return compute_dtype_; }
  /// Where all but the blocks' matrices lie, and what is computed with.
  [[nodiscard]] Memory& memory() const { return *memory_; }

  /// The untouched file's values of a parameter, in f32, for the host.
  void read_original(const Parameter& parameter, std::span<float> destination) const;
  /// The same into a dense f32 matrix in the weights' memory, which is the context's. A device converts what
  /// it holds, or the file's bytes.
  void read_original(ops::Context& context, const Parameter& parameter, MatrixView destination) const;
  /// dtype of the parameter in the file (the compute dtype for random weights).
  [[nodiscard]] DType file_dtype(const Parameter& parameter) const;
  /// The name of the parameter in files of the style of the one it was read from, which may not have it;
  /// save_pretrained's for random weights.
  [[nodiscard]] std::string name_in_file(const Parameter& parameter) const {
    return cola::name_in_file(stems_, parameter.spec.name);
  }
  /// What the file has beside the decoder.
  [[nodiscard]] const std::vector<OtherTensor>& other_tensors() const { return others_; }

  /// Gives a model that ties its word embeddings a head of its own with the token table's values: for a
  /// Decoder whose configuration does not tie them.
  void untie_head(const DecoderSpec& config);

  /// Puts a frozen bf16 matrix into the layout of tile products; the row-major one is given back. Others
  /// stay.
  void pack(Parameter& parameter);

  /// Keeps a bias rounded to bf16 beside its values, where a device's products of bf16 add it so, until it
  /// gets other values.
  void round(Parameter& parameter);

  /// Gives a parameter f32 master values (the file's) and a zero gradient.
  void make_trained(Parameter& parameter);
  /// Rounds the master values of a trained bf16 parameter into the weights computed with, after an update.
  static void refresh(ops::Context& context, Parameter& parameter);

 private:
  Parameter& add(const ParameterSpec& spec);
  void adopt(Parameter& parameter, const SourceTensor& tensor, DType wanted);
  void fill_random(Parameter& parameter, std::uint64_t seed, std::uint64_t stream, float constant,
                   DType wanted);

  DType compute_dtype_;
  Memory* memory_;
  Memory* block_matrices_;
  std::unique_ptr<TensorSource> source_;
  std::map<std::string, const SourceTensor*> tensors_;
  std::vector<OtherTensor> others_;
  std::span<const NameStem> stems_;
  std::unique_ptr<Memory> packed_memory_ = make_pieced_memory();
  std::vector<std::unique_ptr<Parameter>> parameters_;
  std::map<std::string, Parameter*> by_name_;
  std::map<std::tuple<ParameterRole, std::int64_t, bool>, Parameter*> by_role_;  ///< role, block, bias
};

/// dtype of most of a checkpoint's matrices, by their bytes: what `--dtype auto` and `--merge-dtype` look at.
[[nodiscard]] DType dominant_dtype(const TensorSource& source);

/// --dtype: f32, bf16, or auto: bf16 where the backend multiplies it in hardware and the file is 16-bit, else
/// f32. Throws UsageError for another name.
[[nodiscard]] DType choose_compute_dtype(const std::string& option, DType file_dtype,
                                         const ops::Backend& backend = ops::cpu_backend());

}  // namespace cola
