#include "data/record.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "core/error.h"
#include "data/chat_record.h"
#include "data/record_keys.h"
#include "data/token_record.h"
#include "io/json.h"
#include "io/printable.h"
#include "text/jinja/json_value.h"

namespace cola {
namespace {

constexpr const char* forms =
    R"({"text"}, {"prompt","completion"}, {"messages":[{"role","content"}]} or {"input_ids","labels"})";

std::string keys_of(const JsonReader& object) {
  constexpr std::size_t most = 8;
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.object().items()) {
    if (keys.size() == most) return fmt::format("{}, ...", fmt::join(keys, ", "));
    keys.push_back(printable(key));
  }
  return keys.empty() ? "none" : fmt::format("{}", fmt::join(keys, ", "));
}

/// Forms of other programs, by keys that only they have.
struct OtherForm {
  std::string_view first, second;
  std::string_view what;
};
constexpr std::array other_forms{
    OtherForm{"chosen", "rejected",
              "a preference pair (chosen, rejected): give the chosen answer as completion"},
    OtherForm{
        "instruction", "output",
        "Alpaca's form (instruction, input, output): write instruction and input into prompt, with the words "
        "between them that you want, and output into completion"},
    OtherForm{
        "instruction", "response",
        "an instruction and its response: write them into prompt and completion, with the words between them "
        "that you want"},
    OtherForm{"question", "answer", "a question and its answer: write them into prompt and completion"},
    OtherForm{"question", "response", "a question and its response: write them into prompt and completion"},
    OtherForm{"query", "response", "a query and its response: write them into prompt and completion"},
    OtherForm{"input", "output", "an input and its output: write them into prompt and completion"},
    OtherForm{"segments", "segments",
              "axolotl's segments: write the untrained ones into prompt, the others into "
              "completion"},
    OtherForm{"tokens", "tokens", "tokens: their ids are called input_ids"},
};

[[noreturn]] void refuse_form(const JsonReader& object) {
  for (const OtherForm& other : other_forms) {
    if (object.has(std::string(other.first)) && object.has(std::string(other.second)))
      throw Error(fmt::format("{}: this is {}", object.where(), other.what));
  }
  throw Error(fmt::format("{}: unknown form: a line is {}; the keys of this one are: {}", object.where(),
                          forms, keys_of(object)));
}

/// The same line with the keys in their order.
jinja::Value ordered(std::string_view line, const std::string& where) {
  try {
    return jinja::value_of_json(line);
  } catch (const jinja::Error& error) {
    throw Error(fmt::format("{}: {}", where, error.what()));
  }
}

std::variant<TextRecord, CompletionRecord, ChatRecord, TokenRecord> read_completion(const JsonReader& object,
                                                                                    std::string_view line) {
  if (!object.has("prompt") || !object.has("completion")) {
    if (object.has("chosen") || object.has("rejected")) refuse_form(object);
    throw Error(
        fmt::format("{}: 'prompt' and 'completion' belong together, and one is missing; the keys are: {}",
                    object.where(), keys_of(object)));
  }
  if (object.at("prompt").is_array() && object.at("completion").is_array()) {
    refuse_unread_keys(object, RecordForm::chat);
    return read_chat_completion(object, ordered(line, object.where()));
  }
  refuse_unread_keys(object, RecordForm::completion);
  CompletionRecord record{object.string("prompt"), object.string("completion")};
  if (record.completion.empty()) {
    throw Error(fmt::format("{}: 'completion' is empty, which would teach to say nothing: drop the line",
                            object.where()));
  }
  return record;
}

/// The text without white space at its ends.
std::string_view stripped(std::string_view text) {
  constexpr std::string_view space = " \t\n\r\f\v";
  const std::size_t begin = std::min(text.find_first_not_of(space), text.size());
  return text.substr(begin, text.find_last_not_of(space) + 1 - begin);
}

/// ultrachat's form has a copy of the first user turn beside the messages.
void require_copy(const JsonReader& object, const ChatRecord& chat) {
  if (!object.has("prompt")) return;
  const Json& prompt = object.at("prompt");
  for (const jinja::Value& message : chat.chat.messages.list()->items) {
    const auto text = [&](std::string_view key) -> std::string_view {
      const jinja::Value* value = message.dict()->find(key);
      return value != nullptr && value->text() != nullptr ? std::string_view(value->text()->bytes)
                                                          : std::string_view();
    };
    if (text("role") != "user") continue;
    if (prompt.is_string() && stripped(prompt.get_ref<const std::string&>()) == stripped(text("content")))
      return;
    break;
  }
  throw Error(fmt::format("{}: 'prompt' beside 'messages' is not the first user's turn: drop one of them",
                          object.where()));
}

}  // namespace

DataRecord parse_record(std::string_view line, const std::string& where) {
  const Json value = parse_json_with_unique_keys(line, where);
  if (!value.is_object()) throw Error(fmt::format("{}: not a JSON object: a line is {}", where, forms));
  const JsonReader object(value, where);
  const bool text = object.has("text");
  const bool chat = object.has("messages");
  // Beside messages, a prompt alone may be a copy of the first turn.
  const bool completion = object.has("completion") || (object.has("prompt") && !chat);
  const bool tokens = object.has("input_ids");
  const int found = int{text} + int{completion} + int{chat} + int{tokens};
  if (found > 1) throw Error(fmt::format("{}: more than one form in a line: it is one of {}", where, forms));
  DataRecord record{.form = TextRecord{}, .weight = read_weight(object)};
  if (text) {
    refuse_unread_keys(object, RecordForm::text);
    record.form = TextRecord{object.string("text")};
  } else if (completion) {
    record.form = read_completion(object, line);
  } else if (chat || object.has("conversations") || object.has("conversation")) {
    refuse_unread_keys(object, RecordForm::chat);
    const char* key = chat ? "messages" : object.has("conversations") ? "conversations" : "conversation";
    ChatRecord messages = read_chat(object, ordered(line, where), key);
    if (chat) require_copy(object, messages);
    record.form = std::move(messages);
  } else if (tokens) {
    refuse_unread_keys(object, RecordForm::tokens);
    record.form = read_tokens(object);
  } else {
    refuse_form(object);
  }
  return record;
}

}  // namespace cola
