#include "core/memory.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <map>

#include "core/matrix.h"

namespace cola {
namespace {

/// Keeps what it is given at addresses that are the host's but do not say so.
class OtherMemory final : public Memory {
 public:
  std::byte* allocate(std::size_t bytes) override { return host_memory().allocate(bytes); }
  void release(std::byte* memory, std::size_t bytes) noexcept override {
    host_memory().release(memory, bytes);
  }
  void fill_zero(std::byte* memory, std::size_t bytes) override { host_memory().fill_zero(memory, bytes); }
  void upload(const std::byte* host, std::byte* destination, std::size_t bytes) override {
    ++uploads;
    host_memory().upload(host, destination, bytes);
  }
  void download(const std::byte* source, std::byte* host, std::size_t bytes) override {
    ++downloads;
    host_memory().download(source, host, bytes);
  }
  [[nodiscard]] bool is_host() const override { return false; }
  [[nodiscard]] std::int64_t available_bytes() const override { return 0; }
  [[nodiscard]] std::int64_t peak_bytes() const override { return 0; }

  int uploads = 0;
  int downloads = 0;
};

TEST(Memory, HostFloatsAreReadAndWrittenInPlace) {
  std::array<float, 3> values{1.0F, 2.0F, 3.0F};
  const FloatsOnHost read(host_memory(), values);
  EXPECT_EQ(read.values().data(), values.data());
  write_from_host(host_memory(), values,
                  [&](std::span<float> floats) { EXPECT_EQ(floats.data(), values.data()); });
}

TEST(Memory, OthersAreCopied) {
  OtherMemory other;
  Matrix matrix(DType::f32, 2, 3, other);
  write_from_host(other, matrix.floats(), [](std::span<float> floats) {
    for (std::size_t i = 0; i < floats.size(); ++i) floats[i] = static_cast<float>(i);
  });
  const FloatsOnHost read(other, matrix.floats());
  EXPECT_NE(read.values().data(), matrix.floats().data());
  EXPECT_EQ(read.values()[5], 5.0F);
  EXPECT_EQ(other.uploads, 1);
  EXPECT_EQ(other.downloads, 1);
}

TEST(Memory, AMatrixMovesThereAndBack) {
  OtherMemory other;
  Matrix matrix(DType::f32, 2, 2);
  matrix.floats()[3] = 4.0F;
  const float* in_place = matrix.floats().data();
  matrix = Matrix::moved_to(host_memory(), std::move(matrix));
  EXPECT_EQ(matrix.floats().data(), in_place);
  matrix = Matrix::moved_to(other, std::move(matrix));
  EXPECT_EQ(&matrix.memory(), &other);
  matrix = Matrix::moved_to(host_memory(), std::move(matrix));
  EXPECT_EQ(&matrix.memory(), &host_memory());
  EXPECT_EQ(matrix.floats()[3], 4.0F);
}

TEST(Memory, ResizeChangesTheMemory) {
  OtherMemory other;
  Matrix matrix(DType::f32, 2, 2);
  matrix.resize(other, DType::f32, 1, 1);
  EXPECT_EQ(&matrix.memory(), &other);
  matrix.resize(DType::f32, 4, 4);  // stays there
  EXPECT_EQ(&matrix.memory(), &other);
  const Matrix taken = std::move(matrix);
  EXPECT_EQ(&taken.memory(), &other);
  EXPECT_EQ(&matrix.memory(), &host_memory());  // NOLINT(bugprone-use-after-move): empty and usable again
}

}  // namespace
TEST(Memory, PiecesHoldBlocksBesideEachOther) {
  const std::unique_ptr<Memory> memory = make_pieced_memory();
  Buffer first(*memory), second(*memory), larger_than_a_piece(*memory), last(*memory);
  first.resize(100);
  second.resize(1 << 20);
  larger_than_a_piece.resize(std::size_t{40} << 20);
  last.resize(1);
  EXPECT_EQ(first.data() + 128, second.data());
  EXPECT_EQ(second.data() + (1 << 20), last.data());  // where there is room before
  const auto fill = [](Buffer& buffer, int value) { std::memset(buffer.data(), value, buffer.size()); };
  fill(first, 1);
  fill(second, 2);
  fill(larger_than_a_piece, 3);
  fill(last, 4);
  for (const Buffer* buffer : {&first, &second, &larger_than_a_piece, &last})
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer->data()) % 64, 0U);
  EXPECT_EQ(first.data()[99], std::byte{1});
  EXPECT_EQ(second.data()[(1 << 20) - 1], std::byte{2});
  EXPECT_EQ(larger_than_a_piece.data()[(std::size_t{40} << 20) - 1], std::byte{3});
}

}  // namespace cola
