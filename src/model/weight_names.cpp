#include "model/weight_names.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "model/family.h"

namespace cola {
namespace {

/// The name without what varies: "model.decoder.layers.0.fc1.weight" and "decoder.layers.0.fc1.weight" are
/// one.
std::string without_prefix(const std::string& name) {
  return name.rfind("model.", 0) == 0 ? name.substr(6) : name;
}

bool carries_no_weights(const DecoderSpec& config, const std::string& name) {
  return std::ranges::any_of(config.family->ignored_tensors,
                             [&](std::string_view end) { return name.ends_with(end); });
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

/// Every tensor that carries weights, by its name without the prefix.
std::map<std::string, const SourceTensor*> tensors_by_short_name(const DecoderSpec& config,
                                                                 const TensorSource& source) {
  std::map<std::string, const SourceTensor*> by_short_name;
  for (const auto& [name, tensor] : source.tensors()) {
    if (carries_no_weights(config, name)) continue;
    if (!by_short_name.emplace(without_prefix(name), &tensor).second) {
      throw Error(fmt::format("{}: tensor '{}' is there twice, with and without the prefix 'model.'",
                              tensor.file, without_prefix(name)));
    }
  }
  return by_short_name;
}

/// Of finite tensors of one shape.
bool equal_values(const SourceTensor& a, const SourceTensor& b) {
  if (a.dtype == b.dtype && std::memcmp(a.data, b.data, a.bytes) == 0) return true;
  constexpr std::int64_t at_once = std::int64_t{1} << 20;
  std::vector<float> of_a;
  std::vector<float> of_b;
  for (std::int64_t begin = 0; begin < a.size(); begin += at_once) {
    const auto count = static_cast<std::size_t>(std::min(at_once, a.size() - begin));
    of_a.resize(count);
    of_b.resize(count);
    read_as_f32(a, begin, of_a);
    read_as_f32(b, begin, of_b);
    if (of_a != of_b) return false;
  }
  return true;
}

}  // namespace

bool has_own_head(const DecoderSpec& config, const TensorSource& source) {
  const auto tensors = tensors_by_short_name(config, source);
  const ParameterSpec table_spec = parameter_of(config, ParameterRole::token_table);
  const ParameterSpec own_head = head_spec(config);
  const auto table = tensors.find(without_prefix(table_spec.name));
  const auto head = tensors.find(without_prefix(own_head.name));
  if (table == tensors.end() || head == tensors.end()) return false;
  for (const auto& [spec, tensor] :
       {std::pair(table_spec, table->second), std::pair(own_head, head->second)}) {
    check(spec, *tensor);
    require_finite(spec.name, *tensor);
  }
  const bool equal = equal_values(*table->second, *head->second);
  release_pages(*table->second);
  release_pages(*head->second);
  return !equal;
}

std::map<std::string, const SourceTensor*> match_tensors(const DecoderSpec& config,
                                                         const TensorSource& source) {
  auto by_short_name = tensors_by_short_name(config, source);
  if (config.tie_word_embeddings) {  // one table under two names: the embedding's own wins
    const auto head = by_short_name.find(without_prefix(head_spec(config).name));
    if (head != by_short_name.end()) {
      by_short_name.emplace(without_prefix(parameter_of(config, ParameterRole::token_table).name),
                            head->second);
      by_short_name.erase(head);
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
    for (const auto& [name, tensor] : source.tensors()) {
      const auto left = by_short_name.find(without_prefix(name));
      if (left != by_short_name.end() && left->second == &tensor) unknown.push_back(name);
    }
    throw Error(fmt::format("{}: tensors that this model does not have: {}", file, first_few(unknown)));
  }
  return found;
}

}  // namespace cola
