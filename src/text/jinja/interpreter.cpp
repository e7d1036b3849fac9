#include "text/jinja/interpreter.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/jinja/arguments.h"
#include "text/jinja/functions.h"
#include "text/jinja/interpreter_guards.h"
#include "text/jinja/loop_variable.h"

namespace cola::jinja {

const Value* Scope::find_own(int id) const {
  for (const auto& [name, value] : values) {
    if (name == id) return &value;
  }
  return nullptr;
}

const Value* Scope::find(int id) const {
  for (const Scope* scope = this; scope != nullptr; scope = scope->parent.get()) {
    if (const Value* value = scope->find_own(id)) return value;
  }
  return nullptr;
}

void Scope::set(int id, Value value) {
  const auto found = std::ranges::find(values, id, &std::pair<int, Value>::first);
  if (found == values.end()) {
    values.emplace_back(id, std::move(value));
  } else {
    found->second = std::move(value);
  }
}

namespace {

/// Puts something in place of a variable's value while it lives.
template <class T>
class Replaced {
 public:
  Replaced(T& variable, T value) : variable_(variable), before_(std::exchange(variable, std::move(value))) {}
  ~Replaced() { variable_ = std::move(before_); }
  Replaced(const Replaced&) = delete;
  Replaced& operator=(const Replaced&) = delete;

 private:
  T& variable_;
  T before_;
};

std::shared_ptr<Scope> inside(const std::shared_ptr<Scope>& parent) {
  auto scope = std::make_shared<Scope>();
  scope->parent = parent;
  return scope;
}

/// A scope of its own for a turn of a loop: the last turn's, emptied, where nothing refers to that.
void begin_turn(std::shared_ptr<Scope>& scope, const std::shared_ptr<Scope>& outer) {
  if (scope == outer || scope.use_count() > 1 || scope->has_macros) {
    scope = inside(outer);
    return;
  }
  scope->values.clear();
  scope->loop_value.reset();
}

}  // namespace

Interpreter::Interpreter(const Syntax& syntax, const Dict& variables, const RenderOptions& options)
    : syntax_(syntax), options_(options) {
  for (std::size_t i = 0; i < syntax.names.size(); ++i) {
    const auto id = static_cast<int>(i);
    const std::string& name = syntax.names[i];
    if (name == "loop") loop_id_ = id;
    if (const Value* value = variables.find(name)) {
      scope_->values.emplace_back(id, *value);
    } else if (auto function = function_named(name, options.now)) {
      scope_->values.emplace_back(id, *std::move(function));
    }
  }
}

Interpreter::~Interpreter() {
  for (const std::shared_ptr<Namespace>& space : changed_) space->members.items.clear();
}

Rendered Interpreter::run() {
  scope_ = inside(scope_);
  run(syntax_.body);
  return std::move(result_);
}

void Interpreter::step() {
  if (++steps_ > options_.most_steps)
    throw Error(Error::Kind::exhausted, "the template takes too many steps");
}

/// What is made takes memory: so many items and bytes count as a step.
void Interpreter::charge(const Value& value) {
  constexpr std::int64_t bytes_a_step = 64;
  if (const List* list = value.list()) steps_ += 4 * std::ssize(list->items);
  if (const Text* text = value.text()) {
    if (text->bytes.size() > options_.most_bytes)
      throw Error(Error::Kind::exhausted, "the template makes too long a text");
    steps_ += std::ssize(text->bytes) / bytes_a_step;
  }
}

void Interpreter::write(const Text& text) {
  if (out_->bytes.size() + text.bytes.size() > options_.most_bytes)
    throw Error(Error::Kind::exhausted, "the template writes too much");
  out_->append(text);
}

Interpreter::Flow Interpreter::run(const Body& body) {
  for (const Statement& statement : body) {
    const Flow flow = run(statement);
    if (flow != Flow::on) return flow;
  }
  return Flow::on;
}

Interpreter::Flow Interpreter::run(const Statement& statement) {
  step();
  const Depth depth(*this);
  try {
    switch (statement.kind) {
      case Statement::Kind::text:
        write(*statement.value.text());
        break;
      case Statement::Kind::output: {
        Value made;
        const Value& value = look(statement.expression, made);
        value.text() != nullptr ? write(*value.text()) : write(text_of(value));
        break;
      }
      case Statement::Kind::branches:
        return run_branches(statement);
      case Statement::Kind::loop:
        run_loop(statement);
        break;
      case Statement::Kind::assignment:
        assign(statement.target, evaluate(statement.expression));
        break;
      case Statement::Kind::block:
        assign(statement.target, filtered(statement.expression, captured(statement.body)));
        break;
      case Statement::Kind::filter:
        write(text_of(filtered(statement.expression, captured(statement.body))));
        break;
      case Statement::Kind::macro:
        define_macro(statement);
        break;
      case Statement::Kind::leave:
        return Flow::leave;
      case Statement::Kind::next:
        return Flow::next;
      case Statement::Kind::generation:
        run_generation(statement);
        break;
    }
  } catch (const Error& error) {
    rethrow_at(error, statement.place);
  }
  return Flow::on;
}

Interpreter::Flow Interpreter::run_branches(const Statement& statement) {
  for (const Branch& branch : statement.branches) {
    if (holds(branch.condition)) return run(branch.body);
  }
  return Flow::on;
}

void Interpreter::run_loop(const Statement& statement) {
  const std::shared_ptr<Scope> outer = scope_;
  const Replaced<std::shared_ptr<Scope>> scope(scope_, outer);
  Value made;
  std::vector<Value> items = items_of(look(statement.expression, made));
  if (statement.has_condition) {
    std::vector<Value> kept;
    for (Value& item : items) {
      step();
      scope_ = inside(outer);
      assign(statement.target, item);
      if (holds(statement.condition)) kept.push_back(std::move(item));
    }
    items = std::move(kept);
  }
  for (std::size_t i = 0; i < items.size(); ++i) {
    step();
    begin_turn(scope_, outer);
    if (loop_id_ >= 0) scope_->loop = LoopPlace{&items, i};
    assign(statement.target, items[i]);
    if (run(statement.body) == Flow::leave) break;
  }
  scope_ = inside(outer);
  if (items.empty()) run(statement.otherwise);
}

void Interpreter::run_generation(const Statement& statement) {
  const Replaced<std::shared_ptr<Scope>> scope(scope_, inside(scope_));
  if (out_ != &result_.text)
    throw Error(Error::Kind::unknown, "a generation block within a macro or a set block is not known here");
  const std::size_t begin = out_->bytes.size();
  run(statement.body);
  result_.generated.emplace_back(begin, out_->bytes.size());
}

Text Interpreter::captured(const Body& body) {
  Text text;
  const Replaced<Text*> out(out_, &text);
  const Replaced<std::shared_ptr<Scope>> scope(scope_, inside(scope_));
  run(body);
  return text;
}

void Interpreter::define_macro(const Statement& statement) {
  // A macro lives no longer than the scopes that hold it: a reference back would keep them for ever.
  const std::weak_ptr<Scope> closure = scope_;
  scope_->has_macros = true;
  scope_->set(statement.target.id,
              Callable{statement.name, [this, &statement, closure](const CallArguments& given) {
                         const std::shared_ptr<Scope> scope = closure.lock();
                         if (scope == nullptr) {
                           throw Error(Error::Kind::unknown,
                                       fmt::format("calling the macro '{}' out of its loop is not known here",
                                                   statement.name));
                         }
                         return call_macro(statement, scope, given);
                       }});
}

Value Interpreter::call_macro(const Statement& macro, const std::shared_ptr<Scope>& closure,
                              const CallArguments& given) {
  const Replaced<std::shared_ptr<Scope>> scope(scope_, inside(closure));
  if (given.positional.size() > macro.parameters.size()) {
    fail(fmt::format("macro '{}' takes not more than {} argument(s)", macro.name,
                     std::to_string(macro.parameters.size())));
  }
  for (const auto& [name, value] : given.named) {
    if (std::ranges::find(macro.parameters, name, &Parameter::name) == macro.parameters.end())
      fail(fmt::format("macro '{}' takes no keyword argument '{}'", macro.name, name));
  }
  for (std::size_t i = 0; i < macro.parameters.size(); ++i) {
    const Parameter& parameter = macro.parameters[i];
    const auto named = std::ranges::find(given.named, parameter.name, &std::pair<std::string, Value>::first);
    const bool has_place = i < given.positional.size();
    if (has_place && named != given.named.end())
      fail(fmt::format("macro '{}' got multiple values for argument '{}'", macro.name, parameter.name));
    if (has_place) {
      scope_->set(parameter.id, given.positional[i]);
    } else if (named != given.named.end()) {
      scope_->set(parameter.id, named->second);
    } else if (parameter.has_default) {
      scope_->set(parameter.id, evaluate(parameter.fallback));
    } else {
      scope_->set(parameter.id, Undefined{fmt::format("parameter '{}' was not provided", parameter.name)});
    }
  }
  Text text;
  const Replaced<Text*> out(out_, &text);
  run(macro.body);
  return text;
}

void Interpreter::assign(const Target& target, const Value& value) {
  if (!target.member.empty()) {
    const Value* holder = scope_->find(target.id);
    const auto* space = holder != nullptr ? holder->get<std::shared_ptr<Namespace>>() : nullptr;
    if (space == nullptr) fail("cannot assign attribute on non-namespace object");
    (*space)->members.set(Text(target.member), value);
    changed_.insert(*space);
  } else if (target.id >= 0) {
    scope_->set(target.id, value);
  } else {
    const std::vector<Value> parts = items_of(value);
    if (parts.size() != target.parts.size()) {
      fail(parts.size() < target.parts.size() ? "not enough values to unpack" : "too many values to unpack");
    }
    for (std::size_t i = 0; i < parts.size(); ++i) assign(target.parts[i], parts[i]);
  }
}

}  // namespace cola::jinja
