#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "cola/record_fields.h"
#include "io/json.h"
#include "text/chat/rendering.h"

namespace cola {

/// {"text"}
struct TextRecord {
  std::string text;
};
/// {"prompt", "completion"}
struct CompletionRecord {
  std::string prompt, completion;
};
/// {"messages"}, or another form of a chat (docs/formats.md), as the template is given it
struct ChatRecord {
  ChatInput chat;
  std::vector<float> weights;  ///< of the messages in the loss; 0: none
  std::size_t context = 0;     ///< so many messages are a prompt: no loss falls on an assistant's turn there
};
/// {"input_ids", "labels"}: masks applied, padding taken off; not yet checked against a vocabulary
struct TokenRecord {
  std::vector<std::int64_t> ids;
  std::vector<std::int64_t> labels;  ///< as long as ids; -100 carries no loss
};

/// A task and its answer (instruction_record.h): a chat where there is a chat template, else text. An empty
/// answer is none.
struct InstructionRecord {
  std::string system, user, answer;  ///< turns; the system's may be empty
  std::string prompt, completion;    ///< the same as text
};

struct DataRecord {
  std::variant<TextRecord, CompletionRecord, ChatRecord, TokenRecord, InstructionRecord> form;
  float weight = 1.0F;         ///< of its loss; 0: none of it is trained
  std::string_view form_name;  ///< one of a few: "ShareGPT", "Alpaca", "messages", ...
};

/// Parses one JSON object, of the form that its keys or `fields` tell. null counts as absent. Members that
/// belong to no form are passed over, except those that say something that is not done (record_keys.h).
/// Throws Error beginning with `where`: malformed JSON, a key twice, none or more than one of the forms, a
/// field that is missing, wrong types, arrays that do not go with input_ids, a target without text.
[[nodiscard]] DataRecord parse_record(std::string_view line, const std::string& where,
                                      const RecordFields& fields = {});

/// The text of a prompt with the record's fields in it. Throws Error naming a field that is missing or no
/// text.
[[nodiscard]] std::string fill_prompt(const std::string& prompt_template, const JsonReader& record);

/// Throws UsageError for fields that exclude each other, or a template that is none.
void check_record_fields(const RecordFields& fields);

}  // namespace cola
