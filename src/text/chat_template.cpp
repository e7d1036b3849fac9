#include "text/chat_template.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "core/error.h"

namespace cola {

namespace {

constexpr std::array<std::pair<std::string_view, ChatTemplate>, 4> names{{{"llama2", ChatTemplate::llama2},
                                                                          {"llama3", ChatTemplate::llama3},
                                                                          {"chatml", ChatTemplate::chatml},
                                                                          {"plain", ChatTemplate::plain}}};

/// What the templates' strip() and trim take off: ASCII white space.
std::string_view trim(std::string_view text) {
  constexpr std::string_view space = " \t\n\r\f\v";
  const std::size_t begin = text.find_first_not_of(space);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(space) - begin + 1);
}

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

/// Collects segments; text that is not trained is joined up to the next trained segment.
class Segments {
 public:
  void bos() {
    segments_.push_back({.text = "", .bos = true});
    open_ = true;
  }
  void text(std::string_view part) {
    if (!open_) segments_.emplace_back();
    open_ = true;
    segments_.back().text += part;
  }
  void trained(std::string part, bool eos) {
    segments_.push_back({.text = std::move(part), .trained = true, .eos = eos});
    open_ = false;
  }
  [[nodiscard]] std::vector<ChatSegment> take() { return std::move(segments_); }

 private:
  std::vector<ChatSegment> segments_;
  bool open_ = false;  // whether the last segment takes more text
};

/// meta-llama/Llama-2-*-chat-hf: the system prompt stands inside the first user turn, the whole of which is
/// stripped.
void render_llama2(const std::vector<ChatMessage>& messages, Segments& segments) {
  require_alternating_roles(messages);
  std::string system;
  for (const ChatMessage& message : messages) {
    if (message.role == "system") {
      system = fmt::format("<<SYS>>\n{}\n<</SYS>>\n\n", message.content);
    } else if (message.role == "user") {
      segments.bos();
      segments.text(fmt::format("[INST] {} [/INST]", trim(system + message.content)));
      system.clear();
    } else {
      segments.trained(fmt::format(" {} ", trim(message.content)), /*eos=*/true);
    }
  }
}

/// meta-llama/Meta-Llama-3-*-Instruct.
void render_llama3(const std::vector<ChatMessage>& messages, Segments& segments) {
  segments.bos();
  for (const ChatMessage& message : messages) {
    segments.text(fmt::format("<|start_header_id|>{}<|end_header_id|>\n\n", message.role));
    std::string turn = fmt::format("{}<|eot_id|>", trim(message.content));
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
    if (message.role == "system") {
      segments.text(fmt::format("System: {}\n", trim(message.content)));
    } else if (message.role == "user") {
      segments.text(fmt::format("{}User: {}\nAssistant:", answered ? "\n" : "", trim(message.content)));
    } else {
      segments.trained(fmt::format(" {}", trim(message.content)), /*eos=*/true);
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
