#include "data/preference_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "core/error.h"
#include "data/chat_record.h"
#include "data/record.h"
#include "data/record_keys.h"
#include "data/token_record.h"
#include "io/json.h"
#include "io/printable.h"
#include "text/chat/origins.h"
#include "text/jinja/json_value.h"

namespace cola {
namespace {

using jinja::List;
using jinja::Value;
using Messages = std::vector<Value>;

constexpr const char* forms =
    R"(a pair is {"prompt","chosen","rejected"}, texts or lists of messages, or {"prompt_ids","chosen_ids","rejected_ids"})";

/// The messages under a key, with what stands beside them.
ChatRecord read_list(const JsonReader& record, const Value& ordered, const std::string& key) {
  ChatRecord chat = read_chat(record, ordered, key);
  if (std::ranges::any_of(chat.weights, [](float weight) { return weight != 1.0F; }))
    throw Error(fmt::format("{}: '{}': a message of a preference pair has no weight", record.where(), key));
  return chat;
}

const Messages& messages_of(const ChatRecord& chat) { return chat.chat.messages.list()->items; }

/// How many messages both begin with; each keeps one of its own.
std::size_t common_messages(const Messages& a, const Messages& b) {
  const std::size_t most = std::min(a.size(), b.size());
  std::size_t count = 0;
  while (count + 1 < most && jinja::are_equal(a[count], b[count])) ++count;
  return count;
}

bool begins_with(const Messages& all, const Messages& first) {
  return all.size() > first.size() &&
         std::equal(first.begin(), first.end(), all.begin(),
                    [](const Value& a, const Value& b) { return jinja::are_equal(a, b); });
}

/// Whether one of a user's turns says just that.
bool is_said(const std::string& prompt, const Messages& messages) {
  return std::ranges::any_of(messages, [&](const Value& message) {
    return role_of(message) == "user" &&
           without_space(text_in(message.dict()->find(std::string_view("content")))) == without_space(prompt);
  });
}

void check_chats(const PreferredChats& pair, const std::string& where) {
  const Messages& prompt = pair.chat.messages.list()->items;
  if (prompt.empty())
    throw Error(fmt::format("{}: no prompt: 'chosen' and 'rejected' begin with no message in common", where));
  if (is_assistant(prompt.back())) {
    throw Error(
        fmt::format("{}: the prompt ends in an assistant's turn that the answers would go on with: put its "
                    "text into both of them",
                    where));
  }
  const std::pair<const char*, const Messages&> answers[] = {{"chosen", pair.chosen},
                                                             {"rejected", pair.rejected}};
  for (const auto& [key, messages] : answers) {
    if (messages.empty()) throw Error(fmt::format("{}: '{}' has no answer", where, key));
    for (const Value& message : messages) {
      if (is_assistant(message)) continue;
      throw Error(
          fmt::format("{}: '{}' has a turn of role '{}' behind the prompt, which would be trained: cut it "
                      "behind the first answer",
                      where, key, printable(role_of(message))));
    }
  }
}

PreferredChats read_chats(const JsonReader& record, std::string_view line, const std::string& prompt_key) {
  refuse_unread_keys(record, RecordForm::chat);
  if (record.has("system") && !record.string("system").empty())
    throw Error(fmt::format("{}: 'system': put it into the messages", record.where()));
  Value ordered;
  try {
    ordered = jinja::value_of_json(line);
  } catch (const jinja::Error& error) {
    throw Error(fmt::format("{}: {}", record.where(), error.what()));
  }
  const ChatRecord chosen = read_list(record, ordered, "chosen");
  const ChatRecord rejected = read_list(record, ordered, "rejected");
  PreferredChats pair{.chat = chosen.chat, .chosen = messages_of(chosen), .rejected = messages_of(rejected)};
  Messages prompt;
  const bool prompt_is_list = record.has(prompt_key) && record.at(prompt_key).is_array();
  if (prompt_is_list) {
    prompt = messages_of(read_list(record, ordered, prompt_key));
    const bool are_whole = begins_with(pair.chosen, prompt) && begins_with(pair.rejected, prompt);
    if (are_whole && !prompt.empty()) {
      pair.chosen.erase(pair.chosen.begin(), pair.chosen.begin() + std::ssize(prompt));
      pair.rejected.erase(pair.rejected.begin(), pair.rejected.begin() + std::ssize(prompt));
    }
  } else {
    const auto count = static_cast<std::ptrdiff_t>(common_messages(pair.chosen, pair.rejected));
    prompt.assign(pair.chosen.begin(), pair.chosen.begin() + count);
    pair.chosen.erase(pair.chosen.begin(), pair.chosen.begin() + count);
    pair.rejected.erase(pair.rejected.begin(), pair.rejected.begin() + count);
    if (record.has(prompt_key) && !is_said(record.string(prompt_key), prompt)) {
      throw Error(fmt::format("{}: '{}' is no user's turn that 'chosen' and 'rejected' begin with",
                              record.where(), printable(prompt_key)));
    }
  }
  List messages;
  messages.items = std::move(prompt);
  pair.chat.messages = std::move(messages);
  check_chats(pair, record.where());
  return pair;
}

PreferredTexts read_texts(const JsonReader& record, const RecordFields& fields,
                          const std::string& prompt_key) {
  PreferredTexts pair;
  if (fields.prompt_template.empty()) {
    refuse_unread_keys(record, RecordForm::completion);
    pair.prompt = record.string(prompt_key);
  } else {
    pair.prompt = fill_prompt(fields.prompt_template, record);
  }
  pair.chosen = record.string("chosen");
  pair.rejected = record.string("rejected");
  return pair;
}

PreferredTokens read_ids(const JsonReader& record) {
  return {read_integers(record, "prompt_ids"), read_integers(record, "chosen_ids"),
          read_integers(record, "rejected_ids")};
}

void refuse_weight(const JsonReader& record) {
  if (read_weight(record) != 1.0F)
    throw Error(fmt::format("{}: a preference pair has no weight", record.where()));
}

}  // namespace

PreferenceRecord parse_preference(std::string_view line, const std::string& where,
                                  const RecordFields& fields) {
  const Json value = parse_json_with_unique_keys(line, where);
  if (!value.is_object()) throw Error(fmt::format("{}: not a JSON object: {}", where, forms));
  const JsonReader record(value, where);
  refuse_weight(record);
  const bool texts = record.has("chosen") || record.has("rejected");
  const bool ids = record.has("chosen_ids") || record.has("rejected_ids") || record.has("prompt_ids");
  if (texts == ids)
    throw Error(fmt::format("{}: {}, and this has {}", where, forms, texts ? "both" : "neither"));
  if (ids) return read_ids(record);
  const std::string prompt_key = fields.prompt.empty() ? "prompt" : fields.prompt;
  for (const char* key : {"chosen", "rejected"}) (void)record.at(key);
  const auto is_chat = [&](const char* key) { return record.at(key).is_array(); };
  if (is_chat("chosen") && is_chat("rejected")) {
    if (!fields.prompt_template.empty())
      throw Error(fmt::format("{}: --prompt-template is for texts, and these are chats", where));
    return read_chats(record, line, prompt_key);
  }
  return read_texts(record, fields, prompt_key);
}

}  // namespace cola
