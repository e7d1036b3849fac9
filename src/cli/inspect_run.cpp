#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "chain/exported_adapter.h"
#include "chain/run_folder.h"
#include "cli/adapter_links.h"
#include "cli/inspections.h"
#include "core/error.h"
#include "eval/loaded_model.h"
#include "log/run_log.h"
#include "lora/adapter.h"

namespace cola {
namespace {

constexpr std::size_t shown_log_lines = 5;

/// What an adapter's tensors are, e.g. "rank 8, alpha 16, 10 modules (fc1, fc2), 5120 parameters,
/// |delta W| 1.2".
Inspection describe_link(const Link& link) {
  ops::Context context;
  std::set<std::int64_t> ranks;
  std::set<double> alphas;
  std::set<std::string> targets;
  for (const auto& module : link.modules) {
    ranks.insert(module.rank());
    alphas.insert(module.alpha);
    targets.insert(module.name.substr(module.name.rfind('.') + 1));
  }
  const double norm = link.delta_norm(context);
  return {{{"ranks", ranks},
           {"alphas", alphas},
           {"targets", targets},
           {"modules", link.modules.size()},
           {"biases", link.biases.size()},
           {"parameters", link.parameter_count()},
           {"delta_norm", norm}},
          fmt::format("rank {}, alpha {}, {} modules ({}){}, {} parameters, |delta W| {:.6g}",
                      fmt::join(ranks, "/"), fmt::join(alphas, "/"), link.modules.size(),
                      fmt::join(targets, ", "),
                      link.biases.empty() ? "" : fmt::format(", {} biases", link.biases.size()),
                      link.parameter_count(), norm)};
}

void add_links(const RunFolder& run, const ChainManifest& manifest, Inspection& inspection) {
  inspection.json["links"] = Json::array();
  std::int64_t number = 0;
  for (const auto& entry : manifest.links) {
    Inspection link = describe_link(read_adapter(run.link(++number)));
    link.json["origin"] = entry.origin;
    link.json["tied_at"] = entry.tied_at ? Json(*entry.tied_at) : Json(nullptr);
    inspection.json["links"].push_back(link.json);
    const bool inherited = entry.origin != "trained";
    const std::string knot = entry.tied_at ? fmt::format("tied after step {}", *entry.tied_at)
                             : inherited   ? fmt::format("from {}", entry.origin)
                                           : std::string("live");
    inspection.text += fmt::format("link {}:       {}; {}\n", number, link.text, knot);
  }
}

void add_state(const std::filesystem::path& folder, const char* name, Inspection& inspection) {
  inspection.json[name] = nullptr;
  const auto file = folder / "cola_state.json";
  if (!std::filesystem::exists(file)) return;
  const Json state = read_json_file(file);
  const JsonReader reader(state, file.string());
  inspection.json[name] = state;
  inspection.text += fmt::format("{}:         step {}", name, reader.integer("steps_done"));
  if (reader.has("dev_loss")) inspection.text += fmt::format(", dev loss {:.5f}", reader.number("dev_loss"));
  inspection.text += "\n";
}

void add_log(const RunFolder& run, Inspection& inspection) {
  inspection.json["log"] = Json::array();
  if (!std::filesystem::exists(run.log())) return;
  const auto lines = read_run_log(run.log());
  inspection.text += "log:\n";
  for (std::size_t i = lines.size() - std::min(lines.size(), shown_log_lines); i < lines.size(); ++i) {
    inspection.json["log"].push_back(lines[i]);
    inspection.text += fmt::format("  {}\n", lines[i].dump(-1, ' ', false, Json::error_handler_t::replace));
  }
}

/// What eval, generate and the others would apply; a run that has nothing yet is no reason to show nothing.
void add_applied(const ModelSource& source, Inspection& inspection) {
  inspection.json["applied"] = nullptr;
  try {
    const ResolvedSource resolved = resolve(source);
    std::vector<std::string> folders;
    for (const auto& adapter : resolved.adapters) folders.push_back(adapter.string());
    if (folders.empty()) folders.push_back(resolved.model.string());
    inspection.json["applied"] = {{"folders", folders}, {"links", resolved.links}};
    std::string norm;
    if (!resolved.adapters.empty()) {
      std::vector<Link> links = links_of(resolved.adapters, {});
      ops::Context context;
      inspection.json["applied"]["delta_norm"] = as_one_adapter(std::move(links)).delta_norm(context);
      if (resolved.checkpoint_step) inspection.json["applied"]["checkpoint_step"] = *resolved.checkpoint_step;
      norm = fmt::format(", |delta W| {:.6g}", inspection.json["applied"]["delta_norm"].get<double>());
    }
    inspection.text +=
        fmt::format("applied:      {} (links: {}{})\n", fmt::join(folders, ", "), resolved.links, norm);
  } catch (const UsageError&) {
    throw;
  } catch (const Error& error) {
    inspection.text += fmt::format("applied:      nothing: {}\n", error.what());
  }
}

}  // namespace

Inspection inspect_adapters(const std::vector<std::filesystem::path>& folders,
                            const std::filesystem::path& model) {
  const std::vector<Link> links = links_of(folders, model);
  Inspection inspection;
  inspection.json["adapters"] = Json::array();
  for (std::size_t i = 0; i < folders.size(); ++i) {
    Inspection link = describe_link(links[i]);
    link.json["adapter"] = folders[i].string();
    inspection.json["adapters"].push_back(link.json);
    inspection.text += fmt::format("adapter: {}\n  {}\n", folders[i].string(), link.text);
  }
  return inspection;
}

Inspection inspect_run(const ModelSource& source) {
  const RunFolder run{source.run};
  if (!std::filesystem::is_directory(run.root))
    throw Error(fmt::format("{}: no such run folder", run.root.string()));
  const ChainManifest manifest = read_manifest(run);
  const auto checkpoints = run.checkpoint_steps();
  Inspection inspection;
  inspection.json = {{"run", run.root.string()},          {"method", manifest.method},
                     {"base_model", manifest.base_model}, {"tie", manifest.tie},
                     {"steps_done", manifest.steps_done}, {"checkpoints", checkpoints}};
  inspection.text = fmt::format(
      "run:          {}\nmethod:       {}, on {}\nsteps:        {} done; checkpoints {}\n", run.root.string(),
      manifest.method, manifest.base_model, manifest.steps_done, fmt::join(checkpoints, ", "));
  add_links(run, manifest, inspection);
  add_state(run.best(), "best", inspection);
  add_state(run.last(), "last", inspection);
  add_applied(source, inspection);
  add_log(run, inspection);
  return inspection;
}

}  // namespace cola
