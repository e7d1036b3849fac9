#pragma once
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace cola {

/// Reads a text file line by line, so that a file larger than memory can be read. A UTF-8 byte order mark at
/// the start, carriage returns at line ends and blank lines are passed over.
class JsonlReader {
 public:
  /// Longest line taken, in bytes.
  static constexpr std::size_t line_limit = std::size_t{64} << 20;

  /// Throws Error naming the file if it cannot be opened.
  explicit JsonlReader(const std::filesystem::path& file);

  /// Before the first next(): throws Error if the file is of another kind (file_kind.h).
  void require_jsonl() const;

  /// The next line that is not blank into `line`; false at the end. Throws Error for a line longer than
  /// line_limit.
  [[nodiscard]] bool next(std::string& line);

  [[nodiscard]] std::int64_t bytes_read() const { return bytes_before_ + static_cast<std::int64_t>(begin_); }
  /// Of the file; 0 where it has no size, as a pipe.
  [[nodiscard]] std::int64_t bytes_in_all() const { return bytes_in_all_; }

  /// "data.jsonl:12", the place of the line last read.
  [[nodiscard]] std::string where() const;

 private:
  [[nodiscard]] bool refill();
  [[nodiscard]] bool read_line(std::string& line);

  std::string name_;
  std::ifstream stream_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0, end_ = 0;  // unread bytes of buffer_
  std::int64_t bytes_before_ = 0;    // of the file, before buffer_
  std::int64_t bytes_in_all_ = 0;
  std::int64_t line_number_ = 0;
};

}  // namespace cola
