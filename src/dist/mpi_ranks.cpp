#include "dist/mpi_ranks.h"

#include <fmt/format.h>
#include <mpi.h>

#include <array>
#include <chrono>
#include <cstring>
#include <numeric>
#include <thread>

#include "core/error.h"
#include "core/parallel.h"
#include "dist/tensor_walk.h"

namespace cola {
namespace {

constexpr std::int64_t chunk_elements = std::int64_t{1} << 22;  // summed at a time: 16 MiB
constexpr std::chrono::seconds failure_patience{2};
constexpr std::int64_t floats_in_figure = sizeof(double) / sizeof(float);

void require_success(int code, const char* what) {
  if (code == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  throw Error(
      fmt::format("{}: {}\nanother process is lost; the run goes on from its last checkpoint: cola "
                  "train --resume",
                  what, std::string(text.data(), static_cast<std::size_t>(length))));
}

/// Every message of `sum` begins with all figures, so that each rank adds them up for itself; the tensors are
/// cut into one slice a rank, which adds up that of all ranks and gives it back to all.
class MpiRanks final : public Ranks {
 public:
  explicit MpiRanks(const Launch& launch) {
    int provided = 0;
    MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);  // an error of it ends the process
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &size_);
    if (size_ != launch.size) {
      MPI_Finalize();
      throw Error(
          fmt::format("{} started {} processes, but MPI sees {}: launcher and MPI are of different makes\n"
                      "use the mpirun of {}, or srun --mpi=pmix",
                      launch.launcher, launch.size, size_, library()));
    }
    MPI_Comm_dup(MPI_COMM_WORLD, &world_);
    MPI_Comm_dup(MPI_COMM_WORLD, &failures_);
    MPI_Comm_set_errhandler(world_, MPI_ERRORS_RETURN);
    MPI_Comm_set_errhandler(failures_, MPI_ERRORS_RETURN);
  }
  ~MpiRanks() override { MPI_Finalize(); }
  MpiRanks(const MpiRanks&) = delete;
  MpiRanks& operator=(const MpiRanks&) = delete;

  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return size_; }

  void sum(std::span<double> figures, std::span<const std::span<float>> tensors) override {
    std::int64_t left = 0;
    for (const auto& tensor : tensors) left += std::ssize(tensor);
    TensorWalk from(tensors);
    TensorWalk to(tensors);
    do {
      const std::int64_t count = std::min(left, chunk_elements);
      sum_chunk(figures, from, to, count);
      figures = {};
      left -= count;
    } while (left > 0);
  }

  [[nodiscard]] std::int64_t sum_bytes(std::int64_t elements) const override {
    return 2 * static_cast<std::int64_t>(sizeof(float)) * std::min(elements, chunk_elements);
  }

  [[nodiscard]] std::vector<std::string> gather(const std::string& own) override {
    const int length = static_cast<int>(own.size());
    std::vector<int> lengths(static_cast<std::size_t>(size_));
    require_success(MPI_Allgather(&length, 1, MPI_INT, lengths.data(), 1, MPI_INT, world_), "MPI_Allgather");
    std::vector<int> begins(lengths.size());
    std::exclusive_scan(lengths.begin(), lengths.end(), begins.begin(), 0);
    std::string all(static_cast<std::size_t>(begins.back() + lengths.back()), '\0');
    require_success(MPI_Allgatherv(own.data(), length, MPI_CHAR, all.data(), lengths.data(), begins.data(),
                                   MPI_CHAR, world_),
                    "MPI_Allgatherv");
    std::vector<std::string> texts;
    for (std::size_t r = 0; r < lengths.size(); ++r)
      texts.push_back(all.substr(static_cast<std::size_t>(begins[r]), static_cast<std::size_t>(lengths[r])));
    return texts;
  }

  [[nodiscard]] bool all_have_failed() override {
    MPI_Request request = MPI_REQUEST_NULL;
    int arrived = 0;
    if (MPI_Ibarrier(failures_, &request) != MPI_SUCCESS) return false;
    const auto deadline = std::chrono::steady_clock::now() + failure_patience;
    while (MPI_Test(&request, &arrived, MPI_STATUS_IGNORE) == MPI_SUCCESS && arrived == 0 &&
           std::chrono::steady_clock::now() < deadline)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return arrived != 0;
  }

  [[noreturn]] void abort(int exit_status) override {
    MPI_Abort(MPI_COMM_WORLD, exit_status);
    std::_Exit(exit_status);
  }

 private:
  static std::string library() {
    std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
    int length = 0;
    MPI_Get_library_version(text.data(), &length);
    const std::string all(text.data(), static_cast<std::size_t>(length));
    return all.substr(0, all.find_first_of(",\n"));
  }

  void sum_chunk(std::span<double> figures, TensorWalk& from, TensorWalk& to, std::int64_t count) {
    const std::int64_t head = std::ssize(figures) * floats_in_figure;
    const std::int64_t slice = (count + size_ - 1) / size_;
    const std::int64_t stride = head + slice;
    const auto begin_of = [=](std::int64_t rank) { return std::min(slice * rank, count); };
    const auto length_of = [=](std::int64_t rank) {
      return static_cast<std::size_t>(begin_of(rank + 1) - begin_of(rank));
    };
    outgoing_.resize(static_cast<std::size_t>(stride * size_));
    incoming_.resize(outgoing_.size());
    for (std::int64_t r = 0; r < size_; ++r) {
      float* message = outgoing_.data() + r * stride;
      if (head > 0) std::memcpy(message, figures.data(), figures.size_bytes());
      from.read({message + head, length_of(r)});
    }
    const int bytes = static_cast<int>(stride * static_cast<std::int64_t>(sizeof(float)));
    require_success(
        MPI_Alltoall(outgoing_.data(), bytes, MPI_BYTE, incoming_.data(), bytes, MPI_BYTE, world_),
        "MPI_Alltoall");
    add_figures(figures, stride);
    if (slice == 0) return;
    const std::span<float> own(incoming_.data() + head, static_cast<std::size_t>(slice));
    add_slices(own, stride);
    outgoing_.resize(static_cast<std::size_t>(slice * size_));
    require_success(MPI_Allgather(own.data(), static_cast<int>(slice), MPI_FLOAT, outgoing_.data(),
                                  static_cast<int>(slice), MPI_FLOAT, world_),
                    "MPI_Allgather");
    to.write(std::span(outgoing_).first(static_cast<std::size_t>(count)));
  }

  void add_figures(std::span<double> figures, std::int64_t stride) const {
    std::ranges::fill(figures, 0.0);
    for (std::int64_t r = 0; r < size_; ++r) {
      for (std::size_t i = 0; i < figures.size(); ++i) {
        double figure = 0.0;
        std::memcpy(&figure, incoming_.data() + r * stride + static_cast<std::int64_t>(i) * floats_in_figure,
                    sizeof(figure));
        figures[i] += figure;
      }
    }
  }

  /// `sum` holds rank 0's slice; the others' follow each a stride later.
  void add_slices(std::span<float> sum, std::int64_t stride) const {
    constexpr std::int64_t grain = std::int64_t{1} << 16;
    parallel_for(std::ssize(sum), grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = 1; r < size_; ++r) {
        const float* other = sum.data() + r * stride;
        for (std::int64_t i = begin; i < end; ++i) sum.data()[i] += other[i];
      }
    });
  }

  int rank_ = 0, size_ = 1;
  MPI_Comm world_ = MPI_COMM_NULL;
  MPI_Comm failures_ = MPI_COMM_NULL;  ///< a barrier of its own: the others may be in a call of world_
  std::vector<float> outgoing_, incoming_;
};

}  // namespace

std::unique_ptr<Ranks> join_mpi(const Launch& launch) { return std::make_unique<MpiRanks>(launch); }

}  // namespace cola
