#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// The part of Jinja that a chat template without tools needs: text, {{ output }}, {% if %}, {% for %}, {% set
// %}, comments and {% generation %} (whose marks are passed over), with white space as transformers has it
// (trim_blocks, lstrip_blocks).
namespace cola::small_jinja {

/// An expression. Children in the order of the text.
struct Expression {
  enum class Kind : std::uint8_t {
    text,         ///< literal
    number,       ///< literal
    truth,        ///< true or false (number 1 or 0)
    none,         ///< none
    variable,     ///< name in text
    member,       ///< child 0, name in text: x.name
    item,         ///< child 0 at child 1: x[key]
    tail,         ///< child 0 from child 1 on: x[from:]
    strip,        ///< child 0 without white space around it: x.strip(), x | trim
    test,         ///< child 0 is text (defined, undefined, none, string)
    refusal,      ///< raise_exception(child 0)
    negation,     ///< not child 0
    minus,        ///< - child 0
    binary,       ///< child 0, operator in text, child 1: and or == != < <= > >= + - ~ % in
    conditional,  ///< child 0 if child 1 else child 2 (which may be missing)
  };
  Kind kind = Kind::none;
  std::string text;
  std::int64_t number = 0;
  std::vector<Expression> children;
};

/// A statement, text or output.
struct Node {
  enum class Kind : std::uint8_t { text, output, branch, loop, assignment };
  Kind kind = Kind::text;
  std::string text;             ///< the text, or the name that a loop or an assignment gives
  Expression expression;        ///< what is written, asked, gone through or assigned
  std::vector<Node> body;       ///< of a branch or loop
  std::vector<Node> otherwise;  ///< of a branch: its else, or its elif as a branch
};

/// Parses a template. Throws Error saying what it has that is not known here, or where it is malformed.
[[nodiscard]] std::vector<Node> parse(std::string_view source);

}  // namespace cola::small_jinja
