#include "data/table_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/error.h"
#include "io/json.h"
#include "io/printable.h"
#include "text/utf8.h"

namespace cola {
namespace {

/// Columns whose cells are numbers, truths, lists or objects.
constexpr std::array<std::string_view, 18> json_columns{
    "weight",       "train",           "training",
    "loss",         "input_ids",       "labels",
    "loss_mask",    "attention_mask",  "position_ids",
    "messages",     "completion_mask", "assistant_mask",
    "tools",        "assistant_masks", "documents",
    "conversation", "conversations",   "chat_template_kwargs"};

/// A cell as JSON text.
std::string json_of(const std::string& name, const std::string& cell) {
  if (std::ranges::find(json_columns, name) != json_columns.end()) {
    if (cell.empty()) return "null";
    if (cell == "True" || cell == "False") return cell == "True" ? "true" : "false";  // as pandas writes them
    try {
      if (!parse_json(cell, name).is_string()) return cell;
    } catch (const Error&) {  // NOLINT(bugprone-empty-catch): text, which its form refuses or does not need
    }
  }
  return Json(cell).dump();
}

}  // namespace

TableReader::TableReader(TextReader text, char separator) : text_(std::move(text)), separator_(separator) {
  if (!read_row()) return;
  names_ = std::move(cells_);
  for (std::size_t i = 0; i < names_.size(); ++i) {
    require_utf8(names_[i], where());
    if (std::find(names_.begin(), names_.begin() + static_cast<std::ptrdiff_t>(i), names_[i]) !=
        names_.begin() + static_cast<std::ptrdiff_t>(i))
      throw Error(fmt::format("{}: two columns are called '{}'", where(), printable(names_[i])));
  }
}

std::string TableReader::where() const { return fmt::format("{}:{}", text_.name(), line_number_); }

std::string TableReader::column() const {
  const std::size_t number = cells_.size();  // with the cell that is read
  return number <= names_.size() ? fmt::format("column '{}'", printable(names_[number - 1]))
                                 : fmt::format("column {}", number);
}

int TableReader::peek() {
  const std::string_view unread = text_.unread();
  return unread.empty() ? -1 : static_cast<unsigned char>(unread.front());
}

void TableReader::append(std::string& cell, std::string_view text) {
  cell += text;
  row_bytes_ += text.size();
  text_.require_record_length(row_bytes_, line_number_);
}

void TableReader::read_quoted(std::string& cell) {
  text_.take(1);
  while (true) {
    const std::string_view unread = text_.unread();
    if (unread.empty()) throw Error(fmt::format("{}: {}: a quote that is not closed", where(), column()));
    const std::size_t end = std::min(unread.find('"'), unread.size());
    append(cell, unread.substr(0, end));
    const bool is_quote = end < unread.size();
    text_.take(end + (is_quote ? 1 : 0));
    if (!is_quote) continue;
    if (peek() != '"') return;
    text_.take(1);  // two quotes stand for one
    append(cell, "\"");
  }
}

void TableReader::read_plain(std::string& cell) {
  const std::string ends{separator_, '\n', '\r', '"'};
  for (std::string_view unread = text_.unread(); !unread.empty(); unread = text_.unread()) {
    const std::size_t end = std::min(unread.find_first_of(ends), unread.size());
    append(cell, unread.substr(0, end));
    text_.take(end);
    if (end < unread.size()) return;
  }
}

void TableReader::read_cell(std::string& cell) {
  const bool is_quoted = peek() == '"';
  if (is_quoted) {
    read_quoted(cell);
  } else {
    read_plain(cell);
  }
  const int next = peek();
  if (next == -1 || next == separator_ || next == '\n' || next == '\r') return;
  throw Error(
      fmt::format("{}: {}: a stray quote{}: a cell with quotes is written in quotes, its own ones twice",
                  text_.where(), column(), is_quoted ? ", with text behind it" : " inside of text"));
}

bool TableReader::take_separator() {
  const int next = peek();
  if (next == -1) return false;
  text_.take(1);
  if (next != '\r') return next == separator_;
  if (peek() == '\n') {
    text_.take(1);
  } else if (peek() != -1) {
    throw Error(fmt::format("{}: {}: a carriage return without a line feed: write the cell in quotes",
                            text_.where(), column()));
  }
  return false;
}

bool TableReader::read_row() {
  do {
    if (peek() == -1) return false;
    cells_.clear();
    row_bytes_ = 0;
    line_number_ = text_.line_number();
    do {
      read_cell(cells_.emplace_back());
    } while (take_separator());
  } while (cells_.size() == 1 && cells_.front().empty());
  return true;
}

bool TableReader::next(std::string& record) {
  if (!read_row()) return false;
  if (cells_.size() != names_.size())
    throw Error(fmt::format("{}: {} cells for {} columns", where(), cells_.size(), names_.size()));
  record.assign(1, '{');
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    require_utf8(cells_[i], fmt::format("{}: column '{}'", where(), printable(names_[i])));
    record += fmt::format("{}{}:{}", i > 0 ? "," : "", Json(names_[i]).dump(), json_of(names_[i], cells_[i]));
  }
  record += '}';
  return true;
}

}  // namespace cola
