#include "data/record_source.h"

#include <utility>

#include "data/file_kind.h"
#include "data/json_array_reader.h"
#include "data/jsonl_reader.h"
#include "data/parquet_reader.h"
#include "data/table_reader.h"

namespace cola {

std::unique_ptr<RecordSource> open_records(const std::filesystem::path& file) {
  TextReader text(file);
  if (text.unread().starts_with("PAR1")) return open_parquet(file);
  switch (data_format(text.unread(), text.name())) {
    case DataFormat::json_array:
      return std::make_unique<JsonArrayReader>(std::move(text));
    case DataFormat::csv:
      return std::make_unique<TableReader>(std::move(text), ',');
    case DataFormat::tsv:
      return std::make_unique<TableReader>(std::move(text), '\t');
    case DataFormat::jsonl:
      break;
  }
  return std::make_unique<JsonlReader>(std::move(text));
}

}  // namespace cola
