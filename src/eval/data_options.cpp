#include "eval/data_options.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "model/family.h"

namespace cola {
namespace {

constexpr std::int64_t default_max_length = 2048;

/// What to do where there is no template; `family` may be null.
std::string choices(const Family* family) {
  const std::string all = "give --chat-template llama2, llama3, chatml or plain";
  if (family == nullptr || family->chat_template.empty()) return all;
  return fmt::format("{} ({} has the turns of {}'s chat models)", all, family->chat_template, family->name);
}

/// The built-in template that the folder's own is, or why there is none.
void take_folder_template(const std::filesystem::path& folder, const Tokenizer* tokenizer,
                          const Family* family, DataOptions& data) {
  data.no_chat_template = choices(family);
  const auto own = read_chat_template(folder);
  if (!own) return;
  RecognisedTemplate known = recognise_chat_template(*own);
  if (known.bos_first && tokenizer != nullptr && !tokenizer->special().add_bos) {
    known = {std::nullopt, false, "it begins with BOS, which the tokenizer does not add"};
  }
  data.chat_template = known.built_in;
  if (!known.built_in) {
    data.no_chat_template = fmt::format("the chat template of {} is none of those known here ({}): {}",
                                        own->file.string(), known.why_not, choices(family));
  }
}

}  // namespace

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
  if (options.chat_template.empty()) {
    take_folder_template(tokenizer_folder, tokenizer, config.family, data);
  } else {
    data.chat_template = parse_chat_template(options.chat_template);
  }
  if (!data.chat_template || tokenizer == nullptr) return data;
  if (const std::string missing = missing_token(*data.chat_template, *tokenizer); !missing.empty()) {
    data.no_chat_template = fmt::format(
        "the chat template {} writes {}, which is no token of this vocabulary: give --chat-template plain",
        name_of(*data.chat_template), missing);
    data.chat_template.reset();
  }
  return data;
}

}  // namespace cola
