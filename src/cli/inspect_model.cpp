#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <map>
#include <set>

#include "cli/inspections.h"
#include "core/system_memory.h"
#include "io/gguf/gguf_file.h"
#include "io/tensor_source.h"
#include "model/base_model.h"
#include "model/family.h"
#include "model/linear_names.h"
#include "model/weight_names.h"
#include "model/weights.h"
#include "text/tokenizer.h"

namespace cola {
namespace {

/// The file that open_tokenizer reads.
std::string tokenizer_kind(const std::filesystem::path& folder) {
  if (is_gguf_file(folder)) return "tokenizer.ggml";
  for (const char* name : {"tokenizer.json", "tokenizer.model"}) {
    if (std::filesystem::is_regular_file(folder / name)) return name;
  }
  return "vocab.json + merges.txt";
}

Json id_or_null(const std::optional<std::int32_t>& id) { return id ? Json(*id) : Json(nullptr); }

void add_tokenizer(const std::filesystem::path& folder, Inspection& inspection) {
  if (!has_tokenizer(folder)) {
    inspection.json["tokenizer"] = nullptr;
    inspection.text += "tokenizer:    none\n";
    return;
  }
  const auto tokenizer = open_tokenizer(folder);
  const SpecialTokens& special = tokenizer->special();
  const std::string kind = tokenizer_kind(folder);
  inspection.json["tokenizer"] = {{"kind", kind},
                                  {"vocabulary_size", tokenizer->vocabulary_size()},
                                  {"bos", id_or_null(special.bos)},
                                  {"eos", id_or_null(special.eos)},
                                  {"pad", id_or_null(special.pad)},
                                  {"adds_bos", special.add_bos}};
  const auto token = [&](const std::optional<std::int32_t>& id) {
    return id ? fmt::format("{} {}", *id, tokenizer->piece(*id)) : std::string("none");
  };
  inspection.text += fmt::format(
      "tokenizer:    {}, {} tokens; BOS {}{}, EOS {}, padding {}\n", kind, tokenizer->vocabulary_size(),
      token(special.bos), special.add_bos ? " (put first)" : "", token(special.eos), token(special.pad));
}

void add_weights(const DecoderSpec& config, const TensorSource& source, Inspection& inspection) {
  for (const auto& [name, tensor] : match_tensors(config, source)) {
    require_finite(name, *tensor);
    release_pages(*tensor);
  }
  std::set<std::string> files;
  std::map<std::string, std::int64_t> tensors_by_dtype;
  std::int64_t bytes = 0;
  for (const auto& [name, tensor] : source.tensors()) {
    files.insert(std::filesystem::path(tensor.file).filename().string());
    ++tensors_by_dtype[std::string(name_of(tensor.dtype))];
    bytes += static_cast<std::int64_t>(tensor.bytes);
  }
  const std::string dtype(name_of(dominant_dtype(source)));
  inspection.json.update(
      {{"dtype", dtype}, {"tensors", tensors_by_dtype}, {"files", files}, {"weight_bytes", bytes}});
  inspection.text +=
      fmt::format("weights:      {}, {} in {}\n", dtype, format_bytes(bytes), fmt::join(files, ", "));
}

void add_other_parts(const DecoderSpec& config, const TensorSource& source, Inspection& inspection) {
  const auto others = tensors_of_other_parts(config, source);
  if (others.empty()) return;
  std::int64_t parameters = 0;
  for (const OtherTensor& other : others) parameters += other.tensor->size();
  inspection.json["other_parts"] = {{"tensors", others.size()}, {"parameters", parameters}};
  inspection.text +=
      fmt::format("other parts:  {} parameters in {} tensors ({}), which are left as they are\n", parameters,
                  others.size(), fmt::join(config.family->other_parts, ", "));
}

/// What cola train trains by default.
void add_trained(const DecoderSpec& config, Inspection& inspection) {
  constexpr std::int64_t rank = 8;
  std::int64_t parameters = 0;
  const auto linears = linear_names(config);
  for (const std::size_t index : selected_targets(config, {}))
    parameters += rank * (linears[index].out_features + linears[index].in_features);
  inspection.json["trained_by_default"] = {
      {"target_modules", config.family->default_targets}, {"lora_r", rank}, {"parameters", parameters}};
  inspection.text += fmt::format("trained:      by default LoRA of r = {} on {}: {} parameters\n", rank,
                                 fmt::join(config.family->default_targets, ", "), parameters);
}

}  // namespace

Inspection inspect_model(const std::filesystem::path& folder, const std::filesystem::path& tokenizer) {
  const BaseModel base = open_base_model(folder);
  const DecoderSpec& config = base.config;
  const AttentionSpec& attention = config.block(0).attention;
  const std::int64_t intermediate_size = config.block(0).mlp.intermediate_size;
  const std::string_view architecture = config.family->model_type;
  Inspection inspection;
  inspection.json = {{"model", folder.string()},
                     {"architecture", architecture},
                     {"parameters", parameter_count(config)},
                     {"vocab_size", config.vocab_size},
                     {"hidden_size", config.hidden_size},
                     {"intermediate_size", intermediate_size},
                     {"num_hidden_layers", config.num_hidden_layers()},
                     {"num_attention_heads", attention.num_attention_heads},
                     {"num_key_value_heads", attention.num_key_value_heads},
                     {"head_dim", attention.head_dim},
                     {"max_position_embeddings", config.max_position_embeddings},
                     {"tie_word_embeddings", config.tie_word_embeddings},
                     {"linear_layers", block_linear_names(config)},
                     {"notes", base.notes}};
  inspection.text = fmt::format(
      "model:        {}\narchitecture: {}, {} parameters\nshape:        {} layers, hidden {}, MLP {}, {} "
      "heads of {} "
      "({} key/value), vocabulary {}{}, {} positions\ntargets:      {}\n",
      folder.string(), architecture, parameter_count(config), config.num_hidden_layers(), config.hidden_size,
      intermediate_size, attention.num_attention_heads, attention.head_dim, attention.num_key_value_heads,
      config.vocab_size, config.tie_word_embeddings ? " (head tied)" : "", config.max_position_embeddings,
      fmt::join(block_linear_names(config), ", "));
  for (const std::string& line : base.notes) inspection.text += line + "\n";
  add_weights(config, *base.tensors, inspection);
  add_other_parts(config, *base.tensors, inspection);
  add_tokenizer(tokenizer.empty() ? folder : tokenizer, inspection);
  add_trained(config, inspection);
  if (is_gguf_file(folder)) add_gguf(folder, inspection);
  return inspection;
}

}  // namespace cola
