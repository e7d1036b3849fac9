#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "core/dtype.h"

namespace cola {

inline constexpr std::size_t max_gguf_name_bytes = 63;  ///< of a tensor's name
inline constexpr std::uint32_t max_gguf_dimensions = 4;

/// The number of a tensor type in files; the type of a number, nothing for those that are not supported.
[[nodiscard]] std::uint32_t gguf_type_of(DType dtype);
[[nodiscard]] std::optional<DType> dtype_of_gguf(std::uint32_t type);

/// What ggml calls a type that is not supported, for messages: "NVFP4", "number 77".
[[nodiscard]] std::string name_of_gguf_type(std::uint32_t type);

}  // namespace cola
