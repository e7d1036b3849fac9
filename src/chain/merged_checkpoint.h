#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "backend/context.h"
#include "chain/merged_model.h"
#include "lora/link.h"
#include "model/huggingface_folder.h"
#include "text/chat/files.h"

namespace cola {

struct MergeOptions {
  std::optional<DType> dtype;  ///< of every weight written; none: each tensor's in the base model's folder,
                               ///< or of a GGUF file folder_dtype_of_gguf
  std::int64_t max_shard_bytes = default_max_shard_bytes;
  ChatFiles chat{};  ///< what the adapters learnt of chats
};

/// Writes the Hugging Face folder `out`, in one step: the merged values, rounded once (MergedModel);
/// configuration and tokenizer of `model`, a folder or a GGUF file, with `options.chat` in place of its own.
/// Of a model whose head becomes untied lm_head.weight is merged, the token table stays. Throws Error for a
/// link that does not fit the model, and before anything is written.
MergeReport write_merged_checkpoint(ops::Context& context, const std::filesystem::path& model,
                                    std::vector<Link> links, const MergeOptions& options,
                                    const std::filesystem::path& out);

}  // namespace cola
