#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "text/jinja/arguments.h"
#include "text/jinja/builtins.h"

// The tests: x is NAME.
namespace cola::jinja {
namespace {

bool is_number(const Value& value) {
  double real = 0.0;
  return as_real(value, real) || value.is<LargeInteger>();
}

bool is_iterable(const Value& value) {
  return value.is_undefined() || value.text() != nullptr || value.list() != nullptr ||
         value.dict() != nullptr;
}

template <bool (*holds)(const Value&)>
bool plain(const Value& value, const CallArguments& given) {
  take_none("a test", given);
  return holds(value);
}

template <bool (*holds)(const Value&, const Value&)>
bool with(const Value& value, const CallArguments& given) {
  return holds(value, Arguments<1>("a test", given, {"other"}).required(0));
}

bool is_greater(const Value& a, const Value& b) { return is_less(b, a); }
bool is_at_most(const Value& a, const Value& b) { return !is_less(b, a); }
bool is_at_least(const Value& a, const Value& b) { return !is_less(a, b); }

std::int64_t integer_of(const Value& value) {
  std::int64_t integer = 0;
  if (!as_integer(value, integer)) fail(fmt::format("a test of integers got a {}", type_name(value)));
  return integer;
}

constexpr std::array<std::pair<std::string_view, Test>, 35> tests = {{
    {"defined", plain<[](const Value& value) { return !value.is_undefined(); }>},
    {"undefined", plain<[](const Value& value) { return value.is_undefined(); }>},
    {"none", plain<[](const Value& value) { return value.is_none(); }>},
    {"boolean", plain<[](const Value& value) { return value.is<bool>(); }>},
    {"true", plain<[](const Value& value) { return value.is<bool>() && is_true(value); }>},
    {"false", plain<[](const Value& value) { return value.is<bool>() && !is_true(value); }>},
    {"string", plain<[](const Value& value) { return value.text() != nullptr; }>},
    {"number", plain<is_number>},
    {"integer",
     plain<[](const Value& value) { return value.is<std::int64_t>() || value.is<LargeInteger>(); }>},
    {"float", plain<[](const Value& value) { return value.is<double>(); }>},
    {"mapping", plain<[](const Value& value) { return value.dict() != nullptr; }>},
    {"iterable", plain<is_iterable>},
    {"sequence", plain<is_iterable>},
    {"callable", plain<[](const Value& value) { return value.callable() != nullptr; }>},
    {"lower", plain<[](const Value& value) {
       const std::string text = text_of(value).bytes;
       return text_of(find_filter("lower")(Text(text), {})).bytes == text &&
              text_of(find_filter("upper")(Text(text), {})).bytes != text;
     }>},
    {"upper", plain<[](const Value& value) {
       const std::string text = text_of(value).bytes;
       return text_of(find_filter("upper")(Text(text), {})).bytes == text &&
              text_of(find_filter("lower")(Text(text), {})).bytes != text;
     }>},
    {"odd", plain<[](const Value& value) { return integer_of(value) % 2 != 0; }>},
    {"even", plain<[](const Value& value) { return integer_of(value) % 2 == 0; }>},
    {"divisibleby",
     with<[](const Value& value, const Value& by) { return integer_of(arithmetic("%", value, by)) == 0; }>},
    {"in", with<[](const Value& value, const Value& container) { return contains(container, value); }>},
    {"eq", with<are_equal>},
    {"equalto", with<are_equal>},
    {"==", with<are_equal>},
    {"ne", with<[](const Value& a, const Value& b) { return !are_equal(a, b); }>},
    {"!=", with<[](const Value& a, const Value& b) { return !are_equal(a, b); }>},
    {"lt", with<is_less>},
    {"<", with<is_less>},
    {"lessthan", with<is_less>},
    {"gt", with<is_greater>},
    {">", with<is_greater>},
    {"greaterthan", with<is_greater>},
    {"le", with<is_at_most>},
    {"<=", with<is_at_most>},
    {"ge", with<is_at_least>},
    {">=", with<is_at_least>},
}};

}  // namespace

Test find_test(std::string_view name) {
  const auto* found = std::ranges::find(tests, name, &std::pair<std::string_view, Test>::first);
  return found == tests.end() ? nullptr : found->second;
}

}  // namespace cola::jinja
