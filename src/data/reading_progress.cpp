#include "data/reading_progress.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

namespace cola {

ReadingReport reading_progress(const std::filesystem::path& file,
                               std::function<void(const std::string&, std::int64_t, std::int64_t)> show) {
  using Clock = std::chrono::steady_clock;
  return [show = std::move(show), name = file.filename().string(),
          start = Clock::now()](const ReadingState& state) {
    if (state.is_waiting)
      return show(fmt::format("waiting for another process, which tokenises {}", name), 0, 0);
    const double megabytes = static_cast<double>(state.bytes) / 1e6;
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    const std::string of = state.bytes_in_all > 0
                               ? fmt::format(" of {:.0f}", static_cast<double>(state.bytes_in_all) / 1e6)
                               : "";
    if (state.is_comparing)
      return show(fmt::format("comparing {} with the token cache  {:.0f}{} MB", name, megabytes, of),
                  state.bytes, state.bytes_in_all);
    show(fmt::format("reading {}  {:.0f}{} MB  {:.1f} MB/s  {} records  {:.0f} records/s", name, megabytes,
                     of, megabytes / seconds, state.records, static_cast<double>(state.records) / seconds),
         state.bytes_in_all > 0 ? state.bytes : 0, state.bytes_in_all);
  };
}

}  // namespace cola
