#pragma once
#include "dist/ranks.h"

namespace cola::test {

/// The processes that mpirun started, or this one alone: MPI begins and ends once a process.
[[nodiscard]] Ranks& joined();

}  // namespace cola::test
