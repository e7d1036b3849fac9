#include "text/gpt2_files.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "io/files.h"
#include "io/json.h"
#include "text/bpe_tokenizer.h"
#include "text/byte_level.h"
#include "text/utf8.h"

namespace cola {

namespace {

constexpr std::size_t merges_size_limit = std::size_t{256} << 20;

Vocabulary read_vocabulary(const std::filesystem::path& file) {
  const std::string where = file.string();
  const Json json = read_json_file(file);
  if (!json.is_object()) throw Error(where + ": not an object of tokens and ids");
  Vocabulary vocabulary;
  for (const auto& [token, id] : json.items()) {
    if (!id.is_number_integer())
      throw Error(fmt::format("{}: the id of {:?} is not an integer", where, token));
    vocabulary.add(token, id.get<std::int64_t>(), where);
  }
  if (vocabulary.size() == 0) throw Error(where + ": no tokens");
  return vocabulary;
}

/// The special tokens by their strings, to be cut out of texts.
std::vector<AddedToken> special_strings(const TokenizerConfig& config, const DefaultTokens& defaults,
                                        const Vocabulary& vocabulary) {
  std::vector<AddedToken> tokens;
  const auto add = [&](const std::optional<std::string>& name) {
    const std::optional<std::int32_t> id = name ? vocabulary.find(*name) : std::nullopt;
    if (id) append_missing(tokens, {{.content = *name, .id = *id, .special = true}});
  };
  add(config.bos_token ? config.bos_token : defaults.bos);
  add(config.eos_token ? config.eos_token : defaults.eos);
  add(config.pad_token ? config.pad_token : defaults.pad);
  add(config.unk_token);
  return tokens;
}

}  // namespace

std::string read_merges_file(const std::filesystem::path& file) {
  return read_text_file(file, merges_size_limit);
}

std::vector<BpeMerge> merges_of_text(std::string_view text, const std::filesystem::path& file) {
  require_utf8(text, file.string());
  std::vector<BpeMerge> merges;
  std::size_t number = 0;
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    std::string_view line = text.substr(start, end - start);
    start = end + 1;
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with("#version")) continue;
    const std::size_t space = line.find(' ');
    if (space == 0 || space == std::string_view::npos || space + 1 >= line.size() ||
        line.find(' ', space + 1) != std::string_view::npos) {
      throw Error(fmt::format("{}:{}: not two tokens with a space between", file.string(), number));
    }
    merges.emplace_back(line.substr(0, space), line.substr(space + 1));
  }
  return merges;
}

std::unique_ptr<Tokenizer> open_gpt2_files(const std::filesystem::path& folder,
                                           const TokenizerConfig& config) {
  const std::string where = (folder / "vocab.json").string();
  Vocabulary vocabulary = read_vocabulary(folder / "vocab.json");
  const std::string merges_text = read_merges_file(folder / "merges.txt");
  const std::vector<BpeMerge> merges = merges_of_text(merges_text, folder / "merges.txt");
  const DefaultTokens defaults =
      default_tokens([&](std::string_view token) { return vocabulary.find(token); }, /*byte_level=*/true);
  std::vector<AddedToken> tokens = config.added_tokens;
  append_missing(tokens, special_strings(config, defaults, vocabulary));
  BpeOptions options;
  // GPT-2's unk_token by default; a vocabulary with all 256 bytes never needs it.
  options.unk_token = config.unk_token.value_or("<|endoftext|>");
  if (!vocabulary.find(*options.unk_token)) options.unk_token.reset();
  Bpe model(std::move(vocabulary), merges, options, (folder / "merges.txt").string());
  AddedTokens added(std::move(tokens), model.vocabulary(), Normalizer(), where);
  const FindToken find = [&](std::string_view token) {
    const std::optional<std::int32_t> id = added.id_of(token);
    return id ? id : model.vocabulary().find(token);
  };
  const SpecialTokens special = resolve_special_tokens(config, defaults, std::nullopt, find, where);
  std::vector<PreTokenizer::Step> words;
  words.emplace_back(PreTokenizer::ByteLevel{.add_prefix_space = config.add_prefix_space.value_or(false),
                                             .pattern = Regex(gpt2_pattern, Regex::Syntax::pattern, where)});
  return std::make_unique<BpeTokenizer>(std::move(model), std::move(added), PreTokenizer(std::move(words)),
                                        TokenDecoder({TokenDecoder::ByteLevel{}}), special);
}

}  // namespace cola
