#include <fmt/format.h>

#include <memory>

#include "chain/merged_checkpoint.h"
#include "chain/merged_gguf.h"
#include "cli/adapter_links.h"
#include "cli/model_options.h"
#include "cli/new_folder.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "core/error.h"
#include "core/parallel.h"
#include "core/system_memory.h"
#include "eval/loaded_model.h"
#include "text/chat/files.h"

namespace cola {
namespace {

struct MergeVerb {
  ModelOptions model;
  std::string out;
  std::string format = "huggingface";
  std::string dtype;
  std::string type;
  std::string max_shard_size = "5GB";
  bool json = false;
};

MergeOptions merge_options(const MergeVerb& verb) {
  MergeOptions options;
  if (!verb.dtype.empty()) options.dtype = parse_dtype(verb.dtype);
  options.max_shard_bytes = parse_bytes(verb.max_shard_size);
  return options;
}

/// What the run or the adapters carry about chats.
ChatFiles chat_of(const ResolvedSource& resolved) {
  const auto tokenizer = has_tokenizer(resolved.tokenizer) ? open_tokenizer(resolved.tokenizer) : nullptr;
  return read_chat_files(trained_folders(resolved), tokenizer.get());
}

void print_report(const MergeVerb& verb, const ResolvedSource& source, const MergeReport& report) {
  for (const std::string& line : report.notes) fmt::print(stderr, "{}\n", line);
  if (verb.json) {
    print_json({{"out", verb.out},
                {"links", source.links},
                {"modules", report.modules},
                {"delta_norm", report.delta_norm},
                {"rounding_error_norm", report.rounding_error_norm},
                {"relative_rounding_error", report.relative_rounding_error()},
                {"untied_head", report.untied_head},
                {"format", verb.format},
                {"dtype", name_of(report.dtype)},
                {"changed_dtype", name_of(report.changed_dtype)}});
    return;
  }
  if (source.adapters.empty()) {
    print(fmt::format("wrote the run's own weights into {} ({}): full fine-tuning has no links to merge\n",
                      verb.out, name_of(report.dtype)));
    return;
  }
  std::string text = fmt::format("merged {} link{} into {} ({})\n", source.links,
                                 source.links == 1 ? "" : "s", verb.out, name_of(report.dtype));
  text += fmt::format("weight change |delta W|: {:.6g} over {} modules\n", report.delta_norm, report.modules);
  text += fmt::format("rounding to {} changed these weights by {:.3g} of that\n",
                      name_of(report.changed_dtype), report.relative_rounding_error());
  if (report.untied_head)
    text += "note: lm_head is merged apart from the token table, to which the base model ties it\n";
  constexpr double worth_a_word = 0.1;
  if (report.relative_rounding_error() > worth_a_word) {
    text += fmt::format(
        "note: that much of the change is lost or blurred; {} f32 keeps it, as does the adapter itself\n",
        verb.format == "gguf" ? "--type" : "--merge-dtype");
  }
  print(text);
}

/// Refuses options of the other format.
void check_format(const MergeVerb& verb) {
  if (verb.format == "gguf") {
    if (!verb.dtype.empty()) throw UsageError("--merge-dtype belongs to Hugging Face folders: use --type");
    require_new_gguf_file(verb.out);
  } else {
    if (!verb.type.empty()) throw UsageError("--type belongs to --format gguf: use --merge-dtype");
    require_new_folder(verb.out);
  }
}

DType gguf_type(const std::string& name) {
  for (const DType dtype : {DType::q8_0, DType::q4_0, DType::q4_k})
    if (name == name_of(dtype)) return dtype;
  return parse_dtype(name);
}

MergeReport merge(const MergeVerb& verb, const ResolvedSource& resolved, std::vector<Link> links,
                  const MergeOptions& options) {
  ops::Context context;
  if (verb.format != "gguf")
    return write_merged_checkpoint(context, resolved.model, std::move(links), options, verb.out);
  GgufMergeOptions gguf{std::nullopt, options.chat};
  if (!verb.type.empty()) gguf.type = gguf_type(verb.type);
  return write_merged_gguf(context, resolved.model, std::move(links), gguf, verb.out);
}

void run_merge(const MergeVerb& verb) {
  MergeOptions options = merge_options(verb);
  const ModelSource source = model_source(verb.model);
  if (source.run.empty() && source.adapters.empty())
    throw UsageError("nothing to merge: give --adapter DIR or --run RUN");
  check_format(verb);
  const ResolvedSource resolved = resolve(source);
  set_thread_count(source.threads);
  std::vector<Link> links = links_of(resolved.adapters, resolved.model);
  options.chat = chat_of(resolved);
  print_report(verb, resolved, merge(verb, resolved, std::move(links), options));
}

}  // namespace

void add_merge(CLI::App& app) {
  auto* verb = app.add_subcommand(
      "merge", "write a run or adapters and their base model as one Hugging Face checkpoint or GGUF file");
  const auto options = std::make_shared<MergeVerb>();
  add_model_options(*verb, options->model);
  // A merge computes in f32 on the CPU whatever the model is run with.
  for (const char* name : {"--dtype", "--device", "--tokenizer"}) verb->remove_option(verb->get_option(name));
  verb->add_option("--out", options->out, "new folder; with --format gguf a new file, NAME.gguf")->required();
  verb->add_option("--format", options->format, "huggingface: a folder; gguf: a file for llama.cpp")
      ->check(CLI::IsMember({"huggingface", "gguf"}))
      ->capture_default_str();
  verb->add_option(
          "--type", options->type,
          "of a GGUF file: f32, f16, bf16, q8_0, q4_0 or q4_k (default: as in the base model's file; "
          "quantised tensors that the adapters change become f16)")
      ->check(CLI::IsMember({"f32", "f16", "bf16", "q8_0", "q4_0", "q4_k"}));
  verb->add_option("--merge-dtype", options->dtype,
                   "f32, bf16 or f16 (default: as in the base model's file, f16 where that is quantised)");
  verb->add_option("--max-shard-size", options->max_shard_size, "largest weight file, as 5GB or 500MB")
      ->capture_default_str();
  verb->add_flag("--json", options->json, "print the result as JSON");
  verb->callback([options] { run_merge(*options); });
}

}  // namespace cola
