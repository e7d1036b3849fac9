#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "io/tensor_source.h"
#include "lora/link.h"

namespace cola {

/// A tensor of the model that an adapter is for.
struct BaseTensor {
  /// What the model does with it.
  enum class Use : std::uint8_t {
    look_up,       ///< a table, of tokens or positions
    block_linear,  ///< multiplies, in a decoder block
    linear,        ///< multiplies, elsewhere
    head,
    vector,      ///< a norm or a bias
    other_part,  ///< nothing: a matrix of another part than the decoder, to which no adapter applies
  };
  const SourceTensor* tensor = nullptr;
  Use use = Use::vector;
};

/// Of a whole model, by the names that save_pretrained gives them; a head that is tied to the token table has
/// its name too. See base_tensors().
using BaseTensors = std::map<std::string, BaseTensor>;

/// Whether an adapter may be on a tensor of this name.
[[nodiscard]] inline bool is_adaptable(const BaseTensors& base, const std::string& name) {
  const auto found = base.find(name);
  return found != base.end() && found->second.use != BaseTensor::Use::other_part;
}

/// An adapter folder as it was read.
struct Adapter {
  Link link;
  std::vector<std::string> notes;  ///< what a user has to know, a line each
};

/// Reads an adapter folder: PEFT's (adapter_config.json and adapter_model.safetensors or .bin) or mlx-lm's
/// (adapters.safetensors). Where `base` is given, the adapter is compared with it: its modules must be the
/// model's, copies of the model's weights equal to them, and modules that the configuration names and the
/// file lacks are noted. Throws Error naming folder, file, field or tensor for what is not an adapter, for a
/// kind that changes more than A and B say, for values or products that are not finite, and for what
/// contradicts itself.
[[nodiscard]] Adapter open_adapter(const std::filesystem::path& folder, const BaseTensors* base);

/// The link of an adapter alone: of one that was written here, which has nothing to note.
[[nodiscard]] Link read_adapter(const std::filesystem::path& folder);

/// The links of several folders; their notes are added to `notes`.
[[nodiscard]] std::vector<Link> read_adapters(std::span<const std::filesystem::path> folders,
                                              const BaseTensors* base, std::vector<std::string>& notes);

}  // namespace cola
