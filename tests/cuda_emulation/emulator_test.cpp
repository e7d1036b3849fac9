#include "emulator.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "backend/cuda/kernels/launch.cuh"
#include "backend/cuda/kernels/ptx.cuh"
#include "kernel_test.h"

// The emulation computes what CUDA does, and finds the mistakes that it is there for.
namespace cola::cuda {
namespace {

using emulation::Order;
using test::succeeds;
using test::TestMatrix;

constexpr unsigned threads = 64;

std::string failure_of(cudaError_t error) { return error == cudaSuccess ? "" : emulation::failure(); }

void reverse(float* values, bool with_barrier) {
  auto& shared = *shared_memory<float[threads]>();
  shared[threadIdx.x] = values[threadIdx.x];
  if (with_barrier) __syncthreads();
  values[threadIdx.x] = shared[threads - 1 - threadIdx.x];
}

std::vector<float> reversed(Order order, bool with_barrier) {
  emulation::set_order(order);
  std::vector<float> values(threads);
  for (unsigned i = 0; i < threads; ++i) values[i] = static_cast<float>(i);
  EXPECT_TRUE(succeeds(launch(reverse, dim3(1), dim3(threads), threads * sizeof(float), nullptr,
                              values.data(), with_barrier)));
  return values;
}

TEST(Emulator, ABarrierMakesAnOrderOfNoAccount) {
  for (const Order order : {Order::ascending, Order::descending, Order::shuffled}) {
    const auto values = reversed(order, true);
    for (unsigned i = 0; i < threads; ++i) EXPECT_EQ(values[i], static_cast<float>(threads - 1 - i));
  }
}

TEST(Emulator, AMissingBarrierShows) {
  const auto values = reversed(Order::ascending, false);
  EXPECT_TRUE(std::isnan(values[0]));  // read before it was written
  EXPECT_TRUE(std::isnan(reversed(Order::descending, false)[threads - 1]));
}

TEST(Emulator, SharedMemoryIsPoisonedForEveryBlock) {
  std::vector<float> values(2, 0.0F);
  const auto kernel = +[](float* out) {
    auto& shared = *shared_memory<float[1]>();
    if (threadIdx.x == 0) out[blockIdx.x] = shared[0];
    __syncthreads();
    shared[0] = 1.0F;
  };
  EXPECT_TRUE(succeeds(launch(kernel, dim3(2), dim3(32), sizeof(float), nullptr, values.data())));
  EXPECT_TRUE(std::isnan(values[0]) && std::isnan(values[1]));
}

TEST(Emulator, DivergenceAtABarrierIsFound) {
  const auto apart = +[] {
    if (threadIdx.x < 32) {
      __syncthreads();
    } else {
      __syncthreads();
    }
  };
  EXPECT_NE(failure_of(launch(apart, dim3(1), dim3(64), 0, nullptr)).find("divergence"), std::string::npos);
  const auto ended = +[] {
    if (threadIdx.x != 7) __syncthreads();
  };
  EXPECT_NE(failure_of(launch(ended, dim3(1), dim3(32), 0, nullptr)).find("thread 7 has ended"),
            std::string::npos);
  const auto warp = +[] {
    if (threadIdx.x < 16) __syncwarp();
  };
  EXPECT_NE(failure_of(launch(warp, dim3(1), dim3(32), 0, nullptr)).find("divergence"), std::string::npos);
  EXPECT_TRUE(succeeds(launch(+[] { __syncthreads(); }, dim3(3), dim3(64), 0, nullptr)));  // it still works
}

#ifndef __SANITIZE_ADDRESS__  // which ends the program where this happens
TEST(Emulator, WritingPastSharedMemoryIsFound) {
  const auto kernel = +[](int at) { shared_memory<float>()[at] = 1.0F; };
  EXPECT_NE(
      failure_of(launch(kernel, dim3(1), dim3(32), 32 * sizeof(float), nullptr, 32)).find("past its end"),
      std::string::npos);
}
#endif

TEST(Emulator, ALayoutLargerThanItsSharedMemoryIsFound) {
  const auto kernel = +[] { shared_memory<float[32]>()[0][0] = 1.0F; };
  EXPECT_NE(failure_of(launch(kernel, dim3(1), dim3(32), 4, nullptr)).find("less shared memory"),
            std::string::npos);
}

TEST(Emulator, AnAsynchronousCopyHappensAtItsWait) {
  alignas(16) float source[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  float seen[4] = {};
  const auto kernel = +[](const float* from, float* out) {
    auto& shared = *shared_memory<float[8]>();
    if (threadIdx.x != 0) return;
    copy_async(shared, from, 16);
    commit_copies();
    copy_async(shared + 4, from + 4, 8);
    commit_copies();
    out[0] = shared[0];
    wait_for_copies<1>();
    out[1] = shared[0];
    out[2] = shared[4];
    wait_for_copies<0>();
    out[3] = shared[5] + shared[6];  // 6 + 0: copied, and filled with zeros
  };
  ASSERT_TRUE(succeeds(
      launch(kernel, dim3(1), dim3(32), sizeof(float[8]), nullptr, static_cast<const float*>(source), seen)));
  EXPECT_TRUE(std::isnan(seen[0]) && std::isnan(seen[2]));
  EXPECT_EQ(seen[1], 1.0F);
  EXPECT_EQ(seen[3], 6.0F);
}

TEST(Emulator, ShufflesReadTheOtherLane) {
  std::vector<int> values(32);
  const auto kernel = +[](int* out) {
    const int lane = static_cast<int>(threadIdx.x);
    const int neighbour = __shfl_xor_sync(0xFFFFFFFFU, lane, 1);
    out[lane] = 100 * neighbour + __shfl_sync(0xFFFFFFFFU, lane, 5);
  };
  ASSERT_TRUE(succeeds(launch(kernel, dim3(1), dim3(32), 0, nullptr, values.data())));
  for (int lane = 0; lane < 32; ++lane)
    EXPECT_EQ(values[static_cast<std::size_t>(lane)], 100 * (lane ^ 1) + 5);
}

// a [16, 16] and b [8, 16] (rows are columns of the product's right side) and bt [16, 8], its transpose.
struct Operands {
  std::uint16_t a[16][16], b[8][16], bt[16][8];
};

void product_kernel(const Operands* operands, float* result, bool from_transpose) {
  auto& shared = *shared_memory<Operands>();
  const unsigned lane = threadIdx.x;
  for (unsigned i = lane; i < sizeof(Operands) / 2; i += 32) {
    (&shared.a[0][0])[i] = (&operands->a[0][0])[i];
  }
  __syncthreads();
  std::uint32_t a[4];
  std::uint32_t b[4];
  load_matrices(a, &shared.a[lane % 16][lane / 16 * 8]);
  if (from_transpose) {
    load_matrices_transposed(b, &shared.bt[lane % 16][0]);
  } else {
    load_matrices(b, &shared.b[lane % 8][lane / 8 % 2 * 8]);
  }
  float c[4] = {1.0F, 1.0F, 1.0F, 1.0F};
  multiply_add(c, a, b[0], b[1]);
  for (unsigned i = 0; i < 4; ++i) result[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = c[i];
}

// Pins the register layouts, on which kernels build, to the definition of a product.
TEST(Emulator, MatrixInstructionsMultiply) {
  const TestMatrix a = test::random_matrix(DType::bf16, 16, 16, 1);
  const TestMatrix b = test::random_matrix(DType::bf16, 8, 16, 2);
  Operands operands;
  for (int row = 0; row < 16; ++row) {
    for (int k = 0; k < 16; ++k) operands.a[row][k] = a.view().as<BFloat16>()[row * 16 + k].bits;
  }
  for (int col = 0; col < 8; ++col) {
    for (int k = 0; k < 16; ++k) {
      operands.b[col][k] = operands.bt[k][col] = b.view().as<BFloat16>()[col * 16 + k].bits;
    }
  }
  std::vector<double> expected(128, 1.0);
  for (int row = 0; row < 16; ++row) {
    for (int col = 0; col < 8; ++col) {
      for (int k = 0; k < 16; ++k) {
        expected[static_cast<std::size_t>(row * 8 + col)] +=
            test::element(a.view(), row, k) * test::element(b.view(), col, k);
      }
    }
  }
  for (const bool from_transpose : {false, true}) {
    std::vector<float> result(128);
    ASSERT_TRUE(succeeds(launch(product_kernel, dim3(1), dim3(32), sizeof(Operands), nullptr, &operands,
                                result.data(), from_transpose)));
    EXPECT_TRUE(test::is_near(std::span<const float>(result), expected, {1e-5, 1e-5, 1e-12}));
  }
}

}  // namespace
}  // namespace cola::cuda
