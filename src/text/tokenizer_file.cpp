#include "text/tokenizer_file.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <string_view>

#include "core/error.h"
#include "text/utf8.h"

namespace cola {
namespace {

constexpr std::size_t file_size_limit = std::size_t{1} << 30;

/// Steps through a JSON text. What it does not find as asked for, malformed or of another kind, is left to
/// the parser.
class JsonScanner {
 public:
  JsonScanner(std::string_view text, std::deque<std::string>& unescaped)
      : text_(text), unescaped_(unescaped) {}

  /// Whether `symbol` comes next, behind white space; then it is stepped over.
  [[nodiscard]] bool take(char symbol) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != symbol) return false;
    ++at_;
    return true;
  }

  /// A string: a view into the text, or into a new one of `unescaped` where it has escapes.
  [[nodiscard]] std::optional<std::string_view> string() {
    if (!take('"')) return std::nullopt;
    const std::size_t begin = at_;
    bool has_escapes = false;
    while (at_ < text_.size() && text_[at_] != '"') {
      const auto byte = static_cast<unsigned char>(text_[at_]);
      if (byte < 0x20) return std::nullopt;
      std::size_t length = 1;
      if (byte == '\\') {
        has_escapes = true;
        length = 2;
      } else if (byte >= 0x80) {
        const Utf8Step step = utf8_step(text_, at_);
        if (!step.valid) return std::nullopt;
        length = step.length;
      }
      at_ += length;
    }
    if (at_ >= text_.size()) return std::nullopt;
    ++at_;
    if (!has_escapes) return text_.substr(begin, at_ - 1 - begin);
    const Json value = Json::parse(text_.substr(begin - 1, at_ - begin + 1), nullptr, false);
    if (!value.is_string()) return std::nullopt;
    return unescaped_.emplace_back(value.get<std::string>());
  }

  /// Of 64 bits, without fraction or exponent.
  [[nodiscard]] std::optional<std::int64_t> integer() {
    skip_space();
    const std::string_view rest = text_.substr(at_);
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
    const auto length = static_cast<std::size_t>(end - rest.data());
    const bool leading_zero = rest.starts_with("-0") || (rest.starts_with('0') && length > 1);
    const bool goes_on = length < rest.size() && std::string_view(".eE").find(rest[length]) != rest.npos;
    if (error != std::errc() || leading_zero || goes_on) return std::nullopt;
    at_ += length;
    return value;
  }

  /// Steps over a value, whatever it is; that it is sound is for the parser to see.
  [[nodiscard]] bool skip_value() {
    int depth = 0;
    do {
      skip_space();
      if (at_ == text_.size()) return false;
      const char symbol = text_[at_];
      if (symbol == '"') {
        if (!skip_string()) return false;
        continue;
      }
      if (symbol == '[' || symbol == '{') ++depth;
      if (symbol == ']' || symbol == '}') --depth;
      at_ = std::string_view("[]{},:").find(symbol) != std::string_view::npos
                ? at_ + 1
                : std::min(text_.find_first_of("[]{},:\" \t\r\n", at_), text_.size());
    } while (depth > 0);
    return depth == 0;
  }

  /// Calls `element` at each element of an array, which steps over it; false ends it.
  template <class Element>
  [[nodiscard]] bool array(const Element& element) {
    if (!take('[')) return false;
    if (take(']')) return true;
    do {
      if (!element()) return false;
    } while (take(','));
    return take(']');
  }

  /// The same for an object; `element` gets the key.
  template <class Element>
  [[nodiscard]] bool object(const Element& element) {
    if (!take('{')) return false;
    if (take('}')) return true;
    do {
      const std::optional<std::string_view> key = string();
      if (!key || !take(':') || !element(*key)) return false;
    } while (take(','));
    return take('}');
  }

  [[nodiscard]] std::size_t position() const { return at_; }

 private:
  void skip_space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t'))
      ++at_;
  }

  [[nodiscard]] bool skip_string() {
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '"') break;
      if (text_[at_] == '\\') ++at_;
    }
    if (at_ >= text_.size()) return false;
    ++at_;
    return true;
  }

  std::string_view text_;
  std::deque<std::string>& unescaped_;
  std::size_t at_ = 0;
};

/// "a b" in two.
std::optional<BpeMerge> split_merge(std::string_view text) {
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos)
    return std::nullopt;
  return BpeMerge(text.substr(0, space), text.substr(space + 1));
}

/// Reads a text without a tree of the two containers, each half of the file. Where anything in them is not
/// as it should be, or the text is not JSON, the parser reads all of it and says what.
class TokenizerFileReader {
 public:
  TokenizerFileReader(TokenizerFile& file, std::string_view text, const std::string& where)
      : file_(file),
        text_(text),
        where_(where),
        vocabulary_where_(where + ": model: vocab"),
        scanner_(text, file.unescaped) {}

  void read() {
    constexpr std::size_t bytes_a_merge = 32;  // of the file, at least, in most
    file_.merges.reserve(text_.size() / bytes_a_merge);
    if (!scan() || !parse_rest()) read_tree();
  }

 private:
  [[nodiscard]] bool scan() {
    return scanner_.object(
        [&](std::string_view key) { return key == "model" ? scan_model() : scanner_.skip_value(); });
  }

  [[nodiscard]] bool scan_model() {
    return scanner_.object([&](std::string_view key) {
      const std::size_t begin = scanner_.position();
      if (key == "vocab") return scan_vocabulary() && leave_out(begin, "{}");
      if (key == "merges") return scan_merges() && leave_out(begin, "[]");
      return scanner_.skip_value();
    });
  }

  [[nodiscard]] bool scan_vocabulary() {
    return scanner_.object([&](std::string_view token) {
      const std::optional<std::int64_t> id = scanner_.integer();
      if (id) file_.vocabulary.add(std::string(token), *id, vocabulary_where_);
      return id.has_value();
    });
  }

  [[nodiscard]] bool scan_merges() {
    return scanner_.array([&] {
      if (!scanner_.take('[')) {
        const std::optional<std::string_view> text = scanner_.string();
        const std::optional<BpeMerge> merge = text ? split_merge(*text) : std::nullopt;
        if (merge) file_.merges.push_back(*merge);
        return merge.has_value();
      }
      const std::optional<std::string_view> left = scanner_.string();
      if (!left || !scanner_.take(',')) return false;
      const std::optional<std::string_view> right = scanner_.string();
      if (!right || !scanner_.take(']')) return false;
      file_.merges.emplace_back(*left, *right);
      return true;
    });
  }

  /// The text from `begin` to here is `instead` in what is parsed.
  bool leave_out(std::size_t begin, std::string_view instead) {
    rest_ += text_.substr(copied_, begin - copied_);
    rest_ += instead;
    copied_ = scanner_.position();
    return true;
  }

  [[nodiscard]] bool parse_rest() {
    rest_ += text_.substr(copied_);
    try {
      file_.json = parse_json_with_unique_keys(rest_, where_);
      return true;
    } catch (const Error&) {
      return false;  // the error would name a place in `rest_`
    }
  }

  void read_tree() {
    file_.vocabulary = Vocabulary();
    file_.merges.clear();
    file_.json = parse_json_with_unique_keys(text_, where_);
    if (!file_.json.is_object() || !file_.json.contains("model") || !file_.json["model"].is_object()) return;
    Json& model = file_.json["model"];
    if (model.contains("vocab") && model["vocab"].is_object()) {
      for (const auto& [token, id] : model["vocab"].items()) {
        if (!id.is_number_integer())
          throw Error(fmt::format("{}: the id of {:?} is not an integer", vocabulary_where_, token));
        file_.vocabulary.add(token, id.get<std::int64_t>(), vocabulary_where_);
      }
    }
    if (model.contains("merges") && model["merges"].is_array()) {
      for (const Json& merge : model["merges"]) file_.merges.push_back(merge_of(merge));
    }
  }

  [[nodiscard]] BpeMerge merge_of(const Json& merge) const {
    if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string())
      return {merge[0].get_ref<const std::string&>(), merge[1].get_ref<const std::string&>()};
    const std::optional<BpeMerge> parts =
        merge.is_string() ? split_merge(merge.get_ref<const std::string&>()) : std::nullopt;
    if (!parts) throw Error(where_ + R"(: model: merges: a merge is neither "a b" nor ["a", "b"])");
    return *parts;
  }

  TokenizerFile& file_;
  std::string_view text_;
  std::string where_;
  std::string vocabulary_where_;
  JsonScanner scanner_;
  std::string rest_;        // the text without the two containers
  std::size_t copied_ = 0;  // of the text into `rest_`
};

}  // namespace

TokenizerFile::TokenizerFile(const std::filesystem::path& file) : map(file) {
  const std::string_view text(reinterpret_cast<const char*>(map.bytes().data()), map.bytes().size());
  if (text.size() > file_size_limit) {
    throw Error(
        fmt::format("{} is larger than {} bytes, the most that is read", file.string(), file_size_limit));
  }
  TokenizerFileReader(*this, text, file.string()).read();
}

}  // namespace cola
