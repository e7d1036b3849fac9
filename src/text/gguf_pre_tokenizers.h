#pragma once
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cola {

/// How texts are cut before byte-level BPE under a name of the key tokenizer.ggml.pre, as llama.cpp does.
struct GgufPreTokenizer {
  std::string_view names;  ///< with spaces between; the first is written where any of them fits
  /// Applied one after the other, each to the pieces that the one before leaves: what it matches is a piece,
  /// and so is what lies between. Those at the end may be empty: there are fewer.
  std::array<std::string_view, 6> expressions;
  bool ignore_merges = false;  ///< a piece that is a token is taken whole
  bool add_bos = false;        ///< where no key says it
  bool has_bos = true;         ///< token 11 is BOS where no key says it
};

/// Throws Error beginning with `where` for a name that is not supported.
[[nodiscard]] const GgufPreTokenizer& gguf_pre_tokenizer(std::string_view name, const std::string& where);

/// The expressions that are there.
[[nodiscard]] std::span<const std::string_view> expressions_of(const GgufPreTokenizer& pre_tokenizer);

/// A name under which llama.cpp cuts texts by `expressions`, or as a published tokenizer.json with them is
/// meant; empty where there is none. `remark`: a line where the two are not the same.
[[nodiscard]] std::string_view gguf_pre_name(std::span<const std::string> expressions, bool ignore_merges,
                                             std::string& remark);

}  // namespace cola
