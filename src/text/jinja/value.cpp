#include "text/jinja/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "text/jinja/error.h"
#include "text/jinja/python_notation.h"

namespace cola::jinja {

const Value* Dict::find(std::string_view key) const {
  const auto found = std::ranges::find_if(items, [&](const auto& item) {
    const Text* text = item.first.text();
    return text != nullptr && text->bytes == key;
  });
  return found == items.end() ? nullptr : &found->second;
}

const Value* Dict::find(const Value& key) const {
  if (const Text* text = key.text()) return find(text->bytes);
  const auto found =
      std::ranges::find_if(items, [&](const auto& item) { return are_equal(item.first, key); });
  return found == items.end() ? nullptr : &found->second;
}

void Dict::set(Value key, Value value) {
  const bool is_hashed = key.dict() == nullptr && (key.list() == nullptr || key.list()->is_tuple());
  if (!is_hashed) throw Error(Error::Kind::failed, fmt::format("unhashable type: '{}'", type_name(key)));
  const Text* text = key.text();
  const auto found = std::ranges::find_if(items, [&](const auto& item) {
    const Text* other = text != nullptr ? item.first.text() : nullptr;
    return other != nullptr ? other->bytes == text->bytes : are_equal(item.first, key);
  });
  if (found == items.end()) {
    items.emplace_back(std::move(key), std::move(value));
  } else {
    found->second = std::move(value);
  }
}

Text Value::take_text() && {
  const auto* held = get<std::shared_ptr<const Text>>();
  // Nobody else sees it change, and it is made as one that may (Value(Text)).
  if (held->use_count() == 1) return std::move(const_cast<Text&>(**held));
  return **held;
}

std::string type_name(const Value& value) {
  struct Namer {
    std::string operator()(const Undefined&) const { return "Undefined"; }
    std::string operator()(None) const { return "NoneType"; }
    std::string operator()(bool) const { return "bool"; }
    std::string operator()(std::int64_t) const { return "int"; }
    std::string operator()(const LargeInteger&) const { return "int"; }
    std::string operator()(double) const { return "float"; }
    std::string operator()(const std::shared_ptr<const Text>&) const { return "str"; }
    std::string operator()(const std::shared_ptr<const List>& list) const {
      switch (list->form) {
        case List::Form::list:
          return "list";
        case List::Form::tuple:
          return "tuple";
        case List::Form::range:
          return "range";
        case List::Form::view:
          return "dict view";
        case List::Form::generator:
          return "generator";
      }
      return "list";
    }
    std::string operator()(const std::shared_ptr<const Dict>&) const { return "dict"; }
    std::string operator()(const std::shared_ptr<Namespace>&) const { return "Namespace"; }
    std::string operator()(const std::shared_ptr<const Callable>&) const { return "function"; }
  };
  return value.visit(Namer());
}

bool is_true(const Value& value) {
  struct Asker {
    bool operator()(const Undefined&) const { return false; }
    bool operator()(None) const { return false; }
    bool operator()(bool truth) const { return truth; }
    bool operator()(std::int64_t integer) const { return integer != 0; }
    bool operator()(const LargeInteger&) const { return true; }
    bool operator()(double real) const { return real != 0.0; }
    bool operator()(const std::shared_ptr<const Text>& text) const { return !text->bytes.empty(); }
    bool operator()(const std::shared_ptr<const List>& list) const {
      return list->form == List::Form::generator || !list->items.empty();
    }
    bool operator()(const std::shared_ptr<const Dict>& dict) const { return !dict->items.empty(); }
    bool operator()(const std::shared_ptr<Namespace>&) const { return true; }
    bool operator()(const std::shared_ptr<const Callable>&) const { return true; }
  };
  return value.visit(Asker());
}

bool as_integer(const Value& value, std::int64_t& integer) {
  if (const auto* truth = value.get<bool>()) {
    integer = *truth ? 1 : 0;
    return true;
  }
  const auto* whole = value.get<std::int64_t>();
  if (whole != nullptr) integer = *whole;
  return whole != nullptr;
}

bool as_real(const Value& value, double& real) {
  if (const auto* number = value.get<double>()) {
    real = *number;
    return true;
  }
  std::int64_t integer = 0;
  if (!as_integer(value, integer)) return false;
  real = static_cast<double>(integer);
  return true;
}

namespace {

bool are_equal_lists(const List& a, const List& b) {
  if (&a == &b) return true;
  if (a.form == List::Form::view || b.form == List::Form::view)
    throw Error(Error::Kind::unknown, "comparing a dictionary's keys, values or items is not known here");
  return a.form == b.form && a.form != List::Form::generator &&
         std::ranges::equal(a.items, b.items, are_equal);
}

/// Whether both are numbers, which are then compared without rounding: 64 bits of an integer, 53 of a double.
bool as_numbers(const Value& a, const Value& b, long double& number_a, long double& number_b) {
  static_assert(std::numeric_limits<long double>::digits >= 64);
  const auto as_number = [](const Value& value, long double& number) {
    std::int64_t integer = 0;
    double real = 0.0;
    if (as_integer(value, integer)) {
      number = static_cast<long double>(integer);
      return true;
    }
    number = as_real(value, real) ? static_cast<long double>(real) : 0.0L;
    return value.is<double>();
  };
  const bool are_both = as_number(a, number_a) && as_number(b, number_b);
  const bool is_large = a.is<LargeInteger>() != b.is<LargeInteger>();
  if (is_large && (a.is<double>() || b.is<double>()))
    throw Error(Error::Kind::unknown,
                "comparing an integer of more than 64 bits with a float is not known here");
  return are_both;
}

bool are_equal_dicts(const Dict& a, const Dict& b) {
  return a.items.size() == b.items.size() && std::ranges::all_of(a.items, [&](const auto& item) {
           const Value* other = b.find(item.first);
           return other != nullptr && are_equal(item.second, *other);
         });
}

}  // namespace

bool are_equal(const Value& a, const Value& b) {
  if (a.is_undefined() || b.is_undefined()) return a.is_undefined() && b.is_undefined();
  if (a.is_none() || b.is_none()) return a.is_none() && b.is_none();
  long double number_a = 0.0L, number_b = 0.0L;
  if (as_numbers(a, b, number_a, number_b)) return number_a == number_b;
  if (a.text() != nullptr && b.text() != nullptr) return a.text()->bytes == b.text()->bytes;
  if (a.list() != nullptr && b.list() != nullptr) return are_equal_lists(*a.list(), *b.list());
  if (a.dict() != nullptr && b.dict() != nullptr) return are_equal_dicts(*a.dict(), *b.dict());
  const auto *large_a = a.get<LargeInteger>(), *large_b = b.get<LargeInteger>();
  if (large_a != nullptr && large_b != nullptr) return large_a->digits == large_b->digits;
  if (a.space() != nullptr && b.space() != nullptr) return a.space() == b.space();
  if (a.callable() != nullptr && b.callable() != nullptr)
    throw Error(Error::Kind::unknown, "comparing functions is not known here");
  return false;
}

bool is_less(const Value& a, const Value& b) {
  long double number_a = 0.0L, number_b = 0.0L;
  if (as_numbers(a, b, number_a, number_b)) return number_a < number_b;
  if (a.is<LargeInteger>() || b.is<LargeInteger>())
    throw Error(Error::Kind::unknown, "the order of integers of more than 64 bits is not known here");
  // The order of bytes is that of the code points.
  if (a.text() != nullptr && b.text() != nullptr) return a.text()->bytes < b.text()->bytes;
  if (a.list() != nullptr && b.list() != nullptr && a.list()->form == b.list()->form &&
      (a.list()->form == List::Form::list || a.list()->is_tuple()))
    return std::ranges::lexicographical_compare(a.list()->items, b.list()->items, is_less);
  if (a.is_undefined() || b.is_undefined()) fail((a.is_undefined() ? a : b).get<Undefined>()->what());
  fail(fmt::format("'<' not supported between instances of '{}' and '{}'", type_name(a), type_name(b)));
}

std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  std::array<char, 64> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init): written before it is read
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific);
  std::string shortest(buffer.data(), end.ptr);
  const std::size_t e = shortest.find('e');
  const int exponent = std::stoi(shortest.substr(e + 1));
  if (exponent < -4 || exponent >= 16) return shortest;
  const auto fixed =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed);
  std::string text(buffer.data(), fixed.ptr);
  if (text.find('.') == std::string::npos) text += ".0";
  return text;
}

Text text_of(const Value& value) {
  if (const Text* text = value.text()) return *text;
  if (value.is_undefined()) return Text();
  if (value.is_none()) return Text("None");
  if (const auto* truth = value.get<bool>()) return Text(*truth ? "True" : "False");
  if (const auto* integer = value.get<std::int64_t>()) return Text(std::to_string(*integer));
  if (const auto* large = value.get<LargeInteger>()) return Text(large->digits);
  if (const auto* real = value.get<double>()) return Text(float_text(*real));
  return python_notation(value);
}

std::vector<Value> items_of(const Value& value) {
  if (value.is_undefined()) return {};
  if (const List* list = value.list()) {
    if (list->is_used != nullptr && std::exchange(*list->is_used, true))
      throw Error(Error::Kind::unknown, "going through a generator twice is not known here");
    return list->items;
  }
  std::vector<Value> items;
  if (const Dict* dict = value.dict()) {
    for (const auto& [key, member] : dict->items) items.push_back(key);
    return items;
  }
  if (const Text* text = value.text()) {
    for (std::size_t at = 0; at < text->bytes.size();) {
      const std::size_t end = next_code_point(text->bytes, at);
      items.emplace_back(text->slice(at, end));
      at = end;
    }
    return items;
  }
  fail(fmt::format("'{}' object is not iterable", type_name(value)));
}

}  // namespace cola::jinja
