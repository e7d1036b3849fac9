// cola tokenize
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <limits>
#include <memory>

#include "cli/output.h"
#include "cli/verbs.h"
#include "core/error.h"
#include "data/record_chunks.h"
#include "data/sequence_builder.h"
#include "text/tokenizer.h"

namespace cola {
namespace {

constexpr const char* forms = R"(a line is {"text"} or {"ids"})";

using Ids = std::vector<std::int32_t>;

struct TokenizeVerb {
  std::string tokenizer;
  std::string file = "-";
  bool no_special_tokens = false;
};

class Converter {
 public:
  Converter(const std::filesystem::path& folder, bool special)
      : tokenizer_(open_tokenizer(folder)),
        special_(special),
        builder_(tokenizer_.get(), tokenizer_->vocabulary_size(), unlimited()) {}

  [[nodiscard]] const Tokenizer& tokenizer() const { return *tokenizer_; }

  /// The line that answers `line`. Throws Error beginning with `where`.
  [[nodiscard]] std::string answer(std::string_view line, const std::string& where) const {
    const Json json = parse_json_with_unique_keys(line, where);
    if (!json.is_object()) throw Error(fmt::format("{}: not a JSON object: {}", where, forms));
    const JsonReader record(json, where);
    if (record.has("text") == record.has("ids"))
      throw Error(
          fmt::format("{}: {}, and this has {}", where, forms, record.has("text") ? "both" : "neither"));
    if (record.has("text"))
      return fmt::format("{{\"ids\":[{}]}}\n", fmt::join(ids_of(record.string("text"), where), ","));
    const std::string text = tokenizer_->decode(read_ids(record), !special_);
    return Json{{"text", text}}.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  }

 private:
  static DataOptions unlimited() {
    DataOptions options;
    options.max_length = std::numeric_limits<std::int64_t>::max();
    return options;
  }

  [[nodiscard]] Ids ids_of(const std::string& text, const std::string& where) const {
    if (special_) {
      Dataset dataset;
      builder_.add({.form = TextRecord{text}, .form_name = "text"}, where, dataset);
      if (!dataset.examples.empty()) return dataset.examples[0].ids;
      // Nothing to train in it: a single token at most, which is its own BOS where one is put first.
    }
    Ids ids = tokenizer_->encode(text);
    if (special_ && ids.empty() && tokenizer_->special().add_bos) ids.push_back(*tokenizer_->special().bos);
    return ids;
  }

  static Ids read_ids(const JsonReader& record) {
    const Json& array = record.at("ids");
    if (!array.is_array()) throw Error(record.where() + ": 'ids' is not an array of token ids");
    Ids ids;
    ids.reserve(array.size());
    for (const Json& item : array) {
      const std::int64_t id = item.is_number_integer() ? item.get<std::int64_t>() : -1;
      if (id < 0 || id > std::numeric_limits<std::int32_t>::max()) {
        throw Error(fmt::format("{}: 'ids' entry {} is not a token id", record.where(), ids.size() + 1));
      }
      ids.push_back(static_cast<std::int32_t>(id));
    }
    return ids;
  }

  std::unique_ptr<Tokenizer> tokenizer_;
  bool special_;
  SequenceBuilder builder_;
};

void run_tokenize(const TokenizeVerb& verb) {
  const Converter converter(verb.tokenizer, !verb.no_special_tokens);
  if (const std::string& remark = converter.tokenizer().special().remark; !remark.empty())
    print_notes({&remark, 1});
  (void)read_in_chunks<std::string>(
      verb.file == "-" ? "/dev/stdin" : verb.file, {},
      [&](const PlacedRecord& record, std::string& answers) {
        answers += converter.answer(record.text, record.where);
      },
      [](std::string&, const std::string& answers) { print(answers); });
}

}  // namespace

void add_tokenize(CLI::App& app) {
  CLI::App& verb = *app.add_subcommand("tokenize", "texts to token ids, and token ids to texts");
  const auto state = std::make_shared<TokenizeVerb>();
  verb.add_option("--tokenizer", state->tokenizer, "folder with a tokenizer's files, or a GGUF file")
      ->type_name("PATH")
      ->required();
  verb.add_option("file", state->file,
                  R"(JSONL: {"text"} is answered by {"ids"}, {"ids"} by {"text"}; - is standard input)")
      ->type_name("FILE")
      ->capture_default_str();
  verb.add_flag("--no-special-tokens", state->no_special_tokens,
                "ids without the BOS and EOS that training adds; texts without special tokens");
  verb.callback([state] { run_tokenize(*state); });
}

}  // namespace cola
