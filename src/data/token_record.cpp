#include "data/token_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>

#include "core/error.h"
#include "data/dataset.h"
#include "io/printable.h"

namespace cola {
namespace {

constexpr std::array<std::string_view, 4> loss_masks{"completion_mask", "assistant_masks", "assistant_mask",
                                                     "loss_mask"};
/// Read here, or without a meaning for a causal model.
constexpr std::array<std::string_view, 6> known_arrays{
    "input_ids", "labels", "attention_mask", "position_ids", "special_tokens_mask", "token_type_ids"};

std::vector<std::int64_t> integers(const Json& array, const std::string& key, const std::string& where) {
  if (!array.is_array()) throw Error(fmt::format("{}: '{}' is not an array of integers", where, key));
  std::vector<std::int64_t> values;
  values.reserve(array.size());
  for (const Json& item : array) {
    const bool too_large =
        item.is_number_unsigned() &&
        item.get<std::uint64_t>() > std::uint64_t{std::numeric_limits<std::int64_t>::max()};
    if (!item.is_number_integer() || too_large) {
      throw Error(fmt::format("{}: '{}' entry {} is not an integer", where, key, values.size() + 1));
    }
    values.push_back(item.get<std::int64_t>());
  }
  return values;
}

void require_length(std::size_t length, std::string_view key, const TokenRecord& record,
                    const std::string& where) {
  if (length == record.ids.size()) return;
  throw Error(fmt::format("{}: {} {} for {} input_ids: both must be of one length", where, length, key,
                          record.ids.size()));
}

/// An array of 0 and 1, or of false and true.
std::vector<bool> read_mask(const JsonReader& object, std::string_view key, const TokenRecord& record) {
  const Json& array = object.at(std::string(key));
  if (!array.is_array()) throw Error(fmt::format("{}: '{}' is not an array of 0 and 1", object.where(), key));
  require_length(array.size(), key, record, object.where());
  std::vector<bool> mask;
  for (const Json& item : array) {
    const bool one = item == 1 || item == true;
    if (!one && item != 0 && item != false) {
      throw Error(fmt::format("{}: '{}' entry {} is neither 0 nor 1", object.where(), key, mask.size() + 1));
    }
    mask.push_back(one);
  }
  return mask;
}

/// Cuts the padding that `mask` marks with zeros off `values`.
void take_off_padding(std::vector<std::int64_t>& values, const std::vector<bool>& mask) {
  const auto first = std::ranges::find(mask, true) - mask.begin();
  const auto count = std::ranges::count(mask, true);
  values.erase(values.begin(), values.begin() + first);
  values.resize(static_cast<std::size_t>(count));
}

std::vector<bool> read_attention_mask(const JsonReader& object, const TokenRecord& record) {
  std::vector<bool> mask = read_mask(object, "attention_mask", record);
  const auto first = std::ranges::find(mask, true);
  if (std::find(std::find(first, mask.end(), false), mask.end(), true) != mask.end()) {
    throw Error(fmt::format("{}: 'attention_mask' has zeros between ones: padding stands at the ends",
                            object.where()));
  }
  return mask;
}

/// An array as long as input_ids says something of each token.
void refuse_other_arrays(const JsonReader& object, const TokenRecord& record) {
  for (const auto& [key, value] : object.object().items()) {
    if (std::ranges::find(known_arrays, key) != known_arrays.end() ||
        std::ranges::find(loss_masks, key) != loss_masks.end())
      continue;
    const bool of_tokens =
        value.is_array() && value.size() == record.ids.size() && !value.empty() &&
        std::ranges::all_of(value, [](const Json& item) { return item.is_number() || item.is_boolean(); });
    if (of_tokens) {
      throw Error(fmt::format(
          "{}: '{}' has an entry for each of input_ids, and is not read: drop it if it says nothing "
          "of the loss",
          object.where(), printable(key)));
    }
  }
  if (object.has("token_type_ids") &&
      std::ranges::any_of(object.at("token_type_ids"), [](const Json& item) { return item != 0; })) {
    throw Error(fmt::format("{}: 'token_type_ids' other than 0 are not read", object.where()));
  }
}

}  // namespace

std::vector<std::int64_t> read_integers(const JsonReader& object, const std::string& key) {
  return integers(object.at(key), key, object.where());
}

TokenRecord read_tokens(const JsonReader& object) {
  const std::string& where = object.where();
  TokenRecord record;
  record.ids = integers(object.at("input_ids"), "input_ids", where);
  record.labels = record.ids;
  if (object.has("labels")) {
    record.labels = integers(object.at("labels"), "labels", where);
    require_length(record.labels.size(), "labels", record, where);
  }
  refuse_other_arrays(object, record);
  for (const std::string_view key : loss_masks) {
    if (!object.has(std::string(key))) continue;
    const std::vector<bool> mask = read_mask(object, key, record);
    for (std::size_t i = 0; i < mask.size(); ++i) {
      if (!mask[i]) record.labels[i] = no_label;
    }
  }
  std::vector<std::int64_t> positions;
  if (object.has("position_ids")) {
    positions = integers(object.at("position_ids"), "position_ids", where);
    require_length(positions.size(), "position_ids", record, where);
  }
  if (object.has("attention_mask")) {
    const std::vector<bool> mask = read_attention_mask(object, record);
    if (!positions.empty()) take_off_padding(positions, mask);
    take_off_padding(record.ids, mask);
    take_off_padding(record.labels, mask);
  }
  for (std::size_t i = 0; i < positions.size(); ++i) {
    if (positions[i] != static_cast<std::int64_t>(i)) {
      throw Error(
          fmt::format("{}: 'position_ids' do not count from 0: several sequences in one line are not read "
                      "(entry {} is {})",
                      where, i + 1, positions[i]));
    }
  }
  return record;
}

}  // namespace cola
