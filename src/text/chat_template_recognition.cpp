#include <fmt/format.h>

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "io/files.h"
#include "io/gguf/gguf_file.h"
#include "io/json.h"
#include "text/chat_template.h"
#include "text/gguf_vocabulary.h"
#include "text/jinja_parser.h"
#include "text/jinja_renderer.h"
#include "text/special_tokens.h"
#include "text/utf8.h"

namespace cola {

namespace {

constexpr std::size_t template_size_limit = std::size_t{1} << 20;

/// "chat_template" is a string, or a list of {name, template}: then the one named "default", else the first.
std::string template_of_config(const std::filesystem::path& file) {
  const Json json = read_json_file(file);
  const JsonReader reader(json, file.string());
  if (!reader.has("chat_template")) return "";
  const Json& value = reader.at("chat_template");
  if (!value.is_array()) return reader.string("chat_template");
  std::string chosen;
  for (const Json& entry : value) {
    const JsonReader named(entry, file.string() + ": chat_template");
    if (chosen.empty() || named.string("name") == "default") chosen = named.string("template");
  }
  return chosen;
}

using Conversation = std::vector<ChatMessage>;

/// Conversations of up to four messages in every order of roles, and longer ones in turns. Their contents
/// tell templates apart that strip, or that ask whether there is any.
std::vector<Conversation> probes() {
  static constexpr std::array<const char*, 3> roles{"system", "user", "assistant"};
  std::vector<Conversation> found{{}};
  for (std::size_t begin = 0, length = 1; length <= 4; ++length) {
    const std::size_t end = found.size();
    for (; begin < end; ++begin) {
      for (const char* role : roles) {
        found.push_back(found[begin]);
        found.back().push_back({role, fmt::format("m{}", length)});
      }
    }
  }
  for (std::size_t length = 5; length <= 8; ++length) {
    Conversation& turns = found.emplace_back();
    for (std::size_t i = 0; i < length; ++i) turns.push_back({roles[1 + i % 2], fmt::format("m{}", i)});
  }
  found.erase(found.begin());
  const std::size_t plain = found.size();
  for (std::size_t i = 0; i < plain; ++i) {
    Conversation padded = found[i];
    Conversation empty = found[i];
    for (ChatMessage& message : padded)
      message.content = fmt::format(" \u00A0\n{}\n\n  x \t\n", message.content);
    for (ChatMessage& message : empty)
      message.content = std::string(message.role == "assistant" ? 1 : 0, '\n');
    found.push_back(std::move(padded));
    found.push_back(std::move(empty));
  }
  return found;
}

/// The conversation that every template for chats has to take.
bool takes_turns(const Conversation& conversation) {
  for (std::size_t i = 0; i < conversation.size(); ++i) {
    if (conversation[i].role != (i % 2 == 0 ? "user" : "assistant")) return false;
  }
  return true;
}

/// What render_chat writes, with the special tokens' strings.
std::string rendered_built_in(ChatTemplate chat_template, const Conversation& conversation,
                              const std::string& bos_token, const std::string& eos_token) {
  std::string text;
  for (const ChatSegment& segment : render_chat(chat_template, conversation)) {
    if (segment.bos) text += bos_token;
    text += segment.text;
    if (segment.eos) text += eos_token;
  }
  return text;
}

/// Gathers whether all conversations that both render come out the same.
class Comparison {
 public:
  explicit Comparison(ChatTemplate chat_template) : chat_template_(chat_template) {}

  void add(const Conversation& conversation, const std::string& text, const std::string& bos,
           const std::string& eos) {
    std::string own;
    try {
      own = rendered_built_in(chat_template_, conversation, bos, eos);
    } catch (const Error&) {
      return;  // not a conversation of this built-in
    }
    ++compared_;
    equal_ = equal_ && text == own;
    equal_after_bos_ = equal_after_bos_ && text == bos + own;
  }
  [[nodiscard]] bool equal() const { return compared_ > 0 && equal_; }
  [[nodiscard]] bool equal_after_bos() const {
    return chat_template_ == ChatTemplate::chatml && compared_ > 0 && equal_after_bos_;
  }
  [[nodiscard]] ChatTemplate chat_template() const { return chat_template_; }

 private:
  ChatTemplate chat_template_;
  int compared_ = 0;
  bool equal_ = true, equal_after_bos_ = true;
};

}  // namespace

std::optional<FolderTemplate> read_chat_template(const std::filesystem::path& path) {
  if (is_gguf_file(path)) {
    const GgufFile file(path);
    const auto* jinja = file.keys().find<std::string_view>("tokenizer.chat_template");
    if (jinja == nullptr) return std::nullopt;
    require_utf8(*jinja, path.string() + ": tokenizer.chat_template");
    return FolderTemplate{path, std::string(*jinja)};
  }
  if (const auto file = path / "chat_template.jinja"; std::filesystem::exists(file)) {
    return FolderTemplate{file, read_text_file(file, template_size_limit)};
  }
  for (const char* name : {"chat_template.json", "tokenizer_config.json"}) {
    if (const auto file = path / name; std::filesystem::exists(file)) {
      std::string text = template_of_config(file);
      if (!text.empty()) return FolderTemplate{file, std::move(text)};
    }
  }
  return std::nullopt;
}

RecognisedTemplate recognise_chat_template(const std::string& jinja, const std::string& bos_token,
                                           const std::string& eos_token) {
  // Where the folder names no token, any string stands for it: it is compared with itself.
  const std::string bos = bos_token.empty() ? "<bos>" : bos_token;
  const std::string eos = eos_token.empty() ? "<eos>" : eos_token;
  const std::array<std::pair<std::string, std::string>, 2> variables{
      {{"bos_token", bos}, {"eos_token", eos}}};
  std::array comparisons{Comparison(ChatTemplate::llama2), Comparison(ChatTemplate::llama3),
                         Comparison(ChatTemplate::chatml), Comparison(ChatTemplate::plain)};
  try {
    const auto nodes = small_jinja::parse(jinja);
    for (const Conversation& conversation : probes()) {
      std::string text;
      try {
        text = small_jinja::render(nodes, conversation, variables);
      } catch (const small_jinja::Refusal&) {
        if (takes_turns(conversation)) throw;
        continue;
      }
      for (Comparison& comparison : comparisons) comparison.add(conversation, text, bos, eos);
    }
  } catch (const small_jinja::Refusal& refusal) {
    return {std::nullopt, false, fmt::format("it refuses a conversation: {}", refusal.what())};
  } catch (const Error& error) {
    return {std::nullopt, false, fmt::format("it has {}", error.what())};
  }
  for (const Comparison& comparison : comparisons) {
    if (comparison.equal()) return {comparison.chat_template(), false, ""};
    if (comparison.equal_after_bos()) return {comparison.chat_template(), true, ""};
  }
  return {std::nullopt, false, "it renders otherwise"};
}

RecognisedTemplate recognise_chat_template(const FolderTemplate& folder_template) {
  if (is_gguf_file(folder_template.file)) {
    const GgufFile file(folder_template.file);
    if (!has_gguf_vocabulary(file.keys())) return recognise_chat_template(folder_template.jinja, "", "");
    const GgufVocabulary vocabulary = read_gguf_vocabulary(file.keys());
    const auto text = [&](std::optional<std::int32_t> id) {
      return id ? std::string(vocabulary.tokens[static_cast<std::size_t>(*id)].text) : "";
    };
    return recognise_chat_template(folder_template.jinja, text(vocabulary.bos), text(vocabulary.eos));
  }
  const TokenizerConfig config = read_tokenizer_config(folder_template.file.parent_path());
  return recognise_chat_template(folder_template.jinja, config.bos_token.value_or(""),
                                 config.eos_token.value_or(""));
}

}  // namespace cola
