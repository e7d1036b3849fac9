#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "text/chat_template.h"

namespace cola {

/// {"text"}
struct TextRecord {
  std::string text;
};
/// {"prompt", "completion"}
struct CompletionRecord {
  std::string prompt, completion;
};
/// {"messages": [{"role", "content"}]}
struct ChatRecord {
  std::vector<ChatMessage> messages;
};
/// {"input_ids", "labels"}: not yet checked against a vocabulary
struct TokenRecord {
  std::vector<std::int64_t> ids;
  std::optional<std::vector<std::int64_t>> labels;  ///< as long as ids
};

using DataRecord = std::variant<TextRecord, CompletionRecord, ChatRecord, TokenRecord>;

/// Parses one JSONL line. Members that belong to no form are ignored, null counts as absent. Throws Error
/// beginning with `where`: malformed JSON, none or more than one of the four forms, wrong types, labels as
/// long as ids are not.
[[nodiscard]] DataRecord parse_record(std::string_view line, const std::string& where);

}  // namespace cola
