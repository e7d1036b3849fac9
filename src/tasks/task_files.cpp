#include "tasks/task_files.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "core/error.h"
#include "data/jsonl_reader.h"
#include "io/printable.h"
#include "text/utf8.h"

namespace cola {
namespace {

std::vector<std::string> split_tabs(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  std::vector<std::string> cells;
  for (std::size_t begin = 0;;) {
    const std::size_t tab = line.find('\t', begin);
    cells.emplace_back(line.substr(begin, tab - begin));
    if (tab == std::string_view::npos) return cells;
    begin = tab + 1;
  }
}

/// A data line of a TSV file as an object of strings.
Json tsv_row(const std::vector<std::string>& columns, std::string_view line, const std::string& where) {
  require_utf8(line, where);
  std::vector<std::string> cells = split_tabs(line);
  if (cells.size() != columns.size()) {
    throw Error(fmt::format("{}: {} columns, but the header has {} ({})", where, cells.size(), columns.size(),
                            printable(fmt::format("{}", fmt::join(columns, ", ")))));
  }
  Json row = Json::object();
  for (std::size_t i = 0; i < columns.size(); ++i) row[columns[i]] = std::move(cells[i]);
  return row;
}

std::optional<std::int32_t> find_name(std::span<const std::string_view> names, std::string_view name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  return static_cast<std::int32_t>(found - names.begin());
}

Error unknown_label(const JsonReader& row, const std::string& key, std::span<const std::string_view> names,
                    std::string_view also) {
  return Error(fmt::format("{}: '{}' is '{}': must be one of {}{}", row.where(), printable(key),
                           printable(scalar_text(row, key)),
                           printable(fmt::format("{}", fmt::join(names, ", "))), also));
}

}  // namespace

std::filesystem::path find_data_file(const std::filesystem::path& folder,
                                     std::initializer_list<std::string_view> names,
                                     std::string_view address) {
  for (const std::string_view name : names) {
    std::filesystem::path file = folder / name;
    std::error_code ignored;
    if (std::filesystem::is_regular_file(file, ignored)) return file;
  }
  const std::vector<std::string_view> others(names.begin() + 1, names.end());
  throw Error(fmt::format("{}: no such file{}: download the official data set from {}",
                          (folder / *names.begin()).string(),
                          others.empty() ? "" : fmt::format(" (nor {})", fmt::join(others, ", ")), address));
}

std::filesystem::path find_jsonl_file(const std::filesystem::path& folder, TaskSplit split,
                                      std::string_view address) {
  if (split == TaskSplit::train) return find_data_file(folder, {"train.jsonl"}, address);
  return find_data_file(folder, {"val.jsonl", "dev.jsonl", "validation.jsonl"}, address);
}

void for_each_row(const std::filesystem::path& file, const RowCallback& row) {
  JsonlReader lines(file);
  const bool tsv = file.extension() == ".tsv";
  if (!tsv) lines.require_jsonl();
  std::string line;
  std::vector<std::string> columns;
  if (tsv && lines.next(line)) columns = split_tabs(line);
  std::int64_t index = 0;
  while (lines.next(line)) {
    const std::string where = lines.where();
    const Json object = tsv ? tsv_row(columns, line, where) : parse_json(line, where);
    row(JsonReader(object, where), index++);
  }
  if (index == 0) throw Error(fmt::format("{}: no examples in it", file.string()));
}

std::vector<TaskItem> read_rows(const std::filesystem::path& file, const RowItem& item) {
  std::vector<TaskItem> items;
  for_each_row(file, [&](const JsonReader& row, std::int64_t index) {
    items.push_back(item(row, row_id(row, index)));
  });
  return items;
}

TaskReader superglue_reader(RowItem item) {
  return [item = std::move(item)](const std::filesystem::path& folder, TaskSplit split) {
    return read_rows(find_jsonl_file(folder, split, superglue_address), item);
  };
}

std::string row_id(const JsonReader& row, std::int64_t index) {
  return row.has("idx") ? scalar_text(row, "idx") : std::to_string(index);
}

std::string scalar_text(const JsonReader& row, const std::string& key) {
  const Json& value = row.at(key);
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number() || value.is_boolean()) return value.dump();
  throw Error(fmt::format("{}: '{}' must be a string, a number, true or false", row.where(), printable(key)));
}

std::int32_t label_index(const JsonReader& row, const std::string& key,
                         std::span<const std::string_view> names) {
  const std::string text = scalar_text(row, key);
  if (const auto index = find_name(names, text)) return *index;
  std::int32_t number = -1;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error == std::errc() && stop == end && number >= 0 && static_cast<std::size_t>(number) < names.size()) {
    return number;
  }
  throw unknown_label(row, key, names, ", or its number from 0");
}

std::int32_t label_index_by_name(const JsonReader& row, const std::string& key,
                                 std::span<const std::string_view> names) {
  if (const auto index = find_name(names, scalar_text(row, key))) return *index;
  throw unknown_label(row, key, names, "");
}

bool boolean_label(const JsonReader& row, const std::string& key) {
  constexpr std::array<std::string_view, 2> names{"false", "true"};
  return label_index(row, key, names) == 1;
}

const Json& array_member(const JsonReader& object, const std::string& key) {
  const Json& value = object.at(key);
  if (!value.is_array()) throw Error(fmt::format("{}: '{}' must be a list", object.where(), printable(key)));
  return value;
}

}  // namespace cola
