#include "backend/cpu_isa.h"

#include <fmt/format.h>

#include <array>
#include <cstdlib>

#include "backend/cpu/kernels/tile_product.h"
#include "core/error.h"

namespace cola::ops {
namespace {

constexpr std::array<std::string_view, 5> names = {"baseline", "avx2", "avx512", "avx512_bf16", "amx"};

// The groups of -march=x86-64-v3 and -v4, which isa.cmake compiles for. The built-ins also look at what the
// operating system saves and restores.
bool has_avx2() {
  return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0 &&
         __builtin_cpu_supports("bmi") != 0 && __builtin_cpu_supports("bmi2") != 0 &&
         __builtin_cpu_supports("f16c") != 0 && __builtin_cpu_supports("lzcnt") != 0 &&
         __builtin_cpu_supports("movbe") != 0;
}

bool has_avx512() {
  return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
         __builtin_cpu_supports("avx512cd") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
         __builtin_cpu_supports("avx512vl") != 0;
}

bool has_avx512_bf16() {
  return __builtin_cpu_supports("avx512bf16") != 0 && __builtin_cpu_supports("avx512vnni") != 0;
}

}  // namespace

CpuIsa processor_isa() {
  __builtin_cpu_init();
  if (!has_avx2()) return CpuIsa::baseline;
  if (!has_avx512()) return CpuIsa::avx2;
  if (!has_avx512_bf16()) return CpuIsa::avx512;
  return kernels::processor_has_tiles() ? CpuIsa::amx : CpuIsa::avx512_bf16;
}

CpuIsa choose_isa(std::string_view wanted, CpuIsa best) {
  if (wanted.empty()) return best;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] != wanted) continue;
    const auto isa = static_cast<CpuIsa>(i);
    if (isa > best) {
      throw UsageError(
          fmt::format("COLA_CPU_ISA={}: this processor has no more than {}", wanted, name_of(best)));
    }
    return isa;
  }
  throw UsageError(fmt::format("COLA_CPU_ISA={}: use one of {}", wanted, fmt::join(names, ", ")));
}

CpuIsa cpu_isa() {
  static const CpuIsa isa = [] {
    const char* wanted = std::getenv("COLA_CPU_ISA");
    return choose_isa(wanted != nullptr ? wanted : "", processor_isa());
  }();
  return isa;
}

std::string_view name_of(CpuIsa isa) { return names.at(static_cast<std::size_t>(isa)); }

bool has_bf16_products() { return cpu_isa() >= CpuIsa::avx512_bf16; }

}  // namespace cola::ops
