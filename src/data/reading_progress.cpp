#include "data/reading_progress.h"

#include <fmt/format.h>

#include <chrono>

namespace cola {

ReadingReport reading_progress(Progress& progress, const std::filesystem::path& file) {
  using Clock = std::chrono::steady_clock;
  return [&progress, name = file.filename().string(), start = Clock::now()](const ReadingState& state) {
    const double megabytes = static_cast<double>(state.bytes) / 1e6;
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    const std::string of = state.bytes_in_all > 0
                               ? fmt::format(" of {:.0f}", static_cast<double>(state.bytes_in_all) / 1e6)
                               : "";
    progress.update(
        fmt::format("reading {}  {:.0f}{} MB  {:.1f} MB/s  {} records  {:.0f} records/s", name, megabytes, of,
                    megabytes / seconds, state.records, static_cast<double>(state.records) / seconds),
        state.bytes_in_all > 0 ? state.bytes : 0, state.bytes_in_all);
  };
}

}  // namespace cola
