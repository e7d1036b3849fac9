// One process's device on NCCL. Several: tests/cuda/ranks.
#include <dlfcn.h>

#include "both_sides.h"

namespace cola::test {
namespace {

class CudaNccl : public CudaTest {
 protected:
  void SetUp() override {
    CudaTest::SetUp();
    if (!IsSkipped() && dlopen("libnccl.so.2", RTLD_NOW | RTLD_LOCAL) == nullptr) GTEST_SKIP() << "no NCCL";
  }
};

TEST_F(CudaNccl, OneProcessKeepsItsTensors) {
  const auto group =
      cuda_->join_devices(0, 1, [](const std::string& own) { return std::vector<std::string>{own}; });
  ASSERT_NE(group, nullptr);
  Side side(*cuda_);
  const std::vector<std::span<float>> tensors = {side.random_vector(5), std::span<float>(),
                                                 side.random_vector(70'001), side.random_vector(64)};
  const auto values = [&] {
    std::vector<std::vector<float>> all;
    for (const auto& tensor : tensors) {
      const FloatsOnHost host(cuda_->memory(), tensor);
      all.emplace_back(host.values().begin(), host.values().end());
    }
    return all;
  };
  const auto before = values();
  for (int i = 0; i < 2; ++i) group->sum(tensors);
  EXPECT_EQ(values(), before);
  EXPECT_EQ(group->sum_bytes(70'070), 2 * 4 * 70'070);
}

}  // namespace
}  // namespace cola::test
