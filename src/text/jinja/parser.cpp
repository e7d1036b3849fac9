#include "text/jinja/parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <utility>

#include "text/jinja/expression_parser.h"
#include "text/jinja/lexer.h"

namespace cola::jinja {
namespace {

class Parser {
 public:
  explicit Parser(std::string_view source) : tokens_(split(source)), expressions_(tokens_, syntax_.names) {}

  Syntax parse() {
    syntax_.body = body({});
    return std::move(syntax_);
  }

 private:
  using Kind = Statement::Kind;

  /// Statements up to {% and one of `ends`, which is left; with none, to the end of the template.
  Body body(std::initializer_list<std::string_view> ends) {
    const DepthScope scope(tokens_);
    Body statements;
    for (;;) {
      const Token& token = tokens_.peek();
      switch (token.kind) {
        case Token::Kind::end:
          if (ends.size() == 0) return statements;
          tokens_.fail(fmt::format("Unexpected end of template: {} is missing", std::string(*ends.begin())));
        case Token::Kind::data: {
          Statement text = at_here(Kind::text);
          text.value = Text(tokens_.take().value);
          statements.push_back(std::move(text));
          break;
        }
        case Token::Kind::output_begin: {
          Statement output = at_here(Kind::output);
          tokens_.take();
          output.expression = expressions_.tuple();
          tokens_.expect(Token::Kind::output_end, "end of print statement");
          statements.push_back(std::move(output));
          break;
        }
        default: {
          const std::string& word = tokens_.peek(1).value;
          if (std::ranges::find(ends, word) != ends.end()) return statements;
          statements.push_back(statement());
        }
      }
    }
  }

  [[nodiscard]] Statement at_here(Kind kind) const {
    Statement statement;
    statement.kind = kind;
    statement.place = tokens_.peek().place;
    return statement;
  }

  /// {% word ... %}
  Statement statement() {
    tokens_.expect(Token::Kind::statement_begin, "a statement");
    const Place place = tokens_.peek().place;
    const std::string word = tokens_.expect(Token::Kind::name, "a statement's name").value;
    Statement statement = of_word(word, place);
    statement.place = place;
    return statement;
  }

  Statement of_word(const std::string& word, Place place) {
    if (word == "if") return branches();
    if (word == "for") return loop();
    if (word == "set") return assignment();
    if (word == "macro") return macro();
    if (word == "filter") return filter_block();
    if (word == "generation") return generation();
    if (word == "break" || word == "continue") {
      if (loops_ == 0) throw Error(Error::Kind::malformed, "'" + word + "' outside of a loop", place);
      end_tag();
      return at_here(word == "break" ? Kind::leave : Kind::next);
    }
    throw Error(Error::Kind::unknown, fmt::format("the statement '{}' is not known here", word), place);
  }

  void end_tag() { tokens_.expect(Token::Kind::statement_end, "end of statement block"); }

  /// {% word %}
  void end(std::string_view word) {
    tokens_.expect(Token::Kind::statement_begin, "a statement");
    tokens_.expect_word(word);
    end_tag();
  }

  Statement branches() {
    Statement result = at_here(Kind::branches);
    for (;;) {
      Branch branch;
      branch.condition = expressions_.tuple(false);
      end_tag();
      branch.body = body({"elif", "else", "endif"});
      result.branches.push_back(std::move(branch));
      tokens_.take();  // {%
      const std::string word = tokens_.take().value;
      if (word == "elif") continue;
      if (word == "else") {
        end_tag();
        Branch otherwise;
        otherwise.condition.value = true;
        otherwise.body = body({"endif"});
        result.branches.push_back(std::move(otherwise));
        end("endif");
      } else {
        end_tag();
      }
      return result;
    }
  }

  Statement loop() {
    Statement result = at_here(Kind::loop);
    result.target = target();
    tokens_.expect_word("in");
    result.expression = expressions_.tuple(false);
    if (tokens_.is_word("recursive")) tokens_.unknown("a recursive loop");
    if (tokens_.is_word("if")) {
      tokens_.take();
      result.has_condition = true;
      result.condition = expressions_.expression();
    }
    end_tag();
    ++loops_;
    result.body = body({"else", "endfor"});
    --loops_;
    if (tokens_.peek(1).value == "else") {
      end("else");
      result.otherwise = body({"endfor"});
    }
    end("endfor");
    return result;
  }

  /// A name, or several separated by commas.
  Target target() {
    Target first = target_part();
    if (!tokens_.is_symbol(",")) return first;
    Target several;
    several.place = first.place;
    several.parts.push_back(std::move(first));
    while (tokens_.take_symbol(",") && tokens_.peek().kind == Token::Kind::name && !tokens_.is_word("in"))
      several.parts.push_back(target_part());
    return several;
  }

  Target target_part() {
    if (tokens_.take_symbol("(")) {
      const DepthScope scope(tokens_);
      Target inner = target();
      tokens_.expect_symbol(")");
      return inner;
    }
    Target result;
    result.place = tokens_.peek().place;
    const std::string name = tokens_.expect(Token::Kind::name, "a name").value;
    for (const std::string_view word : {"true", "false", "none", "True", "False", "None", "loop"}) {
      if (name == word) throw Error(Error::Kind::malformed, "can't assign to '" + name + "'", result.place);
    }
    result.id = expressions_.id_of(name);
    return result;
  }

  Statement assignment() {
    Statement result = at_here(Kind::assignment);
    result.target = target();
    if (result.target.id >= 0 && tokens_.take_symbol("."))
      result.target.member = tokens_.expect(Token::Kind::name, "a name").value;
    if (tokens_.take_symbol("=")) {
      result.expression = expressions_.tuple();
      end_tag();
      return result;
    }
    result.kind = Kind::block;
    result.expression = expressions_.filters(Expression());
    end_tag();
    result.body = body({"endset"});
    end("endset");
    return result;
  }

  Statement filter_block() {
    Statement result = at_here(Kind::filter);
    result.expression = expressions_.filters(Expression(), true);
    end_tag();
    result.body = body({"endfilter"});
    end("endfilter");
    return result;
  }

  Statement macro() {
    Statement result = at_here(Kind::macro);
    result.name = tokens_.expect(Token::Kind::name, "a macro's name").value;
    result.target.id = expressions_.id_of(result.name);
    tokens_.expect_symbol("(");
    while (!tokens_.take_symbol(")")) {
      if (!result.parameters.empty()) tokens_.expect_symbol(",");
      Parameter parameter;
      parameter.name = tokens_.expect(Token::Kind::name, "a parameter").value;
      parameter.id = expressions_.id_of(parameter.name);
      parameter.has_default = tokens_.take_symbol("=");
      if (parameter.has_default) {
        parameter.fallback = expressions_.expression();
      } else if (!result.parameters.empty() && result.parameters.back().has_default) {
        tokens_.fail("non-default argument follows default argument");
      }
      result.parameters.push_back(std::move(parameter));
    }
    end_tag();
    const int loops = std::exchange(loops_, 0);
    result.body = body({"endmacro"});
    loops_ = loops;
    end("endmacro");
    return result;
  }

  Statement generation() {
    Statement result = at_here(Kind::generation);
    syntax_.has_generation_blocks = true;
    end_tag();
    result.body = body({"endgeneration"});
    end("endgeneration");
    return result;
  }

  Tokens tokens_;
  Syntax syntax_;
  ExpressionParser expressions_;
  int loops_ = 0;
};

}  // namespace

Syntax parse(std::string_view source) { return Parser(source).parse(); }

}  // namespace cola::jinja
