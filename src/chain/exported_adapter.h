#pragma once
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "lora/link.h"
#include "text/chat/files.h"

namespace cola {

/// Several adapters as one, applied in their order: a single one is taken as it is, more are concatenated
/// (their scales go into B). Throws Error for adapters of different models: a module of two shapes.
[[nodiscard]] Link joined(std::vector<Link> links);

/// The same as PEFT's readers need it: its target modules name every module that it has; all have one rank
/// and scale 1 (with_one_rank).
[[nodiscard]] Link as_one_adapter(std::vector<Link> links);

/// Each adapter by itself, as as_one_adapter gives it.
[[nodiscard]] std::vector<Link> as_adapters_of_their_own(std::vector<Link> links);

/// What every adapter of an export names and carries.
struct ExportedFrom {
  std::string base_model;
  ChatFiles chat;
};

/// Writes one PEFT adapter to the folder `out`, in one step.
void export_adapter(const std::filesystem::path& out, const Link& link, const ExportedFrom& from);

/// Writes out/1, out/2, ...: each link as a PEFT adapter of its own, all in one step.
void export_links(const std::filesystem::path& out, std::span<const Link> links, const ExportedFrom& from);

/// What common servers do not take of an adapter, each with a way out: a rank above vLLM's, biases, a head.
[[nodiscard]] std::vector<std::string> limits_of_readers(const Link& link);

/// The base model that an adapter folder names (base_model_name_or_path, mlx-lm's model); "" if it names
/// none.
[[nodiscard]] std::string base_model_of_adapter(const std::filesystem::path& folder);

}  // namespace cola
