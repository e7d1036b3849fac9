#include "eval/data_options.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"

namespace cola {
namespace {

constexpr std::int64_t default_max_length = 2048;

}  // namespace

std::int64_t longest_sequence(std::int64_t max_length, const ModelConfig& config) {
  const std::int64_t positions = config.max_position_embeddings;
  if (max_length > positions) {
    throw UsageError(fmt::format("--max-length {} is above the model's {} positions", max_length, positions));
  }
  return max_length == 0 ? std::min(default_max_length, positions) : max_length;
}

DataOptions data_options(const EvaluateOptions& options, const ModelConfig& config,
                         const std::filesystem::path& tokenizer) {
  DataOptions data;
  data.max_length = longest_sequence(options.max_length, config);
  data.train_on_prompt = options.train_on_prompt;
  data.append_eos = !options.no_eos;
  data.chat_template = options.chat_template.empty() ? recognise_chat_template(tokenizer)
                                                     : parse_chat_template(options.chat_template);
  return data;
}

}  // namespace cola
