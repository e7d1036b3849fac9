#include "eval/loaded_model.h"

#include <fmt/format.h>

#include "chain/run_folder.h"
#include "core/error.h"
#include "core/parallel.h"
#include "core/thread_option.h"
#include "io/gguf/gguf_file.h"
#include "io/json.h"
#include "lora/adapter.h"
#include "model/base_model.h"
#include "model/base_tensors.h"
#include "text/tokenizer.h"

namespace cola {
namespace {

void require_folder(const std::filesystem::path& folder, const char* what) {
  if (!std::filesystem::is_directory(folder))
    throw Error(fmt::format("{}: no such {} folder", folder.string(), what));
}

void check_members(const ModelSource& source) {
  if (source.model.empty() && source.run.empty()) throw UsageError("no model: give --model DIR or --run RUN");
  if (!source.run.empty() && !source.adapters.empty())
    throw UsageError("--run and --adapter exclude each other");
  if (source.run.empty() && (!source.state.empty() || source.up_to_link)) {
    throw UsageError("--state and --up-to-link belong to --run");
  }
  if (!source.state.empty() && source.state != "best" && source.state != "last") {
    throw UsageError(fmt::format("--state '{}' is not one of: best, last", source.state));
  }
  if (source.state == "best" && source.up_to_link) {
    throw UsageError("--state best and --up-to-link exclude each other: links are kept as they were last");
  }
  require_thread_count(source.threads);
}

/// Folder of the state that the source asks for; empty if there is none and it may be put together from
/// links/.
std::filesystem::path state_folder(const RunFolder& run, const ModelSource& source) {
  const bool has_best = std::filesystem::is_directory(run.best());
  const bool has_last = std::filesystem::is_directory(run.last());
  if (source.state == "best") {
    if (!has_best) {
      throw Error(fmt::format(
          "{} has no best/: it has no dev set, or was stopped before its first evaluation; use --state last",
          run.root.string()));
    }
    return run.best();
  }
  if (source.state.empty() && has_best) return run.best();
  if (has_last) return run.last();
  return {};
}

std::int64_t integer_of(const std::filesystem::path& file, const char* key) {
  const Json json = read_json_file(file);
  return JsonReader(json, file.string()).integer(key);
}

/// The link that was trained when the newest checkpoint was written.
struct CheckpointLink {
  std::int64_t step = 0;
  std::int64_t number = 0;  ///< in the chain, from 1
};

/// None of a finished run, whose links/ are as they were last; those of one that was killed are as old as its
/// last knot.
std::optional<CheckpointLink> live_link_of_checkpoint(const RunFolder& run) {
  const auto steps = run.checkpoint_steps();
  if (steps.empty() || std::filesystem::is_directory(run.last())) return std::nullopt;
  return CheckpointLink{steps.back(),
                        integer_of(run.checkpoint(steps.back()) / "state.json", "tied_links") + 1};
}

void resolve_chain(const RunFolder& run, const ChainManifest& manifest, const ModelSource& source,
                   ResolvedSource& resolved) {
  const auto count = static_cast<std::int64_t>(manifest.links.size());
  if (source.up_to_link && (*source.up_to_link < 1 || *source.up_to_link > count)) {
    throw UsageError(
        fmt::format("--up-to-link {}: {} has links 1 to {}", *source.up_to_link, run.root.string(), count));
  }
  const auto folder = source.up_to_link ? std::filesystem::path() : state_folder(run, source);
  if (!folder.empty()) {
    resolved.adapters = {folder};
    resolved.links = integer_of(folder / "cola_state.json", "links");
    return;
  }
  const auto live = live_link_of_checkpoint(run);
  if (!live && !source.up_to_link && manifest.steps_done == 0) {
    throw Error(fmt::format("{} has trained nothing yet: go on with cola train --resume --out {}",
                            run.root.string(), run.root.string()));
  }
  resolved.links = source.up_to_link.value_or(live ? live->number : count);
  for (std::int64_t number = 1; number <= resolved.links; ++number) {
    const bool in_checkpoint = live && number == live->number;
    if (in_checkpoint) resolved.checkpoint_step = live->step;
    resolved.adapters.push_back(in_checkpoint ? run.checkpoint(live->step) / "link" : run.link(number));
  }
}

void resolve_full(const RunFolder& run, const ModelSource& source, ResolvedSource& resolved) {
  if (source.up_to_link) {
    throw UsageError(
        fmt::format("--up-to-link: {} is a run of full fine-tuning, without links", run.root.string()));
  }
  resolved.model = state_folder(run, source);
  if (resolved.model.empty()) {
    throw Error(fmt::format("{} has no weights yet: go on with cola train --resume --out {}",
                            run.root.string(), run.root.string()));
  }
}

void resolve_run(const ModelSource& source, ResolvedSource& resolved) {
  require_folder(source.run, "run");
  const RunFolder run{source.run};
  const ChainManifest manifest = read_manifest(run);
  resolved.model = source.model.empty() ? std::filesystem::path(manifest.base_model) : source.model;
  if (manifest.method == "full") {
    resolve_full(run, source, resolved);
    return;
  }
  if (!std::filesystem::exists(resolved.model)) {
    throw Error(fmt::format("{}: the base model {} is not there: name it with --model", run.root.string(),
                            resolved.model.string()));
  }
  resolve_chain(run, manifest, source, resolved);
}

}  // namespace

ResolvedSource resolve(const ModelSource& source) {
  check_members(source);
  ResolvedSource resolved;
  resolved.model = source.model;
  resolved.run = source.run;
  if (!source.run.empty()) {
    resolve_run(source, resolved);
  } else {
    resolved.adapters = source.adapters;
    resolved.links = static_cast<std::int64_t>(source.adapters.size());
  }
  if (!is_gguf_file(resolved.model)) require_folder(resolved.model, "model");
  for (const auto& adapter : resolved.adapters) require_folder(adapter, "adapter");
  resolved.tokenizer = source.tokenizer.empty() ? resolved.model : source.tokenizer;
  if (!source.tokenizer.empty() && !is_gguf_file(source.tokenizer))
    require_folder(source.tokenizer, "tokenizer");
  return resolved;
}

std::vector<std::filesystem::path> trained_folders(const ResolvedSource& resolved) {
  std::vector<std::filesystem::path> folders = resolved.adapters;
  if (!resolved.run.empty()) folders.insert(folders.begin(), resolved.run);
  return folders;
}

LoadedModel load_model(const ModelSource& source) {
  LoadedModel loaded;
  loaded.source = source;
  loaded.resolved = resolve(source);
  set_thread_count(source.threads);
  BaseModel base = open_base_model(loaded.resolved.model);
  loaded.notes = std::move(base.notes);
  const BaseTensors tensors = base_tensors(base.config, *base.tensors);
  std::vector<Link> links = read_adapters(loaded.resolved.adapters, &tensors, loaded.notes);
  loaded.backend = ops::open_backend(source.device);
  ops::Uploads* uploads = source.offload_base ? &ops::uploads_of(*loaded.backend) : nullptr;
  const BaseFormat format = parse_base_format(source.base_dtype, source.quantize_base);
  require_not_quantized_twice(format, *base.tensors, loaded.resolved.model);
  const DType dtype = choose_compute_dtype(compute_dtype_option(source.dtype, source.base_dtype),
                                           dominant_dtype(*base.tensors), *loaded.backend);
  const bool quantized = size_in_memory(base.config, *base.tensors, dtype, format, *loaded.backend).quantized;
  loaded.model = std::make_unique<Decoder>(
      base.config, Weights(base.config, std::move(base.tensors), dtype, loaded.backend->memory(),
                           uploads != nullptr ? &uploads->memory() : nullptr, format));
  if (uploads != nullptr) loaded.model->stream_weights(*uploads);
  if (loaded.backend->prefers_packed(dtype)) loaded.model->pack_weights();
  const bool merges = dtype == DType::f32 && !quantized;
  loaded.chain = std::make_unique<Chain>(*loaded.model, merges ? TieMode::merge : TieMode::stack);
  ops::Context context(*loaded.backend);
  for (std::size_t i = 0; i < links.size(); ++i) {
    try {
      loaded.chain->add_tied(context, std::move(links[i]));
    } catch (const Error& error) {
      throw Error(fmt::format("{}: {}", loaded.resolved.adapters[i].string(), error.what()));
    }
  }
  return loaded;
}

}  // namespace cola
