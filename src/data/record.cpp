#include "data/record.h"

#include <fmt/format.h>

#include <limits>

#include "core/error.h"
#include "io/json.h"

namespace cola {
namespace {

constexpr const char* forms =
    R"({"text"}, {"prompt","completion"}, {"messages":[{"role","content"}]} or {"input_ids","labels"})";

std::vector<std::int64_t> integers(const Json& array, const char* key, const std::string& where) {
  if (!array.is_array()) throw Error(fmt::format("{}: '{}' is not an array of integers", where, key));
  std::vector<std::int64_t> values;
  values.reserve(array.size());
  for (const Json& item : array) {
    const bool too_large =
        item.is_number_unsigned() &&
        item.get<std::uint64_t>() > std::uint64_t{std::numeric_limits<std::int64_t>::max()};
    if (!item.is_number_integer() || too_large) {
      throw Error(fmt::format("{}: '{}' entry {} is not an integer", where, key, values.size()));
    }
    values.push_back(item.get<std::int64_t>());
  }
  return values;
}

CompletionRecord read_completion(const JsonReader& object) {
  if (!object.has("prompt") || !object.has("completion")) {
    throw Error(
        fmt::format("{}: 'prompt' and 'completion' belong together, and one is missing", object.where()));
  }
  return {object.string("prompt"), object.string("completion")};
}

ChatRecord read_chat(const JsonReader& object) {
  const Json& array = object.at("messages");
  if (!array.is_array()) {
    throw Error(fmt::format(R"({}: 'messages' is not an array of {{"role","content"}})", object.where()));
  }
  ChatRecord record;
  for (const Json& item : array) {
    const JsonReader message(item, fmt::format("{}: message {}", object.where(), record.messages.size()));
    record.messages.push_back({message.string("role"), message.string("content")});
  }
  return record;
}

TokenRecord read_tokens(const JsonReader& object) {
  TokenRecord record{integers(object.at("input_ids"), "input_ids", object.where()), std::nullopt};
  if (!object.has("labels")) return record;
  record.labels = integers(object.at("labels"), "labels", object.where());
  if (record.labels->size() != record.ids.size()) {
    throw Error(fmt::format("{}: {} labels for {} input_ids: both must be of one length", object.where(),
                            record.labels->size(), record.ids.size()));
  }
  return record;
}

}  // namespace

DataRecord parse_record(std::string_view line, const std::string& where) {
  const Json value = parse_json(line, where);
  if (!value.is_object()) throw Error(fmt::format("{}: not a JSON object: a line is {}", where, forms));
  const JsonReader object(value, where);
  const bool text = object.has("text");
  const bool completion = object.has("prompt") || object.has("completion");
  const bool chat = object.has("messages");
  const bool tokens = object.has("input_ids");
  const int found = int{text} + int{completion} + int{chat} + int{tokens};
  if (found == 0) throw Error(fmt::format("{}: unknown form: a line is {}", where, forms));
  if (found > 1) throw Error(fmt::format("{}: more than one form in a line: it is one of {}", where, forms));
  if (text) return TextRecord{object.string("text")};
  if (completion) return read_completion(object);
  if (chat) return read_chat(object);
  return read_tokens(object);
}

}  // namespace cola
