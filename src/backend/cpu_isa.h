#pragma once
#include <cstdint>
#include <string_view>

namespace cola::ops {

/// Instruction sets that kernels are built for; a later one includes the earlier ones.
enum class CpuIsa : std::uint8_t { baseline, avx2, avx512, avx512_bf16, amx };

/// The best the processor has, lowered by the environment variable COLA_CPU_ISA (baseline, avx2, avx512,
/// avx512_bf16, amx). Throws UsageError if the variable names none of these or more than the processor has.
[[nodiscard]] CpuIsa cpu_isa();

/// The best the processor (and its operating system) has, whatever COLA_CPU_ISA says.
[[nodiscard]] CpuIsa processor_isa();

/// What cpu_isa() answers for a value of COLA_CPU_ISA (empty: not set) on a processor with `best`.
[[nodiscard]] CpuIsa choose_isa(std::string_view wanted, CpuIsa best);

[[nodiscard]] std::string_view name_of(CpuIsa isa);

/// Whether the processor multiplies bf16 in hardware (avx512_bf16 or amx).
[[nodiscard]] bool has_bf16_products();

}  // namespace cola::ops
