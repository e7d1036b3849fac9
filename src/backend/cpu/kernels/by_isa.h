#pragma once
#include "backend/cpu_isa.h"

namespace cola::kernels {

/// The one of a kernel's tables that is built for `isa`. AMX adds tile products only: its other kernels are
/// avx512_bf16's.
template <class Table>
[[nodiscard]] const Table& by_isa(ops::CpuIsa isa, const Table& baseline, const Table& avx2,
                                  const Table& avx512, const Table& avx512_bf16) {
  switch (isa) {
    case ops::CpuIsa::baseline:
      return baseline;
    case ops::CpuIsa::avx2:
      return avx2;
    case ops::CpuIsa::avx512:
      return avx512;
    case ops::CpuIsa::avx512_bf16:
    case ops::CpuIsa::amx:
      break;
  }
  return avx512_bf16;
}

}  // namespace cola::kernels
