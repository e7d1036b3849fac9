#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "text/jinja/expression_parser.h"

// Literals and what follows a value: members, items, calls, filters, tests.
namespace cola::jinja {

using Kind = Expression::Kind;

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
    result.value = Undefined{fmt::format("'{}' is undefined", name)};
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
      member.value = missing_from_dict(member.name);
      member.text_method = find_text_method(member.name);
      member.is_method_of_dict = is_method_of_dict(member.name);
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
