#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/builtins.h"
#include "text/jinja/error.h"
#include "text/jinja/value.h"

namespace cola::jinja {

struct Argument;

/// An expression. Children in the order of the text.
struct Expression {
  enum class Kind : std::uint8_t {
    literal,     ///< value
    variable,    ///< number `id` of the template's names
    list,        ///< of the children
    tuple,       ///< of the children
    dict,        ///< children: key, value, key, value ...
    member,      ///< child 0, name: x.name
    item,        ///< child 0 at child 1: x[key]
    slice,       ///< child 0 from child 1 to child 2 by child 3; those left out are the literal none
    call,        ///< child 0 with the arguments
    filter,      ///< child 0 by `filter` with the arguments
    test,        ///< whether child 0 is `test` with the arguments
    negation,    ///< not child 0
    minus,       ///< - child 0
    plus,        ///< + child 0
    arithmetic,  ///< child 0, name, child 1: + - * / // %
    join,        ///< the children's texts one after the other: ~
    comparison,  ///< child 0, names[0], child 1, names[1], child 2 ...: == != < <= > >= in, not in
    both,        ///< child 0 and child 1
    either,      ///< child 0 or child 1
    conditional  ///< child 0 if child 1 else child 2, which may be missing
  };

  Kind kind = Kind::literal;
  Place place;
  std::string name;
  std::vector<std::string> names;
  Value value;                     ///< of a variable or a dictionary's member what it is if there is none
  bool is_method_of_dict = false;  ///< of a member: its name is
  int id = -1;
  std::vector<Expression> children;
  std::vector<Argument> arguments;
  Filter filter = nullptr;
  Test test = nullptr;
  TextMethod text_method = nullptr;  ///< of a member: what a call of it is of a text
};

struct Argument {
  enum class Kind : std::uint8_t { positional, named, list, dict };  ///< x, name=x, *x, **x
  Kind kind = Kind::positional;
  std::string name;
  Expression value;
};

[[nodiscard]] inline Expression with_children(Expression parent, Expression first) {
  parent.children.push_back(std::move(first));
  return parent;
}

[[nodiscard]] inline Expression with_children(Expression parent, Expression first, Expression second) {
  parent.children.push_back(std::move(first));
  parent.children.push_back(std::move(second));
  return parent;
}

/// What `for` and `set` give values to: a name, a member of a namespace, or several names.
struct Target {
  int id = -1;                ///< a name's number; -1 with several
  std::string member;         ///< of a namespace, else empty
  std::vector<Target> parts;  ///< of a tuple
  Place place;
};

struct Statement;
using Body = std::vector<Statement>;

struct Branch {
  Expression condition;
  Body body;
};

struct Parameter {
  int id = -1;
  std::string name;
  bool has_default = false;
  Expression fallback;
};

struct Statement {
  enum class Kind : std::uint8_t {
    text,        ///< value
    output,      ///< expression
    branches,    ///< if, elif; the last with the literal true is else
    loop,        ///< target, expression, condition (`for ... if`), body, otherwise (else)
    assignment,  ///< target, expression
    block,       ///< target, body, and expression's filters of the literal that the body makes (set block)
    filter,      ///< body through expression's filters
    macro,       ///< target, parameters, body
    leave,       ///< break
    next,        ///< continue
    generation   ///< body, which is marked as what the assistant generates
  };

  Kind kind = Kind::text;
  Place place;
  Value value;
  Target target;
  Expression expression;
  bool has_condition = false;
  Expression condition;
  std::string name;
  std::vector<Branch> branches;
  std::vector<Parameter> parameters;
  Body body;
  Body otherwise;
};

/// A parsed template.
struct Syntax {
  Body body;
  std::vector<std::string> names;  ///< of variables, by number
  bool has_generation_blocks = false;
};

}  // namespace cola::jinja
