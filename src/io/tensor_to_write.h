#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/dtype.h"
#include "core/memory.h"

namespace cola {

/// One tensor to write. `fill` is called once, in the order of the vector, with a buffer of exactly
/// bytes_of(dtype, product(shape)) bytes: so that a whole model need not be in memory at once.
struct TensorToWrite {
  std::string name;
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
  std::function<void(std::span<std::byte>)> fill;

  /// Throws Error naming the tensor where its shape is negative or too large, or a row is not whole blocks.
  [[nodiscard]] std::size_t bytes() const;
};

/// A TensorToWrite over f32 values of `memory` that outlive the call to the writer.
[[nodiscard]] TensorToWrite tensor_of_floats(std::string name, std::vector<std::int64_t> shape,
                                             std::span<const float> values, Memory& memory = host_memory());

}  // namespace cola
