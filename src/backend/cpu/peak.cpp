#include "backend/cpu/peak.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <vector>

#include "backend/cpu/kernels/by_isa.h"
#include "backend/cpu/kernels/peak.h"
#include "backend/cpu_isa.h"
#include "core/error.h"
#include "core/parallel.h"
#include "core/system_memory.h"

namespace cola::ops {
namespace {

const kernels::PeakLoops& loops_of_isa() {
  return kernels::by_isa(cpu_isa(), kernels::isa_baseline::peak_loops, kernels::isa_avx2::peak_loops,
                         kernels::isa_avx512::peak_loops, kernels::isa_avx512_bf16::peak_loops);
}

const kernels::PeakLoop& fastest_loop(DType dtype) {
  if (dtype == DType::bf16 && cpu_isa() == CpuIsa::amx) return *kernels::peak_loop_tiles();
  const kernels::PeakLoops& loops = loops_of_isa();
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

/// Memory of its own, zeroed by the threads that will read it, on huge pages where the system has them.
class ReadBuffer {
 public:
  explicit ReadBuffer(std::int64_t floats) : bytes_(static_cast<std::size_t>(floats) * sizeof(float)) {
    void* memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw Error("out of memory: no buffer to measure reading with");
    madvise(memory, bytes_, MADV_HUGEPAGE);
    values_ = static_cast<float*>(memory);
    parallel_for(floats, floats / thread_count(), [this](std::int64_t begin, std::int64_t end) {
      std::fill(values_ + begin, values_ + end, 0.0F);
    });
  }
  ~ReadBuffer() { munmap(values_, bytes_); }
  ReadBuffer(const ReadBuffer&) = delete;
  ReadBuffer& operator=(const ReadBuffer&) = delete;

  [[nodiscard]] const float* values() const { return values_; }

 private:
  std::size_t bytes_;
  float* values_ = nullptr;
};

std::int64_t read_buffer_floats() {
  constexpr std::int64_t least = std::int64_t{256} << 20;
  constexpr std::int64_t most = std::int64_t{4} << 30;
  const std::int64_t cache = sysconf(_SC_LEVEL3_CACHE_SIZE);  // 0 or -1 where it is not known
  const std::int64_t bytes = std::min(std::clamp(4 * cache, least, most), available_memory_bytes() / 4);
  const std::int64_t a_thread = bytes / static_cast<std::int64_t>(sizeof(float)) / thread_count();
  return std::max<std::int64_t>(a_thread, 1) * thread_count();
}

}  // namespace

double measure_read_rate() {
  constexpr int runs = 8;
  const std::int64_t floats = read_buffer_floats();
  const ReadBuffer buffer(floats);
  const kernels::PeakLoops& loops = loops_of_isa();
  std::vector<float> sums(
      static_cast<std::size_t>(thread_count()));  // kept, so that nothing is optimised away
  double best = std::numeric_limits<double>::infinity();
  for (int run = 0; run < runs; ++run) {
    const auto start = std::chrono::steady_clock::now();
    parallel_for(floats, floats / thread_count(), [&](std::int64_t begin, std::int64_t end) {
      sums[static_cast<std::size_t>(begin * thread_count() / floats)] =
          loops.read(buffer.values() + begin, end - begin);
    });
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return static_cast<double>(floats) * sizeof(float) / best;
}

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
