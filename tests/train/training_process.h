#pragma once
// Training in a process of its own, which a test can stop at any moment: this test program run again as
// `TrainingProcess.Trains` (training_process.cpp).
#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <string>

#include "cola/train.h"

namespace cola::test {

class TrainingProcess {
 public:
  struct Limits {
    std::int64_t file_bytes = 0;  ///< largest file it may write, as on a full disk; 0: any
  };
  /// Starts cola::train(options, resume); standard error goes to "stderr" in `folder`.
  TrainingProcess(const TrainOptions& options, bool resume, const std::filesystem::path& folder,
                  Limits limits);
  TrainingProcess(const TrainOptions& options, bool resume, const std::filesystem::path& folder)
      : TrainingProcess(options, resume, folder, Limits()) {}
  ~TrainingProcess();
  TrainingProcess(const TrainingProcess&) = delete;
  TrainingProcess& operator=(const TrainingProcess&) = delete;

  [[nodiscard]] bool is_running();
  void send(int signal) const;
  /// Its exit status, or minus the signal that ended it.
  int wait();
  [[nodiscard]] std::string error_text() const;

 private:
  void take(int status);

  pid_t process_ = -1;
  bool running_ = false;
  int status_ = 0;
  std::filesystem::path errors_;
};

}  // namespace cola::test
