#pragma once
#include <memory>

#include "io/gguf/gguf_keys.h"
#include "text/bpe.h"
#include "text/gguf_vocabulary.h"
#include "text/score_merges.h"
#include "text/tokenizer.h"

namespace cola {

/// The tokenizer of a GGUF file: gives the ids that llama.cpp does where it parses special tokens. Throws
/// Error naming file and key: see read_gguf_vocabulary; and for a merge that names no token, and a
/// sentencepiece vocabulary in which a token has a character that is none.
[[nodiscard]] std::unique_ptr<Tokenizer> open_gguf_tokenizer(const GgufKeys& keys);

/// Of all tokens; `where` begins errors.
[[nodiscard]] Vocabulary vocabulary_of(const GgufVocabulary& from, const std::string& where);

/// The merges of a sentencepiece vocabulary, and the same as `vocabulary`. Views into `from`.
[[nodiscard]] ScoreMerges score_merges_of(const GgufVocabulary& from, const Vocabulary& vocabulary,
                                          const std::string& where);

}  // namespace cola
