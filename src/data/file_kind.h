#pragma once
#include <string>
#include <string_view>

namespace cola {

enum class DataFormat : unsigned char { jsonl, json_array, csv, tsv };

/// How a file's records are written, by its first bytes, for JSONL and tables also by its name. Throws Error
/// as refuse_other_kind does for what is none of these.
[[nodiscard]] DataFormat data_format(std::string_view first_bytes, const std::string& name);

/// Of a file that has to be JSONL. Throws Error that says what the file is and how to make JSONL of it, if
/// its first bytes (up to 64 KiB) are those of another kind of file: compressed, an archive, a table, UTF-16,
/// a JSON array or one object over several lines, mark-up, or text without JSON.
void refuse_other_kind(std::string_view first_bytes, const std::string& name);

}  // namespace cola
