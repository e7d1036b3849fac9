#include "data/json_array_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "io/printable.h"

namespace cola {
namespace {

/// How deep a place in JSON text is nested, of text that is given piece by piece.
class Nesting {
 public:
  /// The number of characters up to the end of the outermost object or array, or all of them.
  std::size_t read(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (in_string_) {
        read_in_string(text[i]);
      } else if (text[i] == '"') {
        in_string_ = true;
      } else if (text[i] == '{' || text[i] == '[') {
        ++depth_;
      } else if ((text[i] == '}' || text[i] == ']') && --depth_ == 0) {
        return i + 1;
      }
    }
    return text.size();
  }
  [[nodiscard]] bool is_complete() const { return depth_ == 0; }

 private:
  void read_in_string(char c) {
    if (is_escaped_) {
      is_escaped_ = false;
    } else if (c == '\\') {
      is_escaped_ = true;
    } else if (c == '"') {
      in_string_ = false;
    }
  }

  std::int64_t depth_ = 0;
  bool in_string_ = false, is_escaped_ = false;
};

}  // namespace

std::string JsonArrayReader::where() const { return fmt::format("{}:{}", text_.name(), line_number_); }

char JsonArrayReader::next_character() {
  for (std::string_view unread = text_.unread(); !unread.empty(); unread = text_.unread()) {
    const std::size_t at = unread.find_first_not_of(" \t\r\n");
    text_.take(std::min(at, unread.size()));
    if (at != std::string_view::npos) return unread[at];
  }
  return 0;
}

void JsonArrayReader::require_nothing_more() {
  if (const char c = next_character(); c != 0)
    throw Error(
        fmt::format("{}: '{}' after the end of the JSON array", text_.where(), printable(std::string(1, c))));
  is_ended_ = true;
}

bool JsonArrayReader::find_object() {
  char c = next_character();
  const bool is_first = !is_begun_;
  if (c == ']') {
    text_.take(1);
    require_nothing_more();
    return false;
  }
  if (!is_first) {
    if (c != ',' && c != 0)
      throw Error(fmt::format("{}: a comma or ] is missing after an entry of the JSON array", text_.where()));
    if (c == ',') {
      text_.take(1);
      c = next_character();
    }
  }
  if (c == 0) throw Error(fmt::format("{}: the JSON array ends early: it is cut off", text_.where()));
  if (c != '{')
    throw Error(fmt::format("{}: an entry of the JSON array is no object: it begins with '{}'", text_.where(),
                            printable(std::string(1, c))));
  return true;
}

void JsonArrayReader::read_object(std::string& record) {
  Nesting nesting;
  do {
    const std::string_view unread = text_.unread();
    if (unread.empty()) throw Error(fmt::format("{}: the object that begins here is cut off", where()));
    const std::size_t count = nesting.read(unread);
    record.append(unread.substr(0, count));
    text_.take(count);
    text_.require_record_length(record.size(), line_number_);
  } while (!nesting.is_complete());
}

bool JsonArrayReader::next(std::string& record) {
  record.clear();
  if (is_ended_) return false;
  if (!is_begun_) {
    (void)next_character();
    text_.take(1);  // [
  }
  if (!find_object()) return false;
  is_begun_ = true;
  line_number_ = text_.line_number();
  read_object(record);
  return true;
}

}  // namespace cola
