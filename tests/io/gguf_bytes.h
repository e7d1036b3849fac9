#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "io/io_test_support.h"

namespace cola::test {

/// Bytes of a GGUF file put together by hand, sound or not.
inline std::string gguf_string(const std::string& text) { return little_endian(text.size(), 8) + text; }

inline std::string gguf_key(const std::string& name, std::uint32_t type, const std::string& value) {
  return gguf_string(name) + little_endian(type, 4) + value;
}

struct GgufTensorBytes {
  std::string name = "a.weight";
  std::vector<std::int64_t> extents{8};  ///< innermost first
  std::uint32_t type = 0;                ///< F32
  std::uint64_t offset = 0;
};

inline std::string gguf_tensor(const GgufTensorBytes& tensor) {
  std::string bytes = gguf_string(tensor.name) + little_endian(tensor.extents.size(), 4);
  for (const std::int64_t extent : tensor.extents)
    bytes += little_endian(static_cast<std::uint64_t>(extent), 8);
  return bytes + little_endian(tensor.type, 4) + little_endian(tensor.offset, 8);
}

struct GgufBytes {
  std::string magic = "GGUF";
  std::uint32_t version = 3;
  std::vector<std::string> keys{};     ///< gguf_key()
  std::vector<std::string> tensors{};  ///< gguf_tensor()
  std::string data{};                  ///< behind the padding
  std::int64_t more_keys = 0;          ///< that the counts claim beyond those that are there
  std::int64_t more_tensors = 0;

  [[nodiscard]] std::string bytes() const {
    const auto count = [](std::size_t there, std::int64_t more) {
      return little_endian(static_cast<std::uint64_t>(static_cast<std::int64_t>(there) + more), 8);
    };
    std::string all = magic + little_endian(version, 4) + count(tensors.size(), more_tensors) +
                      count(keys.size(), more_keys);
    for (const std::string& key : keys) all += key;
    for (const std::string& tensor : tensors) all += tensor;
    if (!tensors.empty()) all.resize((all.size() + 31) / 32 * 32);
    return all + data;
  }
};

}  // namespace cola::test
