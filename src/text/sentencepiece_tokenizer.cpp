#include "text/sentencepiece_tokenizer.h"

#include <fmt/format.h>
#include <sentencepiece_processor.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "core/error.h"
#include "io/files.h"
#include "text/normalizer.h"
#include "text/sentencepiece_model.h"
#include "text/token_decoder.h"
#include "text/utf8.h"

namespace cola {

namespace {

using sentencepiece::SentencePieceProcessor;

constexpr std::size_t model_size_limit = std::size_t{64} << 20;  // the largest published ones have 5 MB
constexpr std::string_view space_mark = "\u2581";

/// Protocol buffer of ModelProto{normalizer_spec{add_dummy_prefix: false}}: appended to a serialised model it
/// is merged into it, the last value winning.
constexpr std::string_view no_dummy_prefix("\x1A\x02\x18\x00", 4);

std::unique_ptr<SentencePieceProcessor> load(std::string_view model, const std::string& where) {
  auto processor = std::make_unique<SentencePieceProcessor>();
  const auto status = processor->LoadFromSerializedProto(model);
  if (!status.ok()) throw Error(fmt::format("{}: not a sentencepiece model: {}", where, status.ToString()));
  if (processor->GetPieceSize() <= 0) throw Error(where + ": a sentencepiece model without pieces");
  return processor;
}

Vocabulary read_vocabulary(const SentencePieceProcessor& processor, const std::string& where) {
  Vocabulary vocabulary;
  for (int id = 0; id < processor.GetPieceSize(); ++id) vocabulary.add(processor.IdToPiece(id), id, where);
  return vocabulary;
}

std::vector<AddedToken> control_pieces(const SentencePieceProcessor& processor) {
  std::vector<AddedToken> tokens;
  for (int id = 0; id < processor.GetPieceSize(); ++id) {
    if (processor.IsControl(id) || processor.IsUnknown(id)) {
      tokens.push_back({.content = processor.IdToPiece(id), .id = id, .special = true});
    }
  }
  return tokens;
}

DefaultTokens own_tokens(const SentencePieceProcessor& processor) {
  const auto piece = [&](int id) {
    return id >= 0 && id < processor.GetPieceSize() ? std::optional(processor.IdToPiece(id)) : std::nullopt;
  };
  DefaultTokens tokens{
      .bos = piece(processor.bos_id()), .eos = piece(processor.eos_id()), .pad = piece(processor.pad_id())};
  tokens.add_bos = tokens.bos.has_value();
  return tokens;
}

class SentencePieceTokenizer final : public Tokenizer {
 public:
  SentencePieceTokenizer(std::unique_ptr<SentencePieceProcessor> processor,
                         std::unique_ptr<SentencePieceProcessor> without_prefix, Vocabulary vocabulary,
                         AddedTokens added, SpecialTokens special, std::optional<Bpe> bpe, bool dummy_prefix)
      : processor_(std::move(processor)),
        without_prefix_(std::move(without_prefix)),
        vocabulary_(std::move(vocabulary)),
        added_(std::move(added)),
        decoder_({TokenDecoder::Replace{.from = std::string(space_mark), .to = " "},
                  TokenDecoder::ByteFallback{}, TokenDecoder::Fuse{},
                  TokenDecoder::Strip{.content = " ", .start = 1, .stop = 0}}),
        special_(std::move(special)),
        bpe_(std::move(bpe)),
        dummy_prefix_(dummy_prefix) {}

  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text) const override {
    require_utf8(text, "text to tokenise");
    std::vector<std::int32_t> ids;
    for (const TextSection& section : added_.split(text)) {
      if (section.id) {
        ids.push_back(*section.id);
        continue;
      }
      append_ids(section.text, section.first || !without_prefix_, ids);
    }
    return ids;
  }

  [[nodiscard]] std::string decode(std::span<const std::int32_t> ids, bool skip_special) const override {
    std::vector<std::string> tokens;
    for (const std::int32_t id : ids) {
      if (skip_special && added_.is_special(id)) continue;
      if (const std::string* token = find_piece(id)) tokens.push_back(*token);
    }
    return replace_invalid_utf8(decoder_(std::move(tokens)));
  }

  [[nodiscard]] std::string piece(std::int32_t id) const override {
    if (const std::string* token = find_piece(id)) return *token;
    throw Error(
        fmt::format("token id {} is not in the vocabulary, whose ids end at {}", id, vocabulary_size() - 1));
  }

  [[nodiscard]] TokenText text_of(std::int32_t id) const override {
    const std::string token = piece(id);
    const bool added = added_.find(id) != nullptr;
    return {.bytes = added ? token : bytes_of_token(token), .added = added};
  }

  [[nodiscard]] std::int64_t vocabulary_size() const override {
    return std::max(vocabulary_.size(), added_.size());
  }
  [[nodiscard]] const SpecialTokens& special() const override { return special_; }

 private:
  void append_ids(const std::string& text, bool prefixed, std::vector<std::int32_t>& ids) const {
    if (bpe_) {
      std::string marked = replace_all(text, " ", space_mark);
      if (prefixed && dummy_prefix_) marked.insert(0, space_mark);
      return bpe_->encode(marked, ids);
    }
    std::vector<int> pieces;
    const auto status = (prefixed ? *processor_ : *without_prefix_).Encode(text, &pieces);
    if (!status.ok()) throw Error("sentencepiece cannot encode a text: " + status.ToString());
    ids.insert(ids.end(), pieces.begin(), pieces.end());
  }

  [[nodiscard]] const std::string* find_piece(std::int32_t id) const {
    if (const AddedToken* token = added_.find(id)) return &token->content;
    return vocabulary_.token(id);
  }

  std::unique_ptr<SentencePieceProcessor> processor_;
  std::unique_ptr<SentencePieceProcessor> without_prefix_;  // null where every section gets the leading space
  Vocabulary vocabulary_;
  AddedTokens added_;
  TokenDecoder decoder_;
  SpecialTokens special_;
  std::optional<Bpe> bpe_;  // does what the library does, several times faster, where the model is plain
  bool dummy_prefix_;
};

}  // namespace

std::unique_ptr<Tokenizer> open_sentencepiece(const std::filesystem::path& file,
                                              const TokenizerConfig& config) {
  const std::string where = file.string();
  std::string model = read_text_file(file, model_size_limit);
  auto processor = load(model, where);
  const SentencePieceModel contents = read_sentencepiece_model(model, where);
  const bool dummy_prefix = contents.dummy_prefix;
  std::optional<Bpe> bpe = bpe_of(contents, where);
  std::unique_ptr<SentencePieceProcessor> without_prefix;
  if (!config.legacy.value_or(true)) without_prefix = load(model.append(no_dummy_prefix), where);
  Vocabulary vocabulary = read_vocabulary(*processor, where);
  std::vector<AddedToken> tokens = control_pieces(*processor);
  append_missing(tokens, config.added_tokens);
  AddedTokens added(std::move(tokens), vocabulary, [](std::string text) { return text; }, where);
  const FindToken find = [&](std::string_view token) {
    const std::optional<std::int32_t> id = added.id_of(token);
    return id ? id : vocabulary.find(token);
  };
  const SpecialTokens special =
      resolve_special_tokens(config, own_tokens(*processor), std::nullopt, find, where);
  return std::make_unique<SentencePieceTokenizer>(std::move(processor), std::move(without_prefix),
                                                  std::move(vocabulary), std::move(added), special,
                                                  std::move(bpe), dummy_prefix);
}

}  // namespace cola
