#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "bench/timing.h"
#include "text/tokenizer.h"

namespace cola {

/// Encoding texts on all threads, over the rounds.
struct TokenizeBenchmark {
  Spread bytes_per_second, tokens_per_second;
  std::int64_t bytes = 0;      ///< of all texts
  std::int64_t tokens = 0;     ///< without BOS and EOS
  std::uint64_t checksum = 0;  ///< sum over all tokens of (number of the token, from 1) (id + 1), modulo 2^64
};

/// `rounds` rounds after one that is not counted; `each(done, total)` is called after every round.
[[nodiscard]] TokenizeBenchmark benchmark_tokenize(
    const Tokenizer& tokenizer, std::span<const std::string> texts, std::int64_t rounds,
    const std::function<void(std::int64_t done, std::int64_t total)>& each = {});

}  // namespace cola
