#pragma once
#include <memory>

#include "dist/ranks.h"

namespace cola {

/// The processes that mpirun or srun started with this one, or this one alone.
[[nodiscard]] std::unique_ptr<Ranks> join_ranks();

/// For the exception that is being handled, in one of several processes. Where all have failed, as of a wrong
/// option, rank 0 says why and each throws Reported; otherwise this one says why and ends all.
[[noreturn]] void fail_together(Ranks& ranks);

}  // namespace cola
