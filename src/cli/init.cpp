// cola init
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>

#include "cli/output.h"
#include "cli/verbs.h"
#include "cli/whole_number.h"
#include "core/error.h"
#include "core/system_memory.h"
#include "io/files.h"
#include "model/family.h"
#include "model/huggingface_folder.h"
#include "model/model_config.h"
#include "model/parameter_spec.h"
#include "text/huggingface_tokenizer.h"
#include "text/tokenizer.h"

namespace cola {
namespace {

struct InitVerb {
  std::string shape, out, tokenizer;
  std::string dtype = "f32";
  std::uint64_t seed = 42;
  bool json = false;
};

/// config.json of the new model: the shape's. Ids of special tokens are the tokenizer's, else those of the
/// shape, where they fit the vocabulary.
Json new_config(const InitVerb& verb, Json json, const DecoderSpec& config) {
  SpecialTokens special;
  if (!verb.tokenizer.empty()) {
    const auto tokenizer = open_tokenizer(verb.tokenizer);
    if (tokenizer->vocabulary_size() > config.vocab_size) {
      throw UsageError(fmt::format("--tokenizer {} has {} tokens, more than the shape's vocabulary of {}",
                                   verb.tokenizer, tokenizer->vocabulary_size(), config.vocab_size));
    }
    special = tokenizer->special();
  }
  const auto set = [&](const char* key, const std::optional<std::int32_t>& id) {
    if (!verb.tokenizer.empty()) {
      json[key] = id ? Json(*id) : Json(nullptr);
    }
    const bool fits = json.contains(key) &&
                      (!json[key].is_number_integer() || json[key].get<std::int64_t>() < config.vocab_size);
    if (!fits) json[key] = nullptr;
  };
  set("bos_token_id", special.bos);
  set("eos_token_id", special.eos);
  set("pad_token_id", special.pad);
  return json;
}

void check_memory(const DecoderSpec& config, DType dtype) {
  const std::int64_t bytes = parameter_count(config) * static_cast<std::int64_t>(size_of(dtype));
  const std::int64_t available = available_memory_bytes();
  if (bytes > available) {
    throw Error(fmt::format(
        "the weights take {}, and {} of memory are available: use a smaller --shape or --dtype bf16",
        format_bytes(bytes), format_bytes(available)));
  }
}

void require_decoder_alone(const InitVerb& verb, const DecoderSpec& config) {
  const auto others = config.family->other_parts;
  if (others.empty()) return;
  throw UsageError(fmt::format(
      "--shape {}: such a model has other parts than a decoder ({}), which init does not make: give it a "
      "config.json of the decoder alone, as the text_config in this one",
      verb.shape, fmt::join(others, ", ")));
}

void run_init(const InitVerb& verb) {
  const std::filesystem::path out = std::filesystem::absolute(verb.out).lexically_normal();
  if (std::filesystem::exists(out) &&
      (!std::filesystem::is_directory(out) || !std::filesystem::is_empty(out))) {
    throw UsageError(fmt::format("{} already exists: choose another --out", out.string()));
  }
  const DType dtype = parse_dtype(verb.dtype);
  const DType kept = dtype == DType::bf16 ? DType::bf16 : DType::f32;  // f16 is only written
  const Json shape = config_json_of_shape(verb.shape);
  const DecoderSpec config = parse_model_config(shape, verb.shape);
  require_decoder_alone(verb, config);
  const Json json = new_config(verb, shape, config);
  check_memory(config, kept);
  require_writable_folder(std::filesystem::path(out / "..").lexically_normal());
  const Weights weights(config, verb.seed, kept);
  write_folder(out, [&](const std::filesystem::path& folder) {
    const auto source = folder / "source";  // of the files beside the weights
    std::filesystem::create_directory(source);
    write_text_file(source / "config.json", json.dump(2) + "\n");
    if (!verb.tokenizer.empty()) write_tokenizer_files(source, verb.tokenizer);
    write_huggingface_folder(folder, source, weights, dtype, "--dtype", default_max_shard_bytes,
                             [&](const Parameter& parameter, std::span<float> values) {
                               weights.read_original(parameter, values);
                             });
    std::filesystem::remove_all(source);
  });
  const std::int64_t parameters = parameter_count(config);
  if (verb.json) {
    print_json({{"model", out.string()},
                {"parameters", parameters},
                {"dtype", name_of(dtype)},
                {"seed", verb.seed}});
  } else {
    print(fmt::format("{}: {} random parameters, {}\n", out.string(), parameters, name_of(dtype)));
  }
}

}  // namespace

void add_init(CLI::App& app) {
  CLI::App& verb = *app.add_subcommand("init", "a randomly initialised checkpoint of a given shape");
  const auto state = std::make_shared<InitVerb>();
  verb.add_option("--shape", state->shape,
                  "opt-125m, llama-2-7b, tinyllama-1.1b, qwen3-0.6b, ... or a config.json")
      ->type_name("NAME")
      ->required();
  verb.add_option("--out", state->out, "model folder to create")->type_name("DIR")->required();
  verb.add_option("--seed", state->seed, "seed of the weights")
      ->type_name("N")
      ->capture_default_str()
      ->check(whole_number());
  verb.add_option("--dtype", state->dtype, "of the weights")
      ->capture_default_str()
      ->check(CLI::IsMember({"f32", "bf16", "f16"}));
  verb.add_option("--tokenizer", state->tokenizer,
                  "folder or GGUF file whose tokenizer is written beside the weights")
      ->type_name("PATH");
  verb.add_flag("--json", state->json, "print the result as JSON");
  verb.callback([state] { run_init(*state); });
}

}  // namespace cola
