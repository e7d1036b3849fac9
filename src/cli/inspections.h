#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cola/language_model.h"
#include "io/json.h"

namespace cola {

/// What `cola inspect` found: for programs, and as lines for people.
struct Inspection {
  Json json;
  std::string text;
};

/// A model folder or a GGUF file: shape, parameters, files, tokenizer, what is trained by default. Its
/// tensors are checked against the configuration, not loaded.
[[nodiscard]] Inspection inspect_model(const std::filesystem::path& folder,
                                       const std::filesystem::path& tokenizer);

/// Adds a GGUF file's keys, and its types by tensors and bytes.
void add_gguf(const std::filesystem::path& file, Inspection& inspection);

/// Adapter folders: ranks, alphas, modules, |delta W|; compared with `model`'s weights where that is a
/// folder.
[[nodiscard]] Inspection inspect_adapters(const std::vector<std::filesystem::path>& folders,
                                          const std::filesystem::path& model);

/// A run folder: chain, states, end of the log, and what `source` would apply.
[[nodiscard]] Inspection inspect_run(const ModelSource& source);

/// The first `count` sequences of a data file, or pairs with an objective, as training would see them.
/// `colour`: mark trained tokens with it too.
[[nodiscard]] Inspection inspect_data(const std::filesystem::path& data, const ModelSource& source,
                                      const EvaluateOptions& options, const PreferenceOptions& preference,
                                      std::int64_t count, bool colour);

}  // namespace cola
