#include "backend/cuda/kernels/slices.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "kernel_test.h"

namespace cola::cuda {
namespace {

using test::random_floats;
using test::succeeds;

TEST(CudaSlices, CopiesOfAllSizes) {
  const auto from = random_floats(301'001, 1);
  std::vector<float> to(from.size() + 2, 7.0F);
  std::vector<Copy> copies;
  std::int64_t at = 0;
  for (const std::int64_t size : {1, 0, 1000, 300'000}) {  // the last: more than its blocks do at once
    copies.push_back({from.data() + at, to.data() + 1 + at, size});
    at += size;
  }
  ASSERT_TRUE(succeeds(copy_arrays(nullptr, 4, copies.data(), 300'000)));
  std::vector<float> expected(to.size(), 7.0F);
  std::ranges::copy(from, expected.begin() + 1);
  EXPECT_EQ(to, expected);
}

TEST(CudaSlices, AreAddedInTheirOrder) {
  for (const std::int64_t count : {1, 100, 1001}) {
    for (const std::int64_t slices : {1, 2, 5}) {
      const auto values = random_floats(slices * count, 1);
      std::vector<float> expected = values;
      for (std::int64_t i = count; i < slices * count; ++i)
        expected[static_cast<std::size_t>(i % count)] += values[static_cast<std::size_t>(i)];
      test::run_in_every_order([&] {
        std::vector<float> summed = values;
        EXPECT_TRUE(succeeds(add_slices(nullptr, slices, count, summed.data())));
        EXPECT_EQ(summed, expected) << count << " " << slices;  // the other slices stay as they are
        return std::vector<double>(summed.begin(), summed.end());
      });
    }
  }
}

}  // namespace
}  // namespace cola::cuda
