#include "data/token_encoder.h"

#include <fmt/format.h>

#include "core/error.h"

namespace cola {

TokenEncoder::TokenEncoder(const Tokenizer* tokenizer, std::int64_t vocabulary_size, bool append_eos)
    : tokenizer_(tokenizer), vocabulary_size_(vocabulary_size) {
  if (tokenizer_ == nullptr) return;
  bos_ = tokenizer_->special().bos;
  if (append_eos) eos_ = tokenizer_->special().eos;
}

void TokenEncoder::require_tokenizer(const std::string& where) const {
  if (tokenizer_ != nullptr) return;
  throw UsageError(
      fmt::format("{}: text needs a tokenizer: give --tokenizer DIR, or data as input_ids", where));
}

std::int32_t TokenEncoder::checked(std::int64_t id, std::string_view what, const std::string& where) const {
  if (id >= 0 && id < vocabulary_size_) return static_cast<std::int32_t>(id);
  throw Error(fmt::format("{}: {} {} is outside the model's vocabulary (0 to {})", where, what, id,
                          vocabulary_size_ - 1));
}

TokenEncoder::Ids TokenEncoder::encode(std::string_view text, const std::string& where) const {
  Ids ids = tokenizer_->encode(text);
  for (const std::int32_t id : ids) {
    if (id < 0 || id >= vocabulary_size_) {
      throw Error(
          fmt::format("{}: the tokenizer makes id {}, but the model's vocabulary ({}) is smaller than the "
                      "tokenizer's ({}): give the model's own tokenizer",
                      where, id, vocabulary_size_, tokenizer_->vocabulary_size()));
    }
  }
  return ids;
}

bool TokenEncoder::take_own_bos(Ids& ids) const {
  if (!puts_bos_first() || ids.empty() || ids.front() != *bos_) return false;
  ids.erase(ids.begin());
  return true;
}

bool TokenEncoder::has_own_end(std::span<const std::int32_t> ids) const {
  constexpr std::string_view white_space = " \t\n\r\f\v";
  for (std::size_t i = ids.size(); i-- > 0;) {
    if (tokenizer_->special().is_end(ids[i])) return true;
    if (tokenizer_->text_of(ids[i]).bytes.find_first_not_of(white_space) != std::string::npos) return false;
  }
  return false;
}

}  // namespace cola
