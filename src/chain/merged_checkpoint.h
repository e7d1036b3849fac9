#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "backend/context.h"
#include "lora/link.h"
#include "model/huggingface_folder.h"
#include "text/chat_files.h"

namespace cola {

struct MergeOptions {
  std::optional<DType> dtype;  ///< of every weight written; none: each tensor's in the base model's file
  std::int64_t max_shard_bytes = default_max_shard_bytes;
  ChatFiles chat{};  ///< what the adapters learnt of chats
};

/// What a merge did to the modules that the adapters change.
struct MergeReport {
  std::int64_t modules = 0;
  double delta_norm = 0.0;  ///< Frobenius norm of the whole weight change, before rounding
  double rounding_error_norm =
      0.0;                   ///< Frobenius norm of what rounding to the written dtype did to those weights
  bool untied_head = false;  ///< the written model has a head of its own, the base model has not
  std::vector<std::string> notes;  ///< see BaseModel::notes
  DType dtype = DType::f32;        ///< of most of the matrices written

  /// Rounding error as a fraction of the change: at 1 or more the dtype has destroyed it. 0 without a change.
  [[nodiscard]] double relative_rounding_error() const;
};

/// Writes the Hugging Face folder `out`, in one step: W = round(W0 + s_1 B_1 A_1 + s_2 B_2 A_2 + ...), summed
/// in f32 in this order from the values of the file, as a chain that ties by merging does; biases of `links`
/// in place of the model's; configuration and tokenizer of `model`, with `options.chat` in
/// place of its own. Needs the mapped file and a few tensors
/// of memory. A link on the head of a model that ties its word embeddings unties them in the written folder:
/// lm_head.weight is merged, the token table stays. Throws Error for a link that does not fit the model, and
/// before anything is written.
MergeReport write_merged_checkpoint(ops::Context& context, const std::filesystem::path& model,
                                    std::vector<Link> links, const MergeOptions& options,
                                    const std::filesystem::path& out);

}  // namespace cola
