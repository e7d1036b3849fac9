#include "eval/data_options.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "data/record.h"
#include "model/family.h"

namespace cola {
namespace {

constexpr std::int64_t default_max_length = 2048;

/// What to do where there is no template; `family` may be null.
std::string choices(const Family* family) {
  const std::string all = fmt::format("give --chat-template FILE, or {}", built_in_template_names);
  if (family == nullptr || family->chat_template.empty()) return all;
  return fmt::format("{} ({} has the turns of {}'s chat models)", all, family->chat_template, family->name);
}

/// Whether turns end in a mark that is cut in pieces, which mean nothing to a model.
bool lacks_end_mark(const ChatFormat& format, const Tokenizer& tokenizer) {
  const std::string end = format.end_of_turn();
  const std::size_t begin = end.find_first_not_of(" \n");
  return begin != std::string::npos && (end[begin] == '<' || end[begin] == '[') &&
         !format.end_token(tokenizer);
}

}  // namespace

ChatOptions chat_options(const EvaluateOptions& options) {
  return {options.chat_template, options.chat_template_kwargs, options.chat_template_date, options.no_eos};
}

std::int64_t longest_sequence(std::int64_t max_length, const DecoderSpec& config) {
  const std::int64_t positions = config.max_position_embeddings;
  if (max_length > positions) {
    throw UsageError(fmt::format("--max-length {} is above the model's {} positions", max_length, positions));
  }
  return max_length == 0 ? std::min(default_max_length, positions) : max_length;
}

DataOptions data_options(const EvaluateOptions& options, const DecoderSpec& config,
                         const std::filesystem::path& tokenizer_folder, const Tokenizer* tokenizer) {
  DataOptions data;
  data.max_length = longest_sequence(options.max_length, config);
  data.train_on_prompt = options.train_on_prompt;
  data.append_eos = !options.no_eos;
  check_record_fields(options.fields);
  data.fields = options.fields;
  try {
    data.chat_format = ChatFormat::find(chat_options(options), tokenizer_folder, tokenizer);
    if (!data.chat_format) data.no_chat_template = choices(config.family);
  } catch (const UsageError&) {
    throw;
  } catch (const Error& error) {  // which data without chats does not mind
    if (!options.chat_template.empty()) throw;
    data.no_chat_template = fmt::format("{}: {}", error.what(), choices(config.family));
  }
  if (!data.chat_format) {
    return data;
  } else if (tokenizer != nullptr && lacks_end_mark(*data.chat_format, *tokenizer)) {
    data.no_chat_template = fmt::format(
        "the chat template {} ends a turn with {}, which is no token of this vocabulary: give "
        "--chat-template "
        "plain",
        data.chat_format->origin(), data.chat_format->end_of_turn());
    data.chat_format.reset();
  }
  return data;
}

std::optional<TokenCache> token_cache(const EvaluateOptions& options,
                                      const std::filesystem::path& tokenizer_folder) {
  if (options.token_cache.empty()) return std::nullopt;
  return TokenCache(options.token_cache, tokenizer_folder, options.note);
}

}  // namespace cola
