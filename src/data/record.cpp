#include "data/record.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "core/error.h"
#include "data/chat_record.h"
#include "data/instruction_record.h"
#include "data/prompt_template.h"
#include "data/record_keys.h"
#include "data/token_record.h"
#include "io/json.h"
#include "io/printable.h"
#include "text/jinja/json_value.h"

namespace cola {
namespace {

constexpr const char* forms =
    R"({"text"}, {"prompt","completion"}, {"messages":[{"role","content"}]} or {"input_ids","labels"}, )"
    R"(or has its fields named by --prompt-field, --completion-field, --text-field or --messages-field)";

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
              "a preference pair (chosen, rejected): give --objective dpo, orpo or simpo"},
    OtherForm{"chosen_ids", "rejected_ids", "a preference pair: give --objective dpo, orpo or simpo"},
    OtherForm{"instruction", "response",
              "an instruction and its response: name them by --prompt-field instruction --completion-field "
              "response, or write a --prompt-template"},
    OtherForm{"instruction", "instruction", "an instruction without its 'output'"},
    OtherForm{"question", "response",
              "a question and its response: --prompt-field question --completion-field response"},
    OtherForm{"question", "question", "a question without its 'answer'"},
    OtherForm{"query", "response",
              "a query and its response: --prompt-field query --completion-field response"},
    OtherForm{"input", "output", "an input and its output: --prompt-field input --completion-field output"},
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

/// One record, as it is read.
struct Line {
  const JsonReader& object;
  std::string_view text;

  [[nodiscard]] jinja::Value in_order() const { return ordered(text, object.where()); }
};

DataRecord completion_of_texts(const JsonReader& object, std::string prompt,
                               const std::string& completion_key) {
  CompletionRecord record{std::move(prompt), object.string(completion_key)};
  if (record.completion.empty()) {
    throw Error(fmt::format("{}: '{}' is empty, which would teach to say nothing: drop the line",
                            object.where(), printable(completion_key)));
  }
  return {.form = std::move(record), .weight = 1.0F, .form_name = "prompt and completion"};
}

DataRecord read_completion(const Line& line, const std::string& prompt_key,
                           const std::string& completion_key) {
  const JsonReader& object = line.object;
  if (!object.has(prompt_key) || !object.has(completion_key)) {
    if (object.has("chosen") || object.has("rejected")) refuse_form(object);
    throw Error(fmt::format("{}: '{}' and '{}' belong together, and one is missing; the keys are: {}",
                            object.where(), printable(prompt_key), printable(completion_key),
                            keys_of(object)));
  }
  if (object.at(prompt_key).is_array() && object.at(completion_key).is_array()) {
    refuse_unread_keys(object, RecordForm::chat);
    return {.form = read_chat_completion(object, line.in_order(), prompt_key, completion_key),
            .weight = 1.0F,
            .form_name = "prompt and completion of messages"};
  }
  refuse_unread_keys(object, RecordForm::completion);
  return completion_of_texts(object, object.string(prompt_key), completion_key);
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

DataRecord read_messages_of(const Line& line, const std::string& key) {
  refuse_unread_keys(line.object, RecordForm::chat);
  ChatRecord chat = read_chat(line.object, line.in_order(), key);
  if (key == "messages") require_copy(line.object, chat);
  const Json& first = line.object.at(key).is_array() && !line.object.at(key).empty()
                          ? line.object.at(key).front()
                          : line.object.object();
  const bool share_gpt = first.contains("from") && !first.contains("role");
  return {.form = std::move(chat), .weight = 1.0F, .form_name = share_gpt ? "ShareGPT" : "messages"};
}

DataRecord read_text(const JsonReader& object, const std::string& key) {
  refuse_unread_keys(object, RecordForm::text);
  return {.form = TextRecord{object.string(key)}, .weight = 1.0F, .form_name = "text"};
}

/// A number or truth as JSON writes it, a text as it is.
std::string value_for_prompt(const JsonReader& object, const std::string& field) {
  if (!object.has(field)) {
    throw Error(fmt::format("{}: '{}' of --prompt-template is missing; the keys are: {}", object.where(),
                            printable(field), keys_of(object)));
  }
  const Json& value = object.at(field);
  if (value.is_structured())
    throw Error(fmt::format("{}: '{}' of --prompt-template is no text", object.where(), printable(field)));
  return value.is_string() ? value.get<std::string>() : value.dump();
}

/// The answer's field where only the prompt's is named.
std::string completion_key(const JsonReader& object, const RecordFields& fields) {
  if (!fields.completion.empty()) return fields.completion;
  for (const char* key : {"completion", "output", "answer"}) {
    if (object.has(key)) return key;
  }
  if (object.has("chosen") || object.has("rejected")) refuse_form(object);
  throw Error(
      fmt::format("{}: no 'completion': name the answer's field by --completion-field; the keys are: {}",
                  object.where(), keys_of(object)));
}

/// A record whose fields the command line names.
DataRecord read_named(const Line& line, const RecordFields& fields) {
  if (!fields.text.empty()) return read_text(line.object, fields.text);
  if (!fields.messages.empty()) return read_messages_of(line, fields.messages);
  const std::string answer = completion_key(line.object, fields);
  if (fields.prompt_template.empty())
    return read_completion(line, fields.prompt.empty() ? "prompt" : fields.prompt, answer);
  return completion_of_texts(line.object, fill_prompt(fields.prompt_template, line.object), answer);
}

/// A record of a known form.
DataRecord read_known(const Line& line) {
  const JsonReader& object = line.object;
  const bool alpaca = is_alpaca(object);
  const bool text = object.has("text") && !alpaca;
  const bool chat = object.has("messages");
  // Beside messages, a prompt alone may be a copy of the first turn.
  const bool completion = object.has("completion") || (object.has("prompt") && !chat);
  const bool tokens = object.has("input_ids");
  const int found = int{text} + int{completion} + int{chat} + int{tokens};
  if (found > 1)
    throw Error(fmt::format("{}: more than one form in a line: it is one of {}", object.where(), forms));
  if (text) return read_text(object, "text");
  if (completion) return read_completion(line, "prompt", "completion");
  for (const char* key : {"messages", "conversations", "conversation"}) {
    if (object.has(key)) return read_messages_of(line, key);
  }
  if (tokens) {
    refuse_unread_keys(object, RecordForm::tokens);
    return {.form = read_tokens(object), .weight = 1.0F, .form_name = "input_ids"};
  }
  if (alpaca) return {.form = read_alpaca(object), .weight = 1.0F, .form_name = "Alpaca"};
  if (object.has("question") && object.has("answer")) {
    return {.form = read_question_and_answer(object), .weight = 1.0F, .form_name = "question and answer"};
  }
  refuse_form(object);
}

}  // namespace

std::string fill_prompt(const std::string& prompt_template, const JsonReader& record) {
  const PromptTemplate prompt(prompt_template, "--prompt-template");
  return prompt.fill([&](const std::string& field) { return value_for_prompt(record, field); });
}

void check_record_fields(const RecordFields& fields) {
  const bool whole = !fields.text.empty();
  const bool chat = !fields.messages.empty();
  const bool completion =
      !fields.prompt.empty() || !fields.completion.empty() || !fields.prompt_template.empty();
  if (int{whole} + int{chat} + int{completion} > 1)
    throw UsageError(
        "--text-field, --messages-field, and --prompt-field with --completion-field are three forms: "
        "give one");
  if (!fields.prompt.empty() && !fields.prompt_template.empty())
    throw UsageError("--prompt-field and --prompt-template exclude each other");
  (void)PromptTemplate(fields.prompt_template, "--prompt-template");
}

DataRecord parse_record(std::string_view line, const std::string& where, const RecordFields& fields) {
  const Json value = parse_json_with_unique_keys(line, where);
  if (!value.is_object()) throw Error(fmt::format("{}: not a JSON object: a line is {}", where, forms));
  const JsonReader object(value, where);
  const bool named = !fields.prompt.empty() || !fields.completion.empty() || !fields.text.empty() ||
                     !fields.messages.empty() || !fields.prompt_template.empty();
  const float weight = read_weight(object);
  DataRecord record = named ? read_named({object, line}, fields) : read_known({object, line});
  record.weight = weight;
  return record;
}

}  // namespace cola
