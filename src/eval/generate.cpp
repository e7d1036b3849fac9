#include "eval/generate.h"

#include <fmt/format.h>

#include <utility>

#include "core/error.h"
#include "eval/loss.h"
#include "text/chat/files.h"

namespace cola {
namespace {

constexpr std::size_t most_sequences = 32;  // in a pass: more do not make reading the weights cheaper

/// A generation under way.
struct Running {
  Generation* generation;
  SequenceCache cache;
  std::int64_t cache_bytes;
  std::vector<std::int32_t> ids;  ///< the prompt and what has been made
  std::int64_t cached = 0;        ///< of ids: the next pass takes the others
  std::int64_t made = 0;
  bool goes_on = true;
};

void require_room(const Decoder& model, const Generation& generation) {
  const std::int64_t length = std::ssize(generation.prompt);
  const std::int64_t positions = model.spec().max_position_embeddings;
  if (length <= positions && generation.max_new_tokens <= positions - length) return;
  throw Error(fmt::format("a prompt of {} tokens and {} new ones do not fit the model's {} positions", length,
                          generation.max_new_tokens, positions));
}

/// Takes from `waiting` what has room beside what is running: sequences and bytes of cache, and tokens of
/// prompts in one pass.
void admit(const Decoder& model, std::span<Generation>& waiting, std::int64_t cache_bytes,
           std::vector<Running>& running) {
  std::int64_t used = 0;
  for (const Running& one : running) used += one.cache_bytes;
  std::int64_t prompt_tokens = 0;
  while (!waiting.empty() && running.size() < most_sequences) {
    Generation& next = waiting.front();
    const std::int64_t capacity = std::ssize(next.prompt) + next.max_new_tokens;
    const std::int64_t bytes = model.cache_bytes(capacity);
    prompt_tokens += std::ssize(next.prompt);
    if (!running.empty() && (used + bytes > cache_bytes || prompt_tokens > default_evaluation_tokens)) return;
    used += bytes;
    running.push_back({&next, model.make_cache(capacity), bytes, next.prompt});
    waiting = waiting.subspan(1);
  }
}

/// Those that the next pass takes: all, but whole sequences no more than fit one pass. The others wait.
std::vector<Running*> next_pass(std::vector<Running>& running) {
  std::vector<Running*> pass;
  std::int64_t whole = 0;
  for (Running& one : running) {
    const std::int64_t tokens = one.cached == 0 ? std::ssize(one.ids) : 0;
    if (tokens > 0 && whole > 0 && whole + tokens > default_evaluation_tokens) continue;
    whole += tokens;
    pass.push_back(&one);
  }
  return pass;
}

RaggedBatch next_batch(std::span<Running* const> pass) {
  RaggedBatch batch;
  for (const Running* one : pass) {
    for (std::int64_t position = one->cached; position < std::ssize(one->ids); ++position) {
      batch.ids.push_back(one->ids[static_cast<std::size_t>(position)]);
      batch.positions.push_back(static_cast<std::int32_t>(position));
      batch.token_keys.push_back(static_cast<std::uint64_t>(position));
    }
    batch.offsets.push_back(static_cast<std::int32_t>(batch.ids.size()));
  }
  return batch;
}

/// Takes the next token. A cache whose keys the sequence, now longer, turns otherwise is made again.
void advance(Running& one, const DecoderSpec& spec, std::span<const float> logits) {
  Generation& generation = *one.generation;
  const std::int32_t token = generation.sampler.choose(logits);
  one.cached = std::ssize(one.ids);
  one.ids.push_back(token);
  one.goes_on = generation.each(token) && ++one.made < generation.max_new_tokens;
  const auto long_factors = [&](std::int64_t length) {
    return turns_by_long_factors(spec.rotary_tables, length);
  };
  if (long_factors(one.cached) == long_factors(one.cached + 1)) return;
  for (KeyValueCache& cache : one.cache) cache.clear();
  one.cached = 0;
}

}  // namespace

std::set<std::int32_t> stop_tokens(const std::filesystem::path& model, const SpecialTokens& special) {
  std::set<std::int32_t> ids = end_tokens_of(model);
  if (special.eos) ids.insert(*special.eos);
  return ids;
}

void generate_tokens(ops::Context& context, const Decoder& model, std::span<Generation> generations,
                     std::int64_t cache_bytes) {
  for (const Generation& generation : generations) require_room(model, generation);
  std::vector<Running> running;
  DecoderActivations activations;
  Matrix logits;
  const std::int64_t vocabulary = model.spec().vocab_size;
  for (admit(model, generations, cache_bytes, running); !running.empty();
       admit(model, generations, cache_bytes, running)) {
    const std::vector<Running*> pass = next_pass(running);
    const RaggedBatch batch = next_batch(pass);
    const StepState step{context, batch};
    std::vector<SequenceCache*> caches;
    for (Running* one : pass) caches.push_back(&one->cache);
    model.forward(step, activations, caches);
    std::vector<std::int32_t> last_rows;
    for (auto end = batch.offsets.begin() + 1; end != batch.offsets.end(); ++end)
      last_rows.push_back(*end - 1);
    logits.resize(context.memory(), DType::f32, std::ssize(pass), vocabulary);
    model.logits(step, activations, last_rows, logits.view());
    const FloatsOnHost on_host(context.memory(), logits.floats());
    const float* row = on_host.values().data();
    for (Running* one : pass) {
      advance(*one, model.spec(), std::span(row, static_cast<std::size_t>(vocabulary)));
      row += vocabulary;
    }
    std::erase_if(running, [](const Running& one) { return !one.goes_on; });
  }
}

}  // namespace cola
