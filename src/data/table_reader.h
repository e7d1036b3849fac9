#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/record_source.h"
#include "data/text_reader.h"

namespace cola {

/// Reads CSV (RFC 4180), or TSV with the same quotes: the first row names the columns. A cell is text as it
/// stands; one that is a JSON value is that in columns that are no text: weight, input_ids, messages, ...
class TableReader final : public RecordSource {
 public:
  /// Reads the names. Throws Error as next() does, and for a name that occurs twice.
  TableReader(TextReader text, char separator);

  /// The next row as an object. Throws Error naming line and column: a stray quote, a quote that is not
  /// closed, more or fewer cells than names, text that is not UTF-8.
  [[nodiscard]] bool next(std::string& record) override;
  [[nodiscard]] std::string where() const override;
  [[nodiscard]] std::int64_t bytes_read() const override { return text_.bytes_read(); }
  [[nodiscard]] std::int64_t bytes_in_all() const override { return text_.bytes_in_all(); }

 private:
  /// Cells of the next row that is not blank; false at the end.
  [[nodiscard]] bool read_row();
  void read_cell(std::string& cell);
  void read_quoted(std::string& cell);
  void read_plain(std::string& cell);
  /// Past what ends a cell; whether another one of the row follows.
  [[nodiscard]] bool take_separator();
  [[nodiscard]] int peek();  ///< the next character, -1 at the end
  void append(std::string& cell, std::string_view text);
  [[nodiscard]] std::string column() const;  ///< of the cell that is read, in words

  TextReader text_;
  char separator_;
  std::vector<std::string> names_;
  std::vector<std::string> cells_;
  std::size_t row_bytes_ = 0;
  std::int64_t line_number_ = 0;
};

}  // namespace cola
