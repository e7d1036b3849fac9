#pragma once
#include <optional>
#include <string>

namespace cola {

/// How this process was started with others beside it.
struct Launch {
  std::string launcher;  ///< "mpirun (Open MPI)"
  int rank = 0;
  int size = 1;
};

/// What a launcher left in the environment: Open MPI's, MPICH's, MVAPICH2's mpirun, or srun. Nothing where it
/// started one process only, and in a Slurm batch script, which is one process whatever the job has.
[[nodiscard]] std::optional<Launch> find_launch();

}  // namespace cola
