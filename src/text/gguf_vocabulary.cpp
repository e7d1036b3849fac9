#include "text/gguf_vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <span>
#include <unordered_map>

#include "core/error.h"
#include "text/gguf_pre_tokenizers.h"
#include "text/utf8.h"
#include "text/vocabulary.h"

namespace cola {
namespace {

using Token = GgufVocabulary::Token;
using Texts = std::span<const std::string_view>;

/// Texts by which llama.cpp knows tokens that end generation, whatever the keys say.
constexpr std::array<std::string_view, 22> end_texts{"<|eot_id|>",
                                                     "<|im_end|>",
                                                     "<|end|>",
                                                     "<|return|>",
                                                     "<|call|>",
                                                     "<|flush|>",
                                                     "<|calls|>",
                                                     "<end_of_turn>",
                                                     "<|endoftext|>",
                                                     "</s>",
                                                     "<|eom_id|>",
                                                     "<EOT>",
                                                     "_<EOT>",
                                                     "[EOT]",
                                                     "[EOS]",
                                                     "<|end_of_text|>",
                                                     "<end_of_utterance>",
                                                     "<eos>",
                                                     "<turn|>",
                                                     "<|tool_response>",
                                                     "<\uFF5Cend\u2581of\u2581sentence\uFF5C>",
                                                     "[e~["};

/// A special token that a key names, or its text where no key does.
struct KnownToken {
  std::string_view key;  // behind tokenizer.ggml.
  std::array<std::string_view, 8> texts;
  bool ends = false;  // generation
};
constexpr std::array known_tokens{
    KnownToken{"eot_token_id", {}, true},  // its texts are ends anyway
    KnownToken{"eom_token_id", {}, true},
    KnownToken{"fim_pad_token_id", {"<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"}, true},
    KnownToken{
        "fim_rep_token_id", {"<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"}, true},
    KnownToken{"fim_sep_token_id", {"<|file_sep|>"}, true},
    KnownToken{"fim_pre_token_id",
               {"<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<\uFF5Cfim\u2581begin\uFF5C>", "<PRE>",
                "\u2581<PRE>", "<|code_prefix|>", "<|prefix|>"}},
    KnownToken{"fim_suf_token_id",
               {"<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<\uFF5Cfim\u2581hole\uFF5C>", "<SUF>",
                "\u2581<SUF>", "<|code_suffix|>", "<|suffix|>"}},
    KnownToken{"fim_mid_token_id",
               {"<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<\uFF5Cfim\u2581end\uFF5C>", "<MID>",
                "\u2581<MID>", "<|code_middle|>", "<|middle|>"}},
};

class VocabularyReader {
 public:
  explicit VocabularyReader(const GgufKeys& keys) : keys_(keys) {}

  GgufVocabulary read() && {
    read_model();
    read_tokens();
    if (vocabulary_.model == GgufVocabulary::Model::byte_level_bpe) read_merges();
    read_special_tokens();
    read_ends();
    strip_behind_tokens_of_phi3();
    return std::move(vocabulary_);
  }

 private:
  static std::string key_of(std::string_view name) { return fmt::format("tokenizer.ggml.{}", name); }
  [[noreturn]] void refuse(std::string_view key, const std::string& why) const {
    throw Error(fmt::format("{}: {}: {}", keys_.where(), key, why));
  }

  void read_model() {
    const std::string key = key_of("model");
    const auto model = keys_.at<std::string_view>(key);
    if (model != "gpt2" && model != "llama")
      refuse(key,
             fmt::format("{:?} is not supported: only \"gpt2\" (byte-level BPE) and \"llama\" are", model));
    vocabulary_.pre = keys_.get<std::string_view>(key_of("pre"), "default");
    if (model == "gpt2") {
      const GgufPreTokenizer& pre = gguf_pre_tokenizer(vocabulary_.pre, keys_.where());
      vocabulary_.add_bos = pre.add_bos;
      if (pre.has_bos) vocabulary_.bos = 11;
      vocabulary_.eos = 11;
    } else {
      vocabulary_.model = GgufVocabulary::Model::sentencepiece;
      vocabulary_.add_bos = true;
      vocabulary_.add_space_prefix = keys_.get<bool>(key_of("add_space_prefix"), true);
      vocabulary_.unk = 0;
      vocabulary_.bos = 1;
      vocabulary_.eos = 2;
    }
    vocabulary_.add_bos = keys_.get<bool>(key_of("add_bos_token"), vocabulary_.add_bos);
    vocabulary_.add_eos = keys_.get<bool>(key_of("add_eos_token"), false);
  }

  void read_tokens() {
    const std::string key = key_of("tokens");
    const auto* texts = keys_.strings(key);
    if (texts == nullptr) refuse(key, "it is missing");
    const auto scores = numbers<float>("scores", texts->size());
    const auto types = numbers<std::int32_t>("token_type", texts->size());
    vocabulary_.tokens.reserve(texts->size());
    for (const std::string_view text : *texts) {
      const std::size_t id = vocabulary_.tokens.size();
      require_text(key, id, text);
      Token& token = vocabulary_.tokens.emplace_back();
      token.text = text.empty() ? vocabulary_.names.emplace_back(fmt::format("[EMPTY_{}]", id)) : text;
      if (scores) token.score = (*scores)[id];
      if (std::isnan(token.score)) refuse(key_of("scores"), fmt::format("that of token {} is NaN", id));
      if (types) token.type = type_of(id, (*types)[id]);
    }
    require_few_added(key);
  }

  template <class T>
  std::optional<std::vector<T>> numbers(std::string_view name, std::size_t count) const {
    auto values = keys_.numbers<T>(key_of(name));
    if (values && values->size() != count)
      refuse(key_of(name), fmt::format("it has {} entries for {} tokens", values->size(), count));
    return values;
  }

  void require_text(const std::string& key, std::size_t id, std::string_view text) const {
    if (id > largest_token_id) refuse(key, fmt::format("more than {} tokens", largest_token_id));
    for (std::size_t at = 0; at < text.size();) {
      const Utf8Step step = utf8_step(text, at);
      if (!step.valid) refuse(key, fmt::format("token {} is not UTF-8: {:?}", id, text));
      at += step.length;
    }
  }

  [[nodiscard]] GgufTokenType type_of(std::size_t id, std::int32_t type) const {
    if (type < 0 || type > static_cast<std::int32_t>(GgufTokenType::byte))
      refuse(key_of("token_type"), fmt::format("token {} has type {}", id, type));
    return static_cast<GgufTokenType>(type);
  }

  /// Each byte of an added token takes 64 of memory.
  void require_few_added(const std::string& key) const {
    constexpr std::size_t always_allowed = std::size_t{64} << 10;
    std::size_t added = 0;
    std::size_t all = 0;
    for (const Token& token : vocabulary_.tokens) {
      all += sizeof(std::uint64_t) + token.text.size();
      if (token.is_added()) added += token.text.size();
    }
    if (added > std::max(always_allowed, all / 8))
      refuse(key, fmt::format("control and user-defined tokens have {} of its {} bytes", added, all));
  }

  void read_merges() {
    const std::string key = key_of("merges");
    const auto* merges = keys_.strings(key);
    if (merges == nullptr) refuse(key, "it is missing");
    vocabulary_.merges.reserve(merges->size());
    for (const std::string_view merge : *merges) {
      const std::size_t space = merge.find(' ', 1);  // a left part may begin with one
      if (space == std::string_view::npos)
        refuse(key, fmt::format("merge {} has no space: {:?}", vocabulary_.merges.size(), merge));
      vocabulary_.merges.emplace_back(merge.substr(0, space), merge.substr(space + 1));
    }
  }

  /// The id that a key names; `fallback` where there is no such key, if a token has it.
  std::optional<std::int32_t> token_id(std::string_view name, std::optional<std::int32_t> fallback) const {
    const std::string key = key_of(name);
    const std::size_t count = vocabulary_.tokens.size();
    const auto* id = keys_.find<std::uint32_t>(key);
    if (id == nullptr)
      return fallback && static_cast<std::size_t>(*fallback) < count ? fallback : std::nullopt;
    if (*id >= count) refuse(key, fmt::format("{} is no id of {} tokens", *id, count));
    return static_cast<std::int32_t>(*id);
  }

  void read_special_tokens() {
    vocabulary_.bos = token_id("bos_token_id", vocabulary_.bos);
    vocabulary_.eos = token_id("eos_token_id", vocabulary_.eos);
    vocabulary_.unk = token_id("unknown_token_id", vocabulary_.unk);
    vocabulary_.pad = token_id("padding_token_id", std::nullopt);
    if (vocabulary_.add_bos && !vocabulary_.bos)
      refuse(key_of("add_bos_token"), "BOS is to be added, and there is no tokenizer.ggml.bos_token_id");
  }

  /// The tokens of these texts, which become control tokens.
  std::vector<std::int32_t> control_tokens(Texts texts) {
    std::vector<std::int32_t> found;
    for (const std::string_view text : texts) {
      const auto entry = ids_.find(text);
      if (entry == ids_.end()) continue;
      found.push_back(entry->second);
      vocabulary_.tokens[static_cast<std::size_t>(entry->second)].type = GgufTokenType::control;
    }
    return found;
  }

  void find_known_texts() {
    std::set<std::string_view> known(end_texts.begin(), end_texts.end());
    for (const KnownToken& token : known_tokens) known.insert(token.texts.begin(), token.texts.end());
    known.erase("");
    for (std::size_t id = 0; id < vocabulary_.tokens.size(); ++id) {
      const std::string_view text = vocabulary_.tokens[id].text;
      constexpr std::size_t longest = 32;
      if (text.size() <= longest && known.contains(text)) ids_.emplace(text, static_cast<std::int32_t>(id));
    }
  }

  void read_ends() {
    find_known_texts();
    std::set<std::int32_t> ends;
    for (const std::int32_t id : control_tokens(end_texts)) ends.insert(id);
    if (vocabulary_.eos) ends.insert(*vocabulary_.eos);
    for (const KnownToken& known : known_tokens) {
      std::optional<std::int32_t> id = token_id(known.key, std::nullopt);
      if (!id) {
        const std::vector<std::int32_t> found = control_tokens(known.texts);
        if (!found.empty()) id = *std::ranges::min_element(found);
      }
      if (known.ends && id) ends.insert(*id);
    }
    const auto has = [&](std::string_view text) { return ids_.contains(text); };
    // Where a call of a tool ends generation, <|end|> is only the end of a message.
    const bool calls = has("<|call|>") || has("<|calls|>");
    if (has("<|end|>") && calls && (has("<|return|>") || has("<|flush|>"))) ends.erase(ids_.at("<|end|>"));
    if (has("</s>") && has("<|tool_response>")) ends.erase(ids_.at("</s>"));
    vocabulary_.ends.assign(ends.begin(), ends.end());
  }

  /// No key says it, so llama.cpp goes by the model's name.
  void strip_behind_tokens_of_phi3() {
    std::string name(keys_.get<std::string_view>("general.name", ""));
    std::ranges::transform(name, name.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
    if (name.find("phi-3") == name.npos && name.find("phi3") == name.npos) return;
    constexpr std::array<std::string_view, 3> others{"<unk>", "<s>", "<|endoftext|>"};
    for (Token& token : vocabulary_.tokens)
      token.rstrip = token.is_added() && std::ranges::find(others, token.text) == others.end();
  }

  const GgufKeys& keys_;
  GgufVocabulary vocabulary_;
  std::unordered_map<std::string_view, std::int32_t> ids_;  // of texts that stand for something
};

}  // namespace

bool GgufVocabulary::Token::is_added() const {
  return type == GgufTokenType::control || type == GgufTokenType::user_defined ||
         type == GgufTokenType::unknown;
}

bool ends_generation(std::string_view text) { return std::ranges::find(end_texts, text) != end_texts.end(); }

bool has_gguf_vocabulary(const GgufKeys& keys) {
  const auto model = keys.get<std::string_view>("tokenizer.ggml.model", "none");
  return model != "none" && model != "no_vocab";
}

GgufVocabulary read_gguf_vocabulary(const GgufKeys& keys) { return VocabularyReader(keys).read(); }

}  // namespace cola
