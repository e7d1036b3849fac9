#pragma once

namespace cola {

/// Throws UsageError for a --threads that is negative or above 1024, more than OpenMP can be trusted to
/// start.
void require_thread_count(int threads);

}  // namespace cola
