#include <fmt/format.h>

#include "text/jinja/arguments.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/interpreter_guards.h"

// The expressions of a template.
namespace cola::jinja {

const Value* Interpreter::find_variable(int id) {
  if (id != loop_id_) return scope_->find(id);
  for (Scope* scope = scope_.get(); scope != nullptr; scope = scope->parent.get()) {
    if (const Value* value = scope->find_own(id)) return value;
    if (!scope->loop) continue;
    if (!scope->loop_value) scope->loop_value = loop_variable(*scope->loop);
    return &*scope->loop_value;
  }
  return nullptr;
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

bool Interpreter::holds(const Expression& condition) {
  Value made;
  return is_true(look(condition, made));
}

const Value& Interpreter::look(const Expression& expression, Value& made) {
  switch (expression.kind) {
    case Expression::Kind::literal:
      return expression.value;
    case Expression::Kind::variable: {
      const Value* value = find_variable(expression.id);
      return value != nullptr ? *value : expression.value;
    }
    case Expression::Kind::member: {
      step();
      const Depth depth(*this);
      try {
        return look_at_member(expression, made);
      } catch (const Error& error) {
        rethrow_at(error, expression.place);
      }
    }
    default:
      return made = evaluate(expression);
  }
}

const Value& Interpreter::look_at_member(const Expression& expression, Value& made) {
  const Expression& holder = expression.children.front();
  if (holder.kind == Expression::Kind::variable && holder.id == loop_id_) {
    const Scope* scope = scope_.get();
    while (scope != nullptr && !scope->loop && scope->find_own(loop_id_) == nullptr)
      scope = scope->parent.get();
    if (scope != nullptr && scope->find_own(loop_id_) == nullptr) {
      if (auto member = loop_member(*scope->loop, expression.name)) return made = *std::move(member);
    }
  }
  Value made_holder;
  const Value& value = look(holder, made_holder);
  if (value.dict() == nullptr || expression.is_method_of_dict)
    return made = member_of(value, expression.name);
  const Value* found = value.dict()->find(expression.name);
  if (found == nullptr) return expression.value;
  return &value == &made_holder ? made = *found : *found;
}

Value Interpreter::evaluate(const Expression& expression) {
  using enum Expression::Kind;
  if (expression.kind == literal || expression.kind == variable || expression.kind == member) {
    Value made;
    const Value& value = look(expression, made);
    return &value == &made ? std::move(made) : value;
  }
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
  Value made, made_second;
  const auto look_at = [&](std::size_t i) -> const Value& { return look(expression.children[i], made); };
  using enum Expression::Kind;
  switch (expression.kind) {
    case literal:
    case variable:
    case member:
      return look(expression, made);
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
    case item: {
      const Value& holder = look_at(0);
      return item_of(holder, look(expression.children[1], made_second));
    }
    case slice:
      return slice_of(child(0), child(1), child(2), child(3));
    case call:
      return evaluate_call(expression);
    case filter:
      return expression.filter(look_at(0), arguments_of(expression));
    case test:
      return expression.test(look_at(0), arguments_of(expression));
    case negation:
      return !holds(expression.children[0]);
    case minus:
      return jinja::arithmetic("-", std::int64_t{0}, child(0));
    case plus:
      return jinja::arithmetic("+", std::int64_t{0}, child(0));
    case Expression::Kind::arithmetic:
      made = child(0);
      return jinja::arithmetic(expression.name, std::move(made), look(expression.children[1], made_second));
    case join: {
      Text text;
      for (const Expression& part : expression.children) {
        const Value& value = look(part, made);
        text.append(value.text() != nullptr ? *value.text() : text_of(value));
      }
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
      if (holds(expression.children[1])) return child(0);
      if (expression.children.size() > 2) return child(2);
      return Undefined{"the inline if-expression evaluated to false and no else section was defined."};
  }
  return Value();
}

namespace {

/// A failure to find it is one of the member's place.
Value member_at(Place place, const Value& holder, std::string_view name) {
  try {
    return member_of(holder, name);
  } catch (const Error& error) {
    rethrow_at(error, place);
  }
}

}  // namespace

Value Interpreter::evaluate_call(const Expression& expression) {
  const Expression& called = expression.children.front();
  if (called.kind == Expression::Kind::member && called.text_method != nullptr) {
    step();
    Value made;
    const Value& holder = look(called.children.front(), made);
    if (const Text* text = holder.text()) return called.text_method(*text, arguments_of(expression));
    return call(member_at(called.place, holder, called.name), expression);
  }
  return call(evaluate(called), expression);
}

Value Interpreter::call(const Value& callee, const Expression& expression) {
  if (callee.is_undefined()) fail(callee.get<Undefined>()->what());
  if (callee.callable() == nullptr) fail(fmt::format("'{}' object is not callable", type_name(callee)));
  return callee.callable()->call(arguments_of(expression));
}

bool Interpreter::evaluate_comparison(const Expression& expression) {
  Value made_left, made_right;
  const Value* known = &look(expression.children.front(), made_left);
  for (std::size_t i = 0; i < expression.names.size(); ++i) {
    const std::string& operation = expression.names[i];
    const Value& left = *known;
    const Value& right = look(expression.children[i + 1], made_right);
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
    if (i + 1 < expression.names.size()) known = &(made_left = right);
  }
  return true;
}

}  // namespace cola::jinja
