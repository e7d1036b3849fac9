#include "train/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <map>
#include <set>

#include "chain/run_folder.h"
#include "core/error.h"
#include "core/parallel.h"
#include "core/system_memory.h"
#include "dist/agreement.h"
#include "eval/data_options.h"
#include "eval/loss.h"
#include "lora/adapter.h"
#include "lora/peft_format.h"
#include "lora/target_modules.h"
#include "model/base_model.h"
#include "model/base_tensors.h"
#include "model/linear_names.h"
#include "text/chat/format.h"
#include "train/step_part.h"

namespace cola {
namespace {

void load_links(TrainingSession& session, const BaseTensors& base) {
  const TrainOptions& options = session.options;
  if (!options.extend.empty()) {
    const RunFolder run{options.extend};
    const ChainManifest manifest = read_manifest(run);
    if (manifest.method == "full") {
      throw UsageError(
          fmt::format("--extend {}: a run of full fine-tuning has no chain", options.extend.string()));
    }
    if (!std::filesystem::is_directory(run.last())) {
      throw UsageError(fmt::format("--extend {}: the run is not finished: go on with it by --resume first",
                                   options.extend.string()));
    }
    session.tied_links = read_links(run, static_cast<std::int64_t>(manifest.links.size()));
    for (std::size_t i = 0; i < manifest.links.size(); ++i) {
      session.tied_origins.push_back(run.link(static_cast<std::int64_t>(i) + 1).string());
    }
  }
  std::ranges::move(read_adapters(options.tied_link, &base, session.notes),
                    std::back_inserter(session.tied_links));
  for (const auto& folder : options.tied_link) session.tied_origins.push_back(folder.string());
  session.initial_links = read_adapters(options.initial_link, &base, session.notes);
}

/// An explicit rank or alpha that contradicts the adapter a link starts from is an error.
void check_initial_links(const TrainingSession& session) {
  const TrainOptions& options = session.options;
  for (std::size_t i = 0; i < session.initial_links.size(); ++i) {
    const LoraModule& module = session.initial_links[i].modules.front();
    const bool rank_given = options.lora_r || !options.ranks.empty();
    const bool alpha_given = options.lora_alpha || !options.alphas.empty();
    if ((rank_given && session.plan.links[i].rank != module.rank()) ||
        (alpha_given && session.plan.links[i].alpha != module.alpha)) {
      throw UsageError(fmt::format("--initial-link {} has rank {} and alpha {}, which the options contradict",
                                   options.initial_link[i].string(), module.rank(), module.alpha));
    }
  }
}

/// So are explicit --target-modules that select other layers than the adapter has.
void check_initial_modules(const TrainingSession& session, const std::vector<LinearName>& names,
                           const std::vector<std::size_t>& chosen) {
  if (session.options.target_modules.empty()) return;
  std::set<std::string> selected;
  for (const std::size_t index : chosen) selected.insert(names[index].name);
  for (std::size_t i = 0; i < session.initial_links.size(); ++i) {
    std::set<std::string> own;
    for (const auto& module : session.initial_links[i].modules) own.insert(module.name);
    if (own != selected) {
      throw UsageError(fmt::format("--initial-link {} is for other layers than --target-modules selects",
                                   session.options.initial_link[i].string()));
    }
  }
}

/// Processors that a launcher gave to several processes are divided among them.
void choose_threads(const TrainOptions& options, const Neighbours& neighbours) {
  const bool share =
      options.threads <= 0 && neighbours.on_processors > 1 && std::getenv("OMP_NUM_THREADS") == nullptr;
  set_thread_count(share ? std::max(thread_count() / neighbours.on_processors, 1) : options.threads);
}

/// With full every weight is trained, and none stays quantised.
BaseFormat format_of_base(const TrainOptions& options, const TensorSource& source, TrainingSession& session) {
  BaseFormat format = parse_base_format(options.base_dtype, options.quantize_base);
  const bool quantized = has_quantized(source);
  require_not_quantized_twice(format, source, options.model);
  if (parse_method(options.method) != Method::full) return format;
  if (quantized) {
    session.notes.push_back(fmt::format("note: {}: the quantised weights are expanded to f32, to be trained",
                                        options.model.string()));
  }
  format.keep_quantized = false;
  return format;
}

void make_memory_plan(TrainingSession& session, DType file_dtype, const BaseSize& size,
                      const std::vector<std::size_t>& chosen, const Ranks& ranks,
                      const Neighbours& neighbours) {
  const TrainOptions& options = session.options;
  MemoryPlanInput input;
  input.run = session.plan;
  input.compute_dtype = session.compute_dtype;
  input.file_dtype = file_dtype;
  input.saved_dtype = session.saved_dtype.most;
  if (size.quantized) input.quantized_weights = size.bytes;
  input.expansion_bytes = size.expansion_bytes;
  input.packed_weights =
      session.plan.method != Method::full && session.backend->prefers_packed(session.compute_dtype);
  input.targets = chosen;
  input.tied_links = std::ssize(session.tied_links);
  input.ranks = &ranks;
  input.processes = std::ssize(neighbours.on_machine);
  const auto [begin, end] = share_of(ranks, options.batch_size);
  MicroBatchLimit limit = session.micro_batch;
  limit.items = std::min(end - begin, limit.items);
  std::tie(input.batch_tokens, input.batch_loss_tokens) = session.data.train.largest_micro_batch(limit);
  if (session.data.dev) {
    const auto& sequences = session.data.dev->sequences;
    input.evaluation_tokens = sequences.examples.empty()
                                  ? default_evaluation_tokens
                                  : std::min(default_evaluation_tokens, sequences.report.tokens);
  }
  const PreferenceTraining* preference = session.data.train.preference();
  if (preference != nullptr && preference->objective.has_reference())
    input.evaluation_tokens = default_evaluation_tokens;
  input.activation_checkpointing = options.activation_checkpointing;
  input.hidden_dropout = session.hidden_dropout() > 0.0F;
  input.lora_dropout = options.lora_dropout > 0.0;
  input.resident_bytes = resident_bytes();
  input.logits_chunk_bytes = session.backend->logits_chunk_bytes(input.compute_dtype);
  input.in_device_memory = !session.backend->memory().is_host();
  input.offload_base = options.offload_base;
  input.positions = longest_sequence(options.max_length.value_or(0), session.config);
  session.memory = plan_memory(session.config, input);
  require_memory(session.config, input, session.memory, session.backend->memory().available_bytes());
  require_host_memory(input, session.memory, host_memory().available_bytes());
}

void choose_targets(TrainingSession& session, const std::vector<LinearName>& names,
                    const std::vector<std::size_t>& chosen) {
  const auto linears = session.model->linears();
  std::map<std::string, Linear*> by_name;
  for (Linear* linear : linears) by_name[linear->name()] = linear;
  for (const std::size_t index : chosen) session.targets.push_back(by_name.at(names[index].name));
  if (session.config.family->other_parts.empty())  // else short names would select layers of theirs
    session.target_names = short_target_names(linears, session.targets);
  const bool no_bias =
      std::ranges::all_of(session.targets, [](const Linear* target) { return target->bias() == nullptr; });
  if (session.options.bias == "lora_only" && no_bias) {
    throw UsageError("--bias lora_only: the target modules of this model have no biases");
  }
}

}  // namespace

std::vector<std::string> short_target_names(const std::vector<Linear*>& linears,
                                            const std::vector<Linear*>& targets) {
  const auto last_part = [](const Linear* linear) {
    return linear->name().substr(linear->name().rfind('.') + 1);
  };
  std::map<std::string, std::int64_t> total;
  std::map<std::string, std::int64_t> chosen;
  for (const Linear* linear : linears) ++total[last_part(linear)];
  for (const Linear* target : targets) ++chosen[last_part(target)];
  std::vector<std::string> names;
  for (const Linear* target : targets) {
    const std::string part = last_part(target);
    const std::string& name = chosen[part] == total[part] ? part : target->name();
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  }
  return names;
}

float TrainingSession::hidden_dropout() const {
  if (options.dropout == "config") return static_cast<float>(config.dropout);
  return std::stof(options.dropout);
}

Link TrainingSession::new_link(std::int64_t number) const {
  const auto index = static_cast<std::size_t>(number);
  if (index < initial_links.size()) return copy_of(initial_links[index]);
  Link link = make_link(targets, plan.links[index], options.bias == "lora_only");
  initialise_link(link, options.seed, options.link_init == "same" ? 0 : static_cast<std::uint64_t>(number));
  link.target_modules = target_names;
  // As read_adapter gives them, so that a resumed run sums its gradient norm and writes its files in the same
  // order.
  std::ranges::sort(link.modules, {}, &LoraModule::name);
  std::ranges::sort(link.biases, {}, &TrainedBias::module);
  return link;
}

std::vector<TrainableParameter> TrainingSession::trainables() {
  std::vector<TrainableParameter> parameters;
  if (!chain) {
    for (const auto& parameter : model->weights().all()) {
      const bool decays = options.decay_norms || parameter->spec.is_matrix();
      parameters.push_back({parameter->spec.name, parameter->training->master.floats(),
                            parameter->training->gradient.floats(), 1.0, decays});
    }
    return parameters;
  }
  Link& live = chain->live();
  for (std::size_t i = 0; i < live.modules.size(); ++i) {
    auto& module = live.modules[i];
    if (!chain->a_gradients()[i].empty()) {
      parameters.push_back({peft_key_a(module.name), module.a.floats(), chain->a_gradients()[i].floats()});
    }
    parameters.push_back({peft_key_b(module.name), module.b.floats(), chain->b_gradients()[i].floats(),
                          options.loraplus_lr_ratio});
  }
  for (auto& bias : live.biases) {
    parameters.push_back({bias.module + ".bias", bias.value.floats(),
                          model->weights().at(bias.module + ".bias").training->gradient.floats(), 1.0,
                          options.decay_norms});
  }
  return parameters;
}

TrainingSession open_session(const TrainOptions& options, std::shared_ptr<ops::Backend> backend, Ranks& ranks,
                             const ReadingMode& reading) {
  check_options(options);
  const Neighbours neighbours = find_neighbours(ranks);
  choose_threads(options, neighbours);
  TrainingSession session;
  session.backend = std::move(backend);
  ops::Uploads* uploads = options.offload_base ? &ops::uploads_of(*session.backend) : nullptr;
  session.options = options;
  BaseModel base = open_base_model(options.model);
  session.config = base.config;
  session.notes = std::move(base.notes);
  const std::string date = ranks.gather(present_date()).front();  // one, whenever each rank began
  if (options.task.empty() && options.chat_template_date.empty()) session.options.chat_template_date = date;
  session.data = load_session_data(session.options, session.config, reading);
  const DType file_dtype = dominant_dtype(*base.tensors);
  session.compute_dtype = choose_compute_dtype(compute_dtype_option(options.dtype, options.base_dtype),
                                               file_dtype, *session.backend);
  const BaseFormat format = format_of_base(options, *base.tensors, session);
  const BaseSize size =
      size_in_memory(session.config, *base.tensors, session.compute_dtype, format, *session.backend);
  const bool expands = options.save_dtype == "auto" && has_quantized(*base.tensors);
  session.saved_dtype =
      saved_dtype(expands ? std::string(name_of(session.compute_dtype)) : options.save_dtype, file_dtype);
  session.plan = make_run_plan(options, session.data.train.size(), session.compute_dtype, size.quantized);
  session.micro_batch = micro_batch_limit(options, size.quantized && session.backend->memory().is_host());
  session.batches =
      std::make_unique<BatchPlan>(session.data.train.mixture(), options.batch_size,
                                  options.gradient_accumulation_steps, !options.no_shuffle, options.seed);
  const bool full = session.plan.method == Method::full;
  const auto names = linear_names(session.config);
  const auto chosen = full ? std::vector<std::size_t>()
                           : select_target_modules(names, target_modules_of(options, session.config));
  load_links(session, base_tensors(session.config, *base.tensors));
  check_initial_links(session);
  check_initial_modules(session, names, chosen);
  make_memory_plan(session, file_dtype, size, chosen, ranks, neighbours);
  wait_for_all(ranks);  // none takes memory before all have looked at what there is
  session.model = std::make_unique<Decoder>(
      session.config,
      Weights(session.config, std::move(base.tensors), session.compute_dtype, session.backend->memory(),
              uploads != nullptr ? &uploads->memory() : nullptr, format));
  if (uploads != nullptr) session.model->stream_weights(*uploads);
  if (full) {
    for (const auto& parameter : session.model->weights().all())
      session.model->weights().make_trained(*parameter);
  } else {
    if (session.backend->prefers_packed(session.compute_dtype)) session.model->pack_weights();
    choose_targets(session, names, chosen);
    session.chain = std::make_unique<Chain>(*session.model, session.plan.tie);
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(session.plan.links.size()); ++i) {
      session.chain->begin_live(session.new_link(i), false);  // throws if it does not fit the model
      session.chain->clear();
    }
  }
  return session;
}

}  // namespace cola
