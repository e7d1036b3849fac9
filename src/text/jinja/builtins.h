#pragma once
#include <string_view>

#include "text/jinja/value.h"

// What the language has beside its statements: filters, tests, and members of values. Each is found by its
// name and throws Error for arguments that it does not take.
namespace cola::jinja {

using Filter = Value (*)(const Value& subject, const CallArguments& arguments);
using Test = bool (*)(const Value& subject, const CallArguments& arguments);

using TextMethod = Value (*)(const Text& text, const CallArguments& arguments);

/// Null where there is none of that name.
[[nodiscard]] TextMethod find_text_method(std::string_view name);
[[nodiscard]] Filter find_filter(std::string_view name);
[[nodiscard]] Test find_test(std::string_view name);

/// x.name: a method, else the item of that name, else undefined.
[[nodiscard]] Value member_of(const Value& value, std::string_view name);
/// Whether x.name is a method where x is a dictionary, whatever its items.
[[nodiscard]] bool is_method_of_dict(std::string_view name);
/// x.name of a dictionary that has no such item.
[[nodiscard]] Value missing_from_dict(std::string_view name);
/// x[key]: the item, else the method of that name, else undefined.
[[nodiscard]] Value item_of(const Value& value, const Value& key);
/// x[from:to:step], of code points of a text; none: left out.
[[nodiscard]] Value slice_of(const Value& value, const Value& from, const Value& to, const Value& step);

/// a + b, a - b, ...: + - * / // %.
[[nodiscard]] Value arithmetic(std::string_view operation, Value a, const Value& b);
/// Whether a is in b.
[[nodiscard]] bool contains(const Value& container, const Value& item);

}  // namespace cola::jinja
