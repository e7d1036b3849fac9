#include <numeric>
#include <random>

#include "io/io_test_support.h"
#include "io/memory_map.h"
#include "io/tensor_source.h"
#include "io/torch_file_builder.h"
#include "io/zip_archive.h"

namespace cola {
namespace {

using test::bytes_of_values;
using test::error_of;
using test::expect_contains;
using test::pickle_integer;
using test::pickle_state_dict;
using test::pickle_tensor;
using test::pickle_tensors;
using test::pickle_text;
using test::put_file;
using test::TemporaryFolder;
using test::TensorPickle;
using test::write_zip;
using test::ZipEntry;

const std::vector<float> eight{0, 1, 2, 3, 4, 5, 6, 7};

std::vector<float> floats_of(const SourceTensor& tensor) {
  std::vector<float> values(static_cast<std::size_t>(tensor.size()));
  read_as_f32(tensor, values);
  return values;
}

/// A file with this pickle, and `eight` as storage 0.
std::vector<ZipEntry> entries_with(const std::string& pickle) {
  return {
      {"archive/data.pkl", pickle}, {"archive/data/0", bytes_of_values(eight)}, {"archive/version", "3\n"}};
}

std::string refusal(const std::vector<ZipEntry>& entries) {
  const TemporaryFolder folder;
  write_zip(folder / "model.bin", entries);
  const std::string error = error_of([&] { static_cast<void>(open_torch_bin(folder / "model.bin")); });
  expect_contains(error, "model.bin");
  return error;
}

std::string refused_pickle(const std::string& pickle) { return refusal(entries_with(pickle)); }

std::string refused_tensor(const TensorPickle& tensor) { return refused_pickle(pickle_tensors({tensor})); }

TEST(TorchBin, TensorsOfAllDtypesAreRead) {
  const TemporaryFolder folder;
  const std::vector<BFloat16> brains{BFloat16(1.5F), BFloat16(-2.0F)};
  const std::vector<Float16> halves{Float16(0.25F), Float16(-8.0F)};
  const std::vector<std::int64_t> longs{-1, std::int64_t{1} << 33};
  const std::vector<std::int32_t> ints{7, -8};
  auto entries = entries_with(pickle_tensors({{"w", "FloatStorage", "0", 8, 0, {2, 4}, {4, 1}},
                                              {"bf", "BFloat16Storage", "1", 2, 0, {2}, {1}},
                                              {"half", "HalfStorage", "2", 2, 0, {1, 2}, {2, 1}},
                                              {"long", "LongStorage", "3", 2, 0, {2}, {1}},
                                              {"int", "IntStorage", "4", 2, 1, {}, {}},
                                              {"empty", "FloatStorage", "5", 0, 0, {0, 3}, {3, 1}}}));
  entries.push_back({"archive/data/1", bytes_of_values(brains)});
  entries.push_back({"archive/data/2", bytes_of_values(halves)});
  entries.push_back({"archive/data/3", bytes_of_values(longs)});
  entries.push_back({"archive/data/4", bytes_of_values(ints)});
  entries.push_back({"archive/data/5", ""});
  entries.push_back({"archive/byteorder", "little"});
  write_zip(folder / "model.bin", entries);

  const auto source = open_torch_bin(folder / "model.bin");
  const auto& tensors = source->tensors();
  ASSERT_EQ(tensors.size(), 6U);
  EXPECT_EQ(tensors.at("w").shape, (std::vector<std::int64_t>{2, 4}));
  EXPECT_EQ(floats_of(tensors.at("w")), eight);
  EXPECT_EQ(floats_of(tensors.at("bf")), (std::vector<float>{1.5F, -2.0F}));
  EXPECT_EQ(floats_of(tensors.at("half")), (std::vector<float>{0.25F, -8.0F}));
  EXPECT_EQ(tensors.at("long").dtype, DType::i64);
  EXPECT_EQ(std::memcmp(tensors.at("long").data, longs.data(), 16), 0);
  EXPECT_EQ(tensors.at("int").dtype, DType::i32);
  ASSERT_EQ(tensors.at("int").bytes, 4U);
  EXPECT_EQ(std::memcmp(tensors.at("int").data, &ints[1], 4), 0);
  EXPECT_EQ(tensors.at("empty").bytes, 0U);
}

TEST(TorchBin, ViewsParametersAndSharedStoragesAreRead) {
  const TemporaryFolder folder;
  const std::string parameter = "ctorch._utils\n_rebuild_parameter\n(" +
                                pickle_tensor({"", "FloatStorage", "0", 8, 4, {4}, {1}}) +
                                "\x88"
                                "ccollections\nOrderedDict\n)RtR";
  write_zip(folder / "model.bin",
            entries_with(pickle_state_dict(
                pickle_text("transposed") + pickle_tensor({"", "FloatStorage", "0", 8, 0, {4, 2}, {1, 4}}) +
                pickle_text("column") + pickle_tensor({"", "FloatStorage", "0", 8, 1, {2}, {4}}) +
                pickle_text("one") +
                pickle_tensor({"", "FloatStorage", "0", 8, 2, {1, 2, 1}, {INT64_MAX, 1, INT64_MAX}}) +
                pickle_text("strided_ones") +
                pickle_tensor({"", "FloatStorage", "0", 8, 0, {2, 1, 2}, {1, INT64_MAX, 4}}) +
                pickle_text("parameter") + parameter + pickle_text("steps") + pickle_integer(7) +
                pickle_text("name") + pickle_text("ignored") + pickle_text("nothing") + "N" +
                pickle_text("rate") + "G" + std::string(8, '\0') + pickle_text("list") +
                "](K\x01K\x02"
                "eK\x03"
                "a")));
  const auto source = open_torch_bin(folder / "model.bin");
  const auto& tensors = source->tensors();
  ASSERT_EQ(tensors.size(), 5U);
  EXPECT_EQ(floats_of(tensors.at("transposed")), (std::vector<float>{0, 4, 1, 5, 2, 6, 3, 7}));
  EXPECT_EQ(floats_of(tensors.at("column")), (std::vector<float>{1, 5}));
  EXPECT_EQ(floats_of(tensors.at("one")), (std::vector<float>{2, 3}));
  EXPECT_EQ(floats_of(tensors.at("strided_ones")), (std::vector<float>{0, 4, 1, 5}));
  EXPECT_EQ(floats_of(tensors.at("parameter")), (std::vector<float>{4, 5, 6, 7}));
}

TEST(TorchBin, PlainDictAndLaterOpcodesAreRead) {
  const TemporaryFolder folder;
  std::string tensor = pickle_tensor({"", "FloatStorage", "0", 8, 0, {8}, {1}});
  const std::string global = "ctorch._utils\n_rebuild_tensor_v2\n";
  const std::string stack_global =
      std::string("\x8c\x0c") + "torch._utils\x94\x8c\x12_rebuild_tensor_v2\x94\x93";
  tensor.replace(0, global.size(), stack_global);
  const std::string body = "}\x94\x8c\x01w" + tensor + "s.";
  write_zip(folder / "model.bin", entries_with("\x80\x04\x95" + test::little_endian(body.size(), 8) + body));
  EXPECT_EQ(floats_of(open_torch_bin(folder / "model.bin")->tensors().at("w")), eight);
}

TEST(TorchBin, StoredEntriesAreUsedInPlaceAndDeflatedOnesAreDecompressed) {
  const TemporaryFolder folder;
  std::vector<float> many(5000);
  std::iota(many.begin(), many.end(), 0.0F);
  const std::string pickle = pickle_tensors({{"w", "FloatStorage", "0", 5000, 0, {5000}, {1}}});
  for (const zip_int32_t method : {ZIP_CM_STORE, ZIP_CM_DEFLATE}) {
    write_zip(folder / "model.bin",
              {{"archive/data.pkl", pickle, method}, {"archive/data/0", bytes_of_values(many), method}});
    EXPECT_EQ(floats_of(open_torch_bin(folder / "model.bin")->tensors().at("w")), many);
    const MemoryMap map(folder / "model.bin");
    const ZipArchive archive(map.bytes(), "model.bin");
    const auto& in_place = archive.entries().at("archive/data/0").in_place;
    ASSERT_EQ(in_place.has_value(), method == ZIP_CM_STORE);
    const auto copy = archive.read("archive/data/0");
    ASSERT_EQ(copy.size(), many.size() * 4);
    EXPECT_EQ(std::memcmp(copy.data(), many.data(), copy.size()), 0);
    if (in_place) {
      EXPECT_TRUE(std::equal(in_place->begin(), in_place->end(), copy.begin(), copy.end()));
    }
  }
}

TEST(TorchBin, OtherGlobalsAreRefusedByName) {
  expect_contains(refused_pickle("\x80\x02"
                                 "cos\nsystem\nX\x02\0\0\0id\x85R."),
                  "refused: the pickle asks for 'os.system'");
  expect_contains(refused_pickle(std::string("\x80\x04\x8c\x08") + "builtins\x8c\x04"
                                                                   "eval\x93."),
                  "'builtins.eval'");
  expect_contains(refused_pickle("\x80\x02"
                                 "ctorch\nSize\n."),
                  "'torch.Size'");
  expect_contains(refused_pickle("\x80\x02"
                                 "i__main__\nX\n."),
                  "opcode 0x69");                                    // INST
  expect_contains(refused_pickle("\x80\x02)\x81."), "opcode 0x81");  // NEWOBJ
  expect_contains(refused_pickle("\x80\x02"
                                 "ctorch\nFloatStorage\n)R."),
                  "refused: a call of torch.FloatStorage");
  expect_contains(refused_pickle("\x80\x02K\x01)R."), "not a global");
  expect_contains(refused_pickle("\x80\x02"
                                 "c" +
                                 std::string(1000, 'x')),
                  "without an end");
}

TEST(TorchBin, DamagedPicklesAreRefused) {
  using namespace std::string_literals;
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", "truncated pickle"},
      {"\x80\x02", "truncated pickle"},
      {"\x80\x09.", "unknown protocol"},
      {"\x80\x02.", "stack is empty"},
      {"\x80\x02X\xff\xff\xff\xffhi", "truncated pickle"},
      {"\x80\x02h\x05.", "did not keep"},
      {"\x80\x02u.", "mark is missing"},
      {"\x80\x02}(K\x01u.", "has no value"},
      {"\x80\x02](K\x01K\x02u.", "not their container"},
      {"\x80\x02](K\x01K\x02t\x85.", "not a dict"},
      {"\x80\x02}.", "holds no tensors"},
      {"\x80\x02}(X\x0a\0\0\0state_dict}u."s, "may be in its entry 'state_dict'"},
      {"\x80\x02K\x01Q.", "not a storage"},
      {"\x80\x02K\x01K\x02"
       "b.",
       "state for"},
      {"\x80\x02\x8a\x09", "more than 64 bits"},
      {"\x80\x02(0.", "opcode 0x30"},
      {std::string("\x80\x02").append(5000, '('), "nested too deeply"},
      {std::string("\x80\x02").append((1 << 20) + 5, 'N'), "too many values"},
      {std::string((16 << 20) + 1, 'N'), "pickle of 16777217 bytes"},
  };
  for (const auto& [pickle, expected] : cases) {
    SCOPED_TRACE(pickle.substr(0, 60));
    expect_contains(refused_pickle(pickle), expected);
  }
}

TEST(TorchBin, CyclesAreHarmless) {
  const std::string cycle =
      "]q\x09h\x09"
      "a";  // a list that holds itself
  const TemporaryFolder folder;
  write_zip(folder / "model.bin",
            entries_with(pickle_state_dict(pickle_text("cycle") + cycle + pickle_text("w") +
                                           pickle_tensor({"", "FloatStorage", "0", 8, 0, {8}, {1}}))));
  EXPECT_EQ(open_torch_bin(folder / "model.bin")->tensors().size(), 1U);
}

TEST(TorchBin, BadTensorsAreRefusedByName) {
  constexpr std::int64_t huge = std::int64_t{1} << 62;
  const std::vector<std::pair<TensorPickle, std::string>> cases{
      {{"w", "DoubleStorage", "0", 4, 0, {4}, {1}}, "tensor 'w' is a DoubleStorage"},
      {{"w", "BoolStorage", "0", 32, 0, {4}, {1}}, "BoolStorage"},
      {{"w", "ByteStorage", "0", 32, 0, {4}, {1}}, "ByteStorage"},
      {{"w", "FloatStorage", "9", 8, 0, {8}, {1}}, "storage archive/data/9 is missing"},
      {{"w", "FloatStorage", "0", 9, 0, {8}, {1}}, "has 32 bytes, the pickle says 36"},
      {{"w", "FloatStorage", "0", -8, 0, {8}, {1}}, "no usable shape"},
      {{"w", "FloatStorage", "0", huge, 0, {8}, {1}}, "too large a shape"},
      {{"w", "FloatStorage", "0", 8, 1, {8}, {1}}, "reaches beyond its storage"},
      {{"w", "FloatStorage", "0", 8, INT64_MAX, {8}, {1}}, "reaches beyond its storage"},
      {{"w", "FloatStorage", "0", 8, -1, {8}, {1}}, "no usable shape"},
      {{"w", "FloatStorage", "0", 8, 0, {-8}, {1}}, "no usable shape"},
      {{"w", "FloatStorage", "0", 8, 7, {8}, {-1}}, "no usable shape"},
      {{"w", "FloatStorage", "0", 8, 0, {2, 4}, {1}}, "no usable shape"},
      {{"w", "FloatStorage", "0", 8, 0, {huge, 8}, {8, 1}}, "too large a shape"},
      {{"w", "FloatStorage", "0", 8, 0, {2, 4}, {5, 1}}, "reaches beyond its storage"},
      {{"w", "FloatStorage", "0", 8, 0, {2, 2}, {huge, huge}}, "reaches beyond its storage"},
      {{"w", "FloatStorage", "0", 8, 0, {1 << 30, 8}, {0, 1}}, "repeats its storage"},
      {{"w", "FloatStorage", "0", 8, 0, std::vector<std::int64_t>(17, 1), std::vector<std::int64_t>(17, 1)},
       "no usable shape"},
  };
  for (const auto& [tensor, expected] : cases) {
    const std::string error = refused_tensor(tensor);
    expect_contains(error, "tensor 'w'");
    expect_contains(error, expected);
  }
  const TensorPickle w{"w", "FloatStorage", "0", 8, 0, {8}, {1}};
  expect_contains(refused_pickle(pickle_tensors({w, w})), "occurs twice");
  // Copies of what is not contiguous are bounded by the file: 32 bytes each, far more often than the file has
  // bytes.
  std::vector<TensorPickle> many;
  const std::string zeros(100'000, '\0');
  for (int i = 0; i < 20; ++i)
    many.push_back(
        {std::string(1, static_cast<char>('a' + i)), "FloatStorage", "0", 25'000, 0, {5000, 5}, {1, 5000}});
  expect_contains(refusal({{"archive/data.pkl", pickle_tensors(many)}, {"archive/data/0", zeros}}),
                  "repeats");
}

TEST(TorchBin, OtherFilesAreRefused) {
  const TemporaryFolder folder;
  const auto refused_bytes = [&](const std::string& bytes) {
    put_file(folder / "x.bin", bytes);
    return error_of([&] { static_cast<void>(open_torch_bin(folder / "x.bin")); });
  };
  using namespace std::string_literals;
  expect_contains(refused_bytes("\x80\x02\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19.\x80\x02M\xe9\x03."s),
                  "before 1.6");
  expect_contains(refused_bytes("hello"), "not a PyTorch file");
  expect_contains(refused_bytes(""), "not a PyTorch file");
  expect_contains(refused_bytes("PK\x03\x04"), "truncated or still downloading");
  expect_contains(refused_bytes("version https://git-lfs.github.com/spec/v1\n"), "git lfs pull");
  expect_contains(refusal({{"a.txt", "x"}}), "no data.pkl");
  expect_contains(refusal({{"a/data.pkl", "x"}, {"b/data.pkl", "x"}}), "more than one data.pkl");
  auto entries = entries_with(pickle_tensors({{"w", "FloatStorage", "0", 8, 0, {8}, {1}}}));
  entries.push_back({"archive/byteorder", "big"});
  expect_contains(refusal(entries), "big-endian");
}

TEST(TorchBin, DeclaredSizeOfACompressedStorageIsChecked) {
  const TemporaryFolder folder;
  const auto file = folder / "model.bin";
  const std::string zeros(1 << 20, '\0');
  const std::string pickle = pickle_tensors({{"w", "FloatStorage", "0", 2, 0, {2}, {1}}});
  write_zip(file, {{"archive/data.pkl", pickle}, {"archive/data/0", zeros, ZIP_CM_DEFLATE}});
  expect_contains(error_of([&] { static_cast<void>(open_torch_bin(file)); }),
                  "has 1048576 bytes, the pickle says 8");
  // The same entry, now declared as 8 bytes in both headers: what comes out of the decompressor is more.
  std::string bytes = test::get_file(file);
  const std::string declared = test::little_endian(zeros.size(), 4);
  std::size_t replaced = 0;
  for (std::size_t at = bytes.find(declared); at != std::string::npos;
       at = bytes.find(declared, at + 4), ++replaced) {
    bytes.replace(at, 4, test::little_endian(8, 4));
  }
  ASSERT_GE(replaced, 2U);
  put_file(file, bytes);
  expect_contains(error_of([&] { static_cast<void>(open_torch_bin(file)); }), "damaged");
}

TEST(TorchBin, DamagedFilesLoadOrThrowErrors) {
  const TemporaryFolder folder;
  const auto file = folder / "model.bin";
  auto entries = entries_with(pickle_tensors({{"a", "FloatStorage", "0", 8, 0, {2, 4}, {4, 1}},
                                              {"b", "FloatStorage", "0", 8, 0, {4, 2}, {1, 4}},
                                              {"c", "HalfStorage", "1", 200, 0, {200}, {1}}}));
  entries.push_back({"archive/data/1", std::string(400, 'x'), ZIP_CM_DEFLATE});
  write_zip(file, entries);
  const std::string whole = test::get_file(file);
  std::size_t loaded = 0;
  std::size_t refused = 0;
  const auto attempt = [&](const std::string& bytes) {
    put_file(file, bytes);
    try {
      const auto source = open_torch_bin(file);
      for (const auto& [name, tensor] : source->tensors()) {
        if (tensor.dtype != DType::i64 && tensor.dtype != DType::i32) static_cast<void>(floats_of(tensor));
      }
      ++loaded;
    } catch (const Error&) {
      ++refused;
    }
  };
  for (std::size_t length = 0; length < whole.size(); ++length) attempt(whole.substr(0, length));
  EXPECT_EQ(refused, whole.size());
  std::mt19937 random(2);
  for (int i = 0; i < 2000; ++i) {
    std::string bytes = whole;
    for (unsigned flips = random() % 3 + 1; flips-- > 0;)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    attempt(bytes);
  }
  EXPECT_GT(loaded, 0U);
  EXPECT_GT(refused, whole.size());
}

}  // namespace
}  // namespace cola
