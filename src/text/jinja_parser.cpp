#include "text/jinja_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "core/error.h"
#include "text/jinja_lexer.h"

namespace cola::small_jinja {
namespace {

using Kind = Expression::Kind;

constexpr int depth_limit = 64;  // of what stands inside one another

/// Counts how deep the parser is.
class Depth {
 public:
  explicit Depth(int& depth) : depth_(depth) {
    if (++depth_ > depth_limit) throw Error("nesting deeper than 64 levels");
  }
  ~Depth() { --depth_; }
  Depth(const Depth&) = delete;
  Depth& operator=(const Depth&) = delete;

 private:
  int& depth_;
};

Expression binary(std::string operation, Expression left, Expression right) {
  Expression node{Kind::binary, std::move(operation), 0, {}};
  node.children.push_back(std::move(left));
  node.children.push_back(std::move(right));
  return node;
}

Expression unary(Kind kind, Expression child) {
  Expression node{kind, "", 0, {}};
  node.children.push_back(std::move(child));
  return node;
}

/// Parses the tokens of one tag, with Jinja's precedences.
class ExpressionParser {
 public:
  ExpressionParser(const std::vector<Token>& tokens, int& depth) : tokens_(tokens), depth_(depth) {}

  [[nodiscard]] bool at_end() const { return tokens_[at_].kind == Token::Kind::end; }
  [[nodiscard]] bool is_word(std::string_view word) const {
    return tokens_[at_].kind == Token::Kind::word && tokens_[at_].value == word;
  }
  [[nodiscard]] bool is_symbol(std::string_view symbol) const {
    return tokens_[at_].kind == Token::Kind::symbol && tokens_[at_].value == symbol;
  }
  bool take_word(std::string_view word) { return is_word(word) && (++at_, true); }
  bool take_symbol(std::string_view symbol) { return is_symbol(symbol) && (++at_, true); }
  void expect_symbol(std::string_view symbol) {
    if (!take_symbol(symbol)) throw Error(fmt::format("'{}' where '{}' was expected", shown(), symbol));
  }
  void expect_end() const {
    if (!at_end()) throw Error(fmt::format("'{}'", shown()));
  }
  std::string take_name() {
    if (tokens_[at_].kind != Token::Kind::word) throw Error(fmt::format("'{}' in place of a name", shown()));
    return tokens_[at_++].value;
  }

  Expression conditional() {
    const Depth depth(depth_);
    Expression value = disjunction();
    while (take_word("if")) {
      Expression node = unary(Kind::conditional, std::move(value));
      node.children.push_back(disjunction());
      if (take_word("else")) node.children.push_back(conditional());
      value = std::move(node);
    }
    return value;
  }

  Expression disjunction() {
    Expression left = conjunction();
    while (take_word("or")) left = binary("or", std::move(left), conjunction());
    return left;
  }

 private:
  [[nodiscard]] std::string shown() const { return at_end() ? "the end of the tag" : tokens_[at_].value; }

  Expression conjunction() {
    Expression left = negation();
    while (take_word("and")) left = binary("and", std::move(left), negation());
    return left;
  }

  Expression negation() {
    const Depth depth(depth_);
    return take_word("not") ? unary(Kind::negation, negation()) : comparison();
  }

  /// One of `symbols`, taken; "" if none is next.
  template <std::size_t n>
  std::string take_one_of(const std::array<std::string_view, n>& symbols) {
    for (const std::string_view symbol : symbols) {
      if (take_symbol(symbol)) return std::string(symbol);
    }
    return "";
  }

  Expression comparison() {
    static constexpr std::array<std::string_view, 6> symbols{"==", "!=", "<=", ">=", "<", ">"};
    Expression left = sum();
    if (const std::string operation = take_one_of(symbols); !operation.empty())
      return binary(operation, std::move(left), sum());
    const bool negated = take_word("not");
    if (take_word("in")) return binary("in", std::move(left), sum());
    if (negated) throw Error("'not' without 'in'");
    return left;
  }

  Expression sum() {
    static constexpr std::array<std::string_view, 2> symbols{"+", "-"};
    Expression left = concatenation();
    for (std::string operation = take_one_of(symbols); !operation.empty(); operation = take_one_of(symbols))
      left = binary(operation, std::move(left), concatenation());
    return left;
  }

  Expression concatenation() {
    Expression left = remainder();
    while (take_symbol("~")) left = binary("~", std::move(left), remainder());
    return left;
  }

  Expression remainder() {
    Expression left = signed_value();
    while (take_symbol("%")) left = binary("%", std::move(left), signed_value());
    return left;
  }

  Expression signed_value() {
    const Depth depth(depth_);
    return take_symbol("-") ? unary(Kind::minus, signed_value()) : filtered();
  }

  /// A value with its members, items, filters and tests.
  Expression filtered() {
    Expression value = primary();
    while (true) {
      if (take_symbol(".")) {
        value = member(std::move(value), take_name());
      } else if (take_symbol("[")) {
        value = item(std::move(value));
      } else if (take_symbol("|")) {
        if (const std::string filter = take_name(); filter != "trim")
          throw Error(fmt::format("the filter '{}'", filter));
        value = unary(Kind::strip, std::move(value));
      } else if (take_word("is")) {
        value = test(std::move(value));
      } else {
        return value;
      }
    }
  }

  Expression member(Expression owner, std::string name) {
    if (!is_symbol("(")) {
      Expression node = unary(Kind::member, std::move(owner));
      node.text = std::move(name);
      return node;
    }
    if (name != "strip" || !take_symbol("(") || !take_symbol(")"))
      throw Error(fmt::format("the method '.{}()'", name));
    return unary(Kind::strip, std::move(owner));
  }

  Expression item(Expression owner) {
    Expression node = unary(Kind::item, std::move(owner));
    node.children.push_back(conditional());
    if (take_symbol(":")) node.kind = Kind::tail;
    expect_symbol("]");
    return node;
  }

  Expression test(Expression value) {
    const bool negated = take_word("not");
    Expression node = unary(Kind::test, std::move(value));
    node.text = take_name();
    static constexpr std::array<std::string_view, 4> known{"defined", "undefined", "none", "string"};
    if (std::ranges::find(known, node.text) == known.end())
      throw Error(fmt::format("the test 'is {}'", node.text));
    return negated ? unary(Kind::negation, std::move(node)) : node;
  }

  Expression primary() {
    const Token& token = tokens_[at_];
    if (take_symbol("(")) {
      Expression inner = conditional();
      expect_symbol(")");
      return inner;
    }
    if (token.kind == Token::Kind::text) return ++at_, Expression{Kind::text, token.value, 0, {}};
    if (token.kind == Token::Kind::number) return number();
    const std::string name = take_name();
    if (name == "true" || name == "True") return {Kind::truth, "", 1, {}};
    if (name == "false" || name == "False") return {Kind::truth, "", 0, {}};
    if (name == "none" || name == "None") return {Kind::none, "", 0, {}};
    if (!take_symbol("(")) return {Kind::variable, name, 0, {}};
    if (name != "raise_exception") throw Error(fmt::format("the function '{}'", name));
    Expression message = conditional();
    expect_symbol(")");
    return unary(Kind::refusal, std::move(message));
  }

  Expression number() {
    const std::string& digits = tokens_[at_++].value;
    Expression node{Kind::number, "", 0, {}};
    const char* const end = digits.data() + digits.size();
    if (const auto [stop, error] = std::from_chars(digits.data(), end, node.number);
        error != std::errc() || stop != end) {
      throw Error(fmt::format("the number '{}'", digits));
    }
    return node;
  }

  const std::vector<Token>& tokens_;
  std::size_t at_ = 0;
  int& depth_;
};

/// Puts pieces together to statements.
class Parser {
 public:
  explicit Parser(std::vector<Piece> pieces) : pieces_(std::move(pieces)) {}

  std::vector<Node> whole() { return body({}); }

 private:
  /// First word of the statement at hand.
  [[nodiscard]] std::string word() const {
    const Token& first = pieces_[at_].tokens.front();
    return first.kind == Token::Kind::word ? first.value : "";
  }

  /// Up to a statement that begins with one of `ends`, which is not taken; {}: to the end of the template.
  std::vector<Node> body(const std::vector<std::string_view>& ends) {
    const Depth depth(depth_);
    std::vector<Node> nodes;
    for (; at_ < pieces_.size(); ++at_) {
      Piece& piece = pieces_[at_];
      if (piece.kind == Piece::Kind::text) {
        nodes.push_back({Node::Kind::text, std::move(piece.text), {}, {}, {}});
      } else if (piece.kind == Piece::Kind::output) {
        ExpressionParser parser(piece.tokens, depth_);
        nodes.push_back({Node::Kind::output, "", parser.conditional(), {}, {}});
        parser.expect_end();
      } else if (std::ranges::find(ends, word()) != ends.end()) {
        return nodes;
      } else if (word() != "generation" && word() != "endgeneration") {
        nodes.push_back(statement());
      }
    }
    if (!ends.empty()) throw Error(fmt::format("no '{}'", ends.front()));
    return nodes;
  }

  Node statement() {
    ExpressionParser parser(pieces_[at_].tokens, depth_);
    if (parser.take_word("if")) return branch(parser);
    if (parser.take_word("for")) return loop(parser);
    if (!parser.take_word("set")) throw Error(fmt::format("the statement '{}'", word()));
    Node node{Node::Kind::assignment, parser.take_name(), {}, {}, {}};
    parser.expect_symbol("=");
    node.expression = parser.conditional();
    parser.expect_end();
    return node;
  }

  /// From its condition to its endif, which is at hand afterwards.
  Node branch(ExpressionParser& parser) {
    Node node{Node::Kind::branch, "", parser.conditional(), {}, {}};
    parser.expect_end();
    ++at_;
    node.body = body({"endif", "elif", "else"});
    if (word() == "elif") {
      ExpressionParser next(pieces_[at_].tokens, depth_);
      next.take_word("elif");
      node.otherwise.push_back(branch(next));
    } else if (word() == "else") {
      ++at_;
      node.otherwise = body({"endif"});
    }
    return node;
  }

  Node loop(ExpressionParser& parser) {
    Node node{Node::Kind::loop, parser.take_name(), {}, {}, {}};
    if (!parser.take_word("in")) throw Error("a loop over several names");
    node.expression = parser.disjunction();  // an `if` after it is no conditional expression, but a filter
    parser.expect_end();
    ++at_;
    node.body = body({"endfor"});
    return node;
  }

  std::vector<Piece> pieces_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

std::vector<Node> parse(std::string_view source) { return Parser(split(source)).whole(); }

}  // namespace cola::small_jinja
