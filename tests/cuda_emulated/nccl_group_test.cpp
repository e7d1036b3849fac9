// Two processes on the emulated NCCL: this one and a child.
#include "backend/cuda/nccl_group.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <numeric>

#include "core/error.h"

namespace cola::ops::cuda {
namespace {

/// What only number 0 has to say goes through a pipe.
Backend::Gather gather_through(const std::array<int, 2>& pipe, int number) {
  return [=](const std::string& own) {
    std::string first = own;
    first.resize(sizeof(nccl::UniqueId));
    const auto moved =
        number == 0 ? write(pipe[1], first.data(), first.size()) : read(pipe[0], first.data(), first.size());
    if (moved != std::ssize(first)) throw Error("the pipe is broken");
    return std::vector<std::string>{first, ""};
  };
}

/// Calls part(number, gather) as number 0 here and as number 1 in a child, which then ends with status 0 if
/// that was true.
class TwoProcesses {
 public:
  template <class Part>
  explicit TwoProcesses(const Part& part) {
    std::array<int, 2> ends{};
    EXPECT_EQ(pipe(ends.data()), 0);
    child_ = fork();
    if (child_ == 0) {
      bool good = false;
      try {
        good = part(1, gather_through(ends, 1));
      } catch (const std::exception& error) {
        (void)std::fprintf(stderr, "number 1: %s\n", error.what());
      }
      _exit(good ? 0 : 1);
    }
    EXPECT_TRUE(part(0, gather_through(ends, 0)));
    for (const int end : ends) close(end);
  }
  ~TwoProcesses() {
    if (child_ > 0) (void)wait();
  }
  TwoProcesses(const TwoProcesses&) = delete;
  TwoProcesses& operator=(const TwoProcesses&) = delete;

  int wait() {
    int status = 0;
    (void)kill(child_, SIGCONT);
    (void)waitpid(std::exchange(child_, 0), &status, 0);
    return status;
  }

 private:
  pid_t child_ = 0;
};

float value_of(int number, std::size_t i) {
  return std::ldexp(1.0F + static_cast<float>(i % 977), number * 20 - static_cast<int>(i % 7));
}

TEST(NcclGroup, SumsChunkByChunk) {
  TwoProcesses processes([](int number, const Backend::Gather& gather) {
    CudaBackend backend(number);
    NcclGroup group(backend, number, 2, gather, {.chunk_elements = 1001});
    std::vector<float> all(3010);  // three chunks and some; one tensor ends in the second, one is empty
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = value_of(number, i);
    const std::array tensors{std::span(all).first(1500), std::span(all).first(0),
                             std::span(all).subspan(1500)};
    group.sum(tensors);  // the emulated device's memory is the host's
    bool same = true;
    for (std::size_t i = 0; i < all.size(); ++i) same = same && all[i] == value_of(0, i) + value_of(1, i);
    return same && group.sum_bytes(1'000'000) == 2 * 1002 * 4;
  });
  EXPECT_EQ(processes.wait(), 0);
}

/// What the sum of number 0 says, whose other has joined and then does `instead`.
std::string error_of_sum(void (*instead)()) {
  std::string said;
  const TwoProcesses processes([&](int number, const Backend::Gather& gather) {
    CudaBackend backend(number);
    NcclGroup group(backend, number, 2, gather, {.patience = std::chrono::seconds(1)});
    if (number == 1) instead();
    std::vector<float> values(10);
    const std::array tensors{std::span(values)};
    try {
      group.sum(tensors);
    } catch (const Error& error) {
      said = error.what();
    }
    backend.synchronize();
    return true;
  });
  return said;
}

TEST(NcclGroup, NoticesThatAProcessIsGone) {
  const std::string said = error_of_sum([] { _exit(0); });
  EXPECT_NE(said.find("NCCL: exchanging gradients: remote process exited"), std::string::npos) << said;
  EXPECT_NE(said.find("cola train --resume"), std::string::npos) << said;
}

TEST(NcclGroup, DoesNotWaitForEver) {
  const std::string said = error_of_sum([] { (void)raise(SIGSTOP); });
  EXPECT_NE(said.find("not done after 1 s"), std::string::npos) << said;
}

TEST(NcclGroup, NoticesThatNobodyJoins) {
  CudaBackend backend(0);
  const auto alone = [](const std::string& own) { return std::vector<std::string>{own, ""}; };
  EXPECT_THROW(NcclGroup(backend, 0, 2, alone, {.patience = std::chrono::seconds(0)}), Error);
}

}  // namespace
}  // namespace cola::ops::cuda
