#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

namespace cola {

/// Bytes one after the other.
class ByteStream {
 public:
  ByteStream() = default;
  virtual ~ByteStream() = default;
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;

  /// Fills the beginning of `buffer`, which is not empty; how much of it: 0 at the end alone. Throws Error
  /// naming the file where reading fails, or compressed data are damaged or end early.
  [[nodiscard]] virtual std::size_t read(std::span<char> buffer) = 0;
  /// Of the file, as it is stored.
  [[nodiscard]] virtual std::int64_t bytes_read() const = 0;
  /// Of the file; 0 where it has no size, as a pipe.
  [[nodiscard]] virtual std::int64_t bytes_in_all() const = 0;
};

/// A file's bytes, those of a gzip or zstd file unpacked, whatever its name is. Throws Error naming the file
/// if it cannot be opened.
[[nodiscard]] std::unique_ptr<ByteStream> open_byte_stream(const std::filesystem::path& file);

}  // namespace cola
