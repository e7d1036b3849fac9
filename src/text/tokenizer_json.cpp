#include "text/tokenizer_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/error.h"
#include "io/json.h"
#include "text/bpe_tokenizer.h"
#include "text/pipeline_json.h"
#include "text/tokenizer_file.h"

namespace cola {

namespace {

/// Older files have no type; their BPE is known by its merges.
void require_bpe(const JsonReader& model) {
  const std::string type = model.string("type", model.has("merges") ? "BPE" : "");
  if (type != "BPE")
    throw Error(fmt::format("{}: type {:?} is not supported, only BPE is", model.where(), type));
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!model.string(affix, "").empty())
      throw Error(fmt::format("{}: {} is not supported", model.where(), affix));
  }
  if (model.number("dropout", 0.0) != 0.0) throw Error(model.where() + ": dropout is not supported");
}

Bpe make_bpe(TokenizerFile& file, const Json& json, const std::string& where) {
  const JsonReader model(json, where);
  require_bpe(model);
  if (!model.at("vocab").is_object()) throw Error(where + ": vocab is not an object");
  if (file.vocabulary.size() == 0) throw Error(where + ": vocab is empty");
  if (!model.at("merges").is_array()) throw Error(where + ": merges is not an array");
  BpeOptions options;
  if (model.has("unk_token")) options.unk_token = model.string("unk_token");
  options.fuse_unk = model.boolean("fuse_unk", false);
  options.byte_fallback = model.boolean("byte_fallback", false);
  options.ignore_merges = model.boolean("ignore_merges", false);
  return {std::move(file.vocabulary), file.merges, options, where};
}

/// Where the configuration names a class whose own rules transformers 5 may take instead of the file's, and
/// these are others: classes of sentencepiece's rules with a byte-level file.
std::string class_remark(const TokenizerConfig& config, bool byte_level, const std::string& where) {
  const std::string& name = config.tokenizer_class;
  constexpr std::array<std::string_view, 3> with_other_rules{"Llama", "CodeLlama", "Gemma"};
  const bool is_other = byte_level && std::ranges::any_of(with_other_rules, [&](auto start) {
                          return name.starts_with(start);
                        });
  if (!is_other) return "";
  return fmt::format(
      "{}: tokenizer_config.json says tokenizer_class {:?}, which is not byte-level as this file is; the "
      "file "
      "counts",
      where, name);
}

}  // namespace

std::unique_ptr<Tokenizer> open_tokenizer_json(const std::filesystem::path& file,
                                               const TokenizerConfig& config) {
  const std::string where = file.string();
  TokenizerFile contents(file);
  const JsonReader reader(contents.json, where);
  const auto member = [&](const std::string& key) -> Json {
    return reader.has(key) ? reader.at(key) : Json();
  };
  Bpe model = make_bpe(contents, reader.at("model"), where + ": model");
  std::vector<AddedToken> tokens = read_added_tokens(member("added_tokens"), where + ": added_tokens");
  append_missing(tokens, config.added_tokens);
  number_in_order(tokens, model.vocabulary(), where + ": added_tokens");
  AddedTokens added(std::move(tokens), model.vocabulary(),
                    read_normalizer(member("normalizer"), where + ": normalizer"), where + ": added_tokens");
  const FindToken find = [&](std::string_view token) {
    const std::optional<std::int32_t> id = added.id_of(token);
    return id ? id : model.vocabulary().find(token);
  };
  const Json pre_tokenizer = member("pre_tokenizer");
  const Json decoder = member("decoder");
  const bool byte_level = has_byte_level(pre_tokenizer) || has_byte_level(decoder);
  SpecialTokens special = resolve_special_tokens(
      config, default_tokens(find, byte_level),
      read_post_processor_bos(member("post_processor"), where + ": post_processor"), find, where);
  if (const std::string remark = class_remark(config, byte_level, where); !remark.empty())
    special.remark += (special.remark.empty() ? "" : "\n") + remark;
  PreTokenizer words = read_pre_tokenizer(pre_tokenizer, where + ": pre_tokenizer");
  TokenDecoder text = read_decoder(decoder, where + ": decoder");
  return std::make_unique<BpeTokenizer>(std::move(model), std::move(added), std::move(words), std::move(text),
                                        std::move(special));
}

}  // namespace cola
