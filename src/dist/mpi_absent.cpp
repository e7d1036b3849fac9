// In place of mpi_ranks.cpp where MPI is off.
#include <fmt/format.h>

#include "core/error.h"
#include "dist/mpi_ranks.h"

namespace cola {

std::unique_ptr<Ranks> join_mpi(const Launch& launch) {
  throw Error(
      fmt::format("{} started this as one of {} processes, but this program was built without MPI\n"
                  "start it alone, or build it with -DCOLA_MPI=ON",
                  launch.launcher, launch.size));
}

}  // namespace cola
