#include "sweep/plan_file.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <filesystem>
#include <map>
#include <sstream>

#include "core/error.h"
#include "io/printable.h"

namespace cola {
namespace {

toml::table parse(std::string_view text, const std::string& where) {
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    throw UsageError(fmt::format("{}:{}: not valid TOML: {}", where, error.source().begin.line,
                                 printable(error.description())));
  }
}

std::string text_of(const toml::table& table) {
  std::ostringstream text;
  text << table << "\n";
  return text.str();
}

/// The value of a setting, as {value = ...}.
toml::table parse_value(const std::string& value) {
  if (value.find('\n') == std::string::npos) {
    try {
      toml::table table = toml::parse("value = " + value);
      const toml::node* node = table.get("value");
      if (table.size() == 1 &&
          (node->is_number() || node->is_boolean() || node->is_string() || node->is_array()))
        return table;
    } catch (const toml::parse_error&) {  // a plain string, such as a path
      return toml::table{{"value", value}};
    }
  }
  return toml::table{{"value", value}};
}

std::string name_of(const toml::table& method) {
  return method["name"].value_or(method["method"].value_or(std::string()));
}

/// The table that `key`'s last part is put into; null where there is none.
toml::table* place_of(toml::table& plan, const std::vector<std::string>& parts) {
  toml::table* table = &plan;
  std::size_t next = 0;
  if (parts.size() == 3 && parts[0] == "method") {
    toml::array* methods = plan["method"].as_array();
    if (methods == nullptr) return nullptr;
    for (toml::node& node : *methods) {
      toml::table* method = node.as_table();
      if (method != nullptr && name_of(*method) == parts[1]) return method;
    }
    return nullptr;
  }
  for (; next + 1 < parts.size(); ++next) {
    table->insert(parts[next], toml::table{});  // keeps one that is there
    table = table->get(parts[next])->as_table();
    if (table == nullptr) return nullptr;
  }
  return table;
}

void put(toml::table& plan, const std::string& setting) {
  const std::size_t equals = setting.find('=');
  if (equals == std::string::npos || equals == 0)
    throw UsageError(fmt::format("--set '{}': write key=value, for example model=DIR", printable(setting)));
  std::vector<std::string> parts(1);
  for (const char letter : setting.substr(0, equals)) {
    if (letter == '.') {
      parts.emplace_back();
    } else {
      parts.back() += letter;
    }
  }
  toml::table* table = parts.size() <= 3 ? place_of(plan, parts) : nullptr;
  if (table == nullptr)
    throw UsageError(fmt::format("--set '{}': the plan has no such place", printable(setting)));
  const toml::table value = parse_value(setting.substr(equals + 1));
  table->insert_or_assign(parts.back(), *value.get("value"));
}

void make_absolute(toml::table& table, const char* key) {
  const auto path = table[key].value<std::string>();
  if (path && !path->empty())
    table.insert_or_assign(key, std::filesystem::absolute(*path).lexically_normal().string());
}

/// Files of tasks: relative to `folder`.
void make_tasks_absolute(toml::table& plan, const std::filesystem::path& folder) {
  toml::array* tasks = plan["tasks"].as_array();
  if (tasks == nullptr) return;
  for (toml::node& node : *tasks) {
    auto* task = node.as_string();
    if (task != nullptr && task->get().ends_with(".toml"))
      *task = (folder / task->get()).lexically_normal().string();
  }
}

void flatten(const toml::node& node, const std::string& key, std::map<std::string, std::string>& values) {
  if (const toml::table* table = node.as_table()) {
    for (const auto& [name, child] : *table)
      flatten(child, key.empty() ? std::string(name.str()) : fmt::format("{}.{}", key, name.str()), values);
  } else if (node.is_array_of_tables()) {
    std::size_t index = 0;
    for (const toml::node& child : *node.as_array())
      flatten(child, fmt::format("{}[{}]", key, index++), values);
  } else {
    std::ostringstream text;
    text << toml::node_view<const toml::node>(node);
    values[key] = text.str();
  }
}

}  // namespace

std::string resolve_plan(std::string_view text, const std::string& where,
                         std::span<const std::string> settings) {
  toml::table plan = parse(text, where);
  make_tasks_absolute(plan, std::filesystem::absolute(where).parent_path());
  for (const std::string& setting : settings) put(plan, setting);
  make_absolute(plan, "model");
  make_absolute(plan, "data");
  make_tasks_absolute(plan, std::filesystem::current_path());  // of a --set
  if (toml::table* train = plan["train"].as_table()) make_absolute(*train, "tokenizer");
  return text_of(plan);
}

std::vector<std::string> differing_plan_keys(std::string_view first, std::string_view second) {
  std::map<std::string, std::string> a, b;
  flatten(parse(first, "plan"), "", a);
  flatten(parse(second, "plan"), "", b);
  std::vector<std::string> keys;
  for (const auto& [key, value] : a) {
    const auto other = b.find(key);
    if (other == b.end() || other->second != value) keys.push_back(key);
  }
  for (const auto& [key, value] : b) {
    if (!a.contains(key)) keys.push_back(key);
  }
  return keys;
}

}  // namespace cola
