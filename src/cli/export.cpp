#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <set>

#include "chain/exported_adapter.h"
#include "chain/gguf_adapter.h"
#include "chain/run_folder.h"
#include "cli/adapter_links.h"
#include "cli/model_options.h"
#include "cli/new_folder.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "core/error.h"
#include "eval/loaded_model.h"
#include "io/gguf/gguf_file.h"
#include "model/base_model.h"

namespace cola {
namespace {

struct ExportVerb {
  ModelOptions model;
  std::string out;
  std::string format = "peft";
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
  std::int64_t rank = 0;
  for (const LoraModule& module : one.modules) rank = std::max(rank, module.rank());
  const std::int64_t adapters = verb.each_link ? exported.links : 1;
  if (verb.json) {
    print_json({{"out", verb.out},
                {"format", verb.format},
                {"links", exported.links},
                {"adapters", adapters},
                {"rank", rank},
                {"delta_norm", norm},
                {"limits", limits}});
  } else {
    print(fmt::format("exported {} link{} (rank {} in all, |delta W| {:.6g}) as {} {} adapter{} into {}\n",
                      exported.links, exported.links == 1 ? "" : "s", rank, norm, adapters,
                      verb.format == "gguf" ? "GGUF" : "PEFT", adapters == 1 ? "" : "s", verb.out));
  }
  for (const std::string& limit : limits) fmt::print(stderr, "note: {}\n", limit);
}

/// llama.cpp takes the chat template from the base model's file.
std::set<std::string> limits_of_gguf(const ChatFiles& chat, const std::filesystem::path& base) {
  if (chat.jinja.empty() || read_chat_files(base, nullptr).jinja == chat.jinja) return {};
  return {
      "the adapter was trained with another chat template than the base model's, and an adapter's file has "
      "none: give llama.cpp the run's chat_template.jinja with --chat-template-file, or use cola merge"};
}

void export_gguf(const ExportVerb& verb, const Exported& exported) {
  if (verb.each_link) throw UsageError("--each-link belongs to --format peft");
  const std::filesystem::path base = exported.from.base_model;
  if (!has_base_model(base)) {
    throw UsageError(
        fmt::format("--format gguf needs the base model, which is not at '{}': name its folder or GGUF file "
                    "with --model",
                    base.string()));
  }
  const Link one = joined(links_of(exported.adapters, base));
  const DecoderSpec config = open_base_model(base).config;
  const auto file = is_gguf_file(base) ? std::make_unique<GgufFile>(base) : nullptr;
  write_gguf_adapter(verb.out, one, config, file.get());
  print_report(verb, exported, one, limits_of_gguf(exported.from.chat, base));
}

void run_export(const ExportVerb& verb) {
  if (!verb.model.run.empty() && !verb.model.adapters.empty())
    throw UsageError("--run and --adapter exclude each other");
  const bool gguf = verb.format == "gguf";
  gguf ? require_new_gguf_file(verb.out) : require_new_folder(verb.out);
  Exported exported = verb.model.run.empty() ? from_adapters(verb) : from_run(verb);
  if (!verb.model.model.empty()) exported.from.base_model = verb.model.model;
  if (gguf) return export_gguf(verb, exported);
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
  auto* verb = app.add_subcommand(
      "export", "write a run's chain, or several adapters, as one adapter of PEFT or llama.cpp");
  const auto options = std::make_shared<ExportVerb>();
  add_model_options(*verb, options->model);
  for (const char* name : {"--dtype", "--device", "--tokenizer", "--threads"}) {  // nothing is computed
    verb->remove_option(verb->get_option(name));
  }
  verb->add_option("--out", options->out, "new folder; with --format gguf a new file, NAME.gguf")->required();
  verb->add_option("--format", options->format,
                   "peft: a folder; gguf: a file for llama.cpp, which applies it with scale 1")
      ->check(CLI::IsMember({"peft", "gguf"}))
      ->capture_default_str();
  verb->add_flag("--each-link", options->each_link,
                 "every link of the run as an adapter of its own: OUT/1, OUT/2, ...");
  verb->add_flag("--json", options->json, "print the result as JSON");
  verb->callback([options] { run_export(*options); });
}

}  // namespace cola
