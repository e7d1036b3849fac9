#include "train/train.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/error.h"
#include "dist/device_ranks.h"
#include "train/options_toml.h"
#include "train/resolved_options.h"
#include "train/trainer.h"

namespace cola {

namespace {

/// Missing, empty, or with no more in it than a start that was killed before it had written config.toml.
bool is_unused(const std::filesystem::path& folder) {
  std::error_code error;
  const auto status = std::filesystem::status(folder, error);
  if (error || !std::filesystem::exists(status))
    return true;  // where it cannot be looked at, writing says why
  const std::filesystem::directory_iterator entries(folder, error);
  if (error) return false;
  return std::ranges::all_of(entries, [](const auto& entry) {
    const std::string name = entry.path().filename().string();
    return name.starts_with("config.toml.tmp-") || name.starts_with("write-probe.tmp-");
  });
}

/// How to train a finished run further, where one of the options asks for that.
std::string longer_run(const TrainOptions& saved, const std::vector<std::string>& differing) {
  const bool longer = std::ranges::any_of(
      differing, [](const auto& name) { return name == "epochs" || name == "max-steps"; });
  if (!longer) return "";
  const std::string begin = saved.method == "full"
                                ? fmt::format("--model {}", RunFolder{saved.out}.last().string())
                                : fmt::format("--extend {}", saved.out.string());
  return fmt::format("; to train it further: a new --out with {}", begin);
}

/// The run's own options, but for where it computes and keeps its weights and what it saves them as, which
/// the given ones must not contradict.
TrainOptions resumed_options(TrainOptions given, const std::filesystem::path& config) {
  TrainOptions saved = options_of_run(config);
  saved.out = given.out;  // the run may have been moved
  saved.device = given.device;
  saved.offload_base = given.offload_base;
  saved.save_dtype = given.save_dtype;
  if (!can_decay_norms(saved)) given.decay_norms = saved.decay_norms;
  take_resolved(saved, given);
  if (const auto names = differing_options(saved, given); !names.empty()) {
    throw UsageError(
        fmt::format("--resume: --{} differs from the run's {}: leave it out, or start another run{}",
                    fmt::join(names, ", --"), config.string(), longer_run(saved, names)));
  }
  return saved;
}

}  // namespace

TrainResult train(const TrainOptions& options, const TrainMode& mode) {
  OneProcess alone;
  return train(options, mode, alone);
}

TrainResult train(const TrainOptions& options, const TrainMode& mode, Ranks& ranks) {
  TrainOptions absolute = options;
  make_paths_absolute(absolute);
  check_options(absolute);
  const RunFolder folder{absolute.out};
  if (mode.resume && !std::filesystem::exists(folder.config())) {
    throw UsageError(
        fmt::format("--resume: {} has no config.toml: there is no run to resume", folder.root.string()));
  }
  if (mode.resume) absolute = resumed_options(absolute, folder.config());
  if (!mode.resume && !is_unused(folder.root)) {
    throw UsageError(
        fmt::format("{} already exists: go on with --resume, or choose another --out", folder.root.string()));
  }
  const auto backend = ops::open_backend(device_of_rank(absolute.device, ranks));
  DeviceRanks device_ranks(ranks, *backend);
  const ReadingMode reading{mode.quiet || device_ranks.rank() > 0, mode.token_cache};
  return Trainer(open_session(absolute, backend, device_ranks, reading), mode, device_ranks).run();
}

}  // namespace cola
