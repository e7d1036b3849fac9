#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"
#include "model/gguf_family.h"
#include "model/parameter_spec.h"

namespace cola {

/// A published model by name, and the text of its config.json; keys at their defaults, and those that every
/// family has alike (model_type, architectures), are left out.
struct PublishedShape {
  std::string_view name;
  std::string_view config;
};

/// A beginning of tensors' names in files, and the one that the names of parameter_specs() have instead.
struct NameStem {
  std::string_view in_file;
  std::string_view in_memory;
};

/// What sets one family of models apart from others: how its config.json is read and what its tensors are
/// called. Each is a file in model/families/.
struct Family {
  std::string_view model_type;    ///< of config.json: "opt"
  std::string_view architecture;  ///< what `architectures` of config.json says: "OPTForCausalLM"
  std::string_view name;          ///< as people write it: "OPT"

  std::string_view blocks;                            ///< what the blocks' tensors begin with: "model.layers"
  std::span<const std::string_view> ignored_tensors;  ///< ends of names in files that carry no weights
  /// The modules beside the decoder ("vision_tower"), in files behind "model." or nothing: a folder's are
  /// left as they are.
  std::span<const std::string_view> other_parts;
  /// How else files name tensors, of the decoder and of other parts; the first that fits counts.
  std::span<const NameStem> file_stems;
  std::span<const std::string_view> default_targets;  ///< of LoRA, as in PEFT; none where PEFT has none
  /// The built-in chat template with the turns of the family's chat models: what is proposed where a folder
  /// has no template that can be read; empty: none, or several.
  std::string_view chat_template;
  std::span<const PublishedShape> published;
  const GgufFamily* gguf = nullptr;  ///< null: llama.cpp has no such models, or they are not read

  /// What a config.json says. Throws Error naming a key that is not supported or not sound.
  DecoderSpec (*read)(const JsonReader& reader);
  /// See parameter_specs().
  std::vector<ParameterSpec> (*parameters)(const DecoderSpec& spec);
};

/// All of them.
[[nodiscard]] std::span<const Family* const> all_families();

/// The family of this `model_type`, or of this architecture where the type is empty; null if there is none.
[[nodiscard]] const Family* find_family(std::string_view model_type, std::string_view architecture = "");

}  // namespace cola
