#include "backend/cuda/kernels/ptx.cuh"

#include <array>
#include <cstddef>

namespace cola::cuda {
namespace {

using emulation::Lanes;

struct MatrixLoad {
  const std::uint16_t* row;
  std::uint32_t* registers;
};

template <bool transposed>
void complete_load(const Lanes& lanes) {
  const auto load = [&](std::size_t lane) { return *static_cast<const MatrixLoad*>(lanes[lane]); };
  const auto element = [&](std::size_t matrix, std::size_t row, std::size_t col) -> std::uint32_t {
    return transposed ? load(matrix * 8 + col).row[row] : load(matrix * 8 + row).row[col];
  };
  for (std::size_t lane = 0; lane < 32; ++lane) {
    for (std::size_t matrix = 0; matrix < 4; ++matrix) {
      const std::size_t row = lane / 4;
      const std::size_t col = 2 * (lane % 4);
      load(lane).registers[matrix] = element(matrix, row, col) | element(matrix, row, col + 1) << 16;
    }
  }
}

template <bool transposed>
void run_load(std::uint32_t (&registers)[4], const void* row, std::source_location site) {
  if (reinterpret_cast<std::uintptr_t>(row) % 16 != 0)
    emulation::fail("a matrix row is not aligned to 16 bytes");
  MatrixLoad load = {static_cast<const std::uint16_t*>(row), registers};
  emulation::warp_collective(&load, complete_load<transposed>, site);
}

struct Product {
  float* c;
  const std::uint32_t* a;
  std::array<std::uint32_t, 2> b;
};

float half_of(std::uint32_t pair, std::size_t which) {
  return __bfloat162float({static_cast<std::uint16_t>(pair >> (16 * which))});
}

void complete_product(const Lanes& lanes) {
  float a[16][16];
  float b[16][8];
  for (std::size_t lane = 0; lane < 32; ++lane) {
    const auto& product = *static_cast<const Product*>(lanes[lane]);
    const std::size_t group = lane / 4;
    const std::size_t pair = 2 * (lane % 4);
    for (std::size_t half = 0; half < 2; ++half) {
      for (std::size_t i = 0; i < 4; ++i) {
        a[group + 8 * (i % 2)][pair + half + 8 * (i / 2)] = half_of(product.a[i], half);
      }
      for (std::size_t i = 0; i < 2; ++i) b[pair + half + 8 * i][group] = half_of(product.b[i], half);
    }
  }
  for (std::size_t lane = 0; lane < 32; ++lane) {
    float* c = static_cast<const Product*>(lanes[lane])->c;
    for (std::size_t i = 0; i < 4; ++i) {
      const std::size_t row = lane / 4 + 8 * (i / 2);
      const std::size_t col = 2 * (lane % 4) + i % 2;
      for (std::size_t k = 0; k < 16; ++k) c[i] += a[row][k] * b[k][col];
    }
  }
}

}  // namespace

void load_matrices(std::uint32_t (&registers)[4], const void* row, std::source_location site) {
  run_load<false>(registers, row, site);
}

void load_matrices_transposed(std::uint32_t (&registers)[4], const void* row, std::source_location site) {
  run_load<true>(registers, row, site);
}

void multiply_add(float (&c)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1,
                  std::source_location site) {
  Product product = {c, a, {b0, b1}};
  emulation::warp_collective(&product, complete_product, site);
}

}  // namespace cola::cuda
