#include "eval/stop_text.h"

#include <algorithm>
#include <utility>

#include "core/error.h"

namespace cola {
namespace {

/// Bytes at the end of `text` that begin `string`, fewer than the whole of it.
std::size_t begun(std::string_view text, std::string_view string) {
  std::size_t length = std::min(text.size(), string.size() - 1);
  while (!text.ends_with(string.substr(0, length))) --length;
  return length;
}

}  // namespace

StopText::StopText(std::vector<std::string> strings) : strings_(std::move(strings)) {
  if (std::ranges::find(strings_, "") != strings_.end()) throw UsageError("--stop: an empty text");
}

std::string StopText::add(std::string_view piece) {
  if (!found_.empty()) return {};
  held_ += piece;
  std::size_t end = std::string::npos;
  for (const std::string& string : strings_) {
    const std::size_t at = held_.find(string);
    if (at >= end) continue;
    end = at;
    found_ = string;
  }
  if (found_.empty()) {
    std::size_t kept = 0;
    for (const std::string& string : strings_) kept = std::max(kept, begun(held_, string));
    end = held_.size() - kept;
  }
  std::string certain = held_.substr(0, end);
  held_.erase(0, end);
  return certain;
}

std::string StopText::finish() { return found_.empty() ? std::exchange(held_, {}) : std::string(); }

}  // namespace cola
