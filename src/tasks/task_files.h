#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"
#include "tasks/task.h"

namespace cola {

inline constexpr std::string_view superglue_address = "https://super.gluebenchmark.com/tasks";

/// The first of `names` that is a file in `folder`. Throws Error that names the first as missing, the others
/// as looked for, and `address`, where the data set is found.
[[nodiscard]] std::filesystem::path find_data_file(const std::filesystem::path& folder,
                                                   std::initializer_list<std::string_view> names,
                                                   std::string_view address);

/// A split's JSONL file as SuperGLUE and its relatives name it: train; val, dev or validation.
[[nodiscard]] std::filesystem::path find_jsonl_file(const std::filesystem::path& folder, TaskSplit split,
                                                    std::string_view address);

using RowCallback = std::function<void(const JsonReader& row, std::int64_t index)>;

/// Calls `row` for each record of a JSONL file, or of a .tsv file whose first line names the columns (no
/// quoting, as in GLUE; every value is a string). `index` counts from 0. Throws Error with file and line:
/// malformed JSON, a row of another number of columns than the header; a file without any record.
void for_each_row(const std::filesystem::path& file, const RowCallback& row);

/// An example from a record.
using RowItem = std::function<TaskItem(const JsonReader& row, std::string id)>;

/// An example for each record of `file`.
[[nodiscard]] std::vector<TaskItem> read_rows(const std::filesystem::path& file, const RowItem& item);

/// Reads a SuperGLUE task that has an example a record.
[[nodiscard]] TaskReader superglue_reader(RowItem item);

/// What an example without an id of its own is called.
[[nodiscard]] std::string row_id(const JsonReader& row, std::int64_t index);

/// A string, number or boolean as text; throws Error naming the place and `key` for anything else.
[[nodiscard]] std::string scalar_text(const JsonReader& row, const std::string& key);

/// The index in `names` of a label given by its name or by its number. Throws Error for any other.
[[nodiscard]] std::int32_t label_index(const JsonReader& row, const std::string& key,
                                       std::span<const std::string_view> names);
/// The index in `names` of a label given by its name. Throws Error for any other.
[[nodiscard]] std::int32_t label_index_by_name(const JsonReader& row, const std::string& key,
                                               std::span<const std::string_view> names);
/// A label that is false or true (0 or 1).
[[nodiscard]] bool boolean_label(const JsonReader& row, const std::string& key);

/// A member that is an array. Throws Error naming the place and `key`.
[[nodiscard]] const Json& array_member(const JsonReader& object, const std::string& key);

}  // namespace cola
