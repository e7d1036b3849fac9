#pragma once
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "lora/link.h"

namespace cola {

/// Several adapters as one, applied in their order: a single one is taken as it is, more are concatenated
/// (their scales go into B). Its target modules name every module that it has. Throws Error for adapters of
/// different models: a module of two shapes.
[[nodiscard]] Link as_one_adapter(std::vector<Link> links);

/// Writes one PEFT adapter to the folder `out`, in one step.
void export_adapter(const std::filesystem::path& out, const Link& link, const std::string& base_model);

/// Writes out/1, out/2, ...: each link as a PEFT adapter of its own, all in one step.
void export_links(const std::filesystem::path& out, std::span<const Link> links,
                  const std::string& base_model);

/// base_model_name_or_path of a PEFT folder; "" if it names none.
[[nodiscard]] std::string base_model_of_adapter(const std::filesystem::path& folder);

}  // namespace cola
