#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

namespace cola {

/// The records of a data file, one after the other, each as a JSON object's text.
class RecordSource {
 public:
  RecordSource() = default;
  virtual ~RecordSource() = default;
  RecordSource(const RecordSource&) = delete;
  RecordSource& operator=(const RecordSource&) = delete;

  /// The next record into `record`; false at the end. Throws Error naming file and line: text that is cut off
  /// or malformed between records, a record longer than TextReader::record_limit.
  [[nodiscard]] virtual bool next(std::string& record) = 0;
  /// "data.jsonl:12", the line on which the last record begins.
  [[nodiscard]] virtual std::string where() const = 0;
  /// Bytes of the file, as it is stored: how many are read, and in all, 0 where it has no size.
  [[nodiscard]] virtual std::int64_t bytes_read() const = 0;
  [[nodiscard]] virtual std::int64_t bytes_in_all() const = 0;
};

/// Opens JSONL, a JSON array of objects, CSV or TSV, told apart by the first bytes (file_kind.h); each also
/// in a gzip or zstd file; or Parquet, where the build has Arrow. Throws Error naming the file and what it
/// is, if it is of another kind.
[[nodiscard]] std::unique_ptr<RecordSource> open_records(const std::filesystem::path& file);

}  // namespace cola
