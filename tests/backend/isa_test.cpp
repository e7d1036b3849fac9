#include "backend/cpu_isa.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "support/near.h"

namespace cola::ops {
namespace {

TEST(CpuIsa, IsTheProcessorsBestUnlessLowered) {
  EXPECT_EQ(choose_isa("", CpuIsa::avx512), CpuIsa::avx512);
  EXPECT_EQ(choose_isa("avx2", CpuIsa::avx512), CpuIsa::avx2);
  EXPECT_EQ(choose_isa("baseline", CpuIsa::amx), CpuIsa::baseline);
  EXPECT_EQ(choose_isa("amx", CpuIsa::amx), CpuIsa::amx);
}

TEST(CpuIsa, RefusesWhatTheProcessorLacksAndUnknownNames) {
  EXPECT_THROW((void)choose_isa("amx", CpuIsa::avx512_bf16), UsageError);
  EXPECT_THROW((void)choose_isa("avx512", CpuIsa::avx2), UsageError);
  EXPECT_THROW((void)choose_isa("sse9", CpuIsa::amx), UsageError);
}

TEST(CpuIsa, NeverExceedsTheProcessor) { EXPECT_LE(cpu_isa(), processor_isa()); }

TEST(CpuIsa, NamesAreThoseOfTheEnvironmentVariable) {
  for (int i = 0; i <= static_cast<int>(CpuIsa::amx); ++i) {
    const auto isa = static_cast<CpuIsa>(i);
    EXPECT_EQ(choose_isa(name_of(isa), CpuIsa::amx), isa);
  }
}

// A comparison that cannot fail would make every other test of this folder worthless.
TEST(IsNear, SeesElementErrorsSystematicErrorsAndNaN) {
  const std::vector<double> expected = {1.0, -2.0, 3.0};
  const std::vector<double> off = {1.0, -2.0, 3.2};
  const std::vector<double> nan = {1.0, -2.0, std::nan("")};
  EXPECT_TRUE(test::is_near(expected, expected, {}));
  EXPECT_FALSE(test::is_near(off, expected, {.absolute = 0.1}));
  EXPECT_TRUE(test::is_near(off, expected, {.absolute = 0.3}));
  EXPECT_FALSE(test::is_near(off, expected, {.absolute = 0.3, .relative = 0, .cosine = 1e-6}));
  EXPECT_FALSE(test::is_near(nan, expected, {.absolute = 1e9}));
  EXPECT_FALSE(test::is_near(std::span(expected).first(2), expected, {.absolute = 1e9}));
}

}  // namespace
}  // namespace cola::ops
