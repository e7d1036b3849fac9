#pragma once
#include <cstddef>
#include <string>

namespace cola {

/// "text  ETA eta" in at most `columns` characters: closed up, then cut before the ETA, if it is longer.
[[nodiscard]] std::string fit_progress(std::string text, const std::string& eta, std::size_t columns);

}  // namespace cola
