#pragma once
#include <filesystem>
#include <span>
#include <vector>

#include "lora/link.h"

namespace cola {

/// Whether the path is a model's folder or GGUF file, rather than a name that means one elsewhere.
[[nodiscard]] bool has_base_model(const std::filesystem::path& model);

/// The links of adapter folders, in their order, compared with the weights of `model` where it is there
/// (has_base_model). What a user has to know of them goes to standard error. Throws Error as open_adapter
/// does.
[[nodiscard]] std::vector<Link> links_of(std::span<const std::filesystem::path> folders,
                                         const std::filesystem::path& model);

}  // namespace cola
