#pragma once

namespace cola {

/// Throws UsageError for a --threads that is negative or above 1024.
void require_thread_count(int threads);

}  // namespace cola
