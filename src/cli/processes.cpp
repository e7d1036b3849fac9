#include "cli/processes.h"

#include <fmt/format.h>

#include "cli/failure.h"
#include "dist/launch.h"
#include "dist/mpi_ranks.h"

namespace cola {

std::unique_ptr<Ranks> join_ranks() {
  const auto launch = find_launch();
  if (!launch) return std::make_unique<OneProcess>();
  return join_mpi(*launch);
}

void fail_together(Ranks& ranks) {
  Failure failure = current_failure();
  const bool alone = !ranks.all_have_failed();
  if (alone) failure.message = fmt::format("rank {}: {}", ranks.rank(), failure.message);
  if (alone || ranks.rank() == 0) report(failure);
  if (alone) ranks.abort(failure.exit_status);
  throw Reported(failure.exit_status);
}

}  // namespace cola
