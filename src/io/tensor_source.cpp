#include "io/tensor_source.h"

#include <sys/mman.h>
#include <unistd.h>

#include <fmt/format.h>

#include <cstdint>
#include <cstring>

#include "core/error.h"
#include "core/finite_values.h"
#include "core/parallel.h"
#include "core/quantized_blocks.h"
#include "io/printable.h"

namespace cola {
namespace {

template <class T>
void convert(const std::byte* source, std::span<float> destination) {
  constexpr std::int64_t grain = std::int64_t{1} << 16;
  parallel_for(static_cast<std::int64_t>(destination.size()), grain,
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t i = begin; i < end; ++i) {
                   T value;
                   std::memcpy(&value, source + i * static_cast<std::int64_t>(sizeof(T)), sizeof(T));
                   destination[static_cast<std::size_t>(i)] = static_cast<float>(value);
                 }
               });
}

}  // namespace

std::int64_t SourceTensor::size() const {
  const BlockLayout block = layout_of(dtype);
  return static_cast<std::int64_t>(bytes) / block.bytes * block.values;
}

void release_pages(const SourceTensor& tensor) {
  if (!tensor.mapped) return;
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<std::uintptr_t>(tensor.data) + page - 1) / page * page;
  const auto end = (reinterpret_cast<std::uintptr_t>(tensor.data) + tensor.bytes) / page * page;
  if (begin >= end) return;  // shares its pages with others
  const auto offset = begin - reinterpret_cast<std::uintptr_t>(tensor.data);
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): the mapping is read-only, and so is this
  (void)::madvise(const_cast<std::byte*>(tensor.data) + offset, end - begin, MADV_DONTNEED);  // a hint
}

void read_as_f32(const SourceTensor& tensor, std::span<float> destination) {
  if (static_cast<std::int64_t>(destination.size()) != tensor.size()) {
    throw Error(fmt::format("{}: a tensor of {} elements does not fit a buffer of {}", tensor.file,
                            tensor.size(), destination.size()));
  }
  switch (tensor.dtype) {
    case DType::f32:
      return convert<float>(tensor.data, destination);
    case DType::bf16:
      return convert<BFloat16>(tensor.data, destination);
    case DType::f16:
      return convert<Float16>(tensor.data, destination);
    case DType::i64:
    case DType::i32:
      break;
    default:
      return dequantize(tensor.dtype, tensor.data, destination);
  }
  throw Error(fmt::format("{}: a tensor of {} where floating-point numbers are needed", tensor.file,
                          name_of(tensor.dtype)));
}

void read_as_f32(const SourceTensor& tensor, std::int64_t begin, std::span<float> destination) {
  SourceTensor part = tensor;
  const auto count = static_cast<std::int64_t>(destination.size());
  part.shape = {count};
  part.bytes = static_cast<std::size_t>(bytes_of(tensor.dtype, count));
  part.data += bytes_of(tensor.dtype, begin);
  read_as_f32(part, destination);
}

void require_finite(const std::string& name, const SourceTensor& tensor) {
  const std::span bytes(tensor.data, tensor.bytes);
  if (is_quantized(tensor.dtype)) {
    if (blocks_finite(tensor.dtype, bytes)) return;
    throw Error(fmt::format("{}: tensor '{}' ({}) has a value that is not finite, and every one has to be",
                            tensor.file, printable(name), name_of(tensor.dtype)));
  }
  if (all_finite(bytes, tensor.dtype)) return;
  const std::size_t index = first_not_finite(bytes, tensor.dtype);
  float value = 0.0F;
  read_as_f32(tensor, static_cast<std::int64_t>(index), {&value, 1});
  const auto row_size = static_cast<std::size_t>(tensor.shape.empty() ? 1 : tensor.shape.back());
  const std::string place = tensor.shape.size() == 2
                                ? fmt::format("[{}, {}]", index / row_size, index % row_size)
                                : fmt::format("[{}]", index);
  throw Error(fmt::format("{}: tensor '{}' holds {} at {}, and every value has to be finite", tensor.file,
                          printable(name), value, place));
}

}  // namespace cola
