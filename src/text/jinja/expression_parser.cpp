#include "text/jinja/expression_parser.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <utility>

namespace cola::jinja {

using Kind = Expression::Kind;

Expression ExpressionParser::at_here(Kind kind) const {
  Expression expression;
  expression.kind = kind;
  expression.place = tokens_.peek().place;
  return expression;
}

int ExpressionParser::id_of(const std::string& name) {
  const auto [found, is_new] = ids_.try_emplace(name, static_cast<int>(names_.size()));
  if (is_new) names_.push_back(name);
  return found->second;
}

namespace {

Expression with_children(Expression parent, Expression first) {
  parent.children.push_back(std::move(first));
  return parent;
}

Expression with_children(Expression parent, Expression first, Expression second) {
  parent.children.push_back(std::move(first));
  parent.children.push_back(std::move(second));
  return parent;
}

}  // namespace

Expression ExpressionParser::tuple(bool with_conditional) {
  Expression several = at_here(Kind::tuple);
  const auto one = [&] { return with_conditional ? expression() : either(); };
  Expression first = one();
  if (!tokens_.is_symbol(",")) return first;
  several.children.push_back(std::move(first));
  while (tokens_.take_symbol(",")) {
    const Token::Kind next = tokens_.peek().kind;
    if (next == Token::Kind::output_end || next == Token::Kind::statement_end || tokens_.is_symbol(")"))
      break;
    several.children.push_back(one());
  }
  return several;
}

Expression ExpressionParser::expression() {
  const DepthScope scope(tokens_);
  Expression result = either();
  while (tokens_.is_word("if")) {
    Expression conditional = at_here(Kind::conditional);
    tokens_.take();
    conditional.children.push_back(std::move(result));
    conditional.children.push_back(either());
    if (tokens_.take_word("else")) conditional.children.push_back(expression());
    result = std::move(conditional);
  }
  return result;
}

Expression ExpressionParser::either() {
  Expression left = both();
  while (tokens_.is_word("or")) {
    Expression result = at_here(Kind::either);
    tokens_.take();
    left = with_children(std::move(result), std::move(left), both());
  }
  return left;
}

Expression ExpressionParser::both() {
  Expression left = negation();
  while (tokens_.is_word("and")) {
    Expression result = at_here(Kind::both);
    tokens_.take();
    left = with_children(std::move(result), std::move(left), negation());
  }
  return left;
}

Expression ExpressionParser::negation() {
  if (!tokens_.is_word("not")) return comparison();
  const DepthScope scope(tokens_);
  Expression result = at_here(Kind::negation);
  tokens_.take();
  return with_children(std::move(result), negation());
}

Expression ExpressionParser::comparison() {
  Expression result = at_here(Kind::comparison);
  Expression first = sum();
  for (;;) {
    const Token& token = tokens_.peek();
    if (token.kind == Token::Kind::symbol &&
        (token.value == "==" || token.value == "!=" || token.value == "<" || token.value == "<=" ||
         token.value == ">" || token.value == ">=")) {
      result.names.push_back(tokens_.take().value);
    } else if (tokens_.take_word("in")) {
      result.names.emplace_back("in");
    } else if (tokens_.is_word("not") && tokens_.peek(1).value == "in" &&
               tokens_.peek(1).kind == Token::Kind::name) {
      tokens_.take();
      tokens_.take();
      result.names.emplace_back("not in");
    } else {
      break;
    }
    if (result.children.empty()) result.children.push_back(std::move(first));
    result.children.push_back(sum());
  }
  return result.names.empty() ? first : result;
}

Expression ExpressionParser::sum() {
  Expression left = join();
  while (tokens_.is_symbol("+") || tokens_.is_symbol("-")) {
    Expression result = at_here(Kind::arithmetic);
    result.name = tokens_.take().value;
    left = with_children(std::move(result), std::move(left), join());
  }
  return left;
}

Expression ExpressionParser::join() {
  Expression result = at_here(Kind::join);
  Expression first = product();
  if (!tokens_.is_symbol("~")) return first;
  result.children.push_back(std::move(first));
  while (tokens_.take_symbol("~")) result.children.push_back(product());
  return result;
}

Expression ExpressionParser::product() {
  Expression left = signed_value(true);
  for (;;) {
    if (tokens_.is_symbol("**")) tokens_.unknown("the operator **");
    if (!tokens_.is_symbol("*") && !tokens_.is_symbol("/") && !tokens_.is_symbol("//") &&
        !tokens_.is_symbol("%"))
      return left;
    Expression result = at_here(Kind::arithmetic);
    result.name = tokens_.take().value;
    left = with_children(std::move(result), std::move(left), signed_value(true));
  }
}

Expression ExpressionParser::signed_value(bool with_filters) {
  Expression result;
  if (tokens_.is_symbol("-") || tokens_.is_symbol("+")) {
    const DepthScope scope(tokens_);
    result = at_here(tokens_.is_symbol("-") ? Kind::minus : Kind::plus);
    tokens_.take();
    result = with_children(std::move(result), signed_value(false));
  } else {
    result = primary();
  }
  result = postfix(std::move(result));
  if (!with_filters) return result;
  for (;;) {
    if (tokens_.is_symbol("|")) {
      result = filters(std::move(result));
    } else if (tokens_.is_word("is")) {
      result = test(std::move(result));
    } else if (tokens_.is_symbol("(")) {
      Expression call = at_here(Kind::call);
      call.arguments = arguments();
      result = with_children(std::move(call), std::move(result));
    } else {
      return result;
    }
  }
}

Expression ExpressionParser::primary() {
  Expression literal = at_here(Kind::literal);
  switch (tokens_.peek().kind) {
    case Token::Kind::name:
      return word();
    case Token::Kind::text: {
      std::string text;
      while (tokens_.peek().kind == Token::Kind::text) text += tokens_.take().value;
      literal.value = Text(std::move(text));
      return literal;
    }
    case Token::Kind::integer: {
      const std::string& digits = tokens_.peek().value;
      std::int64_t integer = 0;
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), integer);
      if (error != std::errc()) tokens_.unknown("an integer of more than 64 bits");
      if (digits.size() > 1 && digits.front() == '0' && integer != 0)
        tokens_.fail("a number with a leading 0");
      tokens_.take();
      literal.value = integer;
      return literal;
    }
    case Token::Kind::real: {
      const std::string& digits = tokens_.peek().value;
      double real = 0.0;
      if (std::from_chars(digits.data(), digits.data() + digits.size(), real).ec != std::errc())
        tokens_.unknown("a number beyond a double's range");
      tokens_.take();
      literal.value = real;
      return literal;
    }
    default:
      break;
  }
  if (tokens_.take_symbol("(")) {
    const DepthScope scope(tokens_);
    if (tokens_.take_symbol(")")) return at_here(Kind::tuple);
    Expression inner = tuple();
    tokens_.expect_symbol(")");
    return inner;
  }
  if (tokens_.is_symbol("[")) return list();
  if (tokens_.is_symbol("{")) return dict();
  tokens_.fail(fmt::format("unexpected '{}'", tokens_.peek().value));
}

Expression ExpressionParser::word() {
  Expression result = at_here(Kind::literal);
  const std::string& name = tokens_.take().value;
  if (name == "true" || name == "True") {
    result.value = true;
  } else if (name == "false" || name == "False") {
    result.value = false;
  } else if (name == "none" || name == "None") {
    result.value = None();
  } else {
    result.kind = Kind::variable;
    result.id = id_of(name);
  }
  return result;
}

Expression ExpressionParser::list() {
  const DepthScope scope(tokens_);
  Expression result = at_here(Kind::list);
  tokens_.take();
  while (!tokens_.take_symbol("]")) {
    if (!result.children.empty()) {
      tokens_.expect_symbol(",");
      if (tokens_.take_symbol("]")) break;
    }
    result.children.push_back(expression());
  }
  return result;
}

Expression ExpressionParser::dict() {
  const DepthScope scope(tokens_);
  Expression result = at_here(Kind::dict);
  tokens_.take();
  while (!tokens_.take_symbol("}")) {
    if (!result.children.empty()) {
      tokens_.expect_symbol(",");
      if (tokens_.take_symbol("}")) break;
    }
    result.children.push_back(expression());
    tokens_.expect_symbol(":");
    result.children.push_back(expression());
  }
  return result;
}

Expression ExpressionParser::postfix(Expression subject) {
  for (;;) {
    if (tokens_.is_symbol(".")) {
      Expression member = at_here(Kind::member);
      tokens_.take();
      if (tokens_.peek().kind == Token::Kind::integer) tokens_.unknown("an index after a point");
      member.place = tokens_.peek().place;
      member.name = tokens_.expect(Token::Kind::name, "a name").value;
      subject = with_children(std::move(member), std::move(subject));
    } else if (tokens_.is_symbol("[")) {
      subject = subscript(std::move(subject));
    } else if (tokens_.is_symbol("(")) {
      Expression call = at_here(Kind::call);
      call.arguments = arguments();
      subject = with_children(std::move(call), std::move(subject));
    } else {
      return subject;
    }
  }
}

Expression ExpressionParser::subscript(Expression subject) {
  const DepthScope scope(tokens_);
  Expression result = at_here(Kind::item);
  tokens_.take();
  const auto part = [&] {
    if (!tokens_.is_symbol(":") && !tokens_.is_symbol("]")) return expression();
    Expression left_out = at_here(Kind::literal);
    left_out.value = None();
    return left_out;
  };
  if (tokens_.is_symbol("]")) tokens_.fail("expected an index");
  Expression first = part();
  if (!tokens_.is_symbol(":")) {
    if (tokens_.is_symbol(",")) tokens_.unknown("an index of several");
    tokens_.expect_symbol("]");
    return with_children(std::move(result), std::move(subject), std::move(first));
  }
  result.kind = Kind::slice;
  result = with_children(std::move(result), std::move(subject), std::move(first));
  tokens_.take();
  result.children.push_back(part());
  const bool has_step = tokens_.take_symbol(":");
  result.children.push_back(part());
  if (!has_step && !result.children.back().value.is_none()) tokens_.fail("expected ']'");
  tokens_.expect_symbol("]");
  return result;
}

Expression ExpressionParser::test(Expression subject) {
  Expression result = at_here(Kind::test);
  tokens_.take();
  const bool is_negated = tokens_.take_word("not");
  result.place = tokens_.peek().place;
  result.name = tokens_.expect(Token::Kind::name, "a test").value;
  result.test = find_test(result.name);
  if (result.test == nullptr)
    throw Error(Error::Kind::unknown, fmt::format("the test '{}' is not known here", result.name),
                result.place);
  const Token& next = tokens_.peek();
  if (tokens_.is_symbol("(")) {
    result.arguments = arguments();
  } else if (next.kind == Token::Kind::text || next.kind == Token::Kind::integer ||
             next.kind == Token::Kind::real || tokens_.is_symbol("[") || tokens_.is_symbol("{") ||
             (next.kind == Token::Kind::name && next.value != "else" && next.value != "or" &&
              next.value != "and" && next.value != "is" && next.value != "if" && next.value != "in" &&
              next.value != "not")) {
    Argument argument;
    argument.value = postfix(primary());
    result.arguments.push_back(std::move(argument));
  }
  result = with_children(std::move(result), std::move(subject));
  if (!is_negated) return result;
  Expression negated;
  negated.kind = Kind::negation;
  negated.place = result.place;
  return with_children(std::move(negated), std::move(result));
}

Expression ExpressionParser::filters(Expression subject, bool first) {
  while (first || tokens_.take_symbol("|")) {
    first = false;
    subject = filter(std::move(subject));
  }
  return subject;
}

Expression ExpressionParser::filter(Expression subject) {
  Expression result = at_here(Kind::filter);
  result.name = tokens_.expect(Token::Kind::name, "a filter").value;
  result.filter = find_filter(result.name);
  if (result.filter == nullptr)
    throw Error(Error::Kind::unknown, fmt::format("the filter '{}' is not known here", result.name),
                result.place);
  if (tokens_.is_symbol("(")) result.arguments = arguments();
  return with_children(std::move(result), std::move(subject));
}

std::vector<Argument> ExpressionParser::arguments() {
  const DepthScope scope(tokens_);
  std::vector<Argument> all;
  tokens_.expect_symbol("(");
  while (!tokens_.take_symbol(")")) {
    if (!all.empty()) {
      tokens_.expect_symbol(",");
      if (tokens_.take_symbol(")")) break;
    }
    Argument argument;
    if (tokens_.take_symbol("*")) {
      argument.kind = Argument::Kind::list;
    } else if (tokens_.take_symbol("**")) {
      argument.kind = Argument::Kind::dict;
    } else if (tokens_.peek().kind == Token::Kind::name && tokens_.peek(1).kind == Token::Kind::symbol &&
               tokens_.peek(1).value == "=") {
      argument.kind = Argument::Kind::named;
      argument.name = tokens_.take().value;
      tokens_.take();
    } else if (!all.empty() && all.back().kind != Argument::Kind::positional) {
      tokens_.fail("invalid syntax for function call expression");
    }
    argument.value = expression();
    all.push_back(std::move(argument));
  }
  return all;
}

}  // namespace cola::jinja
