#include "data/reading_progress.h"

#include <fmt/format.h>

#include <chrono>

namespace cola {

std::function<void(std::int64_t, std::int64_t)> reading_progress(Progress& progress,
                                                                 const std::filesystem::path& file) {
  using Clock = std::chrono::steady_clock;
  return [&progress, name = file.filename().string(), start = Clock::now()](std::int64_t done,
                                                                            std::int64_t total) {
    const double megabytes = static_cast<double>(done) / 1e6;
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    const std::string of = total > 0 ? fmt::format(" of {:.0f}", static_cast<double>(total) / 1e6) : "";
    progress.update(
        fmt::format("reading {}  {:.0f}{} MB  {:.1f} MB/s", name, megabytes, of, megabytes / seconds),
        total > 0 ? done : 0, total);
  };
}

}  // namespace cola
