#include "text/huggingface_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "io/files.h"
#include "io/gguf/gguf_file.h"
#include "io/json.h"
#include "text/gguf_pre_tokenizers.h"
#include "text/gguf_tokenizer.h"
#include "text/gguf_vocabulary.h"
#include "text/tokenizer.h"

namespace cola {
namespace {

constexpr const char* space_mark = "\u2581";

std::string text_of(const GgufVocabulary& vocabulary, std::int32_t id) {
  return std::string(vocabulary.tokens[static_cast<std::size_t>(id)].text);
}

Json added_tokens_json(const GgufVocabulary& vocabulary) {
  Json added = Json::array();
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const GgufVocabulary::Token& token = vocabulary.tokens[id];
    if (!token.is_added()) continue;
    added.push_back({{"id", id},
                     {"content", token.text},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", token.rstrip},
                     {"normalized", false},
                     {"special", token.is_special()}});
  }
  return added;
}

Json sequence(const char* members, Json steps) { return {{"type", "Sequence"}, {members, std::move(steps)}}; }

Json replacement(const char* from, const char* to) {
  return {{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}};
}

Json byte_level() {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}};
}

Json pre_tokenizer_json(const GgufVocabulary& vocabulary, const std::string& where) {
  Json steps = Json::array();
  for (const std::string_view expression : expressions_of(gguf_pre_tokenizer(vocabulary.pre, where))) {
    steps.push_back({{"type", "Split"},
                     {"pattern", {{"Regex", expression}}},
                     {"behavior", "Isolated"},
                     {"invert", false}});
  }
  steps.push_back(byte_level());
  return sequence("pretokenizers", std::move(steps));
}

/// BOS before a text and EOS behind it, where they are added.
Json post_processor_json(const GgufVocabulary& vocabulary) {
  const bool eos = vocabulary.add_eos && vocabulary.eos;
  if (!vocabulary.add_bos && !eos) return nullptr;
  Json special_tokens = Json::object();
  const auto whole = [&](const char* name, int type) {
    const auto token = [&](std::int32_t id) -> Json {
      const std::string text = text_of(vocabulary, id);
      special_tokens[text] = {{"id", text}, {"ids", {id}}, {"tokens", {text}}};
      return {{"SpecialToken", {{"id", text}, {"type_id", type}}}};
    };
    Json parts = Json::array();
    if (vocabulary.add_bos) parts.push_back(token(*vocabulary.bos));
    parts.push_back({{"Sequence", {{"id", name}, {"type_id", type}}}});
    if (eos) parts.push_back(token(*vocabulary.eos));
    return parts;
  };
  Json single = whole("A", 0);
  Json pair = single;
  for (Json& part : whole("B", 1)) pair.push_back(std::move(part));
  return {{"type", "TemplateProcessing"},
          {"single", std::move(single)},
          {"pair", std::move(pair)},
          {"special_tokens", std::move(special_tokens)}};
}

Json model_json(const GgufVocabulary& vocabulary, const std::vector<BpeMerge>& merges) {
  Json ids = Json::object();
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id)
    ids[std::string(vocabulary.tokens[id].text)] = id;
  Json pairs = Json::array();
  for (const auto& [left, right] : merges) pairs.push_back(Json::array({left, right}));
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", nullptr},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"ignore_merges", false},
          {"vocab", std::move(ids)},
          {"merges", std::move(pairs)}};
}

/// The steps and the model of a tokenizer.json.
Json byte_level_json(const GgufVocabulary& vocabulary, const std::string& where) {
  Json json;
  json["normalizer"] = nullptr;
  json["pre_tokenizer"] = pre_tokenizer_json(vocabulary, where);
  json["decoder"] = byte_level();
  json["model"] = model_json(vocabulary, vocabulary.merges);
  json["model"]["ignore_merges"] = gguf_pre_tokenizer(vocabulary.pre, where).ignore_merges;
  return json;
}

Json sentencepiece_json(const GgufVocabulary& vocabulary, const std::string& where) {
  Json marks = Json::array();
  Json decoders{replacement(space_mark, " "), {{"type", "ByteFallback"}}, {{"type", "Fuse"}}};
  if (vocabulary.add_space_prefix) {
    marks.push_back({{"type", "Prepend"}, {"prepend", space_mark}});
    decoders.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  }
  marks.push_back(replacement(" ", space_mark));
  Json json;
  json["normalizer"] = sequence("normalizers", std::move(marks));
  json["pre_tokenizer"] = nullptr;
  json["decoder"] = sequence("decoders", std::move(decoders));
  json["model"] =
      model_json(vocabulary, score_merges_of(vocabulary, vocabulary_of(vocabulary, where), where).merges);
  json["model"]["fuse_unk"] = true;
  json["model"]["byte_fallback"] = true;
  if (vocabulary.unk) json["model"]["unk_token"] = text_of(vocabulary, *vocabulary.unk);
  return json;
}

/// A token is named only where naming it, which makes it a special token, does not change ids.
Json config_json(const GgufVocabulary& vocabulary) {
  Json config{{"tokenizer_class", "PreTrainedTokenizerFast"},
              {"add_bos_token", vocabulary.add_bos},
              {"add_eos_token", vocabulary.add_eos},
              {"clean_up_tokenization_spaces", false}};
  const auto name = [&](const char* role, std::optional<std::int32_t> id, bool always) {
    if (id && (always || vocabulary.tokens[static_cast<std::size_t>(*id)].is_added()))
      config[role] = text_of(vocabulary, *id);
  };
  name("bos_token", vocabulary.bos, vocabulary.add_bos);
  name("eos_token", vocabulary.eos, false);
  name("unk_token", vocabulary.unk, false);
  name("pad_token", vocabulary.pad, false);
  return config;
}

void write_generation_config(const GgufVocabulary& vocabulary, const std::filesystem::path& file) {
  Json config{{"eos_token_id", vocabulary.ends}};
  if (vocabulary.bos) config["bos_token_id"] = *vocabulary.bos;
  if (vocabulary.pad) config["pad_token_id"] = *vocabulary.pad;
  write_text_file(file, config.dump(2) + "\n");
}

void write_chat_templates(const GgufKeys& keys, const std::filesystem::path& folder) {
  constexpr std::string_view key = "tokenizer.chat_template";
  const auto jinja = keys.get<std::string_view>(key, "");
  if (!jinja.empty()) write_text_file(folder / "chat_template.jinja", std::string(jinja));
  for (const auto& [full_key, value] : keys.all()) {
    const auto* more = std::get_if<std::string_view>(&value);
    if (more == nullptr || !full_key.starts_with(std::string(key) + ".")) continue;
    const std::string name = full_key.substr(key.size() + 1);
    const bool is_plain = std::ranges::all_of(
        name, [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '-'; });
    if (name.empty() || !is_plain)
      throw Error(fmt::format("{}: key {:?}: no name for a chat template's file", keys.where(), full_key));
    std::filesystem::create_directory(folder / "additional_chat_templates");
    write_text_file(folder / "additional_chat_templates" / (name + ".jinja"), std::string(*more));
  }
}

}  // namespace

void write_huggingface_tokenizer(const GgufKeys& keys, const std::filesystem::path& folder) {
  const GgufVocabulary vocabulary = read_gguf_vocabulary(keys);
  Json json = vocabulary.model == GgufVocabulary::Model::byte_level_bpe
                  ? byte_level_json(vocabulary, keys.where())
                  : sentencepiece_json(vocabulary, keys.where());
  json["version"] = "1.0";
  json["truncation"] = nullptr;
  json["padding"] = nullptr;
  json["added_tokens"] = added_tokens_json(vocabulary);
  json["post_processor"] = post_processor_json(vocabulary);
  write_text_file(folder / "tokenizer.json", json.dump() + "\n");
  write_text_file(folder / "tokenizer_config.json", config_json(vocabulary).dump(2) + "\n");
  write_chat_templates(keys, folder);
  const bool only_eos =
      vocabulary.ends.empty() || (vocabulary.ends.size() == 1 && vocabulary.ends.front() == vocabulary.eos);
  if (!only_eos) write_generation_config(vocabulary, folder / "generation_config.json");
}

void write_tokenizer_files(const std::filesystem::path& folder, const std::filesystem::path& source) {
  if (is_gguf_file(source)) return write_huggingface_tokenizer(GgufFile(source).keys(), folder);
  for (const auto& file : tokenizer_files(source)) {
    const auto copy = folder / file.lexically_relative(source);
    std::filesystem::create_directories(copy.parent_path());
    copy_file_durably(file, copy);
  }
}

}  // namespace cola
