#pragma once
#include "cola/train.h"
#include "dist/ranks.h"

namespace cola {

/// cola::train of cola/train.h in one of several processes, which all call it with the same options: the same
/// losses as in one process, to rounding. The run folder is rank 0's, on a file system that all can read.
/// Throws on one rank, or on all; the caller ends the others (Ranks::all_have_failed).
[[nodiscard]] TrainResult train(const TrainOptions& options, const TrainMode& mode, Ranks& ranks);

}  // namespace cola
