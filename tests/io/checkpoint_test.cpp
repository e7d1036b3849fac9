#include <cstdlib>

#include "io/files.h"
#include "io/io_test_support.h"
#include "io/json.h"
#include "io/safetensors_writer.h"
#include "io/tensor_source.h"

namespace cola {
namespace {

using test::error_of;
using test::expect_contains;
using test::put_file;
using test::TemporaryFolder;

std::vector<float> floats_of(const SourceTensor& tensor) {
  std::vector<float> values(static_cast<std::size_t>(tensor.size()));
  read_as_f32(tensor, values);
  return values;
}

std::string refusal(const std::filesystem::path& folder) {
  return error_of([&] { static_cast<void>(open_checkpoint(folder)); });
}

TEST(Checkpoint, ShardsAreSplitInOrderAndReadBack) {
  const TemporaryFolder folder;
  const std::vector<float> values{0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  const auto part = [&](std::size_t begin, std::size_t count) {
    return std::span(values).subspan(begin, count);
  };
  // 8 + 8 bytes fit 16; 4 bytes do not fit any more; 20 bytes fit nowhere and are alone.
  write_checkpoint(folder.path(),
                   {tensor_of_floats("d", {2}, part(0, 2)), tensor_of_floats("c", {2}, part(2, 2)),
                    tensor_of_floats("b", {1}, part(4, 1)), tensor_of_floats("a", {5}, part(5, 5))},
                   16);
  const Json index = read_json_file(folder / "model.safetensors.index.json");
  EXPECT_EQ(index["metadata"]["total_size"], 40);
  EXPECT_EQ(index["weight_map"]["d"], "model-00001-of-00003.safetensors");
  EXPECT_EQ(index["weight_map"]["c"], "model-00001-of-00003.safetensors");
  EXPECT_EQ(index["weight_map"]["b"], "model-00002-of-00003.safetensors");
  EXPECT_EQ(index["weight_map"]["a"], "model-00003-of-00003.safetensors");
  EXPECT_EQ(test::count_of_entries(folder.path()), 4U);

  const auto source = open_checkpoint(folder.path());
  ASSERT_EQ(source->tensors().size(), 4U);
  EXPECT_EQ(floats_of(source->tensors().at("a")), (std::vector<float>{5, 6, 7, 8, 9}));
  EXPECT_EQ(floats_of(source->tensors().at("c")), (std::vector<float>{2, 3}));
}

TEST(Checkpoint, SmallOneIsASingleFile) {
  const TemporaryFolder folder;
  const std::vector<float> values{1, 2};
  write_checkpoint(folder.path(), {tensor_of_floats("a", {2}, values)}, 8);
  EXPECT_TRUE(std::filesystem::exists(folder / "model.safetensors"));
  EXPECT_EQ(test::count_of_entries(folder.path()), 1U);
  EXPECT_EQ(floats_of(open_checkpoint(folder.path())->tensors().at("a")), values);
}

TEST(Checkpoint, ShardsBesideASingleFileAreRefused) {
  const TemporaryFolder folder;
  const std::vector<float> values{1, 2};
  const auto a = tensor_of_floats("a", {2}, values);
  const auto b = tensor_of_floats("b", {2}, values);
  write_checkpoint(folder.path(), {a}, 8);
  expect_contains(error_of([&] { write_checkpoint(folder.path(), {a, b}, 8); }), "would be read instead");
  expect_contains(error_of([&] { write_checkpoint(folder.path(), {a, b}, 0); }), "holds nothing");
}

TEST(Checkpoint, FailedShardsAreRemoved) {
  const TemporaryFolder folder;
  const std::vector<float> values{1, 2};
  const auto a = tensor_of_floats("a", {2}, values);
  const TensorToWrite bad{"b", DType::f32, {2}, [](std::span<std::byte>) { throw Error("no values"); }};
  expect_contains(error_of([&] { write_checkpoint(folder.path(), {a, bad}, 8); }), "no values");
  EXPECT_EQ(test::count_of_entries(folder.path()), 0U);
  expect_contains(error_of([&] { write_checkpoint(folder.path(), {a, a}, 8); }), "two tensors");
  EXPECT_EQ(test::count_of_entries(folder.path()), 0U);
}

TEST(Checkpoint, PrecedenceIsSafetensorsIndexBin) {
  const TemporaryFolder folder;
  expect_contains(refusal(folder.path()), "no weights in");
  expect_contains(refusal(folder / "missing"), "there is no folder");
  // Each file is broken in its own way: the message tells which one was opened.
  put_file(folder / "pytorch_model.bin.index.json", "bin index");
  expect_contains(refusal(folder.path()), "pytorch_model.bin.index.json");
  put_file(folder / "pytorch_model.bin", "bin");
  expect_contains(refusal(folder.path()), "pytorch_model.bin is not a PyTorch file");
  put_file(folder / "model.safetensors.index.json", "index");
  expect_contains(refusal(folder.path()), "model.safetensors.index.json: not valid JSON");
  put_file(folder / "model.safetensors", "");
  expect_contains(refusal(folder.path()), "model.safetensors is truncated");
}

TEST(Checkpoint, BadIndexesAreRefused) {
  const TemporaryFolder folder;
  const std::vector<float> values{1, 2};
  write_safetensors(folder / "one.safetensors", {tensor_of_floats("a", {2}, values)});
  const std::vector<std::pair<std::string, std::string>> cases{
      {R"([])", "must be a JSON object"},
      {R"({})", "'weight_map' is missing"},
      {R"({"weight_map":[]})", "'weight_map' must map"},
      {R"({"weight_map":{}})", "'weight_map' must map"},
      {R"({"weight_map":{"a":3}})", "'weight_map' must map"},
      {R"({"weight_map":{"a":"../one.safetensors"}})", "not the name of a file"},
      {R"({"weight_map":{"a":"/one.safetensors"}})", "not the name of a file"},
      {R"({"weight_map":{"a":".."}})", "not the name of a file"},
      {R"({"weight_map":{"a":""}})", "not the name of a file"},
      {R"({"weight_map":{"a":"one.safetensors\u0000x"}})", "not the name of a file"},
      {R"({"weight_map":{"a":"one.safetensors","b":"two.safetensors"}})", "two.safetensors is missing"},
      {R"({"weight_map":{"a":")" + std::string(5000, 'x') + R"("}})", "is missing"},
      {R"({"weight_map":{"b":"one.safetensors"}})", "tensor 'b' is not in one.safetensors"},
  };
  for (const auto& [index, expected] : cases) {
    SCOPED_TRACE(index.substr(0, 100));
    put_file(folder / "model.safetensors.index.json", index);
    expect_contains(refusal(folder.path()), expected);
  }
  put_file(folder / "model.safetensors.index.json", R"({"weight_map":{"a":"one.safetensors"}})");
  EXPECT_EQ(floats_of(open_checkpoint(folder.path())->tensors().at("a")), values);
}

TEST(Checkpoint, RealModelsOpen) {
  const char* data = std::getenv("COLA_TEST_DATA");
  if (data == nullptr) GTEST_SKIP() << "COLA_TEST_DATA is not set";
  const std::filesystem::path root(data);
  const auto opt = open_checkpoint(root / "parity/opt_tiny");
  EXPECT_EQ(opt->tensors().at("model.decoder.embed_positions.weight").shape,
            (std::vector<std::int64_t>{130, 64}));
  const auto llama = open_checkpoint(root / "parity/llama_tiny");
  EXPECT_EQ(llama->tensors().at("model.layers.0.mlp.gate_proj.weight").shape,
            (std::vector<std::int64_t>{176, 64}));
  for (const auto& entry : std::filesystem::directory_iterator(root / "models")) {
    if (!entry.is_directory()) continue;
    EXPECT_GT(open_checkpoint(entry.path())->tensors().size(), 10U);
  }
}

}  // namespace
}  // namespace cola
