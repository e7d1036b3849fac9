#pragma once
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <vector>

#include "backend/cuda/kernels/rows.h"
#include "emulator.h"
#include "support/near.h"
#include "support/tensors.h"

// What tests of kernels share: they run a kernel in several orders of its threads, and compare with
// backend/ref.
namespace cola::test {

template <class T>
cuda::Rows<const T> in(const TestMatrix& matrix) {
  return {static_cast<const T*>(matrix.view().data), matrix.view().stride};
}
template <class T>
cuda::Rows<T> to(TestMatrix& matrix) {
  return {static_cast<T*>(matrix.view().data), matrix.view().stride};
}

/// Calls body with a float and with a BFloat16.
template <class Body>
void for_each_dtype(const Body& body) {
  body(float{});
  body(BFloat16{});
}

/// Every element of some matrices, one after the other.
inline std::vector<double> elements_of(std::initializer_list<const TestMatrix*> matrices) {
  std::vector<double> all;
  for (const TestMatrix* matrix : matrices) {
    const auto part = numbers(matrix->view());
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

/// Calls work(), which launches kernels and returns the numbers that they wrote, once an order of threads,
/// and expects the same bits of all: a missing barrier shows. The last run's results stay where work() put
/// them.
template <class Work>
void run_in_every_order(const Work& work) {
  std::vector<double> first;
  for (const emulation::Order order :
       {emulation::Order::ascending, emulation::Order::descending, emulation::Order::shuffled}) {
    emulation::set_order(order);
    const std::vector<double> results = work();
    if (order == emulation::Order::ascending) first = results;
    ASSERT_EQ(results.size(), first.size());
    EXPECT_EQ(std::memcmp(results.data(), first.data(), first.size() * sizeof(double)), 0)
        << "the results depend on the order of the threads";
  }
}

inline testing::AssertionResult succeeds(cudaError_t error) {
  if (error == cudaSuccess) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "cudaError " << error << ": " << emulation::failure();
}

}  // namespace cola::test
