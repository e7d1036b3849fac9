#include "io/byte_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "io/compressed_streams.h"

namespace cola {
namespace {

class FileStream final : public ByteStream {
 public:
  explicit FileStream(const std::filesystem::path& file)
      : name_(file.string()), stream_(file, std::ios::binary) {
    if (!stream_ || std::filesystem::is_directory(file))
      throw Error(fmt::format("{}: cannot be opened: give a readable file", name_));
    std::error_code error;
    const auto size = std::filesystem::file_size(file, error);
    if (!error) bytes_in_all_ = static_cast<std::int64_t>(size);
    fill_beginning();
  }

  /// The first bytes, as many as are needed to tell what they are; read() gives them again.
  [[nodiscard]] std::string_view beginning() const { return {beginning_.data(), beginning_size_}; }

  std::size_t read(std::span<char> buffer) override {
    if (given_ < beginning_size_) {
      const std::size_t count = std::min(buffer.size(), beginning_size_ - given_);
      std::copy_n(beginning_.begin() + static_cast<std::ptrdiff_t>(given_), count, buffer.begin());
      given_ += count;
      return count;
    }
    return read_file(buffer);
  }
  [[nodiscard]] std::int64_t bytes_read() const override { return bytes_read_; }
  [[nodiscard]] std::int64_t bytes_in_all() const override { return bytes_in_all_; }

 private:
  void fill_beginning() {
    while (beginning_size_ < beginning_.size()) {
      const std::size_t count = read_file(std::span(beginning_).subspan(beginning_size_));
      if (count == 0) return;
      beginning_size_ += count;
    }
  }

  std::size_t read_file(std::span<char> buffer) {
    stream_.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    if (stream_.bad()) throw Error(fmt::format("{}: reading failed after {} bytes", name_, bytes_read_));
    bytes_read_ += stream_.gcount();
    return static_cast<std::size_t>(stream_.gcount());
  }

  std::string name_;
  std::ifstream stream_;
  std::array<char, 4> beginning_{};
  std::size_t beginning_size_ = 0, given_ = 0;
  std::int64_t bytes_read_ = 0, bytes_in_all_ = 0;
};

}  // namespace

std::unique_ptr<ByteStream> open_byte_stream(const std::filesystem::path& file) {
  using namespace std::string_view_literals;
  auto stream = std::make_unique<FileStream>(file);
  const std::string_view beginning = stream->beginning();
  const bool is_gzip = beginning.starts_with("\x1f\x8b"sv);
  const bool is_zstd = beginning == "\x28\xb5\x2f\xfd"sv;
  if (is_gzip) return gzip_stream(std::move(stream), file.string());
  if (is_zstd) return zstd_stream(std::move(stream), file.string());
  return stream;
}

}  // namespace cola
