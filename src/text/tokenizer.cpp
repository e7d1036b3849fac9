#include "text/tokenizer.h"

#include <algorithm>
#include <array>

#include "core/error.h"
#include "io/gguf/gguf_file.h"
#include "text/gguf_tokenizer.h"
#include "text/gpt2_files.h"
#include "text/sentencepiece_tokenizer.h"
#include "text/special_tokens.h"
#include "text/tokenizer_json.h"

namespace cola {

namespace {

bool has_file(const std::filesystem::path& folder, std::string_view name) {
  std::error_code error;
  return std::filesystem::is_regular_file(folder / name, error);
}

}  // namespace

bool SpecialTokens::is_end(std::int32_t id) const { return std::ranges::find(ends, id) != ends.end(); }

bool has_tokenizer(const std::filesystem::path& path) {
  if (is_gguf_file(path)) return has_gguf_vocabulary(GgufFile(path).keys());
  return has_file(path, "tokenizer.json") || has_file(path, "tokenizer.model") ||
         (has_file(path, "vocab.json") && has_file(path, "merges.txt"));
}

std::unique_ptr<Tokenizer> open_tokenizer(const std::filesystem::path& path) {
  if (is_gguf_file(path)) return open_gguf_tokenizer(GgufFile(path).keys());
  if (!has_tokenizer(path)) {
    throw Error(path.string() +
                ": no tokenizer (tokenizer.json, tokenizer.model, or vocab.json with merges.txt); "
                "put its files there or name another folder with --tokenizer");
  }
  const TokenizerConfig config = read_tokenizer_config(path);
  if (has_file(path, "tokenizer.json")) {
    try {
      return open_tokenizer_json(path / "tokenizer.json", config);
    } catch (const Error& error) {
      if (!has_file(path, "tokenizer.model")) throw;
      throw Error(
          std::string(error.what()) +
          "\ntokenizer.model beside it is not read while tokenizer.json is there: if both are of the same "
          "tokenizer, --tokenizer a path without tokenizer.json");
    }
  }
  if (has_file(path, "tokenizer.model")) return open_sentencepiece(path / "tokenizer.model", config);
  return open_gpt2_files(path, config);
}

std::vector<std::filesystem::path> tokenizer_files(const std::filesystem::path& folder) {
  static constexpr std::array<std::string_view, 10> names{"tokenizer.json",
                                                          "tokenizer.model",
                                                          "vocab.json",
                                                          "merges.txt",
                                                          "added_tokens.json",
                                                          "tokenizer_config.json",
                                                          "special_tokens_map.json",
                                                          "chat_template.jinja",
                                                          "chat_template.json",
                                                          "generation_config.json"};
  std::vector<std::filesystem::path> files;
  for (const std::string_view name : names) {
    if (has_file(folder, name)) files.push_back(folder / name);
  }
  const auto templates = folder / "additional_chat_templates";
  if (!std::filesystem::is_directory(templates)) return files;
  for (const auto& entry : std::filesystem::directory_iterator(templates)) {
    if (entry.path().extension() == ".jinja") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

}  // namespace cola
