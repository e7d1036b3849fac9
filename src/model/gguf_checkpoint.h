#pragma once
#include <memory>
#include <string>
#include <vector>

#include "io/gguf/gguf_file.h"
#include "io/json.h"
#include "model/decoder_spec.h"

namespace cola {

/// The config.json of a GGUF file. `notes` gets what has no key and is taken as llama.cpp takes it. Throws
/// Error naming the architecture or the key that is not supported or not sound.
[[nodiscard]] Json config_of_gguf(const GgufFile& file, std::vector<std::string>& notes);

/// The tensors of a GGUF file under the names of parameter_specs(config), with rows in Hugging Face's order
/// and norms as its files have them; `file` is the one that `config` was read from. Tensors that need no
/// change are views of the file; a fused `attn_qkv` is taken apart, or q, k and v are put together, as the
/// model needs it. Throws Error naming a tensor that is missing, unknown or misshaped.
[[nodiscard]] std::unique_ptr<TensorSource> open_gguf_checkpoint(const DecoderSpec& config,
                                                                 std::shared_ptr<const GgufFile> file);

}  // namespace cola
