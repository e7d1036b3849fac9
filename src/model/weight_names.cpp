#include "model/weight_names.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "model/family.h"

namespace cola {
namespace {

/// A tensor, and what the file calls it.
struct NamedTensor {
  std::string name;
  const SourceTensor* tensor = nullptr;
};

std::string with_other_stem(const std::string& name, std::string_view stem, std::string_view other) {
  return std::string(other) + name.substr(stem.size());
}

std::string name_in_memory(const Family& family, const std::string& name) {
  for (const auto& [in_file, in_memory] : family.file_stems)
    if (name.starts_with(in_file)) return with_other_stem(name, in_file, in_memory);
  return name;
}

/// The name without what varies: "model.decoder.layers.0.fc1.weight" and "decoder.layers.0.fc1.weight" are
/// one.
std::string without_prefix(const std::string& name) {
  return name.rfind("model.", 0) == 0 ? name.substr(6) : name;
}

bool is_of_other_part(const Family& family, const std::string& short_name) {
  return std::ranges::find(family.other_parts, short_name.substr(0, short_name.find('.'))) !=
         family.other_parts.end();
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

/// Every tensor that carries weights, by its name in memory without the prefix.
std::map<std::string, NamedTensor> tensors_by_short_name(const DecoderSpec& config,
                                                         const TensorSource& source) {
  std::map<std::string, NamedTensor> by_short_name;
  for (const auto& [name, tensor] : source.tensors()) {
    if (carries_no_weights(config, name)) continue;
    const std::string short_name = without_prefix(name_in_memory(*config.family, name));
    const auto [first, is_new] = by_short_name.emplace(short_name, NamedTensor{name, &tensor});
    if (is_new) continue;
    throw Error(fmt::format("{}: tensor '{}' is there twice, as '{}' and '{}'", tensor.file, short_name,
                            first->second.name, name));
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
       {std::pair(table_spec, table->second.tensor), std::pair(own_head, head->second.tensor)}) {
    check(spec, *tensor);
    require_finite(spec.name, *tensor);
  }
  const bool equal = equal_values(*table->second.tensor, *head->second.tensor);
  release_pages(*table->second.tensor);
  release_pages(*head->second.tensor);
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
    check(spec, *match->second.tensor);
    found.emplace(spec.name, match->second.tensor);
    by_short_name.erase(match);
  }
  const std::string file = source.tensors().empty() ? "checkpoint" : source.tensors().begin()->second.file;
  if (!missing.empty()) throw Error(fmt::format("{}: missing tensors: {}", file, first_few(missing)));
  std::vector<std::string> unknown;
  for (const auto& [short_name, left] : by_short_name)
    if (!is_of_other_part(*config.family, short_name)) unknown.push_back(left.name);
  if (unknown.empty()) return found;
  std::ranges::sort(unknown);
  throw Error(fmt::format("{}: tensors that this model does not have: {}", file, first_few(unknown)));
}

std::vector<OtherTensor> tensors_of_other_parts(const DecoderSpec& config, const TensorSource& source) {
  std::vector<OtherTensor> others;
  for (const auto& [name, tensor] : source.tensors()) {
    std::string in_memory = name_in_memory(*config.family, name);
    if (is_of_other_part(*config.family, without_prefix(in_memory)))
      others.push_back({name, std::move(in_memory), &tensor});
  }
  return others;
}

std::span<const NameStem> stems_in_use(const DecoderSpec& config, const TensorSource& source) {
  const Family& family = *config.family;
  const bool in_use = std::ranges::any_of(source.tensors(), [&](const auto& entry) {
    const std::string in_memory = name_in_memory(family, entry.first);
    return in_memory != entry.first && !is_of_other_part(family, without_prefix(in_memory));
  });
  return in_use ? family.file_stems : std::span<const NameStem>();
}

std::string name_in_file(std::span<const NameStem> stems, const std::string& name) {
  for (const auto& [in_file, in_memory] : stems)
    if (name.starts_with(in_memory)) return with_other_stem(name, in_memory, in_file);
  return name;
}

}  // namespace cola
