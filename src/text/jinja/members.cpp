#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "text/jinja/arguments.h"
#include "text/jinja/builtins.h"
#include "text/jinja/text_methods.h"

// Members, items and slices of values.
namespace cola::jinja {
namespace {

/// As Jinja2 names what something is missing from.
std::string described(const Value& value) { return value.is_none() ? "None" : type_name(value) + " object"; }

Value missing(const Value& value, std::string_view name) {
  return Undefined{fmt::format("'{}' has no attribute '{}'", described(value), name)};
}

Value unsafe(const Value& value, std::string_view name) {
  return Undefined{fmt::format("access to attribute '{}' of '{}' object is unsafe.", name, type_name(value))};
}

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::ranges::find(names, name) != names.end();
}

Value pair_of(const Value& key, const Value& value) {
  List pair;
  pair.form = List::Form::tuple;
  pair.items = {key, value};
  return pair;
}

template <class Make>
Value list_of(const Dict& dict, const Make& make) {
  List list;
  list.form = List::Form::view;
  for (const auto& [key, value] : dict.items) list.items.push_back(make(key, value));
  return list;
}

constexpr std::array<std::string_view, 5> methods_of_dict = {"items", "keys", "values", "get", "copy"};
constexpr std::array<std::string_view, 5> unsafe_methods_of_dict = {"clear", "pop", "popitem", "setdefault",
                                                                    "update"};

bool is_special(std::string_view name) { return name.starts_with("__") && name.ends_with("__"); }

/// Undefined where a dictionary has no such method.
Value dict_method(const Value& value, std::string_view name) {
  const auto method = [&](auto body) {
    return Callable{std::string(name),
                    [value, body](const CallArguments& given) { return body(*value.dict(), given); }};
  };
  if (name == "items") {
    return method([](const Dict& dict, const CallArguments& given) {
      take_none("items", given);
      return list_of(dict, pair_of);
    });
  }
  if (name == "keys") {
    return method([](const Dict& dict, const CallArguments& given) {
      take_none("keys", given);
      return list_of(dict, [](const Value& key, const Value&) { return key; });
    });
  }
  if (name == "values") {
    return method([](const Dict& dict, const CallArguments& given) {
      take_none("values", given);
      return list_of(dict, [](const Value&, const Value& member) { return member; });
    });
  }
  if (name == "get") {
    return method([](const Dict& dict, const CallArguments& given) -> Value {
      const Arguments<2> arguments("get", given, {"key", "default"});
      const Value* found = dict.find(arguments.required(0));
      if (found != nullptr) return *found;
      return arguments[1] != nullptr ? *arguments[1] : Value(None());
    });
  }
  if (name == "copy") {
    return method([](const Dict& dict, const CallArguments& given) -> Value {
      take_none("copy", given);
      return dict;
    });
  }
  return is_method_of_dict(name) ? unsafe(value, name) : Value();
}

Value list_method(const Value& value, std::string_view name) {
  if (name == "index" || name == "count") {
    const bool is_count = name == "count";
    return Callable{std::string(name), [value, is_count](const CallArguments& given) -> Value {
                      const Value& item = Arguments<1>("index", given, {"value"}).required(0);
                      const std::vector<Value>& items = value.list()->items;
                      std::int64_t count = 0;
                      for (std::size_t i = 0; i < items.size(); ++i) {
                        if (!are_equal(items[i], item)) continue;
                        if (!is_count) return static_cast<std::int64_t>(i);
                        ++count;
                      }
                      if (!is_count) fail("a value that is not in the list");
                      return count;
                    }};
  }
  if (is_one_of(name, {"append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"}))
    return unsafe(value, name);
  return Value();
}

/// Undefined (of nothing in particular) where the type has no such method.
Value method_of(const Value& value, std::string_view name) {
  if (is_special(name)) return unsafe(value, name);
  if (value.text() != nullptr) return text_method(*value.text(), name);
  if (value.dict() != nullptr) return dict_method(value, name);
  if (value.list() != nullptr) return list_method(value, name);
  return Value();
}

bool is_found(const Value& method) {
  return !method.is_undefined() || !method.get<Undefined>()->what().empty();
}

/// Where Python's slice of so many items begins or ends.
std::int64_t bound(const Value& given, std::int64_t size, bool is_backward, std::int64_t fallback) {
  if (given.is_none()) return fallback;
  std::int64_t index = 0;
  if (!as_integer(given, index)) {
    if (given.is_undefined())
      fail(fmt::format("slice indices must be integers: {}", given.get<Undefined>()->what()));
    fail(fmt::format("slice indices must be integers, not {}", type_name(given)));
  }
  if (index < 0) index = index < -size ? -1 : index + size;
  const std::int64_t least = is_backward ? -1 : 0;
  return std::clamp(index, least, is_backward ? size - 1 : size);
}

}  // namespace

bool is_method_of_dict(std::string_view name) {
  return is_special(name) || std::ranges::find(methods_of_dict, name) != methods_of_dict.end() ||
         std::ranges::find(unsafe_methods_of_dict, name) != unsafe_methods_of_dict.end();
}

Value missing_from_dict(std::string_view name) {
  return Undefined{fmt::format("'dict object' has no attribute '{}'", name)};
}

Value member_of(const Value& value, std::string_view name) {
  if (value.is_undefined()) fail(value.get<Undefined>()->what());
  if (const Namespace* space = value.space()) {
    if (name.starts_with('_')) return unsafe(value, name);
    const Value* found = space->members.find(name);
    return found != nullptr ? *found : missing(value, name);
  }
  if (const Value method = method_of(value, name); is_found(method)) return method;
  if (const Dict* dict = value.dict()) {
    if (const Value* found = dict->find(name)) return *found;
  }
  return missing(value, name);
}

Value item_of(const Value& value, const Value& key) {
  if (value.is_undefined()) fail(value.get<Undefined>()->what());
  if (const Text* name = key.text()) {
    if (const Dict* dict = value.dict()) {
      if (const Value* found = dict->find(name->bytes)) return *found;
    }
    if (value.space() != nullptr) return member_of(value, name->bytes);
    const Value method = method_of(value, name->bytes);
    return is_found(method) ? method : missing(value, name->bytes);
  }
  const auto no_element = [&]() -> Value {
    return Undefined{fmt::format("'{}' has no element of that index", described(value))};
  };
  if (const Dict* dict = value.dict()) {
    const Value* found = dict->find(key);
    return found != nullptr ? *found : no_element();
  }
  std::int64_t index = 0;
  if (!as_integer(key, index)) return no_element();
  if (const List* list = value.list(); list != nullptr && list->is_sequence()) {
    const std::int64_t size = std::ssize(list->items);
    if (index < 0) index += size;
    return index >= 0 && index < size ? list->items[static_cast<std::size_t>(index)] : no_element();
  }
  if (const Text* text = value.text()) {
    const auto size = static_cast<std::int64_t>(code_point_count(text->bytes));
    if (index < 0) index += size;
    if (index < 0 || index >= size) return no_element();
    const std::size_t begin = byte_of_code_point(text->bytes, static_cast<std::size_t>(index));
    return text->slice(begin, next_code_point(text->bytes, begin));
  }
  return no_element();
}

Value slice_of(const Value& value, const Value& from, const Value& to, const Value& step_value) {
  if (value.is_undefined()) fail(value.get<Undefined>()->what());
  const Text* text = value.text();
  const List* list = value.list();
  if (text == nullptr && (list == nullptr || !list->is_sequence()))
    fail(fmt::format("'{}' object is not sliceable", type_name(value)));
  std::int64_t step = 1;
  if (!step_value.is_none() && !as_integer(step_value, step)) fail("slice indices must be integers");
  if (step == 0) fail("slice step cannot be zero");
  const bool is_backward = step < 0;
  const std::int64_t size =
      text != nullptr ? static_cast<std::int64_t>(code_point_count(text->bytes)) : std::ssize(list->items);
  const std::int64_t begin = bound(from, size, is_backward, is_backward ? size - 1 : 0);
  const std::int64_t end = bound(to, size, is_backward, is_backward ? -1 : size);
  if (text != nullptr && step == 1) {
    const std::size_t first = byte_of_code_point(text->bytes, static_cast<std::size_t>(begin));
    const std::size_t last = byte_of_code_point(text->bytes, static_cast<std::size_t>(std::max(begin, end)));
    return text->slice(first, last);
  }
  const std::vector<Value> items = items_of(value);
  List taken;
  taken.form = list != nullptr ? list->form : List::Form::list;
  Text letters;
  for (std::int64_t i = begin; is_backward ? i > end : i < end; i += step) {
    const Value& item = items[static_cast<std::size_t>(i)];
    text != nullptr ? letters.append(*item.text()) : taken.items.push_back(item);
  }
  letters.is_markup = text != nullptr && text->is_markup;
  return text != nullptr ? Value(std::move(letters)) : Value(std::move(taken));
}

}  // namespace cola::jinja
