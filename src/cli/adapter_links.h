#pragma once
#include <filesystem>
#include <span>
#include <vector>

#include "lora/link.h"

namespace cola {

/// The links of adapter folders, in their order, compared with the weights of `model` where that is a folder
/// of one. What a user has to know of them goes to standard error. Throws Error as open_adapter does.
[[nodiscard]] std::vector<Link> links_of(std::span<const std::filesystem::path> folders,
                                         const std::filesystem::path& model);

}  // namespace cola
