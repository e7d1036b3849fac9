#include <fmt/format.h>

#include "text/jinja/arguments.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/interpreter_guards.h"

// The expressions of a template.
namespace cola::jinja {

Value Interpreter::variable(int id) const {
  if (const Value* value = scope_->find(id)) return *value;
  return Undefined{fmt::format("'{}' is undefined", syntax_.names[static_cast<std::size_t>(id)])};
}

Value Interpreter::filtered(const Expression& chain, const Value& subject) {
  if (chain.kind != Expression::Kind::filter) return subject;
  return chain.filter(filtered(chain.children.front(), subject), arguments_of(chain));
}

CallArguments Interpreter::arguments_of(const Expression& expression) {
  CallArguments given;
  for (const Argument& argument : expression.arguments) {
    const Value value = evaluate(argument.value);
    switch (argument.kind) {
      case Argument::Kind::positional:
        given.positional.push_back(value);
        break;
      case Argument::Kind::named:
        given.named.emplace_back(argument.name, value);
        break;
      case Argument::Kind::list:
        for (const Value& item : items_of(value)) given.positional.push_back(item);
        break;
      case Argument::Kind::dict:
        if (value.dict() == nullptr)
          fail(fmt::format("argument after ** must be a mapping, not {}", type_name(value)));
        for (const auto& [name, item] : value.dict()->items) {
          if (name.text() == nullptr) fail("keywords must be strings");
          given.named.emplace_back(name.text()->bytes, item);
        }
        break;
    }
  }
  return given;
}

Value Interpreter::evaluate(const Expression& expression) {
  if (expression.kind == Expression::Kind::literal) return expression.value;
  if (expression.kind == Expression::Kind::variable) return variable(expression.id);
  step();
  const Depth depth(*this);
  try {
    Value value = evaluate_kind(expression);
    charge(value);
    return value;
  } catch (const Error& error) {
    rethrow_at(error, expression.place);
  }
}

Value Interpreter::evaluate_kind(const Expression& expression) {
  const auto child = [&](std::size_t i) { return evaluate(expression.children[i]); };
  using enum Expression::Kind;
  switch (expression.kind) {
    case literal:
      return expression.value;
    case variable:
      return this->variable(expression.id);
    case list:
    case tuple: {
      List all;
      all.form = expression.kind == tuple ? List::Form::tuple : List::Form::list;
      for (const Expression& item : expression.children) all.items.push_back(evaluate(item));
      return all;
    }
    case dict: {
      Dict all;
      for (std::size_t i = 0; i < expression.children.size(); i += 2) all.set(child(i), child(i + 1));
      return all;
    }
    case member:
      return member_of(child(0), expression.name);
    case item:
      return item_of(child(0), child(1));
    case slice:
      return slice_of(child(0), child(1), child(2), child(3));
    case call:
      return evaluate_call(expression);
    case filter:
      return expression.filter(child(0), arguments_of(expression));
    case test:
      return expression.test(child(0), arguments_of(expression));
    case negation:
      return !is_true(child(0));
    case minus:
      return jinja::arithmetic("-", std::int64_t{0}, child(0));
    case plus:
      return jinja::arithmetic("+", std::int64_t{0}, child(0));
    case Expression::Kind::arithmetic:
      return jinja::arithmetic(expression.name, child(0), child(1));
    case join: {
      Text text;
      for (const Expression& part : expression.children) text.append(text_of(evaluate(part)));
      return text;
    }
    case comparison:
      return evaluate_comparison(expression);
    case both: {
      const Value left = child(0);
      return is_true(left) ? child(1) : left;
    }
    case either: {
      const Value left = child(0);
      return is_true(left) ? left : child(1);
    }
    case conditional:
      if (is_true(child(1))) return child(0);
      if (expression.children.size() > 2) return child(2);
      return Undefined{"the inline if-expression evaluated to false and no else section was defined."};
  }
  return Value();
}

Value Interpreter::evaluate_call(const Expression& expression) {
  const Value callee = evaluate(expression.children.front());
  if (callee.is_undefined()) fail(callee.get<Undefined>()->what);
  if (callee.callable() == nullptr) fail(fmt::format("'{}' object is not callable", type_name(callee)));
  return callee.callable()->call(arguments_of(expression));
}

bool Interpreter::evaluate_comparison(const Expression& expression) {
  Value left = evaluate(expression.children.front());
  for (std::size_t i = 0; i < expression.names.size(); ++i) {
    const std::string& operation = expression.names[i];
    Value right = evaluate(expression.children[i + 1]);
    bool holds = false;
    if (operation == "==" || operation == "!=") {
      holds = are_equal(left, right) == (operation == "==");
    } else if (operation == "in" || operation == "not in") {
      holds = contains(right, left) == (operation == "in");
    } else if (operation == "<" || operation == ">=") {
      holds = is_less(left, right) == (operation == "<");
    } else {
      holds = is_less(right, left) == (operation == ">");
    }
    if (!holds) return false;
    left = std::move(right);
  }
  return true;
}

}  // namespace cola::jinja
