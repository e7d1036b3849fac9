#pragma once
#include <memory>

#include "dist/launch.h"
#include "dist/ranks.h"

namespace cola {

/// Joins the processes of an MPI launch. One of them may exist in a process's lifetime: MPI begins and ends
/// with it. Throws Error if MPI does not see the launch's processes, as where launcher and library are of
/// different makes; and in a program that was built without MPI (mpi_absent.cpp).
[[nodiscard]] std::unique_ptr<Ranks> join_mpi(const Launch& launch);

}  // namespace cola
