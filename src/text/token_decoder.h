#pragma once
#include <cstddef>
#include <string>
#include <variant>
#include <vector>

namespace cola {

/// tokenizer.json's decoder: turns tokens into text, step by step.
class TokenDecoder {
 public:
  struct Replace {
    std::string from;
    std::string to;
  };
  struct ByteFallback {
  };  ///< runs of <0xXX> become their UTF-8, or one U+FFFD a byte where they are not UTF-8
  struct Fuse {};  ///< all tokens become one
  struct Strip {
    std::string content;
    std::size_t start = 0;  ///< at most so many are taken off each token's start
    std::size_t stop = 0;
  };
  struct ByteLevel {};
  struct Metaspace {
    std::string replacement;
    bool strip_first = true;  ///< the first token loses one leading replacement
  };
  using Step = std::variant<Replace, ByteFallback, Fuse, Strip, ByteLevel, Metaspace>;

  /// Without steps tokens are joined with spaces, as Hugging Face does for a null decoder.
  explicit TokenDecoder(std::vector<Step> steps) : steps_(std::move(steps)) {}
  [[nodiscard]] std::string operator()(std::vector<std::string> tokens) const;
  /// Whether tokens spell bytes in GPT-2's characters.
  [[nodiscard]] bool has_byte_level() const;

 private:
  std::vector<Step> steps_;
};

/// The byte of a token "<0xXX>", or -1.
[[nodiscard]] int byte_of_token(const std::string& token);

/// The bytes of text that a token of a vocabulary with "▁" and "<0xXX>" stands for.
[[nodiscard]] std::string bytes_of_token(const std::string& token);

}  // namespace cola
