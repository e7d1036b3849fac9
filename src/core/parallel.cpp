#include "core/parallel.h"

#include <omp.h>

#include <algorithm>

namespace cola {

// oneDNN cuts a product for the number of threads that OpenMP says it has; given fewer, it would leave parts
// out.
void set_thread_count(int threads) {
  omp_set_dynamic(0);
  omp_set_num_threads(std::min(threads > 0 ? threads : omp_get_max_threads(), omp_get_thread_limit()));
}

int thread_count() { return omp_in_parallel() != 0 ? 1 : omp_get_max_threads(); }

}  // namespace cola
