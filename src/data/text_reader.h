#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/byte_stream.h"

namespace cola {

/// The text of a file (or of a gzip or zstd file) from the beginning to the end, so that one larger than
/// memory can be read. A UTF-8 byte order mark at the start is passed over.
class TextReader {
 public:
  /// Longest record taken, in bytes.
  static constexpr std::size_t record_limit = std::size_t{64} << 20;

  /// Throws Error naming the file if it cannot be opened.
  explicit TextReader(const std::filesystem::path& file);

  /// What comes next, some of it: up to 64 KiB at the start of the file. Empty at the end alone. Throws Error
  /// as ByteStream::read does, with the line reached.
  [[nodiscard]] std::string_view unread();
  /// Moves past that many bytes of unread().
  void take(std::size_t bytes);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::int64_t line_number() const { return line_number_; }  ///< of unread(), from 1
  /// "data.jsonl:12", the place of unread().
  [[nodiscard]] std::string where() const;
  /// Of the file, as it is stored: as far as buffers have been filled; and in all, 0 where it has no size.
  [[nodiscard]] std::int64_t bytes_read() const;
  [[nodiscard]] std::int64_t bytes_in_all() const { return stream_->bytes_in_all(); }

  /// Throws Error if a record of `bytes` bytes, which began on `line`, is longer than record_limit.
  void require_record_length(std::size_t bytes, std::int64_t line) const;

 private:
  void refill();

  std::string name_;
  std::unique_ptr<ByteStream> stream_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0, end_ = 0;  // unread bytes of buffer_
  std::int64_t line_number_ = 1;
  std::string failure_;  // of reading what follows the buffer
};

}  // namespace cola
