#include "text/gguf_pipeline.h"

#include <fmt/format.h>

#include "core/error.h"
#include "text/byte_level.h"
#include "text/gguf_pre_tokenizers.h"
#include "text/known_patterns.h"
#include "text/pipeline_json.h"

namespace cola {
namespace {

constexpr std::string_view space_mark = "\u2581";

class PipelineReader {
 public:
  PipelineReader(const Json& json, const std::string& where)
      : reader_(json, where), model_(reader_.at("model"), where + ": model") {}

  GgufPipeline read() && {
    pipeline_.byte_level = has_byte_level(member("pre_tokenizer"));
    if (pipeline_.byte_level) {
      read_byte_level();
    } else {
      read_sentencepiece();
    }
    return std::move(pipeline_);
  }

 private:
  [[nodiscard]] Json member(const std::string& key) const {
    return reader_.has(key) ? reader_.at(key) : Json();
  }
  [[noreturn]] void refuse(const std::string& what) const {
    throw Error(fmt::format("{}: {} cannot be said in a GGUF file, llama.cpp would give other ids",
                            reader_.where(), what));
  }
  void note(std::string_view text) { pipeline_.notes.emplace_back(text); }

  void read_byte_level() {
    const Json normalizer = member("normalizer");
    for (const Json* step : pipeline_steps(normalizer, "normalizers", reader_.where())) {
      const std::string type = step->value("type", "");
      if (type != "NFC") refuse(fmt::format("the normalizer {}", type));
      note(
          "the tokenizer's NFC is lost: llama.cpp gives decomposed letters (e and a combining accent) other "
          "ids");
    }
    const bool ignore_merges = model_.boolean("ignore_merges", false);
    std::string remark;
    pipeline_.pre = gguf_pre_name(byte_level_expressions(), ignore_merges, remark);
    if (pipeline_.pre.empty()) {
      refuse(fmt::format("the pre_tokenizer{}",
                         ignore_merges ? " together with the model's ignore_merges" : ""));
    }
    if (!remark.empty()) note(fmt::format("pre-tokenizer {}: {}", pipeline_.pre, remark));
  }

  std::vector<std::string> byte_level_expressions() const {
    const Json json = member("pre_tokenizer");
    std::vector<std::string> expressions;
    bool is_last = false;
    for (const Json* object : pipeline_steps(json, "pretokenizers", reader_.where())) {
      const JsonReader step(*object, reader_.where() + ": pre_tokenizer");
      const std::string type = step.string("type");
      if (is_last) refuse(fmt::format("the pre_tokenizer {} behind ByteLevel", type));
      if (type == "ByteLevel") {
        is_last = true;
        if (step.boolean("add_prefix_space", true)) refuse("ByteLevel's add_prefix_space");
        if (step.boolean("use_regex", true)) expressions.emplace_back(gpt2_pattern);
      } else if (type == "Digits") {
        expressions.emplace_back(
            step.boolean("individual_digits", false) ? digits_pattern : std::string(digits_pattern) + "+");
      } else if (type == "Split") {
        expressions.push_back(expression_of(step));
      } else {
        refuse(fmt::format("the pre_tokenizer {}", type));
      }
    }
    return expressions;
  }

  [[nodiscard]] std::string expression_of(const JsonReader& step) const {
    const JsonReader pattern(step.at("pattern"), step.where() + ": pattern");
    const std::string behavior = step.string("behavior");
    const bool invert = step.boolean("invert", false);
    // The published expressions match all of a text, so that nothing lies between.
    const bool takes_matches = (behavior == "Isolated" && !invert) || (behavior == "Removed" && invert);
    if (!takes_matches || !pattern.has("Regex"))
      refuse(fmt::format("the pre_tokenizer Split with behavior {}", behavior));
    return pattern.string("Regex");
  }

  void read_sentencepiece() {
    if (!model_.boolean("byte_fallback", false))
      refuse("a model that is neither byte-level nor has byte_fallback");
    if (model_.boolean("ignore_merges", false)) refuse("the model's ignore_merges");
    bool marks_spaces = read_marks();
    const Json json = member("pre_tokenizer");
    for (const Json* object : pipeline_steps(json, "pretokenizers", reader_.where())) {
      const JsonReader step(*object, reader_.where() + ": pre_tokenizer");
      const std::string type = step.string("type");
      if (type == "Metaspace") {
        read_metaspace(step);
        marks_spaces = true;
      } else if (!marks_spaces || !splits_at_spaces(step)) {  // of which there are none any more
        refuse(fmt::format("the pre_tokenizer {}", type));
      }
    }
    if (!marks_spaces) refuse("a text whose spaces stay");
  }

  static bool splits_at_spaces(const JsonReader& step) {
    return step.string("type") == "Split" && step.at("pattern") == Json{{"String", " "}};
  }

  /// Whether the normalizer makes spaces marks.
  bool read_marks() {
    bool marks_spaces = false;
    const Json json = member("normalizer");
    for (const Json* object : pipeline_steps(json, "normalizers", reader_.where())) {
      const JsonReader step(*object, reader_.where() + ": normalizer");
      const std::string type = step.string("type");
      if (type == "Prepend" && step.string("prepend") == space_mark && !marks_spaces) {
        pipeline_.add_space_prefix = true;
      } else if (type == "Replace" && step.at("pattern") == Json{{"String", " "}} &&
                 step.string("content") == space_mark) {
        marks_spaces = true;
      } else {
        refuse(fmt::format("the normalizer {}", type));
      }
    }
    return marks_spaces;
  }

  void read_metaspace(const JsonReader& step) {
    if (step.string("replacement", std::string(space_mark)) != space_mark)
      refuse("Metaspace with another replacement");
    const std::string scheme =
        step.string("prepend_scheme", step.boolean("add_prefix_space", true) ? "always" : "never");
    if (step.boolean("split", true)) refuse("Metaspace with split");
    pipeline_.add_space_prefix = scheme != "never";
    if (scheme == "never") return;
    note("llama.cpp puts a space before a text that begins with one, too; the folder's tokenizer does not");
    if (scheme == "first")
      note(
          "llama.cpp puts a space before the text behind every special token; the folder's tokenizer does "
          "not");
  }

  JsonReader reader_;
  JsonReader model_;
  GgufPipeline pipeline_;
};

}  // namespace

GgufPipeline gguf_pipeline_of(const Json& json, const std::string& where) {
  return PipelineReader(json, where).read();
}

}  // namespace cola
