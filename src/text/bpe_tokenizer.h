#pragma once
#include "text/added_tokens.h"
#include "text/bpe.h"
#include "text/normalizer.h"
#include "text/pre_tokenizer.h"
#include "text/token_decoder.h"
#include "text/tokenizer.h"

namespace cola {

/// The steps of a tokenizer.json whose model is BPE: byte-level (OPT, GPT-2, Llama-3) or over characters with
/// byte fallback (Llama-2), depending on its pre-tokenizer and decoder.
class BpeTokenizer final : public Tokenizer {
 public:
  /// `added` already normalises with this tokenizer's normalizer.
  BpeTokenizer(Bpe model, AddedTokens added, PreTokenizer pre_tokenizer, TokenDecoder decoder,
               SpecialTokens special);

  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text) const override;
  [[nodiscard]] std::string decode(std::span<const std::int32_t> ids, bool skip_special) const override;
  [[nodiscard]] std::string piece(std::int32_t id) const override;
  [[nodiscard]] TokenText text_of(std::int32_t id) const override;
  [[nodiscard]] std::int64_t vocabulary_size() const override;
  [[nodiscard]] const SpecialTokens& special() const override { return special_; }

 private:
  [[nodiscard]] const std::string* find_piece(std::int32_t id) const;

  Bpe model_;
  AddedTokens added_;
  PreTokenizer pre_tokenizer_;
  TokenDecoder decoder_;
  SpecialTokens special_;
};

}  // namespace cola
