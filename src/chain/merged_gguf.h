#pragma once
#include <filesystem>
#include <optional>
#include <vector>

#include "backend/context.h"
#include "chain/merged_model.h"
#include "lora/link.h"
#include "text/chat/files.h"

namespace cola {

struct GgufMergeOptions {
  /// Of the whole file: f32, f16, bf16, q8_0, q4_0 or q4_k (gguf_dtype). None: of a folder the dtype of most
  /// of its matrices; of a GGUF file each tensor's own, but f16 of quantised ones that links change.
  std::optional<DType> type;
  ChatFiles chat{};  ///< what the adapters learnt of chats
};

/// Writes the merged model (MergedModel) as one GGUF file, which llama.cpp reads. Of a GGUF base its keys,
/// and byte for byte the tensors that neither links nor the type change; of a Hugging Face folder the keys of
/// its family and tokenizer. Values are rounded, or quantised, once; the report counts what that did. Throws
/// Error for a link that does not fit the model, for families that have no GGUF files and for what no key can
/// say, before anything is written; and naming the tensor for values that the type has no room for.
MergeReport write_merged_gguf(ops::Context& context, const std::filesystem::path& model,
                              std::vector<Link> links, const GgufMergeOptions& options,
                              const std::filesystem::path& out);

}  // namespace cola
