#include "model/weight_names.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>

#include "core/error.h"

namespace cola {
namespace {

/// The name without what varies: "model.decoder.layers.0.fc1.weight" and "decoder.layers.0.fc1.weight" are
/// one.
std::string without_prefix(const std::string& name) {
  return name.rfind("model.", 0) == 0 ? name.substr(6) : name;
}

bool carries_no_weights(const std::string& name) {
  return name.ends_with("rotary_emb.inv_freq") || name.ends_with("decoder.version");
}

std::string embedding_name(const ModelConfig& config) {
  return config.architecture == Architecture::opt ? "decoder.embed_tokens.weight" : "embed_tokens.weight";
}

std::string first_few(const std::vector<std::string>& names) {
  constexpr std::size_t shown = 3;
  const auto end = names.begin() + static_cast<std::ptrdiff_t>(std::min(shown, names.size()));
  std::string text = fmt::format("{}", fmt::join(names.begin(), end, ", "));
  if (names.size() > shown) text += fmt::format(" and {} more", names.size() - shown);
  return text;
}

void check(const ParameterSpec& spec, const SourceTensor& tensor) {
  if (tensor.dtype == DType::i64 || tensor.dtype == DType::i32) {
    throw Error(fmt::format("{}: tensor '{}' holds {}, where floating-point numbers are needed", tensor.file,
                            spec.name, name_of(tensor.dtype)));
  }
  if (tensor.shape == spec.shape) return;
  throw Error(fmt::format("{}: tensor '{}' has shape [{}], but config.json says [{}]", tensor.file, spec.name,
                          fmt::join(tensor.shape, ", "), fmt::join(spec.shape, ", ")));
}

}  // namespace

std::map<std::string, const SourceTensor*> match_tensors(const ModelConfig& config,
                                                         const TensorSource& source) {
  std::map<std::string, const SourceTensor*> by_short_name;
  std::map<std::string, std::string> in_file;  // names by short name
  for (const auto& [name, tensor] : source.tensors()) {
    if (carries_no_weights(name)) continue;
    in_file.emplace(without_prefix(name), name);
    if (!by_short_name.emplace(without_prefix(name), &tensor).second) {
      throw Error(fmt::format("{}: tensor '{}' is there twice, with and without the prefix 'model.'",
                              tensor.file, without_prefix(name)));
    }
  }
  if (config.tie_word_embeddings) {  // one table under two names: the embedding's own wins
    if (const auto head = by_short_name.find("lm_head.weight"); head != by_short_name.end()) {
      by_short_name.emplace(embedding_name(config), head->second);
      by_short_name.erase("lm_head.weight");
    }
  }
  std::map<std::string, const SourceTensor*> found;
  std::vector<std::string> missing;
  for (const auto& spec : parameter_specs(config)) {
    const auto match = by_short_name.find(without_prefix(spec.name));
    if (match == by_short_name.end()) {
      missing.push_back(spec.name);
      continue;
    }
    check(spec, *match->second);
    found.emplace(spec.name, match->second);
    by_short_name.erase(match);
  }
  const std::string file = source.tensors().empty() ? "checkpoint" : source.tensors().begin()->second.file;
  if (!missing.empty()) throw Error(fmt::format("{}: missing tensors: {}", file, first_few(missing)));
  if (!by_short_name.empty()) {
    std::vector<std::string> unknown;
    for (const auto& [name, tensor] : by_short_name) unknown.push_back(in_file.at(name));
    throw Error(fmt::format("{}: tensors that this model does not have: {}", file, first_few(unknown)));
  }
  return found;
}

}  // namespace cola
