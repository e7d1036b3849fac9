#include "io/gguf/gguf_file.h"

#include <fmt/format.h>

#include "io/gguf_bytes.h"
#include "io/io_test_support.h"

namespace cola {
namespace {

using test::error_of;
using test::expect_contains;
using test::gguf_key;
using test::gguf_string;
using test::gguf_tensor;
using test::GgufBytes;
using test::little_endian;
using test::put_file;
using test::TemporaryFolder;

std::span<const std::byte> as_bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

/// A key of each type, an array of numbers and one of strings; a matrix, a vector and a number without
/// dimensions.
GgufBytes sound_file() {
  GgufBytes file;
  file.keys = {
      gguf_key("u8", 0, little_endian(200, 1)),
      gguf_key("i8", 1, little_endian(0xff, 1)),
      gguf_key("u16", 2, little_endian(60000, 2)),
      gguf_key("i16", 3, little_endian(0xfffe, 2)),
      gguf_key("u32", 4, little_endian(4000000000, 4)),
      gguf_key("i32", 5, little_endian(0xfffffffd, 4)),
      gguf_key("f32", 6, little_endian(0x3fc00000, 4)),
      gguf_key("bool", 7, little_endian(1, 1)),
      gguf_key("str", 8, gguf_string("text")),
      gguf_key(
          "numbers", 9,
          little_endian(5, 4) + little_endian(2, 8) + little_endian(7, 4) + little_endian(0xffffffff, 4)),
      gguf_key("words", 9, little_endian(8, 4) + little_endian(2, 8) + gguf_string("one") + gguf_string("")),
      gguf_key("u64", 10, little_endian(1ULL << 40, 8)),
      gguf_key("i64", 11, little_endian(~0ULL, 8)),
      gguf_key("f64", 12, little_endian(0x3ff8000000000000, 8))};
  file.tensors = {gguf_tensor({"m.weight", {2, 3}, 0, 0}), gguf_tensor({"v.bias", {2}, 1, 32}),
                  gguf_tensor({"n", {}, 0, 64})};
  file.data = test::bytes_of_values<float>({1, 2, 3, 4, 5, 6}) + std::string(8, '\0') +
              little_endian(0x3c00, 2) + little_endian(0xc000, 2) + std::string(28, '\0') +
              test::bytes_of_values<float>({7});
  return file;
}

TEST(GgufFile, GivesKeysOfEachType) {
  const std::string bytes = sound_file().bytes();
  const GgufFile file(as_bytes(bytes), "x.gguf");
  const GgufKeys& keys = file.keys();
  EXPECT_EQ(keys.at<std::uint8_t>("u8"), 200);
  EXPECT_EQ(keys.at<std::int8_t>("i8"), -1);
  EXPECT_EQ(keys.at<std::uint16_t>("u16"), 60000);
  EXPECT_EQ(keys.at<std::int16_t>("i16"), -2);
  EXPECT_EQ(keys.at<std::uint32_t>("u32"), 4000000000);
  EXPECT_EQ(keys.at<std::int32_t>("i32"), -3);
  EXPECT_EQ(keys.at<float>("f32"), 1.5F);
  EXPECT_TRUE(keys.at<bool>("bool"));
  EXPECT_EQ(keys.at<std::string_view>("str"), "text");
  EXPECT_EQ(*keys.numbers<std::int32_t>("numbers"), (std::vector<std::int32_t>{7, -1}));
  EXPECT_EQ(*keys.strings("words"), (std::vector<std::string_view>{"one", ""}));
  EXPECT_EQ(keys.at<std::uint64_t>("u64"), 1ULL << 40);
  EXPECT_EQ(keys.at<std::int64_t>("i64"), -1);
  EXPECT_EQ(keys.at<double>("f64"), 1.5);
  EXPECT_EQ(keys.get<std::uint32_t>("none", 5), 5);
  expect_contains(error_of([&] { static_cast<void>(keys.at<std::uint32_t>("u64")); }),
                  "x.gguf: key 'u64' has type u64 where u32 is expected");
  expect_contains(error_of([&] { static_cast<void>(keys.at<bool>("none")); }), "key 'none' is missing");
  expect_contains(error_of([&] { static_cast<void>(keys.numbers<float>("numbers")); }),
                  "key 'numbers' has type i32 where f32 is expected");
}

TEST(GgufFile, GivesTensorsWithPyTorchsShapesInTheFilesOrder) {
  const std::string bytes = sound_file().bytes();
  const GgufFile file(as_bytes(bytes), "x.gguf");
  EXPECT_EQ(file.order(), (std::vector<std::string>{"m.weight", "v.bias", "n"}));
  ASSERT_NE(file.find("m.weight"), nullptr);
  EXPECT_EQ(file.find("m.weight")->shape, (std::vector<std::int64_t>{3, 2}));
  EXPECT_EQ(file.find("v.bias")->dtype, DType::f16);
  EXPECT_TRUE(file.find("n")->shape.empty());
  std::vector<float> values(6);
  read_as_f32(*file.find("m.weight"), values);
  EXPECT_EQ(values, (std::vector<float>{1, 2, 3, 4, 5, 6}));
  values.resize(2);
  read_as_f32(*file.find("v.bias"), values);
  EXPECT_EQ(values, (std::vector<float>{1, -2}));
  EXPECT_EQ(file.find("none"), nullptr);
}

TEST(GgufFile, IgnoresTrailingBytes) {
  const std::string bytes = sound_file().bytes() + "more";
  EXPECT_EQ(GgufFile(as_bytes(bytes), "x.gguf").tensors().size(), 3U);
}

/// The last tensor ends where the file does: nothing of it can be missing.
TEST(GgufFile, RefusesAFileThatIsCutAnywhere) {
  const std::string bytes = sound_file().bytes();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    // A copy of its own size, so that sanitizers see a read beyond it.
    const std::vector<char> cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    const std::string error =
        error_of([&] { static_cast<void>(GgufFile(std::as_bytes(std::span(cut)), "x.gguf")); });
    expect_contains(error, "x.gguf: ");
    EXPECT_EQ(error.find('\n'), std::string::npos);
  }
}

struct Refusal {
  std::string name;
  GgufBytes file;
  std::string message;
};
void PrintTo(const Refusal& refusal, std::ostream* stream) { *stream << refusal.name; }

GgufBytes with_key(std::string key) {
  GgufBytes file;
  file.keys = {std::move(key)};
  return file;
}

GgufBytes with_tensors(std::vector<test::GgufTensorBytes> tensors, std::size_t data = 256) {
  GgufBytes file;
  for (const auto& tensor : tensors) file.tensors.push_back(gguf_tensor(tensor));
  file.data = std::string(data, '\0');
  return file;
}

GgufBytes with_version(std::uint32_t version) {
  GgufBytes file;
  file.version = version;
  return file;
}

GgufBytes counting(std::int64_t keys, std::int64_t tensors) {
  GgufBytes file;
  file.more_keys = keys;
  file.more_tensors = tensors;
  return file;
}

std::vector<Refusal> refusals() {
  constexpr std::uint64_t huge = 1ULL << 60;
  constexpr std::int64_t large = std::int64_t{1} << 40;
  GgufBytes other_magic;
  other_magic.magic = "GGML";
  GgufBytes key_twice = with_key(gguf_key("a.key", 0, "x"));
  key_twice.keys.push_back(key_twice.keys.front());
  GgufBytes alignment = with_key(gguf_key("general.alignment", 4, little_endian(48, 4)));
  GgufBytes no_alignment = with_key(gguf_key("general.alignment", 4, little_endian(0, 4)));
  GgufBytes odd_alignment = with_key(gguf_key("general.alignment", 10, little_endian(32, 8)));
  const auto array = [](std::uint32_t type, std::uint64_t count, const std::string& elements) {
    return with_key(gguf_key("a.key", 9, little_endian(type, 4) + little_endian(count, 8) + elements));
  };
  return {
      {"Magic", other_magic, "it is not a GGUF file"},
      {"Version1", with_version(1), "GGUF version 1 is not supported"},
      {"Version4", with_version(4), "GGUF version 4 is not supported"},
      {"BigEndian", with_version(0x03000000), "it is big-endian, which is not supported"},
      {"ManyKeys", counting(large, 0), "it claims 1099511627776 keys, more than 4096"},
      {"NegativeKeys", counting(-1, 0), "it claims 18446744073709551615 keys"},
      {"MoreKeysThanThereAre", counting(1, 0), "it ends inside the name of a key"},
      {"ManyTensors", counting(0, large), "it claims 1099511627776 tensors, for which it has no room"},
      {"NegativeTensors", counting(0, -1), "tensors, for which it has no room"},
      {"LongKeyName", with_key(little_endian(huge, 8)), "the name of a key: a string of 1152921504606846976"},
      {"EmptyKeyName", with_key(gguf_key("", 0, "x")), "a key without a name"},
      {"LongString", with_key(gguf_key("a.key", 8, little_endian(huge, 8))),
       "key 'a.key': a string of 1152921504606846976 bytes ends outside the file"},
      {"UnknownType", with_key(gguf_key("a.key", 13, "xxxxxxxx")), "key 'a.key' has the unknown type 13"},
      {"KeyTwice", key_twice, "key 'a.key' occurs twice"},
      {"NestedArray", array(9, 1, std::string(32, '\0')), "key 'a.key' is an array of type 9"},
      {"ArrayOfUnknownType", array(13, 1, "xxxxxxxx"), "key 'a.key' is an array of type 13"},
      {"LongArray", array(4, huge, ""), "key 'a.key' has 1152921504606846976 elements, more than 2^30"},
      {"LongArrayOfStrings", array(8, 1U << 30U, ""), "it ends inside key 'a.key'"},
      {"ArrayBeyondTheFile", array(12, 1U << 30U, ""), "it ends inside key 'a.key'"},
      {"LongStringInArray", array(8, 1, little_endian(huge, 8)),
       "key 'a.key': a string of 1152921504606846976 bytes ends outside the file"},
      {"Alignment48", alignment, "general.alignment is 48, which is no power of two"},
      {"Alignment0", no_alignment, "general.alignment is 0, which is no power of two"},
      {"AlignmentOfOtherType", odd_alignment, "key 'general.alignment' has type u64 where u32 is expected"},
      {"EmptyTensorName", with_tensors({{""}}), "tensor '': a name has 1 to 63 bytes"},
      {"LongTensorName", with_tensors({{std::string(64, 'a')}}), "a name has 1 to 63 bytes"},
      {"HugeTensorName",
       [] {
         GgufBytes file = counting(0, 1);
         file.data = little_endian(huge, 8) + std::string(64, '\0');
         return file;
       }(),
       "the name of a tensor: a string of 1152921504606846976 bytes ends outside the file"},
      {"TensorTwice", with_tensors({{}, {"a.weight", {8}, 0, 32}}), "tensor 'a.weight' occurs twice"},
      {"FiveDimensions", with_tensors({{"a.weight", {1, 1, 1, 1, 1}}}),
       "tensor 'a.weight' has 5 dimensions, more than 4"},
      {"NegativeDimension", with_tensors({{"a.weight", {8, -1}}}), "tensor 'a.weight' has a dimension of -1"},
      {"EmptyDimension", with_tensors({{"a.weight", {8, 0}}}), "tensor 'a.weight' has a dimension of 0"},
      {"TooManyElements", with_tensors({{"a.weight", {large, large}}}),
       "tensor 'a.weight': its size is more than 2^63"},
      {"TooManyBytes", with_tensors({{"a.weight", {std::int64_t{1} << 62}}}),
       "tensor 'a.weight': its size is more than 2^63"},
      {"PartOfABlock", with_tensors({{"a.weight", {48}, 8}}),
       "tensor 'a.weight': its rows of 48 values are not whole blocks of 32 (q8_0)"},
      {"PartOfASuperBlock", with_tensors({{"a.weight", {128}, 12}}),
       "tensor 'a.weight': its rows of 128 values are not whole blocks of 256 (q4_k)"},
      {"NumberInABlock", with_tensors({{"a.weight", {}, 8}}), "its rows of 1 values are not whole blocks"},
      {"NVFP4", with_tensors({{"a.weight", {64}, 40}}),
       "tensor 'a.weight' has the type NVFP4, which is not supported"},
      {"RemovedType", with_tensors({{"a.weight", {32}, 5}}), "tensor 'a.weight' has the type number 5"},
      {"TypeBeyondAll", with_tensors({{"a.weight", {32}, 0xffffffff}}), "has the type number 4294967295"},
      {"Gap", with_tensors({{}, {"b.weight", {8}, 0, 64}}),
       "tensor 'b.weight' has offset 64 where 32 is expected"},
      {"Overlap", with_tensors({{}, {"b.weight", {8}, 0, 0}}),
       "tensor 'b.weight' has offset 0 where 32 is expected"},
      {"NotAtTheBeginning", with_tensors({{"a.weight", {8}, 0, 32}}),
       "tensor 'a.weight' has offset 32 where 0 is expected"},
      {"OffsetOutside", with_tensors({{"a.weight", {8}, 0, huge}}),
       "tensor 'a.weight' begins at 1152921504606846976, outside the file"},
      {"OffsetAboveInt64", with_tensors({{"a.weight", {8}, 0, ~0ULL}}), "outside the file"},
      {"TensorOutside", with_tensors({{"a.weight", {64, 2}}}),
       "it is truncated or still downloading: tensor 'a.weight' ends outside it"},
      {"LargeTensorOutside", with_tensors({{"a.weight", {std::int64_t{1} << 60}}}),
       "tensor 'a.weight' ends outside it"},
  };
}

class GgufRefusals : public testing::TestWithParam<Refusal> {};

TEST_P(GgufRefusals, NameTheField) {
  const std::string bytes = GetParam().file.bytes();
  const std::string error = error_of([&] { static_cast<void>(GgufFile(as_bytes(bytes), "x.gguf")); });
  expect_contains(error, "x.gguf: ");
  expect_contains(error, GetParam().message);
  EXPECT_EQ(error.find('\n'), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Files, GgufRefusals, testing::ValuesIn(refusals()),
                         [](const auto& instance) { return instance.param.name; });

GgufBytes part(std::uint16_t number, std::uint16_t count, std::vector<std::string> tensors) {
  GgufBytes file;
  file.keys = {gguf_key("split.no", 2, little_endian(number, 2)),
               gguf_key("split.count", 2, little_endian(count, 2))};
  if (number == 0) file.keys.push_back(gguf_key("split.tensors.count", 5, little_endian(2, 4)));
  for (const std::string& name : tensors) file.tensors.push_back(gguf_tensor({name}));
  file.data = std::string(32 * tensors.size(), '\0');
  return file;
}

/// Two files of a split model in a folder.
class GgufSplit : public testing::Test {
 protected:
  void put(int number, const GgufBytes& file) const {
    put_file(folder_ / fmt::format("m-{:05}-of-00002.gguf", number), file.bytes());
  }
  [[nodiscard]] std::string refusal() const {
    const std::string error = error_of([&] { static_cast<void>(GgufFile(first())); });
    EXPECT_EQ(error.find('\n'), std::string::npos);
    return error;
  }
  [[nodiscard]] std::filesystem::path first() const { return folder_ / "m-00001-of-00002.gguf"; }
  TemporaryFolder folder_;
};

TEST_F(GgufSplit, IsReadAsOne) {
  put(1, part(0, 2, {"a"}));
  put(2, part(1, 2, {"b"}));
  EXPECT_EQ(GgufFile(first()).order(), (std::vector<std::string>{"a", "b"}));
}

TEST_F(GgufSplit, MayHaveNoTensorsInTheFirstFile) {
  put(1, part(0, 2, {}));
  GgufBytes second = part(1, 2, {"a"});
  second.tensors.push_back(gguf_tensor({"b", {8}, 0, 32}));
  second.data = std::string(64, '\0');
  put(2, second);
  EXPECT_EQ(GgufFile(first()).order(), (std::vector<std::string>{"a", "b"}));
}

TEST_F(GgufSplit, RefusesAMissingFile) {
  put(1, part(0, 2, {"a"}));
  expect_contains(refusal(), "m-00002-of-00002.gguf is missing: the model has 2 files");
}

TEST_F(GgufSplit, RefusesAnotherThanTheFirst) {
  put(1, part(1, 2, {"a"}));
  expect_contains(refusal(), "it is number 2 of 2 files: give the first, -00001-of-00002.gguf");
}

TEST_F(GgufSplit, RefusesAWrongNumber) {
  put(1, part(0, 2, {"a"}));
  put(2, part(0, 2, {"b"}));
  expect_contains(refusal(), "by its keys split.no and split.count it is not number 2 of 2 files");
}

TEST_F(GgufSplit, RefusesAFileOfAnotherCount) {
  put(1, part(0, 2, {"a"}));
  put(2, part(1, 3, {"b"}));
  expect_contains(refusal(), "by its keys split.no and split.count it is not number 2 of 2 files");
}

TEST_F(GgufSplit, RefusesAFileWithoutItsKeys) {
  put(1, part(0, 2, {"a"}));
  put(2, GgufBytes());
  expect_contains(refusal(), "m-00002-of-00002.gguf: key 'split.no' is missing");
}

TEST_F(GgufSplit, RefusesAWrongCountOfTensors) {
  put(1, part(0, 2, {"a"}));
  put(2, part(1, 2, {}));
  expect_contains(refusal(), "split.tensors.count is 2, but the files have 1 tensors");
}

TEST_F(GgufSplit, RefusesATensorOfTwoFiles) {
  put(1, part(0, 2, {"a"}));
  put(2, part(1, 2, {"a"}));
  expect_contains(refusal(), "tensor 'a' occurs twice");
}

TEST_F(GgufSplit, RefusesANameThatDoesNotSayItsCount) {
  put_file(folder_ / "m.gguf", part(0, 2, {"a"}).bytes());
  expect_contains(error_of([&] { static_cast<void>(GgufFile(folder_ / "m.gguf")); }),
                  "it is the first of 2 files, whose name must end in -00001-of-00002.gguf");
}

TEST(GgufFile, RefusesAGitLfsPointer) {
  const TemporaryFolder folder;
  put_file(folder / "x.gguf", "version https://git-lfs.github.com/spec/v1\n");
  expect_contains(error_of([&] { static_cast<void>(GgufFile(folder / "x.gguf")); }), "git lfs pull");
}

}  // namespace
}  // namespace cola
