#include "data/record_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <limits>
#include <string_view>

#include "core/error.h"
#include "io/printable.h"

namespace cola {
namespace {

constexpr unsigned bit(RecordForm form) { return 1U << static_cast<unsigned>(form); }
constexpr unsigned in_text = bit(RecordForm::text);
constexpr unsigned in_completion = bit(RecordForm::completion);
constexpr unsigned in_chat = bit(RecordForm::chat);
constexpr unsigned in_prose = in_text | in_completion | in_chat | bit(RecordForm::instruction);
constexpr unsigned in_instruction = bit(RecordForm::instruction);
constexpr unsigned in_turns = in_completion | in_chat | in_instruction;

struct UnreadKey {
  std::string_view key;
  unsigned forms = 0;  ///< where it says something
  std::string_view reason;
};

constexpr std::string_view no_tools =
    "it belongs to a chat: give messages, or a prompt and a completion that are lists of messages";
constexpr std::string_view old_tools = "functions are given as tools, and calls of them as tool_calls";
constexpr std::string_view no_reasoning = "it belongs to a message of a chat";
constexpr std::string_view no_setting = "it is not read from a record: chats are trained whole";
constexpr std::string_view no_media = "text alone is read";
constexpr std::string_view needs_ids = "it belongs to input_ids";
constexpr std::string_view part_of_prompt =
    "it is not read in this form: put it into the prompt by --prompt-template";
constexpr std::string_view by_option = "it is not read from a record: it is the option --train-on-prompt";
constexpr std::string_view other_weight = "a weight in the loss is called weight, one of a record or message";

/// Keys of records that TRL 1.x (SFT, KTO), transformers (apply_chat_template), axolotl, LLaMA-Factory,
/// mistral-finetune and OpenAI's fine-tuning files act on.
constexpr std::array unread_keys{
    UnreadKey{"tools", in_completion | in_instruction, no_tools},
    UnreadKey{"functions", in_turns, old_tools},
    UnreadKey{"function_call", in_turns, old_tools},
    UnreadKey{"tool_calls", in_turns, "it belongs to a message of a chat"},
    UnreadKey{"documents", in_completion | in_instruction, no_tools},
    UnreadKey{"chat_template", in_turns, "it is not read from a record: it is the option --chat-template"},
    UnreadKey{"chat_template_kwargs", in_completion | in_instruction, no_tools},
    UnreadKey{"add_generation_prompt", in_turns, no_setting},
    UnreadKey{"continue_final_message", in_turns, no_setting},
    UnreadKey{"reasoning_content", in_prose, no_reasoning},
    UnreadKey{"system", in_completion, "a system prompt belongs to messages: put it into the prompt"},
    UnreadKey{"system_prompt", in_turns, "give it as a message of role system, or in the prompt"},
    UnreadKey{"system_message", in_turns, "give it as a message of role system, or in the prompt"},
    UnreadKey{"history", in_turns, "give earlier turns as messages, or in the prompt"},
    UnreadKey{"suffix", in_completion, "text after the completion is not read"},
    UnreadKey{"context", in_instruction, part_of_prompt},
    UnreadKey{"passage", in_instruction, part_of_prompt},
    UnreadKey{"background", in_instruction, part_of_prompt},
    UnreadKey{"choices", in_instruction, part_of_prompt},
    UnreadKey{"options", in_instruction, part_of_prompt},
    UnreadKey{"images", in_turns, no_media},
    UnreadKey{"image", in_turns, no_media},
    UnreadKey{"videos", in_turns, no_media},
    UnreadKey{"video", in_turns, no_media},
    UnreadKey{"audios", in_turns, no_media},
    UnreadKey{"audio", in_turns, no_media},
    UnreadKey{"attention_mask", in_prose, needs_ids},
    UnreadKey{"position_ids", in_prose, needs_ids},
    UnreadKey{"completion_mask", in_prose, needs_ids},
    UnreadKey{"assistant_masks", in_prose, needs_ids},
    UnreadKey{"assistant_mask", in_prose, needs_ids},
    UnreadKey{"loss_mask", in_prose, needs_ids},
    UnreadKey{"train_on_prompt", in_turns, by_option},
    UnreadKey{"train_on_input", in_turns, by_option},
    UnreadKey{"train_on_inputs", in_turns, by_option},
    UnreadKey{"loss_weight", in_prose | bit(RecordForm::tokens), other_weight},
    UnreadKey{"loss_weights", in_prose | bit(RecordForm::tokens), other_weight},
    UnreadKey{"sample_weight", in_prose | bit(RecordForm::tokens), other_weight},
    UnreadKey{"example_weight", in_prose | bit(RecordForm::tokens), other_weight},
};

/// Keys of messages that the same programs act on.
constexpr std::array unread_message_keys{
    UnreadKey{"function_call", in_chat, old_tools},
    UnreadKey{"functions", in_chat, old_tools},
    UnreadKey{"tools", in_chat, "it stands beside the messages"},
    UnreadKey{"refusal", in_chat, "put it into the content, or drop it"},
    UnreadKey{"prefix", in_chat, "a turn that goes on in another message is not read"},
    UnreadKey{"partial", in_chat, "a turn that goes on in another message is not read"},
    UnreadKey{"train_detail", in_chat, "a message is trained whole or not at all (train)"},
    UnreadKey{"training_detail", in_chat, "a message is trained whole or not at all (training)"},
    UnreadKey{"mask", in_chat, "a message is left out of the loss by weight 0"},
    UnreadKey{"loss_mask", in_chat, "a message is left out of the loss by weight 0"},
    UnreadKey{"trainable", in_chat, "a message is left out of the loss by weight 0"},
    UnreadKey{"loss_weight", in_chat, other_weight},
    UnreadKey{"weights", in_chat, other_weight},
    UnreadKey{"images", in_chat, no_media},
    UnreadKey{"image", in_chat, no_media},
    UnreadKey{"videos", in_chat, no_media},
    UnreadKey{"audio", in_chat, no_media},
};

/// Keys of several words that are read, for other spellings of them.
constexpr std::array<std::string_view, 11> read_keys{
    "input_ids",         "attention_mask",       "position_ids", "completion_mask",
    "assistant_mask",    "assistant_masks",      "loss_mask",    "tool_calls",
    "reasoning_content", "chat_template_kwargs", "tool_call_id"};

bool says_something(const Json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_string() || value.is_structured())
    return !(value.is_string() ? value.get_ref<const std::string&>().empty() : value.empty());
  return !value.is_null();
}

/// "attentionMask", "Attention-Mask" and "attention_mask" are one word.
std::string folded(std::string_view key) {
  std::string word;
  for (const char c : key) {
    if (c != '_' && c != '-' && c != ' ')
      word += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return word;
}

void refuse_other_spelling(const std::string& key, std::string_view known, const std::string& where) {
  const bool several_words = known.find('_') != std::string_view::npos;
  if (several_words && key != known && folded(key) == folded(known))
    throw Error(fmt::format("{}: '{}' is not read: is '{}' meant?", where, printable(key), known));
}

template <std::size_t count>
void refuse(const JsonReader& object, RecordForm form, const std::array<UnreadKey, count>& table) {
  for (const auto& [key, value] : object.object().items()) {
    if (!says_something(value)) continue;
    for (const UnreadKey& unread : table) {
      if ((unread.forms & bit(form)) == 0) continue;
      if (key == unread.key) throw Error(fmt::format("{}: '{}': {}", object.where(), key, unread.reason));
      refuse_other_spelling(key, unread.key, object.where());
    }
    for (const std::string_view known : read_keys) refuse_other_spelling(key, known, object.where());
  }
}

}  // namespace

void refuse_unread_keys(const JsonReader& record, RecordForm form) {
  refuse(record, form, unread_keys);
  // KTO's form: a completion and whether it is wanted.
  const auto label = record.object().find("label");
  if (form == RecordForm::completion && label != record.object().end() && *label == false) {
    throw Error(
        fmt::format("{}: 'label' is false, which marks a completion that is not wanted (TRL's unpaired "
                    "preferences): drop the line, or the key",
                    record.where()));
  }
}

void refuse_unread_message_keys(const JsonReader& message) {
  refuse(message, RecordForm::chat, unread_message_keys);
}

float read_weight(const JsonReader& object) {
  bool trained = true;
  for (const char* key : {"train", "training", "loss"}) {
    if (!object.has(key)) continue;
    const Json& value = object.at(key);
    if (!value.is_boolean() && value != 0 && value != 1) {
      throw Error(
          fmt::format("{}: '{}' must be true or false: whether loss falls here; rename it if it is "
                      "something else",
                      object.where(), key));
    }
    trained = trained && value != false && value != 0;
  }
  if (!object.has("weight")) return trained ? 1.0F : 0.0F;
  const Json& value = object.at("weight");
  const double weight = value.is_number() ? value.get<double>() : -1.0;
  const bool in_range =
      weight >= std::numeric_limits<float>::min() && weight <= std::numeric_limits<float>::max();
  if (weight != 0.0 && !in_range) {
    throw Error(
        fmt::format("{}: 'weight' must be a number, 0 or more, in f32's range: what the loss here is "
                    "multiplied by",
                    object.where()));
  }
  return trained ? static_cast<float>(weight) : 0.0F;
}

}  // namespace cola
