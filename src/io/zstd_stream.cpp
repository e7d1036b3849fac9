#include <fmt/format.h>
#include <zstd.h>

#include <utility>
#include <vector>

#include "core/error.h"
#include "io/compressed_streams.h"

namespace cola {
namespace {

constexpr int largest_window_log = 27;

class ZstdStream final : public ByteStream {
 public:
  ZstdStream(std::unique_ptr<ByteStream> packed, std::string name)
      : packed_(std::move(packed)),
        name_(std::move(name)),
        buffer_(ZSTD_DStreamInSize()),
        zstd_(ZSTD_createDCtx(), &ZSTD_freeDCtx) {
    if (!zstd_) throw Error(name_ + ": no memory to unpack it");
    require(ZSTD_DCtx_setParameter(zstd_.get(), ZSTD_d_windowLogMax, largest_window_log));
  }

  std::size_t read(std::span<char> buffer) override {
    ZSTD_outBuffer out{buffer.data(), buffer.size(), 0};
    while (out.pos == 0) {
      if (in_.pos == in_.size && !has_more_output_ && !refill()) {
        if (in_frame_) throw Error(name_ + ": the zstd file ends early: it is cut off");
        return 0;
      }
      const std::size_t hint = require(ZSTD_decompressStream(zstd_.get(), &out, &in_));
      in_frame_ = hint != 0;
      has_more_output_ = out.pos == out.size && in_frame_;
    }
    return out.pos;
  }
  [[nodiscard]] std::int64_t bytes_read() const override { return packed_->bytes_read(); }
  [[nodiscard]] std::int64_t bytes_in_all() const override { return packed_->bytes_in_all(); }

 private:
  bool refill() {
    in_ = {buffer_.data(), packed_->read(buffer_), 0};
    return in_.size > 0;
  }

  std::size_t require(std::size_t result) const {
    if (ZSTD_isError(result) != 0)
      throw Error(fmt::format("{}: the zstd file cannot be unpacked: {}", name_, ZSTD_getErrorName(result)));
    return result;
  }

  std::unique_ptr<ByteStream> packed_;
  std::string name_;
  std::vector<char> buffer_;
  std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> zstd_;
  ZSTD_inBuffer in_ = {nullptr, 0, 0};
  bool in_frame_ = false, has_more_output_ = false;
};

}  // namespace

std::unique_ptr<ByteStream> zstd_stream(std::unique_ptr<ByteStream> packed, std::string name) {
  return std::make_unique<ZstdStream>(std::move(packed), std::move(name));
}

}  // namespace cola
