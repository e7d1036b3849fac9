#pragma once
#include <CLI/CLI.hpp>
#include <string>
#include <string_view>

#include "text/chat/format.h"

// What `cola template` and `cola bench template` take.
namespace cola {

struct TemplateOptions {
  ChatOptions chat;
  std::string model;
  std::string special_tokens;
};

/// Adds --chat-template, --chat-template-kwargs, --model, --special-tokens and --now.
void add_template_options(CLI::App& verb, TemplateOptions& options);

/// Throws UsageError where neither a template nor a model is given, and Error as ChatFormat::find does.
[[nodiscard]] ChatFormat open_template(const TemplateOptions& options);

/// A line {"messages", "tools", "documents", "kwargs"}. Throws Error beginning with `where`.
[[nodiscard]] ChatInput parse_template_input(std::string_view line, const std::string& where);

}  // namespace cola
