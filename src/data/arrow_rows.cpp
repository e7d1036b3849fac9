#include "data/arrow_rows.h"

#include <arrow/api.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "io/json.h"

namespace cola {
namespace {

using arrow::Array;
using arrow::Type;

bool is_written_as_text(Type::type type) {
  return type == Type::STRING || type == Type::LARGE_STRING || type == Type::STRING_VIEW;
}

/// Written as their texts.
bool is_time_or_decimal(Type::type type) {
  static constexpr std::array types{Type::DATE32,    Type::DATE64,   Type::TIME32,     Type::TIME64,
                                    Type::TIMESTAMP, Type::DURATION, Type::DECIMAL128, Type::DECIMAL256};
  return std::ranges::find(types, type) != types.end();
}

bool is_written_as_list(Type::type type) {
  return type == Type::LIST || type == Type::LARGE_LIST || type == Type::FIXED_SIZE_LIST;
}

void require_known(const arrow::DataType& type, const std::string& name, const std::string& where) {
  if (type.id() == Type::DICTIONARY)
    return require_known(*static_cast<const arrow::DictionaryType&>(type).value_type(), name, where);
  const bool is_map = type.id() == Type::MAP;
  if (is_written_as_list(type.id()) || type.id() == Type::STRUCT || is_map) {
    for (const auto& field : type.fields()) require_known(*field->type(), name, where);
    const bool has_text_keys =
        !is_map || is_written_as_text(static_cast<const arrow::MapType&>(type).key_type()->id());
    if (has_text_keys) return;
  }
  if (type.id() == Type::NA || type.id() == Type::BOOL || arrow::is_integer(type.id()) ||
      arrow::is_floating(type.id()) || is_written_as_text(type.id()) || is_time_or_decimal(type.id()))
    return;
  throw Error(fmt::format("{}: column '{}' has values of type {}, which no form of data has", where, name,
                          type.ToString()));
}

/// Writes values into one text, with the place of what is wrong.
class RowWriter {
 public:
  RowWriter(const std::string& where, std::string& json) : where_(where), json_(json) {}

  void append(const std::string& column, const Array& array, std::int64_t i) {
    column_ = column;
    append(array, i);
  }
  void append_text(std::string_view text) {
    try {
      json_ += Json(text).dump();
    } catch (const Json::exception&) {
      throw Error(fmt::format("{}: '{}' is not UTF-8", where_, column_));
    }
  }

 private:
  void append(const Array& array, std::int64_t i) {
    const Type::type type = array.type_id();
    if (array.IsNull(i)) {
      json_ += "null";
    } else if (type == Type::DICTIONARY) {
      const auto& encoded = static_cast<const arrow::DictionaryArray&>(array);
      append(*encoded.dictionary(), encoded.GetValueIndex(i));
    } else if (type == Type::STRUCT) {
      append_struct(static_cast<const arrow::StructArray&>(array), i);
    } else if (type == Type::MAP) {
      append_map(static_cast<const arrow::MapArray&>(array), i);
    } else if (is_written_as_list(type)) {
      append_list(array, i);
    } else {
      append_scalar(array, i);
    }
  }

  /// Without the members that are null.
  void append_struct(const arrow::StructArray& array, std::int64_t i) {
    json_ += '{';
    bool is_first = true;
    for (int member = 0; member < array.num_fields(); ++member) {
      const Array& values = *array.field(member);
      if (values.IsNull(i)) continue;
      if (!std::exchange(is_first, false)) json_ += ',';
      append_text(array.type()->field(member)->name());
      json_ += ':';
      append(values, i);
    }
    json_ += '}';
  }

  void append_map(const arrow::MapArray& array, std::int64_t i) {
    json_ += '{';
    const std::int64_t begin = array.value_offset(i);
    for (std::int64_t at = begin; at < array.value_offset(i + 1); ++at) {
      if (at > begin) json_ += ',';
      append(*array.keys(), at);
      json_ += ':';
      append(*array.items(), at);
    }
    json_ += '}';
  }

  void append_list(const Array& array, std::int64_t i) {
    // A list's own values, whatever the size of its offsets.
    const auto scalar = array.GetScalar(i).ValueOrDie();
    const Array& values = *static_cast<const arrow::BaseListScalar&>(*scalar).value;
    json_ += '[';
    for (std::int64_t at = 0; at < values.length(); ++at) {
      if (at > 0) json_ += ',';
      append(values, at);
    }
    json_ += ']';
  }

  void append_scalar(const Array& array, std::int64_t i) {
    const auto scalar = array.GetScalar(i).ValueOrDie();
    const Type::type type = array.type_id();
    if (is_written_as_text(type)) {
      append_text(static_cast<const arrow::BaseBinaryScalar&>(*scalar).view());
    } else if (type == Type::DOUBLE) {
      append_real(static_cast<const arrow::DoubleScalar&>(*scalar).value);
    } else if (type == Type::FLOAT) {
      append_real(static_cast<const arrow::FloatScalar&>(*scalar).value);
    } else if (type == Type::BOOL || arrow::is_integer(type)) {
      json_ += scalar->ToString();
    } else {
      append_text(scalar->ToString());
    }
  }

  template <class Real>
  void append_real(Real value) {
    if (!std::isfinite(value)) throw Error(fmt::format("{}: '{}' is {}", where_, column_, value));
    const std::string text = fmt::format("{}", value);  // the shortest that is this number
    json_ += text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
  }

  const std::string& where_;
  std::string& json_;
  std::string column_;
};

}  // namespace

void require_known_types(const arrow::Schema& schema, const std::string& where) {
  for (const auto& field : schema.fields()) require_known(*field->type(), field->name(), where);
}

void append_row(const arrow::RecordBatch& batch, std::int64_t row, const std::string& where,
                std::string& json) {
  RowWriter writer(where, json);
  json += '{';
  bool is_first = true;
  for (int column = 0; column < batch.num_columns(); ++column) {
    const Array& values = *batch.column(column);
    if (values.IsNull(row)) continue;
    if (!std::exchange(is_first, false)) json += ',';
    writer.append_text(batch.column_name(column));
    json += ':';
    writer.append(batch.column_name(column), values, row);
  }
  json += '}';
}

}  // namespace cola
