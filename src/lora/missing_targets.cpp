#include "lora/missing_targets.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <set>
#include <utility>

#include "lora/adapter_tensors.h"

namespace cola {
namespace {

const std::string layers = "layers.";

std::vector<std::string> matrices_of(const BaseTensors& base) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : base) {
    if (tensor.use != BaseTensor::Use::vector) names.push_back(name.substr(0, name.rfind('.')));
  }
  return names;
}

/// Names of a link's modules in every layer that it can be seen to have.
std::vector<std::string> modules_in_all_layers(const Link& link) {
  constexpr std::int64_t most_layers = 1000;
  std::set<std::pair<std::string, std::string>> around;  // the layer's number
  std::int64_t last = -1;
  for (const auto& module : link.modules) {
    const std::size_t begin = module.name.find(layers);
    if (begin == std::string::npos) continue;
    const std::size_t digits = begin + layers.size();
    const std::size_t end = std::min(module.name.find('.', digits), module.name.size());
    std::int64_t number = -1;
    const auto [stop, error] = std::from_chars(module.name.data() + digits, module.name.data() + end, number);
    if (error != std::errc() || stop != module.name.data() + end || number < 0 || number >= most_layers)
      continue;
    last = std::max(last, number);
    around.emplace(module.name.substr(0, digits), module.name.substr(end));
  }
  std::vector<std::string> names;
  constexpr std::int64_t most_names = 1'000'000;
  if ((last + 1) * std::ssize(around) > most_names) return names;
  for (std::int64_t number = 0; number <= last; ++number) {
    for (const auto& [before, after] : around) names.push_back(fmt::format("{}{}{}", before, number, after));
  }
  return names;
}

}  // namespace

std::vector<std::string> missing_targets(const PeftTargets& targets, const Link& link,
                                         const BaseTensors* base) {
  std::set<std::string> there;
  for (const auto& module : link.modules) there.insert(module.name);
  std::vector<std::string> missing;
  for (auto& name : base != nullptr ? matrices_of(*base) : modules_in_all_layers(link)) {
    if (!there.contains(name) && targets.left_out_by(name, is_linear_but_head(name, base)).empty())
      missing.push_back(std::move(name));
  }
  if (base != nullptr) return missing;
  for (const auto& name : targets.names()) {
    const bool used = std::ranges::any_of(
        there, [&](const auto& module) { return module == name || module.ends_with("." + name); });
    if (!used) missing.push_back(name);
  }
  return missing;
}

}  // namespace cola
