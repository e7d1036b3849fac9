#include "io/tensor_source.h"

#include <sys/mman.h>
#include <unistd.h>

#include <fmt/format.h>

#include <cstdint>
#include <cstring>

#include "core/error.h"
#include "core/parallel.h"

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

std::int64_t SourceTensor::size() const { return static_cast<std::int64_t>(bytes / size_of(dtype)); }

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
  }
  throw Error(fmt::format("{}: a tensor of {} where floating-point numbers are needed", tensor.file,
                          name_of(tensor.dtype)));
}

}  // namespace cola
