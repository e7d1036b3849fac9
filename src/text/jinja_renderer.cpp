#include "text/jinja_renderer.h"

#include <fmt/format.h>

#include <map>
#include <optional>
#include <ranges>
#include <variant>

#include "text/utf8.h"

namespace cola::small_jinja {
namespace {

using Kind = Expression::Kind;

struct Undefined {
  bool operator==(const Undefined&) const = default;
};
struct None {
  bool operator==(const None&) const = default;
};
using Messages = std::span<const ChatMessage>;

/// `loop` in a loop.
struct Loop {
  std::int64_t index = 0, length = 0;
};

using Value =
    std::variant<Undefined, None, bool, std::int64_t, std::string, const ChatMessage*, Messages, Loop>;

constexpr std::int64_t step_limit = 100'000;
constexpr std::size_t text_limit = std::size_t{16} << 20;

bool is_true(const Value& value) {
  if (const auto* truth = std::get_if<bool>(&value)) return *truth;
  if (const auto* number = std::get_if<std::int64_t>(&value)) return *number != 0;
  if (const auto* text = std::get_if<std::string>(&value)) return !text->empty();
  if (const auto* messages = std::get_if<Messages>(&value)) return !messages->empty();
  return !std::holds_alternative<Undefined>(value) && !std::holds_alternative<None>(value);
}

std::string printed(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  if (std::holds_alternative<Undefined>(value)) return "";
  throw Error("something printed that is no text");
}

std::int64_t number_of(const Value& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) return *number;
  throw Error("arithmetic with what is no number");
}

bool equal(const Value& left, const Value& right) {
  if (const auto* truth = std::get_if<bool>(&left)) return equal(std::int64_t{*truth}, right);  // as Python
  if (const auto* truth = std::get_if<bool>(&right)) return equal(left, std::int64_t{*truth});
  if (left.index() != right.index()) return false;
  if (std::holds_alternative<Undefined>(left) || std::holds_alternative<None>(left)) return true;
  if (const auto* text = std::get_if<std::string>(&left)) return *text == std::get<std::string>(right);
  return number_of(left) == number_of(right);
}

class Renderer {
 public:
  Renderer(Messages messages, std::span<const std::pair<std::string, std::string>> variables) {
    auto& names = scopes_.emplace_back();
    names["messages"] = messages;
    names["add_generation_prompt"] = false;
    names["tools"] = names["documents"] = None{};
    for (const auto& [name, value] : variables) names[name] = value;
    scopes_.emplace_back();
  }

  void write(const std::vector<Node>& nodes) {
    for (const Node& node : nodes) write(node);
  }
  std::string take() { return std::move(text_); }

 private:
  void write(const Node& node) {
    step();
    switch (node.kind) {
      case Node::Kind::text:
        append(text_, node.text);
        return;
      case Node::Kind::output:
        append(text_, printed(value_of(node.expression)));
        return;
      case Node::Kind::branch:
        write(is_true(value_of(node.expression)) ? node.body : node.otherwise);
        return;
      case Node::Kind::loop:
        write_loop(node);
        return;
      case Node::Kind::assignment:
        scopes_.back()[node.text] = value_of(node.expression);
        return;
    }
  }

  /// What is set in a loop is forgotten after each turn of it.
  void write_loop(const Node& node) {
    const Value over = value_of(node.expression);
    if (std::holds_alternative<Undefined>(over)) return;
    const auto* messages = std::get_if<Messages>(&over);
    if (messages == nullptr) throw Error("a loop over something else than messages");
    Loop loop{0, static_cast<std::int64_t>(messages->size())};
    for (const ChatMessage& message : *messages) {
      scopes_.push_back({{node.text, &message}, {"loop", loop}});
      write(node.body);
      scopes_.pop_back();
      ++loop.index;
    }
  }

  void step() {
    if (++steps_ > step_limit) throw Error("more than 100,000 steps");
  }

  static void append(std::string& text, std::string_view more) {
    if (text.size() + more.size() > text_limit) throw Error("more than 16 MB of text");
    text += more;
  }

  [[nodiscard]] Value variable(const std::string& name) const {
    for (const auto& scope : std::views::reverse(scopes_)) {
      if (const auto found = scope.find(name); found != scope.end()) return found->second;
    }
    return Undefined{};
  }

  Value value_of(const Expression& node) {
    step();
    switch (node.kind) {
      case Kind::text:
        return node.text;
      case Kind::number:
        return node.number;
      case Kind::truth:
        return node.number != 0;
      case Kind::none:
        return None{};
      case Kind::variable:
        return variable(node.text);
      case Kind::member:
        return member(child(node, 0), node.text);
      case Kind::item:
        return item(child(node, 0), child(node, 1));
      case Kind::tail:
        return tail(child(node, 0), number_of(child(node, 1)));
      case Kind::strip:
        return std::string(strip_white_space(text_of(child(node, 0))));
      case Kind::test:
        return test(child(node, 0), node.text);
      case Kind::refusal:
        throw Refusal(text_of(child(node, 0)));
      case Kind::negation:
        return !is_true(child(node, 0));
      case Kind::minus:
        return arithmetic(0, "-", number_of(child(node, 0)));
      case Kind::binary:
        return binary(node);
      case Kind::conditional:
        if (is_true(child(node, 1))) return child(node, 0);
        return node.children.size() > 2 ? child(node, 2) : Undefined{};
    }
    return Undefined{};
  }

  Value child(const Expression& node, std::size_t index) { return value_of(node.children[index]); }

  static std::string text_of(const Value& value) {
    if (const auto* text = std::get_if<std::string>(&value)) return *text;
    throw Error("what is no text, where text is asked for");
  }

  static Value member(const Value& owner, const std::string& name) {
    if (const auto* message = std::get_if<const ChatMessage*>(&owner)) {
      if (name == "role") return (*message)->role;
      if (name == "content") return (*message)->content;
      return Undefined{};
    }
    const auto* loop = std::get_if<Loop>(&owner);
    if (loop == nullptr) throw Error(fmt::format("'.{}' of what has no members", name));
    if (name == "index0") return loop->index;
    if (name == "index") return loop->index + 1;
    if (name == "first") return loop->index == 0;
    if (name == "last") return loop->index + 1 == loop->length;
    if (name == "length") return loop->length;
    throw Error(fmt::format("'loop.{}'", name));
  }

  static Value item(const Value& owner, const Value& key) {
    const auto* messages = std::get_if<Messages>(&owner);
    if (messages == nullptr) return member(owner, text_of(key));
    const auto length = static_cast<std::int64_t>(messages->size());
    const std::int64_t index = number_of(key) + (number_of(key) < 0 ? length : 0);
    if (index < 0 || index >= length) return Undefined{};
    return &(*messages)[static_cast<std::size_t>(index)];
  }

  static Value tail(const Value& owner, std::int64_t from) {
    const auto* messages = std::get_if<Messages>(&owner);
    if (messages == nullptr || from < 0) throw Error("a slice of something else than messages");
    return messages->subspan(std::min(messages->size(), static_cast<std::size_t>(from)));
  }

  static Value test(const Value& value, const std::string& name) {
    if (name == "defined") return !std::holds_alternative<Undefined>(value);
    if (name == "undefined") return std::holds_alternative<Undefined>(value);
    if (name == "none") return std::holds_alternative<None>(value);
    return std::holds_alternative<std::string>(value);
  }

  Value binary(const Expression& node) {
    // What a template asks of contents could not be tried out; where it is never asked it does no harm.
    if (node.text == "in") throw Error("'in'");
    const Value left = child(node, 0);
    if (node.text == "and") return is_true(left) ? child(node, 1) : left;
    if (node.text == "or") return is_true(left) ? left : child(node, 1);
    const Value right = child(node, 1);
    if (node.text == "==") return equal(left, right);
    if (node.text == "!=") return !equal(left, right);
    if (node.text == "~" || (node.text == "+" && std::holds_alternative<std::string>(left))) {
      std::string text = node.text == "~" ? printed(left) : text_of(left);
      append(text, node.text == "~" ? printed(right) : text_of(right));
      return text;
    }
    return arithmetic(number_of(left), node.text, number_of(right));
  }

  static Value arithmetic(std::int64_t left, const std::string& operation, std::int64_t right) {
    if (operation == "<") return left < right;
    if (operation == "<=") return left <= right;
    if (operation == ">") return left > right;
    if (operation == ">=") return left >= right;
    std::int64_t result = 0;
    bool overflow = false;
    if (operation == "+") overflow = __builtin_add_overflow(left, right, &result);
    if (operation == "-") overflow = __builtin_sub_overflow(left, right, &result);
    if (operation == "%") {
      overflow = right <= 0 || left < 0;
      if (!overflow) result = left % right;
    }
    if (overflow) throw Error(fmt::format("{} {} {}", left, operation, right));
    return result;
  }

  std::vector<std::map<std::string, Value>> scopes_;
  std::string text_;
  std::int64_t steps_ = 0;
};

}  // namespace

std::string render(const std::vector<Node>& nodes, Messages messages,
                   std::span<const std::pair<std::string, std::string>> variables) {
  Renderer renderer(messages, variables);
  renderer.write(nodes);
  return renderer.take();
}

}  // namespace cola::small_jinja
