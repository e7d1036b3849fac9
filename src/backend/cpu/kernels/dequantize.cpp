#include "backend/cpu/kernels/dequantize.h"

#include <stdexcept>
#include <type_traits>

#include "backend/cpu/kernels/by_isa.h"
#include "core/dtype.h"

namespace cola::kernels {
namespace {

template <class T>
const ExpandKernels<T>& table_of(ops::CpuIsa isa) {
  const DequantizeKernels& kernels = by_isa(isa, isa_baseline::dequantize_table, isa_avx2::dequantize_table,
                                            isa_avx512::dequantize_table, isa_avx512_bf16::dequantize_table);
  if constexpr (std::is_same_v<T, float>)
    return kernels.f32;
  else
    return kernels.bf16;
}

}  // namespace

template <class T>
Expand<T> expand_kernel(DType dtype, ops::CpuIsa isa) {
  const ExpandKernels<T>& table = table_of<T>(isa);
  switch (dtype) {
    case DType::q4_0:
      return table.q4_0;
    case DType::q4_1:
      return table.q4_1;
    case DType::q5_0:
      return table.q5_0;
    case DType::q5_1:
      return table.q5_1;
    case DType::q8_0:
      return table.q8_0;
    case DType::q2_k:
      return table.q2_k;
    case DType::q3_k:
      return table.q3_k;
    case DType::q4_k:
      return table.q4_k;
    case DType::q5_k:
      return table.q5_k;
    case DType::q6_k:
      return table.q6_k;
    case DType::iq4_nl:
      return table.iq4_nl;
    case DType::iq4_xs:
      return table.iq4_xs;
    case DType::mxfp4:
      return table.mxfp4;
    default:
      break;
  }
  throw std::logic_error("not a quantised type");
}

template <class T>
Expand<T> expand_kernel(DType dtype) {
  return expand_kernel<T>(dtype, ops::cpu_isa());
}

template Expand<float> expand_kernel(DType, ops::CpuIsa);
template Expand<std::uint16_t> expand_kernel(DType, ops::CpuIsa);
template Expand<float> expand_kernel(DType);
template Expand<std::uint16_t> expand_kernel(DType);

}  // namespace cola::kernels
