#include "backend/cpu/peak.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "backend/cpu/kernels/by_isa.h"
#include "backend/cpu/kernels/peak.h"
#include "backend/cpu_isa.h"
#include "core/parallel.h"

namespace cola::ops {
namespace {

const kernels::PeakLoop& fastest_loop(DType dtype) {
  if (dtype == DType::bf16 && cpu_isa() == CpuIsa::amx && kernels::request_tiles())
    return kernels::peak_loop_tiles;
  const auto& loops =
      kernels::by_isa(cpu_isa(), kernels::isa_baseline::peak_loops, kernels::isa_avx2::peak_loops,
                      kernels::isa_avx512::peak_loops, kernels::isa_avx512_bf16::peak_loops);
  return dtype == DType::bf16 ? loops.bf16 : loops.f32;
}

/// Seconds that `passes` take on every thread at once.
double time_of(const kernels::PeakLoop& loop, std::int64_t passes) {
  std::vector<float> results(static_cast<std::size_t>(thread_count()));
  const auto start = std::chrono::steady_clock::now();
  parallel_for(thread_count(), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t thread = begin; thread < end; ++thread) {
      results[static_cast<std::size_t>(thread)] = loop.run(passes);
    }
  });
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

PeakRate measure_peak(DType dtype) {
  constexpr double seconds_of_a_run = 0.03;
  constexpr int runs = 8;
  const kernels::PeakLoop& loop = fastest_loop(dtype);
  std::int64_t passes = 1024;
  while (time_of(loop, passes) < seconds_of_a_run) passes *= 2;
  double best = time_of(loop, passes);
  for (int run = 0; run < runs; ++run) best = std::min(best, time_of(loop, passes));
  return {loop.flops_of_one_pass * static_cast<double>(passes) * thread_count() / best, loop.instruction};
}

}  // namespace cola::ops
