#include "data/jsonl_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "core/error.h"
#include "data/file_kind.h"

namespace cola {

JsonlReader::JsonlReader(const std::filesystem::path& file)
    : name_(file.string()), stream_(file, std::ios::binary), buffer_(std::size_t{1} << 16) {
  if (!stream_ || std::filesystem::is_directory(file)) {
    throw Error(fmt::format("{}: cannot be opened: give a readable JSONL file", name_));
  }
  std::error_code error;
  const auto size = std::filesystem::file_size(file, error);
  if (!error) bytes_in_all_ = static_cast<std::int64_t>(size);
  (void)refill();
}

void JsonlReader::require_jsonl() const { refuse_other_kind({buffer_.data(), end_}, name_); }

std::string JsonlReader::where() const { return fmt::format("{}:{}", name_, line_number_); }

bool JsonlReader::refill() {
  bytes_before_ += static_cast<std::int64_t>(end_);
  stream_.read(buffer_.data(), static_cast<std::streamsize>(buffer_.size()));
  begin_ = 0;
  end_ = static_cast<std::size_t>(stream_.gcount());
  if (stream_.bad()) throw Error(fmt::format("{}: reading failed after line {}", name_, line_number_));
  return end_ > 0;
}

bool JsonlReader::read_line(std::string& line) {
  line.clear();
  if (begin_ == end_ && !refill()) return false;
  ++line_number_;
  do {
    const char* first = buffer_.data() + begin_;
    const char* last = buffer_.data() + end_;
    const char* newline = std::find(first, last, '\n');
    line.append(first, newline);
    if (line.size() > line_limit) {
      throw Error(fmt::format("{}: the line is longer than {} MiB: one JSON object a line", where(),
                              line_limit >> 20));
    }
    begin_ += static_cast<std::size_t>(newline - first);
    if (newline != last) {
      ++begin_;
      return true;
    }
  } while (refill());
  return true;
}

bool JsonlReader::next(std::string& line) {
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  while (read_line(line)) {
    if (line_number_ == 1 && line.starts_with(byte_order_mark)) line.erase(0, byte_order_mark.size());
    if (line.find_first_not_of(" \t\r") != std::string::npos) return true;
  }
  return false;
}

}  // namespace cola
