// The tokenizer of a GGUF file over arbitrary bytes: what it accepts it can encode with and decode, what it
// refuses it refuses with an Error of one line, and nothing that it allocates is larger than the file's size
// times 8 and tables whose size is fixed.
#include <sanitizer/allocator_interface.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/error.h"
#include "io/gguf/gguf_file.h"
#include "text/gguf_tokenizer.h"

namespace {

std::size_t largest_allocation = 0;  // 0: any

void check_allocated(const volatile void* /*memory*/, std::size_t size) {
  if (largest_allocation != 0 && size > largest_allocation) std::abort();
}
void ignore_freed(const volatile void* /*memory*/) {}

class AllocationLimit {
 public:
  explicit AllocationLimit(std::size_t bytes) { largest_allocation = bytes; }
  ~AllocationLimit() { largest_allocation = 0; }
  AllocationLimit(const AllocationLimit&) = delete;
  AllocationLimit& operator=(const AllocationLimit&) = delete;
};

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerInitialize(int* /*count*/, char*** /*arguments*/) {
  return __sanitizer_install_malloc_and_free_hooks(check_allocated, ignore_freed) != 0 ? 0 : 1;
}

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t tables = std::size_t{2} << 20;  // classes of characters, joins of merges
  const AllocationLimit limit(8 * size + tables);
  try {
    const cola::GgufFile file(std::as_bytes(std::span(data, size)), "file");
    const auto tokenizer = cola::open_gguf_tokenizer(file.keys());
    for (const std::string_view text : {"ab a\n 12", "<s>\u00E9 <|end|>aab ", "\u2581ab"})
      static_cast<void>(tokenizer->decode(tokenizer->encode(text), false));
  } catch (const cola::Error& error) {
    if (std::string_view(error.what()).find('\n') != std::string_view::npos) std::abort();
  }
  return 0;
}
