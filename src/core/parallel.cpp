#include "core/parallel.h"

#include <omp.h>

namespace cola {

void set_thread_count(int threads) { omp_set_num_threads(threads > 0 ? threads : 1); }
int thread_count() { return omp_in_parallel() != 0 ? 1 : omp_get_max_threads(); }

}  // namespace cola
