#pragma once
#include <string>
#include <string_view>

namespace cola {

/// Throws Error that says what the file is and how to make JSONL of it, if its first bytes (up to 64 KiB) are
/// those of another kind of file: compressed, an archive, a table, UTF-16, a JSON array or one object over
/// several lines, mark-up, or text without JSON.
void refuse_other_kind(std::string_view first_bytes, const std::string& name);

}  // namespace cola
