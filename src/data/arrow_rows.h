#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <string>

namespace cola {

/// Throws Error beginning with `where` and naming the column for a type that append_row does not write.
void require_known_types(const arrow::Schema& schema, const std::string& where);

/// Appends row `row` as a JSON object, without members that are null. Throws Error beginning with `where`: a
/// number that JSON does not have, text that is not UTF-8.
void append_row(const arrow::RecordBatch& batch, std::int64_t row, const std::string& where,
                std::string& json);

}  // namespace cola
