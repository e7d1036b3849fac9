#include "chain/exported_adapter.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "core/error.h"
#include "io/files.h"
#include "io/json.h"
#include "lora/peft_format.h"

namespace cola {
namespace {

void require_one_shape_per_module(const std::vector<Link>& links) {
  std::map<std::string, std::pair<std::int64_t, std::int64_t>> shapes;
  for (const Link& link : links) {
    for (const auto& module : link.modules) {
      const std::pair shape(module.b.rows(), module.a.cols());
      const auto& first = shapes.emplace(module.name, shape).first->second;
      if (first == shape) continue;
      throw Error(fmt::format(
          "the adapters are for different models: '{}' is for a weight [{}, {}] in one and [{}, {}] "
          "in another",
          module.name, first.first, first.second, shape.first, shape.second));
    }
  }
}

bool names(const std::vector<std::string>& targets, const std::string& module) {
  return std::ranges::any_of(
      targets, [&](const std::string& target) { return module == target || module.ends_with("." + target); });
}

/// PEFT passes over the tensors of modules that target_modules does not name. An adapter may have named its
/// targets by a pattern, which the names of another do not cover: then every module is named (by leaving the
/// list to the writer).
void name_all_targets(Link& link) {
  const bool all = std::ranges::all_of(
      link.modules, [&](const auto& module) { return names(link.target_modules, module.name); });
  if (!all) link.target_modules.clear();
}

}  // namespace

Link as_one_adapter(std::vector<Link> links) {
  if (links.empty()) throw Error("no adapter to export");
  require_one_shape_per_module(links);
  Link one;
  if (links.size() == 1) {
    one = std::move(links.front());
  } else {
    std::vector<const Link*> parts;
    for (const Link& link : links) parts.push_back(&link);
    one = concatenate(parts);
  }
  name_all_targets(one);
  return one;
}

void export_adapter(const std::filesystem::path& out, const Link& link, const std::string& base_model) {
  write_folder(out, [&](const std::filesystem::path& folder) { write_adapter(folder, link, base_model); });
}

void export_links(const std::filesystem::path& out, std::span<const Link> links,
                  const std::string& base_model) {
  write_folder(out, [&](const std::filesystem::path& folder) {
    std::int64_t number = 1;
    for (const Link& link : links) {
      const auto each = folder / std::to_string(number++);
      std::filesystem::create_directory(each);
      write_adapter(each, link, base_model);
    }
  });
}

std::string base_model_of_adapter(const std::filesystem::path& folder) {
  const Json json = read_json_file(folder / "adapter_config.json");
  return JsonReader(json, (folder / "adapter_config.json").string()).string("base_model_name_or_path", "");
}

}  // namespace cola
