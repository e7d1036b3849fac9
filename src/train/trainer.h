#pragma once
#include <memory>
#include <vector>

#include "chain/run_folder.h"
#include "core/progress.h"
#include "dist/ranks.h"
#include "eval/loss.h"
#include "log/run_log.h"
#include "train/checkpoint.h"
#include "train/session.h"
#include "train/step_part.h"

namespace cola {

/// The loop of a run: steps, knots, evaluation, checkpoints. Owns where the run stands. Of several processes,
/// each has a Trainer; all make the same decisions, from sums over the ranks, and rank 0 alone writes the run
/// folder.
class Trainer {
 public:
  /// Fresh: the run folder is created. Resumed: everything is put where the newest checkpoint left it.
  /// `ranks` outlives it.
  Trainer(TrainingSession session, const TrainMode& mode, Ranks& ranks);

  [[nodiscard]] TrainResult run();

 private:
  struct StepReport {
    double loss = 0.0, learning_rate = 0.0, gradient_norm = 0.0, seconds = 0.0;
    std::int64_t tokens = 0;
    PreferenceSums preferences;  ///< of pairs
  };

  void require_same_session();
  [[nodiscard]] std::vector<std::int64_t> open_folder_to_resume();  ///< its checkpoints' steps
  void start_fresh();
  void create_folder();
  void resume_from(const std::vector<std::int64_t>& saved);  ///< the last of the checkpoints' steps
  void restore(std::int64_t step);
  void restore_chain(const std::filesystem::path& checkpoint);
  void announce();

  StepReport do_step();
  /// A step's forward of a micro-batch with the weights as they are.
  [[nodiscard]] StepState state_of(const RaggedBatch& batch);
  void require_alive(const StepReport& report, const StepPart& part);  ///< throws DivergedError
  [[nodiscard]] StepPart part_of_next_step() const;
  /// Over the ranks: `figures`, the gradients if asked for, and whether a signal came to any.
  void sum_over_ranks(std::span<double> figures, bool gradients);
  void tie_knot();
  void check_after_knot() const;
  [[nodiscard]] Matrix knot_logits(const RaggedBatch& batch);
  void begin_link(std::int64_t number);
  void announce_link();
  void evaluate();
  /// Sets the dev loss and score, and adds to the log's event.
  void evaluate_sequences(Json& event);
  void evaluate_pairs(Json& event);
  void evaluate_task(Json& event);
  /// Gives the pairs, of training and dev, their log-probabilities under the reference.
  void compute_references();
  void keep_best();
  void watch_for_stall(double loss);  ///< --knots auto: whether the next step begins with a knot
  void save_checkpoint();
  /// Throws DivergedError: the weights as they are now are no good, nor is a checkpoint that holds them
  /// (removed).
  [[noreturn]] void stop_diverged(const std::string& symptom);
  /// What to add to a symptom, of the batch of the next step: the norm whose input overflows, on any rank.
  [[nodiscard]] std::string describe_overflow();
  /// Throws DivergedError unless the loss that the next step would have is finite: of the run's last update,
  /// which no step follows.
  void require_finite_loss();
  void require_finite_dev_loss();
  void finish();

  void write_links_and_manifest();
  void write_state_folder(const std::filesystem::path& folder, const char* what);
  [[nodiscard]] bool writes() const { return ranks_.rank() == 0; }  ///< the run folder
  [[nodiscard]] bool due(std::optional<std::int64_t> every) const;
  [[nodiscard]] bool knot_now() const;
  [[nodiscard]] std::int64_t link_number() const;  ///< of the live link in the chain, from 1; 0 with full
  void log_step(const StepReport& report);
  [[nodiscard]] TrainResult result() const;

  TrainingSession session_;
  Ranks& ranks_;
  RunFolder folder_;
  Progress progress_;
  ops::Context context_;
  DecoderActivations activations_;
  TrainingState state_;
  bool interrupted_ = false;  ///< a signal came to one of the ranks
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<RunLog> log_;
  std::optional<double> rounding_error_;  ///< of the weights saved last, with full: see write_trained_weights
  bool newest_is_proven_ = false;         ///< a step has gone well from the weights of the newest checkpoint
  std::vector<std::optional<std::int64_t>>
      tied_at_;  ///< by link of the chain; none for links tied before step 1
};

}  // namespace cola
