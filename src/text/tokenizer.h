#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cola {

/// Ids that a folder's configuration names; absent where it names none.
struct SpecialTokens {
  std::optional<std::int32_t> bos;
  std::optional<std::int32_t> eos;
  std::optional<std::int32_t> pad;
  bool add_bos = false;            ///< whether the tokenizer puts BOS before a text
  std::vector<std::int32_t> ends;  ///< that end a text or a turn: EOS, and chat templates' ends of turns
  std::string remark;              ///< a line for each contradiction among the folder's files, or empty

  [[nodiscard]] bool is_end(std::int32_t id) const;
};

/// What a token stands for in a text.
struct TokenText {
  std::string bytes;   ///< with spaces for "▁"; not always whole characters
  bool added = false;  ///< an added token: cut out of the text before the rest is tokenised
};

/// Turns text into token ids and back. Special tokens' strings inside the text are recognised as Hugging Face
/// does (added_tokens); BOS and EOS are never added by `encode`: one place, data/, adds them.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  [[nodiscard]] virtual std::vector<std::int32_t> encode(std::string_view text) const = 0;
  /// Special tokens are left out when `skip_special`. Invalid UTF-8 becomes U+FFFD.
  [[nodiscard]] virtual std::string decode(std::span<const std::int32_t> ids,
                                           bool skip_special = true) const = 0;
  /// The piece of one id, as it stands in the vocabulary (for `cola inspect`).
  [[nodiscard]] virtual std::string piece(std::int32_t id) const = 0;
  /// Throws Error for an id that is not in the vocabulary, as piece does.
  [[nodiscard]] virtual TokenText text_of(std::int32_t id) const = 0;
  /// One more than the largest id.
  [[nodiscard]] virtual std::int64_t vocabulary_size() const = 0;
  [[nodiscard]] virtual const SpecialTokens& special() const = 0;
};

/// Opens the tokenizer of a Hugging Face folder: tokenizer.json, else tokenizer.model, else vocab.json +
/// merges.txt; special tokens from tokenizer_config.json / special_tokens_map.json, with the defaults of
/// docs/formats.md. Or that of a GGUF file. Throws Error naming the file and the cause.
[[nodiscard]] std::unique_ptr<Tokenizer> open_tokenizer(const std::filesystem::path& path);

/// Whether the folder, or the GGUF file, has what open_tokenizer would read.
[[nodiscard]] bool has_tokenizer(const std::filesystem::path& path);

/// The tokenizer files (and generation_config.json, chat templates) of a folder, to be copied beside a
/// checkpoint. Of a GGUF file none: see write_huggingface_tokenizer.
[[nodiscard]] std::vector<std::filesystem::path> tokenizer_files(const std::filesystem::path& folder);

}  // namespace cola
