// Which device a rank takes, of the emulation's three or those that a launcher leaves it.
#include <gtest/gtest.h>

#include <cstdlib>

#include "core/error.h"
#include "cuda/ranks/ranks.h"
#include "dist/device_ranks.h"

namespace cola::test {
namespace {

class DeviceChoice : public testing::Test {
 protected:
  void TearDown() override { unsetenv("CUDA_VISIBLE_DEVICES"); }

  static void see(const std::string& devices) { setenv("CUDA_VISIBLE_DEVICES", devices.c_str(), 1); }
  static std::string number() { return std::to_string(joined().rank()); }
  static std::string error_of_choice(const std::string& device) {
    try {
      const std::string chosen = device_of_rank(device, joined());
      ADD_FAILURE() << "no error, but " << chosen;
    } catch (const Error& error) {
      return error.what();
    }
    return {};
  }
};

TEST_F(DeviceChoice, EachTakesAnother) {
  for (const char* device : {"cuda", "auto"}) {
    const std::string chosen = device_of_rank(device, joined());
    EXPECT_EQ(chosen, joined().size() == 1 ? device : "cuda:" + number());
  }
  EXPECT_EQ(device_of_rank("cpu", joined()), "cpu");
}

TEST_F(DeviceChoice, ALauncherMayHaveChosen) {
  if (joined().size() == 1) GTEST_SKIP() << "one process";
  see(number());
  EXPECT_EQ(device_of_rank("auto", joined()), "cuda:0");
}

TEST_F(DeviceChoice, WithoutDevicesAutoIsTheCpu) {
  if (joined().size() == 1) GTEST_SKIP() << "one process";
  see("");
  EXPECT_EQ(device_of_rank("auto", joined()), "cpu");
  EXPECT_EQ(device_of_rank("cuda", joined()), "cuda");  // which cannot be opened
}

TEST_F(DeviceChoice, MoreRanksThanDevicesAreRefused) {
  if (joined().size() == 1) GTEST_SKIP() << "one process";
  see("2");
  const std::string processes = std::to_string(joined().size()) + " processes run on this machine";
  const std::string said = error_of_choice("cuda");
  EXPECT_EQ(said.find(processes + ", which has 1 CUDA device for them"), 0U) << said;
  see("02");
  if (joined().size() == 2) {
    EXPECT_EQ(device_of_rank("cuda", joined()), "cuda:" + number());
  } else {
    EXPECT_NE(error_of_choice("auto").find("which has 2 CUDA devices for them"), std::string::npos);
  }
}

TEST_F(DeviceChoice, ANumberIsForOneProcess) {
  if (joined().size() == 1) {
    EXPECT_EQ(device_of_rank("cuda:1", joined()), "cuda:1");
  } else {
    const std::string said = error_of_choice("cuda:1");
    EXPECT_NE(said.find("use --device cuda"), std::string::npos) << said;
  }
}

TEST_F(DeviceChoice, KindsAreNotMixed) {
  if (joined().size() == 1) GTEST_SKIP() << "one process";
  const std::string said = error_of_choice(joined().rank() == 1 ? "cpu" : "auto");
  EXPECT_NE(said.find("rank 1 has device: cpu; rank 0 has device: cuda"), std::string::npos) << said;
}

}  // namespace
}  // namespace cola::test
