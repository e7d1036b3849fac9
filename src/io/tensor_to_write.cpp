#include "io/tensor_to_write.h"

#include <fmt/format.h>

#include <utility>

#include "core/error.h"
#include "io/checked_size.h"
#include "io/printable.h"

namespace cola {

std::size_t TensorToWrite::bytes() const {
  const BlockLayout block = layout_of(dtype);
  if (!shape.empty() && shape.back() % block.values != 0) {
    throw Error(fmt::format("tensor '{}': its rows of {} values are not whole blocks of {} ({})",
                            printable(name), shape.back(), block.values, name_of(dtype)));
  }
  const auto values = checked_bytes(shape, 1);
  const auto bytes = values ? checked_multiply(*values / block.values, block.bytes) : std::nullopt;
  if (!bytes) throw Error(fmt::format("tensor '{}' has a negative or too large shape", printable(name)));
  return static_cast<std::size_t>(*bytes);
}

TensorToWrite tensor_of_floats(std::string name, std::vector<std::int64_t> shape,
                               std::span<const float> values, Memory& memory) {
  TensorToWrite tensor{std::move(name), DType::f32, std::move(shape), {}};
  if (tensor.bytes() != values.size_bytes()) {
    throw Error(
        fmt::format("tensor '{}': {} values do not match its shape", printable(tensor.name), values.size()));
  }
  tensor.fill = [values, from = &memory](std::span<std::byte> buffer) {
    from->download(std::as_bytes(values).data(), buffer.data(), buffer.size());
  };
  return tensor;
}

}  // namespace cola
