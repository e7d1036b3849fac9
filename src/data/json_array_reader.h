#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "data/record_source.h"
#include "data/text_reader.h"

namespace cola {

/// Reads the objects of one JSON array, each by itself: the array need not fit into memory.
class JsonArrayReader final : public RecordSource {
 public:
  explicit JsonArrayReader(TextReader text) : text_(std::move(text)) {}

  [[nodiscard]] bool next(std::string& record) override;
  [[nodiscard]] std::string where() const override;
  [[nodiscard]] std::int64_t bytes_read() const override { return text_.bytes_read(); }
  [[nodiscard]] std::int64_t bytes_in_all() const override { return text_.bytes_in_all(); }

 private:
  /// The next character that is not white space, not yet taken; 0 at the end of the file.
  [[nodiscard]] char next_character();
  /// Goes to the next object; false where the array ends.
  [[nodiscard]] bool find_object();
  void require_nothing_more();
  void read_object(std::string& record);

  TextReader text_;
  std::int64_t line_number_ = 0;
  bool is_begun_ = false, is_ended_ = false;
};

}  // namespace cola
