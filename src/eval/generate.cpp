#include "eval/generate.h"

#include <fmt/format.h>

#include <utility>

#include "core/error.h"
#include "eval/loss.h"
#include "text/chat_files.h"

namespace cola {
namespace {

constexpr std::size_t most_sequences = 32;  // in a pass: more do not make reading the weights cheaper

/// A generation under way.
struct Running {
  Generation* generation;
  SequenceCache cache;
  std::int64_t cache_bytes;
  std::vector<std::int32_t> ids;    ///< of the next pass: the prompt, then the last new token
  std::int64_t first_position = 0;  ///< of ids
  std::int64_t made = 0;
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

RaggedBatch next_batch(std::span<const Running> running) {
  RaggedBatch batch;
  for (const Running& one : running) {
    std::int64_t position = one.first_position;
    for (const std::int32_t id : one.ids) {
      batch.ids.push_back(id);
      batch.positions.push_back(static_cast<std::int32_t>(position));
      batch.token_keys.push_back(static_cast<std::uint64_t>(position));
      ++position;
    }
    batch.offsets.push_back(static_cast<std::int32_t>(batch.ids.size()));
  }
  return batch;
}

/// Whether the generation goes on with another token.
bool advance(Running& one, std::span<const float> logits) {
  Generation& generation = *one.generation;
  const std::int32_t token = generation.sampler.choose(logits);
  one.first_position += std::ssize(one.ids);
  one.ids.assign(1, token);
  return generation.each(token) && ++one.made < generation.max_new_tokens;
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
    const RaggedBatch batch = next_batch(running);
    const StepState step{context, batch};
    std::vector<SequenceCache*> caches;
    for (Running& one : running) caches.push_back(&one.cache);
    model.forward(step, activations, caches);
    std::vector<std::int32_t> last_rows;
    for (auto end = batch.offsets.begin() + 1; end != batch.offsets.end(); ++end)
      last_rows.push_back(*end - 1);
    logits.resize(context.memory(), DType::f32, std::ssize(running), vocabulary);
    model.logits(step, activations, last_rows, logits.view());
    const FloatsOnHost on_host(context.memory(), logits.floats());
    const float* row = on_host.values().data();
    std::erase_if(running, [&](Running& one) {
      const std::span values(row, static_cast<std::size_t>(vocabulary));
      row += vocabulary;
      return !advance(one, values);
    });
  }
}

}  // namespace cola
