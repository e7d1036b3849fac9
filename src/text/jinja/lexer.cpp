#include "text/jinja/lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "text/jinja/literals.h"
#include "text/jinja/text.h"

namespace cola::jinja {
namespace {

std::string with_plain_line_ends(std::string_view source) {
  std::string text;
  text.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      text += source[i];
    } else if (i + 1 == source.size() || source[i + 1] != '\n') {
      text += '\n';
    }
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(with_plain_line_ends(source)) {}

  std::vector<Token> split() {
    while (at_ < source_.size()) text_and_tag();
    add(Token::Kind::end, {});
    return std::move(tokens_);
  }

 private:
  using Kind = Token::Kind;

  [[noreturn]] void fail(const std::string& message, Error::Kind kind = Error::Kind::malformed) const {
    throw Error(kind, message, place());
  }

  [[nodiscard]] Place place() const { return {line_, column_}; }

  void add(Kind kind, std::string value) { tokens_.push_back({kind, std::move(value), place()}); }

  /// Moves on, counting lines.
  void advance_to(std::size_t end) {
    for (; at_ < end; at_ = next_code_point(source_, at_)) {
      if (source_[at_] == '\n') {
        ++line_;
        column_ = 1;
      } else {
        ++column_;
      }
    }
  }

  [[nodiscard]] bool has(std::string_view what, std::size_t at) const {
    return std::string_view(source_).substr(at).starts_with(what);
  }

  /// Text up to the next tag, and that tag.
  void text_and_tag() {
    std::size_t tag = at_;
    while (tag < source_.size() &&
           !(source_[tag] == '{' && tag + 1 < source_.size() &&
             std::string_view("{%#").find(source_[tag + 1]) != std::string_view::npos))
      ++tag;
    const std::size_t begin = at_;
    if (tag == source_.size()) {
      add(Kind::data, source_.substr(begin));
      advance_to(tag);
      return;
    }
    const char opens = source_[tag + 1];
    const char sign = tag + 2 < source_.size() ? source_[tag + 2] : ' ';
    const std::size_t text_end = end_of_text(begin, tag, opens, sign);
    if (text_end > begin) add(Kind::data, source_.substr(begin, text_end - begin));
    advance_to(tag);
    const bool is_signed = sign == '-' || sign == '+';
    if (opens == '#') return comment(tag + 2);
    add(opens == '{' ? Kind::output_begin : Kind::statement_begin, {});
    advance_to(tag + (is_signed ? 3 : 2));
    opens == '{' ? inside(Kind::output_end, "}}") : inside(Kind::statement_end, "%}");
  }

  /// Where the text before a tag ends, of which the tag may take white space off.
  [[nodiscard]] std::size_t end_of_text(std::size_t begin, std::size_t tag, char opens, char sign) const {
    const std::string_view text = std::string_view(source_).substr(begin, tag - begin);
    if (sign == '-') return begin + stripped(text, Side::right).second;
    if (sign == '+' || opens == '{') return tag;
    const std::size_t line_end = text.rfind('\n');
    const std::size_t line = line_end == std::string_view::npos ? 0 : line_end + 1;
    if (line == 0 && !line_begins_) return tag;
    const auto [first, last] = stripped(text.substr(line), Side::both);
    return first == last || line == text.size() ? begin + line : tag;
  }

  /// After a tag: the white space that it takes off behind it.
  void close(std::size_t end, char sign, bool trims_line) {
    const std::size_t begin = at_;
    std::size_t to = end;
    if (sign == '-') {
      to += stripped(std::string_view(source_).substr(end), Side::left).first;
    } else if (sign != '+' && trims_line && has("\n", end)) {
      ++to;
    }
    advance_to(to);
    line_begins_ = to > begin && source_[to - 1] == '\n';
  }

  void comment(std::size_t from) {
    const std::size_t end = source_.find("#}", from);
    if (end == std::string::npos) fail("Missing end of comment tag");
    const char sign = end > from ? source_[end - 1] : ' ';
    close(end + 2, sign, true);
  }

  /// What stands between the ends of a tag.
  void inside(Kind end_kind, std::string_view end) {
    std::string open;  // brackets
    for (;;) {
      while (at_ < source_.size() && is_space(code_point_at(source_, at_)))
        advance_to(next_code_point(source_, at_));
      if (at_ == source_.size()) fail("unexpected end of template");
      if (open.empty()) {
        const char sign = source_[at_];
        const bool is_signed = sign == '-' || (sign == '+' && end_kind == Kind::statement_end);
        const std::size_t mark = is_signed ? at_ + 1 : at_;
        if (has(end, mark)) {
          add(end_kind, {});
          return close(mark + 2, is_signed ? sign : ' ', end_kind == Kind::statement_end);
        }
      }
      token(open);
    }
  }

  void token(std::string& open) {
    const char c = source_[at_];
    if (is_name_start(c)) return name();
    if (is_digit(c)) return number();
    if (c == '"' || c == '\'') return text(c);
    if (static_cast<unsigned char>(c) >= 0x80) fail("a name with letters beyond ASCII", Error::Kind::unknown);
    symbol(open);
  }

  void name() {
    std::size_t end = at_;
    while (end < source_.size() && (is_name_start(source_[end]) || is_digit(source_[end]))) ++end;
    take(Kind::name, end);
  }

  void take(Kind kind, std::size_t end) {
    add(kind, source_.substr(at_, end - at_));
    advance_to(end);
  }

  void number() {
    const auto digits = [&](std::size_t at) {
      while (at < source_.size() && (is_digit(source_[at]) || source_[at] == '_')) ++at;
      return at;
    };
    std::size_t end = digits(at_);
    bool is_real = false;
    if (end + 1 < source_.size() && source_[end] == '.' && is_digit(source_[end + 1])) {
      is_real = true;
      end = digits(end + 1);
    }
    if (end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
      std::size_t exponent = end + 1;
      if (exponent < source_.size() && (source_[exponent] == '+' || source_[exponent] == '-')) ++exponent;
      if (exponent < source_.size() && is_digit(source_[exponent])) {
        is_real = true;
        end = digits(exponent);
      }
    }
    if (end < source_.size() && is_name_start(source_[end]))
      fail("a number followed by a letter", Error::Kind::unknown);
    std::string value = source_.substr(at_, end - at_);
    std::erase(value, '_');
    add(is_real ? Kind::real : Kind::integer, std::move(value));
    advance_to(end);
  }

  void text(char quote) {
    std::size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) fail(fmt::format("unexpected char {}", std::string(1, quote)));
    const std::optional<std::string> value =
        unescaped(std::string_view(source_).substr(at_ + 1, end - at_ - 1));
    if (!value) fail("a text with an escape that is not known");
    add(Kind::text, *value);
    advance_to(end + 1);
  }

  void symbol(std::string& open) {
    static constexpr std::array<std::string_view, 6> pairs = {"==", "!=", ">=", "<=", "//", "**"};
    const std::string_view rest = std::string_view(source_).substr(at_);
    const auto* pair =
        std::ranges::find_if(pairs, [&](std::string_view candidate) { return rest.starts_with(candidate); });
    if (pair != pairs.end()) return take(Kind::symbol, at_ + 2);
    const char c = rest.front();
    if (std::string_view("+-*/%~[](){}=><.:|,;").find(c) == std::string_view::npos)
      fail(fmt::format("unexpected char '{}'", std::string(1, c)));
    if (c == '(' || c == '[' || c == '{') open += c == '(' ? ')' : c == '[' ? ']' : '}';
    if (c == ')' || c == ']' || c == '}') {
      if (open.empty() || open.back() != c) fail(fmt::format("unexpected '{}'", std::string(1, c)));
      open.pop_back();
    }
    take(Kind::symbol, at_ + 1);
  }

  std::string source_;
  std::size_t at_ = 0;
  int line_ = 1;
  int column_ = 1;
  bool line_begins_ = true;  ///< what comes next stands at the beginning of a line
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> split(std::string_view source) { return Lexer(source).split(); }

}  // namespace cola::jinja
