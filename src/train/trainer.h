#pragma once
#include <memory>
#include <vector>

#include "chain/run_folder.h"
#include "core/progress.h"
#include "eval/loss.h"
#include "log/run_log.h"
#include "train/checkpoint.h"
#include "train/session.h"

namespace cola {

/// The loop of a run: steps, knots, evaluation, checkpoints. Owns where the run stands.
class Trainer {
 public:
  /// Fresh: the run folder is created. Resumed: everything is put where the newest checkpoint left it.
  Trainer(TrainingSession session, const TrainMode& mode);

  [[nodiscard]] TrainResult run();

 private:
  struct StepReport {
    double loss = 0.0, learning_rate = 0.0, gradient_norm = 0.0, seconds = 0.0;
    std::int64_t tokens = 0;
  };

  void start_fresh();
  void resume_from(const std::vector<std::int64_t>& saved);  ///< the last of the checkpoints' steps
  void restore(std::int64_t step);
  void restore_chain(const std::filesystem::path& checkpoint);
  void announce();

  StepReport do_step();
  [[nodiscard]] std::vector<TrainingBatch> batches_of_step(std::int64_t step) const;
  void tie_knot();
  void check_after_knot() const;
  [[nodiscard]] Matrix knot_logits(const RaggedBatch& batch);
  void begin_link(std::int64_t number);
  void evaluate();
  /// Sets the dev loss and score, and adds to the log's event.
  void evaluate_sequences(Json& event);
  void evaluate_task(Json& event);
  void keep_best();
  void watch_for_stall(double loss);  ///< --knots auto: whether the next step begins with a knot
  void save_checkpoint();
  void finish();

  void write_links_and_manifest();
  void write_state_folder(const std::filesystem::path& folder, const char* what);
  [[nodiscard]] bool due(std::optional<std::int64_t> every) const;
  [[nodiscard]] bool knot_now() const;
  [[nodiscard]] std::int64_t link_number() const;  ///< of the live link in the chain, from 1; 0 with full
  void log_step(const StepReport& report);
  [[nodiscard]] TrainResult result() const;

  TrainingSession session_;
  RunFolder folder_;
  Progress progress_;
  ops::Context context_;
  DecoderActivations activations_;
  TrainingState state_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<RunLog> log_;
  std::vector<std::optional<std::int64_t>>
      tied_at_;  ///< by link of the chain; none for links tied before step 1
};

}  // namespace cola
