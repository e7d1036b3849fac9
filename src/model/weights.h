#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "backend/backend.h"
#include "backend/context.h"
#include "backend/linear.h"
#include "backend/packed_matrix.h"
#include "core/matrix.h"
#include "io/safetensors_writer.h"
#include "io/tensor_source.h"
#include "model/parameter_spec.h"
#include "model/weight_names.h"

namespace cola {

/// One weight as the engine computes with it. Matrices have the compute dtype and lie in the memory-mapped
/// file where its dtype is the same and their memory is host_memory(); vectors (norms, biases) are f32.
struct Parameter {
  ParameterSpec spec;
  ConstMatrixView value;     ///< matrix [out, in], or vector [1, n]; of a packed one only shape and dtype
  Matrix owned;              ///< storage of `value` where it is not in the file or the master
  ops::PackedMatrix packed;  ///< the values, after Weights::pack
  Matrix master;             ///< f32 values, while trained
  Matrix gradient;           ///< f32, added to by backward passes, while trained

  Matrix rounded;                    ///< a vector's values in bf16, after Weights::round ...
  const void* rounded_of = nullptr;  ///< ... as long as these are the values

  Memory* memory = &host_memory();  ///< where all of these lie

  [[nodiscard]] std::span<const float> vector() const {
    return {value.as<float>(), static_cast<std::size_t>(value.cols)};
  }
  /// A vector as the bias of a product.
  [[nodiscard]] ops::BiasView bias() const {
    const bool is_rounded = !trained() && !rounded.empty() && value.data == rounded_of;
    return {vector(), is_rounded ? static_cast<const BFloat16*>(rounded.view().data) : nullptr};
  }
  /// A matrix for products.
  [[nodiscard]] ops::WeightView weight() const {
    return packed.empty() ? ops::WeightView(value) : ops::WeightView(packed);
  }
  [[nodiscard]] bool trained() const { return !gradient.empty(); }
};

/// All weights of a model. Movable, not copyable; parameters keep their addresses.
class Weights {
 public:
  /// Takes the file's tensors, in place where possible, into `memory`; the matrices of the decoder blocks
  /// into `block_matrices` where that is another (ops::Uploads::memory() for a Decoder that streams them).
  /// Throws Error as match_tensors does, and for values that are not finite or too large for compute_dtype.
  Weights(const DecoderSpec& config, std::unique_ptr<TensorSource> source, DType compute_dtype,
          Memory& memory = host_memory(), Memory* block_matrices = nullptr);
  /// Random weights N(0, 0.02), zero biases, unit norms, keyed by (seed, name's place): for `init` and
  /// `bench`.
  Weights(const DecoderSpec& config, std::uint64_t seed, DType compute_dtype, Memory& memory = host_memory(),
          Memory* block_matrices = nullptr);

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

  /// Keeps a bias rounded to bf16 beside its values, where a device's products of bf16 add it so.
  void round(Parameter& parameter);

  /// Gives a parameter f32 master values (the file's) and a zero gradient.
  void make_trained(Parameter& parameter);
  /// Rounds the master values of a trained bf16 parameter into the weights computed with, after an update.
  static void refresh(ops::Context& context, Parameter& parameter);

 private:
  Parameter& add(const ParameterSpec& spec);
  void adopt(Parameter& parameter, const SourceTensor& tensor);
  void fill_random(Parameter& parameter, std::uint64_t seed, std::uint64_t stream);

  DType compute_dtype_;
  Memory* memory_;
  Memory* block_matrices_;
  std::unique_ptr<TensorSource> source_;
  std::map<std::string, const SourceTensor*> tensors_;
  std::vector<OtherTensor> others_;
  std::span<const NameStem> stems_;
  std::vector<std::unique_ptr<Parameter>> parameters_;
  std::map<std::string, Parameter*> by_name_;
  std::map<std::tuple<ParameterRole, std::int64_t, bool>, Parameter*> by_role_;  ///< role, block, bias
};

/// dtype of most of a checkpoint's matrices: what `--dtype auto` and `--merge-dtype` look at.
[[nodiscard]] DType dominant_dtype(const TensorSource& source);

/// --dtype: f32, bf16, or auto: bf16 where the backend multiplies it in hardware and the file is 16-bit, else
/// f32. Throws UsageError for another name.
[[nodiscard]] DType choose_compute_dtype(const std::string& option, DType file_dtype,
                                         const ops::Backend& backend = ops::cpu_backend());

}  // namespace cola
