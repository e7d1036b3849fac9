#include "eval/data_options.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"

namespace cola {
namespace {

constexpr std::int64_t default_max_length = 2048;

}  // namespace

DataOptions data_options(const EvaluateOptions& options, const ModelConfig& config,
                         const std::filesystem::path& tokenizer) {
  const std::int64_t positions = config.max_position_embeddings;
  if (options.max_length > positions) {
    throw UsageError(
        fmt::format("--max-length {} is above the model's {} positions", options.max_length, positions));
  }
  DataOptions data;
  data.max_length = options.max_length == 0 ? std::min(default_max_length, positions) : options.max_length;
  data.train_on_prompt = options.train_on_prompt;
  data.append_eos = !options.no_eos;
  data.chat_template = options.chat_template.empty() ? recognise_chat_template(tokenizer)
                                                     : parse_chat_template(options.chat_template);
  return data;
}

}  // namespace cola
