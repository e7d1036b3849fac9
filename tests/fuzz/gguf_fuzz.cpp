// GgufFile over arbitrary bytes: everything that it accepts can be read, what it refuses it refuses with an
// Error of one line, and it never has more memory than the file's size times 8 and a little.
#include <sanitizer/allocator_interface.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/error.h"
#include "io/gguf/gguf_file.h"

namespace {

/// What the target may have allocated at any time, and has; counted while `limit` is not 0.
struct Allocations {
  std::size_t limit = 0;
  std::size_t bytes = 0;
};
Allocations allocations;

void count_allocated(const volatile void* /*memory*/, std::size_t size) {
  if (allocations.limit == 0) return;
  allocations.bytes += size;
  if (allocations.bytes > allocations.limit) std::abort();
}
void count_freed(const volatile void* memory) {
  if (allocations.limit != 0 && memory != nullptr)
    allocations.bytes -= __sanitizer_get_allocated_size(memory);
}

class AllocationLimit {
 public:
  explicit AllocationLimit(std::size_t bytes) { allocations = {bytes, 0}; }
  ~AllocationLimit() { allocations = {}; }
  AllocationLimit(const AllocationLimit&) = delete;
  AllocationLimit& operator=(const AllocationLimit&) = delete;
};

void read_keys(const cola::GgufKeys& keys) {
  for (const auto& [name, value] : keys.all()) {
    const auto* array = std::get_if<cola::GgufArray>(&value);
    if (array == nullptr) continue;
    switch (array->element_type) {
      case 4:
        static_cast<void>(keys.numbers<std::uint32_t>(name));
        break;
      case 5:
        static_cast<void>(keys.numbers<std::int32_t>(name));
        break;
      case 6:
        static_cast<void>(keys.numbers<float>(name));
        break;
      case 7:
        static_cast<void>(keys.numbers<bool>(name));
        break;
      default:
        break;
    }
  }
}

/// Each accepted tensor to its last byte, 256 values at a time: all at once they may take more memory than
/// the file's size times 8.
void read_tensors(const cola::GgufFile& file) {
  constexpr std::int64_t at_once = 256;  // whole blocks of every type
  std::array<float, at_once> values{};
  for (const std::string& name : file.order()) {
    const cola::SourceTensor& tensor = *file.find(name);
    if (tensor.dtype == cola::DType::i32 || tensor.dtype == cola::DType::i64) continue;
    for (std::int64_t begin = 0; begin < tensor.size(); begin += at_once) {
      const auto count = static_cast<std::size_t>(std::min(at_once, tensor.size() - begin));
      read_as_f32(tensor, begin, std::span(values).first(count));
    }
  }
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerInitialize(int* /*count*/, char*** /*arguments*/) {
  float value = 0.0F;  // reading starts the threads, whose memory is not the file's
  const cola::SourceTensor tensor{cola::DType::f32, {1}, reinterpret_cast<const std::byte*>(&value),
                                  sizeof value,     "",  false};
  cola::read_as_f32(tensor, std::span(&value, 1));
  return __sanitizer_install_malloc_and_free_hooks(count_allocated, count_freed) != 0 ? 0 : 1;
}

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t for_a_small_file = 16384;  // messages, and the first elements of tables
  const AllocationLimit limit(8 * size + for_a_small_file);
  try {
    const cola::GgufFile file(std::as_bytes(std::span(data, size)), "file");
    read_keys(file.keys());
    read_tensors(file);
  } catch (const cola::Error& error) {
    if (std::string_view(error.what()).find('\n') != std::string_view::npos) std::abort();
  }
  return 0;
}
