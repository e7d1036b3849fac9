// How fast the device is, by what the benchmarks compare with.
#include <algorithm>
#include <limits>

#include "backend/cuda/check.h"
#include "backend/cuda/cuda_backend.h"
#include "core/random.h"

namespace cola::ops::cuda {
namespace {

/// Two events on a stream and the time between them.
class DeviceTimer {
 public:
  explicit DeviceTimer(cudaStream_t stream) : stream_(stream) {
    require(cudaEventCreate(&begin_), "an event");
    require(cudaEventCreate(&end_), "an event");
  }
  ~DeviceTimer() {
    (void)cudaEventDestroy(begin_);
    (void)cudaEventDestroy(end_);
  }
  DeviceTimer(const DeviceTimer&) = delete;
  DeviceTimer& operator=(const DeviceTimer&) = delete;

  /// Seconds of the device's work that `body` starts: the least of a few runs after one that is not counted.
  template <class Body>
  [[nodiscard]] double least_seconds(const Body& body) {
    constexpr int runs = 8;
    double least = std::numeric_limits<double>::infinity();
    for (int run = 0; run <= runs; ++run) {
      require(cudaEventRecord(begin_, stream_), "an event");
      body();
      require(cudaEventRecord(end_, stream_), "an event");
      require(cudaEventSynchronize(end_), "waiting for the device");
      float milliseconds = 0.0F;
      require(cudaEventElapsedTime(&milliseconds, begin_, end_), "timing");
      if (run > 0) least = std::min(least, static_cast<double>(milliseconds) * 1e-3);
    }
    return least;
  }

 private:
  cudaStream_t stream_;
  cudaEvent_t begin_ = nullptr;
  cudaEvent_t end_ = nullptr;
};

/// Random values: a device draws less power, and so runs faster, on zeros. The same rows again and again.
Matrix random_square(DType dtype, std::int64_t size, Memory& memory) {
  constexpr std::int64_t rows = 64;
  Matrix block(dtype, rows, size);
  RandomStream random(0, RandomPurpose::benchmark);
  for (std::int64_t i = 0; i < block.size(); ++i) {
    const float value = 2.0F * random.next_uniform() - 1.0F;
    if (dtype == DType::bf16) {
      block.view().as<BFloat16>()[i] = BFloat16(value);
    } else {
      block.view().as<float>()[i] = value;
    }
  }
  Matrix square;
  square.resize(memory, dtype, size, size);
  const std::size_t bytes = static_cast<std::size_t>(block.size()) * size_of(dtype);
  for (std::int64_t row = 0; row < size; row += rows) {
    memory.upload(static_cast<const std::byte*>(block.view().data),
                  static_cast<std::byte*>(square.view().row_range(row, row + rows).data), bytes);
  }
  return square;
}

}  // namespace

PeakRate CudaBackend::measure_peak(DType dtype) {
  const std::int64_t size = dtype == DType::bf16 ? 8192 : 4096;
  Context context(*this);
  const Matrix a = random_square(dtype, size, memory_);
  const Matrix b = random_square(dtype, size, memory_);
  Matrix c(dtype, size, size, memory_);
  const double seconds = DeviceTimer(stream_.get()).least_seconds([&] {
    products_.multiply(context, queue(),
                       {.a = a.view(), .b = b.view(), .transpose_b = Transpose::yes, .c = c.view()});
  });
  const auto edge = static_cast<double>(size);
  return {2.0 * edge * edge * edge / seconds, dtype == DType::bf16 ? "cuBLASLt, 8192^3" : "cuBLASLt, 4096^3"};
}

double CudaBackend::measure_read_rate() {
  constexpr std::size_t bytes = std::size_t{1} << 30;
  Buffer from(memory_);
  Buffer to(memory_);
  from.resize(bytes);
  to.resize(bytes);
  const double seconds = DeviceTimer(stream_.get()).least_seconds([&] {
    require(cudaMemcpyAsync(to.data(), from.data(), bytes, cudaMemcpyDeviceToDevice, stream_.get()),
            "a copy");
  });
  return 2.0 * static_cast<double>(bytes) / seconds;  // read and written
}

}  // namespace cola::ops::cuda
