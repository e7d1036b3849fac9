#pragma once
#include "train/session.h"

namespace cola {

/// The session's options with what was left to the program filled in: dtype, threads, longest sequence, tie,
/// and of the method's defaults those that config.toml would otherwise not show.
[[nodiscard]] TrainOptions resolved_options(const TrainingSession& session);

/// The options of a run's config.toml, of one from before --decay-norms too: there norms and biases decayed.
/// Throws UsageError as read_toml does.
[[nodiscard]] TrainOptions options_of_run(const std::filesystem::path& config);

/// Gives what `given` leaves to the program (unset, auto, 0) the values that a run was begun with.
void take_resolved(const TrainOptions& saved, TrainOptions& given);

}  // namespace cola
