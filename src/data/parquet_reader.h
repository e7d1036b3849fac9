#pragma once
#include <filesystem>
#include <memory>

#include "data/record_source.h"

namespace cola {

/// The rows of a Parquet file, each as a JSON object: lists, structs and maps as arrays and objects, dates
/// and times as text, members that are null left out (a column has one for every row that lacks it). Throws
/// Error naming the file: a column of another kind (binary), a damaged file; without Apache Arrow in the
/// build, always, with how to convert.
[[nodiscard]] std::unique_ptr<RecordSource> open_parquet(const std::filesystem::path& file);

}  // namespace cola
