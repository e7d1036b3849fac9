#pragma once
#include <cstdint>
#include <functional>
#include <span>

#include "bench/timing.h"
#include "text/chat/format.h"

namespace cola {

/// Rendering chats on all threads, over the rounds: their texts, and what of them carries loss.
struct TemplateBenchmark {
  Spread chats_per_second, bytes_per_second;
  std::int64_t bytes = 0;  ///< of all texts
};

/// `rounds` rounds after one that is not counted; `each(done, total)` is called after every round. Throws
/// jinja::Error as ChatFormat::render does.
[[nodiscard]] TemplateBenchmark benchmark_template(
    const ChatFormat& format, std::span<const ChatInput> chats, std::int64_t rounds,
    const std::function<void(std::int64_t done, std::int64_t total)>& each = {});

}  // namespace cola
