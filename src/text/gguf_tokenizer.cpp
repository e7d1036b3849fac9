#include "text/gguf_tokenizer.h"

#include <fmt/format.h>

#include "core/error.h"
#include "text/bpe_tokenizer.h"
#include "text/gguf_pre_tokenizers.h"
#include "text/utf8.h"

namespace cola {
namespace {

constexpr std::string_view space_mark = "\u2581";

std::vector<AddedToken> added_tokens(const GgufVocabulary& vocabulary) {
  std::vector<AddedToken> added;
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const GgufVocabulary::Token& token = vocabulary.tokens[id];
    if (!token.is_added()) continue;
    added.push_back({.content = std::string(token.text),
                     .id = static_cast<std::int32_t>(id),
                     .special = token.is_special(),
                     .rstrip = token.rstrip});
  }
  return added;
}

SpecialTokens special_tokens(const GgufVocabulary& vocabulary) {
  SpecialTokens special;
  special.bos = vocabulary.bos;
  special.eos = vocabulary.eos;
  special.pad = vocabulary.pad;
  special.add_bos = vocabulary.add_bos;
  special.ends = vocabulary.ends;
  return special;
}

PreTokenizer pre_tokenizer_of(const GgufVocabulary& vocabulary, const std::string& where) {
  std::vector<PreTokenizer::Step> steps;
  for (const std::string_view expression : expressions_of(gguf_pre_tokenizer(vocabulary.pre, where)))
    steps.emplace_back(PreTokenizer::Split{.pattern = Regex(expression, Regex::Syntax::pattern, where)});
  steps.emplace_back(PreTokenizer::ByteLevel{.add_prefix_space = false, .pattern = {}});
  return PreTokenizer(std::move(steps));
}

std::unique_ptr<Tokenizer> open_byte_level(const GgufVocabulary& vocabulary, const std::string& where) {
  BpeOptions options;
  options.ignore_merges = gguf_pre_tokenizer(vocabulary.pre, where).ignore_merges;
  Bpe model(vocabulary_of(vocabulary, where), vocabulary.merges, options, where + ": tokenizer.ggml.merges");
  AddedTokens added(added_tokens(vocabulary), model.vocabulary(), Normalizer(), where);
  return std::make_unique<BpeTokenizer>(
      std::move(model), std::move(added), pre_tokenizer_of(vocabulary, where),
      TokenDecoder({TokenDecoder::ByteLevel{}}), special_tokens(vocabulary));
}

std::unique_ptr<Tokenizer> open_sentencepiece(const GgufVocabulary& vocabulary, const std::string& where) {
  BpeOptions options;
  options.byte_fallback = true;
  options.fuse_unk = true;
  if (vocabulary.unk)
    options.unk_token = std::string(vocabulary.tokens[static_cast<std::size_t>(*vocabulary.unk)].text);
  Vocabulary tokens = vocabulary_of(vocabulary, where);
  const ScoreMerges merges = score_merges_of(vocabulary, tokens, where);
  Bpe model(std::move(tokens), merges.merges, options, where, merges.ranks);
  std::vector<Normalizer::Step> marks;
  std::vector<TokenDecoder::Step> decoder{TokenDecoder::Replace{.from = std::string(space_mark), .to = " "},
                                          TokenDecoder::ByteFallback{}, TokenDecoder::Fuse{}};
  if (vocabulary.add_space_prefix) {
    marks.emplace_back(Normalizer::Prepend{std::string(space_mark)});
    decoder.emplace_back(TokenDecoder::Strip{.content = " ", .start = 1, .stop = 0});
  }
  marks.emplace_back(Normalizer::Replace{.from = " ", .to = std::string(space_mark)});
  AddedTokens added(added_tokens(vocabulary), model.vocabulary(), Normalizer(std::move(marks)), where);
  return std::make_unique<BpeTokenizer>(std::move(model), std::move(added), PreTokenizer(),
                                        TokenDecoder(std::move(decoder)), special_tokens(vocabulary));
}

/// Texts begin as characters, of which each must be a token: one that is none becomes bytes, and no merge
/// makes bytes a token.
void require_characters(const GgufVocabulary& vocabulary, const std::string& where) {
  constexpr std::size_t longest = 1024;  // bytes; there is a look-up for each character of a token
  std::vector<bool> characters(0x110000);
  for (const GgufVocabulary::Token& token : vocabulary.tokens) {
    const Utf8Step step = utf8_step(token.text, 0);
    if (step.length == token.text.size()) characters[step.code_point] = true;
  }
  for (const GgufVocabulary::Token& token : vocabulary.tokens) {
    if (token.is_special()) continue;
    if (token.text.size() > longest)
      throw Error(fmt::format("{}: tokenizer.ggml.tokens: a token of {} bytes: at most {} are supported",
                              where, token.text.size(), longest));
    for (std::size_t at = 0; token.type == GgufTokenType::normal && at < token.text.size();) {
      const Utf8Step step = utf8_step(token.text, at);
      if (!characters[step.code_point]) {
        throw Error(
            fmt::format("{}: tokenizer.ggml.tokens: {:?} has the character {:?}, which is no token: that is "
                        "not supported",
                        where, token.text, token.text.substr(at, step.length)));
      }
      at += step.length;
    }
  }
}

}  // namespace

Vocabulary vocabulary_of(const GgufVocabulary& from, const std::string& where) {
  Vocabulary vocabulary;
  vocabulary.reserve(from.tokens.size());
  for (const GgufVocabulary::Token& token : from.tokens)
    vocabulary.add(std::string(token.text), vocabulary.size(), where + ": tokenizer.ggml.tokens");
  return vocabulary;
}

ScoreMerges score_merges_of(const GgufVocabulary& from, const Vocabulary& vocabulary,
                            const std::string& where) {
  constexpr std::size_t bytes_a_merge = 8;   // of the file, at least
  constexpr std::size_t bytes_a_token = 16;  // beside its text: its length, score and type
  require_characters(from, where);
  std::vector<ScoredToken> tokens;
  std::vector<bool> joins;
  tokens.reserve(from.tokens.size());
  std::size_t bytes = 0;
  for (const GgufVocabulary::Token& token : from.tokens) {
    joins.push_back(!token.is_special());  // whose text is cut out before
    if (joins.back()) tokens.push_back({token.text, token.score});
    bytes += bytes_a_token + token.text.size();
  }
  return merges_by_score(std::move(tokens), vocabulary, joins, bytes / bytes_a_merge,
                         where + ": tokenizer.ggml.tokens");
}

std::unique_ptr<Tokenizer> open_gguf_tokenizer(const GgufKeys& keys) {
  const GgufVocabulary vocabulary = read_gguf_vocabulary(keys);
  return vocabulary.model == GgufVocabulary::Model::byte_level_bpe
             ? open_byte_level(vocabulary, keys.where())
             : open_sentencepiece(vocabulary, keys.where());
}

}  // namespace cola
