#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "core/quantize.h"
#include "core/quantized_blocks.h"
#include "io/gguf/gguf_file.h"
#include "io/tensor_source.h"

// Blocks that ggml made, against what it makes of them (COLA_TEST_DATA).
namespace cola {
namespace {

class GgufBlocks : public testing::Test {
 protected:
  void SetUp() override {
    const char* data = std::getenv("COLA_TEST_DATA");
    const auto folder = std::filesystem::path(data != nullptr ? data : "") / "gguf" / "blocks";
    if (data == nullptr || !std::filesystem::exists(folder)) GTEST_SKIP() << "no blocks in COLA_TEST_DATA";
    blocks_ = std::make_unique<GgufFile>(folder / "blocks.gguf");
    values_ = open_safetensors(folder / "blocks.safetensors");
  }

  std::unique_ptr<GgufFile> blocks_;
  std::unique_ptr<TensorSource> values_;
};

TEST_F(GgufBlocks, ExpandToTheBitsOfGgml) {
  int types = 0;
  for (const auto& [name, tensor] : blocks_->tensors()) {
    if (!is_quantized(tensor.dtype)) continue;
    SCOPED_TRACE(name);
    const SourceTensor& expected = values_->tensors().at(name);
    std::vector<float> values(static_cast<std::size_t>(expected.size()));
    dequantize(tensor.dtype, tensor.data, values);
    EXPECT_EQ(std::memcmp(values.data(), expected.data, expected.bytes), 0);
    ++types;
  }
  EXPECT_GT(types, 20);
}

TEST_F(GgufBlocks, AreQuantizedToTheBytesOfGgml) {
  const SourceTensor& source = values_->tensors().at("source.weight");
  std::vector<float> values(static_cast<std::size_t>(source.size()));
  read_as_f32(source, values);
  int types = 0;
  for (const auto& [name, tensor] : blocks_->tensors()) {
    if (!name.ends_with(".quantised.weight") || !can_quantize(tensor.dtype)) continue;
    SCOPED_TRACE(name);
    std::vector<std::byte> made(tensor.bytes);
    quantize(tensor.dtype, values, made.data());
    const std::int64_t block = layout_of(tensor.dtype).bytes;
    for (std::int64_t at = 0; at < std::ssize(made); at += block) {
      ASSERT_EQ(std::memcmp(made.data() + at, tensor.data + at, static_cast<std::size_t>(block)), 0)
          << "block " << at / block;
    }
    ++types;
  }
  EXPECT_GE(types, 8);
}

}  // namespace
}  // namespace cola
