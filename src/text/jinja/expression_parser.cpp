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
  result.children.push_back(sum());
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
    result.children.push_back(sum());
  }
  return result.names.empty() ? std::move(result.children.front()) : std::move(result);
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

}  // namespace cola::jinja
