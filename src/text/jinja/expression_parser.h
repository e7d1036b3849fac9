#pragma once
#include <string>
#include <unordered_map>
#include <vector>

#include "text/jinja/syntax.h"
#include "text/jinja/tokens.h"

namespace cola::jinja {

/// Reads expressions; gives variables their numbers. Refers to tokens and names, which outlive it.
class ExpressionParser {
 public:
  ExpressionParser(Tokens& tokens, std::vector<std::string>& names) : tokens_(tokens), names_(names) {}

  /// An expression, or several separated by commas: a tuple.
  Expression tuple(bool with_conditional = true);
  Expression expression();
  /// The filters that follow `subject`; with `first`, one comes without its bar.
  Expression filters(Expression subject, bool first = false);
  [[nodiscard]] int id_of(const std::string& name);

 private:
  Expression either();
  Expression both();
  Expression negation();
  Expression comparison();
  Expression sum();
  Expression join();
  Expression product();
  Expression signed_value(bool with_filters);
  Expression primary();
  Expression word();
  Expression list();
  Expression dict();
  Expression postfix(Expression subject);
  Expression subscript(Expression subject);
  Expression test(Expression subject);
  Expression filter(Expression subject);
  std::vector<Argument> arguments();
  [[nodiscard]] Expression at_here(Expression::Kind kind) const;

  Tokens& tokens_;
  std::vector<std::string>& names_;
  std::unordered_map<std::string, int> ids_;
};

}  // namespace cola::jinja
