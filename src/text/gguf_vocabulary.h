#pragma once
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/gguf/gguf_keys.h"
#include "text/bpe.h"

namespace cola {

enum class GgufTokenType : std::int32_t {
  undefined = 0,
  normal = 1,
  unknown = 2,
  control = 3,
  user_defined = 4,
  unused = 5,
  byte = 6
};

/// What the keys tokenizer.ggml.* of a GGUF file say, with llama.cpp's defaults (0.5.0-dev,
/// src/llama-vocab.cpp). Texts are views into the file.
struct GgufVocabulary {
  enum class Model : std::uint8_t {
    byte_level_bpe,  ///< "gpt2"
    sentencepiece    ///< "llama": merges by the scores of what they make, bytes for what is no token
  };
  struct Token {
    std::string_view text;  ///< valid UTF-8, not empty, no two alike
    float score = 0.0F;     ///< not NaN
    GgufTokenType type = GgufTokenType::normal;
    bool rstrip = false;  ///< takes the white space to its right with it

    /// Cut out of texts before they are tokenised.
    [[nodiscard]] bool is_added() const;
    /// Added, and no text: left out where ids become text.
    [[nodiscard]] bool is_special() const { return is_added() && type != GgufTokenType::user_defined; }
  };

  Model model = Model::byte_level_bpe;
  std::string_view pre = "default";  ///< of byte-level BPE
  std::vector<Token> tokens;         ///< by id
  std::deque<std::string> names;     ///< of tokens that are empty in the file: "[EMPTY_3]"
  std::vector<BpeMerge> merges;      ///< of byte-level BPE
  std::optional<std::int32_t> bos, eos, unk, pad;
  bool add_bos = false, add_eos = false;
  bool add_space_prefix = false;   ///< sentencepiece: a space before each text between special tokens
  std::vector<std::int32_t> ends;  ///< that end generation, ascending: of the keys, or known by their text
};

/// Whether a token of this text ends generation in llama.cpp, whatever the keys say.
[[nodiscard]] bool ends_generation(std::string_view text);

/// Whether the file has a vocabulary.
[[nodiscard]] bool has_gguf_vocabulary(const GgufKeys& keys);

/// Throws Error naming file and key: another tokenizer model or an unknown pre-tokenizer, arrays of different
/// lengths, texts that are not UTF-8 or occur twice, ids that no token has.
[[nodiscard]] GgufVocabulary read_gguf_vocabulary(const GgufKeys& keys);

}  // namespace cola
