#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

#include "data/record_source.h"
#include "data/text_reader.h"

namespace cola {

/// Reads a text file line by line. Carriage returns at line ends and blank lines are passed over.
class JsonlReader final : public RecordSource {
 public:
  explicit JsonlReader(TextReader text) : text_(std::move(text)) {}
  /// Throws Error naming the file if it cannot be opened.
  explicit JsonlReader(const std::filesystem::path& file) : text_(file) {}

  /// Before the first next(): throws Error if the file is of another kind (file_kind.h).
  void require_jsonl();

  /// The next line that is not blank.
  [[nodiscard]] bool next(std::string& line) override;
  /// "data.jsonl:12", the place of the line last read.
  [[nodiscard]] std::string where() const override;
  [[nodiscard]] std::int64_t bytes_read() const override { return text_.bytes_read(); }
  [[nodiscard]] std::int64_t bytes_in_all() const override { return text_.bytes_in_all(); }

 private:
  [[nodiscard]] bool read_line(std::string& line);

  TextReader text_;
  std::int64_t line_number_ = 0;
};

}  // namespace cola
