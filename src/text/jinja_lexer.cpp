#include "text/jinja_lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "core/error.h"

namespace cola::small_jinja {
namespace {

constexpr std::string_view white_space = " \t\n\r\f\v";

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

/// A string literal at `at`, which becomes the byte after it.
std::string read_text(std::string_view source, std::size_t& at) {
  const char quote = source[at++];
  std::string text;
  while (at < source.size() && source[at] != quote) {
    if (source[at] != '\\') {
      text += source[at++];
      continue;
    }
    if (at + 1 == source.size()) break;
    const char escaped = source[at + 1];
    constexpr std::string_view known = "nrt\\'\"";
    const std::size_t found = known.find(escaped);
    if (found == std::string_view::npos) throw Error(fmt::format("the escape '\\{}'", escaped));
    text += std::string_view("\n\r\t\\'\"")[found];
    at += 2;
  }
  if (at >= source.size()) throw Error("a string without its end");
  ++at;
  return text;
}

Token read_symbol(std::string_view source, std::size_t& at) {
  for (const std::string_view symbol : {"==", "!=", "<=", ">="}) {
    if (source.substr(at).starts_with(symbol)) {
      at += symbol.size();
      return {Token::Kind::symbol, std::string(symbol)};
    }
  }
  constexpr std::string_view single = "()[].,:|+-~%<>=";
  if (single.find(source[at]) == std::string_view::npos) throw Error(fmt::format("{:?}", source[at]));
  return {Token::Kind::symbol, std::string(1, source[at++])};
}

/// The tokens of a tag, up to `close` outside of a string; `at` becomes the byte of `close`.
std::vector<Token> read_tokens(std::string_view source, std::string_view close, std::size_t& at) {
  std::vector<Token> tokens;
  while (at < source.size()) {
    const std::string_view rest = source.substr(at);
    if (rest.starts_with(close) || (rest[0] == '-' && rest.substr(1).starts_with(close))) {
      tokens.emplace_back();
      return tokens;
    }
    const char c = source[at];
    const std::size_t begin = at;
    if (white_space.find(c) != std::string_view::npos) {
      ++at;
    } else if (c == '\'' || c == '"') {
      std::string text = read_text(source, at);
      if (!tokens.empty() && tokens.back().kind == Token::Kind::text) {
        tokens.back().value += text;
      } else {
        tokens.push_back({Token::Kind::text, std::move(text)});
      }
    } else if (is_word(c)) {
      while (at < source.size() && is_word(source[at])) ++at;
      const bool number = std::isdigit(static_cast<unsigned char>(c)) != 0;
      tokens.push_back(
          {number ? Token::Kind::number : Token::Kind::word, std::string(source.substr(begin, at - begin))});
    } else {
      tokens.push_back(read_symbol(source, at));
    }
  }
  throw Error("a tag without its end");
}

/// Splits with the settings of transformers: trim_blocks (the line break after a statement or comment goes),
/// lstrip_blocks (so do blanks before one that begins its line), and one line break at the end goes.
class Splitter {
 public:
  explicit Splitter(std::string_view source) : source_(source) {
    if (source_.ends_with('\n')) source_.remove_suffix(1);
  }

  std::vector<Piece> pieces() {
    while (at_ < source_.size()) {
      const std::size_t tag = next_tag();
      add_text(source_.substr(at_, tag - at_), tag);
      at_ = tag;
      if (at_ < source_.size()) add_tag();
    }
    return std::move(pieces_);
  }

 private:
  [[nodiscard]] std::size_t next_tag() const {
    std::size_t found = source_.size();
    for (const std::string_view open : {"{{", "{%", "{#"}) found = std::min(found, source_.find(open, at_));
    return found;
  }

  /// Text up to a tag (or the end) at `tag`.
  void add_text(std::string_view text, std::size_t tag) {
    if (strip_next_) text.remove_prefix(std::min(text.size(), text.find_first_not_of(white_space)));
    if (trim_next_ && text.starts_with('\n')) text.remove_prefix(1);
    const char kind = tag + 1 < source_.size() ? source_[tag + 1] : ' ';
    const char mark = tag + 2 < source_.size() ? source_[tag + 2] : ' ';
    if (tag < source_.size() && mark == '-') {
      const std::size_t last = text.find_last_not_of(white_space);
      text = last == std::string_view::npos ? std::string_view() : text.substr(0, last + 1);
    } else if (tag < source_.size() && kind != '{' && mark != '+') {
      const std::size_t last = text.find_last_not_of(" \t");
      const std::size_t length = last == std::string_view::npos ? 0 : last + 1;
      const bool begins_line = length > 0 ? text[length - 1] == '\n' : begins_line_;
      if (begins_line) text = text.substr(0, length);
    }
    if (!text.empty()) pieces_.push_back({Piece::Kind::text, std::string(text), {}});
  }

  void add_tag() {
    const char kind = source_[at_ + 1];
    const std::string_view close = kind == '{' ? "}}" : kind == '%' ? "%}" : "#}";
    at_ += 2;
    if (at_ < source_.size() && (source_[at_] == '-' || source_[at_] == '+')) ++at_;
    if (kind == '#') {
      at_ = source_.find(close, at_);
      if (at_ == std::string_view::npos) throw Error("a comment without its end");
      strip_next_ = source_[at_ - 1] == '-';
    } else {
      Piece piece{kind == '{' ? Piece::Kind::output : Piece::Kind::statement, "", {}};
      piece.tokens = read_tokens(source_, close, at_);
      pieces_.push_back(std::move(piece));
      strip_next_ = source_[at_] == '-';
      if (strip_next_) ++at_;
    }
    at_ += close.size();
    trim_next_ = kind != '{' && !strip_next_;
    begins_line_ = trim_next_ && at_ < source_.size() && source_[at_] == '\n';
  }

  std::string_view source_;
  std::size_t at_ = 0;
  bool strip_next_ = false, trim_next_ = false;
  bool begins_line_ = true;  ///< whether text without a line break of its own begins a line
  std::vector<Piece> pieces_;
};

}  // namespace

std::vector<Piece> split(std::string_view source) {
  std::string text;  // with one kind of line break
  for (std::size_t at = 0; at < source.size(); ++at) {
    if (source[at] == '\r' && source.substr(at + 1).starts_with('\n')) ++at;
    text += source[at] == '\r' ? '\n' : source[at];
  }
  return Splitter(text).pieces();
}

}  // namespace cola::small_jinja
