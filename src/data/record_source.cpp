#include "data/record_source.h"

#include <fmt/format.h>

#include <utility>

#include "core/error.h"
#include "data/file_kind.h"
#include "data/json_array_reader.h"
#include "data/jsonl_reader.h"
#include "data/table_reader.h"

namespace cola {

std::unique_ptr<RecordSource> open_records(const std::filesystem::path& file) {
  TextReader text(file);
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

void for_each_record(const std::filesystem::path& file,
                     const std::function<void(std::int64_t, std::int64_t)>& each,
                     const std::function<void(const std::string& record, const std::string& where)>& use) {
  constexpr std::int64_t report_every = std::int64_t{1} << 18;  // bytes
  const auto records = open_records(file);
  std::int64_t reported = 0;
  std::int64_t count = 0;
  for (std::string record; records->next(record); ++count) {
    use(record, records->where());
    if (each && records->bytes_read() - reported >= report_every) {
      reported = records->bytes_read();
      each(reported, records->bytes_in_all());
    }
  }
  if (count == 0) throw Error(fmt::format("{}: no records in the file", file.string()));
}

}  // namespace cola
