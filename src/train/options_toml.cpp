#include "train/options_toml.h"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <charconv>
#include <concepts>
#include <set>
#include <sstream>
#include <utility>

#include "core/error.h"
#include "train/option_fields.h"

namespace cola {
namespace {

template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

/// The TOML value of one scalar option.
template <class T>
auto toml_value(const T& value) {
  if constexpr (std::same_as<T, std::filesystem::path>) {
    return value.string();
  } else if constexpr (std::integral<T> && !std::same_as<T, bool>) {
    return static_cast<std::int64_t>(value);
  } else {
    return value;
  }
}

template <class T>
void insert(toml::table& table, const char* name, const T& field) {
  if constexpr (IsOptional<T>::value) {
    if (field) insert(table, name, *field);
  } else if constexpr (IsVector<T>::value) {
    toml::array list;
    for (const auto& entry : field) list.push_back(toml_value(entry));
    if (!list.empty()) table.insert(name, std::move(list));
  } else if constexpr (std::same_as<T, std::uint64_t>) {
    if (std::in_range<std::int64_t>(field)) {
      table.insert(name, static_cast<std::int64_t>(field));
    } else {
      table.insert(name, fmt::format("{}", field));  // beyond TOML's integers
    }
  } else if constexpr (std::same_as<T, std::filesystem::path> || std::same_as<T, std::string>) {
    if (!field.empty()) table.insert(name, toml_value(field));
  } else {
    table.insert(name, toml_value(field));
  }
}

template <class T>
bool extract(const toml::node& node, T& value) {
  if constexpr (std::same_as<T, std::filesystem::path>) {
    if (!node.is_string()) return false;
    value = node.value_or(std::string());
  } else if constexpr (std::same_as<T, std::string>) {
    if (node.is_integer() || node.is_floating_point()) {  // dropout = 0.1
      value = node.is_integer() ? fmt::format("{}", node.value_or(std::int64_t{0}))
                                : fmt::format("{}", node.value_or(0.0));
      return true;
    }
    if (!node.is_string()) return false;
    value = node.value_or(std::string());
  } else if constexpr (std::same_as<T, bool>) {
    if (!node.is_boolean()) return false;
    value = node.value_or(false);
  } else if constexpr (std::integral<T>) {
    const std::string text = node.value_or(std::string());  // of a number that insert() wrote as text
    if (std::same_as<T, std::uint64_t> && !text.empty()) {
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
      return error == std::errc() && end == text.data() + text.size();
    }
    const auto number = node.value_or(std::int64_t{0});
    if (!node.is_integer() || !std::in_range<T>(number)) return false;
    value = static_cast<T>(number);
  } else if constexpr (IsOptional<T>::value) {
    typename T::value_type inner{};
    if (!extract(node, inner)) return false;
    value = inner;
  } else if constexpr (IsVector<T>::value) {
    if (node.is_string()) return extract(node, value.emplace_back());  // a list of one
    if (!node.is_array()) return false;
    value.clear();
    for (const auto& entry : *node.as_array()) {
      typename T::value_type inner{};
      if (!extract(entry, inner)) return false;
      value.push_back(inner);
    }
  } else {
    if (!node.is_number()) return false;
    value = node.value_or(0.0);
  }
  return true;
}

void read_table(const toml::table& table, const std::string& where, TrainOptions& options) {
  std::set<std::string> known;
  for_each_train_option(options, [&](const char* name, auto& field, const char*) {
    known.insert(name);
    const toml::node* node = table.get(name);
    if (node != nullptr && !extract(*node, field)) {
      throw UsageError(fmt::format("{}:{}: '{}' has the wrong type, or is out of range", where,
                                   node->source().begin.line, name));
    }
  });
  for (const auto& [key, node] : table) {
    if (!known.contains(std::string(key.str()))) {
      throw UsageError(fmt::format("{}:{}: unknown option '{}'", where, node.source().begin.line, key.str()));
    }
  }
}

}  // namespace

std::string to_toml(const TrainOptions& options) {
  std::ostringstream text;
  for_each_train_option(options, [&](const char* name, const auto& field, const char*) {
    toml::table one;  // a table each, so that options stay in the order of the documentation
    insert(one, name, field);
    if (!one.empty()) text << one << "\n";
  });
  return text.str();
}

void read_toml(const std::filesystem::path& file, TrainOptions& options) {
  toml::table table;
  try {
    table = toml::parse_file(file.string());
  } catch (const toml::parse_error& error) {
    throw UsageError(fmt::format("{}:{}: {}", file.string(), error.source().begin.line, error.description()));
  }
  read_table(table, file.string(), options);
}

void read_toml_text(std::string_view text, const std::string& where, TrainOptions& options) {
  toml::table table;
  try {
    table = toml::parse(text);
  } catch (const toml::parse_error& error) {
    throw UsageError(fmt::format("{}:{}: {}", where, error.source().begin.line, error.description()));
  }
  read_table(table, where, options);
}

std::vector<std::string> differing_options(const TrainOptions& a, const TrainOptions& b) {
  std::vector<std::string> values;
  for_each_train_option(b, [&](const char* name, const auto& field, const char*) {
    toml::table one;
    insert(one, name, field);
    std::ostringstream text;
    text << one;
    values.push_back(text.str());
  });
  std::vector<std::string> names;
  std::size_t index = 0;
  for_each_train_option(a, [&](const char* name, const auto& field, const char*) {
    toml::table one;
    insert(one, name, field);
    std::ostringstream text;
    text << one;
    if (text.str() != values[index++]) names.emplace_back(name);
  });
  return names;
}

void make_paths_absolute(TrainOptions& options) {
  const auto absolute = [](std::filesystem::path& path) {
    if (!path.empty()) path = std::filesystem::absolute(path).lexically_normal();
  };
  if (options.task.ends_with(".toml")) {  // a user's task: a file
    options.task = std::filesystem::absolute(options.task).lexically_normal().string();
  }
  for_each_train_option(options, [&](const char*, auto& field, const char*) {
    using Field = std::remove_reference_t<decltype(field)>;
    if constexpr (std::same_as<Field, std::filesystem::path>) {
      absolute(field);
    } else if constexpr (std::same_as<Field, std::vector<std::filesystem::path>>) {
      for (auto& path : field) absolute(path);
    }
  });
}

}  // namespace cola
