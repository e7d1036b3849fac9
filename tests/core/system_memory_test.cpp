#include "core/system_memory.h"

#include <gtest/gtest.h>

#include <vector>

#include "core/error.h"

namespace cola {
namespace {

TEST(ParseBytes, TakesHuggingFaceSizes) {
  EXPECT_EQ(parse_bytes("5GB"), 5'000'000'000);
  EXPECT_EQ(parse_bytes("512MB"), 512'000'000);
  EXPECT_EQ(parse_bytes("100KB"), 100'000);
  EXPECT_EQ(parse_bytes("4GiB"), std::int64_t{4} << 30);
  EXPECT_EQ(parse_bytes("1.5 MiB"), 1572864);
  EXPECT_EQ(parse_bytes("2KiB"), 2048);
  EXPECT_EQ(parse_bytes("12345"), 12345);
  EXPECT_EQ(parse_bytes("7B"), 7);
}

TEST(ParseBytes, RefusesEverythingElse) {
  for (const char* text :
       {"", "GB", "five", "-5GB", "0", "0.4B", "5XB", "5GB more", "5 GB 6", "nan", "inf", "1e30GB"}) {
    EXPECT_THROW((void)parse_bytes(text), UsageError) << text;
  }
}

TEST(FormatBytes, ChoosesTheUnit) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(512), "512 B");
  EXPECT_EQ(format_bytes(1024), "1.0 KiB");
  EXPECT_EQ(format_bytes(3565158), "3.4 MiB");
  EXPECT_EQ(format_bytes(std::int64_t{12} << 30), "12.0 GiB");
  EXPECT_EQ(format_bytes(std::int64_t{5000} << 40), "5000.0 TiB");
}

TEST(SystemMemory, PeakGrowsWithUse) {
  const std::int64_t before = peak_resident_bytes();
  EXPECT_GT(before, 0);
  constexpr std::size_t size = std::size_t{64} << 20;
  const std::vector<char> used(size, 'x');
  EXPECT_EQ(used.back(), 'x');
  EXPECT_GE(peak_resident_bytes(), static_cast<std::int64_t>(size));
  EXPECT_GT(available_memory_bytes(), 0);
}

}  // namespace
}  // namespace cola
