#include "cli/template_input.h"

#include <fmt/format.h>

#include <utility>

#include "cli/model_options.h"
#include "core/error.h"
#include "text/jinja/json_value.h"

namespace cola {
namespace {

using jinja::Dict;
using jinja::Value;

Value parse(std::string_view json, const std::string& where) {
  try {
    return jinja::value_of_json(json);
  } catch (const jinja::Error& error) {
    throw Error(fmt::format("{}: {}", where, error.what()));
  }
}

/// Names with their texts; as transformers writes them, too: {"content": "<s>", ...}.
Dict parse_special_tokens(const std::string& json) {
  Dict tokens;
  const Value given = parse(json, "--special-tokens");
  if (given.dict() == nullptr) throw UsageError("--special-tokens is no JSON object");
  for (const auto& [name, value] : given.dict()->items) {
    if (value.is_none()) continue;
    const Value* content = value.dict() != nullptr ? value.dict()->find(std::string_view("content")) : &value;
    if (content == nullptr || content->text() == nullptr)
      throw UsageError(fmt::format("--special-tokens: '{}' is no text", name.text()->bytes));
    tokens.set(name, *content);
  }
  return tokens;
}

const Value* member(const Value& value, std::string_view name) {
  const Value* found = value.dict()->find(name);
  return found != nullptr && !found->is_none() ? found : nullptr;
}

}  // namespace

void add_template_options(CLI::App& verb, TemplateOptions& options) {
  add_chat_options(verb, options.chat.chat_template, options.chat.chat_template_kwargs);
  verb.add_option("--model", options.model, "folder or GGUF file whose template and special tokens are taken")
      ->type_name("PATH");
  verb.add_option("--special-tokens", options.special_tokens,
                  R"(the template's bos_token, eos_token, ... as a JSON object: {"bos_token": "<s>"})")
      ->type_name("JSON");
  verb.add_option("--now", options.chat.chat_template_date,
                  "what strftime_now writes, as 2026-03-09T14:05:06 (default: the present)")
      ->type_name("DATE");
}

ChatFormat open_template(const TemplateOptions& options) {
  if (options.model.empty() && options.chat.chat_template.empty())
    throw UsageError("no template: give --chat-template FILE or --model PATH");
  if (options.model.empty()) {
    auto format = ChatFormat::find(options.chat, {}, nullptr);
    const Dict tokens =
        options.special_tokens.empty() ? Dict{} : parse_special_tokens(options.special_tokens);
    return {format->jinja(), format->origin(), tokens, options.chat};
  }
  const auto tokenizer = has_tokenizer(options.model) ? open_tokenizer(options.model) : nullptr;
  auto format = ChatFormat::find(options.chat, options.model, tokenizer.get());
  if (!format) throw Error(options.model + ": no chat template: give --chat-template");
  if (options.special_tokens.empty()) return *std::move(format);
  return {format->jinja(), format->origin(), parse_special_tokens(options.special_tokens), options.chat};
}

ChatInput parse_template_input(std::string_view line, const std::string& where) {
  const Value value = parse(line, where);
  if (value.dict() == nullptr || member(value, "messages") == nullptr)
    throw Error(fmt::format(R"({}: a line is {{"messages", "tools", "documents", "kwargs"}})", where));
  ChatInput input;
  input.messages = *member(value, "messages");
  if (const Value* tools = member(value, "tools")) input.tools = *tools;
  if (const Value* documents = member(value, "documents")) input.documents = *documents;
  if (const Value* kwargs = member(value, "kwargs")) {
    if (kwargs->dict() == nullptr) throw Error(fmt::format("{}: 'kwargs' is no object", where));
    for (const auto& [name, argument] : kwargs->dict()->items) give(input, name.text()->bytes, argument);
  }
  return input;
}

}  // namespace cola
