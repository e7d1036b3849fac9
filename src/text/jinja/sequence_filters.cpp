#include "text/jinja/sequence_filters.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <utility>

#include "text/jinja/arguments.h"
#include "text/jinja/text_operations.h"

namespace cola::jinja {
namespace {

Value list_of(std::vector<Value> items) {
  List list;
  list.items = std::move(items);
  return list;
}

/// What jinja2 makes item by item while somebody goes through it.
Value generator_of(std::vector<Value> items) {
  List list;
  list.items = std::move(items);
  list.form = List::Form::generator;
  list.is_used = std::make_shared<bool>(false);
  return list;
}

/// x.a.b for "a.b", x[0] for "0".
Value attribute_of(const Value& item, const Value& attribute) {
  std::int64_t index = 0;
  if (as_integer(attribute, index)) return item_of(item, attribute);
  if (attribute.text() == nullptr)
    fail(fmt::format("an attribute is a str or an int, not a {}", type_name(attribute)));
  Value value = item;
  for (const Text& part : split(*attribute.text(), Text("."), -1, Side::left)) {
    const char* end = part.bytes.data() + part.bytes.size();
    const auto parsed = std::from_chars(part.bytes.data(), end, index);
    const bool is_index = parsed.ec == std::errc() && parsed.ptr == end && index >= 0;
    value = item_of(value, is_index ? Value(index) : Value(part));
  }
  return value;
}

bool has(const Value* argument) { return argument != nullptr && !argument->is_none(); }

/// What a value is ordered by: its attribute, letters of one case.
Value key_of(const Value& item, const Value* attribute, bool case_sensitive) {
  const Value key = has(attribute) ? attribute_of(item, *attribute) : item;
  return key.text() != nullptr && !case_sensitive ? Value(lower(*key.text())) : key;
}

Value length(const Value& subject, const CallArguments& given) {
  take_none("length", given);
  if (subject.is_undefined()) return std::int64_t{0};
  if (const Text* text = subject.text()) return static_cast<std::int64_t>(code_point_count(text->bytes));
  if (const List* list = subject.list(); list != nullptr && list->form != List::Form::generator)
    return std::ssize(list->items);
  if (const Dict* dict = subject.dict()) return std::ssize(dict->items);
  fail(fmt::format("object of type '{}' has no len()", type_name(subject)));
}

Value pairs(const Dict& dict) {
  List list;
  for (const auto& [key, value] : dict.items) {
    List pair;
    pair.form = List::Form::tuple;
    pair.items = {key, value};
    list.items.emplace_back(std::move(pair));
  }
  return list;
}

Value items(const Value& subject, const CallArguments& given) {
  take_none("items", given);
  if (subject.is_undefined()) return generator_of({});
  if (subject.dict() == nullptr) fail("Can only get item pairs from a mapping.");
  return generator_of(items_of(pairs(*subject.dict())));
}

Value dict_sort(const Value& subject, const CallArguments& given) {
  const Arguments<3> arguments("dictsort", given, {"case_sensitive", "by", "reverse"});
  if (subject.dict() == nullptr) fail(fmt::format("dictsort takes a dict, not a {}", type_name(subject)));
  const std::string by = arguments[1] != nullptr ? arguments.text(1).bytes : "key";
  if (by != "key" && by != "value") fail("You can only sort by either \"key\" or \"value\"");
  const Value index = std::int64_t{by == "key" ? 0 : 1};
  const bool case_sensitive = arguments.truth(0, false);
  std::vector<Value> sorted = items_of(pairs(*subject.dict()));
  const bool is_reversed = arguments.truth(2, false);
  std::ranges::stable_sort(sorted, [&](const Value& a, const Value& b) {
    const Value key_a = key_of(a, &index, case_sensitive), key_b = key_of(b, &index, case_sensitive);
    return is_reversed ? is_less(key_b, key_a) : is_less(key_a, key_b);
  });
  return list_of(std::move(sorted));
}

Value join(const Value& subject, const CallArguments& given) {
  const Arguments<2> arguments("join", given, {"d", "attribute"});
  std::vector<Text> parts;
  for (const Value& item : items_of(subject)) {
    parts.push_back(text_of(has(arguments[1]) ? attribute_of(item, *arguments[1]) : item));
  }
  return joined(arguments[0] != nullptr ? text_of(*arguments[0]) : Text(), parts);
}

Value list(const Value& subject, const CallArguments& given) {
  take_none("list", given);
  return list_of(items_of(subject));
}

template <bool from_end>
Value end_item(const Value& subject, const CallArguments& given) {
  take_none("first", given);
  if (from_end && subject.list() != nullptr && subject.list()->form == List::Form::generator)
    fail("'generator' object is not reversible");
  const std::vector<Value> all = items_of(subject);
  if (all.empty()) return Undefined{"No first item, sequence was empty."};
  return from_end ? all.back() : all.front();
}

Value reverse(const Value& subject, const CallArguments& given) {
  take_none("reverse", given);
  std::vector<Value> all = items_of(subject);
  std::ranges::reverse(all);
  const bool is_generator = subject.list() != nullptr && subject.list()->form == List::Form::generator;
  if (is_generator) return list_of(std::move(all));  // which cannot be reversed but as a list
  if (subject.text() == nullptr) return generator_of(std::move(all));
  Text text;
  for (const Value& letter : all) text.append(*letter.text());
  return text;
}

Value sort(const Value& subject, const CallArguments& given) {
  const Arguments<3> arguments("sort", given, {"reverse", "case_sensitive", "attribute"});
  const bool is_reversed = arguments.truth(0, false);
  const bool case_sensitive = arguments.truth(1, false);
  if (has(arguments[2]) && arguments[2]->text() != nullptr &&
      arguments[2]->text()->bytes.find(',') != std::string::npos)
    throw Error(Error::Kind::unknown, "sort by several attributes is not known here");
  std::vector<std::pair<Value, Value>> keyed;
  for (const Value& item : items_of(subject))
    keyed.emplace_back(key_of(item, arguments[2], case_sensitive), item);
  std::ranges::stable_sort(keyed, [&](const auto& a, const auto& b) {
    return is_reversed ? is_less(b.first, a.first) : is_less(a.first, b.first);
  });
  std::vector<Value> sorted;
  for (auto& [key, item] : keyed) sorted.push_back(std::move(item));
  return list_of(std::move(sorted));
}

Value unique(const Value& subject, const CallArguments& given) {
  const Arguments<2> arguments("unique", given, {"case_sensitive", "attribute"});
  std::vector<Value> seen, kept;
  for (const Value& item : items_of(subject)) {
    const Value key = key_of(item, arguments[1], arguments.truth(0, false));
    if (std::ranges::any_of(seen, [&](const Value& other) { return are_equal(key, other); })) continue;
    seen.push_back(key);
    kept.push_back(item);
  }
  return generator_of(std::move(kept));
}

template <bool takes_largest>
Value extreme(const Value& subject, const CallArguments& given) {
  const Arguments<2> arguments("min", given, {"case_sensitive", "attribute"});
  const std::vector<Value> all = items_of(subject);
  if (all.empty()) return Undefined{"No aggregated item, sequence was empty."};
  const Value* best = &all.front();
  Value best_key = key_of(*best, arguments[1], arguments.truth(0, false));
  for (const Value& item : all) {
    const Value key = key_of(item, arguments[1], arguments.truth(0, false));
    if (takes_largest ? is_less(best_key, key) : is_less(key, best_key)) {
      best = &item;
      best_key = key;
    }
  }
  return *best;
}

Value sum(const Value& subject, const CallArguments& given) {
  const Arguments<2> arguments("sum", given, {"attribute", "start"});
  Value total = arguments[1] != nullptr ? *arguments[1] : Value(std::int64_t{0});
  if (total.text() != nullptr) fail("sum() can't sum strings");
  for (const Value& item : items_of(subject))
    total = arithmetic("+", total, has(arguments[0]) ? attribute_of(item, *arguments[0]) : item);
  return total;
}

/// map(attribute=..., default=...) or map("filter", ...).
Value map(const Value& subject, const CallArguments& given) {
  std::vector<Value> mapped;
  if (!is_true(subject)) return generator_of({});  // of none, too
  if (given.positional.empty()) {
    const Arguments<2> arguments("map", given, {"attribute", "default"});
    for (const Value& item : items_of(subject)) {
      const Value value = attribute_of(item, arguments.required(0));
      mapped.push_back(value.is_undefined() && arguments[1] != nullptr ? *arguments[1] : value);
    }
    return generator_of(std::move(mapped));
  }
  const Text* name = given.positional.front().text();
  if (name == nullptr) fail("map() takes the name of a filter");
  const Filter filter = find_filter(name->bytes);
  if (filter == nullptr) fail(fmt::format("No filter named '{}'.", name->bytes));
  const CallArguments rest = {{given.positional.begin() + 1, given.positional.end()}, given.named};
  for (const Value& item : items_of(subject)) mapped.push_back(filter(item, rest));
  return generator_of(std::move(mapped));
}

/// select, reject, selectattr, rejectattr: what passes a test, of itself or of an attribute.
template <bool by_attribute, bool keeps>
Value selected(const Value& subject, const CallArguments& given) {
  constexpr std::size_t own = by_attribute ? 1 : 0;
  if (given.positional.size() < own) fail("selectattr() misses the attribute");
  Test test = [](const Value& value, const CallArguments&) { return is_true(value); };
  CallArguments rest;
  if (given.positional.size() > own) {
    const Text* name = given.positional[own].text();
    test = name != nullptr ? find_test(name->bytes) : nullptr;
    if (test == nullptr)
      fail(fmt::format("No test named '{}'.", (name != nullptr ? name->bytes : std::string())));
    rest.positional.assign(given.positional.begin() + own + 1, given.positional.end());
  }
  rest.named = given.named;
  std::vector<Value> kept;
  if (!is_true(subject)) return generator_of({});  // of none, too
  for (const Value& item : items_of(subject)) {
    const Value asked = by_attribute ? attribute_of(item, given.positional.front()) : item;
    if (test(asked, rest) == keeps) kept.push_back(item);
  }
  return generator_of(std::move(kept));
}

constexpr std::array<std::pair<std::string_view, Filter>, 19> filters = {{
    {"length", length},
    {"count", length},
    {"items", items},
    {"dictsort", dict_sort},
    {"join", join},
    {"list", list},
    {"first", end_item<false>},
    {"last", end_item<true>},
    {"reverse", reverse},
    {"sort", sort},
    {"unique", unique},
    {"min", extreme<false>},
    {"max", extreme<true>},
    {"sum", sum},
    {"map", map},
    {"select", selected<false, true>},
    {"reject", selected<false, false>},
    {"selectattr", selected<true, true>},
    {"rejectattr", selected<true, false>},
}};

}  // namespace

Filter find_sequence_filter(std::string_view name) {
  const auto* found = std::ranges::find(filters, name, &std::pair<std::string_view, Filter>::first);
  return found == filters.end() ? nullptr : found->second;
}

}  // namespace cola::jinja
