#include <cctype>
#include <string>
#include <string_view>

#include "io/files.h"
#include "io/json.h"
#include "text/chat_template.h"

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

std::string read_template(const std::filesystem::path& folder) {
  if (const auto file = folder / "chat_template.jinja"; std::filesystem::exists(file)) {
    return read_text_file(file, template_size_limit);
  }
  for (const char* name : {"chat_template.json", "tokenizer_config.json"}) {
    if (const auto file = folder / name; std::filesystem::exists(file)) {
      std::string text = template_of_config(file);
      if (!text.empty()) return text;
    }
  }
  return "";
}

/// Whether the template itself has words to say after `opening` and a line break (written out or escaped): a
/// system prompt of its own, as Qwen's.
bool has_own_system_prompt(std::string_view text, std::string_view opening) {
  for (std::size_t found = text.find(opening); found != std::string_view::npos;
       found = text.find(opening, found + 1)) {
    std::string_view rest = text.substr(found + opening.size());
    while (rest.starts_with("\\n") || rest.starts_with('\n'))
      rest.remove_prefix(rest.front() == '\n' ? 1 : 2);
    if (!rest.empty() && std::isalpha(static_cast<unsigned char>(rest.front())) != 0) return true;
  }
  return false;
}

}  // namespace

std::optional<ChatTemplate> recognise_chat_template(const std::filesystem::path& folder) {
  const std::string text = read_template(folder);
  const auto has = [&](std::string_view mark) { return text.find(mark) != std::string::npos; };
  if (has("<|start_header_id|>") && has("<|eot_id|>")) {
    // Llama 3.1 and later put today's date into a system turn of their own: not what render_chat writes.
    return has("Cutting Knowledge Date") ? std::nullopt : std::optional(ChatTemplate::llama3);
  }
  if (has("<|im_start|>") && has("<|im_end|>")) {
    const bool other = has("<|im_sep|>") || has_own_system_prompt(text, "<|im_start|>system");
    return other ? std::nullopt : std::optional(ChatTemplate::chatml);
  }
  if (has("[INST]") && has("<<SYS>>")) return ChatTemplate::llama2;
  return std::nullopt;
}

}  // namespace cola
