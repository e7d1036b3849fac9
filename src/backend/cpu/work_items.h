#pragma once
#include <atomic>
#include <cstdint>
#include <string>

#include "backend/context.h"
#include "core/parallel.h"

namespace cola::ops {

/// Calls body(item, memory) for 0 .. items-1 on so many threads, `memory` being `floats` floats of a thread's
/// own, in the context's scratch of that name. A free thread takes the next item: which one runs an item
/// makes no difference to its result.
template <class Body>
void for_each_item(Context& context, const std::string& name, std::int64_t items, std::int64_t threads,
                   std::int64_t floats, const Body& body) {
  const MatrixView scratch = context.scratch(name, DType::f32, threads, (floats + 15) / 16 * 16);
  std::atomic<std::int64_t> next{0};
  parallel_for(threads, 1, [&](std::int64_t begin, std::int64_t /*end*/) {
    float* memory = scratch.as<float>() + begin * scratch.stride;
    for (std::int64_t item = next++; item < items; item = next++) body(item, memory);
  });
}

}  // namespace cola::ops
