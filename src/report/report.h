#pragma once
#include <cstdint>
#include <filesystem>
#include <vector>

namespace cola {

struct ReportResult {
  std::filesystem::path page, plots;  ///< the HTML file; the folder of the SVG files
  std::int64_t plot_count = 0, run_count = 0;
  std::uintmax_t bytes = 0;  ///< of the page
};

/// Writes one self-contained HTML page about run folders, or about one sweep folder, to `page`, and each of
/// its plots to PAGE_files/NAME.svg beside it (a folder of that name with other files in it is refused). The
/// page is written beside and renamed. Throws UsageError for inputs that are neither, or both; Error for
/// malformed files, for a page that would exceed 2 MB, if gnuplot is missing, or if a file cannot be written.
[[nodiscard]] ReportResult write_report(const std::vector<std::filesystem::path>& inputs,
                                        const std::filesystem::path& page);

}  // namespace cola
