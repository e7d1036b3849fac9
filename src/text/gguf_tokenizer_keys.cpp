#include "text/gguf_tokenizer_keys.h"
#include "text/end_tokens.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_map>

#include "core/error.h"
#include "io/files.h"
#include "text/chat_templates.h"
#include "text/gguf_pipeline.h"
#include "text/gguf_vocabulary.h"
#include "text/gpt2_files.h"
#include "text/pipeline_json.h"
#include "text/scores_of_merges.h"
#include "text/sentencepiece_model.h"
#include "text/special_tokens.h"
#include "text/token_decoder.h"
#include "text/tokenizer.h"
#include "text/tokenizer_file.h"

namespace cola {
namespace {

class KeyWriter {
 public:
  KeyWriter(const std::filesystem::path& folder, GgufMetadata& metadata, std::vector<std::string>& notes)
      : folder_(folder),
        tokenizer_(open_tokenizer(folder)),
        config_(read_tokenizer_config(folder)),
        metadata_(metadata),
        notes_(notes) {}

  void write(std::int64_t vocab_size) {
    gather_tokens(vocab_size);
    if (std::filesystem::exists(folder_ / "tokenizer.json")) {
      write_tokenizer_json(folder_ / "tokenizer.json");
    } else if (std::filesystem::exists(folder_ / "tokenizer.model")) {
      write_sentencepiece(folder_ / "tokenizer.model");
    } else {
      write_gpt2_files();
    }
    note_flags(config_.added_tokens);
    write_special_tokens();
    write_chat_templates();
  }

 private:
  template <class T>
  void add(std::string_view name, T value) {
    metadata_.add(fmt::format("tokenizer.ggml.{}", name), value);
  }

  /// Of all ids: texts and types.
  void gather_tokens(std::int64_t vocab_size) {
    if (tokenizer_->vocabulary_size() > vocab_size) {
      throw Error(fmt::format("{}: the tokenizer has {} tokens, more than the model's vocabulary of {}",
                              folder_.string(), tokenizer_->vocabulary_size(), vocab_size));
    }
    for (std::int64_t id = 0; id < vocab_size; ++id) {
      const auto token = static_cast<std::int32_t>(id);
      const auto piece = id < tokenizer_->vocabulary_size() ? piece_of(token) : std::nullopt;
      texts_.push_back(piece.value_or(fmt::format("[PAD{}]", id)));
      types_.push_back(piece ? type_of(token) : GgufTokenType::unused);
      if (!ids_.emplace(texts_.back(), token).second)
        throw Error(fmt::format("{}: two tokens would be {:?}", folder_.string(), texts_.back()));
    }
  }

  /// Nothing for an id that no token has.
  [[nodiscard]] std::optional<std::string> piece_of(std::int32_t id) const {
    try {
      return tokenizer_->piece(id);
    } catch (const Error&) {
      return std::nullopt;
    }
  }

  [[nodiscard]] GgufTokenType type_of(std::int32_t id) const {
    if (!tokenizer_->text_of(id).added) return GgufTokenType::normal;
    const std::vector<std::int32_t> ids{id};
    return tokenizer_->decode(ids, /*skip_special=*/true).empty() ? GgufTokenType::control
                                                                  : GgufTokenType::user_defined;
  }

  void write_tokenizer_json(const std::filesystem::path& file) {
    const TokenizerFile contents(file);
    const JsonReader reader(contents.json, file.string());
    GgufPipeline pipeline = gguf_pipeline_of(contents.json, file.string());
    std::ranges::move(pipeline.notes, std::back_inserter(notes_));
    if (reader.has("added_tokens"))
      note_flags(read_added_tokens(reader.at("added_tokens"), file.string() + ": added_tokens"));
    if (pipeline.byte_level) {
      write_byte_level(pipeline.pre, contents.merges, file.string());
      return;
    }
    const JsonReader model(reader.at("model"), file.string() + ": model");
    if (model.has("unk_token")) config_.unk_token = model.string("unk_token");
    write_scored(scores_of_merges(texts_, types_, contents.merges, file.string() + ": model: merges"),
                 pipeline.add_space_prefix);
  }

  void write_gpt2_files() {
    if (config_.add_prefix_space.value_or(false)) {
      throw Error(
          fmt::format("{}: add_prefix_space cannot be said in a GGUF file, llama.cpp would give other ids",
                      (folder_ / "tokenizer_config.json").string()));
    }
    const std::string text = read_merges_file(folder_ / "merges.txt");
    write_byte_level("gpt-2", merges_of_text(text, folder_ / "merges.txt"),
                     (folder_ / "merges.txt").string());
  }

  void write_byte_level(std::string_view pre, const std::vector<BpeMerge>& merges, const std::string& where) {
    std::vector<std::string> lines;
    lines.reserve(merges.size());
    for (const auto& [left, right] : merges) {
      if (left.find(' ', 1) != left.npos || right.find(' ') != right.npos)
        throw Error(fmt::format("{}: merge {:?} + {:?} has a space", where, left, right));
      lines.push_back(fmt::format("{} {}", left, right));
    }
    add("model", std::string_view("gpt2"));
    add("pre", pre);
    write_tokens();
    metadata_.add("tokenizer.ggml.merges", lines);
  }

  void write_sentencepiece(const std::filesystem::path& file) {
    const std::string where = file.string();
    const std::string bytes = read_text_file(file, std::size_t{64} << 20);
    const SentencePieceModel model = read_sentencepiece_model(bytes, where);
    const auto require = [&](bool holds, const char* what) {
      if (!holds) throw Error(fmt::format("{}: {}: llama.cpp would give other ids", where, what));
    };
    require(model.model_type == 2, "not a BPE model");
    require(model.byte_fallback, "no byte_fallback");
    require(!model.space_as_suffix && model.escapes_spaces, "spaces are not marks at the beginning");
    require(!model.maps_characters, "the normalizer maps characters");
    if (model.removes_spaces)
      notes_.emplace_back(
          "the tokenizer's remove_extra_whitespaces is lost: llama.cpp keeps spaces at the ends and in a "
          "row");
    if (model.dummy_prefix && !config_.legacy.value_or(true))
      notes_.emplace_back(
          "llama.cpp puts a space before the text behind every special token; the folder's tokenizer does "
          "not");
    std::vector<float> scores(texts_.size(), 0.0F);
    for (std::size_t id = 0; id < model.pieces.size(); ++id) {
      scores[id] = model.pieces[id].score;
      if (model.pieces[id].type == SentencePieceModel::user_defined) types_[id] = GgufTokenType::user_defined;
      if (model.pieces[id].type == SentencePieceModel::unused) types_[id] = GgufTokenType::unused;
      if (model.pieces[id].type == SentencePieceModel::unknown) config_.unk_token = texts_[id];
    }
    write_scored(scores, model.dummy_prefix);
  }

  void write_scored(const std::vector<float>& scores, bool add_space_prefix) {
    for (std::size_t id = 0; id < texts_.size(); ++id) {
      if (types_[id] == GgufTokenType::normal && byte_of_token(texts_[id]) >= 0)
        types_[id] = GgufTokenType::byte;
      if (types_[id] == GgufTokenType::control && texts_[id] == config_.unk_token)
        types_[id] = GgufTokenType::unknown;
    }
    add("model", std::string_view("llama"));
    add("pre", std::string_view("default"));
    write_tokens();
    metadata_.add("tokenizer.ggml.scores", std::span<const float>(scores));
    add("add_space_prefix", add_space_prefix);
  }

  void write_tokens() {
    std::vector<std::int32_t> types;
    for (const GgufTokenType type : types_) types.push_back(static_cast<std::int32_t>(type));
    metadata_.add("tokenizer.ggml.tokens", texts_);
    metadata_.add("tokenizer.ggml.token_type", std::span<const std::int32_t>(types));
  }

  void note_flags(const std::vector<AddedToken>& tokens) {
    for (const AddedToken& token : tokens) {
      if (!token.lstrip && !token.rstrip && !token.single_word) continue;
      if (!noted_.insert(token.content).second) continue;
      notes_.push_back(fmt::format("token {:?}: {} cannot be said in a GGUF file", token.content,
                                   token.single_word ? "single_word"
                                   : token.lstrip    ? "lstrip"
                                                     : "rstrip"));
    }
  }

  void write_special_tokens() {
    const SpecialTokens& special = tokenizer_->special();
    const auto id = [&](const char* name, std::optional<std::int32_t> token) {
      if (token) add(name, static_cast<std::uint32_t>(*token));
    };
    id("bos_token_id", special.bos);
    id("eos_token_id", special.eos);
    id("padding_token_id", special.pad);
    if (config_.unk_token) {
      if (const auto unk = ids_.find(*config_.unk_token); unk != ids_.end())
        id("unknown_token_id", unk->second);
    }
    add("add_bos_token", special.add_bos);
    add("add_eos_token", false);
    write_ends(special);
  }

  /// llama.cpp knows ends of turns by their texts; of others a key can name one.
  void write_ends(const SpecialTokens& special) {
    std::set<std::int32_t> ends = end_tokens_of(folder_);
    ends.insert(special.ends.begin(), special.ends.end());
    bool named = false;
    for (const std::int32_t end : ends) {
      if (static_cast<std::size_t>(end) >= texts_.size() || end == special.eos) continue;
      const std::string& text = texts_[static_cast<std::size_t>(end)];
      if (ends_generation(text)) continue;
      if (named) notes_.push_back(fmt::format("token {:?} does not end generation in llama.cpp", text));
      if (!named) add("eot_token_id", static_cast<std::uint32_t>(end));
      named = true;
    }
  }

  void write_chat_templates() {
    std::vector<std::string> names;
    for (const NamedTemplate& own : read_chat_templates(folder_).templates) {
      const bool is_default = own.name == "default";
      metadata_.add("tokenizer.chat_template" + (is_default ? "" : "." + own.name),
                    std::string_view(own.jinja));
      if (!is_default) names.push_back(own.name);
    }
    if (!names.empty()) metadata_.add("tokenizer.chat_templates", names);
  }

  std::filesystem::path folder_;
  std::unique_ptr<Tokenizer> tokenizer_;
  TokenizerConfig config_;
  GgufMetadata& metadata_;
  std::vector<std::string>& notes_;
  std::vector<std::string> texts_;  // by id
  std::vector<GgufTokenType> types_;
  std::unordered_map<std::string, std::int32_t> ids_;
  std::set<std::string> noted_;  // tokens whose flags are in the notes
};

}  // namespace

void add_tokenizer_keys(const std::filesystem::path& folder, std::int64_t vocab_size, GgufMetadata& metadata,
                        std::vector<std::string>& notes) {
  KeyWriter(folder, metadata, notes).write(vocab_size);
}

}  // namespace cola
