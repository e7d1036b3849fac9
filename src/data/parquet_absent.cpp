// Where Apache Arrow was not found when this was built.
#include <fmt/format.h>

#include "core/error.h"
#include "data/parquet_reader.h"

namespace cola {

std::unique_ptr<RecordSource> open_parquet(const std::filesystem::path& file) {
  throw Error(
      fmt::format("{}: this is Parquet, and the program was built without Apache Arrow: build it with "
                  "Arrow's C++ library, "
                  "or write JSONL: python -c \"import pandas; "
                  "pandas.read_parquet('IN.parquet').to_json('OUT.jsonl', orient='records', lines=True)\"",
                  file.string()));
}

}  // namespace cola
