#include "bench/step_batches.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/random.h"
#include "data/batch_plan.h"
#include "io/files.h"
#include "io/json.h"
#include "log/flops.h"
#include "train/session_data.h"

namespace cola {
namespace {

constexpr std::uint64_t seed = 42;
constexpr std::int32_t pad_id = 0;  // any token: what it is costs nothing

Json json_of(const TrainingBatch& training_batch) {
  const RaggedBatch& batch = training_batch.ragged();
  Json ids = Json::array();
  Json loss_positions = Json::array();
  std::size_t loss_row = 0;
  for (std::size_t s = 0; s + 1 < batch.offsets.size(); ++s) {
    const std::int32_t begin = batch.offsets[s];
    const std::int32_t end = batch.offsets[s + 1];
    ids.push_back(std::vector(batch.ids.begin() + begin, batch.ids.begin() + end));
    std::vector<std::int32_t> positions;
    for (; loss_row < batch.loss_rows.size() && batch.loss_rows[loss_row] < end; ++loss_row)
      positions.push_back(batch.loss_rows[loss_row] - begin);
    loss_positions.push_back(positions);
  }
  const bool of_questions = training_batch.item == TrainingItem::question;
  const QuestionBatch& content = training_batch.content;
  return {{"ids", ids},
          {"loss_positions", loss_positions},
          {"question_offsets", of_questions ? Json(content.question_offsets) : Json::array()},
          {"gold", of_questions ? Json(content.gold) : Json::array()}};
}

}  // namespace

std::vector<Example> random_examples(const DecoderSpec& config, std::int64_t count, std::int64_t length) {
  RandomStream random(seed, RandomPurpose::benchmark);
  std::vector<Example> examples(static_cast<std::size_t>(count));
  for (Example& example : examples) {
    example.ids.resize(static_cast<std::size_t>(length));
    for (auto& id : example.ids)
      id = static_cast<std::int32_t>(random.next_below(static_cast<std::uint64_t>(config.vocab_size)));
    example.labels = example.ids;
  }
  return examples;
}

RaggedBatch random_batch(const DecoderSpec& config, std::int64_t count, std::int64_t length) {
  const std::vector<Example> examples = random_examples(config, count, length);
  std::vector<const Example*> pointers;
  for (const Example& example : examples) pointers.push_back(&example);
  return make_batch(pointers);
}

TrainingBatch padded_batch(TrainingBatch batch) {
  const RaggedBatch from = std::move(batch.content.batch);
  RaggedBatch to;
  const auto sequences = static_cast<std::size_t>(from.sequences());
  std::vector<std::int64_t> lengths;
  for (std::size_t s = 0; s < sequences; ++s) lengths.push_back(from.offsets[s + 1] - from.offsets[s]);
  const std::int64_t width = padded_tokens(lengths) / std::max<std::int64_t>(from.sequences(), 1);
  std::size_t target = 0;
  for (std::size_t s = 0; s < sequences; ++s) {
    const std::int32_t begin = from.offsets[s];
    const std::int32_t end = from.offsets[s + 1];
    const std::int32_t moved = to.offsets.back() - begin;
    for (; target < from.loss_rows.size() && from.loss_rows[target] < end; ++target)
      to.loss_rows.push_back(from.loss_rows[target] + moved);
    to.ids.insert(to.ids.end(), from.ids.begin() + begin, from.ids.begin() + end);
    to.ids.resize(static_cast<std::size_t>(static_cast<std::int64_t>(s + 1) * width), pad_id);
    const std::uint64_t first_key = from.token_keys[static_cast<std::size_t>(begin)];
    for (std::int64_t t = 0; t < width; ++t) {
      to.positions.push_back(static_cast<std::int32_t>(t));
      to.token_keys.push_back(first_key + static_cast<std::uint64_t>(t));
    }
    to.offsets.push_back(static_cast<std::int32_t>(to.ids.size()));
  }
  to.targets = from.targets;
  batch.content.batch = std::move(to);
  return batch;
}

std::vector<StepPart> task_steps(const TrainOptions& options, const DecoderSpec& config,
                                 const MicroBatchLimit& limit, std::int64_t steps, bool pad) {
  const SessionData data = load_session_data(options, config, {.quiet = false});
  const BatchPlan plan(data.train.mixture(), options.batch_size, 1, !options.no_shuffle, options.seed);
  if (steps > plan.steps_per_epoch()) {
    throw UsageError(fmt::format("--steps {}: an epoch of {} examples has {} batches of {}", steps,
                                 data.train.size(), plan.steps_per_epoch(), options.batch_size));
  }
  std::vector<StepPart> parts;
  for (std::int64_t step = 0; step < steps; ++step) {
    StepPart& part = parts.emplace_back(part_of_step(data.train, plan, step, limit, OneProcess()));
    if (!pad) continue;
    for (TrainingBatch& batch : part.batches) batch = padded_batch(std::move(batch));
  }
  return parts;
}

void write_batches(const std::filesystem::path& file, std::span<const StepPart> steps) {
  std::string lines;
  for (const StepPart& step : steps)
    for (const TrainingBatch& batch : step.batches) lines += json_of(batch).dump() + "\n";
  write_text_file(file, lines);
}

}  // namespace cola
