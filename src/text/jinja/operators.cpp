#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "text/jinja/arguments.h"
#include "text/jinja/builtins.h"

namespace cola::jinja {
namespace {

[[noreturn]] void fail_for(std::string_view operation, const Value& a, const Value& b) {
  for (const Value* value : {&a, &b}) {
    if (value->is_undefined()) fail(value->get<Undefined>()->what());
  }
  fail(fmt::format("unsupported operand type(s) for {}: '{}' and '{}'", operation, type_name(a),
                   type_name(b)));
}

Value add_texts(Text a, const Text& b) {
  const bool is_markup = a.is_markup || b.is_markup;
  Text sum = is_markup && !a.is_markup ? escaped_for_html(a) : std::move(a);
  sum.append(is_markup && !b.is_markup ? escaped_for_html(b) : b);
  sum.is_markup = is_markup;
  return sum;
}

Value whole_arithmetic(char operation, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  bool overflows = false;
  switch (operation) {
    case '+':
      overflows = __builtin_add_overflow(a, b, &result);
      break;
    case '-':
      overflows = __builtin_sub_overflow(a, b, &result);
      break;
    case '*':
      overflows = __builtin_mul_overflow(a, b, &result);
      break;
    default:  // floored, as Python does
      if (b == 0) fail("integer division or modulo by zero");
      overflows = b == -1 && a == std::numeric_limits<std::int64_t>::min();
      if (overflows) break;
      result = a / b;
      if (a % b != 0 && (a < 0) != (b < 0)) --result;
      if (operation == '%') result = a - result * b;
  }
  if (overflows) fail("an integer of more than 64 bits");
  return result;
}

Value real_arithmetic(char operation, double a, double b) {
  switch (operation) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      if (b == 0.0) fail("division by zero");
      return a / b;
    default: {
      if (b == 0.0) fail("float floor division by zero");
      double rest = std::fmod(a, b);
      if (rest != 0.0 && (rest < 0.0) != (b < 0.0)) rest += b;
      return operation == '%' ? rest : std::floor((a - rest) / b + 0.5);
    }
  }
}

/// "ab" * 2.
Value repeated(const Text& text, std::int64_t times) {
  constexpr std::size_t most = 1 << 20;
  Text result;
  result.is_markup = text.is_markup;
  if (times <= 0 || text.bytes.empty()) return result;
  if (static_cast<std::size_t>(times) > most / text.bytes.size())
    throw Error(Error::Kind::exhausted, "a text repeated to more than 1 MiB");
  for (std::int64_t i = 0; i < times; ++i) result.append(text);
  return result;
}

}  // namespace

Value arithmetic(std::string_view operation, Value a, const Value& b) {
  const char first = operation.front();
  if (first == '+' && a.text() != nullptr && b.text() != nullptr)
    return add_texts(std::move(a).take_text(), *b.text());
  std::int64_t whole_a = 0, whole_b = 0;
  const bool is_whole_a = as_integer(a, whole_a), is_whole_b = as_integer(b, whole_b);
  if (is_whole_a && is_whole_b && operation != "/")
    return whole_arithmetic(operation == "//" ? 'd' : first, whole_a, whole_b);
  double real_a = 0.0, real_b = 0.0;
  if (as_real(a, real_a) && as_real(b, real_b))
    return real_arithmetic(operation == "//" ? 'd' : first, real_a, real_b);
  if (first == '+' && a.list() != nullptr && b.list() != nullptr && a.list()->form == b.list()->form &&
      (a.list()->form == List::Form::list || a.list()->is_tuple())) {
    List sum = *a.list();
    sum.items.insert(sum.items.end(), b.list()->items.begin(), b.list()->items.end());
    return sum;
  }
  if (operation == "*" && a.text() != nullptr && is_whole_b) return repeated(*a.text(), whole_b);
  if (operation == "*" && b.text() != nullptr && is_whole_a) return repeated(*b.text(), whole_a);
  if (operation == "%" && a.text() != nullptr)
    throw Error(Error::Kind::unknown, "a text formatted by % is not known here");
  if (a.is<LargeInteger>() || b.is<LargeInteger>())
    throw Error(Error::Kind::unknown, "arithmetic with integers of more than 64 bits is not known here");
  fail_for(operation, a, b);
}

bool contains(const Value& container, const Value& item) {
  if (const Text* text = container.text()) {
    if (item.text() == nullptr) {
      if (item.is_undefined()) fail(item.get<Undefined>()->what());
      fail(fmt::format("'in <string>' requires string as left operand, not {}", type_name(item)));
    }
    return text->bytes.find(item.text()->bytes) != std::string::npos;
  }
  if (const Dict* dict = container.dict()) return dict->find(item) != nullptr;
  if (container.is_undefined()) return false;
  if (const List* list = container.list()) {
    const auto is_item = [&](const Value& member) { return are_equal(member, item); };
    if (list->form == List::Form::generator) return std::ranges::any_of(items_of(container), is_item);
    return std::ranges::any_of(list->items, is_item);
  }
  fail(fmt::format("argument of type '{}' is not iterable", type_name(container)));
}

}  // namespace cola::jinja
