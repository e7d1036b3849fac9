#include "text/chat/format.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <iomanip>
#include <locale>
#include <sstream>
#include <utility>
#include <vector>

#include "core/error.h"
#include "io/content_hash.h"
#include "io/files.h"
#include "io/gguf/gguf_file.h"
#include "text/chat/call_arguments.h"
#include "text/chat/origins.h"
#include "text/chat/turns.h"
#include "text/jinja/json_text.h"
#include "text/jinja/json_value.h"
#include "text/special_tokens.h"
#include "text/utf8.h"

namespace cola {
namespace {

using jinja::Dict;
using jinja::Text;
using jinja::Value;

constexpr const char* date_form = "%Y-%m-%dT%H:%M:%S";
constexpr std::size_t template_size_limit = std::size_t{1} << 20;

std::string date_text(const std::tm& time) {
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), date_form, &time)};
}

/// With the day of the week and of the year.
std::tm parse_date(const std::string& text) {
  std::tm time = {};
  std::istringstream stream(text);
  stream.imbue(std::locale::classic());
  stream >> std::get_time(&time, date_form);
  std::tm whole = time;
  if (stream.fail() || timegm(&whole) == -1 || date_text(whole) != text)
    throw UsageError(fmt::format("{:?} is no date and time of the form 2026-03-09T14:05:06", text));
  return whole;
}

Dict parse_kwargs(const std::string& json) {
  if (json.empty()) return {};
  Value value;
  try {
    value = jinja::value_of_json(json);
  } catch (const jinja::Error& error) {
    throw UsageError(fmt::format("--chat-template-kwargs: {}", error.what()));
  }
  if (value.dict() == nullptr)
    throw UsageError(R"(--chat-template-kwargs is no JSON object, as {"enable_thinking": false})");
  for (const char* name :
       {"messages", "tools", "documents", "add_generation_prompt", "continue_final_message"}) {
    if (value.dict()->find(std::string_view(name)) != nullptr)
      throw UsageError(fmt::format("--chat-template-kwargs: '{}' is not for a user to give", name));
  }
  return *value.dict();
}

struct Chosen {
  std::string jinja;
  std::string origin;
  std::string with_tools;  ///< another for chats with tools, or empty
};

std::string names_of(const OwnTemplates& own) {
  std::vector<std::string> names;
  for (const NamedTemplate& one : own.templates) names.push_back(one.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

/// The folder's template where nothing is chosen, as transformers chooses it.
std::optional<Chosen> own_template(const OwnTemplates& own) {
  if (own.templates.empty()) return std::nullopt;
  const NamedTemplate* usual = own.find("default");
  const NamedTemplate* with_tools = own.find("tool_use");
  if (usual == nullptr) {
    throw UsageError(
        fmt::format("{}: of its chat templates none is the default: give --chat-template with one "
                    "of {}",
                    own.file.string(), names_of(own)));
  }
  return Chosen{usual->jinja, own.file.string(), with_tools != nullptr ? with_tools->jinja : ""};
}

std::optional<Chosen> choose(const ChatOptions& options, const std::filesystem::path& folder,
                             const Tokenizer* tokenizer) {
  const OwnTemplates own = folder.empty() ? OwnTemplates{} : read_chat_templates(folder);
  const std::string& choice = options.chat_template;
  if (choice.empty()) return own_template(own);
  if (const NamedTemplate* named = own.find(choice))
    return Chosen{named->jinja, fmt::format("{} ({})", own.file.string(), choice), ""};
  const bool has_bos = tokenizer == nullptr || tokenizer->special().bos;
  const bool bos = has_bos && (choice != "chatml" || (tokenizer != nullptr && tokenizer->special().add_bos));
  const bool eos = !options.no_eos && (tokenizer == nullptr || tokenizer->special().eos);
  if (auto built_in = built_in_chat_template(choice, bos, eos)) return Chosen{*built_in, choice, ""};
  if (std::filesystem::is_regular_file(choice)) {
    Chosen chosen{read_text_file(choice, template_size_limit), choice, ""};
    require_utf8(chosen.jinja, choice);
    return chosen;
  }
  const std::string more = own.templates.empty() ? "" : fmt::format("; of this model: {}", names_of(own));
  throw UsageError(fmt::format("--chat-template {}: neither a file nor a name: {}{}", choice,
                               built_in_template_names, more));
}

std::shared_ptr<const ChatRenderer> renderer_of(const std::string& jinja, const std::string& origin) {
  try {
    return std::make_shared<const ChatRenderer>(jinja);
  } catch (const jinja::Error& error) {
    throw Error(fmt::format("the chat template of {}, line {}, column {}: {}", origin, error.place().line,
                            error.place().column, error.what()));
  }
}

}  // namespace

std::string present_date() {
  const std::time_t now = std::time(nullptr);
  std::tm time = {};
  localtime_r(&now, &time);
  return date_text(time);
}

Dict chat_special_tokens(const std::filesystem::path& folder, const Tokenizer* tokenizer) {
  Dict tokens;
  const auto add = [&](const char* name, const std::optional<std::string>& text,
                       std::optional<std::int32_t> id) {
    if (text) {
      tokens.set(Text(name), Text(*text));
    } else if (id) {
      tokens.set(Text(name), Text(tokenizer->piece(*id)));
    }
  };
  const bool has_files = !folder.empty() && !is_gguf_file(folder);
  const TokenizerConfig config = has_files ? read_tokenizer_config(folder) : TokenizerConfig{};
  const SpecialTokens special = tokenizer != nullptr ? tokenizer->special() : SpecialTokens{};
  add("bos_token", config.bos_token, special.bos);
  add("eos_token", config.eos_token, special.eos);
  add("unk_token", config.unk_token, std::nullopt);
  add("pad_token", config.pad_token, special.pad);
  return tokens;
}

std::optional<ChatFormat> ChatFormat::find(const ChatOptions& options, const std::filesystem::path& folder,
                                           const Tokenizer* tokenizer) {
  const std::optional<Chosen> chosen = choose(options, folder, tokenizer);
  if (!chosen) {
    (void)parse_kwargs(options.chat_template_kwargs);
    return std::nullopt;
  }
  ChatFormat format(chosen->jinja, chosen->origin, chat_special_tokens(folder, tokenizer), options);
  if (!chosen->with_tools.empty())
    format.with_tools_ = cola::renderer_of(chosen->with_tools, chosen->origin + " (tool_use)");
  return format;
}

ChatFormat::ChatFormat(const std::string& jinja, std::string origin, Dict special_tokens,
                       const ChatOptions& options)
    : renderer_(cola::renderer_of(jinja, origin)),
      origin_(std::move(origin)),
      special_tokens_(std::move(special_tokens)),
      keyword_arguments_(parse_kwargs(options.chat_template_kwargs)) {
  options_.now = parse_date(options.chat_template_date.empty() ? present_date() : options.chat_template_date);
}

const ChatRenderer& ChatFormat::renderer_of(const ChatInput& chat) const {
  return with_tools_ && jinja::is_true(chat.tools) ? *with_tools_ : *renderer_;
}

ChatInput ChatFormat::completed(const ChatInput& chat) const {
  ChatInput input = chat;
  input.special_tokens = special_tokens_;
  input.keyword_arguments = keyword_arguments_;
  for (const auto& [name, value] : chat.keyword_arguments.items) input.keyword_arguments.set(name, value);
  return input;
}

TrainedChat ChatFormat::render(const ChatInput& chat) const {
  const bool is_plain = chat.keyword_arguments.items.empty() && chat.tools.is_none() &&
                        chat.documents.is_none() && !chat.add_generation_prompt &&
                        chat.continued_field.empty();
  return render_for_training(renderer_of(chat), completed(chat), options_,
                             is_plain ? patterns_.get() : nullptr);
}

std::string ChatFormat::render_prompt(const ChatInput& chat) const {
  ChatInput input = completed(chat);
  input.add_generation_prompt = true;
  return renderer_of(chat).render(input, options_).text.bytes;
}

std::optional<ChatInput> ChatFormat::with_object_arguments(const ChatInput& chat) const {
  if (!have_text_arguments(chat.messages)) return std::nullopt;
  ChatInput input = completed(chat);
  input.messages = with_origins(chat.messages);
  try {
    if (are_written_plainly(chat.messages, renderer_of(chat).render(input, options_).text))
      return std::nullopt;
  } catch (const jinja::Error&) {  // NOLINT(bugprone-empty-catch): as of one that wants the arguments' names
  }
  ChatInput changed = chat;
  changed.messages = cola::with_object_arguments(chat.messages);
  return changed;
}

std::string ChatFormat::date() const {
  const auto asks = [](const auto& renderer) {
    return renderer && renderer->source().find("strftime_now") != std::string::npos;
  };
  return asks(renderer_) || asks(with_tools_) ? date_text(options_.now) : "";
}

std::string ChatFormat::identity() const {
  ContentHash hash;
  for (const std::string& part :
       {jinja(), with_tools_ ? with_tools_->source() : "", jinja::json_text(special_tokens_, {}).bytes,
        jinja::json_text(keyword_arguments_, {}).bytes, date()}) {
    hash.add(fmt::format("{}\n", part.size()));
    hash.add(part);
  }
  return hash.hexadecimal();
}

bool ChatFormat::knows_role(std::string_view role) const {
  constexpr std::array<std::string_view, 6> usual = {"system", "user",      "assistant",
                                                     "tool",   "developer", "function"};
  if (std::ranges::find(usual, role) != usual.end()) return true;
  return jinja().find(fmt::format("'{}'", role)) != std::string::npos ||
         jinja().find(fmt::format("\"{}\"", role)) != std::string::npos;
}

std::string ChatFormat::end_of_turn() const { return cola::end_of_turn(*renderer_, completed({}), options_); }

std::optional<std::int32_t> ChatFormat::end_token(const Tokenizer& tokenizer) const {
  for (const std::int32_t id : tokenizer.encode(end_of_turn())) {
    if (tokenizer.text_of(id).added || id == tokenizer.special().eos) return id;
  }
  return std::nullopt;
}

std::string ChatFormat::describe(const jinja::Error& error) const {
  if (error.kind() == jinja::Error::Kind::refusal || error.place().line == 0)
    return fmt::format("the chat template of {}: {}", origin_, error.what());
  return fmt::format("the chat template of {}, line {}, column {}: {}", origin_, error.place().line,
                     error.place().column, error.what());
}

}  // namespace cola
