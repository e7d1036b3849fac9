#include "cola/train.h"

#include <fmt/format.h>

#include "core/error.h"
#include "train/options_toml.h"
#include "train/trainer.h"

namespace cola {

TrainResult train(const TrainOptions& options, bool resume, bool quiet) {
  TrainOptions absolute = options;
  make_paths_absolute(absolute);
  check_options(absolute);
  const RunFolder folder{absolute.out};
  if (resume && !std::filesystem::exists(folder.config())) {
    throw UsageError(
        fmt::format("--resume: {} has no config.toml: there is no run to resume", folder.root.string()));
  }
  if (!resume && std::filesystem::exists(folder.root) && !std::filesystem::is_empty(folder.root)) {
    throw UsageError(
        fmt::format("{} already exists: go on with --resume, or choose another --out", folder.root.string()));
  }
  return Trainer(open_session(absolute), resume, quiet).run();
}

}  // namespace cola
