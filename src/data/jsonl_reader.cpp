#include "data/jsonl_reader.h"

#include <fmt/format.h>

#include <string_view>

#include "data/file_kind.h"

namespace cola {

void JsonlReader::require_jsonl() { refuse_other_kind(text_.unread(), text_.name()); }

std::string JsonlReader::where() const { return fmt::format("{}:{}", text_.name(), line_number_); }

bool JsonlReader::read_line(std::string& line) {
  line.clear();
  line_number_ = text_.line_number();
  std::string_view unread = text_.unread();
  if (unread.empty()) return false;
  for (; !unread.empty(); unread = text_.unread()) {
    const std::size_t end = unread.find('\n');
    line.append(unread.substr(0, end));
    text_.require_record_length(line.size(), line_number_);
    if (end != std::string_view::npos) {
      text_.take(end + 1);
      return true;
    }
    text_.take(unread.size());
  }
  return true;
}

bool JsonlReader::next(std::string& line) {
  while (read_line(line)) {
    if (line.find_first_not_of(" \t\r") != std::string::npos) return true;
  }
  return false;
}

}  // namespace cola
