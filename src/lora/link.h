#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "backend/context.h"
#include "core/matrix.h"

namespace cola {

/// One low-rank update of one linear layer: delta W [out, in] = scale B A.
struct LoraModule {
  std::string name;  ///< Hugging Face's module name: "model.decoder.layers.0.fc1"
  Matrix a;          ///< [r, in], f32
  Matrix b;          ///< [out, r], f32
  double alpha = 0.0;
  double scale = 0.0;  ///< alpha / r, or alpha / sqrt(r) with rsLoRA

  [[nodiscard]] std::int64_t rank() const { return a.rows(); }
};

/// A bias as `--bias lora_only` trained it, or PEFT, which trains those of all layers and norms with `bias`
/// "all": the whole vector, not a difference.
struct TrainedBias {
  std::string module;  ///< as LoraModule::name, or of a layer without a LoRA
  Matrix value;        ///< [1, out], f32
};

/// One link of a chain: a LoRA on every target module.
struct Link {
  std::vector<LoraModule> modules;
  std::vector<TrainedBias> biases;  ///< empty unless biases were trained
  std::vector<std::string>
      target_modules;  ///< as adapter_config.json names them; derived from the modules if empty

  [[nodiscard]] std::int64_t parameter_count() const;
  /// sqrt(sum over modules of |scale B A|^2), Frobenius. The link is in the context's memory.
  [[nodiscard]] double delta_norm(ops::Context& context) const;
};

/// The link with all its tensors in `memory`.
[[nodiscard]] Link moved_to(Memory& memory, Link link);

/// Fills A ~ U(-1/sqrt(in), 1/sqrt(in)) (PyTorch's kaiming_uniform with a = sqrt 5), B = 0. `draw` numbers
/// the draws of one run: a new link has its own, or link 1's again (--link-init same). The link is in the
/// host's memory.
void initialise_link(Link& link, std::uint64_t seed, std::uint64_t draw);

/// The same change of the weights with one rank (the largest; zeros beyond a module's own) and scale 1: what
/// readers take that know one r and one lora_alpha for the file. Exact where the scale is a power of two,
/// else B is rounded once. The link is in the host's memory. Throws Error where a product is above f32's
/// range.
[[nodiscard]] Link with_one_rank(Link link);

/// A whole chain is one LoRA: the A_i stacked, the s_i B_i side by side, scale 1, rank sum r_i. Modules are
/// those of any link; biases are the last link's. The result is in the host's memory.
[[nodiscard]] Link concatenate(std::span<const Link* const> links);

}  // namespace cola
