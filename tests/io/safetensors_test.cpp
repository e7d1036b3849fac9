#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <random>
#include <set>

#include "io/io_test_support.h"
#include "io/safetensors_writer.h"
#include "io/tensor_source.h"
#include "support/unprivileged.h"

namespace cola {
namespace {

using test::error_of;
using test::expect_contains;
using test::get_file;
using test::put_file;
using test::TemporaryFolder;

std::string safetensors(const std::string& header, const std::string& data) {
  return test::little_endian(header.size(), 8) + header + data;
}

/// Writes the file and returns the error of opening it.
std::string refusal(const std::string& bytes) {
  const TemporaryFolder folder;
  put_file(folder / "x.safetensors", bytes);
  const std::string error = error_of([&] { static_cast<void>(open_safetensors(folder / "x.safetensors")); });
  expect_contains(error, "x.safetensors");
  return error;
}

std::vector<float> floats_of(const SourceTensor& tensor) {
  std::vector<float> values(static_cast<std::size_t>(tensor.size()));
  read_as_f32(tensor, values);
  return values;
}

TensorToWrite tensor_of_bytes(const std::string& name, DType dtype, std::vector<std::int64_t> shape,
                              const std::string& bytes) {
  return {name, dtype, std::move(shape), [bytes](std::span<std::byte> buffer) {
            ASSERT_EQ(buffer.size(), bytes.size());
            std::memcpy(buffer.data(), bytes.data(), bytes.size());
          }};
}

TEST(Safetensors, RoundTripKeepsBytesShapesAndDtypes) {
  const TemporaryFolder folder;
  const auto file = folder / "model.safetensors";
  const std::vector<float> values{1.5F, -2.0F, 0.0F, 3.25F, 1e30F, -1e-30F};
  const std::vector<BFloat16> brains{BFloat16(1.5F), BFloat16(-3.0F), BFloat16(256.0F)};
  const std::vector<Float16> halves{Float16(0.5F), Float16(-65504.0F)};
  const std::vector<std::int64_t> longs{-100, std::int64_t{1} << 40};
  const std::vector<std::int32_t> ints{-7};
  write_safetensors(file,
                    {tensor_of_floats("z", {2, 3}, values),
                     tensor_of_bytes("bf", DType::bf16, {3, 1}, test::bytes_of_values(brains)),
                     tensor_of_bytes("half", DType::f16, {2}, test::bytes_of_values(halves)),
                     tensor_of_bytes("long", DType::i64, {2}, test::bytes_of_values(longs)),
                     tensor_of_bytes("int", DType::i32, {}, test::bytes_of_values(ints)),
                     tensor_of_floats("empty", {0, 5}, {})},
                    {{"purpose", "test \" \xc3\xa9"}});

  const auto source = open_safetensors(file);
  const auto& tensors = source->tensors();
  ASSERT_EQ(tensors.size(), 6U);
  EXPECT_EQ(tensors.at("z").shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(floats_of(tensors.at("z")), values);
  EXPECT_EQ(tensors.at("bf").dtype, DType::bf16);
  EXPECT_EQ(floats_of(tensors.at("bf")), (std::vector<float>{1.5F, -3.0F, 256.0F}));
  EXPECT_EQ(floats_of(tensors.at("half")), (std::vector<float>{0.5F, -65504.0F}));
  EXPECT_EQ(tensors.at("long").dtype, DType::i64);
  ASSERT_EQ(tensors.at("long").bytes, 16U);
  EXPECT_EQ(std::memcmp(tensors.at("long").data, longs.data(), 16), 0);
  EXPECT_EQ(tensors.at("int").size(), 1);
  EXPECT_TRUE(tensors.at("int").shape.empty());
  EXPECT_EQ(tensors.at("empty").size(), 0);
  EXPECT_EQ(tensors.at("empty").shape, (std::vector<std::int64_t>{0, 5}));

  const std::string bytes = get_file(file);
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  EXPECT_EQ(length % 8, 0U);
  const std::string header = bytes.substr(8, length);
  expect_contains(header, R"("__metadata__":{"format":"pt","purpose":"test \" )");
  EXPECT_LT(header.find("\"z\""), header.find("\"bf\""));  // the order given, not the alphabet's
  EXPECT_LT(header.find("\"half\""), header.find("\"empty\""));
}

TEST(Safetensors, UnalignedDataAndPaddedHeaderAreRead) {
  const TemporaryFolder folder;
  const std::vector<float> values{1.0F, -2.5F};
  put_file(folder / "x.safetensors",
           safetensors(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}   )",
                       test::bytes_of_values(values)));
  const auto source = open_safetensors(folder / "x.safetensors");
  EXPECT_NE(reinterpret_cast<std::uintptr_t>(source->tensors().at("a").data) % 4, 0U);
  EXPECT_EQ(floats_of(source->tensors().at("a")), values);
}

TEST(Safetensors, ReadAsF32RefusesIntegersAndWrongSizes) {
  const SourceTensor integers{DType::i64, {1}, nullptr, 8, "file"};
  std::vector<float> one(1);
  expect_contains(error_of([&] { read_as_f32(integers, one); }), "i64");
  const SourceTensor two{DType::f32, {2}, nullptr, 8, "file"};
  expect_contains(error_of([&] { read_as_f32(two, one); }), "2 elements");
}

TEST(Safetensors, TruncatedFilesSayHowMuchIsThere) {
  const std::string whole =
      safetensors(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", std::string(8, '\0'));
  const std::string data_cut = refusal(whole.substr(0, whole.size() - 3));
  expect_contains(data_cut, "truncated or still downloading");
  expect_contains(data_cut, "has " + std::to_string(whole.size() - 3) + " bytes");
  expect_contains(data_cut, "says " + std::to_string(whole.size()));
  expect_contains(refusal(whole.substr(0, 20)), "truncated or still downloading");
  expect_contains(refusal(whole.substr(0, 5)), "truncated or still downloading");
  expect_contains(refusal(""), "truncated or still downloading");
  expect_contains(refusal(whole + "x"), "damaged");
}

TEST(Safetensors, HugeHeaderIsRefusedWithoutReadingIt) {
  expect_contains(refusal(test::little_endian(std::uint64_t{1} << 60, 8) + "{}"), "1152921504606846976");
  expect_contains(refusal(test::little_endian(~std::uint64_t{0}, 8) + "{}"), "claims");
  expect_contains(refusal(test::little_endian(99'999'999, 8) + "{}"), "truncated");
}

TEST(Safetensors, GitLfsPointerHasItsOwnMessage) {
  expect_contains(refusal("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"),
                  "git lfs pull");
}

TEST(Safetensors, WhatIsNotAFileIsRefused) {
  const TemporaryFolder folder;
  expect_contains(error_of([&] { static_cast<void>(open_safetensors(folder / "none")); }), "No such file");
  expect_contains(error_of([&] { static_cast<void>(open_safetensors(folder.path())); }),
                  "not a regular file");
}

struct BadHeader {
  std::string header;
  std::size_t data_bytes;
  std::string expected;
};

TEST(Safetensors, BadHeadersAreRefused) {
  const std::vector<BadHeader> cases{
      {"[]", 0, "must be a JSON object"},
      {"{", 0, "not valid JSON"},
      {std::string("{\"a\0\":1}", 8), 0, "not valid JSON"},
      {R"({"a":3})", 0, "tensor 'a'"},
      {R"({"a":{"shape":[1],"data_offsets":[0,4]}})", 4, "'dtype' is missing"},
      {R"({"a":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}})", 1, "tensor 'a' has dtype BOOL"},
      {R"({"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}})", 8, "tensor 'a' has dtype F64"},
      {R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4, "none negative"},
      {R"({"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}})", 4, "'shape'"},
      {R"({"a":{"dtype":"F32","shape":1,"data_offsets":[0,4]}})", 4, "'shape'"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4, "begin, end"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", 4, "begin, end"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,18446744073709551615]}})", 4, "'data_offsets'"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4, "do not match its shape"},
      {R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}})", 0,
       "do not match its shape"},
      {R"({"a":{"dtype":"F32","shape":[2305843009213693952],"data_offsets":[0,0]}})", 0,
       "do not match its shape"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}})",
       6, "overlaps"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
       4, "overlaps"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8, "bytes of no tensor"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
       8, "'a' occurs twice"},
      {R"({"a":{"dtype":"F32","shape":[0],"shape":[1],"data_offsets":[0,4]}})", 4, "'shape' occurs twice"},
      {std::string(200000, '['), 0, "nested deeper"},
  };
  for (const BadHeader& bad : cases) {
    SCOPED_TRACE(bad.header.substr(0, 120));
    expect_contains(refusal(safetensors(bad.header, std::string(bad.data_bytes, '\0'))), bad.expected);
  }
}

TEST(Safetensors, NamesInMessagesCannotControlTheTerminal) {
  const std::string error = refusal(safetensors(R"({"a\u001b[2J":3})", ""));
  EXPECT_EQ(error.find('\x1b'), std::string::npos);
}

TEST(Safetensors, MetadataMayHoldAnything) {
  const TemporaryFolder folder;
  put_file(folder / "x.safetensors", safetensors(R"({"__metadata__":{"format":"pt","n":"3"}})", ""));
  EXPECT_TRUE(open_safetensors(folder / "x.safetensors")->tensors().empty());
}

TEST(Safetensors, DamagedFilesLoadOrThrowErrors) {
  const TemporaryFolder folder;
  const auto file = folder / "x.safetensors";
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  write_safetensors(file, {tensor_of_floats("first", {2, 2}, std::span(values).first(4)),
                           tensor_of_floats("second", {2}, std::span(values).last(2))});
  const std::string whole = get_file(file);
  std::size_t loaded = 0;
  std::size_t refused = 0;
  const auto attempt = [&](const std::string& bytes) {
    put_file(file, bytes);
    try {
      const auto source = open_safetensors(file);
      for (const auto& [name, tensor] : source->tensors()) {
        if (tensor.dtype == DType::i64 || tensor.dtype == DType::i32) continue;
        static_cast<void>(floats_of(tensor));
      }
      ++loaded;
    } catch (const Error&) {
      ++refused;
    }
  };
  for (std::size_t length = 0; length < whole.size(); ++length) attempt(whole.substr(0, length));
  EXPECT_EQ(refused, whole.size());  // no proper prefix is a whole file
  std::mt19937 random(1);
  for (int i = 0; i < 2000; ++i) {
    std::string bytes = whole;
    for (unsigned flips = random() % 3 + 1; flips-- > 0;)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    attempt(bytes);
  }
  EXPECT_GT(loaded, 0U);
}

TEST(SafetensorsWriter, RefusesWhatCannotBeRead) {
  const TemporaryFolder folder;
  const auto file = folder / "x.safetensors";
  const std::vector<float> one{1.0F};
  const auto tensor = tensor_of_floats("a", {1}, one);
  expect_contains(error_of([&] { write_safetensors(file, {tensor, tensor}); }), "two tensors");
  expect_contains(error_of([&] { write_safetensors(file, {tensor_of_floats("__metadata__", {1}, one)}); }),
                  "two");
  expect_contains(error_of([&] { write_safetensors(file, {tensor_of_floats("\xff", {1}, one)}); }), "UTF-8");
  expect_contains(error_of([&] { static_cast<void>(tensor_of_floats("a", {2}, one)); }), "do not match");
  expect_contains(error_of([&] { static_cast<void>(tensor_of_floats("a", {-1, -1}, one)); }), "negative");
  EXPECT_EQ(test::count_of_entries(folder.path()), 0U);
}

TEST(SafetensorsWriter, FailureLeavesTheOldFileAndNothingElse) {
  const TemporaryFolder folder;
  const auto file = folder / "x.safetensors";
  put_file(file, "old");
  TensorToWrite tensor{"a", DType::f32, {4}, [](std::span<std::byte>) { throw Error("no values"); }};
  expect_contains(error_of([&] { write_safetensors(file, {tensor}); }), "no values");
  EXPECT_EQ(get_file(file), "old");
  EXPECT_EQ(test::count_of_entries(folder.path()), 1U);
}

TEST(SafetensorsWriter, FullDiskIsAnError) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full";
  const std::vector<float> one{1.0F};
  expect_contains(error_of([&] { write_safetensors("/dev/full", {tensor_of_floats("a", {1}, one)}); }),
                  "No space");
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/full"));  // not replaced, not removed
}

TEST(SafetensorsWriter, FileSizeLimitRemovesThePartialFile) {
  const TemporaryFolder folder;
  const std::vector<float> values(1 << 16, 1.0F);
  struct rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  struct rlimit small = before;
  small.rlim_cur = 4096;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string error = error_of(
      [&] { write_safetensors(folder / "x.safetensors", {tensor_of_floats("a", {1 << 16}, values)}); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  static_cast<void>(std::signal(SIGXFSZ, old_handler));
  expect_contains(error, "cannot write");
  EXPECT_EQ(test::count_of_entries(folder.path()), 0U);
}

TEST(SafetensorsWriter, ReadOnlyFolderIsAnError) {
  const TemporaryFolder folder;
  std::filesystem::permissions(folder.path(), std::filesystem::perms{0555});
  const test::Unprivileged user;
  expect_contains(error_of([&] { write_safetensors(folder / "x.safetensors", {}); }), "Permission denied");
}

TEST(Safetensors, RealFilesOfTheTestDataOpen) {
  const char* data = std::getenv("COLA_TEST_DATA");
  if (data == nullptr) GTEST_SKIP() << "COLA_TEST_DATA is not set";
  std::size_t files = 0;
  for (const char* part : {"parity", "models"}) {
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(std::filesystem::path(data) / part)) {
      if (entry.path().extension() != ".safetensors") continue;
      SCOPED_TRACE(entry.path().string());
      const auto source = open_safetensors(entry.path());
      EXPECT_FALSE(source->tensors().empty());
      for (const auto& [name, tensor] : source->tensors()) {
        if (tensor.dtype == DType::i64) continue;
        for (const float value : floats_of(tensor)) ASSERT_TRUE(value > -1e6F && value < 1e6F) << name;
      }
      ++files;
    }
  }
  EXPECT_GE(files, 10U);
}

}  // namespace
}  // namespace cola
