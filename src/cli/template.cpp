// cola template
#include <fmt/format.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "core/error.h"
#include "data/record_chunks.h"
#include "io/json.h"
#include "text/chat/format.h"
#include "text/jinja/json_value.h"

namespace cola {
namespace {

using jinja::Dict;
using jinja::Value;

struct TemplateVerb {
  ChatOptions chat;
  std::string model;
  std::string special_tokens;
  std::string file = "-";
};

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

ChatFormat open_format(const TemplateVerb& verb) {
  if (verb.model.empty()) {
    ChatOptions options = verb.chat;
    auto format = ChatFormat::find(options, {}, nullptr);
    const Dict tokens = verb.special_tokens.empty() ? Dict{} : parse_special_tokens(verb.special_tokens);
    return {format->jinja(), format->origin(), tokens, options};
  }
  const auto tokenizer = has_tokenizer(verb.model) ? open_tokenizer(verb.model) : nullptr;
  auto format = ChatFormat::find(verb.chat, verb.model, tokenizer.get());
  if (!format) throw Error(verb.model + ": no chat template: give --chat-template");
  if (verb.special_tokens.empty()) return *std::move(format);
  return {format->jinja(), format->origin(), parse_special_tokens(verb.special_tokens), verb.chat};
}

const Value* member(const Value& value, std::string_view name) {
  const Value* found = value.dict()->find(name);
  return found != nullptr && !found->is_none() ? found : nullptr;
}

ChatInput parse_input(std::string_view line, const std::string& where) {
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

/// Positions in code points of positions in bytes that do not go back.
class CodePoints {
 public:
  explicit CodePoints(std::string_view text) : text_(text) {}
  std::size_t at(std::size_t byte) {
    for (; byte_ < byte; byte_ = jinja::next_code_point(text_, byte_)) ++count_;
    return count_;
  }

 private:
  std::string_view text_;
  std::size_t byte_ = 0, count_ = 0;
};

/// One line for readers who take Unicode's line separators for line ends, too.
std::string line_of(const Json& json) {
  std::string line = json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  constexpr std::array<std::pair<std::string_view, std::string_view>, 3> separators{
      {{"\u0085", "\\u0085"}, {"\u2028", "\\u2028"}, {"\u2029", "\\u2029"}}};
  for (const auto& [separator, escape] : separators) {
    for (std::size_t at = 0; (at = line.find(separator, at)) != std::string::npos; at += escape.size())
      line.replace(at, separator.size(), escape);
  }
  return line;
}

std::string answer(const ChatFormat& format, const ChatInput& input) {
  try {
    const TrainedChat chat = format.render(input);
    Json spans = Json::array();
    CodePoints points(chat.text);
    for (const ChatSpan& span : chat.spans) {
      const std::size_t begin = points.at(span.begin);
      spans.push_back({begin, points.at(span.end)});
    }
    Json result = {{"output", chat.text}, {"spans", spans}};
    for (const ChatRemark& remark : chat.remarks) result["remarks"].push_back(describe(remark));
    return line_of(result);
  } catch (const jinja::Error& error) {
    return line_of(
        {{"error",
          {{"message", error.what()}, {"line", error.place().line}, {"column", error.place().column}}}});
  }
}

void run_template(const TemplateVerb& verb) {
  const ChatFormat format = open_format(verb);
  (void)read_in_chunks<std::string>(
      verb.file == "-" ? "/dev/stdin" : verb.file, {},
      [&](const PlacedRecord& record, std::string& answers) {
        answers += answer(format, parse_input(record.text, record.where));
      },
      [](std::string&, const std::string& answers) { print(answers); });
}

}  // namespace

void add_template(CLI::App& app) {
  CLI::App& verb = *app.add_subcommand("template", "conversations through a chat template");
  const auto state = std::make_shared<TemplateVerb>();
  add_chat_options(verb, state->chat.chat_template, state->chat.chat_template_kwargs);
  verb.add_option("--model", state->model, "folder or GGUF file whose template and special tokens are taken")
      ->type_name("PATH");
  verb.add_option("--special-tokens", state->special_tokens,
                  R"(the template's bos_token, eos_token, ... as a JSON object: {"bos_token": "<s>"})")
      ->type_name("JSON");
  verb.add_option("--now", state->chat.chat_template_date,
                  "what strftime_now writes, as 2026-03-09T14:05:06 (default: the present)")
      ->type_name("DATE");
  verb.add_option(
          "file", state->file,
          R"(JSONL: {"messages", "tools", "documents", "kwargs"} is answered by {"output", "spans"}: )"
          R"(the text, and in code points what carries loss; - is standard input)")
      ->type_name("FILE")
      ->capture_default_str();
  verb.callback([state] {
    if (state->model.empty() && state->chat.chat_template.empty())
      throw UsageError("no template: give --chat-template FILE or --model PATH");
    run_template(*state);
  });
}

}  // namespace cola
