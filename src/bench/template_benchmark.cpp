#include "bench/template_benchmark.h"

#include <vector>

#include "core/parallel.h"

namespace cola {

TemplateBenchmark benchmark_template(const ChatFormat& format, std::span<const ChatInput> chats,
                                     std::int64_t rounds,
                                     const std::function<void(std::int64_t done, std::int64_t total)>& each) {
  TemplateBenchmark result;
  // Here, since an error leaves no other thread; what is rendered once is rendered always.
  for (const ChatInput& chat : chats) result.bytes += std::ssize(format.render(chat).text);
  const auto render_all = [&] {
    parallel_for(std::ssize(chats), 16, [&](std::int64_t begin, std::int64_t end) {
      for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i)
        (void)format.render(chats[i]);
    });
  };
  std::vector<double> chat_rates;
  std::vector<double> byte_rates;
  for (std::int64_t round = 0; round < rounds; ++round) {
    const double seconds = seconds_of(render_all);
    chat_rates.push_back(static_cast<double>(chats.size()) / seconds);
    byte_rates.push_back(static_cast<double>(result.bytes) / seconds);
    if (each) each(round + 1, rounds);
  }
  result.chats_per_second = spread_of(chat_rates);
  result.bytes_per_second = spread_of(byte_rates);
  return result;
}

}  // namespace cola
