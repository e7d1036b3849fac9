#include <fmt/format.h>

#include <memory>
#include <set>

#include "chain/exported_adapter.h"
#include "chain/run_folder.h"
#include "cli/adapter_links.h"
#include "cli/model_options.h"
#include "cli/new_folder.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "core/error.h"
#include "eval/loaded_model.h"

namespace cola {
namespace {

struct ExportVerb {
  ModelOptions model;
  std::string out;
  bool each_link = false;
  bool json = false;
};

/// What is exported: PEFT folders, and the base model's name for the new ones.
struct Exported {
  std::vector<std::filesystem::path> adapters;
  std::int64_t links = 0;
  ExportedFrom from;
};

Exported from_run(const ExportVerb& verb) {
  const ChainManifest manifest = read_manifest(RunFolder{verb.model.run});
  if (manifest.method == "full") {
    throw Error(fmt::format("{}: a run of full fine-tuning has no adapter: use cola merge", verb.model.run));
  }
  ModelOptions options = verb.model;
  if (verb.each_link && !options.up_to_link)
    options.up_to_link = static_cast<std::int64_t>(manifest.links.size());
  // Adapters are exported without the model, which need not be on this machine: the run stands in for its
  // folder.
  options.model = options.run;
  const ResolvedSource resolved = resolve(model_source(options));
  return {resolved.adapters,
          resolved.links,
          {manifest.base_model, read_chat_files(trained_folders(resolved), nullptr)}};
}

Exported from_adapters(const ExportVerb& verb) {
  const ModelOptions& options = verb.model;
  if (options.adapters.empty()) throw UsageError("nothing to export: give --run RUN or --adapter DIR");
  if (verb.each_link) throw UsageError("--each-link belongs to --run");
  if (!options.state.empty() || options.up_to_link)
    throw UsageError("--state and --up-to-link belong to --run");
  const std::vector<std::filesystem::path> folders(options.adapters.begin(), options.adapters.end());
  return {folders,
          std::ssize(folders),
          {base_model_of_adapter(folders.front()), read_chat_files(folders, nullptr)}};
}

void print_report(const ExportVerb& verb, const Exported& exported, const Link& one,
                  const std::set<std::string>& limits) {
  ops::Context context;
  const double norm = one.delta_norm(context);
  const std::int64_t rank = one.modules.front().rank();
  const std::int64_t adapters = verb.each_link ? exported.links : 1;
  if (verb.json) {
    print_json({{"out", verb.out},
                {"links", exported.links},
                {"adapters", adapters},
                {"rank", rank},
                {"delta_norm", norm},
                {"limits", limits}});
  } else {
    print(fmt::format("exported {} link{} (rank {} in all, |delta W| {:.6g}) as {} PEFT adapter{} into {}\n",
                      exported.links, exported.links == 1 ? "" : "s", rank, norm, adapters,
                      adapters == 1 ? "" : "s", verb.out));
  }
  for (const std::string& limit : limits) fmt::print(stderr, "note: {}\n", limit);
}

void run_export(const ExportVerb& verb) {
  if (!verb.model.run.empty() && !verb.model.adapters.empty())
    throw UsageError("--run and --adapter exclude each other");
  require_new_folder(verb.out);
  Exported exported = verb.model.run.empty() ? from_adapters(verb) : from_run(verb);
  if (!verb.model.model.empty()) exported.from.base_model = verb.model.model;
  std::vector<Link> links = links_of(exported.adapters, verb.model.model);
  std::set<std::string> limits;
  const auto add_limits = [&](const Link& link) {
    for (auto& limit : limits_of_readers(link)) limits.insert(std::move(limit));
  };
  if (verb.each_link) {
    links = as_adapters_of_their_own(std::move(links));
    export_links(verb.out, links, exported.from);
    for (const Link& link : links) add_limits(link);
  }
  const Link one = as_one_adapter(std::move(links));
  if (!verb.each_link) {
    export_adapter(verb.out, one, exported.from);
    add_limits(one);
  }
  print_report(verb, exported, one, limits);
}

}  // namespace

void add_export(CLI::App& app) {
  auto* verb = app.add_subcommand("export", "write a run's chain, or several adapters, as one PEFT adapter");
  const auto options = std::make_shared<ExportVerb>();
  add_model_options(*verb, options->model);
  for (const char* name : {"--dtype", "--device", "--tokenizer", "--threads"}) {  // nothing is computed
    verb->remove_option(verb->get_option(name));
  }
  verb->add_option("--out", options->out, "new folder")->required();
  verb->add_flag("--each-link", options->each_link,
                 "every link of the run as an adapter of its own: OUT/1, OUT/2, ...");
  verb->add_flag("--json", options->json, "print the result as JSON");
  verb->callback([options] { run_export(*options); });
}

}  // namespace cola
