#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "core/error.h"
#include "io/compressed_streams.h"

namespace cola {
namespace {

class GzipStream final : public ByteStream {
 public:
  GzipStream(std::unique_ptr<ByteStream> packed, std::string name)
      : packed_(std::move(packed)), name_(std::move(name)), buffer_(std::size_t{1} << 16) {
    constexpr int gzip_with_largest_window = 16 + MAX_WBITS;
    if (inflateInit2(&zlib_, gzip_with_largest_window) != Z_OK)
      throw Error(name_ + ": no memory to unpack it");
  }
  ~GzipStream() override { inflateEnd(&zlib_); }
  GzipStream(const GzipStream&) = delete;
  GzipStream& operator=(const GzipStream&) = delete;

  std::size_t read(std::span<char> buffer) override {
    zlib_.next_out = reinterpret_cast<Bytef*>(buffer.data());
    zlib_.avail_out = static_cast<uInt>(std::min<std::size_t>(buffer.size(), std::size_t{1} << 30));
    const uInt wanted = zlib_.avail_out;
    while (zlib_.avail_out == wanted) {
      if (zlib_.avail_in == 0 && !refill()) {
        if (in_member_) throw Error(name_ + ": the gzip file ends early: it is cut off");
        return 0;
      }
      if (!in_member_ && !begin_member()) return 0;
      unpack();
    }
    return wanted - zlib_.avail_out;
  }
  [[nodiscard]] std::int64_t bytes_read() const override { return packed_->bytes_read(); }
  [[nodiscard]] std::int64_t bytes_in_all() const override { return packed_->bytes_in_all(); }

 private:
  bool refill() {
    zlib_.avail_in = static_cast<uInt>(packed_->read(buffer_));
    zlib_.next_in = reinterpret_cast<Bytef*>(buffer_.data());
    return zlib_.avail_in > 0;
  }

  /// False where only zeros follow, as tools pad files with them.
  bool begin_member() {
    while (is_behind_a_member_ && zlib_.avail_in > 0 && *zlib_.next_in == 0) {
      ++zlib_.next_in;
      if (--zlib_.avail_in == 0 && !refill()) return false;
    }
    if (is_behind_a_member_ && inflateReset(&zlib_) != Z_OK) throw damaged();
    in_member_ = true;
    return true;
  }

  void unpack() {
    const int result = inflate(&zlib_, Z_NO_FLUSH);
    if (result == Z_STREAM_END) {
      in_member_ = false;
      is_behind_a_member_ = true;
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      throw damaged();
    }
  }

  [[nodiscard]] Error damaged() const {
    return Error(fmt::format("{}: the gzip file is damaged ({})", name_,
                             zlib_.msg != nullptr ? zlib_.msg : "it cannot be unpacked"));
  }

  std::unique_ptr<ByteStream> packed_;
  std::string name_;
  std::vector<char> buffer_;
  z_stream zlib_ = {};
  bool in_member_ = false, is_behind_a_member_ = false;
};

}  // namespace

std::unique_ptr<ByteStream> gzip_stream(std::unique_ptr<ByteStream> packed, std::string name) {
  return std::make_unique<GzipStream>(std::move(packed), std::move(name));
}

}  // namespace cola
