#include "dist/launch.h"

#include <array>
#include <charconv>
#include <cstdlib>
#include <string_view>

namespace cola {
namespace {

struct Launcher {
  const char* name;
  const char* size;
  const char* rank;
};

// SLURM_NTASKS is the job's and set in its batch script too; only srun sets the step's number of tasks.
constexpr std::array launchers{
    Launcher{"mpirun (Open MPI)", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"},
    Launcher{"mpirun (MPICH)", "PMI_SIZE", "PMI_RANK"},
    Launcher{"mpirun (MVAPICH2)", "MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK"},
    Launcher{"srun (Slurm)", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID"},
};

std::optional<int> number_in(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr) return std::nullopt;
  const std::string_view digits(text);
  int value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size() || value < 0) return std::nullopt;
  return value;
}

}  // namespace

std::optional<Launch> find_launch() {
  for (const Launcher& launcher : launchers) {
    const auto size = number_in(launcher.size);
    const auto rank = number_in(launcher.rank);
    if (size && rank && *size > 1 && *rank < *size) return Launch{launcher.name, *rank, *size};
  }
  return std::nullopt;
}

}  // namespace cola
