#include "chain/exported_adapter.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
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

void write_files(const std::filesystem::path& folder, const Link& link, const ExportedFrom& from) {
  write_adapter(folder, link, from.base_model);
  write_chat_files(folder, from.chat);
}

}  // namespace

Link joined(std::vector<Link> links) {
  if (links.empty()) throw Error("no adapter to export");
  require_one_shape_per_module(links);
  if (links.size() == 1) return std::move(links.front());
  std::vector<const Link*> parts;
  for (const Link& link : links) parts.push_back(&link);
  return concatenate(parts);
}

Link as_one_adapter(std::vector<Link> links) {
  Link one = joined(std::move(links));
  name_all_targets(one);
  return with_one_rank(std::move(one));
}

std::vector<Link> as_adapters_of_their_own(std::vector<Link> links) {
  for (Link& link : links) {
    name_all_targets(link);
    link = with_one_rank(std::move(link));
  }
  return links;
}

void export_adapter(const std::filesystem::path& out, const Link& link, const ExportedFrom& from) {
  write_folder(out, [&](const std::filesystem::path& folder) { write_files(folder, link, from); });
}

void export_links(const std::filesystem::path& out, std::span<const Link> links, const ExportedFrom& from) {
  write_folder(out, [&](const std::filesystem::path& folder) {
    std::int64_t number = 1;
    for (const Link& link : links) {
      const auto each = folder / std::to_string(number++);
      std::filesystem::create_directory(each);
      write_files(each, link, from);
    }
  });
}

std::vector<std::string> limits_of_readers(const Link& link) {
  // vLLM 0.27: --max-lora-rank is one of these.
  static constexpr std::array<std::int64_t, 9> vllm_ranks{1, 8, 16, 32, 64, 128, 256, 320, 512};
  constexpr std::int64_t vllm_default = 16;
  std::vector<std::string> limits;
  const std::int64_t rank = link.modules.front().rank();
  if (rank > vllm_ranks.back()) {
    limits.push_back(fmt::format("rank {} is above what vLLM takes ({}): use cola merge, or fewer links",
                                 rank, vllm_ranks.back()));
  } else if (rank > vllm_default) {
    limits.push_back(fmt::format("rank {} is above vLLM's default of {}: start it with --max-lora-rank {}",
                                 rank, vllm_default, *std::ranges::lower_bound(vllm_ranks, rank)));
  }
  std::int64_t parameters = 0;
  std::int64_t weights = 0;
  for (const auto& module : link.modules) {
    parameters += module.a.size() + module.b.size();
    weights += module.b.rows() * module.a.cols();
  }
  if (parameters > weights)
    limits.push_back(
        fmt::format("at rank {} A and B have more numbers than the weights that they change ({} "
                    "and {}): cola merge writes less",
                    rank, parameters, weights));
  if (!link.biases.empty())
    limits.emplace_back("vLLM and llama.cpp refuse an adapter with biases: use cola merge");
  if (std::ranges::find(link.modules, "lm_head", &LoraModule::name) != link.modules.end())
    limits.emplace_back(
        "llama.cpp refuses an adapter of lm_head where the base model ties it to the token table: use cola "
        "merge");
  return limits;
}

std::string base_model_of_adapter(const std::filesystem::path& folder) {
  const Json json = read_json_file(folder / "adapter_config.json");
  const JsonReader config(json, (folder / "adapter_config.json").string());
  return config.string("base_model_name_or_path", config.string("model", ""));
}

}  // namespace cola
