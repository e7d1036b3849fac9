#pragma once
#include <filesystem>

#include "io/gguf/gguf_file.h"
#include "lora/link.h"
#include "model/decoder_spec.h"

namespace cola {

/// Writes a link as one GGUF LoRA, which llama.cpp applies with scale 1: every module's A and scale B in f32
/// with its own rank, B's rows in the order of GGUF files (gguf_row_order), and no alpha, so that no reader
/// multiplies by anything else. `config` is the base model's; `base`, its file where that is a GGUF one,
/// else null: where that has queries, keys and values in one matrix and the link has not, A are stacked and B
/// are the blocks of a diagonal. The link is in the host's memory. Throws Error, naming `cola merge` where
/// that is the way out, for families that have no GGUF files, modules that the model lacks or whose shape
/// differs, a head that is tied to the token table, biases, and products that are not finite.
void write_gguf_adapter(const std::filesystem::path& out, const Link& link, const DecoderSpec& config,
                        const GgufFile* base);

}  // namespace cola
