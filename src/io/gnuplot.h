#pragma once
#include <filesystem>
#include <string>

namespace cola {

/// Throws Error, saying what to install, unless the program gnuplot can be run.
void require_gnuplot();

/// Runs gnuplot on a script that begins with `set terminal svg ...` and sets no output: the picture it makes.
/// The script is gnuplot's language, which can start programs: never put text of strangers into it. Throws
/// Error if gnuplot is missing or fails, with `what` the plot is for and gnuplot's first message.
[[nodiscard]] std::string svg_plot(const std::string& script, const std::string& what);

/// As svg_plot, and writes the picture to `file` (beside, then renamed). Throws Error too if `file` cannot be
/// written.
void write_svg_plot(const std::string& script, const std::filesystem::path& file);

}  // namespace cola
