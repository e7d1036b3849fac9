#pragma once
#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/error.h"
#include "text/jinja/lexer.h"

namespace cola::jinja {

/// The tokens of a template as a parser takes them; the last, the end, stays.
class Tokens {
 public:
  explicit Tokens(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  [[nodiscard]] const Token& peek(std::size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  const Token& take() {
    const Token& token = peek();
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }

  [[nodiscard]] bool is_symbol(std::string_view symbol) const {
    return peek().kind == Token::Kind::symbol && peek().value == symbol;
  }
  [[nodiscard]] bool is_word(std::string_view word) const {
    return peek().kind == Token::Kind::name && peek().value == word;
  }
  bool take_symbol(std::string_view symbol) {
    const bool taken = is_symbol(symbol);
    if (taken) take();
    return taken;
  }
  bool take_word(std::string_view word) {
    const bool taken = is_word(word);
    if (taken) take();
    return taken;
  }

  const Token& expect(Token::Kind kind, std::string_view what) {
    if (peek().kind != kind) fail("expected " + std::string(what) + ", got " + described());
    return take();
  }
  void expect_symbol(std::string_view symbol) {
    if (!take_symbol(symbol)) fail("expected '" + std::string(symbol) + "', got " + described());
  }
  void expect_word(std::string_view word) {
    if (!take_word(word)) fail("expected '" + std::string(word) + "', got " + described());
  }

  [[noreturn]] void fail(const std::string& message) const {
    throw Error(Error::Kind::malformed, message, peek().place);
  }
  [[noreturn]] void unknown(const std::string& what) const {
    throw Error(Error::Kind::unknown, what + " is not known here", peek().place);
  }

 private:
  friend class DepthScope;

  [[nodiscard]] std::string described() const {
    const Token& token = peek();
    switch (token.kind) {
      case Token::Kind::end:
        return "the end of the template";
      case Token::Kind::data:
        return "text";
      case Token::Kind::output_begin:
        return "'{{'";
      case Token::Kind::output_end:
        return "'}}'";
      case Token::Kind::statement_begin:
        return "'{%'";
      case Token::Kind::statement_end:
        return "'%}'";
      default:
        return "'" + token.value + "'";
    }
  }

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

/// One level of nesting, of which there may be 100.
class DepthScope {
 public:
  explicit DepthScope(Tokens& tokens) : tokens_(tokens) {
    constexpr int most = 100;
    if (++tokens_.depth_ > most) {
      --tokens_.depth_;
      throw Error(Error::Kind::exhausted, "nested deeper than 100", tokens_.peek().place);
    }
  }
  ~DepthScope() { --tokens_.depth_; }
  DepthScope(const DepthScope&) = delete;
  DepthScope& operator=(const DepthScope&) = delete;

 private:
  Tokens& tokens_;
};

}  // namespace cola::jinja
