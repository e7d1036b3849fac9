#pragma once
// Training in a process of its own, which a test can stop at any moment: this test program run again as
// `TrainingProcess.Trains` (training_process.cpp).
#include <filesystem>

#include "cola/train.h"
#include "support/child_process.h"

namespace cola::test {

class TrainingProcess : public ChildProcess {
 public:
  struct Limits {
    std::int64_t file_bytes = 0;  ///< largest file it may write, as on a full disk; 0: any
  };
  /// Starts cola::train(options, resume); standard error goes to "stderr" in `folder`.
  TrainingProcess(const TrainOptions& options, bool resume, const std::filesystem::path& folder,
                  Limits limits);
  TrainingProcess(const TrainOptions& options, bool resume, const std::filesystem::path& folder)
      : TrainingProcess(options, resume, folder, Limits()) {}
};

}  // namespace cola::test
