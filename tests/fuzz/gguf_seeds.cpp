// Writes the seeds of gguf_fuzz, small sound files, into a folder: gguf_seeds FOLDER.
#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "io/gguf/gguf_types.h"
#include "io/gguf/gguf_writer.h"

namespace {

using cola::DType;
using cola::GgufValue;

cola::TensorToWrite ones(const std::string& name, DType dtype, std::vector<std::int64_t> shape) {
  return {name, dtype, std::move(shape),
          [](std::span<std::byte> bytes) { std::ranges::fill(bytes, std::byte{1}); }};
}

cola::GgufMetadata keys_of_each_type() {
  cola::GgufMetadata keys;
  keys.add("general.architecture", GgufValue(std::string_view("llama")));
  keys.add("u8", GgufValue(std::uint8_t{1}));
  keys.add("i8", GgufValue(std::int8_t{-1}));
  keys.add("u16", GgufValue(std::uint16_t{1}));
  keys.add("i16", GgufValue(std::int16_t{-1}));
  keys.add("u32", GgufValue(std::uint32_t{1}));
  keys.add("i32", GgufValue(std::int32_t{-1}));
  keys.add("f32", GgufValue(1.5F));
  keys.add("bool", GgufValue(true));
  keys.add("u64", GgufValue(std::uint64_t{1}));
  keys.add("i64", GgufValue(std::int64_t{-1}));
  keys.add("f64", GgufValue(1.5));
  const std::vector<std::string> words{"one", "two"};
  keys.add("strings", std::span<const std::string>(words));
  keys.add("numbers.i32", std::span<const std::int32_t>(std::vector<std::int32_t>{1, 2, 3}));
  keys.add("numbers.f32", std::span<const float>(std::vector<float>{1.0F, 2.0F}));
  return keys;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) return 2;
  const std::filesystem::path folder = arguments[1];
  std::filesystem::create_directories(folder);
  cola::write_gguf(folder / "keys", keys_of_each_type(), {});
  cola::GgufMetadata split;
  split.add("split.no", GgufValue(std::uint16_t{0}));
  split.add("split.count", GgufValue(std::uint16_t{1}));
  cola::write_gguf(folder / "split", split, {ones("a", DType::f32, {})});
  std::vector<cola::TensorToWrite> all;
  constexpr std::uint32_t types = 64;
  for (std::uint32_t type = 0; type < types; ++type) {
    const auto dtype = cola::dtype_of_gguf(type);
    if (!dtype) continue;
    const std::int64_t row = cola::layout_of(*dtype).values;
    all.push_back(ones("blk.0." + std::string(name_of(*dtype)) + ".weight", *dtype, {2, row}));
    cola::write_gguf(folder / std::string(name_of(*dtype)), {},
                     {all.back(), ones("n.bias", DType::f32, {3})});
  }
  cola::write_gguf(folder / "all", keys_of_each_type(), all);
  return 0;
}
