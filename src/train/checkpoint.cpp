#include "train/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "core/error.h"
#include "io/files.h"
#include "io/json.h"
#include "io/safetensors_writer.h"
#include "io/tensor_source.h"
#include "lora/adapter.h"
#include "lora/peft_format.h"

namespace cola {
namespace {

Json number_or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

Json json_of(const TrainingState& state) {
  return {{"version", 1},
          {"steps_done", state.steps_done},
          {"tied_links", state.tied_links},
          {"live_number", state.live_number},
          {"optimizer_steps", state.optimizer_steps},
          {"log_bytes", state.log_bytes},
          {"computed_with", state.computed_with},
          {"processes", state.processes},
          {"train_digest", state.train_digest},
          {"dev_digest", state.dev_digest},
          {"train_loss", state.train_loss},
          {"dev_loss", number_or_null(state.dev_loss)},
          {"best_dev_loss", number_or_null(state.best_dev_loss)},
          {"dev_score", number_or_null(state.dev_score)},
          {"best_dev_score", number_or_null(state.best_dev_score)},
          {"evaluations_without_gain", state.evaluations_without_gain},
          {"stopped_early", state.stopped_early},
          {"knots", state.knots},
          {"link_losses", state.link_losses},
          {"knot_due", state.knot_due},
          {"seconds", state.seconds},
          {"tokens", state.tokens},
          {"hf_flos", state.hf_flos},
          {"real_flops", state.real_flops},
          {"hf_flos_saved", state.hf_flos_saved}};
}

/// The named tensor into `destination`, which it fills.
void read_exactly(const TensorSource& source, const std::string& name, std::span<float> destination,
                  Memory& memory, const std::filesystem::path& file) {
  const auto tensor = source.tensors().find(name);
  if (tensor == source.tensors().end() || tensor->second.dtype != DType::f32 ||
      tensor->second.size() != static_cast<std::int64_t>(destination.size())) {
    throw Error(
        fmt::format("{}: tensor '{}' is missing or has another size: the checkpoint is not of this run",
                    file.string(), name));
  }
  write_from_host(memory, destination, [&](std::span<float> values) { read_as_f32(tensor->second, values); });
}

/// FNV-1a over lengths, ids, labels and weights.
class ExampleDigest {
 public:
  void add(const Example& example) {
    add(static_cast<std::uint32_t>(example.ids.size()));
    for (const std::int32_t id : example.ids) add(static_cast<std::uint32_t>(id));
    for (const std::int32_t label : example.labels) add(static_cast<std::uint32_t>(label));
    for (const float weight : example.weights) add(std::bit_cast<std::uint32_t>(weight));
  }
  [[nodiscard]] std::string text() const { return fmt::format("{:016x}", digest_); }

 private:
  void add(std::uint32_t value) {
    constexpr std::uint64_t prime = 0x100000001b3;
    for (int byte = 0; byte < 4; ++byte) digest_ = (digest_ ^ (value >> (8 * byte) & 0xff)) * prime;
  }

  std::uint64_t digest_ = 0xcbf29ce484222325;
};

}  // namespace

std::string digest_of(std::span<const Example> examples) {
  ExampleDigest digest;
  for (const auto& example : examples) digest.add(example);
  return digest.text();
}

std::string former_digest_of(const Sequences& sequences) {
  ExampleDigest digest;
  for (std::size_t i = 0; i < sequences.size(); ++i) digest.add(sequences[i]);
  return digest.text();
}

void write_checkpoint_folder(const std::filesystem::path& folder, const TrainingState& state,
                             Optimizer& optimizer, const Link* live, const Weights* weights) {
  write_folder(folder, [&](const std::filesystem::path& temporary) {
    if (live != nullptr) {
      std::filesystem::create_directory(temporary / "link");
      write_adapter(temporary / "link", *live, "");
    }
    if (weights != nullptr) {
      std::vector<TensorToWrite> tensors;
      for (const auto& parameter : weights->all()) {
        tensors.push_back(tensor_of_floats(parameter->spec.name, parameter->spec.shape,
                                           std::as_const(parameter->training->master).floats(),
                                           weights->memory()));
      }
      write_safetensors(temporary / "weights.safetensors", tensors);
    }
    std::vector<TensorToWrite> tensors;
    for (const auto& array : optimizer.state()) {
      tensors.push_back(tensor_of_floats(array.name, {static_cast<std::int64_t>(array.values.size())},
                                         array.values, optimizer.memory()));
    }
    write_safetensors(temporary / "optimizer.safetensors", tensors);
    write_text_file(temporary / "state.json", json_of(state).dump(2) + "\n");
  });
}

TrainingState read_checkpoint_state(const std::filesystem::path& folder) {
  const auto file = folder / "state.json";
  const Json json = read_json_file(file);
  const JsonReader reader(json, file.string());
  if (reader.integer("version") != 1)
    throw Error(fmt::format("{}: written by another version of cola", file.string()));
  const auto optional_number = [&](const char* key) {
    return reader.has(key) ? std::optional(reader.number(key)) : std::nullopt;
  };
  TrainingState state;
  state.steps_done = reader.integer("steps_done");
  state.tied_links = reader.integer("tied_links");
  state.live_number = reader.integer("live_number");
  state.optimizer_steps = reader.integer("optimizer_steps");
  state.log_bytes = reader.integer("log_bytes");
  state.computed_with = reader.string("computed_with", "");
  state.processes = reader.integer("processes", 1);
  state.train_digest = reader.string("train_digest");
  state.dev_digest = reader.string("dev_digest");
  state.train_loss = reader.number("train_loss");
  state.dev_loss = optional_number("dev_loss");
  state.best_dev_loss = optional_number("best_dev_loss");
  state.dev_score = optional_number("dev_score");
  state.best_dev_score = optional_number("best_dev_score");
  state.evaluations_without_gain = reader.integer("evaluations_without_gain");
  state.stopped_early = reader.boolean("stopped_early", false);
  state.knot_due = reader.boolean("knot_due", false);
  const auto numbers = [&](const char* key) {
    const bool sound =
        reader.has(key) && reader.at(key).is_array() &&
        std::ranges::all_of(reader.at(key), [](const Json& entry) { return entry.is_number(); });
    if (!sound) throw Error(fmt::format("{}: '{}' is not a list of numbers", file.string(), key));
    return reader.at(key).get<std::vector<double>>();
  };
  for (const double step : numbers("knots")) state.knots.push_back(static_cast<std::int64_t>(step));
  state.link_losses = numbers("link_losses");
  state.seconds = reader.number("seconds");
  state.tokens = reader.integer("tokens");
  state.hf_flos = reader.number("hf_flos");
  state.real_flops = reader.number("real_flops");
  state.hf_flos_saved = reader.number("hf_flos_saved", 0.0);
  return state;
}

Link read_checkpoint_link(const std::filesystem::path& folder) { return read_adapter(folder / "link"); }

void read_checkpoint_weights(const std::filesystem::path& folder, ops::Context& context, Weights& weights) {
  const auto file = folder / "weights.safetensors";
  const auto source = open_safetensors(file);
  for (const auto& parameter : weights.all()) {
    read_exactly(*source, parameter->spec.name, parameter->training->master.floats(), weights.memory(), file);
    require_finite(parameter->spec.name, source->tensors().at(parameter->spec.name));
    Weights::refresh(context, *parameter);
  }
}

void read_checkpoint_optimizer(const std::filesystem::path& folder, const TrainingState& state,
                               Optimizer& optimizer) {
  const auto file = folder / "optimizer.safetensors";
  const auto source = open_safetensors(file);
  for (const auto& array : optimizer.state())
    read_exactly(*source, array.name, array.values, optimizer.memory(), file);
  optimizer.set_steps_done(state.optimizer_steps);
}

}  // namespace cola
