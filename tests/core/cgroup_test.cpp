#include "core/cgroup.h"

#include <gtest/gtest.h>

#include <fstream>

#include "support/files.h"

namespace cola {
namespace {

class CgroupRoom : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << text;
  }
  [[nodiscard]] std::optional<std::int64_t> room() const {
    return cgroup_room(folder_ / "self", folder_ / "fs");
  }

  const test::TemporaryFolder folder_;
};

TEST_F(CgroupRoom, TheTightestOfNestedGroups) {
  EXPECT_EQ(room(), std::nullopt);
  write("self", "0::/user/job\n");
  write("fs/user/job/memory.max", "max\n");
  write("fs/user/job/memory.current", "100\n");
  EXPECT_EQ(room(), std::nullopt);
  write("fs/user/memory.max", "1000\n");
  write("fs/user/memory.current", "400\n");
  write("fs/user/memory.stat", "anon 300\ninactive_file 60\nactive_file 40\n");
  EXPECT_EQ(room(), 700);
  write("fs/user/job/memory.max", "150\n");
  EXPECT_EQ(room(), 50);
}

TEST_F(CgroupRoom, Version1) {
  write("self", "5:devices:/job\n4:cpu,memory:/job\n0::/\n");
  write("fs/memory/job/memory.limit_in_bytes", "500\n");
  write("fs/memory/job/memory.usage_in_bytes", "200\n");
  EXPECT_EQ(room(), 300);
}

}  // namespace
}  // namespace cola
