#include "eval/generate.h"

#include <fmt/format.h>

#include <array>
#include <limits>

#include "core/error.h"
#include "io/json.h"

namespace cola {
namespace {

/// Adds the ids of an eos_token_id, a number or a list of numbers. Whatever is neither is no token.
void add_ids(const Json& value, std::set<std::int32_t>& ids) {
  if (value.is_array()) {
    for (const auto& entry : value) {
      if (!entry.is_array()) add_ids(entry, ids);
    }
    return;
  }
  if (!value.is_number_integer()) return;
  const auto id = value.get<std::int64_t>();
  if (id >= 0 && id <= std::numeric_limits<std::int32_t>::max()) ids.insert(static_cast<std::int32_t>(id));
}

/// One sequence whose first token has the given position.
RaggedBatch continuation(std::span<const std::int32_t> ids, std::int64_t first_position) {
  RaggedBatch batch;
  batch.ids.assign(ids.begin(), ids.end());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const std::int64_t position = first_position + static_cast<std::int64_t>(i);
    batch.positions.push_back(static_cast<std::int32_t>(position));
    batch.token_keys.push_back(static_cast<std::uint64_t>(position));
  }
  batch.offsets.push_back(static_cast<std::int32_t>(ids.size()));
  return batch;
}

}  // namespace

std::set<std::int32_t> stop_tokens(const std::filesystem::path& model, const SpecialTokens& special) {
  std::set<std::int32_t> ids;
  if (special.eos) ids.insert(*special.eos);
  for (const char* name : {"generation_config.json", "config.json"}) {
    if (!std::filesystem::exists(model / name)) continue;
    const Json json = read_json_file(model / name);
    const JsonReader reader(json, (model / name).string());
    if (!reader.has("eos_token_id")) continue;
    add_ids(reader.at("eos_token_id"), ids);
    break;
  }
  return ids;
}

void generate_tokens(ops::Context& context, const Decoder& model, std::span<const std::int32_t> prompt,
                     std::int64_t max_new_tokens, Sampler& sampler,
                     const std::function<bool(std::int32_t)>& each) {
  const auto length = static_cast<std::int64_t>(prompt.size());
  const std::int64_t positions = model.config().max_position_embeddings;
  if (length > positions || max_new_tokens > positions - length) {
    throw Error(fmt::format("a prompt of {} tokens and {} new ones do not fit the model's {} positions",
                            length, max_new_tokens, positions));
  }
  auto caches = model.make_caches(length + max_new_tokens);
  DecoderActivations activations;
  std::vector<float> logits(static_cast<std::size_t>(model.config().vocab_size));
  RaggedBatch batch = continuation(prompt, 0);
  for (std::int64_t made = 0; made < max_new_tokens; ++made) {
    const StepState step{context, batch};
    const std::array last_row{static_cast<std::int32_t>(batch.tokens() - 1)};
    model.forward(step, activations, &caches);
    model.logits(step, activations, last_row,
                 {logits.data(), DType::f32, 1, model.config().vocab_size, model.config().vocab_size});
    const std::array token{sampler.choose(logits)};
    if (!each(token.front())) return;
    batch = continuation(token, length + made);
  }
}

}  // namespace cola
