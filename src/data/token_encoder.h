#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace cola {

/// Texts as a model's tokens, with BOS first and EOS behind where data have them.
class TokenEncoder {
 public:
  using Ids = std::vector<std::int32_t>;

  /// `tokenizer` may be null (no text) and is kept.
  TokenEncoder(const Tokenizer* tokenizer, std::int64_t vocabulary_size, bool append_eos);

  [[nodiscard]] const Tokenizer& tokenizer() const { return *tokenizer_; }
  [[nodiscard]] const std::optional<std::int32_t>& bos() const { return bos_; }
  [[nodiscard]] const std::optional<std::int32_t>& eos() const { return eos_; }
  [[nodiscard]] bool puts_bos_first() const { return bos_ && tokenizer_->special().add_bos; }

  /// Throws UsageError beginning with `where` if there is no tokenizer.
  void require_tokenizer(const std::string& where) const;
  /// Without BOS and EOS, unless the text has them. Throws Error if the model has no such token.
  [[nodiscard]] Ids encode(std::string_view text, const std::string& where) const;
  /// The id, if the model has it; else throws Error that calls it `what`.
  [[nodiscard]] std::int32_t checked(std::int64_t id, std::string_view what, const std::string& where) const;
  /// Takes off the BOS that the text itself begins with, where one is put first; whether there was one.
  [[nodiscard]] bool take_own_bos(Ids& ids) const;
  /// Whether the tokens end in one that ends a text, or in one and white space.
  [[nodiscard]] bool has_own_end(std::span<const std::int32_t> ids) const;

 private:
  const Tokenizer* tokenizer_;
  std::int64_t vocabulary_size_;
  std::optional<std::int32_t> bos_, eos_;  ///< set where data of text has them
};

}  // namespace cola
