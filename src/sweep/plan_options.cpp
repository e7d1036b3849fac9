#include "sweep/plan_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <map>
#include <optional>
#include <sstream>

#include "io/printable.h"
#include "sweep/plan.h"
#include "train/option_fields.h"
#include "train/options_toml.h"

namespace cola {
namespace {

enum class OptionKind : std::uint8_t { single, numbers, texts };

template <class T>
constexpr OptionKind kind_of() {
  if constexpr (std::is_same_v<T, std::vector<std::int64_t>> || std::is_same_v<T, std::vector<double>>)
    return OptionKind::numbers;
  if constexpr (std::is_same_v<T, std::vector<std::string>> ||
                std::is_same_v<T, std::vector<std::filesystem::path>>)
    return OptionKind::texts;
  return OptionKind::single;
}

/// Options by name, and in order.
std::vector<std::pair<std::string, OptionKind>> option_kinds() {
  std::vector<std::pair<std::string, OptionKind>> kinds;
  TrainOptions options;
  for_each_train_option(options, [&](const char* name, const auto& field, const char*) {
    kinds.emplace_back(name, kind_of<std::remove_cvref_t<decltype(field)>>());
  });
  return kinds;
}

/// What a plan says elsewhere.
const std::map<std::string, std::string>& reserved_options() {
  static const std::map<std::string, std::string> reserved{
      {"model", "the plan's 'model'"},       {"task", "the plan's 'tasks'"},
      {"task-data", "the plan's 'data'"},    {"threads", "the plan's 'threads'"},
      {"out", "the sweep's --out"},          {"train", "the plan's 'tasks'"},
      {"dev", "the plan's 'tasks'"},         {"dev-fraction", "the task's num-dev"},
      {"method", "a [[method]]'s 'method'"},
  };
  return reserved;
}

/// "8,6" as [8, 6]; "fc1,fc2" as a list of texts; nothing for a text that is no such list.
std::optional<toml::array> list_from_text(const std::string& text, OptionKind kind) {
  toml::array list;
  std::istringstream entries(text);
  for (std::string entry; std::getline(entries, entry, ',');) {
    if (kind == OptionKind::texts) {
      list.push_back(entry);
      continue;
    }
    std::int64_t whole = 0;
    double number = 0.0;
    const char* end = entry.data() + entry.size();
    if (const auto parsed = std::from_chars(entry.data(), end, whole);
        parsed.ec == std::errc() && parsed.ptr == end) {
      list.push_back(whole);
    } else if (const auto real = std::from_chars(entry.data(), end, number);
               real.ec == std::errc() && real.ptr == end) {
      list.push_back(number);
    } else {
      return std::nullopt;
    }
  }
  return list;
}

std::string text_of(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_floating_point()) return rate_text(number->get());
  if (const toml::array* list = node.as_array()) {
    std::vector<std::string> texts;
    for (const toml::node& entry : *list) texts.push_back(text_of(entry));
    return fmt::format("{}", fmt::join(texts, ","));
  }
  std::ostringstream text;
  text << toml::node_view<const toml::node>(node);
  return text.str();
}

bool is_grid(const toml::node& node, OptionKind kind) {
  const toml::array* list = node.as_array();
  if (list == nullptr) return false;
  if (kind == OptionKind::single || list->empty()) return true;
  for (const toml::node& entry : *list) {
    if (entry.is_array() || (kind == OptionKind::numbers && entry.is_string())) return true;
  }
  return false;
}

toml::table one_option(const std::string& name, const toml::node& node, OptionKind kind) {
  toml::table table;
  if (const auto* text = node.as_string(); text != nullptr && kind != OptionKind::single) {
    if (auto list = list_from_text(text->get(), kind)) {
      table.insert(name, std::move(*list));
      return table;
    }
  }
  table.insert(name, node);
  return table;
}

}  // namespace

bool is_plan_option(const std::string& name) {
  if (reserved_options().contains(name)) return false;
  for (const auto& [known, kind] : option_kinds()) {
    if (known == name) return true;
  }
  return false;
}

void check_option_names(const toml::table& options, const std::string& where, Problems& problems) {
  for (const auto& [key, node] : options) {
    const std::string name(key.str());
    if (const auto reserved = reserved_options().find(name); reserved != reserved_options().end()) {
      problems.add(fmt::format("{}: '{}' is set by {}", where, name, reserved->second));
    } else if (!is_plan_option(name)) {
      problems.add(fmt::format("{}: unknown option '{}': those of cola train --help are known", where,
                               printable(name)));
    }
  }
}

OptionGrid split_grid(const toml::table& options, const std::string& where, Problems& problems) {
  OptionGrid grid;
  for (const auto& [name, kind] : option_kinds()) {
    const toml::node* node = options.get(name);
    if (node == nullptr) continue;
    if (!is_grid(*node, kind)) {
      const toml::table one = one_option(name, *node, kind);
      grid.fixed.insert(name, *one.get(name));
      continue;
    }
    GridAxis axis{name, {}, {}};
    for (const toml::node& entry : *node->as_array()) {
      axis.values.push_back(one_option(name, entry, kind));
      axis.texts.push_back(text_of(entry));
    }
    if (axis.values.empty()) {
      problems.add(fmt::format("{}: the grid of '{}' is empty", where, name));
      continue;
    }
    grid.axes.push_back(std::move(axis));
  }
  return grid;
}

void set_options(const toml::table& values, const std::string& where, TrainOptions& options,
                 Problems& problems) {
  for (const auto& [key, node] : values) {
    if (!is_plan_option(std::string(key.str()))) continue;  // told by check_option_names
    toml::table one;
    one.insert(key, node);
    std::ostringstream text;
    text << one;
    try {
      read_toml_text(text.str(), where, options);
    } catch (const UsageError&) {
      problems.add(
          fmt::format("{}: '{}' has the wrong type: {}", where, key.str(), printable(text_of(node))));
    }
  }
}

}  // namespace cola
