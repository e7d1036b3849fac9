#pragma once
#include <zip.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "io/io_test_support.h"

namespace cola::test {

/// A zip entry; the compression method is libzip's.
struct ZipEntry {
  std::string name;
  std::string bytes;
  zip_int32_t method = ZIP_CM_STORE;
};

inline void write_zip(const std::filesystem::path& file, const std::vector<ZipEntry>& entries) {
  int error = 0;
  zip_t* archive = zip_open(file.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &error);
  ASSERT_NE(archive, nullptr);
  for (const ZipEntry& entry : entries) {
    zip_source_t* source = zip_source_buffer(archive, entry.bytes.data(), entry.bytes.size(), 0);
    const zip_int64_t index = zip_file_add(archive, entry.name.c_str(), source, 0);
    ASSERT_GE(index, 0);
    ASSERT_EQ(zip_set_file_compression(archive, static_cast<zip_uint64_t>(index), entry.method, 0), 0);
  }
  ASSERT_EQ(zip_close(archive), 0);
}

inline std::string pickle_text(const std::string& text) {
  return std::string(1, 'X').append(little_endian(text.size(), 4)).append(text);
}
inline std::string pickle_integer(std::int64_t value) {
  return std::string("\x8a\x08") + little_endian(static_cast<std::uint64_t>(value), 8);
}
inline std::string pickle_tuple(const std::vector<std::int64_t>& values) {
  std::string result = "(";
  for (const std::int64_t value : values) result += pickle_integer(value);
  return result + "t";
}

struct TensorPickle {
  std::string name;
  std::string storage_class = "FloatStorage";
  std::string key = "0";
  std::int64_t storage_size = 0;
  std::int64_t offset = 0;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;
};

/// The call of torch._utils._rebuild_tensor_v2, as torch.save writes it.
inline std::string pickle_tensor(const TensorPickle& tensor) {
  return "ctorch._utils\n_rebuild_tensor_v2\n((" + pickle_text("storage") + "ctorch\n" +
         tensor.storage_class + "\n" + pickle_text(tensor.key) + pickle_text("cpu") +
         pickle_integer(tensor.storage_size) + "tQ" + pickle_integer(tensor.offset) +
         pickle_tuple(tensor.shape) + pickle_tuple(tensor.strides) +
         "\x89"
         "ccollections\nOrderedDict\n)RtR";
}

/// An OrderedDict with the items (key and value pickles, one after the other).
inline std::string pickle_state_dict(const std::string& items) {
  return std::string("\x80\x02") + "ccollections\nOrderedDict\nq\x01)Rq\x02(" + items + "u}" +
         pickle_text("_metadata") + "h\x01)R" + pickle_text("") + "}" + pickle_text("version") + "K\x01sssb.";
}

inline std::string pickle_tensors(const std::vector<TensorPickle>& tensors) {
  std::string items;
  for (const TensorPickle& tensor : tensors) items += pickle_text(tensor.name) + pickle_tensor(tensor);
  return pickle_state_dict(items);
}

}  // namespace cola::test
