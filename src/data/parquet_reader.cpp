#include "data/parquet_reader.h"

#include <arrow/api.h>
#include <arrow/io/file.h>
#include <fmt/format.h>
#include <parquet/arrow/reader.h>
#include <parquet/exception.h>

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "data/arrow_rows.h"
#include "data/text_reader.h"

namespace cola {
namespace {

constexpr std::int64_t rows_at_a_time = 256;

class ParquetReader final : public RecordSource {
 public:
  explicit ParquetReader(const std::filesystem::path& file)
      : name_(file.string()), bytes_(static_cast<std::int64_t>(std::filesystem::file_size(file))) {
    guarded([&] {
      auto source = take(arrow::io::ReadableFile::Open(name_));
      parquet::arrow::FileReaderBuilder builder;
      require(builder.Open(std::move(source)));
      auto properties = parquet::default_arrow_reader_properties();
      properties.set_batch_size(rows_at_a_time);
      reader_ = take(builder.properties(properties)->Build());
      rows_in_all_ = reader_->parquet_reader()->metadata()->num_rows();
      batches_ = take(reader_->GetRecordBatchReader());
      return true;
    });
    require_known_types(*batches_->schema(), name_);
  }

  bool next(std::string& record) override {
    while (batch_ == nullptr || row_ == batch_->num_rows()) {
      if (!guarded([&] { return read_batch(); })) return false;
    }
    ++rows_read_;
    record.clear();
    append_row(*batch_, row_++, where(), record);
    if (record.size() > TextReader::record_limit)
      throw Error(fmt::format("{}: a record of more than {} MiB", where(), TextReader::record_limit >> 20));
    return true;
  }
  [[nodiscard]] std::string where() const override { return fmt::format("{}, row {}", name_, rows_read_); }
  [[nodiscard]] std::int64_t bytes_read() const override {
    const auto part =
        static_cast<double>(rows_read_) / static_cast<double>(std::max<std::int64_t>(rows_in_all_, 1));
    return static_cast<std::int64_t>(part * static_cast<double>(bytes_));
  }
  [[nodiscard]] std::int64_t bytes_in_all() const override { return bytes_; }

 private:
  bool read_batch() {
    require(batches_->ReadNext(&batch_));
    row_ = 0;
    if (batch_ != nullptr) require(batch_->ValidateFull());
    return batch_ != nullptr;
  }

  void require(const arrow::Status& status) const {
    if (!status.ok()) throw Error(fmt::format("{}: cannot be read as Parquet: {}", name_, status.message()));
  }
  template <class T>
  T take(arrow::Result<T> result) const {
    require(result.status());
    return std::move(result).ValueUnsafe();
  }
  /// Parquet's own exceptions as ours.
  template <class Read>
  bool guarded(const Read& read) const {
    try {
      return read();
    } catch (const parquet::ParquetException& error) {
      throw Error(fmt::format("{}: cannot be read as Parquet: {}", name_, error.what()));
    }
  }

  std::string name_;
  std::int64_t bytes_;
  std::unique_ptr<parquet::arrow::FileReader> reader_;
  std::shared_ptr<arrow::RecordBatchReader> batches_;
  std::shared_ptr<arrow::RecordBatch> batch_;
  std::int64_t row_ = 0, rows_read_ = 0, rows_in_all_ = 0;
};

}  // namespace

std::unique_ptr<RecordSource> open_parquet(const std::filesystem::path& file) {
  return std::make_unique<ParquetReader>(file);
}

}  // namespace cola
