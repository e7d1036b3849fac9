#include "data/text_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"

namespace cola {

TextReader::TextReader(const std::filesystem::path& file)
    : name_(file.string()), stream_(open_byte_stream(file)), buffer_(std::size_t{1} << 16) {
  refill();
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  if (std::string_view(buffer_.data(), end_).starts_with(byte_order_mark)) begin_ = byte_order_mark.size();
}

void TextReader::refill() {
  begin_ = end_ = 0;
  if (!failure_.empty())
    throw Error(line_number_ > 1 ? fmt::format("{} (in line {})", failure_, line_number_) : failure_);
  try {
    while (end_ < buffer_.size()) {
      const std::size_t count = stream_->read(std::span(buffer_).subspan(end_));
      if (count == 0) return;
      end_ += count;
    }
  } catch (const Error& error) {
    failure_ = error.what();  // what came before it is read first
    if (end_ == 0) refill();
  }
}

std::string_view TextReader::unread() {
  if (begin_ == end_) refill();
  return {buffer_.data() + begin_, end_ - begin_};
}

void TextReader::take(std::size_t bytes) {
  const char* from = buffer_.data() + begin_;
  line_number_ += std::count(from, from + bytes, '\n');
  begin_ += bytes;
}

std::string TextReader::where() const { return fmt::format("{}:{}", name_, line_number_); }

std::int64_t TextReader::bytes_read() const {
  const std::int64_t in_buffer = static_cast<std::int64_t>(end_ - begin_);
  return std::max<std::int64_t>(0, stream_->bytes_read() - in_buffer);
}

void TextReader::require_record_length(std::size_t bytes, std::int64_t line) const {
  if (bytes <= record_limit) return;
  throw Error(fmt::format("{}:{}: the record is longer than {} MiB", name_, line, record_limit >> 20));
}

}  // namespace cola
