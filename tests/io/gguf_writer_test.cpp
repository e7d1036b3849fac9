#include "io/gguf/gguf_writer.h"

#include <algorithm>
#include <array>

#include "io/gguf/gguf_file.h"
#include "io/gguf/gguf_types.h"
#include "io/io_test_support.h"

namespace cola {
namespace {

using test::error_of;
using test::expect_contains;
using test::get_file;
using test::TemporaryFolder;

/// Bytes 0, 1, 2, ...
TensorToWrite counting(const std::string& name, DType dtype, std::vector<std::int64_t> shape) {
  return {name, dtype, std::move(shape), [](std::span<std::byte> bytes) {
            for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i);
          }};
}

TEST(GgufWriter, WritesWhatGgufFileReads) {
  const TemporaryFolder folder;
  GgufMetadata keys;
  keys.add("general.architecture", GgufValue(std::string_view("llama")));
  keys.add("count", GgufValue(std::uint32_t{7}));
  keys.add("small", GgufValue(1e-5F));
  keys.add("yes", GgufValue(true));
  const std::vector<std::string> words{"one", "", "three"};
  keys.add("words", std::span<const std::string>(words));
  keys.add("numbers", std::span<const std::int32_t>(std::array<std::int32_t, 2>{-1, 2}));
  keys.add("empty", GgufValue(std::string_view()));  // left out
  const std::vector<TensorToWrite> tensors{
      counting("f32", DType::f32, {3, 5}), counting("bf16", DType::bf16, {7}),
      counting("q8_0", DType::q8_0, {3, 64}), counting("q4_k", DType::q4_k, {2, 256}),
      counting("last", DType::f16, {1})};
  write_gguf(folder / "x.gguf", keys, tensors);

  const GgufFile file(folder / "x.gguf");
  EXPECT_EQ(file.keys().all().size(), 6U);
  EXPECT_EQ(file.keys().at<std::string_view>("general.architecture"), "llama");
  EXPECT_EQ(file.keys().at<std::uint32_t>("count"), 7);
  EXPECT_EQ(file.keys().at<float>("small"), 1e-5F);
  EXPECT_TRUE(file.keys().at<bool>("yes"));
  EXPECT_EQ(*file.keys().strings("words"), (std::vector<std::string_view>{"one", "", "three"}));
  EXPECT_EQ(*file.keys().numbers<std::int32_t>("numbers"), (std::vector<std::int32_t>{-1, 2}));
  ASSERT_EQ(file.order().size(), tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    EXPECT_EQ(file.order()[i], tensors[i].name);
    const SourceTensor& tensor = *file.find(tensors[i].name);
    EXPECT_EQ(tensor.dtype, tensors[i].dtype);
    EXPECT_EQ(tensor.shape, tensors[i].shape);
    ASSERT_EQ(tensor.bytes, tensors[i].bytes());
    for (std::size_t k = 0; k < tensor.bytes; ++k) EXPECT_EQ(tensor.data[k], static_cast<std::byte>(k));
  }
  EXPECT_EQ(std::filesystem::file_size(folder / "x.gguf") % 32, 0U);
  EXPECT_EQ(test::count_of_entries(folder.path()), 1U);
}

TEST(GgufWriter, WritesEveryTypeWithItsBytes) {
  const TemporaryFolder folder;
  std::vector<TensorToWrite> tensors;
  for (std::uint32_t type = 0; type < 64; ++type) {
    const auto dtype = dtype_of_gguf(type);
    if (!dtype) continue;
    EXPECT_EQ(gguf_type_of(*dtype), type);
    tensors.push_back(counting(std::string(name_of(*dtype)), *dtype, {2, 256}));
  }
  EXPECT_EQ(tensors.size(), 18U);
  write_gguf(folder / "x.gguf", {}, tensors);
  const GgufFile file(folder / "x.gguf");
  for (const TensorToWrite& tensor : tensors) {
    EXPECT_EQ(file.find(tensor.name)->dtype, tensor.dtype);
    EXPECT_EQ(file.find(tensor.name)->bytes, static_cast<std::size_t>(bytes_of(tensor.dtype, 512)));
  }
}

TEST(GgufWriter, WritesNoPaddingWithoutTensors) {
  const TemporaryFolder folder;
  GgufMetadata keys;
  keys.add("a", GgufValue(std::uint8_t{1}));
  write_gguf(folder / "x.gguf", keys, {});
  EXPECT_EQ(std::filesystem::file_size(folder / "x.gguf"), 24U + 8 + 1 + 4 + 1);
  EXPECT_EQ(GgufFile(folder / "x.gguf").keys().at<std::uint8_t>("a"), 1);
}

TEST(GgufWriter, RefusesWhatReadersRefuse) {
  const TemporaryFolder folder;
  const auto refusal = [&](const std::vector<TensorToWrite>& tensors) {
    return error_of([&] { write_gguf(folder / "x.gguf", {}, tensors); });
  };
  const auto one = [](std::string name, DType dtype, std::vector<std::int64_t> shape) {
    return std::vector<TensorToWrite>{counting(name, dtype, std::move(shape))};
  };
  expect_contains(refusal(one("", DType::f32, {1})), "tensor '' has a name of 0 bytes");
  expect_contains(refusal(one(std::string(64, 'a'), DType::f32, {1})), "has a name of 64 bytes");
  expect_contains(refusal({counting("a", DType::f32, {1}), counting("a", DType::f32, {1})}),
                  "tensor 'a' is there twice");
  expect_contains(refusal(one("a", DType::f32, {1, 1, 1, 1, 1})), "tensor 'a' has 5 dimensions");
  expect_contains(refusal(one("a", DType::f32, {0, 2})), "tensor 'a' has a dimension below 1");
  expect_contains(refusal(one("a", DType::q4_0, {2, 48})), "rows of 48 values are not whole blocks of 32");
  expect_contains(refusal(one("a", DType::f32, {1LL << 40, 1LL << 40})), "too large shape");
  EXPECT_EQ(test::count_of_entries(folder.path()), 0U);
}

TEST(GgufWriter, LeavesNothingAndKeepsTheOldFileWhereATensorFails) {
  const TemporaryFolder folder;
  test::put_file(folder / "x.gguf", "old");
  const TensorToWrite bad{"b", DType::f32, {2}, [](std::span<std::byte>) { throw Error("no values"); }};
  EXPECT_THROW(write_gguf(folder / "x.gguf", {}, {counting("a", DType::f32, {2}), bad}), Error);
  EXPECT_EQ(get_file(folder / "x.gguf"), "old");
  EXPECT_EQ(test::count_of_entries(folder.path()), 1U);
}

}  // namespace
}  // namespace cola
