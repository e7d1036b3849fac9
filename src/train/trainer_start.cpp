// How a run begins: fresh, or where its newest checkpoint left it.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "backend/cpu_isa.h"
#include "backend/linear.h"
#include "cola/version.h"
#include "core/error.h"
#include "core/parallel.h"
#include "dist/agreement.h"
#include "io/files.h"
#include "train/options_toml.h"
#include "train/resolved_options.h"
#include "train/trainer.h"

namespace cola {
namespace {

std::string training_files(const TrainOptions& options) {
  std::vector<std::string> names;
  for (const auto& file : options.train) names.push_back(file.string());
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

Trainer::Trainer(TrainingSession session, const TrainMode& mode, Ranks& ranks)
    : session_(std::move(session)),
      ranks_(ranks),
      folder_{session_.options.out},
      progress_(mode.quiet || ranks.rank() > 0),
      context_(*session_.backend) {
  if (mode.profile) context_.start_profile();
  state_.computed_with =
      fmt::format("{}, {}", name_of(session_.compute_dtype), session_.backend->description());
  state_.train_digest = session_.data.train.digest();
  state_.dev_digest = session_.data.dev ? session_.data.dev->digest() : "";
  state_.processes = ranks_.size();
  if (!writes()) log_ = std::make_unique<RunLog>();
  require_same_session();  // before anything is written
  compute_references();
  const auto saved = mode.resume ? open_folder_to_resume() : std::vector<std::int64_t>();
  if (saved.empty()) {
    start_fresh();
  } else {
    resume_from(saved);
  }
  wait_for_all(ranks_);  // before anything that they read here changes
}

/// Ranks with other data would train something else, and with other kernels drift apart.
void Trainer::require_same_session() {
  require_alike(ranks_, {{"version", std::string(version())},
                         {"training data of digest", state_.train_digest},
                         {"dev data of digest", state_.dev_digest},
                         {"compute dtype", std::string(name_of(session_.compute_dtype))},
                         {"instruction set", std::string(ops::name_of(ops::cpu_isa()))}});
}

std::vector<std::int64_t> Trainer::open_folder_to_resume() {
  if (writes()) {
    if (!std::filesystem::exists(folder_.log()) && !folder_.checkpoint_steps().empty()) {
      throw Error(fmt::format(
          "--resume: {} is missing: a run goes on only with its log: put it back, or start another "
          "run",
          folder_.log().string()));
    }
    log_ = std::make_unique<RunLog>(folder_.log());  // the run's lock: before anything is touched
    std::filesystem::create_directories(folder_.checkpoints());
    std::filesystem::create_directories(folder_.links());
    for (const auto& folder : {folder_.root, folder_.checkpoints(), folder_.links()})
      remove_leftovers(folder);
  }
  wait_for_all(ranks_);
  const auto saved = folder_.checkpoint_steps();
  require_alike(ranks_, {{fmt::format("the newest checkpoint of {} at step", folder_.root.string()),
                          saved.empty() ? "none" : std::to_string(saved.back())}});
  return saved;
}

namespace {

/// "2 links, |delta W| 1.25": what starts beside the weights.
std::string describe_links(const std::vector<const Link*>& links) {
  ops::Context context;  // of its own: no part of the run's profile
  return fmt::format("{} link{}, |delta W| {:.6g}", links.size(), links.size() == 1 ? "" : "s",
                     concatenate(links).delta_norm(context));
}

}  // namespace

void Trainer::announce() {
  const auto& data = session_.data;
  for (const std::string& line : session_.notes) progress_.note(line);
  progress_.note(fmt::format("train data: {}", data.train.summary()));
  if (data.dev) progress_.note(fmt::format("dev data:   {}", data.dev->summary()));
  if (data.tokenizer && !data.tokenizer->special().remark.empty())
    progress_.note(data.tokenizer->special().remark);
  progress_.note(session_.memory.summary());
  const std::string processes =
      ranks_.size() > 1 ? fmt::format(", in each of {} processes", ranks_.size()) : "";
  const auto kernel =
      session_.backend->product_kernel(session_.compute_dtype, session_.plan.method != Method::full);
  progress_.note(fmt::format("compute: {}, products by {}{}", state_.computed_with, kernel, processes));
  if (session_.chain && !session_.chain->tied().empty())
    progress_.note("chain: " + describe_links(session_.chain->links()));
  if (!session_.initial_links.empty()) {
    std::vector<const Link*> links;
    for (const Link& link : session_.initial_links) links.push_back(&link);
    progress_.note("initial links: " + describe_links(links));
  }
  if (const auto unused = unused_options(session_.options); !unused.empty())
    progress_.note(fmt::format("note: --{} make no difference to this run", fmt::join(unused, ", --")));
  if (session_.config.dropout > 0.0 && session_.options.dropout == "0") {
    progress_.note(
        fmt::format("note: the checkpoint's configured dropout of {} is not used; --dropout config uses it",
                    session_.config.dropout));
  }
  if (session_.config.attention_dropout > 0.0) {
    progress_.note(fmt::format(
        "note: the checkpoint's configured attention dropout of {} is not used: there is none here",
        session_.config.attention_dropout));
  }
  const RunPlan& plan = session_.plan;
  for (const std::string& line : warm_up_notes(plan.schedule, std::ssize(session_.tied_origins) + 1))
    progress_.note("note: " + line);
  if (plan.stall_rule && plan.total_steps < 2 * plan.stall_rule->min_link_steps) {
    progress_.note(
        fmt::format("note: --knots auto ties nothing here: the run's {} steps have no room for two links of "
                    "--min-link-steps {}",
                    plan.total_steps, plan.stall_rule->min_link_steps));
  }
}

void Trainer::start_fresh() {
  for (auto& link : session_.tied_links) {
    session_.chain->add_tied(context_, std::move(link));
    tied_at_.emplace_back();
  }
  session_.tied_links.clear();
  state_.tied_links = static_cast<std::int64_t>(tied_at_.size());
  if (writes()) create_folder();
  announce();
  begin_link(0);
  announce_link();
  log_->write({{"event", "start"},
               {"method", session_.options.method},
               {"steps", session_.plan.total_steps},
               {"steps_per_epoch", session_.plan.steps_per_epoch},
               {"knots", session_.plan.knots},
               {"processes", ranks_.size()},
               {"examples", session_.data.train.size()},
               {"tokens", session_.data.train.tokens()},
               {"dtype", name_of(session_.compute_dtype)},
               {"tie", session_.chain ? Json(name_of(session_.plan.tie)) : Json(nullptr)},
               {"threads", thread_count()},
               {"isa", ops::name_of(ops::cpu_isa())},
               {"trained_parameters", result().trained_parameters}});
  write_links_and_manifest();
}

void Trainer::create_folder() {
  require_writable_folder(folder_.root);
  remove_leftovers(folder_.root);
  write_text_file(folder_.config(), to_toml(resolved_options(session_)));
  std::filesystem::create_directories(folder_.checkpoints());
  std::filesystem::create_directories(folder_.links());
  if (!log_) log_ = std::make_unique<RunLog>(folder_.log());
  log_->cut(0);
}

void Trainer::resume_from(const std::vector<std::int64_t>& saved) {
  const std::int64_t step = saved.back();
  try {
    restore(step);
  } catch (const UsageError&) {
    throw;
  } catch (const Error& error) {
    const std::string older =
        saved.size() > 1 ? fmt::format("from step {}", saved[saved.size() - 2]) : "again from the start";
    throw Error(fmt::format("cannot resume from step {}: {}\nto go on {}, remove {}", step, error.what(),
                            older, folder_.checkpoint(step).string()));
  }
  announce();
  progress_.note(fmt::format("resumed at step {} of {}", step, session_.plan.total_steps));
  if (state_.processes != ranks_.size()) {
    progress_.note(
        fmt::format("note: the run had {} process{} so far, now {}: losses agree to rounding, bits do not",
                    state_.processes, state_.processes == 1 ? "" : "es", ranks_.size()));
  }
  state_.processes = ranks_.size();
}

void Trainer::restore(std::int64_t step) {
  const auto checkpoint = folder_.checkpoint(step);
  TrainingState saved = read_checkpoint_state(checkpoint);
  const auto changed = [](const std::string& file) {
    return UsageError(fmt::format("--resume: {} has changed since the run began", file));
  };
  const TrainOptions& options = session_.options;
  // Digests of 16 digits are of a former kind, and of tasks and pairs.
  const auto is_of = [](const std::string& digest, const auto& data, const std::string& now) {
    return digest == now || (digest.size() == 16 && digest == data.former_digest());
  };
  if (!is_of(saved.train_digest, session_.data.train, state_.train_digest))
    throw changed(options.task.empty() ? training_files(options) : options.task_data.string());
  if (session_.data.dev ? !is_of(saved.dev_digest, *session_.data.dev, state_.dev_digest)
                        : !saved.dev_digest.empty()) {
    throw changed(!options.task.empty() ? options.task_data.string()
                  : options.dev.empty() ? training_files(options)
                                        : options.dev.string());
  }
  if (session_.plan.stall_rule) session_.plan.knots = saved.knots;
  const auto& knots = session_.plan.knots;
  const auto links_done = std::ranges::lower_bound(knots, step) - knots.begin();
  if (saved.steps_done != step || step > session_.plan.total_steps || saved.live_number != links_done ||
      (session_.chain &&
       saved.tied_links != links_done + static_cast<std::int64_t>(session_.tied_origins.size()))) {
    throw Error(fmt::format("{}: does not fit the run's config.toml", (checkpoint / "state.json").string()));
  }
  if (!saved.computed_with.empty() && saved.computed_with != state_.computed_with) {
    progress_.note(fmt::format("note: the run was computed with {}, and goes on with {}: not bit for bit",
                               saved.computed_with, state_.computed_with));
  }
  saved.computed_with = state_.computed_with;
  state_ = saved;
  if (session_.chain) {
    restore_chain(checkpoint);
  } else {
    read_checkpoint_weights(checkpoint, context_, session_.model->weights());
  }
  optimizer_ = std::make_unique<Optimizer>(session_.plan.optimizer, session_.trainables(), context_.memory());
  read_checkpoint_optimizer(checkpoint, state_, *optimizer_);
  log_->cut(state_.log_bytes);
}

void Trainer::restore_chain(const std::filesystem::path& checkpoint) {
  const auto& knots = session_.plan.knots;
  session_.tied_links.clear();
  tied_at_.resize(session_.tied_origins.size());
  tied_at_.insert(tied_at_.end(), knots.begin(), knots.begin() + state_.live_number);
  for (auto& link : read_links(folder_, state_.tied_links))
    session_.chain->add_tied(context_, std::move(link));
  session_.chain->begin_live(read_checkpoint_link(checkpoint), !session_.options.freeze_a);
}

}  // namespace cola
