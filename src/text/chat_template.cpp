#include "text/chat_template.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "core/error.h"
#include "text/utf8.h"

namespace cola {

namespace {

constexpr std::array<std::pair<std::string_view, ChatTemplate>, 4> names{{{"llama2", ChatTemplate::llama2},
                                                                          {"llama3", ChatTemplate::llama3},
                                                                          {"chatml", ChatTemplate::chatml},
                                                                          {"plain", ChatTemplate::plain}}};

[[noreturn]] void refuse_role(std::size_t index, const std::string& role, std::string_view expected) {
  throw Error(fmt::format("messages: message {} has role {:?}, expected {}", index + 1, role, expected));
}

void require_known_roles(const std::vector<ChatMessage>& messages) {
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const std::string& role = messages[i].role;
    if (role != "system" && role != "user" && role != "assistant")
      refuse_role(i, role, "system, user or assistant");
  }
}

/// A system message or none, then user and assistant in turn.
void require_alternating_roles(const std::vector<ChatMessage>& messages) {
  const std::size_t first = messages.front().role == "system" ? 1 : 0;
  if (first == messages.size()) throw Error("messages: a system message without a user's");
  for (std::size_t i = first; i < messages.size(); ++i) {
    const std::string_view expected = (i - first) % 2 == 0 ? "user" : "assistant";
    if (messages[i].role != expected) refuse_role(i, messages[i].role, expected);
  }
}

/// Collects segments; text that is not trained is joined up to the next segment that is, or has another
/// weight.
class Segments {
 public:
  /// What follows belongs to this message.
  void of(const ChatMessage& message) {
    open_ = open_ && weight_ == message.weight;
    weight_ = message.weight;
    context_ = message.context;
  }
  void bos() {
    segments_.push_back({.text = "", .weight = weight_, .bos = true});
    open_ = true;
  }
  void text(std::string_view part) {
    if (!open_) segments_.push_back({.text = "", .weight = weight_});
    open_ = true;
    segments_.back().text += part;
  }
  void trained(std::string part, bool eos) {
    segments_.push_back({.text = std::move(part), .trained = !context_, .weight = weight_, .eos = eos});
    open_ = false;
  }
  [[nodiscard]] std::vector<ChatSegment> take() { return std::move(segments_); }

 private:
  std::vector<ChatSegment> segments_;
  bool open_ = false;  // whether the last segment takes more text
  float weight_ = 1.0F;
  bool context_ = false;
};

/// meta-llama/Llama-2-*-chat-hf: the system prompt stands inside the first user turn, the whole of which is
/// stripped.
void render_llama2(const std::vector<ChatMessage>& messages, Segments& segments) {
  require_alternating_roles(messages);
  std::string system;
  for (const ChatMessage& message : messages) {
    segments.of(message);
    if (message.role == "system") {
      system = fmt::format("<<SYS>>\n{}\n<</SYS>>\n\n", message.content);
    } else if (message.role == "user") {
      segments.bos();
      segments.text(fmt::format("[INST] {} [/INST]", strip_white_space(system + message.content)));
      system.clear();
    } else {
      segments.trained(fmt::format(" {} ", strip_white_space(message.content)), /*eos=*/true);
    }
  }
}

/// meta-llama/Meta-Llama-3-*-Instruct.
void render_llama3(const std::vector<ChatMessage>& messages, Segments& segments) {
  segments.bos();
  for (const ChatMessage& message : messages) {
    segments.of(message);
    segments.text(fmt::format("<|start_header_id|>{}<|end_header_id|>\n\n", message.role));
    std::string turn = fmt::format("{}<|eot_id|>", strip_white_space(message.content));
    if (message.role == "assistant") {
      segments.trained(std::move(turn), /*eos=*/false);
    } else {
      segments.text(turn);
    }
  }
}

/// ChatML as Hugging Face's documentation and most models give it: no BOS, nothing stripped.
void render_chatml(const std::vector<ChatMessage>& messages, Segments& segments) {
  for (const ChatMessage& message : messages) {
    segments.of(message);
    segments.text(fmt::format("<|im_start|>{}\n", message.role));
    std::string turn = message.content + "<|im_end|>";
    if (message.role == "assistant") {
      segments.trained(std::move(turn), /*eos=*/false);
    } else {
      segments.text(turn);
    }
    segments.text("\n");
  }
}

/// Ours, for tokenizers without chat tokens: BOS, "System: ...\n" where there is one, then "User:
/// ...\nAssistant: ..." with EOS after the assistant's turn and a line break before the next user's.
void render_plain(const std::vector<ChatMessage>& messages, Segments& segments) {
  require_alternating_roles(messages);
  segments.bos();
  bool answered = false;
  for (const ChatMessage& message : messages) {
    segments.of(message);
    if (message.role == "system") {
      segments.text(fmt::format("System: {}\n", strip_white_space(message.content)));
    } else if (message.role == "user") {
      segments.text(
          fmt::format("{}User: {}\nAssistant:", answered ? "\n" : "", strip_white_space(message.content)));
    } else {
      segments.trained(fmt::format(" {}", strip_white_space(message.content)), /*eos=*/true);
      answered = true;
    }
  }
}

}  // namespace

ChatTemplate parse_chat_template(std::string_view name) {
  for (const auto& [known, chat_template] : names) {
    if (name == known) return chat_template;
  }
  throw UsageError(fmt::format("chat template {:?} is none of llama2, llama3, chatml, plain", name));
}

std::string_view name_of(ChatTemplate chat_template) {
  for (const auto& [name, known] : names) {
    if (chat_template == known) return name;
  }
  return "";
}

std::span<const std::string_view> tokens_of(ChatTemplate chat_template) {
  static constexpr std::array<std::string_view, 3> llama3{"<|start_header_id|>", "<|end_header_id|>",
                                                          "<|eot_id|>"};
  static constexpr std::array<std::string_view, 2> chatml{"<|im_start|>", "<|im_end|>"};
  if (chat_template == ChatTemplate::llama3) return llama3;
  if (chat_template == ChatTemplate::chatml) return chatml;
  return {};
}

std::string missing_token(ChatTemplate chat_template, const Tokenizer& tokenizer) {
  for (const std::string_view token : tokens_of(chat_template)) {
    if (tokenizer.encode(token).size() != 1) return std::string(token);
  }
  return "";
}

std::optional<std::int32_t> end_of_turn(ChatTemplate chat_template, const Tokenizer& tokenizer) {
  const auto tokens = tokens_of(chat_template);
  if (tokens.empty()) return tokenizer.special().eos;
  const auto ids = tokenizer.encode(tokens.back());
  return ids.size() == 1 ? std::optional(ids.front()) : std::nullopt;
}

std::string_view end_of_turn(ChatTemplate chat_template) {
  const auto tokens = tokens_of(chat_template);
  return tokens.empty() ? std::string_view() : tokens.back();
}

std::vector<ChatSegment> render_chat(ChatTemplate chat_template, const std::vector<ChatMessage>& messages) {
  if (messages.empty()) throw Error("messages: empty");
  require_known_roles(messages);
  Segments segments;
  switch (chat_template) {
    case ChatTemplate::llama2:
      render_llama2(messages, segments);
      break;
    case ChatTemplate::llama3:
      render_llama3(messages, segments);
      break;
    case ChatTemplate::chatml:
      render_chatml(messages, segments);
      break;
    case ChatTemplate::plain:
      render_plain(messages, segments);
      break;
  }
  return segments.take();
}

}  // namespace cola
