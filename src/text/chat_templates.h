#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace cola {

struct NamedTemplate {
  std::string name;  ///< "default", "tool_use", ...
  std::string jinja;
};

/// A folder's own chat templates, or a GGUF file's.
struct OwnTemplates {
  std::filesystem::path file;  ///< that they, or the first of them, are from
  std::vector<NamedTemplate> templates;

  /// Null where there is none of that name.
  [[nodiscard]] const NamedTemplate* find(std::string_view name) const;
};

/// As transformers finds them: chat_template.jinja ("default") and additional_chat_templates/NAME.jinja; else
/// chat_template.json; else tokenizer_config.json, whose member is one template or a list of named ones. Of a
/// GGUF file tokenizer.chat_template and tokenizer.chat_template.NAME. Throws Error naming the file.
[[nodiscard]] OwnTemplates read_chat_templates(const std::filesystem::path& path);

}  // namespace cola
