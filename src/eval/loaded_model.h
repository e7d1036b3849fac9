#pragma once
#include <filesystem>
#include <memory>
#include <vector>

#include "chain/chain.h"
#include "cola/language_model.h"
#include "lora/link.h"
#include "model/decoder.h"

namespace cola {

/// Which folders a ModelSource means, worked out and checked without loading weights.
struct ResolvedSource {
  std::filesystem::path model;      ///< Hugging Face folder of the weights (a full run's best/ or last/)
  std::filesystem::path tokenizer;  ///< folder
  std::filesystem::path run;        ///< of the source, or empty
  std::vector<std::filesystem::path> adapters;  ///< PEFT folders to apply
  std::int64_t links = 0;  ///< links that the adapters stand for (a run's best/ holds several as one)
  std::optional<std::int64_t> checkpoint_step;  ///< whose live link is the last adapter: an unfinished run
};

/// The run and the adapters: what carries more about chats than the base model does.
[[nodiscard]] std::vector<std::filesystem::path> trained_folders(const ResolvedSource& resolved);

/// Throws UsageError for contradicting members, Error for a folder that is missing or not what it should be.
[[nodiscard]] ResolvedSource resolve(const ModelSource& source);

/// A model with adapters applied as tied links (merged where the compute dtype is f32, stacked otherwise).
struct LoadedModel {
  std::shared_ptr<ops::Backend> backend;  ///< first: the rest lies in its memory
  ModelSource source;
  ResolvedSource resolved;
  std::vector<std::string> notes;  ///< what a user should be told of the files, a line each
  std::unique_ptr<Decoder> model;
  std::unique_ptr<Chain> chain;
};
[[nodiscard]] LoadedModel load_model(const ModelSource& source);

}  // namespace cola
