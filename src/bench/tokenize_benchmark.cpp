#include "bench/tokenize_benchmark.h"

#include <vector>

#include "core/parallel.h"

namespace cola {

TokenizeBenchmark benchmark_tokenize(const Tokenizer& tokenizer, std::span<const std::string> texts,
                                     std::int64_t rounds,
                                     const std::function<void(std::int64_t done, std::int64_t total)>& each) {
  std::vector<std::vector<std::int32_t>> ids(texts.size());
  const auto encode_all = [&] {
    parallel_for(std::ssize(texts), 1, [&](std::int64_t begin, std::int64_t end) {
      for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i)
        ids[i] = tokenizer.encode(texts[i]);
    });
  };
  encode_all();
  TokenizeBenchmark result;
  for (const std::string& text : texts) result.bytes += std::ssize(text);
  for (const auto& one : ids) {
    for (const std::int32_t id : one)
      result.checksum += static_cast<std::uint64_t>(++result.tokens) * static_cast<std::uint64_t>(id + 1);
  }
  std::vector<double> byte_rates;
  std::vector<double> token_rates;
  for (std::int64_t round = 0; round < rounds; ++round) {
    const double seconds = seconds_of(encode_all);
    byte_rates.push_back(static_cast<double>(result.bytes) / seconds);
    token_rates.push_back(static_cast<double>(result.tokens) / seconds);
    if (each) each(round + 1, rounds);
  }
  result.bytes_per_second = spread_of(byte_rates);
  result.tokens_per_second = spread_of(token_rates);
  return result;
}

}  // namespace cola
