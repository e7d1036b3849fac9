#include "text/pipeline_json.h"

#include <fmt/format.h>

#include <array>

#include "core/error.h"
#include "text/byte_level.h"

namespace cola {

namespace {

constexpr std::int64_t longest_strip = 1'000'000;

[[noreturn]] void refuse(const std::string& where, std::string_view type) {
  throw Error(fmt::format("{}: type {:?} is not supported", where, type));
}

/// Nesting is bounded by the JSON parser.
void collect_steps(const Json& json, const std::string& key, const std::string& where,
                   std::vector<const Json*>& steps) {
  if (json.is_null()) return;
  const JsonReader reader(json, where);
  if (reader.string("type") != "Sequence") {
    steps.push_back(&json);
    return;
  }
  const Json& list = reader.at(key);
  if (!list.is_array()) throw Error(fmt::format("{}: {} is not an array", where, key));
  for (const Json& step : list) collect_steps(step, key, where, steps);
}

std::optional<UnicodeForm> unicode_form_of(std::string_view type) {
  if (type == "NFC") return UnicodeForm::nfc;
  if (type == "NFD") return UnicodeForm::nfd;
  if (type == "NFKC") return UnicodeForm::nfkc;
  if (type == "NFKD") return UnicodeForm::nfkd;
  return std::nullopt;
}

/// {"String": ...}; `what` names the step.
std::string string_pattern(const JsonReader& step, const std::string& what) {
  const JsonReader pattern(step.at("pattern"), step.where() + ": " + what);
  if (!pattern.has("String"))
    throw Error(fmt::format("{}: {} with a Regex is not supported", step.where(), what));
  std::string text = pattern.string("String");
  if (text.empty()) throw Error(fmt::format("{}: {} of an empty string", step.where(), what));
  return text;
}

SplitBehavior behavior_of(const JsonReader& step) {
  static constexpr std::array<std::pair<std::string_view, SplitBehavior>, 5> names{{
      {"Removed", SplitBehavior::removed},
      {"Isolated", SplitBehavior::isolated},
      {"MergedWithPrevious", SplitBehavior::merged_with_previous},
      {"MergedWithNext", SplitBehavior::merged_with_next},
      {"Contiguous", SplitBehavior::contiguous},
  }};
  const std::string name = step.string("behavior");
  for (const auto& [known, behavior] : names) {
    if (name == known) return behavior;
  }
  throw Error(fmt::format("{}: behavior {:?} is not supported", step.where(), name));
}

PreTokenizer::Split read_split(const JsonReader& step) {
  const JsonReader pattern(step.at("pattern"), step.where() + ": pattern");
  const bool literal = pattern.has("String");
  return {.pattern = Regex(pattern.string(literal ? "String" : "Regex"),
                           literal ? Regex::Syntax::literal : Regex::Syntax::pattern, step.where()),
          .behavior = behavior_of(step),
          .invert = step.boolean("invert", false)};
}

PreTokenizer::ByteLevel read_byte_level(const JsonReader& step) {
  PreTokenizer::ByteLevel byte_level{.add_prefix_space = step.boolean("add_prefix_space", true),
                                     .pattern = {}};
  if (step.boolean("use_regex", true)) {
    byte_level.pattern.emplace(gpt2_pattern, Regex::Syntax::pattern, step.where());
  }
  return byte_level;
}

/// Older files say add_prefix_space, newer ones prepend_scheme.
PrependScheme prepend_scheme_of(const JsonReader& step) {
  if (!step.has("prepend_scheme")) {
    return step.boolean("add_prefix_space", true) ? PrependScheme::always : PrependScheme::never;
  }
  const std::string name = step.string("prepend_scheme");
  if (name == "first") return PrependScheme::first;
  if (name == "always") return PrependScheme::always;
  if (name == "never") return PrependScheme::never;
  throw Error(fmt::format("{}: prepend_scheme {:?} is not supported", step.where(), name));
}

std::string replacement_of(const JsonReader& step) {
  std::string replacement = step.string("replacement", "\u2581");
  if (replacement.empty()) throw Error(step.where() + ": Metaspace has an empty replacement");
  return replacement;
}

TokenDecoder::Strip read_strip(const JsonReader& step) {
  const auto count = [&](const char* key) {
    const std::int64_t value = step.integer(key, 0);
    if (value < 0 || value > longest_strip)
      throw Error(fmt::format("{}: Strip's {} is {}", step.where(), key, value));
    return static_cast<std::size_t>(value);
  };
  TokenDecoder::Strip strip{
      .content = step.string("content"), .start = count("start"), .stop = count("stop")};
  if (strip.content.empty()) throw Error(step.where() + ": Strip has an empty content");
  return strip;
}

/// The first element of TemplateProcessing's `single`, where it is a special token.
std::string template_bos(const JsonReader& step) {
  const Json& single = step.at("single");
  if (!single.is_array()) throw Error(step.where() + ": single is not an array");
  if (single.empty() || !single.front().is_object() || !single.front().contains("SpecialToken")) return "";
  return JsonReader(single.front().at("SpecialToken"), step.where() + ": single").string("id");
}

}  // namespace

std::vector<const Json*> pipeline_steps(const Json& json, const std::string& key, const std::string& where) {
  std::vector<const Json*> steps;
  collect_steps(json, key, where, steps);
  return steps;
}

Normalizer read_normalizer(const Json& json, const std::string& where) {
  std::vector<Normalizer::Step> steps;
  for (const Json* object : pipeline_steps(json, "normalizers", where)) {
    const JsonReader step(*object, where);
    const std::string type = step.string("type");
    if (type == "Prepend") {
      steps.emplace_back(Normalizer::Prepend{step.string("prepend")});
    } else if (type == "Replace") {
      steps.emplace_back(
          Normalizer::Replace{.from = string_pattern(step, "Replace"), .to = step.string("content")});
    } else if (const std::optional<UnicodeForm> form = unicode_form_of(type)) {
      steps.emplace_back(*form);
    } else {
      refuse(where, type);
    }
  }
  return Normalizer(std::move(steps));
}

PreTokenizer read_pre_tokenizer(const Json& json, const std::string& where) {
  std::vector<PreTokenizer::Step> steps;
  for (const Json* object : pipeline_steps(json, "pretokenizers", where)) {
    const JsonReader step(*object, where);
    const std::string type = step.string("type");
    if (type == "ByteLevel") {
      steps.emplace_back(read_byte_level(step));
    } else if (type == "Split") {
      steps.emplace_back(read_split(step));
    } else if (type == "Digits") {
      const bool individual = step.boolean("individual_digits", false);
      steps.emplace_back(
          PreTokenizer::Split{.pattern = Regex(digits_pattern, Regex::Syntax::pattern, where),
                              .behavior = individual ? SplitBehavior::isolated : SplitBehavior::contiguous});
    } else if (type == "Metaspace") {
      steps.emplace_back(PreTokenizer::Metaspace{.replacement = replacement_of(step),
                                                 .prepend = prepend_scheme_of(step),
                                                 .split = step.boolean("split", true)});
    } else {
      refuse(where, type);
    }
  }
  return PreTokenizer(std::move(steps));
}

TokenDecoder read_decoder(const Json& json, const std::string& where) {
  std::vector<TokenDecoder::Step> steps;
  for (const Json* object : pipeline_steps(json, "decoders", where)) {
    const JsonReader step(*object, where);
    const std::string type = step.string("type");
    if (type == "ByteLevel") {
      steps.emplace_back(TokenDecoder::ByteLevel{});
    } else if (type == "ByteFallback") {
      steps.emplace_back(TokenDecoder::ByteFallback{});
    } else if (type == "Fuse") {
      steps.emplace_back(TokenDecoder::Fuse{});
    } else if (type == "Replace") {
      steps.emplace_back(
          TokenDecoder::Replace{.from = string_pattern(step, "Replace"), .to = step.string("content")});
    } else if (type == "Strip") {
      steps.emplace_back(read_strip(step));
    } else if (type == "Metaspace") {
      steps.emplace_back(
          TokenDecoder::Metaspace{.replacement = replacement_of(step),
                                  .strip_first = prepend_scheme_of(step) != PrependScheme::never});
    } else {
      refuse(where, type);
    }
  }
  return TokenDecoder(std::move(steps));
}

std::vector<AddedToken> read_added_tokens(const Json& json, const std::string& where) {
  std::vector<AddedToken> tokens;
  if (json.is_null()) return tokens;
  if (!json.is_array()) throw Error(where + " is not an array");
  for (const Json& object : json) {
    const JsonReader token(object, where);
    std::string content = token.string("content");
    const std::int32_t id = checked_token_id(token.integer("id"), content, where);
    tokens.push_back({.content = std::move(content),
                      .id = id,
                      .special = token.boolean("special", false),
                      .single_word = token.boolean("single_word", false),
                      .lstrip = token.boolean("lstrip", false),
                      .rstrip = token.boolean("rstrip", false),
                      .normalized = token.boolean("normalized", false)});
  }
  return tokens;
}

std::optional<std::string> read_post_processor_bos(const Json& json, const std::string& where) {
  if (json.is_null()) return std::nullopt;
  std::string bos;
  for (const Json* object : pipeline_steps(json, "processors", where)) {
    const JsonReader step(*object, where);
    const std::string type = step.string("type");
    if (type == "TemplateProcessing") {
      bos = template_bos(step);
    } else if (type != "ByteLevel") {
      refuse(where, type);
    }
  }
  return bos;
}

bool has_byte_level(const Json& json) {
  if (json.is_array()) {
    for (const Json& step : json) {
      if (has_byte_level(step)) return true;
    }
    return false;
  }
  if (!json.is_object()) return false;
  if (const auto type = json.find("type"); type != json.end() && *type == "ByteLevel") return true;
  for (const char* key : {"pretokenizers", "decoders"}) {
    if (const auto list = json.find(key); list != json.end() && has_byte_level(*list)) return true;
  }
  return false;
}

}  // namespace cola
