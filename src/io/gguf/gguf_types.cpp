#include "io/gguf/gguf_types.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace cola {
namespace {

struct TypeNumber {
  std::uint32_t number;
  DType dtype;
};
constexpr std::array<TypeNumber, 18> type_numbers{{{0, DType::f32},
                                                   {1, DType::f16},
                                                   {30, DType::bf16},
                                                   {8, DType::q8_0},
                                                   {2, DType::q4_0},
                                                   {3, DType::q4_1},
                                                   {6, DType::q5_0},
                                                   {7, DType::q5_1},
                                                   {10, DType::q2_k},
                                                   {11, DType::q3_k},
                                                   {12, DType::q4_k},
                                                   {13, DType::q5_k},
                                                   {14, DType::q6_k},
                                                   {20, DType::iq4_nl},
                                                   {23, DType::iq4_xs},
                                                   {39, DType::mxfp4},
                                                   {26, DType::i32},
                                                   {27, DType::i64}}};

}  // namespace

std::uint32_t gguf_type_of(DType dtype) {
  const auto* found = std::ranges::find(type_numbers, dtype, &TypeNumber::dtype);
  if (found == type_numbers.end()) throw std::logic_error("a dtype without a number in GGUF files");
  return found->number;
}

std::optional<DType> dtype_of_gguf(std::uint32_t type) {
  const auto* found = std::ranges::find(type_numbers, type, &TypeNumber::number);
  return found == type_numbers.end() ? std::nullopt : std::optional(found->dtype);
}

std::string name_of_gguf_type(std::uint32_t type) {
  constexpr std::array<std::pair<std::uint32_t, std::string_view>, 18> names{{{9, "Q8_1"},
                                                                              {15, "Q8_K"},
                                                                              {16, "IQ2_XXS"},
                                                                              {17, "IQ2_XS"},
                                                                              {18, "IQ3_XXS"},
                                                                              {19, "IQ1_S"},
                                                                              {21, "IQ3_S"},
                                                                              {22, "IQ2_S"},
                                                                              {24, "I8"},
                                                                              {25, "I16"},
                                                                              {28, "F64"},
                                                                              {29, "IQ1_M"},
                                                                              {34, "TQ1_0"},
                                                                              {35, "TQ2_0"},
                                                                              {40, "NVFP4"},
                                                                              {41, "Q1_0"},
                                                                              {42, "Q2_0"},
                                                                              {4, "Q4_2"}}};
  for (const auto& [number, name] : names)
    if (number == type) return std::string(name);
  return fmt::format("number {}", type);
}

}  // namespace cola
