#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "text/jinja/loop_variable.h"
#include "text/jinja/syntax.h"
#include "text/jinja/template.h"

namespace cola::jinja {

/// Variables of a part of a template: of the whole, of one turn of a loop, of one call of a macro.
struct Scope {
  std::shared_ptr<Scope> parent;
  std::vector<std::pair<int, Value>> values;
  std::optional<LoopPlace> loop;    ///< of a turn: what `loop` is unless it has a value here
  std::optional<Value> loop_value;  ///< that, made when it is first asked for as a whole
  bool has_macros = false;          ///< which refer to it

  [[nodiscard]] const Value* find_own(int id) const;
  [[nodiscard]] const Value* find(int id) const;
  void set(int id, Value value);
};

/// Runs a template once. Refers to its syntax, which outlives it.
class Interpreter {
 public:
  Interpreter(const Syntax& syntax, const Dict& variables, const RenderOptions& options);

  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  [[nodiscard]] Rendered run();

 private:
  enum class Flow : std::uint8_t { on, leave, next };
  class Depth;

  Flow run(const Body& body);
  Flow run(const Statement& statement);
  Flow run_branches(const Statement& statement);
  void run_loop(const Statement& statement);
  void run_generation(const Statement& statement);
  [[nodiscard]] Text captured(const Body& body);
  void define_macro(const Statement& statement);
  [[nodiscard]] Value call_macro(const Statement& macro, const std::shared_ptr<Scope>& closure,
                                 const CallArguments& given);
  void assign(const Target& target, const Value& value);
  void write(const Text& text);

  [[nodiscard]] Value evaluate(const Expression& expression);
  /// The same without a copy where the value stands somewhere, else in `made`. Valid until a statement runs.
  [[nodiscard]] const Value& look(const Expression& expression, Value& made);
  [[nodiscard]] const Value& look_at_member(const Expression& expression, Value& made);
  [[nodiscard]] bool holds(const Expression& condition);
  [[nodiscard]] const Value* find_variable(int id);
  [[nodiscard]] Value evaluate_kind(const Expression& expression);
  [[nodiscard]] Value evaluate_call(const Expression& expression);
  [[nodiscard]] Value call(const Value& callee, const Expression& expression);
  [[nodiscard]] bool evaluate_comparison(const Expression& expression);
  [[nodiscard]] Value filtered(const Expression& chain, const Value& subject);
  [[nodiscard]] CallArguments arguments_of(const Expression& expression);
  void step();
  void charge(const Value& value);

  const Syntax& syntax_;
  const RenderOptions& options_;
  std::shared_ptr<Scope> scope_ = std::make_shared<Scope>();
  int loop_id_ = -1;                              ///< of the name `loop`; -1 where nothing asks for it
  std::set<std::shared_ptr<Namespace>> changed_;  ///< which may hold each other
  Rendered result_;
  Text* out_ = &result_.text;
  std::int64_t steps_ = 0;
  int depth_ = 0;
};

}  // namespace cola::jinja
