#include "io/json_builder.h"

#include <fmt/format.h>

#include "core/error.h"
#include "io/printable.h"

namespace cola {
namespace {

constexpr std::size_t max_depth = 100;

/// nlohmann's message without its "[json.exception.parse_error.101] " prefix.
std::string cause_of(const Json::exception& error) {
  const std::string_view text = error.what();
  const std::size_t prefix_end = text.find("] ");
  return printable(prefix_end == std::string_view::npos ? text : text.substr(prefix_end + 2));
}

}  // namespace

JsonBuilder::JsonBuilder(const std::string& where, const JsonBuilderOptions& options)
    : where_(where), options_(options) {}

bool JsonBuilder::key(std::string& value) {
  levels_.back().key = std::move(value);
  return true;
}

bool JsonBuilder::parse_error(std::size_t /*position*/, const std::string& /*token*/,
                              const Json::exception& error) {
  const std::string place = path();
  throw Error(fmt::format("{}: not valid JSON: {}{}", where_,
                          place.empty() ? "" : fmt::format("'{}': ", place), cause_of(error)));
}

std::string JsonBuilder::path() const {
  std::string path;
  for (const Level& level : levels_) {
    if (level.value.is_array()) {
      path += fmt::format("[{}]", level.value.size());
    } else if (!level.key.empty()) {
      path += fmt::format("{}{}", path.empty() ? "" : ".", level.key);
    }
  }
  return printable(path);
}

bool JsonBuilder::open(Json::value_t kind) {
  if (levels_.size() == max_depth)
    throw Error(fmt::format("{}: JSON nested deeper than {} levels is refused", where_, max_depth));
  levels_.push_back({.value = Json(kind), .key = {}});
  return true;
}

bool JsonBuilder::close() {
  Json value = std::move(levels_.back().value);
  levels_.pop_back();
  return add(std::move(value));
}

bool JsonBuilder::add(Json value) {
  if (levels_.empty()) {
    root_ = std::move(value);
    return true;
  }
  Level& level = levels_.back();
  if (level.value.is_array()) {
    level.value.push_back(std::move(value));
  } else {
    const auto [member, is_new] = level.value.emplace(std::move(level.key), nullptr);
    if (!is_new && options_.unique_keys)
      throw Error(fmt::format("{}: '{}' occurs twice", where_, printable(member.key())));
    if (is_new && options_.outer != nullptr && levels_.size() == 1) options_.outer->push_back(member.key());
    *member = std::move(value);
  }
  return true;
}

}  // namespace cola
